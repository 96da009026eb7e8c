//! Watches: where they resume, what they are told, and that a seed tells the same again.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Service;
use kube::{
    api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::{
        WatchStreamExt, reflector,
        watcher::{self, Event},
    },
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::support::{Cluster, config, service};
use crate::sandbox::kubernetes::resources::Resource;

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_where_it_was() {
    let cluster = Cluster::new(config());
    let services = cluster.services();
    let parameters = PostParams::default();
    let first = services.create(&parameters, &service("a")).await.unwrap();
    services.create(&parameters, &service("b")).await.unwrap();
    let version = first.metadata.resource_version.unwrap();
    let events = services
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap();
    let event = events.boxed().try_next().await.unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Added(it) if it.metadata.name.as_deref() == Some("b")));
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_the_log_is_told_so_and_a_watcher_lists_again() {
    let cluster = Cluster::new(config());
    let services = cluster.services();
    cluster.serve("a", 0).await;
    let shared = cluster.kubernetes.shared();
    let version = shared.with(|store| store.version());
    shared.with(|store| store.compact(Resource::Services, version));
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
async fn a_version_of_another_cluster_is_refused() {
    let cluster = Cluster::new(config());
    let services = cluster.services();
    let watch = services.watch(&WatchParams::default(), "1000000").await;
    let Err(kube::Error::Api(status)) = watch.map(|_| ()) else {
        panic!("it was not refused");
    };
    assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_gets_a_bookmark_every_minute_and_ends_in_time() {
    let cluster = Cluster::new(config());
    let start = Instant::now();
    let parameters = WatchParams::default().timeout(150);
    let services = cluster.services();
    let shared = cluster.kubernetes.shared();
    let version = shared.with(|store| store.version()).to_string();
    let events = services.watch(&parameters, &version).await.unwrap();
    let events: Vec<_> = events.try_collect().await.unwrap();
    assert_eq!(events.len(), 2);
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

#[tokio::test(start_paused = true)]
async fn a_streamed_list_ends_with_its_mark() {
    let cluster = Cluster::new(config());
    cluster.serve("web", 3).await;
    sleep(Duration::from_secs(5)).await;
    let (reader, writer) = reflector::store();
    let config = watcher::Config::default().streaming_lists();
    let mut pods = Box::pin(watcher::watcher(cluster.pods(), config).reflect(writer));
    while !matches!(pods.next().await.unwrap().unwrap(), Event::InitDone) {}
    assert_eq!(reader.state().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_object_enters_and_leaves_a_selection() {
    let cluster = Cluster::new(config());
    let services = cluster.services();
    services
        .create(&PostParams::default(), &service("web"))
        .await
        .unwrap();
    let parameters = WatchParams::default().labels("tier=front");
    let events = services.watch(&parameters, "0").await.unwrap();
    let mut events = events.boxed();
    for tier in ["front", "front-end", "front"] {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "tier": tier } } }));
        let parameters = PatchParams::default();
        services.patch("web", &parameters, &patch).await.unwrap();
    }
    let mut next = async || events.try_next().await.unwrap().unwrap();
    assert!(matches!(next().await, WatchEvent::<Service>::Added(_)));
    assert!(matches!(next().await, WatchEvent::Deleted(_)));
    assert!(matches!(next().await, WatchEvent::Added(_)));
}

/// The bytes of a slice watch through two scalings and a rollout.
async fn watched(seed: u64) -> Vec<u8> {
    let cluster = Cluster::new(crate::sandbox::kubernetes::Config { seed, ..config() });
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
