//! Whole runs in virtual time whose clients live as proxies do, and runs over several replicas.

use dst_load_recording::recording::HeldKind;
use dst_load_report::verdict::Verdict;

use crate::virtually::{scenario, simulate};

/// Services that come from nothing and go back to it; 4 clients on nodes of their own.
const FROM_ZERO: &str = "
scenario: {name: from-zero, seed: 5}
churn: {services: 3, pattern: oscillate, minEndpoints: 0, maxEndpoints: 4, minHold: 40s, maxHold: 20s, jitter: 5s, cycles: 2}
client: {clients: 4, lifecycle: proxy}
criteria: {updateLatency: {p99: 1s}, unexpectedResets: 0, redundant: 0}
sandbox: {podStart: 300ms}
";

/// Two replicas, of which a fault may strike one.
const REPLICATED: &str = "
scenario: {name: replicated, seed: 5}
churn: {services: 2, pattern: oscillate, minEndpoints: 3, maxEndpoints: 9, minHold: 5s, maxHold: 5s, cycles: 2}
client: {clients: 5, streamsPerService: 2}
measure: {deadline: 5s}
sandbox:
  podStart: 300ms
  replicas: 2
";

#[tokio::test(start_paused = true)]
async fn scale_from_zero_is_lived_as_a_proxy_lives_it() {
    let ran = simulate(scenario(FROM_ZERO, &[])).await;
    assert!(ran.changes().iter().all(|change| change.never == 0));
    let report = ran.report;
    // Some waited for 17 s between two tries: that everybody knew within 1 s is not proven.
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    let [reason] = &report.reasons[..] else {
        panic!("one reason: {:?}", report.reasons)
    };
    assert!(reason.contains("between two tries"), "{reason}");
    let (streams, correct) = (&report.streams, &report.correctness);
    // 12 streams wait for 40 s and more, a try lasts 3 s, and the waits between are ever longer.
    assert!(streams.proxy.first_item_timeouts >= 12 * 3, "{streams:?}");
    assert_eq!(streams.closed, streams.proxy.first_item_timeouts);
    assert_eq!((streams.unexpected_resets, streams.errors), (0, 0));
    // Each stream either stood when the first endpoint came, or was between two tries.
    let first = &streams.reconnect_gap;
    assert!(first.count > 0 && first.never == 0, "{first:?}");
    assert!(first.max_seconds.unwrap() > 1.0, "{first:?}");
    assert_eq!((correct.streams_wrong, correct.streams_checked), (0, 12));
    // Nobody is waited for in a latency that he could not know of.
    assert_eq!(report.latency.destination.add.never, 0);
    assert!(report.latency.destination.add.count < 3 * 4 * 4 * 2);
}

#[tokio::test(start_paused = true)]
async fn streams_that_have_given_up_on_an_empty_service_hold_what_they_are_promised() {
    let empty = "{services: 2, pattern: scale-up, scaleFrom: 1, scaleTo: 0, scaleDuration: 2s, duration: 20m}";
    let text = format!("churn: {empty}\nclient: {{clients: 3, lifecycle: proxy}}\n");
    let report = simulate(scenario(&text, &[])).await.report;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert!(report.streams.proxy.idle >= 6 && report.streams.proxy.first_item_timeouts > 12);
    let correct = &report.correctness;
    assert_eq!((correct.streams_checked, correct.streams_unchecked), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn an_eternal_client_waits_for_the_first_endpoint_instead() {
    let report = simulate(scenario(FROM_ZERO, &["client.lifecycle=eternal"]))
        .await
        .report;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert_eq!(
        (report.streams.closed, report.streams.reconnect_gap.count),
        (0, 0)
    );
    assert_eq!(report.latency.destination.add.count, 3 * 4 * 4 * 2);
    assert!(report.profiles.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_proxys_profiles_are_opened_and_named_no_longer_among_what_is_not() {
    let report = simulate(scenario(FROM_ZERO, &[])).await.report;
    let profiles = report.profiles.as_ref().unwrap();
    // One by the Service's address, one by an endpoint's; and each client one by a name.
    assert_eq!((profiles.requested, profiles.opened), (28, 28));
    let opened: Vec<_> = (profiles.kinds.iter())
        .map(|(&kind, counts)| (kind, counts.opened))
        .collect();
    assert_eq!(
        opened,
        [
            (HeldKind::Service, 12),
            (HeldKind::Endpoint, 12),
            (HeldKind::Name, 4)
        ]
    );
    assert!(
        profiles.messages >= 28 && profiles.errors.is_empty(),
        "{profiles:?}"
    );
    assert_eq!(profiles.unexpected_resets, 0);
    assert!(
        !report
            .streams_not_opened
            .iter()
            .any(|it| it.contains("GetProfile"))
    );
    let eternal = &["client.lifecycle=eternal", "client.profiles=true"];
    let report = simulate(scenario(FROM_ZERO, eternal)).await.report;
    assert_eq!(report.profiles.unwrap().opened, 28);
    let without = &["client.profileNames=0"];
    let report = simulate(scenario(FROM_ZERO, without)).await.report;
    assert_eq!(report.profiles.unwrap().opened, 24);
}

#[tokio::test(start_paused = true)]
async fn policies_are_held_and_counted_apart_and_judged_by_nothing() {
    let without = simulate(scenario(FROM_ZERO, &[])).await.report;
    assert_eq!(without.policies, None);
    assert_eq!(without.streams_not_opened.len(), 2);
    let with = &["client.policies=true"];
    let report = simulate(scenario(FROM_ZERO, with)).await.report;
    let policies = report.policies.as_ref().unwrap();
    // 4 clients: one for each of 3 Services, and one for a port of its own.
    assert_eq!((policies.requested, policies.opened), (16, 16));
    for (kind, opened) in [(HeldKind::Outbound, 12), (HeldKind::Inbound, 4)] {
        let counts = policies.kinds[&kind];
        assert_eq!(
            (counts.opened, counts.messages, counts.errors),
            (opened, opened, 0)
        );
        assert!(counts.bytes > 100 * opened, "{counts:?}");
    }
    assert!(policies.errors.is_empty());
    assert_eq!(
        (policies.unexpected_resets, policies.connection_errors),
        (0, 0)
    );
    assert_eq!(report.streams_not_opened, [] as [&str; 0]);
    // Nothing that is judged, and no number of the other streams, has changed.
    assert_eq!(
        (report.verdict, &report.reasons),
        (without.verdict, &without.reasons)
    );
    assert_eq!(report.profiles.as_ref().map(|it| it.opened), Some(28));
    assert_eq!(report.streams.opened, without.streams.opened);
    assert_eq!(report.updates.messages, without.updates.messages);
}

#[tokio::test(start_paused = true)]
async fn each_replica_has_policies_asked_of_it() {
    let set = &["client.policies=true", "client.profiles=true"];
    let report = simulate(scenario(REPLICATED, set)).await.report;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert_eq!(report.policies.unwrap().messages, 15);
    assert_eq!(report.profiles.unwrap().kinds[&HeldKind::Name].messages, 5);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_proxies_gives_the_same_bytes_each_time() {
    let all = &["client.policies=true"];
    let once = simulate(scenario(FROM_ZERO, all)).await.recording;
    let twice = simulate(scenario(FROM_ZERO, all)).await.recording;
    assert!(once == twice);
}

#[tokio::test(start_paused = true)]
async fn proxies_that_ask_again_every_hour_miss_nothing() {
    let text = FROM_ZERO
        .replace("minEndpoints: 0", "minEndpoints: 2")
        .replace("minHold: 40s", "minHold: 20m")
        .replace("maxHold: 20s", "maxHold: 20m");
    let report = simulate(scenario(&text, &[])).await.report;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    let proxy = &report.streams.proxy;
    assert!(proxy.idle > 0, "{proxy:?}");
    assert_eq!(report.streams.closed, proxy.idle + proxy.expired);
    assert_eq!(report.correctness.streams_wrong, 0);
    assert_eq!(report.streams.unexpected_resets, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_replica_shows_beside_the_other() {
    let faults = "  faults: [{kind: lateUpdate, delay: 700ms, replica: 2}]\n";
    let report = simulate(scenario(&format!("{REPLICATED}{faults}"), &[]))
        .await
        .report;
    let [first, second] = &report.replicas[..] else {
        panic!("{:?}", report.replicas)
    };
    let streams = [first, second].map(|it| it.streams.unwrap());
    // Each stream is balanced by itself.
    assert_eq!(streams.iter().sum::<u64>(), 20);
    assert!(streams.iter().all(|it| *it >= 4), "{streams:?}");
    assert_eq!(
        (&*first.address, &*second.address),
        ("replica-1", "replica-2")
    );
    let p99 = |replica: &dst_load_recording::statistics::Replica| {
        (replica.p99_seconds.unwrap() * 1e3).round()
    };
    assert_eq!((p99(first), p99(second)), (0.0, 700.0));
    assert_eq!(
        [first, second].map(|it| it.deliveries),
        streams.map(|it| it * 24)
    );
    let all = &report.latency.destination;
    assert_eq!(
        first.deliveries + second.deliveries,
        all.add.count + all.remove.count
    );
    let text =
        dst_load_report::report::text::render(&report, dst_load_report::terminal::Style::PLAIN);
    assert!(
        text.contains("p99 differs by at most 700 ms (replica-2"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_drops_updates_has_the_wrong_streams() {
    let faults = "  faults: [{kind: dropUpdate, replica: 1}]\n";
    let text = REPLICATED.replace(
        "pattern: oscillate, minEndpoints: 3, maxEndpoints: 9, minHold: 5s, maxHold: 5s, cycles: 2",
        "pattern: scale-up, scaleFrom: 3, scaleTo: 9, scaleDuration: 5s, duration: 12s",
    );
    let report = simulate(scenario(&format!("{text}{faults}"), &[]))
        .await
        .report;
    let [first, second] = &report.replicas[..] else {
        panic!("{:?}", report.replicas)
    };
    assert!(
        first.never > 0 && first.p99_seconds.unwrap() >= 5.0,
        "{first:?}"
    );
    assert_eq!((second.never, second.streams_wrong), (0, 0));
    let streams = first.streams.unwrap();
    assert!((4..=16).contains(&streams), "{streams}");
    assert_eq!(
        (first.streams_wrong, report.correctness.streams_wrong),
        (streams, streams)
    );
    assert_eq!(report.verdict, Verdict::Fail);
    let text =
        dst_load_report::report::text::render(&report, dst_load_report::terminal::Style::PLAIN);
    assert!(text.contains("replica-1"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn one_replica_is_none_worth_a_table() {
    let report = simulate(scenario(REPLICATED, &["sandbox.replicas=1"]))
        .await
        .report;
    assert!(report.replicas.is_empty());
}
