//! From a Deployment to what a watch of EndpointSlices shows.

use std::{collections::BTreeSet, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::{core::v1::Pod, discovery::v1::EndpointSlice};
use kube::{
    api::{ListParams, Patch, PatchParams, PostParams},
    runtime::watcher::{self, Event},
};
use serde_json::json;
use tokio::time::sleep;

use super::support::{Cluster, config, service};

#[tokio::test(start_paused = true)]
async fn a_deployment_becomes_endpoints_that_a_watcher_sees() {
    let cluster = Cluster::new(config());
    let mut watcher = Box::pin(watcher::watcher(
        cluster.slices(),
        watcher::Config::default().labels("kubernetes.io/service-name=web"),
    ));
    cluster.serve("web", 3).await;
    let seen = |slice: &EndpointSlice| slice.endpoints.as_ref().map_or(0, Vec::len);
    loop {
        if let Event::Apply(slice) = watcher.next().await.unwrap().unwrap()
            && seen(&slice) == 3
        {
            let endpoint = &slice.endpoints.unwrap()[0];
            assert_eq!(endpoint.conditions.as_ref().unwrap().ready, Some(true));
            assert!(endpoint.zone.as_ref().unwrap().starts_with("zone-"));
            assert_eq!(slice.ports.unwrap()[0].port, Some(8080));
            break;
        }
    }
    sleep(Duration::from_secs(1)).await;
    let deployment = cluster.deployments().get_status("web").await.unwrap();
    let status = deployment.status.unwrap();
    assert_eq!(status.ready_replicas, Some(3));
    assert_eq!(status.observed_generation, Some(1));
    cluster.kubernetes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_rolling_update_stays_within_its_surge_and_replaces_every_pod() {
    let cluster = Cluster::new(config());
    cluster.serve("web", 20).await;
    sleep(Duration::from_secs(5)).await;
    let before: BTreeSet<String> = addresses(&cluster).await;
    let template = json!({ "spec": { "template": { "metadata": { "labels": { "v": "2" } } } } });
    let deployments = cluster.deployments();
    let patch = Patch::Merge(template);
    deployments
        .patch("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    for _ in 0..300 {
        sleep(Duration::from_millis(100)).await;
        let pods = cluster.pods().list(&ListParams::default()).await.unwrap();
        let ready = pods.items.iter().filter(|pod| is_ready(pod)).count();
        let stays = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none();
        let stay = pods.items.iter().filter(stays).count();
        // A quarter of 20, each way.
        assert!(stay <= 25, "{stay} pods");
        assert!(ready >= 15, "{ready} ready");
    }
    let after = addresses(&cluster).await;
    assert_eq!(after.len(), 20);
    assert!(
        before.is_disjoint(&after),
        "an address was had again too soon"
    );
    let deployment = deployments.get("web").await.unwrap();
    assert_eq!(deployment.status.unwrap().updated_replicas, Some(20));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_taken_from_clients_before_its_pod_is_gone() {
    let cluster = Cluster::new(config());
    cluster.serve("web", 10).await;
    sleep(Duration::from_secs(5)).await;
    let mut watcher = Box::pin(watcher::watcher(
        cluster.slices(),
        watcher::Config::default().labels("kubernetes.io/service-name=web"),
    ));
    cluster.scale("web", 4).await;
    // Listed and ready, each time that the slice is written.
    let mut seen = Vec::new();
    while seen.last() != Some(&(4, 4)) {
        let (Event::Apply(slice) | Event::InitApply(slice)) =
            watcher.next().await.unwrap().unwrap()
        else {
            continue;
        };
        let endpoints = slice.endpoints.unwrap_or_default();
        let conditions = endpoints.iter().map(|it| it.conditions.clone().unwrap());
        let (ready, ended): (Vec<_>, Vec<_>) = conditions.partition(|it| it.ready == Some(true));
        assert!(ready.iter().all(|it| it.terminating == Some(false)));
        assert!(ended.iter().all(|it| it.terminating == Some(true)));
        assert!(ended.iter().all(|it| it.serving == Some(true)));
        seen.push((endpoints.len(), ready.len()));
    }
    assert_eq!(seen[..2], [(10, 10), (10, 4)]);
    assert!(seen[2..].iter().all(|&(_, ready)| ready == 4), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_an_owner_is_scheduled_and_served_too() {
    let cluster = Cluster::new(config());
    let services = cluster.services();
    services
        .create(&PostParams::default(), &service("web"))
        .await
        .unwrap();
    let pod = serde_json::from_value(json!({
        "metadata": { "generateName": "web-", "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "web", "image": "web:1" }] },
    }));
    let pods = cluster.pods();
    pods.create(&PostParams::default(), &pod.unwrap())
        .await
        .unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(addresses(&cluster).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_services_scale_at_once() {
    let cluster = Cluster::new(config());
    for number in 0..100 {
        cluster.serve(&format!("web-{number}"), 50).await;
    }
    sleep(Duration::from_secs(5)).await;
    for number in 0..100 {
        cluster.scale(&format!("web-{number}"), 100).await;
    }
    sleep(Duration::from_secs(5)).await;
    let mut total = 0;
    for number in 0..100 {
        let slices = cluster.endpoints(&format!("web-{number}")).await;
        assert_eq!(slices.len(), 1);
        total += slices[0].len();
    }
    assert_eq!(total, 10_000);
}

async fn addresses(cluster: &Cluster) -> BTreeSet<String> {
    let slices = cluster.endpoints("web").await;
    slices
        .into_iter()
        .flatten()
        .map(|(address, _)| address)
        .collect()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
    conditions.is_some_and(|it| {
        it.iter()
            .any(|it| it.type_ == "Ready" && it.status == "True")
    })
}
