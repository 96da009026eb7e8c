//! Claims about what Prometheus is told.

use std::collections::BTreeMap;

use dst_load_oracle::{
    endpoint::Endpoint,
    kubernetes::{self, Place, Service, ServicePort, Slice, SliceEndpoint, SlicePort},
    ledger::{LockedLedger, Observation, StreamId, WatchedService},
    update::Update,
};
use dst_load_scenario::time::At;
use dst_load_transport::clock::Clock;

use super::*;
use crate::admin;

const PROMISED: [&str; 9] = [
    "destination_client_connection_duration_seconds",
    "destination_client_connection_errors_total",
    "destination_client_send_timeouts_total",
    "destination_client_stream_lifetime_seconds",
    "destination_client_streams_active",
    "destination_client_streams_created_total",
    "destination_client_streams_reset_total",
    "destination_client_update_latency_seconds",
    "destination_client_updates_received_total",
];

fn progress() -> Arc<Progress> {
    let service = |name| WatchedService::new(name, "shop", "cluster.local", 80);
    let services = vec![service("web"), service("api")];
    let deadline = Duration::from_secs(30);
    Arc::new(Progress::new(Clock::start(), services, deadline))
}

/// A stream is sent on the Service at this position.
fn send(progress: &Progress, service: usize) -> StreamId {
    let at = progress.clock().now();
    let stream = progress.ledgers().all()[service].with(|ledger| {
        let stream = ledger.add_stream(Place::default());
        ledger.stream_sent(stream, at);
        stream
    });
    progress.counters().sent(at, false);
    stream
}

/// It receives that there is an endpoint.
fn receive(progress: &Progress, service: usize, stream: StreamId, at: At, last: u8) {
    progress.counters().received(service, 9);
    progress.ledgers().all()[service].update(stream, at, &Update::Add(vec![endpoint(last)]));
}

/// The journal takes what the ledger has to hand on.
fn take(progress: &Progress, service: usize, at: At) {
    let outbox = progress.ledgers().all()[service].take(at);
    progress.absorb(service, &outbox);
}

/// Every series with its value; no series may come twice.
fn scrape(progress: &Arc<Progress>) -> BTreeMap<String, f64> {
    let mut registry = Registry::default();
    register(&mut registry, progress, Vec::new());
    let text = admin::encode(registry)().unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        assert!(value.is_finite(), "{line}");
        assert_eq!(all.insert(series.to_owned(), value), None, "{line}");
    }
    all
}

fn family(series: &str) -> &str {
    series.split('{').next().unwrap()
}

fn endpoint(last: u8) -> Endpoint {
    Endpoint::bare(([10, 0, 0, last], 8080).into())
}

/// The observer sees that the Service of this ledger has the endpoints up to `count`.
fn observe(locked: &LockedLedger, visible: At, count: u8) {
    let service = Service {
        ports: vec![ServicePort {
            name: "http".into(),
            port: 80,
        }],
        local_traffic_only: false,
        external_name: false,
    };
    let entry = |last| SliceEndpoint {
        addresses: vec![endpoint(last).address.ip()],
        ready: true,
        target: kubernetes::EndpointTarget::Bare,
        node: None,
        hostname: None,
        zones: Vec::new(),
    };
    let slice = Slice {
        ports: vec![SlicePort {
            name: "http".into(),
            port: Some(8080),
        }],
        endpoints: (1..=count).map(entry).collect(),
    };
    let observation = Observation {
        visible,
        gone: false,
        cycle: 0,
        object: "uid".into(),
        resource_version: count.to_string().as_str().into(),
        timed: true,
    };
    locked.with(|ledger| ledger.observe(&observation, Some(&service), [&slice], 80));
}

#[tokio::test(start_paused = true)]
async fn every_promised_family_is_there_from_the_start_at_zero() {
    let all = scrape(&progress());
    for promised in PROMISED {
        assert!(
            all.keys().any(|series| family(series) == promised),
            "{promised}"
        );
    }
    assert!(all.values().all(|value| *value == 0.0), "{all:?}");
    for service in ["web", "api"] {
        for quantile in ["0.5", "0.95", "0.99", "0.999"] {
            let series = format!(
                "destination_client_update_latency_seconds{{quantile=\"{quantile}\",service=\"{service}\"}}"
            );
            assert!(all.contains_key(&series), "{series}");
        }
        let series = format!("destination_client_updates_received_total{{service=\"{service}\"}}");
        assert!(all.contains_key(&series), "{series}");
        let series = format!(
            "destination_client_update_latency_histogram_seconds_bucket{{le=\"+Inf\",service=\"{service}\"}}"
        );
        assert!(all.contains_key(&series), "{series}");
    }
    let refused = "destination_client_connection_errors_total{reason=\"refused\"}";
    assert!(all.contains_key(refused));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_told_as_a_quantile_and_in_a_bucket_of_its_own_service() {
    let progress = progress();
    let (clock, locked) = (progress.clock(), &progress.ledgers().all()[0]);
    observe(locked, clock.now(), 1);
    let stream = send(&progress, 0);
    receive(&progress, 0, stream, clock.now(), 1);
    clock.sleep_until(At::from_secs(10)).await;
    observe(locked, At::from_secs(10), 2);
    receive(&progress, 0, stream, At::from_millis(10_080), 2);
    take(&progress, 0, At::from_secs(11));

    let all = scrape(&progress);
    let get = |series: &str| all[&format!("destination_client_{series}")];
    for quantile in ["0.5", "0.999"] {
        let value = get(&format!(
            "update_latency_seconds{{quantile=\"{quantile}\",service=\"web\"}}"
        ));
        assert!((0.079..0.081).contains(&value), "{value}");
    }
    let bucket = |le, service: &str| {
        get(&format!(
            "update_latency_histogram_seconds_bucket{{le=\"{le}\",service=\"{service}\"}}"
        ))
    };
    assert_eq!((bucket("0.05", "web"), bucket("0.1", "web")), (0.0, 1.0));
    assert_eq!((bucket("+Inf", "web"), bucket("+Inf", "api")), (1.0, 0.0));
    assert_eq!(
        get("update_latency_histogram_seconds_count{service=\"web\"}"),
        1.0
    );
    assert_eq!(get("updates_received_total{service=\"web\"}"), 2.0);
    assert_eq!(
        (get("streams_active"), get("streams_created_total")),
        (1.0, 1.0)
    );
    // Open for ten seconds, and not among those that have ended.
    let age = get("stream_lifetime_seconds{quantile=\"0.5\"}");
    assert!((9.9..10.1).contains(&age), "{age}");
    assert_eq!(get("stream_lifetime_histogram_seconds_count"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn messages_of_all_ports_of_a_service_are_in_its_one_series() {
    let ports = [80, 81].map(|port| WatchedService::new("web", "shop", "cluster.local", port));
    let progress = Progress::new(Clock::start(), ports.into(), Duration::from_secs(30));
    for service in [0, 1, 1] {
        progress.counters().received(service, 9);
    }
    let bytes = [0, 1].map(|service| progress.counters().take_bytes(service));
    assert_eq!(bytes, [9, 18]);
    assert_eq!(progress.snapshot().so_far.updates, 3);
    let all = scrape(&Arc::new(progress));
    let series = "destination_client_updates_received_total{service=\"web\"}";
    assert_eq!(all[series], 3.0);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_never_comes_counts_with_the_deadline() {
    let progress = progress();
    let locked = &progress.ledgers().all()[1];
    observe(locked, At::ZERO, 1);
    let stream = send(&progress, 1);
    receive(&progress, 1, stream, At::ZERO, 1);
    observe(locked, At::from_secs(1), 2);
    take(&progress, 1, At::from_secs(60));
    let all = scrape(&progress);
    let p99 = all["destination_client_update_latency_seconds{quantile=\"0.99\",service=\"api\"}"];
    assert!((29.7..30.3).contains(&p99), "{p99}");
}

#[tokio::test(start_paused = true)]
async fn the_taken_and_the_untaken_are_counted_once() {
    let progress = progress();
    progress.counters().count(|streams| streams.ended_ok += 2);
    drop(progress.counters().take());
    progress.counters().count(|streams| {
        streams.ended_ok += 1;
        *streams.errors.entry("Unavailable".into()).or_default() += 4;
        *streams
            .connection_errors
            .entry("Connection refused (os error 111)".into())
            .or_default() += 5;
    });
    progress.counters().count(|streams| {
        streams.proxy.idle += 6;
        streams.profiles.opened += 7;
        streams.profiles.ended_ok += 1;
        streams.policies.reopened += 2;
        streams.policies.messages += 3;
    });
    let all = scrape(&progress);
    let limited = "destination_client_streams_limited_total";
    assert_eq!(all[&format!("{limited}{{limit=\"idle\"}}")], 6.0);
    assert_eq!(all[&format!("{limited}{{limit=\"lifetime\"}}")], 0.0);
    assert_eq!(all["destination_client_profile_streams_created_total"], 7.0);
    assert_eq!(all["destination_client_profile_streams_reset_total"], 1.0);
    assert_eq!(all["destination_client_policy_streams_created_total"], 2.0);
    assert_eq!(
        all["destination_client_policy_messages_received_total"],
        3.0
    );
    assert_eq!(all["destination_client_send_timeouts_total"], 3.0);
    assert_eq!(all["destination_client_streams_reset_total"], 7.0);
    assert_eq!(
        all["destination_client_connection_errors_total{reason=\"refused\"}"],
        5.0
    );
}

#[test]
fn the_words_of_systems_fall_under_few_reasons() {
    for (words, wanted) in [
        ("Connection refused (os error 111)", "refused"),
        (
            "failed to lookup address information: Name or service not known",
            "name",
        ),
        ("Connection timed out (os error 110)", "timeout"),
        ("deadline has elapsed", "timeout"),
        ("No route to host (os error 113)", "unreachable"),
        ("Network is unreachable (os error 101)", "unreachable"),
        ("Connection reset by peer (os error 104)", "lost"),
        ("something new", "other"),
    ] {
        assert_eq!(reason(words), wanted, "{words}");
        assert!(REASONS.contains(&wanted));
    }
}
