//! What Kubernetes does wrong, or slowly.

use dst_load_report::report::Ending;

use super::*;

#[tokio::test(start_paused = true)]
async fn refusals_of_the_api_are_survived_and_counted() {
    for (fault, reason) in [
        ("{kind: tooManyRequests, share: 20%}", "too_many_requests"),
        ("{kind: conflict, share: 30%}", "conflict"),
        ("{kind: internalError, share: 20%}", "server_error"),
        ("{kind: hangUpWatch, share: 40%}", "watch: connection lost"),
    ] {
        let report = faulty(UP_AND_DOWN, fault).await.report;
        assert_passes(&report);
        let errors = &report.kubernetes.errors;
        let counted = errors
            .iter()
            .any(|(key, count)| key.contains(reason) && *count > 0);
        assert!(counted, "{fault}: {errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_gone_between_changes_costs_nothing() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let quiet = clean.cycles[0].from_seconds as u64 + 6;
    let fault = format!("{{kind: gone, at: {quiet}s, lasts: 1ms}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_passes(&report);
    // Nodes, Services and EndpointSlices; who asks again within the millisecond is told again.
    assert!(report.kubernetes.errors["watch: 410 Gone"] >= 3);
    assert!(
        report.warnings.iter().any(|it| it.message.contains("list")),
        "{:?}",
        report.warnings
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_gone_amid_changes_leaves_them_untimed_and_the_run_invalid() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let busy = (clean.cycles[0].from_seconds * 1e3) as u64 + 350;
    let fault = format!("{{kind: gone, at: {busy}ms, lasts: 300ms}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert!(report.kubernetes.untimed_changes > 0);
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    assert!(!reasons(&report, "the observer lost its watch").is_empty());
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_missing_is_named() {
    let report = faulty(UP_AND_DOWN, "{kind: forbidden}").await.report;
    let Ending::Failed { error } = &report.ending else {
        panic!("{:?}", report.ending);
    };
    assert!(
        error.contains("list") && error.contains("endpointslices"),
        "{error}"
    );
    assert_eq!(report.verdict, Verdict::Invalid);

    let clean = faulty(UP_AND_DOWN, "").await.report;
    let churning = clean.cycles[0].from_seconds as u64 - 1;
    let fault = format!("{{kind: forbidden, at: {churning}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    let Ending::Failed { error } = &report.ending else {
        panic!("{:?}", report.ending);
    };
    assert!(
        error.contains("patch") && error.contains("deployments/scale"),
        "{error}"
    );
    assert_eq!(report.verdict, Verdict::Invalid);
}

#[tokio::test(start_paused = true)]
async fn pods_that_take_longer_than_the_hold_make_the_run_invalid() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let churning = clean.cycles[0].from_seconds as u64 - 1;
    let fault = format!("{{kind: slowPods, delay: 20s, at: {churning}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    assert!(!reasons(&report, "Kubernetes starved the plan").is_empty());
    assert_eq!(report.kubernetes.starved, 20);
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_slow_and_still_in_time_change_no_verdict() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let churning = clean.cycles[0].from_seconds as u64 - 1;
    let fault = format!("{{kind: slowPods, delay: 8s, at: {churning}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_passes(&report);
    assert_eq!(report.kubernetes.starved, 0);
    assert!(report.latency.kubernetes.add.p50_seconds.unwrap() > 8.0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_renewed_in_time_is_survived_and_counted() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let churning = clean.cycles[0].from_seconds as u64 - 1;
    let fault = format!("{{kind: unauthorized, at: {churning}s, lasts: 5s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_passes(&report);
    assert!(report.kubernetes.errors["unauthorized"] > 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_expired_ends_the_run_with_that_reason_and_its_report() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let churning = clean.cycles[0].from_seconds as u64 - 1;
    let fault = format!("{{kind: unauthorized, at: {churning}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    let Ending::Failed { error } = &report.ending else {
        panic!("{:?}", report.ending);
    };
    assert!(error.contains("a token may have expired"), "{error}");
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(report.streams.opened, report.streams.requested);
}
