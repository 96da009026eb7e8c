//! What an embedded cluster starts with. What it shares with a real one is tested on both, in
//! `tests/conformance`.

use std::time::Duration;

use k8s_openapi::api::{
    core::v1::{Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
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
