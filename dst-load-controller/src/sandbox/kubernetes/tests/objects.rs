//! What an embedded cluster starts with. What it shares with a real one is tested on both, in
//! `tests/conformance`.

use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};

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
