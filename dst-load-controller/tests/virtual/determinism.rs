//! In virtual time one seed gives the same bytes, whatever is run and in whichever process.

use std::{fs, path::Path};

use assert_cmd::Command;
use dst_load_scenario::scenario::{Scenario, built_in};

use crate::virtually::{scenario, simulate};

/// Every built-in scenario, cut short.
const SHORT: [(&str, &[&str]); 8] = [
    ("quick", &[]),
    ("stale-state", &["churn.cycles=2"]),
    (
        "federated-oscillation",
        &["churn.cycles=1,churn.minHold=10s,churn.maxHold=10s,client.clients=5"],
    ),
    ("baseline", &["churn.duration=3m", "client.clients=20"]),
    (
        "small-oscillation",
        &[
            "churn.cycles=1",
            "client.clients=10",
            "churn.maxEndpoints=60",
        ],
    ),
    (
        "large-rollout",
        &[
            "churn.cycles=1",
            "client.clients=10",
            "churn.minEndpoints=50",
            "churn.maxEndpoints=250",
        ],
    ),
    (
        "many-services",
        &["churn.cycles=1", "client.clients=4", "churn.services=30"],
    ),
    (
        "red-line",
        &["churn.cycles=1", "client.clients=10", "churn.services=5"],
    ),
];

/// Everything that draws, waits or goes wrong, once.
const EVENTFUL: [&str; 10] = [
    "
churn: {services: 3, pattern: oscillate, minEndpoints: 0, maxEndpoints: 30, minHold: 5s, maxHold: 5s, jitter: 2s, cycles: 2}
client: {clients: 6, streamMaxLifetime: 3s, streamResetInterval: 4s}
sandbox:
  faults:
  - {kind: dropUpdate, share: 10%}
  - {kind: lateUpdate, share: 20%, delay: 250ms}
  - {kind: duplicateUpdate, share: 10%}
  - {kind: swapUpdates, share: 10%}
  - {kind: keepStaleAddress, share: 10%}
  - {kind: inventAddress, share: 10%}
  - {kind: overflowStream, share: 5%}
  - {kind: resetStream, share: 5%}
",
    "
churn: {services: 3, pattern: oscillate, minEndpoints: 1, maxEndpoints: 30, minHold: 5s, maxHold: 5s, jitter: 2s, cycles: 2}
client: {clients: 6}
sandbox:
  faults:
  - {kind: tooManyRequests, share: 10%}
  - {kind: conflict, share: 10%}
  - {kind: internalError, share: 10%}
  - {kind: hangUpWatch, share: 20%}
  - {kind: gone, at: 9s, lasts: 200ms}
  - {kind: slowPods, share: 20%, delay: 400ms}
  - {kind: throttleGenerator, at: 4s, lasts: 6s, share: 20%, delay: 70ms}
",
    "
churn: {services: 2, pattern: rolling-update, endpoints: 12, minHold: 20s, maxSurge: 3, maxUnavailable: 2, cycles: 1}
client: {clients: 6}
",
    "
churn: {services: 5, pattern: batch, minEndpoints: 2, maxEndpoints: 20, minHold: 5s, maxHold: 5s, batchSize: 2, batchInterval: 700ms, cycles: 1}
client: {clients: 6, streamsPerService: 2}
",
    "
churn: {services: 2, pattern: scale-up, scaleFrom: 3, scaleTo: 60, scaleDuration: 10s, duration: 15s}
client: {clients: 6, streamMaxLifetime: 2s}
",
    "
churn: {services: 3, pattern: sawtooth, minEndpoints: 2, maxEndpoints: 20, scaleDuration: 4s, minHold: 5s, maxHold: 5s, jitter: 2s, cycles: 1}
client: {clients: 6, streamsPerService: 2}
",
    "
churn: {stable: {services: 2, endpoints: 5}, oscillate: {services: 3, minEndpoints: 1, maxEndpoints: 20, hold: 5s, jitterPercent: 30}, cycles: 1}
client: {clients: 6, streamResetInterval: 3s}
",
    "
churn: {services: 3, backend: slices, pattern: oscillate, minEndpoints: 3, maxEndpoints: 130, minHold: 5s, maxHold: 5s, jitter: 2s, cycles: 2}
client: {clients: 6}
sandbox:
  faults:
  - {kind: tooManyRequests, share: 10%}
  - {kind: internalError, share: 10%}
  - {kind: hangUpWatch, share: 20%}
",
    "
churn: {services: 2, backend: pods, meshed: true, pattern: rolling-update, endpoints: 12, minHold: 20s, maxSurge: 3, maxUnavailable: 2, cycles: 1}
client: {clients: 6}
sandbox:
  faults:
  - {kind: conflict, share: 10%}
  - {kind: lateUpdate, share: 20%, delay: 250ms}
",
    "
churn: {services: 3, pattern: oscillate, minEndpoints: 0, maxEndpoints: 12, minHold: 40s, maxHold: 6m, jitter: 2s, cycles: 1}
client: {clients: 7, lifecycle: proxy}
sandbox:
  replicas: 3
  faults:
  - {kind: lateUpdate, share: 20%, delay: 250ms, replica: 2}
  - {kind: resetStream, share: 20%, replica: 3}
",
];

fn eventful(text: &str, seed: u64) -> Scenario {
    let text = format!("scenario: {{name: eventful, seed: {seed}}}{text}");
    scenario(&text, &["measure.deadline=3s"])
}

/// What two recordings differ in first.
fn first_difference(one: &[u8], two: &[u8]) -> Option<String> {
    let lines = one.split(|&b| b == b'\n').zip(two.split(|&b| b == b'\n'));
    let differing = lines.enumerate().find(|(_, (one, two))| one != two);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    match differing {
        Some((number, (one, two))) => Some(format!(
            "line {}:\n{}\n{}",
            number + 1,
            text(one),
            text(two)
        )),
        None => (one.len() != two.len()).then(|| "one is longer".to_owned()),
    }
}

async fn assert_repeatable(what: &str, scenario: Scenario) {
    let one = simulate(scenario.clone()).await;
    let two = simulate(scenario.clone()).await;
    assert_eq!(
        first_difference(&one.recording, &two.recording),
        None,
        "{what}"
    );
    assert_eq!(one.report, two.report, "{what}");
    let mut other = scenario;
    other.seed += 1;
    let other = simulate(other).await.recording;
    assert_ne!(other, one.recording, "{what}: another seed changed nothing");
}

#[tokio::test(start_paused = true)]
async fn every_built_in_scenario_repeats_itself() {
    for (name, overrides) in SHORT {
        assert_repeatable(name, scenario(built_in(name).unwrap(), overrides)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_pattern_fault_and_reset_repeats_itself() {
    for text in EVENTFUL {
        assert_repeatable(text, eventful(text, 7)).await;
        assert!(
            !simulate(eventful(text, 7)).await.changes().is_empty(),
            "{text}"
        );
    }
}

/// The recording of a run in a process of its own.
fn recorded(directory: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::cargo_bin("dst-load-controller")
        .unwrap()
        .args(["--log-level", "off", "run", "--virtual", "--output-dir"])
        .arg(directory)
        .args(args)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 3 | 4)), "{stderr}");
    fs::read(directory.join("recording.jsonl")).unwrap()
}

#[test]
fn two_processes_write_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let mut written = 0;
    let mut compare = |args: &[&str]| {
        let [one, two] = [1, 2].map(|half| {
            let path = directory.path().join(format!("{written}-{half}"));
            recorded(&path, args)
        });
        written += 1;
        assert_eq!(first_difference(&one, &two), None, "{args:?}");
    };
    for (name, overrides) in SHORT {
        let mut args = vec![name];
        for assignment in overrides {
            args.extend(["--set", assignment]);
        }
        compare(&args);
    }
    for (number, text) in EVENTFUL.iter().enumerate() {
        let path = directory.path().join(format!("eventful-{number}.yaml"));
        let text = format!("scenario: {{name: eventful}}{text}measure: {{deadline: 3s}}\n");
        fs::write(&path, text).unwrap();
        compare(&[path.to_str().unwrap()]);
    }
}
