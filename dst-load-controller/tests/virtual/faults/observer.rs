//! What the observer does not see, or sees late. A verdict then says so: it neither accuses the
//! controller nor passes it for what was not seen.

use super::*;

/// A churn of half a minute, judged by latency.
const CHURN: &str = "
scenario: {name: observed, seed: 3}
churn: {services: 4, pattern: oscillate, minEndpoints: 5, maxEndpoints: 15, minHold: 6s, maxHold: 6s, duration: 26s}
client: {clients: 10}
criteria: {updateLatency: {p99: 1s}}
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

/// The same, judged by the end state alone.
fn correctness_only() -> String {
    CHURN.replace("criteria: {updateLatency: {p99: 1s}}", "criteria: {}")
}

fn assert_invalid_by(report: &Report, what: &str) {
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    assert!(
        !reasons(report, what).is_empty(),
        "{what} in {:?}",
        report.reasons
    );
}

fn assert_no_advice_to_report(report: &Report) {
    let advice = report.recommendations.iter();
    let accusing: Vec<_> = advice.filter(|it| it.contains("to an issue")).collect();
    assert!(accusing.is_empty(), "{accusing:?}");
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_sees_all_in_time_is_said_to_and_changes_no_verdict() {
    let report = faulty(CHURN, "").await.report;
    assert_passes(&report);
    let observer = &report.observer;
    assert_eq!(observer.lag_source, Some(LagSource::Heartbeat));
    assert_eq!(observer.lag_p99_seconds, Some(0.0));
    assert_eq!(observer.verified, Some(true));
    assert_eq!(
        (observer.blind_since_seconds, observer.differing_objects),
        (None, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_controller_is_not_passed_by_an_observer_that_is_later() {
    let late = "{kind: lateUpdate, delay: 800ms}";
    let strict = CHURN.replace("p99: 1s", "p99: 500ms");
    let alone = faulty(&strict, late).await.report;
    assert_fails_by(&alone, "updateLatency.p99");
    let both = format!("{late}, {{kind: lateWatch, delay: 1s}}");
    let report = faulty(&strict, &both).await.report;
    assert_invalid_by(&report, "the observer was late by 1 s at p99");
    assert_eq!(report.observer.verified, Some(true));
    // And so is it where the controller is fine.
    let report = faulty(&strict, "{kind: lateWatch, delay: 1s}").await.report;
    assert_invalid_by(&report, "the observer was late by 1 s at p99");
    assert_eq!(report.correctness.streams_wrong, 0);
    // Within a fifth of the limit it may be late.
    let report = faulty(&strict, "{kind: lateWatch, delay: 90ms}")
        .await
        .report;
    assert_passes(&report);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_goes_silent_amid_churn_makes_the_run_invalid_and_accuses_nobody() {
    for lasts in ["", ", lasts: 1ms", ", lasts: 7s"] {
        let fault = format!("{{kind: silentWatch, at: 9s{lasts}}}");
        let report = faulty(CHURN, &fault).await.report;
        assert_invalid_by(&report, "the observer was blind");
        assert_eq!(wrong(&report), [0; 4], "{fault}");
        assert!(
            reasons(&report, "starved").is_empty(),
            "{:?}",
            report.reasons
        );
        assert_no_advice_to_report(&report);
        let since = report.observer.blind_since_seconds.unwrap();
        assert!((8.0..11.0).contains(&since), "{since}");
        let errors = &report.kubernetes.errors;
        assert!(errors.keys().any(|it| it.contains("resumed")), "{errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_does_not_excuse_a_controller_that_is_wrong() {
    let faults = "{kind: silentWatch, at: 9s}, {kind: dropUpdate, at: 9s, share: 20%}";
    let report = faulty(CHURN, faults).await.report;
    assert!(report.correctness.streams_wrong > 0);
    assert!(
        !reasons(&report, "correctness").is_empty(),
        "{:?}",
        report.reasons
    );
    assert_no_advice_to_report(&report);
    assert_eq!(report.observer.verified, Some(false));
}

#[tokio::test(start_paused = true)]
async fn where_only_the_end_state_is_asked_a_silent_watch_leaves_it_to_the_list() {
    let report = faulty(&correctness_only(), "{kind: silentWatch, at: 9s}")
        .await
        .report;
    assert_ne!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert_eq!(wrong(&report), [0; 4]);
    assert_eq!(report.observer.verified, Some(false));
    assert!(report.observer.differing_objects > 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_where_nothing_changes_is_resumed_and_no_loss() {
    let still = STILL.replace("duration: 20s", "duration: 10m");
    let report = faulty(&still, "{kind: silentWatch, at: 9s, lasts: 1ms}")
        .await
        .report;
    assert_passes(&report);
    let silent = report.kubernetes.errors.get("watch: silent for 90s");
    assert_eq!(silent, Some(&3), "{:?}", report.kubernetes.errors);
    assert_eq!(report.observer.verified, Some(true));
    assert_eq!(report.observer.lag_source, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_what_does_not_change_may_be_silent() {
    for resource in ["services", "nodes"] {
        let fault = format!("{{kind: silentWatch, at: 9s, resource: {resource}}}");
        let report = faulty(CHURN, &fault).await.report;
        assert_passes(&report);
        assert_eq!(report.observer.verified, Some(true));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_list_at_the_end_there_is_no_verdict() {
    let clean = faulty(CHURN, "").await.report;
    // The plan is over, and the end is waited for.
    let settling = (clean.cycles.last().unwrap().to_seconds * 1e3) as u64 + 500;
    let fault = format!("{{kind: internalError, at: {settling}ms}}");
    let report = faulty(CHURN, &fault).await.report;
    assert_invalid_by(&report, "could not be compared with a LIST");
    assert_eq!(report.observer.verified, None);
}

#[tokio::test(start_paused = true)]
async fn slices_of_our_own_tell_that_a_watch_is_silent_where_there_is_no_heartbeat() {
    let own = correctness_only().replace("pattern:", "backend: slices, pattern:");
    let clean = faulty(&own, "").await.report;
    assert_passes(&clean);
    assert_eq!(clean.observer.lag_source, Some(LagSource::OwnWrites));
    assert_eq!(clean.observer.lag_p99_seconds, Some(0.0));
    let report = faulty(&own, "{kind: silentWatch, at: 9s}").await.report;
    assert_ne!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert_eq!(wrong(&report), [0; 4]);
    let reason = report.observer.blind_reason.unwrap();
    assert!(
        reason.starts_with("an EndpointSlice of this run"),
        "{reason}"
    );
}
