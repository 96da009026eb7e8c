//! Streams that live as a proxy's do, and the profiles by address beside them.

use std::net::IpAddr;

use dst_load_oracle::ledger::ClusterIp;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn as_a_proxy() -> FleetConfig {
    FleetConfig {
        lifecycle: scenario::Lifecycle::Proxy,
        ..config()
    }
}

/// Opens streams on `web`, whose ClusterIP is `ip`, with profiles.
async fn with_profiles(
    config: FleetConfig,
    ip: ClusterIp,
    seconds: u64,
    answer: impl Fn(usize, &str) -> Vec<Say> + Send + Sync + 'static,
) -> (Watched, Vec<(At, String)>) {
    let clock = Clock::start();
    let (grpc, calls) = controller(clock, answer);
    let watched = Watched::new(&["web"]);
    watched.ledgers.all()[0].set_cluster_ip(ip);
    let config = FleetConfig {
        profiles: true,
        profile_endpoints: true,
        ..config
    };
    let fleet = watched.open(clock, &[dial(grpc)], config);
    clock.sleep_until(At::from_secs(seconds)).await;
    fleet.close().await;
    let calls = calls.lock().clone();
    (watched, calls)
}

fn at(ip: [u8; 4]) -> ClusterIp {
    ClusterIp::At(IpAddr::from(ip))
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_says_nothing_is_given_up_after_3_s_and_asked_for_again() {
    let (watched, calls) = watch(&["web"], as_a_proxy(), 300, |_, _| Vec::new()).await;
    let mut full = Duration::from_millis(100);
    for gap in gaps(&calls) {
        let least = 3 * SECOND + full;
        // A proxy adds up to a tenth, but no wait is above a minute.
        let most = 3 * SECOND + (full * 11 / 10).min(MINUTE) + Duration::from_millis(1);
        assert!((least..=most).contains(&gap), "{gap:?} for {full:?}");
        full = (full * 2).min(MINUTE);
    }
    assert!(calls.len() > 8, "{}", calls.len());
    let streams = watched.counters.total();
    // One is under way, or its successor is waited for.
    let given_up = streams.proxy.first_item_timeouts;
    assert!(calls.len() as u64 - given_up <= 1, "{given_up}");
    assert_eq!((streams.closed, streams.unexpected_resets()), (given_up, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_told_something_is_asked_for_again_after_5_min_of_silence() {
    let told = |_, _: &str| vec![Say::Tell, Say::Wait(MINUTE), Say::Tell];
    let (watched, calls) = watch(&["web"], as_a_proxy(), 700, told).await;
    let backoff = Duration::from_millis(100)..=Duration::from_millis(111);
    for gap in gaps(&calls) {
        assert!(backoff.contains(&(gap - 6 * MINUTE)), "{gap:?}");
    }
    let streams = watched.counters.total();
    assert_eq!((calls.len(), streams.proxy.idle, streams.closed), (2, 1, 1));
    assert_eq!(
        (streams.unexpected_resets(), watched.counters.active()),
        (0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_goes_on_talking_is_asked_for_again_after_an_hour() {
    let talks = |_, _: &str| {
        let talk = [Say::Tell, Say::Wait(4 * MINUTE)];
        talk.iter().cycle().take(60).cloned().collect()
    };
    let (watched, calls) = watch(&["web"], as_a_proxy(), 3_700, talks).await;
    let backoff = Duration::from_millis(100)..=Duration::from_millis(111);
    assert_eq!(calls.len(), 2);
    assert!(backoff.contains(&(gaps(&calls)[0] - 60 * MINUTE)));
    let streams = watched.counters.total();
    assert_eq!((streams.proxy.expired, streams.proxy.idle), (1, 0));
    assert_eq!((streams.closed, streams.unexpected_resets()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_eternal_stream_has_none_of_these_limits() {
    let tells = |_, path: &str| {
        if path.starts_with("web") {
            vec![Say::Tell]
        } else {
            Vec::new()
        }
    };
    let (watched, calls) = watch(&["web", "empty"], config(), 8_000, tells).await;
    assert_eq!((calls.len(), watched.counters.active()), (2, 2));
    assert_eq!(watched.counters.total().closed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_that_stream_for_good_and_no_other() {
    for code in [Code::InvalidArgument, Code::FailedPrecondition] {
        let answer = move |_, path: &str| {
            if path.starts_with("bad") {
                vec![Say::End(code, "no authority")]
            } else {
                vec![Say::Tell]
            }
        };
        let (watched, calls) = watch(&["bad", "web"], as_a_proxy(), 200, answer).await;
        let streams = watched.counters.total();
        assert_eq!((calls.len(), streams.proxy.refused), (2, 1));
        assert_eq!(
            (
                streams.errors[&format!("{code:?}")],
                watched.counters.active()
            ),
            (1, 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn not_found_and_ok_are_tried_again() {
    let answer = |number, _: &str| match number {
        0 => vec![Say::End(Code::NotFound, "no such service")],
        1 => vec![Say::End(Code::Ok, "")],
        _ => vec![Say::Tell],
    };
    let (watched, calls) = watch(&["web"], as_a_proxy(), 60, answer).await;
    let streams = watched.counters.total();
    assert_eq!((calls.len(), watched.counters.active()), (3, 1));
    assert_eq!((streams.not_found, streams.ended_ok), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_first_message_that_adds_nothing_is_counted_once_a_life() {
    let denies = |_, _: &str| vec![Say::Deny, Say::Tell, Say::Deny];
    let (watched, _) = watch(&["web"], as_a_proxy(), 60, denies).await;
    assert_eq!(watched.counters.total().proxy.first_not_add, 1);
    let (watched, _) = watch(&["web"], as_a_proxy(), 60, |_, _| vec![Say::Tell]).await;
    assert_eq!(watched.counters.total().proxy.first_not_add, 0);
}

#[tokio::test(start_paused = true)]
async fn beside_each_stream_stand_a_profile_of_its_service_and_one_of_an_endpoint() {
    let tells = |_, _: &str| vec![Say::Tell];
    let config = FleetConfig {
        clients: 2,
        ..as_a_proxy()
    };
    let (watched, calls) = with_profiles(config, at([10, 96, 0, 7]), 60, tells).await;
    let asked = |path: &str| calls.iter().filter(|(_, it)| it == path).count();
    assert_eq!(asked("web.shop.svc.cluster.local:80"), 2);
    assert_eq!((asked("10.96.0.7:80"), asked("10.0.0.1:8080")), (2, 2));
    let streams = watched.counters.total();
    let profiles = &streams.profiles;
    assert_eq!(
        (profiles.requested, profiles.opened, profiles.messages),
        (4, 4, 4)
    );
    // They are no streams whose updates are timed.
    assert_eq!(
        (streams.opened, watched.counters.active(), calls.len()),
        (2, 2, 6)
    );
}

#[tokio::test(start_paused = true)]
async fn a_headless_service_and_one_without_endpoints_have_no_profile_asked_for() {
    let (watched, calls) = with_profiles(config(), ClusterIp::Absent, 60, |_, _| Vec::new()).await;
    let profiles = watched.counters.total().profiles;
    assert_eq!(
        (calls.len(), profiles.requested, profiles.opened),
        (1, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_fails_is_tried_again_and_one_that_is_refused_is_not() {
    for (code, again) in [(Code::Unknown, true), (Code::InvalidArgument, false)] {
        let answer = move |_, path: &str| {
            if path.starts_with("10.96") {
                vec![Say::End(code, "no")]
            } else {
                vec![Say::Tell]
            }
        };
        let (watched, _) = with_profiles(as_a_proxy(), at([10, 96, 0, 7]), 60, answer).await;
        let profiles = watched.counters.total().profiles;
        let ended = profiles.errors[&format!("{code:?}")];
        assert_eq!(ended > 5, again, "{ended}");
        assert_eq!(ended == 1, !again, "{ended}");
        assert_eq!(profiles.unexpected_resets(), ended);
        assert_eq!(watched.counters.total().unexpected_resets(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_has_the_limits_of_a_proxy_too() {
    let answer = |_, path: &str| {
        if path.starts_with("10.96") {
            Vec::new()
        } else {
            vec![Say::Tell]
        }
    };
    let (watched, _) = with_profiles(as_a_proxy(), at([10, 96, 0, 7]), 30, answer).await;
    let profiles = watched.counters.total().profiles;
    assert!(profiles.closed >= 4, "{profiles:?}");
    let (watched, _) = with_profiles(config(), at([10, 96, 0, 7]), 30, answer).await;
    assert_eq!(watched.counters.total().profiles.closed, 0);
}

#[test]
fn clients_over_nodes_in_zones_cover_every_node_and_so_every_zone() {
    for (nodes, zones) in [(10, 3), (5, 5), (7, 2), (100, 3)] {
        let names: Vec<_> = (0..nodes)
            .map(|node| (format!("node-{node}"), format!("zone-{}", node % zones)))
            .collect();
        let clients = nodes + 3;
        let places: Vec<_> = (0..clients).map(|client| place(&names, client)).collect();
        let of = |pick: fn(&Place) -> &str| {
            let all: std::collections::BTreeSet<_> = places.iter().map(pick).collect();
            all.len() as u64
        };
        assert_eq!(of(|it| &it.node), nodes);
        assert_eq!(of(|it| &it.zone), zones);
    }
    assert_eq!(place(&[], 3), Place::default());
}
