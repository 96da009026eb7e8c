//! What the tool itself does wrong, in virtual time and over real sockets.

use std::fs;

use assert_cmd::Command;
use dst_load_scenario::scenario::built_in;
use serde_json::Value;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_generator_that_stands_still_makes_the_run_invalid() {
    // Nearly always, so that it does not depend on the seed whether updates come meanwhile.
    let fault = "{kind: throttleGenerator, delay: 400ms, share: 80%}";
    let report = faulty(built_in("quick").unwrap(), fault).await.report;
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    let named = reasons(&report, "the generator was the bottleneck");
    assert_eq!(named.len(), 1, "{:?}", report.reasons);
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_generator_that_is_hardly_late_changes_no_verdict() {
    // A fifth of the smallest limit is 100 ms.
    let fault = "{kind: throttleGenerator, delay: 60ms, share: 30%}";
    let report = faulty(built_in("quick").unwrap(), fault).await.report;
    assert_passes(&report);
    assert!(report.generator.loop_lag_p99_seconds.is_some());
}

// === over real sockets ===

/// A short run over loopback with `faults`; its verdict, reasons and report.
fn over_loopback(limits: &str, faults: &str) -> (Option<i32>, Value) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("loopback.yaml");
    let text = format!(
        "churn: {{services: 2, pattern: oscillate, minEndpoints: 2, maxEndpoints: 10, minHold: 1s, maxHold: 1s, cycles: 2}}
client: {{clients: 5}}
criteria: {{{limits}}}
measure: {{deadline: 1s}}
sandbox: {{nodes: 2, zones: 1, podStart: {{min: 50ms, max: 100ms}}, faults: [{faults}]}}
"
    );
    fs::write(&file, text).unwrap();
    let output = directory.path().join("out");
    let ran = Command::cargo_bin("dst-load-controller")
        .unwrap()
        .args(["--log-level", "off", "run", "--no-progress", "--output-dir"])
        .arg(&output)
        .arg(&file)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    let report = fs::read(output.join("report.json")).expect(&stderr);
    (ran.status.code(), serde_json::from_slice(&report).unwrap())
}

#[test]
fn over_loopback_a_stale_address_fails_too() {
    // The limit is far off so that a busy machine does not make the run invalid.
    let (code, report) = over_loopback("updateLatency: {p50: 30s}", "{kind: keepStaleAddress}");
    assert_eq!(report["verdict"], "fail", "{}", report["reasons"]);
    assert_eq!(code, Some(3));
    assert_eq!(report["correctness"]["stale"], 10);
    assert_eq!(report["correctness"]["streams_wrong"], 10);
}

#[test]
fn over_loopback_a_throttled_generator_is_invalid_too() {
    let fault = "{kind: throttleGenerator, delay: 300ms, share: 80%}";
    let (code, report) = over_loopback("updateLatency: {p95: 500ms}", fault);
    assert_eq!(report["verdict"], "invalid", "{}", report["reasons"]);
    assert_eq!(code, Some(4));
    assert!(
        report["reasons"]
            .to_string()
            .contains("the generator was the bottleneck")
    );
}
