//! Endpoints that the tool writes itself, on the embedded Kubernetes in virtual time: every pattern
//! works with them, nothing else is made, and nothing stays.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use dst_load_controller::cli::run::simulation::Simulation;
use dst_load_kubernetes::actor::{Actor, Claim, Limits, RunIdentity};
use dst_load_report::{report::Report, verdict::Verdict};
use dst_load_sandbox::kubernetes::{Config, Kubernetes};
use dst_load_scenario::{
    action::{Action, Verb},
    criteria::Criterion,
    scenario::Scenario,
    time::At,
};
use dst_load_transport::clock::Clock;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::virtually::{self, assert_every_pattern, run, scenario, simulate};

const REST: &str = "
client: {clients: 3}
criteria: {updateLatency: {max: 1ms}, everyClientWithin: 1ms, unexpectedResets: 0, errorRate: 0%, redundant: 0}
measure: {deadline: 5s}
";

/// Every pattern, over the edge of a slice, and the endpoints that appear and go in it.
const PATTERNS: [(&str, u64, u64); 7] = [
    (
        "services: 2, pattern: stable, endpoints: 120, duration: 5s",
        0,
        0,
    ),
    (
        "services: 2, pattern: oscillate, minEndpoints: 1, maxEndpoints: 130, minHold: 5s, maxHold: 5s, jitter: 1s, cycles: 1",
        258,
        258,
    ),
    (
        "services: 2, pattern: scale-up, scaleFrom: 90, scaleTo: 115, scaleDuration: 5s, duration: 8s",
        50,
        0,
    ),
    (
        "services: 2, pattern: sawtooth, minEndpoints: 90, maxEndpoints: 115, scaleDuration: 5s, minHold: 5s, maxHold: 5s, jitter: 1s, cycles: 1",
        50,
        50,
    ),
    (
        "services: 2, pattern: rolling-update, endpoints: 110, minHold: 20s, maxSurge: 30, maxUnavailable: 10, cycles: 1",
        220,
        220,
    ),
    (
        "services: 3, pattern: batch, minEndpoints: 1, maxEndpoints: 10, batchSize: 2, batchInterval: 1s, minHold: 5s, maxHold: 5s, cycles: 1",
        27,
        27,
    ),
    (
        "services: 2, pattern: spike, minEndpoints: 5, maxEndpoints: 205, minHold: 5s, maxHold: 4s, cycles: 1",
        400,
        400,
    ),
];

fn with(backend: &str, churn: &str) -> Scenario {
    scenario(
        &format!("churn: {{backend: {backend}, {churn}}}{REST}"),
        &[],
    )
}

fn assert_passes(report: &Report, what: &str) {
    assert_eq!(
        report.verdict,
        Verdict::Pass,
        "{what}: {:?}",
        report.reasons
    );
    assert_eq!(report.correctness.streams_wrong, 0, "{what}");
    assert_eq!(report.kubernetes.starved, 0, "{what}");
}

#[tokio::test(start_paused = true)]
async fn every_pattern_passes_with_both_backends_and_every_delivery_is_counted() {
    assert_every_pattern(PATTERNS.map(|(churn, ..)| with("slices", churn)));
    for backend in ["slices", "pods", "pods, meshed: true"] {
        for (churn, added, removed) in PATTERNS {
            let what = format!("{backend}: {churn}");
            let scenario = with(backend, churn);
            if added == 0 {
                // Nothing changes, so that there is nothing to judge but what is held.
                let report = simulate(scenario).await.report;
                assert_eq!(report.correctness.streams_wrong, 0, "{what}");
                continue;
            }
            let ran = simulate(scenario).await;
            assert_passes(&ran.report, &what);
            let destination = &ran.report.latency.destination;
            let counts = (destination.add.count, destination.remove.count);
            assert!(!ran.changes().is_empty());
            let header = String::from_utf8_lossy(&ran.recording);
            let word = &backend[..backend.find(',').unwrap_or(backend.len())];
            assert!(header.contains(&format!(r#""backend":"{word}""#)), "{what}");
            // Three streams watch each Service.
            assert_eq!(counts, (added * 3, removed * 3), "{what}");
        }
    }
}

const MESHED: &str = "services: 2, meshed: true, pattern: oscillate, minEndpoints: 3, maxEndpoints: 6, minHold: 20s, maxHold: 20s, cycles: 1";

#[tokio::test(start_paused = true)]
async fn the_pods_of_meshed_deployments_have_a_proxy_that_can_be_read() {
    let rest = REST.replace("1ms", "5s");
    let meshed = || scenario(&format!("churn: {{{MESHED}}}{rest}"), &[]);
    let (standing, report) = in_the_middle_of(meshed(), 10).await;
    assert_passes(&report, "meshed");
    assert_eq!(report.latency.destination.add.count, 2 * 3 * 3);
    assert_eq!((standing.pods.len(), standing.deployments), (6, 2));
    for pod in standing.pods {
        let labels = pod.metadata.labels.unwrap_or_default();
        assert_eq!(labels["linkerd.io/control-plane-ns"], "linkerd");
        let containers = pod.spec.unwrap().containers;
        let proxy = containers.iter().find(|it| it.name == "linkerd-proxy");
        assert_eq!(proxy.unwrap().env.as_ref().map(Vec::len), Some(3));
    }
    // Without it a controller does not serve them.
    let simulation = Simulation::new(meshed()).unwrap();
    let (kube, namespace) = (
        simulation.kube().unwrap(),
        simulation.namespace().to_owned(),
    );
    let without = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let deployments: Api<Deployment> = Api::namespaced(kube, &namespace);
        let fake = json!([{ "name": "fake", "image": "fake" }]);
        let patch = json!({ "spec": { "template": { "spec": { "containers": fake } } } });
        let patch = Patch::Merge(patch);
        let (name, parameters) = ("test-service-1", PatchParams::default());
        let patched = deployments.patch(name, &parameters, &patch);
        patched.await.unwrap();
    };
    let (ran, ()) = tokio::join!(run(simulation), without);
    let report = ran.report;
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    let wrong = &report.correctness;
    assert_eq!(
        (wrong.streams_wrong, wrong.missing),
        (3, 9),
        "{:?}",
        report.reasons
    );
}

/// What stands in the namespace in the middle of a run.
struct Standing {
    services: Vec<Service>,
    slices: Vec<EndpointSlice>,
    pods: Vec<Pod>,
    deployments: usize,
}

async fn in_the_middle_of(scenario: Scenario, second: u64) -> (Standing, Report) {
    let simulation = Simulation::new(scenario).unwrap();
    let (kube, namespace) = (
        simulation.kube().unwrap(),
        simulation.namespace().to_owned(),
    );
    let look = async {
        tokio::time::sleep(Duration::from_secs(second)).await;
        standing(kube, &namespace).await
    };
    let (ran, standing) = tokio::join!(run(simulation), look);
    (standing, ran.report)
}

async fn standing(kube: kube::Client, namespace: &str) -> Standing {
    let all = ListParams::default();
    let services: Api<Service> = Api::namespaced(kube.clone(), namespace);
    let slices: Api<EndpointSlice> = Api::namespaced(kube.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(kube.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(kube, namespace);
    Standing {
        services: services.list(&all).await.unwrap().items,
        slices: slices.list(&all).await.unwrap().items,
        pods: pods.list(&all).await.unwrap().items,
        deployments: deployments.list(&all).await.unwrap().items.len(),
    }
}

fn addresses(slices: &[EndpointSlice]) -> Vec<&String> {
    let endpoints = slices.iter().flat_map(|it| it.endpoints.iter().flatten());
    endpoints.flat_map(|it| &it.addresses).collect()
}

const HIGH: &str = "services: 2, pattern: oscillate, minEndpoints: 5, maxEndpoints: 250, minHold: 3s, maxHold: 10s, cycles: 1";

#[tokio::test(start_paused = true)]
async fn slices_are_all_that_is_made_for_bare_endpoints() {
    let (standing, report) =
        in_the_middle_of(with("slices, addresses: 10.9.0.0/16", HIGH), 8).await;
    assert_passes(&report, "slices");
    assert_eq!((standing.pods.len(), standing.deployments), (0, 0));
    // And the observer's heartbeat, which lists nothing.
    assert_eq!((standing.services.len(), standing.slices.len()), (2, 7));
    let empty = standing.slices.iter();
    let empty = empty.filter(|it| it.endpoints.as_ref().is_none_or(Vec::is_empty));
    assert_eq!(empty.count(), 1);
    for service in &standing.services {
        assert_eq!(service.spec.as_ref().unwrap().selector, None);
    }
    let listed = addresses(&standing.slices);
    let distinct: BTreeSet<_> = listed.iter().collect();
    assert_eq!((listed.len(), distinct.len()), (500, 500));
    assert!(
        listed.iter().all(|it| it.starts_with("10.9.")),
        "{listed:?}"
    );
    for slice in &standing.slices {
        let mut endpoints = slice.endpoints.iter().flatten();
        assert!(slice.endpoints.iter().flatten().count() <= 100);
        assert!(endpoints.all(|it| it.target_ref.is_none()));
    }
}

#[tokio::test(start_paused = true)]
async fn every_endpoint_of_the_pods_backend_names_a_ready_pod_of_its_address() {
    let (standing, report) = in_the_middle_of(with("pods", HIGH), 8).await;
    assert_passes(&report, "pods");
    assert_eq!((standing.pods.len(), standing.deployments), (500, 0));
    for slice in &standing.slices {
        for endpoint in slice.endpoints.iter().flatten() {
            let target = endpoint.target_ref.as_ref().unwrap().name.as_ref().unwrap();
            let named = |pod: &&Pod| pod.metadata.name.as_ref() == Some(target);
            let pod = standing.pods.iter().find(named).unwrap();
            let status = pod.status.as_ref().unwrap();
            assert_eq!(status.pod_ip.as_ref(), endpoint.addresses.first());
            let mut conditions = status.conditions.iter().flatten();
            assert!(conditions.any(|it| it.type_ == "Ready" && it.status == "True"));
            assert_eq!(pod.spec.as_ref().unwrap().node_name, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_troubled_api_server_is_survived() {
    for backend in ["slices", "pods"] {
        let mut scenario = with(backend, HIGH);
        let faults = "churn: {services: 1, endpoints: 1}\nsandbox: {faults: [{kind: tooManyRequests, share: 20%}, {kind: internalError, share: 20%}, {kind: conflict, share: 20%}]}";
        scenario.sandbox.faults = virtually::scenario(faults, &[]).sandbox.faults;
        scenario.criteria.remove(Criterion::EveryClientWithin);
        let report = simulate(scenario).await.report;
        assert_eq!(report.correctness.streams_wrong, 0, "{:?}", report.reasons);
        assert!(report.kubernetes.errors.values().sum::<u64>() > 0);
    }
}

fn actor(kubernetes: &Kubernetes, clock: Clock, id: &str, backend: &str) -> Actor {
    let run = RunIdentity {
        id: id.into(),
        scenario: "own".into(),
    };
    let scenario = Arc::new(with(backend, "services: 1, endpoints: 150, duration: 5s"));
    let limits = Limits::default();
    Actor::new(
        kubernetes.client(),
        clock,
        "own".into(),
        run,
        scenario,
        limits,
    )
}

const CREATE: Action = Action {
    intended: At::ZERO,
    service: 0,
    cycle: 0,
    verb: Verb::Create { endpoints: 150 },
};

#[tokio::test(start_paused = true)]
async fn what_a_dead_run_wrote_is_taken_over_and_what_a_run_wrote_is_taken_away() {
    for (backend, pods) in [("slices", 0), ("pods", 150)] {
        let kubernetes = Kubernetes::start(Config::default());
        let clock = Clock::start();
        let [first, second] = ["r1", "r2"].map(|id| actor(&kubernetes, clock, id, backend));
        assert_eq!(first.prepare().await.unwrap(), Claim::Fresh);
        first.act(&CREATE).await.result.unwrap();
        let found = standing(kubernetes.client(), "own").await;
        assert_eq!(
            (found.slices.len(), found.pods.len()),
            (2, pods),
            "{backend}"
        );

        // Nobody counts any more: the first run is dead, and its names are free again.
        let claim = second.prepare().await.unwrap();
        assert_eq!(claim, Claim::TakenOver { from: "r1".into() });
        second.act(&CREATE).await.result.unwrap();
        let found = standing(kubernetes.client(), "own").await;
        assert_eq!(addresses(&found.slices).len(), 150, "{backend}");

        let cleaned = second.cleanup().await.unwrap();
        assert_eq!(cleaned.remaining.len(), 0, "{backend}");
        let found = standing(kubernetes.client(), "own").await;
        let left = [found.services.len(), found.slices.len(), found.pods.len()];
        assert_eq!(left, [0; 3], "{backend}");
        kubernetes.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_services_move_at_once_within_the_rate() {
    let churn = "services: 300, pattern: oscillate, minEndpoints: 1, maxEndpoints: 90, minHold: 5s, maxHold: 5s, cycles: 1";
    let mut scenario = with("slices", churn);
    scenario.client.clients = 1;
    let report = simulate(scenario).await.report;
    assert_passes(&report, "slices");
    // 300 writes are within the burst: none waits for the rate.
    let kubernetes = &report.latency.kubernetes.add;
    assert_eq!(
        (kubernetes.count, kubernetes.max_seconds),
        (300 * 89, Some(0.0))
    );
}
