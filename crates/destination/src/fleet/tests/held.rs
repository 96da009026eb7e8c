//! The streams beside `Get` that a client holds as an inbound proxy, and those of the policy API.

use std::net::IpAddr;

use dst_load_oracle::ledger::ClusterIp;
use dst_load_recording::recording::{HeldCounts, HeldKind, KindCounts};

use super::*;

const WEB: &str = "web.shop.svc.cluster.local:80";
const IP: [u8; 4] = [10, 96, 0, 7];

fn tells(_: usize, _: &str) -> Vec<Say> {
    vec![Say::Tell]
}

fn policies() -> Option<Policies> {
    Some(Policies::default())
}

/// Opens streams on `services`, each of which has the ClusterIP [`IP`], and looks at them after
/// `seconds`.
async fn held(
    services: &[&str],
    config: FleetConfig,
    seconds: u64,
    answer: impl Fn(usize, &str) -> Vec<Say> + Send + Sync + 'static,
) -> (Watched, Vec<(At, String)>) {
    let clock = Clock::start();
    let (grpc, calls) = controller(clock, answer);
    let watched = Watched::new(services);
    let calls = hold(&watched, clock, &[dial(grpc)], config, seconds, &calls).await;
    (watched, calls)
}

async fn hold(
    watched: &Watched,
    clock: Clock,
    dials: &[Dial],
    config: FleetConfig,
    seconds: u64,
    calls: &Calls,
) -> Vec<(At, String)> {
    for locked in watched.ledgers.all() {
        locked.set_cluster_ip(ClusterIp::At(IpAddr::from(IP)));
    }
    let mut fleet = watched.open(clock, dials, config);
    tokio::select! {
        biased;
        error = fleet.failed() => panic!("{error}"),
        () = clock.sleep_until(At::from_secs(seconds)) => {}
    }
    fleet.close().await;
    calls.lock().clone()
}

fn asked(calls: &[(At, String)], path: &str) -> usize {
    calls.iter().filter(|(_, it)| it == path).count()
}

fn kind(counts: &HeldCounts, kind: HeldKind) -> KindCounts {
    counts.kinds.get(&kind).copied().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn each_client_asks_by_the_name_of_a_service_of_its_own_and_they_take_turns() {
    let config = FleetConfig {
        clients: 3,
        streams_per_service: 2,
        profile_names: 1,
        ..config()
    };
    let (watched, calls) = held(&["web", "api"], config, 60, tells).await;
    // Beside 6 `Get` streams each.
    assert_eq!(asked(&calls, WEB), 6 + 2);
    assert_eq!(asked(&calls, "api.shop.svc.cluster.local:80"), 6 + 1);
    let streams = watched.counters.total();
    let by_name = kind(&streams.profiles, HeldKind::Name);
    assert_eq!(
        (by_name.requested, by_name.opened, by_name.messages),
        (3, 3, 3)
    );
    assert!(by_name.bytes > 0);
    assert_eq!((streams.profiles.requested, streams.opened), (3, 12));
    assert_eq!(watched.counters.active(), 12, "they are no Get streams");
}

#[tokio::test(start_paused = true)]
async fn a_client_asks_by_each_name_once_however_many_are_wanted() {
    let config = FleetConfig {
        streams_per_service: 3,
        profile_names: 100,
        ..config()
    };
    let (watched, calls) = held(&["web", "api"], config, 60, tells).await;
    assert_eq!(watched.counters.total().profiles.opened, 2);
    assert_eq!(asked(&calls, WEB), 3 + 1);
}

#[tokio::test(start_paused = true)]
async fn the_name_of_an_instance_is_never_asked_for() {
    let instance = "web-0.web.shop.svc.cluster.local:80";
    let service = WatchedService {
        authority: instance.into(),
        ..WatchedService::new("web", "shop", "cluster.local", 80)
    };
    let watched = Watched {
        ledgers: Arc::new(Ledgers::new(vec![service], 30 * SECOND)),
        counters: Arc::new(StreamCounters::new(1)),
    };
    let config = FleetConfig {
        profiles: true,
        profile_endpoints: true,
        profile_names: 1,
        ..config()
    };
    let clock = Clock::start();
    let (grpc, calls) = controller(clock, tells);
    let calls = hold(&watched, clock, &[dial(grpc)], config, 60, &calls).await;
    // `Get` asks for it.
    assert_eq!((asked(&calls, instance), calls.len()), (1, 3));
    let profiles = watched.counters.total().profiles;
    assert_eq!(kind(&profiles, HeldKind::Name), KindCounts::default());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_refused_is_counted_and_ends_nothing_else() {
    let answer = |number, path: &str| match (number, path) {
        (0, _) => vec![Say::Tell],
        (_, WEB) => vec![Say::End(Code::Unknown, "service \"web\" not found")],
        _ => vec![Say::Tell],
    };
    let config = FleetConfig {
        profile_names: 1,
        lifecycle: scenario::Lifecycle::Proxy,
        ..config()
    };
    let (watched, _) = held(&["web"], config, 60, answer).await;
    let streams = watched.counters.total();
    let by_name = kind(&streams.profiles, HeldKind::Name);
    assert_eq!(by_name.opened, 1);
    assert!(
        by_name.errors > 5 && streams.profiles.reopened > 5,
        "{by_name:?}"
    );
    assert_eq!(streams.profiles.errors["Unknown"], by_name.errors);
    assert_eq!(
        (streams.unexpected_resets(), watched.counters.active()),
        (0, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn policies_are_asked_for_each_service_and_for_the_clients_own_port() {
    let config = FleetConfig {
        clients: 2,
        policies: policies(),
        ..config()
    };
    let (watched, calls) = held(&["web"], config, 60, tells).await;
    let source = |n| format!(r#"{{"ns":"clients","pod":"dst-load-client-{n}"}}"#);
    for client in [0, 1] {
        let source = source(client);
        assert_eq!(asked(&calls, &format!("outbound 10.96.0.7:80 {source}")), 1);
        assert_eq!(asked(&calls, &format!("inbound 80 {source}")), 1);
    }
    assert_eq!(calls.len(), 6);
    let streams = watched.counters.total();
    let policies = &streams.policies;
    assert_eq!(
        (policies.requested, policies.opened, policies.messages),
        (4, 4, 4)
    );
    for of in [HeldKind::Outbound, HeldKind::Inbound] {
        let counts = kind(policies, of);
        assert_eq!((counts.opened, counts.messages, counts.errors), (2, 2, 0));
    }
    assert!(streams.profiles.is_zero());
    assert_eq!((streams.opened, streams.unexpected_resets()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_clusterip_there_is_no_address_to_ask_the_policy_of() {
    let clock = Clock::start();
    let (grpc, calls) = controller(clock, tells);
    let watched = Watched::new(&["web"]);
    watched.ledgers.all()[0].set_cluster_ip(ClusterIp::Absent);
    let config = FleetConfig {
        policies: policies(),
        ..config()
    };
    let fleet = watched.open(clock, &[dial(grpc)], config);
    clock.sleep_until(At::from_secs(60)).await;
    fleet.close().await;
    let policies = watched.counters.total().policies;
    assert_eq!(kind(&policies, HeldKind::Outbound), KindCounts::default());
    assert_eq!((policies.requested, calls.lock().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn in_a_pod_its_policy_is_asked_for_by_all_clients() {
    let config = FleetConfig {
        clients: 2,
        policies: Some(Policies {
            pod: Some("client-7".into()),
            dial: None,
        }),
        ..config()
    };
    let (_, calls) = held(&["web"], config, 60, tells).await;
    assert_eq!(
        asked(&calls, r#"inbound 80 {"ns":"clients","pod":"client-7"}"#),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn policies_have_an_address_and_connections_of_their_own() {
    let clock = Clock::start();
    let (grpc, calls) = controller(clock, tells);
    let (policy, policy_calls) = controller(clock, tells);
    let tries = Arc::new(Mutex::new(0));
    let (tried, elsewhere) = (Arc::clone(&tries), dial(policy));
    // The first two attempts fail: no run ends of that.
    let fails: Dial = Arc::new(move |_| {
        let number = {
            let mut tried = tried.lock();
            *tried += 1;
            *tried
        };
        let made = elsewhere(None);
        Box::pin(async move {
            if number > 2 {
                made.await
            } else {
                Err(broken())
            }
        })
    });
    let watched = Watched::new(&["web"]);
    let config = FleetConfig {
        clients: 4,
        connections: Some(2),
        policies: Some(Policies {
            dial: Some(fails),
            pod: None,
        }),
        ..config()
    };
    let calls = hold(&watched, clock, &[dial(grpc)], config, 60, &calls).await;
    assert!(calls.iter().all(|(_, path)| path == WEB), "{calls:?}");
    assert_eq!((calls.len(), policy_calls.lock().len()), (4, 8));
    let streams = watched.counters.total();
    assert_eq!((*tries.lock(), streams.policies.unconnected), (4, 2));
    assert_eq!(streams.policies.unexpected_resets(), 0);
    assert!(streams.connection_errors.is_empty(), "{streams:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_implemented_is_asked_for_no_more_by_anybody() {
    let answer = |_, path: &str| {
        if path.starts_with("outbound") || path.starts_with("inbound") {
            vec![Say::End(Code::Unimplemented, "unknown service")]
        } else {
            vec![Say::Tell]
        }
    };
    // 20 clients, of which each opens three streams in 30 s.
    let config = FleetConfig {
        clients: 20,
        open_rate: 1,
        policies: policies(),
        ..config()
    };
    let (watched, calls) = held(&["web"], config, 600, answer).await;
    let policies = watched.counters.total().policies;
    for of in [HeldKind::Outbound, HeldKind::Inbound] {
        let counts = kind(&policies, of);
        assert_eq!((counts.requested, counts.opened), (20, 1), "{of:?}");
        assert_eq!((counts.errors, counts.unimplemented), (1, 1), "{of:?}");
        assert!(counts.is_unimplemented());
    }
    assert_eq!((calls.len(), policies.reopened), (22, 0));
    assert_eq!(watched.counters.active(), 20);
}

#[tokio::test(start_paused = true)]
async fn what_was_implemented_once_is_asked_for_again_as_a_proxy_does() {
    let answer = |number, path: &str| match (number < 6, path.split_once(' ')) {
        (true, Some(_)) => vec![
            Say::Tell,
            Say::Wait(SECOND),
            Say::End(Code::Unavailable, ""),
        ],
        (false, Some(_)) => vec![Say::End(Code::Unimplemented, "")],
        _ => vec![Say::Tell],
    };
    let config = FleetConfig {
        clients: 2,
        policies: policies(),
        ..config()
    };
    let (watched, _) = held(&["web"], config, 60, answer).await;
    let policies = watched.counters.total().policies;
    // An outbound proxy goes on without a policy; an inbound one asks again.
    let outbound = kind(&policies, HeldKind::Outbound);
    assert_eq!((outbound.messages, outbound.unimplemented), (2, 2));
    assert!(
        kind(&policies, HeldKind::Inbound).unimplemented > 4,
        "{policies:?}"
    );
    assert!(!outbound.is_unimplemented());
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_policy_is_an_answer_outbound_and_none_inbound() {
    for (code, outbound_again, inbound_again) in [
        (Code::NotFound, false, true),
        (Code::InvalidArgument, false, false),
        (Code::FailedPrecondition, false, false),
        (Code::Unavailable, true, true),
    ] {
        let answer = move |_, path: &str| {
            if path.contains(' ') {
                vec![Say::End(code, "no")]
            } else {
                vec![Say::Tell]
            }
        };
        let config = FleetConfig {
            policies: policies(),
            ..config()
        };
        let (watched, _) = held(&["web"], config, 60, answer).await;
        let policies = watched.counters.total().policies;
        for (of, again) in [
            (HeldKind::Outbound, outbound_again),
            (HeldKind::Inbound, inbound_again),
        ] {
            let errors = kind(&policies, of).errors;
            assert_eq!(errors > 5, again, "{code:?} {of:?}: {errors}");
            assert_eq!(errors == 1, !again, "{code:?} {of:?}: {errors}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn policies_have_the_limits_of_a_proxy_too() {
    let answer = |_, path: &str| {
        if path.contains(' ') {
            vec![]
        } else {
            vec![Say::Tell]
        }
    };
    for (lifecycle, limited) in [
        (scenario::Lifecycle::Proxy, true),
        (scenario::Lifecycle::Eternal, false),
    ] {
        let config = FleetConfig {
            lifecycle,
            policies: policies(),
            ..config()
        };
        let (watched, _) = held(&["web"], config, 30, answer).await;
        let policies = watched.counters.total().policies;
        assert_eq!(policies.closed >= 8, limited, "{policies:?}");
        assert_eq!(policies.closed == 0, !limited, "{policies:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_stream_has_its_share_of_the_rate() {
    let config = FleetConfig {
        clients: 3,
        open_rate: 1,
        profiles: true,
        profile_endpoints: true,
        profile_names: 1,
        policies: policies(),
        ..config()
    };
    let (watched, calls) = held(&["web"], config, 60, tells).await;
    // A `Get` stream, two profiles and a policy; then one by name and an inbound policy.
    let seconds: Vec<_> = calls
        .iter()
        .map(|(at, _)| at.as_micros() / 1_000_000)
        .collect();
    let turn = |client: u64| {
        let first = client * 6;
        [first, first, first, first, first + 4, first + 5]
    };
    assert_eq!(seconds, (0..3).flat_map(turn).collect::<Vec<_>>());
    let streams = watched.counters.total();
    assert_eq!((streams.profiles.opened, streams.policies.opened), (9, 6));
}
