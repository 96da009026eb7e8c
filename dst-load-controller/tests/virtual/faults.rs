//! Tests of the tester: each thing that the sandbox can do wrong earns its verdict, for the right
//! reason and with the right number; where nothing is wrong, the verdict is pass.

mod destination;
mod generator;
mod kubernetes;
mod linkerd;
mod lost;
mod observer;
mod stale_state;

use crate::virtually::{self, Ran, scenario, simulate};
use dst_load_recording::recording::LagSource;
use dst_load_report::{report::Report, verdict::Verdict};
use dst_load_scenario::scenario::Scenario;

/// Two Services, ten streams each, once up and down; every criterion that a fault can break.
const UP_AND_DOWN: &str = "
scenario: {name: faulty, seed: 3}
churn: {services: 2, pattern: oscillate, minEndpoints: 5, maxEndpoints: 15, minHold: 12s, maxHold: 12s, cycles: 1}
client: {clients: 10}
criteria:
  updateLatency: {p95: 500ms, p99: 1s}
  everyClientWithin: 2s
  unexpectedResets: 0
  errorRate: 0%
  sendTimeoutRate: 0%
  redundant: 0
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

/// The same, and it stays up.
const UP: &str = "
scenario: {name: faulty, seed: 3}
churn: {services: 2, pattern: scale-up, scaleFrom: 5, scaleTo: 15, scaleDuration: 5s, duration: 12s}
client: {clients: 10}
criteria: {updateLatency: {p99: 1s}, redundant: 0}
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

/// Nothing moves but what a test moves.
const STILL: &str = "
scenario: {name: still, seed: 3}
churn: {services: 1, pattern: stable, endpoints: 5, duration: 20s}
client: {clients: 4}
criteria: {updateLatency: {p99: 1s}, unexpectedResets: 0, redundant: 0}
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

fn with(text: &str, faults: &str) -> Scenario {
    let text = if faults.is_empty() {
        text.to_owned()
    } else {
        format!("{text}  faults: [{faults}]\n")
    };
    scenario(&text, &[])
}

async fn faulty(text: &str, fault: &str) -> Ran {
    simulate(with(text, fault)).await
}

/// The reasons that name `what`.
fn reasons<'a>(report: &'a Report, what: &str) -> Vec<&'a String> {
    let reasons = report.reasons.iter();
    reasons.filter(|reason| reason.contains(what)).collect()
}

fn assert_fails_by(report: &Report, what: &str) {
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert!(
        !reasons(report, what).is_empty(),
        "{what} in {:?}",
        report.reasons
    );
}

fn assert_passes(report: &Report) {
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert_eq!(report.correctness.streams_wrong, 0);
}

fn wrong(report: &Report) -> [u64; 4] {
    let c = &report.correctness;
    [c.streams_wrong, c.missing, c.stale, c.unexpected]
}
