//! Updates that never come, come very late, or come to streams that are never served again: none of
//! it passes.

use dst_load_scenario::{action::Direction, scenario::built_in};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_destination_that_sends_nothing_does_not_pass_the_shipped_scenario() {
    let text = format!(
        "{}  faults: [{{kind: dropUpdate, share: 100%, at: 1s}}]\n",
        built_in("quick").unwrap()
    );
    let report = simulate(scenario(&text, &[])).await.report;
    assert_fails_by(&report, "never: 5,000 of 5,000 updates never delivered");
    assert_eq!(
        (report.correctness.streams_wrong, report.fan_out.completed),
        (0, 0)
    );
}

/// The limits of `red-line`, in small: no quantile sees less than one delivery in a hundred.
const RED_LINE: &str = "
scenario: {name: red, seed: 3}
churn: {services: 4, pattern: oscillate, minEndpoints: 10, maxEndpoints: 20, minHold: 60s, maxHold: 60s, cycles: 1}
client: {clients: 100}
criteria: {updateLatency: {p99: 10s}, sendTimeoutRate: 5%, unexpectedResets: 0}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

#[tokio::test(start_paused = true)]
async fn a_few_deliveries_that_are_lost_and_put_right_by_the_next_change_are_never() {
    assert_passes(&faulty(RED_LINE, "").await.report);
    let lost = "{kind: dropUpdate, share: 0.5%, at: 55s, lasts: 20s}";
    let report = faulty(RED_LINE, lost).await.report;
    let never = report.latency.destination.add.never;
    assert!(never > 0 && never < 40, "{never}");
    assert_fails_by(&report, "never: ");
    assert_eq!(report.reasons.len(), 1, "{:?}", report.reasons);
    assert_eq!(report.correctness.streams_wrong, 0);
    // Who may lose a share says so.
    let text = RED_LINE.replace("updateLatency: {p99: 10s}", "never: 10%");
    assert_passes(&faulty(&text, lost).await.report);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_takes_hours_is_told_by_its_hours() {
    let text = "
scenario: {name: slow, seed: 3}
churn: {services: 1, pattern: scale-up, scaleFrom: 5, scaleTo: 6, scaleDuration: 1s, duration: 20s}
client: {clients: 2}
criteria: {updateLatency: {max: 90m}}
measure: {deadline: 2h}
sandbox:
";
    let report = faulty(text, "{kind: lateUpdate, delay: 110m}").await.report;
    assert_fails_by(&report, "updateLatency.max (add): ");
    let max = report.latency.destination.add.max_seconds.unwrap();
    assert!((6_600.0..6_610.0).contains(&max), "{max}");
    assert_eq!(report.latency.destination.add.never, 0);
    let within = text.replace("90m", "111m");
    assert_passes(
        &faulty(&within, "{kind: lateUpdate, delay: 110m}")
            .await
            .report,
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_slow_controller_sends_after_its_state_has_ended_is_timed_and_is_not_lost() {
    // Each state stands for 3 s, and each update takes 4 s.
    let text = built_in("quick").unwrap();
    let limits = [
        "criteria.updateLatency.p95=5s",
        "criteria.updateLatency.p99=5s",
    ];
    let more = ["criteria.everyClientWithin=5s", "measure.deadline=20s"];
    let text = format!("{text}  faults: [{{kind: lateUpdate, delay: 4s}}]\n");
    let report = simulate(scenario(&text, &[limits, more].concat()))
        .await
        .report;
    assert_passes(&report);
    for direction in Direction::BOTH {
        let latency = report.latency.get(
            dst_load_recording::statistics::Stage::Destination,
            direction,
        );
        assert_eq!((latency.count, latency.censored), (5_000, 0), "{direction}");
        assert!((4.0..4.1).contains(&latency.p50_seconds.unwrap()));
    }
    let correct = &report.correctness;
    assert_eq!(
        (correct.premature, correct.superseded, correct.late),
        (0, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_that_nobody_promised_is_premature() {
    let report = faulty(UP_AND_DOWN, "{kind: inventAddress, share: 30%}")
        .await
        .report;
    assert!(report.correctness.premature > 0);
    assert_fails_by(&report, "premature: ");
}
