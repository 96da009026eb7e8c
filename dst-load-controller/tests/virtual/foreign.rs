//! What is not a run's: objects of others, of links and of other runs. The run leaves each as it is,
//! whatever its name and its labels. In virtual time, without sockets.

use std::sync::Arc;

use dst_load_kubernetes::actor::{Actor, Claim, KubernetesError, Limits, RunIdentity};
use dst_load_sandbox::kubernetes::{Config, Kubernetes};
use dst_load_scenario::{
    action::{Action, Verb},
    scenario::Scenario,
    time::At,
};
use dst_load_transport::clock::Clock;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const RUN_ID: &str = "dst-load-controller.linkerd.io/run-id";
const NAMESPACE: &str = "shop";

fn actor(kubernetes: &Kubernetes, clock: Clock, id: &str, backend: &str) -> Actor {
    let run = RunIdentity {
        id: id.into(),
        scenario: "shop".into(),
    };
    let text = format!(
        "{{scenario: {{name: shop}}, churn: {{services: 1, pattern: oscillate, minEndpoints: 2, \
         maxEndpoints: 4, minHold: 5s, maxHold: 5s, cycles: 1, backend: {backend}}}}}"
    );
    let (scenario, _) = Scenario::from_yaml(&text, "shop.yaml", &[]).unwrap();
    let (kube, namespace) = (kubernetes.client(), NAMESPACE.to_owned());
    Actor::new(
        kube,
        clock,
        namespace,
        run,
        Arc::new(scenario),
        Limits::default(),
    )
}

fn action(verb: Verb) -> Action {
    Action {
        intended: At::ZERO,
        service: 0,
        cycle: 0,
        verb,
    }
}

const CREATE: Verb = Verb::Create { endpoints: 2 };

fn api(kube: &kube::Client, kind: &str) -> Api<DynamicObject> {
    let (group, version) = match kind {
        "Deployment" => ("apps", "v1"),
        "EndpointSlice" => ("discovery.k8s.io", "v1"),
        "Lease" => ("coordination.k8s.io", "v1"),
        _ => ("", "v1"),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match kind {
        "Namespace" => Api::all_with(kube.clone(), &resource),
        _ => Api::namespaced_with(kube.clone(), NAMESPACE, &resource),
    }
}

/// Makes an object of a kind, of this name and with these labels.
async fn make(kube: &kube::Client, kind: &str, name: &str, labels: &Value) {
    let mut object = json!({ "metadata": { "name": name, "labels": labels } });
    let container = json!([{ "name": "a", "image": "a" }]);
    match kind {
        "Service" => object["spec"] = json!({ "ports": [{ "port": 80 }] }),
        "Pod" => object["spec"] = json!({ "containers": container }),
        "Deployment" => {
            object["spec"] = json!({
                "replicas": 0,
                "selector": { "matchLabels": { "of": name } },
                "template": {
                    "metadata": { "labels": { "of": name } },
                    "spec": { "containers": container },
                },
            });
        }
        "EndpointSlice" => {
            object["addressType"] = "IPv4".into();
            object["endpoints"] = json!([]);
        }
        _ => {}
    }
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let posted = PostParams::default();
    api(kube, kind).create(&posted, &object).await.unwrap();
}

/// Every object of the kinds that runs make: kind, name, uid, and its labels and whether it is going.
/// The cluster's controllers write the rest.
async fn all(kube: &kube::Client) -> Vec<[String; 4]> {
    let mut all = Vec::new();
    for kind in KINDS {
        for object in api(kube, kind).list(&ListParams::default()).await.unwrap() {
            let metadata = object.metadata;
            all.push([
                kind.to_owned(),
                metadata.name.unwrap(),
                metadata.uid.unwrap(),
                format!("{:?} {:?}", metadata.labels, metadata.deletion_timestamp),
            ]);
        }
    }
    all
}

const KINDS: [&str; 6] = [
    "Deployment",
    "Service",
    "Pod",
    "EndpointSlice",
    "Secret",
    "Lease",
];

async fn with_namespace() -> (Kubernetes, kube::Client) {
    let kubernetes = Kubernetes::start(Config::default());
    let kube = kubernetes.client();
    make(&kube, "Namespace", NAMESPACE, &json!({})).await;
    (kubernetes, kube)
}

/// The labels of what is nobody's business of ours.
fn foreign() -> [Value; 4] {
    [
        json!({ "app": "payments" }),
        json!({ MANAGED_BY: "dst-load-controller" }),
        json!({ RUN_ID: "r0" }),
        json!({ MANAGED_BY: "Helm", RUN_ID: "r1" }),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_object_of_a_name_of_ours_is_neither_written_nor_deleted() {
    for (backend, kind, name) in [
        ("slices", "EndpointSlice", "test-service-1-1"),
        ("slices", "Service", "test-service-1"),
        ("pods", "Pod", "test-service-1-2"),
        ("pods", "EndpointSlice", "test-service-1-1"),
        ("deployments", "Deployment", "test-service-1"),
        ("deployments", "Service", "test-service-1"),
    ] {
        let another_runs = json!({ MANAGED_BY: "dst-load-controller", RUN_ID: "r0" });
        for labels in foreign().into_iter().chain([another_runs]) {
            let (kubernetes, kube) = with_namespace().await;
            make(&kube, kind, name, &labels).await;
            let before = all(&kube).await;
            let actor = actor(&kubernetes, Clock::start(), "r1", backend);
            assert_eq!(actor.prepare().await.unwrap(), Claim::Fresh);
            let error = actor.act(&action(CREATE)).await.result.unwrap_err();
            let refused = matches!(
                error,
                KubernetesError::NotOurs { .. } | KubernetesError::OfAnotherRun { .. }
            );
            assert!(refused, "{backend}, {kind}: {error}");
            actor.cleanup().await.unwrap();
            assert_eq!(all(&kube).await, before, "{backend}, {kind}");
            kubernetes.shutdown().await;
        }
    }
}

/// Somebody deletes what we have made, and puts something else of that name in its place.
#[tokio::test(start_paused = true)]
async fn what_took_the_place_of_an_object_of_ours_is_neither_written_nor_deleted() {
    for (backend, kind, name) in [
        ("slices", "EndpointSlice", "test-service-1-1"),
        ("pods", "EndpointSlice", "test-service-1-1"),
        ("deployments", "Deployment", "test-service-1"),
    ] {
        for verb in [
            Verb::Scale { from: 2, to: 4 },
            Verb::Scale { from: 2, to: 0 },
        ] {
            let (kubernetes, kube) = with_namespace().await;
            let actor = actor(&kubernetes, Clock::start(), "r1", backend);
            actor.prepare().await.unwrap();
            actor.act(&action(CREATE)).await.result.unwrap();
            let theirs = api(&kube, kind);
            theirs.delete(name, &Default::default()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            make(&kube, kind, name, &json!({ "app": "payments" })).await;
            let found = theirs.get(name).await.unwrap();
            let error = actor.act(&action(verb)).await.result.unwrap_err();
            assert!(
                matches!(error, KubernetesError::NotOurs { .. }),
                "{backend}: {error}"
            );
            actor.cleanup().await.unwrap();
            let after = theirs.get(name).await.unwrap();
            // A controller writes the status of a Deployment.
            assert_eq!(
                (after.metadata.uid, after.metadata.labels),
                (found.metadata.uid, found.metadata.labels)
            );
            kubernetes.shutdown().await;
        }
    }
}

/// What has been labelled as another's since we made it is another's.
#[tokio::test(start_paused = true)]
async fn what_a_dead_run_left_is_taken_away_and_nothing_else() {
    let (kubernetes, kube) = with_namespace().await;
    let clock = Clock::start();
    let [first, second] = ["r1", "r2"].map(|id| actor(&kubernetes, clock, id, "slices"));
    first.prepare().await.unwrap();
    first.act(&action(CREATE)).await.result.unwrap();
    let links = json!({ MANAGED_BY: "dst-load-controller", RUN_ID: "link-east" });
    let mut labels = foreign().to_vec();
    labels.push(links);
    for kind in ["Deployment", "Service", "Pod", "EndpointSlice", "Secret"] {
        for (number, labels) in labels.iter().enumerate() {
            let name = format!("other-{number}");
            make(&kube, kind, &name, labels).await;
        }
    }
    let others = |all: Vec<[String; 4]>| -> Vec<_> {
        all.into_iter()
            .filter(|it| it[1].starts_with("other-"))
            .collect()
    };
    let before = others(all(&kube).await);
    assert_eq!(before.len(), 25);
    let claim = second.prepare().await.unwrap();
    assert_eq!(claim, Claim::TakenOver { from: "r1".into() });
    let left = all(&kube).await;
    let ours = left.iter().filter(|it| it[1].starts_with("test-service"));
    assert_eq!(ours.count(), 0);
    assert_eq!(others(left), before);
    second.act(&action(CREATE)).await.result.unwrap();
    second.cleanup().await.unwrap();
    // Nor is the namespace ours, in which the first run had found itself.
    assert_eq!(all(&kube).await, before);
    api(&kube, "Namespace").get(NAMESPACE).await.unwrap();
    kubernetes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_a_control_plane_is_left_alone_unless_it_is_allowed() {
    let (kubernetes, kube) = with_namespace().await;
    let controller = json!({ "linkerd.io/control-plane-component": "destination" });
    make(&kube, "Pod", "linkerd-destination-5d8", &controller).await;
    let before = all(&kube).await;
    let clock = Clock::start();
    let refused = actor(&kubernetes, clock, "r1", "slices").prepare().await;
    let namespace = NAMESPACE.to_owned();
    assert_eq!(
        refused.unwrap_err(),
        KubernetesError::ControlPlane { namespace }
    );
    assert_eq!(all(&kube).await, before);
    let mut allowed = actor(&kubernetes, clock, "r1", "slices");
    allowed.allows_control_plane = true;
    assert_eq!(allowed.prepare().await.unwrap(), Claim::Fresh);
    kubernetes.shutdown().await;
}

/// The lease of a run that was stopped for a while, and taken over meanwhile.
#[tokio::test(start_paused = true)]
async fn a_run_that_wakes_up_late_does_not_write_the_lease_of_its_successor() {
    let (kubernetes, kube) = with_namespace().await;
    let clock = Clock::start();
    let [first, second] = ["r1", "r2"].map(|id| actor(&kubernetes, clock, id, "slices"));
    first.prepare().await.unwrap();
    second.prepare().await.unwrap();
    let leases = api(&kube, "Lease");
    let before = leases.get("dst-load-controller").await.unwrap();
    let lost = first.renew_lease().await;
    let holder = "r2".to_owned();
    let namespace = NAMESPACE.to_owned();
    assert_eq!(lost, KubernetesError::Lost { namespace, holder });
    let after = leases.get("dst-load-controller").await.unwrap();
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
    // Nor does one that somebody annotates lose it.
    let note = Patch::Merge(json!({ "metadata": { "annotations": { "note": "seen" } } }));
    let patched = PatchParams::default();
    leases
        .patch("dst-load-controller", &patched, &note)
        .await
        .unwrap();
    let kept = tokio::time::timeout(std::time::Duration::from_secs(60), second.renew_lease());
    assert!(kept.await.is_err());
    kubernetes.shutdown().await;
}

/// A namespace that a run made goes with it, unless somebody has put something there meanwhile.
#[tokio::test(start_paused = true)]
async fn a_namespace_of_ours_stays_where_others_have_come_to_use_it() {
    for (kind, stays) in [
        (None, false),
        (Some("Service"), true),
        (Some("Lease"), true),
    ] {
        let kubernetes = Kubernetes::start(Config::default());
        let kube = kubernetes.client();
        let actor = actor(&kubernetes, Clock::start(), "r1", "slices");
        actor.prepare().await.unwrap();
        actor.act(&action(CREATE)).await.result.unwrap();
        if let Some(kind) = kind {
            make(&kube, kind, "payments", &json!({ "app": "payments" })).await;
        }
        let cleaned = actor.cleanup().await.unwrap();
        assert_eq!(cleaned.remaining.len(), 0);
        let namespace = api(&kube, "Namespace").get_opt(NAMESPACE).await.unwrap();
        assert_eq!(namespace.is_some(), stays, "{kind:?}");
        assert_eq!(all(&kube).await.len(), usize::from(stays));
        kubernetes.shutdown().await;
    }
}
