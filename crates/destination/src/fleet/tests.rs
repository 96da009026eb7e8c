//! Claims about the fleet, with a controller that does as it is told, in virtual time.

mod held;
mod proxy;
mod replicas;

use std::{io, net::SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};
use dst_load_oracle::ledger::{EndedBy, WatchedService};
use futures::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use linkerd2_proxy_api::{
    destination as pb,
    inbound::PortSpec,
    net,
    outbound::{TrafficSpec, traffic_spec},
};
use parking_lot::Mutex;
use prost::Message;
use tonic::{Code, Status, body::Body};
use tower::service_fn;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What the controller does, in turn, with one call.
#[derive(Clone, Debug)]
enum Say {
    /// An endpoint is there.
    Tell,
    /// An endpoint is not there.
    Deny,
    /// Nothing for this long.
    Wait(Duration),
    /// The end, with a status.
    End(Code, &'static str),
    /// The connection breaks.
    Break,
}

/// When each call came, and for what.
type Calls = Arc<Mutex<Vec<(At, String)>>>;

/// A controller that answers call number `n` for `path` with `answer(n, path)`, and says nothing
/// more after that.
fn controller(
    clock: Clock,
    answer: impl Fn(usize, &str) -> Vec<Say> + Send + Sync + 'static,
) -> (Grpc, Calls) {
    let calls = Calls::default();
    let (seen, answer) = (Arc::clone(&calls), Arc::new(answer));
    let service = service_fn(move |request: http::Request<Body>| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move {
            if request.uri().path().ends_with("/Identify") {
                return Ok(Status::unimplemented("unknown method").into_http());
            }
            let method = request.uri().path().to_owned();
            let body = request.into_body().collect().await?.to_bytes();
            let asked = asked_for(&method, &body[5..]);
            let number = {
                let mut seen = seen.lock();
                seen.push((clock.now(), asked.clone()));
                seen.len() - 1
            };
            let mut script = answer(number, &asked);
            // Headers come with the first message or the end, as from the real one.
            let quiet = |say: &Say| matches!(say, Say::Wait(_));
            let first = script.iter().position(|say| !quiet(say));
            for say in script.drain(..first.unwrap_or(script.len())) {
                if let Say::Wait(span) = say {
                    tokio::time::sleep(span).await;
                }
            }
            match script.first() {
                None => std::future::pending().await,
                Some(Say::Break) => Err(broken()),
                Some(_) => Ok(http::Response::new(Body::new(StreamBody::new(frames(
                    script,
                ))))),
            }
        }
    });
    (Grpc::new(service), calls)
}

/// The path that the message names; of the policy API's, what is asked and by whom.
fn asked_for(method: &str, message: &[u8]) -> String {
    match method {
        "/io.linkerd.proxy.outbound.OutboundPolicies/Watch" => {
            let spec = TrafficSpec::decode(message).unwrap();
            let Some(traffic_spec::Target::Addr(address)) = spec.target else {
                panic!("{spec:?}")
            };
            let address = SocketAddr::try_from(address).unwrap();
            format!("outbound {address} {}", spec.source_workload)
        }
        "/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort" => {
            let spec = PortSpec::decode(message).unwrap();
            format!("inbound {} {}", spec.port, spec.workload)
        }
        _ => pb::GetDestination::decode(message).unwrap().path,
    }
}

fn frames(
    script: Vec<Say>,
) -> impl futures::Stream<Item = Result<Frame<Bytes>, Status>> + Send + 'static {
    stream::iter(script)
        .filter_map(|say| async move {
            match say {
                Say::Tell => Some(Ok(Frame::data(message(true)))),
                Say::Deny => Some(Ok(Frame::data(message(false)))),
                Say::Wait(span) => {
                    tokio::time::sleep(span).await;
                    None
                }
                Say::End(code, words) => {
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", (code as i32).into());
                    trailers.insert("grpc-message", words.parse().unwrap());
                    Some(Ok(Frame::trailers(trailers)))
                }
                Say::Break => Some(Err(broken())),
            }
        })
        .chain(stream::pending())
}

fn broken() -> Status {
    Status::from_error(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)))
}

/// One endpoint, added or removed.
fn message(add: bool) -> Bytes {
    let address = SocketAddr::from(([10, 0, 0, 1], 8080));
    let removal = pb::Update {
        update: Some(pb::update::Update::Remove(pb::AddrSet {
            addrs: vec![net::TcpAddress::from(address)],
        })),
    };
    let addition = pb::Update {
        update: Some(pb::update::Update::Add(pb::WeightedAddrSet {
            addrs: vec![pb::WeightedAddr {
                addr: Some(net::TcpAddress::from(address)),
                ..pb::WeightedAddr::default()
            }],
            ..pb::WeightedAddrSet::default()
        })),
    };
    let update = if add { addition } else { removal };
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(update.encoded_len()).unwrap());
    update.encode(&mut framed).unwrap();
    framed.freeze()
}

/// What streams hold, and what they did.
struct Watched {
    ledgers: Arc<Ledgers>,
    counters: Arc<StreamCounters>,
}

// === impl Watched ===

impl Watched {
    fn new(services: &[&str]) -> Self {
        let watched = |name: &&str| WatchedService::new(name, "shop", "cluster.local", 80);
        let counters = StreamCounters::new(services.len());
        let services = services.iter().map(watched).collect();
        Self {
            ledgers: Arc::new(Ledgers::new(services, 30 * SECOND)),
            counters: Arc::new(counters),
        }
    }

    fn open(&self, clock: Clock, dials: &[Dial], config: FleetConfig) -> Fleet {
        self.open_listed(clock, dials, None, config)
    }

    fn open_listed(
        &self,
        clock: Clock,
        dials: &[Dial],
        listed: Option<ListedReplicas>,
        config: FleetConfig,
    ) -> Fleet {
        let (ledgers, counters) = (&self.ledgers, &self.counters);
        Fleet::open(
            ledgers,
            counters,
            clock,
            dials.to_vec(),
            listed,
            config,
            &[],
        )
    }
}

fn config() -> FleetConfig {
    FleetConfig {
        clients: 1,
        connections: None,
        targets: None,
        streams_per_service: 1,
        open_rate: 1_000,
        max_lifetime: None,
        reset_interval: None,
        connect_timeout: 30 * SECOND,
        namespace: "clients".into(),
        seed: 1,
        lifecycle: scenario::Lifecycle::Eternal,
        profiles: false,
        profile_endpoints: false,
        profile_names: 0,
        policies: None,
        path: ClientPath::Direct,
        stalled: None,
    }
}

fn dial(grpc: Grpc) -> Dial {
    Arc::new(move |_| {
        let grpc = grpc.clone();
        Box::pin(async move { Ok(grpc) })
    })
}

/// Opens streams on `services` and looks at them after `seconds`.
async fn watch(
    services: &[&str],
    config: FleetConfig,
    seconds: u64,
    answer: impl Fn(usize, &str) -> Vec<Say> + Send + Sync + 'static,
) -> (Watched, Vec<(At, String)>) {
    let clock = Clock::start();
    let (grpc, calls) = controller(clock, answer);
    let watched = Watched::new(services);
    let mut fleet = watched.open(clock, &[dial(grpc)], config);
    tokio::select! {
        biased;
        error = fleet.failed() => panic!("{error}"),
        () = clock.sleep_until(At::from_secs(seconds)) => {}
    }
    fleet.close().await;
    let calls = calls.lock().clone();
    (watched, calls)
}

fn gaps(calls: &[(At, String)]) -> Vec<Duration> {
    let pairs = calls.windows(2);
    pairs.map(|pair| pair[1].0.since(pair[0].0)).collect()
}

#[tokio::test(start_paused = true)]
async fn fleets_of_two_replicas_ask_for_what_one_of_all_clients_would() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let each = "3".parse().unwrap();
    let seed = 5;
    let opened = async |clients, first_client| {
        let targets = Some(FleetTargets {
            each,
            seed,
            first_client,
        });
        let config = FleetConfig {
            clients,
            targets,
            ..config()
        };
        let (watched, _) = watch(&names, config, 1, |_, _: &str| vec![]).await;
        let all = watched.ledgers.all().iter();
        all.map(|locked| locked.with(|ledger| ledger.stream_phases().len()))
            .collect::<Vec<_>>()
    };
    let (first, second) = (opened(4, 0).await, opened(4, 4).await);
    assert_eq!((first.iter().sum::<usize>(), first.len()), (12, 7));
    assert_ne!(first, second);
    let both: Vec<_> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
    assert_eq!(both, opened(8, 0).await);
    let chosen = TargetChoice::new(&each, seed, names.len()).audiences(0..8);
    assert!(both.iter().map(|it| *it as u64).eq(chosen));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_is_sent_again_after_ever_longer_waits_of_at_most_a_minute() {
    let fails = |_, _: &str| vec![Say::End(Code::Unavailable, "busy")];
    let (watched, calls) = watch(&["web"], config(), 400, fails).await;
    let mut full = Duration::from_millis(100);
    for gap in gaps(&calls) {
        let least = full * 9 / 10;
        let most = full + Duration::from_millis(1);
        assert!((least..=most).contains(&gap), "{gap:?} for {full:?}");
        full = (full * 2).min(60 * SECOND);
    }
    let streams = watched.counters.total();
    assert_eq!(streams.errors["Unavailable"], calls.len() as u64);
    assert_eq!((streams.opened, streams.snapshots), (1, 0));
    assert_eq!(streams.reopened, calls.len() as u64 - 1);
}

#[tokio::test(start_paused = true)]
async fn while_a_stream_waits_its_ledger_says_who_ended_it_and_when_it_is_sent_again() {
    // Of what we end ourselves the fleet waits for nothing but a proxy's limits.
    for (lifecycle, by) in [
        (scenario::Lifecycle::Eternal, EndedBy::Destination),
        (scenario::Lifecycle::Proxy, EndedBy::Us),
    ] {
        let config = FleetConfig {
            lifecycle,
            ..config()
        };
        let silent = lifecycle == scenario::Lifecycle::Proxy;
        let clock = Clock::start();
        let (grpc, calls) = controller(clock, move |_, _| {
            let fails = Say::End(Code::Unavailable, "busy");
            if silent { vec![] } else { vec![fails] }
        });
        let watched = Watched::new(&["web"]);
        let fleet = watched.open(clock, &[dial(grpc)], config);
        let due = || watched.ledgers.all()[0].with(|ledger| ledger.retry_due(0));
        for round in 1..=8 {
            while due().is_none() {
                clock
                    .sleep_until(clock.now() + Duration::from_millis(1))
                    .await;
            }
            let (at, who) = due().unwrap();
            assert_eq!(who, by);
            assert!(at > clock.now(), "{at} is past");
            assert_eq!(calls.lock().len(), round);
            // The call is made at once; the timer's grid adds less than a millisecond.
            clock.sleep_until(at + Duration::from_millis(1)).await;
            assert_eq!(calls.lock().len(), round + 1);
            let sent = calls.lock()[round].0;
            assert!(sent >= at && sent.since(at) <= Duration::from_millis(1));
        }
        fleet.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_told_something_is_sent_again_soon() {
    let ends = |_, _: &str| vec![Say::Tell, Say::Wait(SECOND), Say::End(Code::Ok, "")];
    let (watched, calls) = watch(&["web"], config(), 60, ends).await;
    assert!(calls.len() > 50, "{}", calls.len());
    for gap in gaps(&calls) {
        assert!(gap <= SECOND + Duration::from_millis(101), "{gap:?}");
    }
    let streams = watched.counters.total();
    assert_eq!(streams.unexpected_resets(), streams.ended_ok);
    assert!(streams.ended_ok >= 50);
}

#[tokio::test(start_paused = true)]
async fn not_found_is_tried_again_and_is_no_reset() {
    let late = |number, _: &str| {
        if number < 3 {
            vec![Say::End(Code::NotFound, "no such service")]
        } else {
            vec![Say::Tell]
        }
    };
    let (watched, calls) = watch(&["web"], config(), 60, late).await;
    let streams = watched.counters.total();
    assert_eq!((calls.len(), streams.not_found), (4, 3));
    assert_eq!(streams.unexpected_resets(), 0);
    assert_eq!(
        (watched.counters.active(), watched.ledgers.streams_held()),
        (1, (1, 1))
    );
}

#[tokio::test(start_paused = true)]
async fn what_trying_again_does_not_mend_ends_the_run_with_the_controllers_words() {
    for code in [Code::InvalidArgument, Code::FailedPrecondition] {
        let clock = Clock::start();
        let (grpc, calls) = controller(clock, move |_, _| vec![Say::End(code, "no authority")]);
        let watched = Watched::new(&["web"]);
        let mut fleet = watched.open(clock, &[dial(grpc)], config());
        let refused = FleetError::Refused {
            authority: "web.shop.svc.cluster.local:80".into(),
            code: format!("{code:?}"),
            message: "no authority".into(),
        };
        assert_eq!(fleet.failed().await, refused);
        clock.sleep_until(clock.now() + 600 * SECOND).await;
        assert_eq!(calls.lock().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn lifetimes_end_up_to_a_tenth_early_and_each_stream_on_its_own() {
    let config = FleetConfig {
        streams_per_service: 5,
        max_lifetime: Some(60 * SECOND),
        ..config()
    };
    let (watched, calls) = watch(&["web"], config, 59, |_, _| vec![Say::Tell]).await;
    let again: Vec<_> = calls[5..].iter().map(|(at, _)| *at).collect();
    assert!(again.iter().all(|at| *at >= At::from_secs(54)), "{again:?}");
    assert!(again.windows(2).any(|pair| pair[0] != pair[1]), "{again:?}");
    let streams = watched.counters.total();
    assert_eq!(streams.closed, again.len() as u64);
    assert_eq!(
        (streams.unexpected_resets(), watched.counters.active()),
        (0, 5)
    );
}

#[tokio::test(start_paused = true)]
async fn each_interval_resets_each_stream_once_in_its_last_tenth() {
    let config = FleetConfig {
        streams_per_service: 4,
        reset_interval: Some(100 * SECOND),
        ..config()
    };
    let (watched, calls) = watch(&["web"], config, 350, |_, _| vec![Say::Tell]).await;
    for (interval, resets) in calls[4..].chunks(4).enumerate() {
        let end = 100 * (interval as u64 + 1);
        for (at, _) in resets {
            let last_tenth = At::from_secs(end - 10)..=At::from_secs(end);
            assert!(last_tenth.contains(at), "{at} for {end}");
        }
    }
    assert_eq!((calls.len(), watched.counters.total().closed), (16, 12));
}

#[tokio::test(start_paused = true)]
async fn no_more_streams_are_opened_a_second_than_asked_for() {
    let config = FleetConfig {
        clients: 5,
        streams_per_service: 10,
        open_rate: 10,
        ..config()
    };
    let (_, calls) = watch(&["web"], config, 60, |_, _| vec![Say::Tell]).await;
    assert_eq!(calls.len(), 50);
    for second in 0..=5 {
        let until = At::from_secs(second);
        let opened = calls.iter().filter(|(at, _)| *at < until).count();
        assert_eq!(opened as u64, second * 10);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_service_holds_up_no_other() {
    let answer = |_, path: &str| {
        if path.starts_with("empty") {
            Vec::new()
        } else {
            vec![Say::Tell]
        }
    };
    let (watched, calls) = watch(&["empty", "web"], config(), 60, answer).await;
    assert_eq!((calls.len(), watched.counters.active()), (2, 2));
    assert_eq!(watched.ledgers.streams_held(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_never_comes_ends_the_run_after_the_time_for_connecting() {
    let clock = Clock::start();
    let watched = Watched::new(&["web"]);
    let refused = || Err(Status::unavailable("Connection refused (os error 111)"));
    let dial: Dial = Arc::new(move |_| Box::pin(async move { refused() }));
    let mut fleet = watched.open(clock, &[dial], config());
    let unreachable = FleetError::Unreachable {
        after: 30 * SECOND,
        reason: "Connection refused (os error 111)".into(),
    };
    assert_eq!(fleet.failed().await, unreachable);
    assert!(clock.now() <= At::from_secs(30));
    let errors = watched.counters.total().connection_errors;
    assert!(
        errors["Connection refused (os error 111)"] > 5,
        "{errors:?}"
    );
    assert_eq!(watched.counters.total().opened, 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_under_several_streams_is_lost_once_and_stands_again() {
    let answer = |number, _: &str| {
        if number < 3 {
            vec![Say::Tell, Say::Wait(10 * SECOND), Say::Break]
        } else {
            vec![Say::Tell]
        }
    };
    let config = FleetConfig {
        streams_per_service: 3,
        open_rate: 1_000_000,
        ..config()
    };
    let (watched, calls) = watch(&["web"], config, 60, answer).await;
    assert_eq!((calls.len(), watched.counters.connections_lost()), (6, 1));
    let lasted = watched
        .counters
        .connection_lifetimes(|lives| (lives.ended().sum(), lives.ended().count()));
    assert_eq!(lasted, (10 * SECOND, 1));
    let (open, all) = watched.counters.connection_lifetimes(|lives| {
        let all = lives.all(At::from_secs(60));
        (all.count(), all.sum())
    });
    assert_eq!(open, 2);
    assert!(all > 59 * SECOND && all <= 60 * SECOND, "{all:?}");
    assert_eq!(watched.counters.total().unexpected_resets(), 3);
}

#[tokio::test(start_paused = true)]
async fn clients_share_no_more_connections_than_there_may_be_and_keep_their_identities() {
    for (connections, wanted) in [(Some(3), 3), (Some(50), 7), (None, 7)] {
        let clock = Clock::start();
        let (grpc, calls) = controller(clock, |_, _| vec![Say::Tell]);
        let watched = Watched::new(&["web", "api"]);
        let dialled = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dialled);
        let dial: Dial = Arc::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            let grpc = grpc.clone();
            Box::pin(async move { Ok(grpc) })
        });
        let config = FleetConfig {
            clients: 7,
            connections,
            ..config()
        };
        let fleet = watched.open(clock, &[dial], config);
        clock.sleep_until(At::from_secs(10)).await;
        assert_eq!(dialled.load(Ordering::Relaxed), wanted);
        assert_eq!(
            (calls.lock().len(), watched.ledgers.streams_held()),
            (14, (14, 14))
        );
        fleet.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn connections_beyond_what_a_forward_takes_end_the_run_with_what_would_help() {
    let clock = Clock::start();
    let (grpc, _) = controller(clock, |_, _| vec![Say::Tell]);
    let watched = Watched::new(&["web"]);
    let taken = AtomicU64::new(0);
    let dial: Dial = Arc::new(move |_| {
        let refused = taken.fetch_add(1, Ordering::Relaxed) >= 4;
        let grpc = grpc.clone();
        Box::pin(async move {
            if refused {
                return Err(Status::unavailable("Connection refused (os error 111)"));
            }
            Ok(grpc)
        })
    });
    let config = FleetConfig {
        clients: 6,
        ..config()
    };
    let mut fleet = watched.open(clock, &[dial], config);
    let error = fleet.failed().await;
    let crowded = FleetError::ConnectionLimitReached {
        open: 4,
        reason: "Connection refused (os error 111)".into(),
    };
    assert_eq!(error, crowded);
    let said = error.to_string();
    assert!(
        said.contains("--connections 50") && said.contains("--forwarded"),
        "{said}"
    );
}
