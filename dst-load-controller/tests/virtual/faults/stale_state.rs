//! What churn provokes on purpose: harmless where promises are kept, and each of Linkerd's defects
//! named by the Services that suffer it.

use dst_load_scenario::{scenario::built_in, stale_state::StaleStateCase};

use super::*;

/// The Services with wrong streams, each with what is missing and what is stale.
async fn wrong_services(fault: &str) -> Vec<(String, u64, u64)> {
    let text = format!(
        "{}sandbox: {{faults: [{{kind: {fault}}}]}}\n",
        built_in("stale-state").unwrap()
    );
    let report = simulate(scenario(&text, &[])).await.report;
    assert_fails_by(&report, "correctness");
    // What is never sent is a finding too, and so is what is taken away too early.
    let known = ["correctness: ", "never: ", "premature: "];
    let is_known = |reason: &String| known.iter().any(|known| reason.starts_with(known));
    assert!(report.reasons.iter().all(is_known), "{:?}", report.reasons);
    let services = report.correctness.services.into_iter();
    services
        .map(|it| {
            assert_eq!((it.streams_wrong, it.unexpected), (4, 0), "{it:?}");
            (it.service, it.missing, it.stale)
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_stale_state_case_is_harmless_where_promises_are_kept_however_often_it_is_done() {
    let text = built_in("stale-state").unwrap();
    let rounds = [
        "churn.cycles=3",
        "churn.provoke.hold=10s",
        "criteria.redundant=0",
    ];
    for overrides in [&[][..], &rounds] {
        let ran = simulate(scenario(text, overrides)).await;
        assert_passes(&ran.report);
        assert_eq!(ran.report.correctness.services, []);
        // All but one change what is promised; nothing happens to the stable Services.
        let changed: std::collections::BTreeSet<_> = ran
            .changes()
            .into_iter()
            .map(|change| change.service)
            .collect();
        assert_eq!(changed.len(), StaleStateCase::ALL.len() - 1, "{changed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_under_the_same_pod_that_is_ignored_is_found_for_ports_addresses_and_moves() {
    let expected = [
        ("address-changed-1", 20, 20),
        ("pod-moved-1", 0, 20),
        ("port-changed-1", 20, 20),
    ];
    let expected = expected.map(|(name, missing, stale)| (name.to_owned(), missing, stale));
    assert_eq!(wrong_services("ignorePortChange").await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_shared_endpoint_that_is_removed_too_early_is_found() {
    let expected = [("shared-endpoint-1".to_owned(), 4, 0)];
    assert_eq!(wrong_services("removeSharedEndpoint").await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_forgotten_when_it_is_made_again_is_found() {
    let expected = [("service-recreated-1".to_owned(), 20, 0)];
    assert_eq!(wrong_services("forgetRecreatedService").await, expected);
}

#[tokio::test(start_paused = true)]
async fn addresses_that_outlive_their_slice_are_found() {
    let expected = [("slice-after-pods-1".to_owned(), 0, 20)];
    assert_eq!(
        wrong_services("keepAddressesOfDeletedSlice").await,
        expected
    );
}

#[tokio::test(start_paused = true)]
async fn the_report_says_what_is_known_of_each() {
    let text = format!(
        "{}sandbox: {{faults: [{{kind: forgetRecreatedService}}]}}\n",
        built_in("stale-state").unwrap()
    );
    let report = simulate(scenario(&text, &[])).await.report;
    let page = dst_load_report::report::markdown::render(&report);
    let line = "service-recreated-1: 4 streams wrong, 20 missing, 0 stale, 0 unexpected (known of Linkerd: a Service that is made again has no endpoints until one of its slices changes)";
    assert!(page.contains(line), "{page}");
}
