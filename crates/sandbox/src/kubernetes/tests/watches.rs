//! Watches: where they resume, what they are told, and that a seed tells the same again.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::support::{Cluster, config};
use crate::kubernetes::store::Store;

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_the_log_is_told_so_and_a_watcher_lists_again() {
    let cluster = Cluster::new(config());
    let services = cluster.services();
    cluster.serve("a", 0).await;
    let shared = cluster.kubernetes.shared();
    let version = shared.with(|store| store.version());
    shared.with(Store::compact);
    let events = services.watch(&WatchParams::default(), "1").await.unwrap();
    let event = events.boxed().try_next().await.unwrap().unwrap();
    let WatchEvent::Error(status) = event else {
        panic!("{event:?}");
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    let message = format!("too old resource version: 1 ({version})");
    assert_eq!(status.message, message);
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_gets_a_bookmark_every_minute_and_one_before_it_ends_in_time() {
    let cluster = Cluster::new(config());
    let start = Instant::now();
    let parameters = WatchParams::default().timeout(150);
    let services = cluster.services();
    let shared = cluster.kubernetes.shared();
    let version = shared.with(|store| store.version()).to_string();
    let events = services.watch(&parameters, &version).await.unwrap();
    let events: Vec<_> = events.try_collect().await.unwrap();
    assert_eq!(events.len(), 3, "the last comes shortly before the end");
    assert!(
        events
            .iter()
            .all(|it| matches!(it, WatchEvent::Bookmark(_)))
    );
    assert_eq!(start.elapsed().as_secs(), 150);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_nobody_holds_ends_and_so_do_its_watches() {
    let cluster = Cluster::new(config());
    let services = cluster.services();
    let events = services.watch(&WatchParams::default(), "0").await.unwrap();
    let mut events = events.boxed();
    assert!(events.try_next().await.unwrap().is_some());
    let start = Instant::now();
    drop((services, cluster));
    assert!(events.try_next().await.unwrap().is_none());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// The bytes of a slice watch through two scalings and a rollout.
async fn watched(seed: u64) -> Vec<u8> {
    let cluster = Cluster::new(crate::kubernetes::Config { seed, ..config() });
    for name in ["a", "b", "c"] {
        cluster.serve(name, 30).await;
    }
    let uri = "/apis/discovery.k8s.io/v1/endpointslices?watch=true&timeoutSeconds=30";
    let request = http::Request::get(uri).body(Vec::new()).unwrap();
    let stream = cluster.client.request_stream(request).await.unwrap();
    let churn = async {
        sleep(Duration::from_secs(5)).await;
        for name in ["a", "b", "c"] {
            cluster.scale(name, 120).await;
        }
        sleep(Duration::from_secs(5)).await;
        let image = json!({ "spec": { "template": { "metadata": { "labels": { "v": "2" } } } } });
        let deployments = cluster.deployments();
        let parameters = PatchParams::default();
        deployments
            .patch("b", &parameters, &Patch::Merge(image))
            .await
            .unwrap();
    };
    let mut bytes = Vec::new();
    let mut stream = Box::pin(stream);
    let read = futures::AsyncReadExt::read_to_end(&mut stream, &mut bytes);
    let (read, ()) = futures::join!(read, churn);
    read.unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_bytes() {
    let (first, again, other) = (watched(1).await, watched(1).await, watched(2).await);
    assert!(first.len() > 100_000);
    assert!(first == again);
    assert!(first != other);
}
