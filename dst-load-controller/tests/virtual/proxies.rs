//! Whole runs in virtual time whose clients live as proxies do, and runs over several replicas.

use dst_load_recording::recording::HeldKind;
use dst_load_report::{report::Report, verdict::Verdict};

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
    let every = &["client.profileEndpoints=true"];
    let report = simulate(scenario(FROM_ZERO, every)).await.report;
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
    assert_eq!(report.profiles.unwrap().opened, 16);
    let without = &["client.profileNames=0"];
    let profiles = simulate(scenario(FROM_ZERO, without))
        .await
        .report
        .profiles
        .unwrap();
    // Applications connect to ClusterIPs.
    assert_eq!((profiles.requested, profiles.opened), (12, 12));
    assert_eq!(
        profiles.kinds.keys().collect::<Vec<_>>(),
        [&HeldKind::Service]
    );
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
    assert_eq!(report.profiles.as_ref().map(|it| it.opened), Some(16));
    assert_eq!(report.streams.opened, without.streams.opened);
    assert_eq!(report.updates.messages, without.updates.messages);
}

#[tokio::test(start_paused = true)]
async fn each_replica_has_policies_asked_of_it() {
    let set = &["client.policies=true", "client.profiles=true"];
    let report = simulate(scenario(REPLICATED, set)).await.report;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert_eq!(report.policies.unwrap().messages, 25);
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

/// A Service between none and 10 endpoints, whose clients stop asking while it has none.
const ZERO_TO_TEN: &str = "
scenario: {name: zero-to-ten, seed: 5}
churn: {services: 1, pattern: oscillate, minEndpoints: 0, maxEndpoints: 10, minHold: 40s, maxHold: 40s, cycles: 2}
client: {clients: 10, lifecycle: proxy}
criteria: {everyClientWithin: 2s}
sandbox: {podStart: 300ms}
";

/// The same, with a first endpoint that is visible while all streams are open, and that is sent to
/// them after they have been cancelled.
fn cancelled() -> String {
    let faults = "faults: [{kind: lateUpdate, delay: 2200ms, at: 25s, lasts: 4s}]}";
    let text = ZERO_TO_TEN.replace("minHold: 40s", "minHold: 25700ms");
    text.replace("300ms}", &format!("300ms, {faults}"))
}

/// What a report says that is violated or not judged.
fn open(report: &Report) -> Vec<String> {
    let open = report.criteria.iter().filter(|it| it.met != Some(true));
    open.map(|it| format!("{} {:?}", it.name, it.met)).collect()
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_between_two_tries_keeps_a_latency_from_being_met() {
    for text in [ZERO_TO_TEN.to_owned(), cancelled()] {
        let report = simulate(scenario(&text, &[])).await.report;
        assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
        assert_eq!(open(&report), ["everyClientWithin (add) None"]);
        let [reason] = &report.reasons[..] else {
            panic!("one reason: {:?}", report.reasons)
        };
        assert!(reason.contains("criteria.firstEndpoint"), "{reason}");
        // Those that got one in time are counted with the others.
        let streams = &report.streams;
        assert_eq!(
            (streams.first_endpoint.count, streams.reconnect_gap.count),
            (20, 10)
        );
        assert!(
            streams.reconnect_gap.p50_seconds.unwrap() > 5.0,
            "{streams:?}"
        );
        assert_eq!(
            streams.first_endpoint.max_seconds,
            streams.reconnect_gap.max_seconds
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_endpoint_is_judged_by_itself_and_the_rest_by_what_is_left() {
    for text in [ZERO_TO_TEN.to_owned(), cancelled()] {
        let met = simulate(scenario(&text, &["criteria.firstEndpoint=30s"])).await;
        assert_eq!(
            met.report.verdict,
            Verdict::Pass,
            "{:?}",
            met.report.reasons
        );
        let report = simulate(scenario(&text, &["criteria.firstEndpoint=5s"]))
            .await
            .report;
        assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
        assert_eq!(open(&report), ["firstEndpoint Some(false)"]);
        let advice = report.recommendations.join(" ");
        assert!(
            advice.contains("a proxy's backoff, and not the"),
            "{advice}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_eternal_client_has_its_first_endpoint_as_soon_as_the_controller_sends_it() {
    let eternal = ["client.lifecycle=eternal", "criteria.firstEndpoint=2s"];
    let report = simulate(scenario(ZERO_TO_TEN, &eternal)).await.report;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    let first = &report.streams.first_endpoint;
    assert_eq!((first.count, first.never), (20, 0));
    let late = ZERO_TO_TEN.replace("300ms}", "300ms, faults: [{kind: lateUpdate, delay: 3s}]}");
    let report = simulate(scenario(&late, &eternal)).await.report;
    let violated = "firstEndpoint Some(false)";
    assert!(open(&report).iter().any(|it| it == violated), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_service_from_zero_nothing_is_known_of_first_endpoints() {
    let never_empty = ["churn.minEndpoints=2", "criteria.firstEndpoint=30s"];
    let report = simulate(scenario(ZERO_TO_TEN, &never_empty)).await.report;
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    assert_eq!(open(&report), ["firstEndpoint None"]);
}

/// Services that go to none while all their streams are reset: what the streams are sent after that
/// is silence.
fn reset_to_zero() -> String {
    let faults = "faults: [{kind: resetStream, at: 60s, lasts: 30s}]}";
    let text = ZERO_TO_TEN.replace(
        "criteria: {everyClientWithin: 2s}",
        "criteria: {retained: 5s}",
    );
    text.replace("300ms}", &format!("300ms, {faults}"))
}

#[tokio::test(start_paused = true)]
async fn what_proxies_keep_of_an_empty_service_is_no_fault_of_the_controller() {
    let report = simulate(scenario(&reset_to_zero(), &[])).await.report;
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert_eq!(open(&report), ["retained Some(false)"]);
    let retained = report.streams.retained.as_ref().unwrap();
    // Until the Service had endpoints again, and each proxy its next try.
    assert_eq!(
        (retained.kept, retained.streams, retained.streams_at_end),
        (10, 10, 0)
    );
    assert!(retained.longest_seconds > 40.0, "{retained:?}");
    assert!(
        retained.stale_endpoint_seconds > 40.0 * 10.0 * 10.0,
        "{retained:?}"
    );
    let correct = &report.correctness;
    assert_eq!((correct.streams_wrong, correct.stale), (0, 0));
    assert!(correct.stale_endpoint_seconds < 1.0, "{correct:?}");
    let advice = report.recommendations.join(" ");
    assert!(
        advice.contains("a proxy's rule, and not what the controller sent"),
        "{advice}"
    );
}

#[tokio::test(start_paused = true)]
async fn proxies_that_are_reset_while_there_are_endpoints_keep_what_is_promised() {
    let text = reset_to_zero().replace("minEndpoints: 0", "minEndpoints: 5");
    let report = simulate(scenario(&text, &[])).await.report;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    let retained = report.streams.retained.as_ref().unwrap();
    // What was gone they kept until their next try.
    assert_eq!((retained.kept, retained.streams), (10, 10));
    assert!(retained.longest_seconds < 0.2, "{retained:?}");
}

#[tokio::test(start_paused = true)]
async fn what_streams_keep_is_not_judged_of_an_eternal_client_nor_where_none_is_opened_again() {
    let eternal = reset_to_zero().replace("proxy", "eternal");
    let unstruck = reset_to_zero().replace("at: 60s", "at: 1h");
    for (text, known) in [(eternal, false), (unstruck, true)] {
        let report = simulate(scenario(&text, &[])).await.report;
        assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
        assert_eq!(open(&report), ["retained None"]);
        assert_eq!(report.streams.retained.is_some(), known);
    }
}
