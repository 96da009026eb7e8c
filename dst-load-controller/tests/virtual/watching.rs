//! The client against the embedded Kubernetes and destination, while the churner moves
//! the endpoints: two halves that share nothing but the cluster. In virtual time, without sockets.

mod balanced;
mod beside_get;
mod identity;
mod quiet;
mod replicas;
mod silent;

use std::{convert::Infallible, io, path::Path, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use dst_load_destination::{
    fleet::{FleetConfig, Policies},
    target::Target,
};
use dst_load_kubernetes::{
    actor::{Actor, Limits, RunIdentity},
    observer::SILENCE,
};
use dst_load_oracle::ledger::WatchedService;
use dst_load_recording::{
    recording::{Header, LagSource, SCHEMA_VERSION, TargetInfo, TargetKind},
    warning::Warning,
};
use dst_load_report::{
    report::{Ending, Report},
    verdict::Verdict,
};
use dst_load_sandbox::{destination, kubernetes};
use dst_load_scenario::{
    criteria::Criteria,
    flags::Flags,
    plan::Plan,
    scenario::{self, Scenario},
};
use dst_load_session::{
    admin::{self, Readiness},
    churn::{ChurnMetrics, Driver, Event, EventLog},
    client::{Client, WatchUntil},
    client_metrics,
    partner::Partner,
    recorder::Recorder,
    watching::{SessionConfig, SessionError},
};
use dst_load_transport::{clock::Clock, http::Address, world::World};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, util::BoxCloneSyncService};

const SECOND: Duration = Duration::from_secs(1);

/// Two Services between 2 and 40 endpoints, twice.
fn scenario() -> Arc<Scenario> {
    let text = "
        scenario: {name: oscillate}
        churn: {services: 2, pattern: oscillate, minEndpoints: 2, maxEndpoints: 40,
                minHold: 30s, maxHold: 30s, jitter: 1s, cycles: 2}";
    let (scenario, _) = Scenario::from_yaml(text, "oscillate.yaml", &[]).unwrap();
    Arc::new(scenario)
}

fn world(kubernetes: &kubernetes::Kubernetes, destination: &destination::Destination) -> World {
    let (api, grpc) = (kubernetes.clone(), destination.clone());
    World {
        kube: Arc::new(move || Ok(api.client())),
        destination: Arc::new(move |_| {
            let grpc = grpc.grpc();
            Box::pin(async move { Ok(grpc) })
        }),
        further: Vec::new(),
        listed: None,
    }
}

fn header() -> Header {
    Header {
        schema_version: SCHEMA_VERSION,
        tool_version: "0".into(),
        commit: "0".into(),
        run_id: "r1".into(),
        identity: Default::default(),
        name: "client".into(),
        seed: 1,
        scenario: serde_json::Value::Null,
        streams_requested: 10,
        clients: None,
        target: TargetInfo {
            kind: TargetKind::Reference,
            version: None,
            forwarded: false,
            flags: None,
        },
        virtual_time: true,
        namespace: "churned".into(),
        linked_cluster: None,
        deadline_seconds: 30.0,
        started: None,
        machine: None,
        floor_seconds: None,
        replicas: Vec::new(),
        path: None,
        metrics: Vec::new(),
        metrics_sought: Vec::new(),
    }
}

fn destination(kubernetes: &kubernetes::Kubernetes) -> destination::Destination {
    destination::Destination::start(
        destination::Config {
            seed: 1,
            cluster_domain: "cluster.local".into(),
            queue_capacity: 100,
            ipv6: true,
            faults: Vec::new(),
        },
        kubernetes.client(),
    )
}

fn actor(kubernetes: &kubernetes::Kubernetes, clock: Clock, scenario: &Arc<Scenario>) -> Actor {
    let run = RunIdentity {
        id: "r1".into(),
        scenario: "oscillate".into(),
    };
    let (kube, namespace) = (kubernetes.client(), "churned".to_owned());
    let limits = Limits::default();
    Actor::new(kube, clock, namespace, run, Arc::clone(scenario), limits)
}

/// The churner that has this log, in this process.
fn partner(log: &EventLog, clock: Clock) -> Partner {
    let routes = log.routes(clock);
    let http =
        ServiceExt::<http::Request<Body>>::map_err(routes, |never: Infallible| match never {});
    let address = Address::parse("http://churn:9990", "").unwrap();
    Partner::through(address, BoxCloneSyncService::new(http))
}

/// What a session of five clients in this world is given, where a test wants nothing else.
fn session(world: World) -> SessionConfig {
    SessionConfig {
        world,
        target_cluster: None,
        observer: |watching| watching(),
        watch_silence: SILENCE,
        target: None,
        policy_controller: None,
        fleet: FleetConfig {
            clients: 5,
            connections: None,
            targets: None,
            streams_per_service: 1,
            open_rate: 100,
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
            path: scenario::ClientPath::Direct,
            stalled: None,
        },
        limits: (30 * SECOND).into(),
        sample_self: false,
        profiles: None,
        flags: Flags::DEFAULT,
    }
}

/// A client of both Services whose clock starts now.
fn client<W: io::Write>(
    config: SessionConfig,
    follows: (Option<Partner>, WatchUntil),
    stop: CancellationToken,
    out: W,
) -> Client<W> {
    let services = ["test-service-1", "test-service-2"];
    let services = services.map(|name| WatchedService::new(name, "churned", "cluster.local", 8080));
    client_of(services.into(), config, follows, stop, out)
}

/// The same of these Services.
fn client_of<W: io::Write>(
    services: Vec<WatchedService>,
    config: SessionConfig,
    (churn, until): (Option<Partner>, WatchUntil),
    stop: CancellationToken,
    out: W,
) -> Client<W> {
    let recorder = Recorder::new(out, Path::new("memory"));
    Client::new(
        services,
        config,
        churn,
        until,
        recorder,
        Readiness::default(),
        stop,
    )
}

/// The report of what a client has recorded, without criteria.
fn report_of<W: io::Write>(client: &Client<W>) -> Report {
    let page = client.page(&Criteria::default(), false);
    page.unwrap().unwrap().report
}

/// Watches a churn, which tells what it does if `told`; the report, and the metrics at its end.
async fn watched(told: bool) -> (Report, String) {
    watched_by(told, |config| config).await
}

/// The same, by clients whose configuration is changed so.
async fn watched_by(
    told: bool,
    configured: impl FnOnce(SessionConfig) -> SessionConfig,
) -> (Report, String) {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
    let destination = destination(&kubernetes);
    let clock = Clock::start();

    let scenario = scenario();
    let actor = actor(&kubernetes, clock, &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let log = EventLog::new(&scenario, "churned", "p1");
    actor.prepare().await.unwrap();
    let never = CancellationToken::new();
    let mut driver = Driver::new(&actor, &metrics, Plan::new(&scenario), never);
    let record = |event| match event {
        Event::Intended(action) => log.announce(&action),
        Event::Acted(acted) => log.record(&acted),
        Event::Cycle(_) => {}
    };
    driver.create(record).await;
    tokio::time::sleep(5 * SECOND).await;
    let churn = partner(&log, clock);

    let stop = CancellationToken::new();
    let churn = told.then_some(churn);
    // Five seconds behind.
    let client = client(
        configured(session(world(&kubernetes, &destination))),
        (churn, WatchUntil::Stopped),
        stop.clone(),
        Vec::new(),
    );
    let mut registry = Registry::default();
    client_metrics::register(&mut registry, client.progress(), client.observers());
    let encode = admin::encode(registry);
    let churn = async {
        tokio::time::sleep(5 * SECOND).await;
        let start = clock.now();
        driver.churn(start, record).await;
        tokio::time::sleep(10 * SECOND).await;
        let scraped = encode().unwrap();
        stop.cancel();
        scraped
    };
    // As `churn` does it, for the observers of clients.
    let beat = async {
        if told {
            let on = |written: &_, at| log.beat(written, at);
            panic!("{}", actor.beat_for_observer(on).await);
        }
        std::future::pending::<()>().await;
    };
    let (ended, scraped) = tokio::select! {
        biased;
        both = async { tokio::join!(client.run(header()), churn) } => both,
        () = beat => unreachable!("it beats for ever"),
    };
    ended.unwrap();

    let report = report_of(&client);
    destination.shutdown().await;
    kubernetes.shutdown().await;
    (report, scraped)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_watches_sees_every_change_of_a_churn_that_only_acts() {
    let (report, scraped) = watched(false).await;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    // 2 Services × 2 cycles × 38 endpoints × 5 streams, each way.
    let latency = &report.latency.destination;
    assert_eq!((latency.add.count, latency.remove.count), (760, 760));
    assert_eq!((latency.add.never, latency.remove.never), (0, 0));
    assert_eq!(report.latency.end_to_end.add.count, 0);
    assert_eq!(
        (report.streams.opened, report.streams.unexpected_resets),
        (10, 0)
    );
    let correctness = &report.correctness;
    assert_eq!(
        (correctness.streams_checked, correctness.streams_wrong),
        (10, 0)
    );
    for line in [
        "destination_client_streams_active 10",
        "destination_client_streams_created_total 10",
        "destination_client_send_timeouts_total 0",
        "destination_client_update_latency_histogram_seconds_count{service=\"test-service-1\"} 760",
    ] {
        assert!(
            scraped.lines().any(|told| told == line),
            "{line}\n{scraped}"
        );
    }
    assert_eq!(report.clock, None);
    let observer = &report.observer;
    assert_eq!(observer.verified, Some(true));
    // Nobody writes anything for it: the first update of a stream is what it is measured by.
    assert_eq!(observer.lag_source, Some(LagSource::Evidence));
    assert_eq!(report.warnings, []);
}

#[tokio::test(start_paused = true)]
async fn a_churn_that_tells_what_it_does_gives_its_client_the_other_stages() {
    let (report, _) = watched(true).await;
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    let latency = &report.latency;
    for stage in [
        &latency.kubernetes,
        &latency.destination,
        &latency.end_to_end,
    ] {
        assert_eq!((stage.add.count, stage.remove.count), (760, 760));
    }
    // Pods take up to a second to start, and slices are synced every 100 ms.
    let slowest = latency.kubernetes.add.max_seconds.unwrap();
    assert!(slowest > 0.05 && slowest < 5.0, "{slowest}");
    assert_eq!(report.fan_out.unattributed, 0);
    let observer = &report.observer;
    let heartbeat = Some(LagSource::Heartbeat);
    assert_eq!(
        (observer.verified, observer.lag_source),
        (Some(true), heartbeat)
    );
    // What the clocks leave open.
    let lag = observer.lag_p99_seconds.unwrap();
    assert!(lag > 0.0 && lag < 1e-4, "{lag}");
    let clock = report.clock.unwrap();
    assert_eq!((clock.offset_seconds, clock.drift_seconds), (5.0, 0.0));
    assert!(clock.uncertainty_seconds < 1e-5 && clock.measurements > 2);
    assert_eq!(report.warnings, []);
}

/// A target that says what it is told to, by the seconds that have passed.
fn target(
    metrics: impl Fn(u64) -> String + Clone + Send + Sync + 'static,
    ping: impl Fn(u64) -> Duration + Clone + Send + Sync + 'static,
) -> Target {
    let clock = Clock::start();
    let seconds = move || clock.now().since_start().as_secs();
    let routes = Router::new()
        .route("/metrics", get(move || async move { metrics(seconds()) }))
        .route(
            "/ping",
            get(move || async move { tokio::time::sleep(ping(seconds())).await }),
        );
    let http =
        ServiceExt::<http::Request<Body>>::map_err(routes, |never: Infallible| match never {});
    let http = BoxCloneSyncService::new(http);
    Target::new("linkerd:9996")
        .unwrap()
        .through(http.clone(), http)
}

/// A target whose metrics never come.
fn silent_target() -> Target {
    let routes = Router::new().route("/metrics", get(std::future::pending::<&str>));
    let http =
        ServiceExt::<http::Request<Body>>::map_err(routes, |never: Infallible| match never {});
    let http = BoxCloneSyncService::new(http);
    Target::new("linkerd-policy:9990")
        .unwrap()
        .through(http.clone(), http)
}

fn at_once(_: u64) -> Duration {
    Duration::from_millis(1)
}

/// Watches two Services at rest for `seconds` at most, beside such a target.
async fn beside(target: Target, seconds: u64) -> (Result<(), SessionError>, Report) {
    let with = |session| SessionConfig {
        target: Some(target),
        ..session
    };
    at_rest(with, seconds).await
}

/// Watches two Services at rest for `seconds` at most, as `with` changes how that is done.
async fn at_rest(
    with: impl FnOnce(SessionConfig) -> SessionConfig,
    seconds: u64,
) -> (Result<(), SessionError>, Report) {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
    let destination = destination(&kubernetes);
    let scenario = scenario();
    let actor = actor(&kubernetes, Clock::start(), &scenario);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    actor.prepare().await.unwrap();
    let never = CancellationToken::new();
    let mut driver = Driver::new(&actor, &metrics, Plan::new(&scenario), never);
    driver.create(|_| {}).await;
    tokio::time::sleep(5 * SECOND).await;
    let stop = CancellationToken::new();
    let client = client(
        with(session(world(&kubernetes, &destination))),
        (None, WatchUntil::Stopped),
        stop.clone(),
        Vec::new(),
    );
    let end = async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.cancel();
        std::future::pending().await
    };
    let ended = tokio::select! {
        biased;
        ended = client.run(header()) => ended,
        never = end => match never {},
    };
    let report = report_of(&client);
    destination.shutdown().await;
    kubernetes.shutdown().await;
    (ended, report)
}

#[tokio::test(start_paused = true)]
async fn a_client_ends_by_itself_before_its_target_is_killed_for_its_memory() {
    let grows = |seconds| {
        let resident = (100 + 2 * seconds) << 20;
        format!("process_resident_memory_bytes {resident}\n")
    };
    let limit = "250Mi".parse().unwrap();
    let (ended, report) = beside(target(grows, at_once).limited(Some(limit)), 3_600).await;
    let error = ended.unwrap_err();
    assert!(matches!(error, SessionError::Endangered(_)), "{error}");
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(report.reasons[0], error.to_string());
    assert!(
        report.reasons[0].contains("its limit of 250 MiB"),
        "{error}"
    );
    assert!(
        report.duration_seconds < 60.0,
        "{}",
        report.duration_seconds
    );
    assert_eq!(report.target.used.memory_limit_bytes, Some(250 << 20));
    let Ending::Spared { reason } = &report.ending else {
        panic!("{:?}", report.ending);
    };
    assert_eq!(*reason, report.reasons[0]);
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_controller_uses_is_told_apart_from_the_targets_cost() {
    let uses = |tenths: u64, mebibytes: u64| {
        move |seconds: u64| {
            let (cpu, resident) = (seconds * tenths / 10, mebibytes << 20);
            // A page that cannot be: its counter fell, and rises again.
            let cpu = if seconds == 30 { 0 } else { cpu };
            format!(
                "process_cpu_seconds_total {cpu}\nprocess_resident_memory_bytes {resident}\n\
                 process_start_time_seconds 7\nprocess_open_fds 9\n"
            )
        }
    };
    let with = |session| SessionConfig {
        target: Some(target(uses(10, 90), at_once)),
        policy_controller: Some(target(uses(2, 40), at_once)),
        ..session
    };
    let (ended, report) = at_rest(with, 60).await;
    ended.unwrap();
    let used = report.policy_controller.as_ref().unwrap();
    assert_eq!(used.peak_rss_bytes, Some(40 << 20));
    assert_eq!(used.cpu_max_cores, Some(0.2));
    assert_eq!((used.restarts, used.silent), (0, 1));
    assert!(used.samples > 10, "{used:?}");
    assert!(used.cpu_seconds >= Some(11.0), "{used:?}");
    let target = &report.target.used;
    assert_eq!(target.peak_rss_bytes, Some(90 << 20));
    let cores = target.cpu_max_cores.unwrap();
    assert!((0.9..1.1).contains(&cores), "{cores}");
    let printed =
        dst_load_report::report::text::render(&report, dst_load_report::terminal::Style::PLAIN);
    let said = "at most 0.2 cores between two samples; at most 40 MiB of memory; 1 scrape failed, \
                the last with: process_cpu_seconds_total fell";
    assert!(
        printed
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains(said),
        "{printed}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_controller_that_is_silent_delays_no_sample_of_the_target() {
    let metrics = |_| "process_cpu_seconds_total 1\n".to_owned();
    let samples = async |policy_controller: Option<Target>| {
        let with = |session| SessionConfig {
            target: Some(target(metrics, at_once)),
            policy_controller,
            ..session
        };
        let (ended, report) = at_rest(with, 60).await;
        ended.unwrap();
        (report.target.used.samples, report.policy_controller)
    };
    let (alone, none) = samples(None).await;
    assert_eq!(none, None);
    let (beside, silent) = samples(Some(silent_target())).await;
    assert_eq!(beside, alone);
    let silent = silent.unwrap();
    assert!(silent.silent > 3 && silent.samples == 0, "{silent:?}");
    assert_eq!(silent.cpu_seconds, None);
}

/// Ten streams of ours, and seven of others whose updates are dropped from 40 s on.
fn shared(seconds: u64) -> String {
    let dropped = u64::from(seconds >= 40);
    format!(
        "grpc_server_started_total{{grpc_method=\"Get\"}} 20\n\
         grpc_server_handled_total{{grpc_code=\"OK\",grpc_method=\"Get\"}} 3\n\
         endpoint_updates_queue_overflow{{service=\"api.theirs.svc.cluster.local:80\"}} {dropped}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_client_ends_by_itself_where_it_would_harm_others_streams() {
    let (ended, report) = beside(target(shared, at_once), 3_600).await;
    let error = ended.unwrap_err().to_string();
    let named = "updates of api.theirs.svc.cluster.local:80, which this run does not watch, while \
                 others had 7 streams open";
    assert!(error.contains(named), "{error}");
    assert_eq!(report.verdict, Verdict::Invalid);
}

#[tokio::test(start_paused = true)]
async fn streams_of_others_are_told_and_whether_a_kubelet_would_have_restarted_the_target() {
    let stalls = |seconds| {
        if (25..55).contains(&seconds) {
            2 * SECOND
        } else {
            SECOND / 4
        }
    };
    let quiet = |_| shared(0);
    let (ended, report) = beside(target(quiet, stalls), 100).await;
    ended.unwrap();
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    let used = &report.target.used;
    assert_eq!(used.foreign_streams, Some(7));
    let pings = used.pings.as_ref().unwrap();
    assert_eq!((pings.failed, pings.would_have_restarted), (3, 1));
    assert!(pings.sent >= 9, "{pings:?}");
    assert_eq!(pings.slowest_seconds, Some(0.25));
    let warned: Vec<_> = report.warnings.iter().map(|told| &told.warning).collect();
    assert_eq!(
        warned,
        [
            &Warning::ForeignStreams { streams: 7 },
            &Warning::WouldRestart {
                times: 1,
                failed: 3
            },
        ]
    );
}
