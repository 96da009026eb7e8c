//! What an embedded cluster starts with. What it shares with a real one is tested on both, in
//! `tests/conformance`.

use std::time::Duration;

use k8s_openapi::api::{
    core::v1::{Node, Pod, ResourceQuota, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::sleep;

use super::support::{Cluster, config};

#[tokio::test(start_paused = true)]
async fn nodes_have_zones_in_turn() {
    let cluster = Cluster::new(config());
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let zones = nodes.list(&ListParams::default()).await.unwrap();
    let zones: Vec<String> = zones
        .items
        .into_iter()
        .map(|it| it.metadata.labels.unwrap()["topology.kubernetes.io/zone"].clone())
        .collect();
    assert_eq!(zones, ["zone-1", "zone-2", "zone-1", "zone-2"]);
}

#[tokio::test(start_paused = true)]
async fn pods_of_another_scheduler_and_slices_without_a_selector_are_left_to_their_makers() {
    let cluster = Cluster::new(config());
    let pod = json!({
        "metadata": { "name": "own", "labels": { "app": "own" } },
        "spec": {
            "schedulerName": "nobody",
            "containers": [{ "name": "fake", "image": "fake" }],
        },
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let params = PostParams::default();
    cluster.pods().create(&params, &pod).await.unwrap();
    let service = json!({
        "metadata": { "name": "own" },
        "spec": { "ports": [{ "name": "http", "port": 80 }] },
    });
    let service: Service = serde_json::from_value(service).unwrap();
    cluster.services().create(&params, &service).await.unwrap();
    let slice = json!({
        "metadata": { "name": "own-1", "labels": { "kubernetes.io/service-name": "own" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["240.0.0.1"] }],
    });
    let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
    let made = cluster.slices().create(&params, &slice).await.unwrap();
    sleep(Duration::from_secs(60)).await;

    let pod = cluster.pods().get("own").await.unwrap();
    assert_eq!(pod.spec.unwrap().node_name, None);
    assert_eq!(pod.status.unwrap().pod_ip, None);
    assert_eq!(cluster.slices().get("own-1").await.unwrap(), made);
    let slices = cluster.slices().list(&ListParams::default()).await.unwrap();
    assert_eq!(slices.items.len(), 2, "and that of `kubernetes`");

    let delete = DeleteParams::default();
    cluster.pods().delete("own", &delete).await.unwrap();
    assert!(cluster.pods().get_opt("own").await.unwrap().is_none());
    cluster.services().delete("own", &delete).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.slices().get("own-1").await.unwrap(), made);
}

#[tokio::test(start_paused = true)]
async fn a_quota_keeps_pods_out_until_it_is_raised_and_the_deployment_says_so() {
    let cluster = Cluster::new(config());
    let quotas: Api<ResourceQuota> = Api::default_namespaced(cluster.client.clone());
    let quota = json!({ "metadata": { "name": "small" }, "spec": { "hard": { "pods": "2" } } });
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    let params = PostParams::default();
    quotas.create(&params, &quota).await.unwrap();
    cluster.serve("web", 5).await;
    sleep(Duration::from_secs(30)).await;
    let pods = || async { cluster.pods().list(&ListParams::default()).await.unwrap() };
    let failure = || async {
        let deployment = cluster.deployments().get("web").await.unwrap();
        let conditions = deployment.status.unwrap().conditions.unwrap();
        let mut conditions = conditions.into_iter();
        let failure = conditions.find(|it| it.type_.as_deref() == Some("ReplicaFailure"));
        failure.and_then(|it| it.message)
    };
    assert_eq!(pods().await.items.len(), 2);
    let said = failure().await.unwrap();
    assert!(
        said.ends_with(
            "is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"
        ),
        "{said}"
    );
    let pod = json!({
        "metadata": { "name": "own" },
        "spec": { "containers": [{ "name": "fake", "image": "fake" }] },
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    for dry_run in [true, false] {
        let params = PostParams {
            dry_run,
            ..PostParams::default()
        };
        let refused = cluster.pods().create(&params, &pod).await.unwrap_err();
        assert!(
            refused.to_string().contains("exceeded quota: small"),
            "{refused}"
        );
    }

    let raise = Patch::Merge(json!({ "spec": { "hard": { "pods": "9" } } }));
    let params = PatchParams::default();
    quotas.patch("small", &params, &raise).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    assert_eq!((pods().await.items.len(), failure().await), (5, None));
}
