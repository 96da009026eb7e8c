//! The watching half against the embedded Kubernetes and destination, while the acting half moves
//! the endpoints: two halves that share nothing but the cluster. In virtual time, without sockets.

use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};

use dst_load_controller::{
    live::{
        admin::{self, Readiness},
        books::Target,
        churn::{ChurnMetrics, Driver, Event, EventLog},
        client::{Client, Options},
        client_metrics,
        clock::Clock,
        destination::fleet::FleetConfig,
        kubernetes::{Actor, Limits, RunIdentity},
        partner::Partner,
        recorder::Recorder,
    },
    model::{
        criteria::Criteria,
        plan::Plan,
        recording::{Header, SCHEMA_VERSION, TargetInfo, TargetKind},
        report::Report,
        scenario::{self, Backend, Churn, Jitter, Pattern, Sandbox, Scenario, ServiceGroup},
        verdict::Verdict,
    },
    sandbox::{destination, kubernetes},
    world::World,
};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, util::BoxCloneSyncService};

const SECOND: Duration = Duration::from_secs(1);

/// Two Services between 2 and 40 endpoints, twice.
fn scenario() -> Arc<Scenario> {
    Arc::new(Scenario {
        name: "oscillate".into(),
        seed: 1,
        churn: Churn {
            groups: vec![ServiceGroup {
                prefix: "test-service".into(),
                first: 1,
                count: 2,
                pattern: Pattern::Oscillate {
                    min: 2,
                    max: 40,
                    min_hold: 30 * SECOND,
                    max_hold: 30 * SECOND,
                    jitter: Jitter::UpTo(SECOND),
                },
            }],
            duration: None,
            cycles: Some(2),
            backend: Backend::Deployments,
            port: 8080,
        },
        client: scenario::Client::default(),
        criteria: Criteria::default(),
        deadline: None,
        sandbox: Sandbox::default(),
    })
}

fn world(kubernetes: &kubernetes::Kubernetes, destination: &destination::Destination) -> World {
    let (api, grpc) = (kubernetes.clone(), destination.clone());
    World {
        kube: Arc::new(move || Ok(api.client())),
        destination: Arc::new(move || {
            let grpc = grpc.grpc();
            Box::pin(async move { Ok(grpc) })
        }),
    }
}

fn header() -> Header {
    Header {
        schema_version: SCHEMA_VERSION,
        tool_version: "0".into(),
        commit: "0".into(),
        run_id: "r1".into(),
        name: "client".into(),
        seed: 1,
        scenario: serde_json::Value::Null,
        streams_requested: 10,
        target: TargetInfo {
            kind: TargetKind::Reference,
            version: None,
        },
        virtual_time: true,
        namespace: "churned".into(),
        deadline_seconds: 30.0,
        started: None,
        machine: None,
        floor_seconds: None,
    }
}

/// Watches a churn, which tells what it does if `told`; the report, and the metrics at its end.
async fn watched(told: bool) -> (Report, String) {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
    let destination = destination::Destination::start(
        destination::Config {
            seed: 1,
            cluster_domain: "cluster.local".into(),
            queue_capacity: 100,
            faults: Vec::new(),
        },
        kubernetes.client(),
    );
    let clock = Clock::start();

    let scenario = scenario();
    let run = RunIdentity {
        id: "r1".into(),
        scenario: "oscillate".into(),
    };
    let (kube, namespace) = (kubernetes.client(), "churned".to_owned());
    let limits = Limits::default();
    let actor = Actor::new(kube, clock, namespace, run, Arc::clone(&scenario), limits);
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario, actor.caller());
    let log = EventLog::new(&scenario, "churned", "p1");
    actor.prepare().await.unwrap();
    let never = CancellationToken::new();
    let mut driver = Driver::new(&actor, &metrics, Plan::new(&scenario), never);
    let record = |event| {
        if let Event::Acted(acted) = event {
            log.record(&acted);
        }
    };
    driver.create(record).await;
    tokio::time::sleep(5 * SECOND).await;
    let http = log
        .routes(clock)
        .map_err(|never: Infallible| match never {});
    let churn = Partner::through("http://churn:9990".into(), BoxCloneSyncService::new(http));

    let services = ["test-service-1", "test-service-2"];
    let targets = services.map(|name| Target::new(name, "churned", "cluster.local", 8080));
    let (readiness, stop) = (Readiness::default(), CancellationToken::new());
    let client = Client::new(
        // Five seconds behind.
        Clock::start(),
        targets.into(),
        Options {
            world: world(&kubernetes, &destination),
            observer: |watching| watching(),
            target: None,
            churn: told.then_some(churn),
            fleet: FleetConfig {
                clients: 5,
                streams_per_service: 1,
                open_rate: 100,
                max_lifetime: None,
                reset_interval: None,
                connect_timeout: 30 * SECOND,
                namespace: "clients".into(),
                seed: 1,
            },
            deadline: 30 * SECOND,
            sample_self: false,
        },
        Recorder::new(Vec::new(), Path::new("memory")),
        readiness,
        stop.clone(),
    );
    let mut registry = Registry::default();
    client_metrics::register(&mut registry, client.books());
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
    let (ended, scraped) = tokio::join!(client.run(header()), churn);
    ended.unwrap();

    let report = client.report().unwrap().unwrap();
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
    let clock = report.clock.unwrap();
    assert_eq!((clock.offset_seconds, clock.drift_seconds), (5.0, 0.0));
    assert!(clock.uncertainty_seconds < 1e-5 && clock.measurements > 2);
    assert_eq!(report.warnings, []);
}
