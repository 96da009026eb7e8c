//! Clients that do not read, beside clients that do, over real sockets.

use serde_json::Value;

use crate::{
    running::Run,
    tool::{command, text},
};

/// `stalled-readers`, shortened: exit code, report, and its text.
fn run(more: &[&str]) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let mut args = vec![
        "run",
        "stalled-readers",
        "--no-progress",
        "--output-dir",
        output.to_str().unwrap(),
        // What is tested is whether updates come, and not how fast a busy machine is.
        "--set=churn.cycles=4",
        "--set=criteria.everyClientWithin=3500ms",
    ];
    args.extend(more);
    let ended = command(folder.path(), &args).output().unwrap();
    assert!(
        output.join("report.json").exists(),
        "{}",
        text(&ended.stderr)
    );
    (
        ended.status.code(),
        Run::report(&output),
        text(&ended.stdout),
    )
}

fn met(report: &Value, criterion: &str) -> Value {
    let all = report["criteria"].as_array().unwrap();
    let found = all.iter().find(|it| it["name"] == criterion);
    found.unwrap_or_else(|| panic!("{criterion}: {all:?}"))["met"].clone()
}

#[test]
fn twenty_streams_that_nobody_reads_stop_all_others_of_the_connection_and_the_report_says_why() {
    let (code, report, said) = run(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(report["verdict"], "fail");
    assert_eq!(met(&report, "never"), false, "{said}");
    let streams = &report["streams"];
    assert_eq!(
        (&streams["requested"], &streams["opened"]),
        (&40.into(), &40.into())
    );
    let stalled = &streams["stalled"];
    assert_eq!(
        (&stalled["clients"], &stalled["opened"]),
        (&10.into(), &20.into())
    );
    assert_eq!(stalled["open"], 20);
    assert_eq!(
        stalled["bytes"], 1_048_576,
        "all of the connection's window"
    );
    assert_eq!(streams["path"]["connections"], 1);
    let advice = report["recommendations"][0].as_str().unwrap();
    assert!(
        advice.contains("20 streams that nobody reads share a connection"),
        "{advice}"
    );
    assert!(
        said.contains("10 clients with 20 streams never read"),
        "{said}"
    );
}

#[test]
fn the_same_clients_pass_past_the_sidecar_and_without_stalled_ones() {
    for more in ["--set=client.path=direct", "--set=client.stalled=0"] {
        let (code, report, said) = run(&[more]);
        assert_eq!(code, Some(0), "{more}: {said}");
        assert_eq!(met(&report, "never"), true);
        assert!(!said.contains("that nobody reads share"), "{said}");
        if more.ends_with("direct") {
            assert_eq!(report["streams"]["stalled"]["opened"], 20);
            assert_eq!(report["streams"]["path"]["connections"], 30);
            assert!(
                report["streams"]["path"]["at_controller"].as_u64() >= Some(25),
                "{said}"
            );
        }
    }
}

#[test]
fn virtual_time_has_no_windows_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["run", "stalled-readers", "--virtual"];
    let ended = command(folder.path(), &args).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = text(&ended.stderr);
    assert!(said.contains("virtual time has none"), "{said}");
}
