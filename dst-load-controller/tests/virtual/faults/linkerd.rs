//! Linkerd's own defects, each put in by a fault, and each harmless without it.

use std::time::Duration;

use dst_load_controller::cli::run::simulation::Simulation;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{virtually::run, *};

/// What a test does to the cluster beside the run.
struct Hand {
    namespace: String,
    services: Api<Service>,
    slices: Api<EndpointSlice>,
}

impl Hand {
    /// Runs the quiet scenario with `fault`, and `story` once its streams have settled.
    async fn beside<S: Future<Output = ()>>(fault: &str, story: impl FnOnce(Self) -> S) -> Report {
        let simulation = Simulation::new(with(STILL, fault)).unwrap();
        let kube = simulation.kube().unwrap();
        let hand = Self {
            namespace: simulation.namespace().to_owned(),
            services: Api::namespaced(kube.clone(), simulation.namespace()),
            slices: Api::namespaced(kube, simulation.namespace()),
        };
        let disturb = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            story(hand).await;
        };
        let (ran, ()) = tokio::join!(run(simulation), disturb);
        ran.report
    }

    /// A slice that no controller looks after.
    async fn add_slice(&self, endpoints: Value) {
        let slice = json!({
            "metadata": {
                "name": "by-hand",
                "labels": {"kubernetes.io/service-name": "test-service-1"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": endpoints,
        });
        let slice = serde_json::from_value(slice).unwrap();
        self.slices
            .create(&PostParams::default(), &slice)
            .await
            .unwrap();
        wait().await;
    }

    async fn delete_slice(&self) {
        let none = DeleteParams::default();
        self.slices.delete("by-hand", &none).await.unwrap();
        wait().await;
    }

    /// An endpoint that the controller's own slice lists.
    async fn some_endpoint(&self) -> Value {
        let slices = self.slices.list(&Default::default()).await.unwrap();
        let slice = &slices.items[0];
        let mut endpoint = serde_json::to_value(&slice.endpoints.as_ref().unwrap()[0]).unwrap();
        endpoint.as_object_mut().unwrap().remove("hints");
        endpoint
    }
}

async fn wait() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// What comes of `story` without the defect and with it.
async fn both<S: Future<Output = ()>>(kind: &str, story: impl Fn(Hand) -> S) -> [Report; 2] {
    let clean = Hand::beside("", &story).await;
    assert_passes(&clean);
    assert!(clean.fan_out.changes > 0, "the story changes something");
    let fault = format!("{{kind: {kind}}}");
    [clean, Hand::beside(&fault, &story).await]
}

#[tokio::test(start_paused = true)]
async fn a_port_change_that_is_ignored_leaves_the_old_port_stale() {
    let [_, defective] = both("ignorePortChange", |hand| async move {
        let port = json!({"spec": {"ports": [{
            "name": "http", "port": 8080, "targetPort": 9090, "protocol": "TCP",
        }]}});
        let params = PatchParams::default();
        let patch = Patch::Merge(&port);
        hand.services
            .patch("test-service-1", &params, &patch)
            .await
            .unwrap();
    })
    .await;
    assert_fails_by(&defective, "correctness");
    assert_eq!(wrong(&defective), [4, 20, 20, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_shared_endpoint_that_goes_with_the_first_slice_is_missing() {
    let [_, defective] = both("removeSharedEndpoint", |hand| async move {
        let shared = hand.some_endpoint().await;
        hand.add_slice(json!([shared, {"addresses": ["10.9.9.9"]}]))
            .await;
        hand.delete_slice().await;
    })
    .await;
    assert_fails_by(&defective, "correctness");
    assert_eq!(wrong(&defective), [4, 4, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_made_again_and_forgotten_leaves_its_slices_missing() {
    let [_, defective] = both("forgetRecreatedService", |hand| async move {
        hand.add_slice(json!([{"addresses": ["10.9.9.9"]}])).await;
        let mut service = hand.services.get("test-service-1").await.unwrap();
        let none = DeleteParams::default();
        hand.services.delete("test-service-1", &none).await.unwrap();
        wait().await;
        service.metadata.uid = None;
        service.metadata.resource_version = None;
        service.metadata.creation_timestamp = None;
        hand.services
            .create(&PostParams::default(), &service)
            .await
            .unwrap();
    })
    .await;
    assert_fails_by(&defective, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&defective);
    assert_eq!((streams, missing), (4, 4), "{:?}", defective.reasons);
    assert_eq!((stale, unexpected), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_goes_after_its_pods_and_is_kept_is_stale() {
    let [_, defective] = both("keepAddressesOfDeletedSlice", |hand| async move {
        let ghost = json!({
            "addresses": ["10.9.9.9"],
            "targetRef": {"kind": "Pod", "namespace": hand.namespace, "name": "ghost"},
        });
        hand.add_slice(json!([ghost])).await;
        hand.delete_slice().await;
    })
    .await;
    assert_fails_by(&defective, "correctness");
    assert_eq!(wrong(&defective), [4, 0, 4, 0]);
    assert!(defective.correctness.stale_endpoint_seconds > 4.0 * 10.0);
}
