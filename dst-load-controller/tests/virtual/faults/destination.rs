//! What the destination does wrong.

use dst_load_scenario::action::Direction;

use super::*;

#[tokio::test(start_paused = true)]
async fn without_a_fault_every_scenario_here_passes() {
    for text in [UP_AND_DOWN, UP, STILL] {
        let report = simulate(with(text, "")).await.report;
        assert_passes(&report);
        assert_eq!(wrong(&report), [0; 4]);
        assert_eq!(report.correctness.redundant, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_update_leaves_endpoints_missing() {
    let report = faulty(UP, "{kind: dropUpdate, share: 20%}").await.report;
    assert_fails_by(&report, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&report);
    assert!(streams > 0 && missing > 0);
    assert_eq!((stale, unexpected), (0, 0));
    assert_eq!(report.latency.destination.add.never, missing);
    assert!(
        report.reasons[0].contains("missing 10."),
        "{:?}",
        report.reasons
    );
    // What never arrived ranks at the deadline or later.
    assert!(!reasons(&report, "updateLatency.p99 (add): at least 5 s").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_removal_leaves_endpoints_stale() {
    // Only while it goes down: 12 s of hold before each scaling.
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let down = clean.cycles[0].from_seconds as u64 + 11;
    let fault = format!("{{kind: dropUpdate, share: 20%, at: {down}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_fails_by(&report, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&report);
    assert!(streams > 0 && stale > 0);
    assert_eq!((missing, unexpected), (0, 0));
    assert_eq!(report.latency.destination.remove.never, stale);
    assert!(!reasons(&report, "updateLatency.p99 (remove): at least 5 s").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_update_fails_by_its_exact_latency() {
    let ran = faulty(UP_AND_DOWN, "{kind: lateUpdate, delay: 750ms}").await;
    for direction in Direction::BOTH {
        let name = format!("updateLatency.p95 ({direction}): 750 ms in");
        assert_fails_by(&ran.report, &name);
    }
    assert_eq!(ran.report.reasons.len(), 2, "{:?}", ran.report.reasons);
    for change in ran.changes() {
        let spread = [change.first_us, change.p50_us, change.last_us];
        assert_eq!(spread, [Some(750_000); 3]);
    }
    assert_eq!(wrong(&ran.report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn one_late_stream_in_a_few_shows_in_the_last_and_not_in_the_first() {
    let ran = faulty(UP_AND_DOWN, "{kind: lateUpdate, delay: 750ms, share: 30%}").await;
    assert_fails_by(&ran.report, "updateLatency.p95 (add): 750 ms in");
    let changes = ran.changes();
    assert!(
        changes
            .iter()
            .all(|it| it.first_us == Some(0) && it.known == 10)
    );
    assert!(changes.iter().any(|it| it.last_us == Some(750_000)));
}

#[tokio::test(start_paused = true)]
async fn an_update_after_the_deadline_never_arrived_and_is_late() {
    let report = faulty(UP, "{kind: lateUpdate, delay: 6s}").await.report;
    assert_fails_by(&report, "updateLatency.p99 (add): at least 5 s");
    let latency = &report.latency.destination.add;
    assert_eq!(latency.never, latency.count);
    assert_eq!(report.correctness.late, latency.never);
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_update_fails_as_redundant_and_as_nothing_else() {
    let report = faulty(UP_AND_DOWN, "{kind: duplicateUpdate, share: 50%}")
        .await
        .report;
    assert_fails_by(&report, "redundant: ");
    assert_eq!(report.reasons.len(), 1, "{:?}", report.reasons);
    assert!(report.correctness.redundant > 0);
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn repeated_updates_are_more_messages_than_changes_and_others_are_not() {
    for text in [UP_AND_DOWN, UP] {
        let limited = text.replace("redundant: 0", "updates: {perChangeMax: 1}");
        let one = "updates.perChangeMax: ";
        let healthy = faulty(&limited, "").await.report;
        assert_passes(&healthy);
        let updates = &healthy.updates;
        assert!(updates.due > Some(0));
        assert_eq!(updates.counted, updates.due, "it coalesces nothing");
        // Snapshots are all that is not counted.
        assert_eq!(
            updates.messages - healthy.streams.snapshots,
            updates.counted.unwrap()
        );
        let repeated = faulty(&limited, "{kind: duplicateUpdate}").await.report;
        assert_fails_by(&repeated, one);
        assert_eq!(repeated.reasons.len(), 1, "{:?}", repeated.reasons);
        assert_eq!(repeated.updates.due, updates.due);
        let late = faulty(&limited, "{kind: lateUpdate, delay: 750ms}").await;
        assert!(reasons(&late.report, one).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn two_messages_that_change_places_leave_an_address_stale() {
    let report = faulty(UP_AND_DOWN, "{kind: swapUpdates, share: 30%}")
        .await
        .report;
    assert_fails_by(&report, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&report);
    assert!(streams > 0 && stale > 0);
    assert_eq!((missing, unexpected), (0, 0));
    assert!(
        report.reasons[0].contains("for example stale 10."),
        "{:?}",
        report.reasons
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_kept_is_stale_for_as_long_as_it_is_held() {
    let ran = faulty(UP_AND_DOWN, "{kind: keepStaleAddress}").await;
    let report = &ran.report;
    assert_fails_by(report, "correctness");
    // Each stream keeps one address of its first removal.
    assert_eq!(wrong(report), [20, 0, 20, 0]);
    assert_eq!(report.latency.destination.remove.never, 20);
    let gone = ran
        .changes()
        .into_iter()
        .find(|it| it.direction == Direction::Remove);
    let gone = gone.unwrap().at;
    // The two Services' removals are visible in the same instant, and nothing else is ever stale.
    let held = report.correctness.stale_endpoint_seconds / 20.0;
    let end = gone.since_start().as_secs_f64() + held;
    assert!((12.0..30.0).contains(&held), "{held}");
    let whole = report.cycles[0].to_seconds;
    assert!(
        end >= whole,
        "held until the end at {end} s, after the cycle's at {whole} s"
    );
}

#[tokio::test(start_paused = true)]
async fn an_invented_address_is_unexpected() {
    let report = faulty(UP_AND_DOWN, "{kind: inventAddress, share: 30%}")
        .await
        .report;
    assert_fails_by(&report, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&report);
    assert!(streams > 0 && unexpected == streams);
    assert_eq!((missing, stale), (0, 0));
    assert!(report.reasons[0].contains("for example unexpected 203.0.113."));
}

#[tokio::test(start_paused = true)]
async fn an_overflow_is_an_unexpected_reset_and_counts_as_a_send_timeout() {
    let report = faulty(UP_AND_DOWN, "{kind: overflowStream, share: 30%}")
        .await
        .report;
    assert_fails_by(&report, "unexpectedResets: ");
    assert_fails_by(&report, "sendTimeoutRate: ");
    assert!(reasons(&report, "errorRate").is_empty());
    assert_eq!(report.streams.reopened, report.streams.unexpected_resets);
    assert_eq!(
        wrong(&report),
        [0; 4],
        "streams that are opened again are right again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_unexpected_and_an_error() {
    let report = faulty(UP_AND_DOWN, "{kind: resetStream, share: 30%}")
        .await
        .report;
    assert_fails_by(&report, "unexpectedResets: ");
    assert_fails_by(&report, "errorRate: ");
    assert!(reasons(&report, "sendTimeoutRate").is_empty());
    assert_eq!(
        report.streams.errors_by_code["Internal"],
        report.streams.errors
    );
    assert_eq!(wrong(&report), [0; 4]);
}
