//! From a Deployment to what a watch of EndpointSlices shows.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::{self, Event};
use tokio::time::sleep;

use super::support::{Cluster, config};

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
async fn a_scaling_fills_slices_of_a_hundred_and_empties_them() {
    let cluster = Cluster::new(config());
    cluster.serve("web", 0).await;
    sleep(Duration::from_secs(5)).await;
    let sizes = async || -> Vec<usize> {
        let slices = cluster.endpoints("web").await;
        slices.iter().map(|it| it.len()).collect()
    };
    assert_eq!(
        sizes().await,
        [0],
        "a service without endpoints keeps one slice"
    );
    cluster.scale("web", 250).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(sizes().await.iter().sum::<usize>(), 250);
    assert_eq!(sizes().await.len(), 3);
    cluster.scale("web", 0).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(sizes().await, [0]);
}
