//! The whole way from the embedded API to a stream.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use k8s_openapi::api::discovery::v1 as discovery;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    service::{get, next},
    support::PATH,
};
use crate::destination::{Config, Destination};

/// An API server of four lists and the watches on them, with errors in the order given.
#[derive(Default)]
struct Api {
    lists: BTreeMap<&'static str, Vec<Value>>,
    watches: BTreeMap<&'static str, mpsc::UnboundedSender<Bytes>>,
    /// Statuses that the next requests get instead.
    failures: VecDeque<u16>,
}

type Shared = Arc<Mutex<Api>>;

fn client(api: &Shared) -> kube::Client {
    let api = api.clone();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let response = respond(&mut api.lock(), request.uri());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    kube::Client::new(service, "default")
}

fn respond(api: &mut Api, uri: &http::Uri) -> http::Response<UnsyncBoxBody<Bytes, Infallible>> {
    let full = |status: u16, body: Value| {
        let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
        http::Response::builder().status(status).body(body).unwrap()
    };
    if let Some(status) = api.failures.pop_front() {
        let text = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": "InternalError", "message": "no"});
        return full(status, text);
    }
    let plural = uri.path().rsplit('/').next().unwrap();
    let (plural, items) = api.lists.get_key_value(plural).unwrap();
    if uri.query().unwrap_or("").contains("watch=true") {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Bytes>();
        api.watches.insert(plural, sender);
        let frames = stream::poll_fn(move |task| receiver.poll_recv(task))
            .map(|bytes| Ok(http_body::Frame::data(bytes)));
        return http::Response::new(StreamBody::new(frames).boxed_unsync());
    }
    full(
        200,
        json!({"metadata": {"resourceVersion": "1"}, "items": items}),
    )
}

fn slice(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "shop",
            "name": name,
            "resourceVersion": "2",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [ip]}],
    })
}

/// Service `web` with two slices.
fn shop() -> Shared {
    let service = json!({
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    });
    let mut api = Api::default();
    api.lists.insert("pods", vec![]);
    api.lists.insert("nodes", vec![]);
    api.lists.insert("services", vec![service]);
    api.lists.insert(
        "endpointslices",
        vec![slice("a", "10.0.0.1"), slice("b", "10.0.0.2")],
    );
    Arc::new(Mutex::new(api))
}

fn start(api: &Shared) -> Destination {
    let config = Config {
        seed: 1,
        cluster_domain: "cluster.local".to_owned(),
        queue_capacity: 100,
        ipv6: true,
        faults: vec![],
    };
    Destination::start(config, client(api))
}

async fn send(api: &Shared, kind: &str, object: Value) {
    // The list is done before its watch begins.
    while !api.lock().watches.contains_key("endpointslices") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let line = format!("{}\n", json!({"type": kind, "object": object}));
    api.lock().watches["endpointslices"]
        .send(line.into())
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn lists_then_changes_reach_the_streams() {
    let api = shop();
    let destination = start(&api);
    assert!(!destination.is_ready());
    // The call waits for the lists, as it would for the real one to accept it.
    let mut stream = get(&destination, PATH).await.unwrap();
    assert!(destination.is_ready());
    assert_eq!(next(&mut stream).await, "add 10.0.0.1:8080 10.0.0.2:8080");
    send(&api, "MODIFIED", slice("a", "10.0.0.3")).await;
    assert_eq!(next(&mut stream).await, "add 10.0.0.3:8080");
    assert_eq!(next(&mut stream).await, "remove 10.0.0.1:8080");
    send(&api, "DELETED", slice("b", "10.0.0.2")).await;
    assert_eq!(next(&mut stream).await, "remove 10.0.0.2:8080");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_replaces_a_watch_takes_what_vanished() {
    let api = shop();
    let destination = start(&api);
    let mut stream = get(&destination, PATH).await.unwrap();
    assert_eq!(next(&mut stream).await, "add 10.0.0.1:8080 10.0.0.2:8080");
    let lists = vec![slice("a", "10.0.0.1"), slice("c", "10.0.0.3")];
    api.lock().lists.insert("endpointslices", lists);
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"});
    send(&api, "ERROR", gone).await;
    assert_eq!(next(&mut stream).await, "add 10.0.0.3:8080");
    assert_eq!(next(&mut stream).await, "remove 10.0.0.2:8080");
}

#[tokio::test(start_paused = true)]
async fn failing_requests_are_tried_again_after_the_same_waits_in_every_run() {
    let mut waits = Vec::new();
    for _ in 0..2 {
        let api = shop();
        api.lock().failures = VecDeque::from(vec![500; 12]);
        let begin = tokio::time::Instant::now();
        start(&api).ready().await;
        waits.push(begin.elapsed());
    }
    assert_eq!(waits, [Duration::from_millis(700); 2]);
}

#[tokio::test(start_paused = true)]
async fn the_last_clone_takes_the_watches_with_it() {
    let api = shop();
    let destination = start(&api);
    let other = destination.clone();
    destination.ready().await;
    drop(destination);
    send(&api, "MODIFIED", slice("a", "10.0.0.3")).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut stream = get(&other, PATH).await.unwrap();
    assert_eq!(next(&mut stream).await, "add 10.0.0.2:8080 10.0.0.3:8080");
    drop((stream, other));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let object: discovery::EndpointSlice = serde_json::from_value(slice("a", "10.0.0.4")).unwrap();
    let line = serde_json::to_vec(&object).unwrap();
    assert!(
        api.lock().watches["endpointslices"]
            .send(line.into())
            .is_err()
    );
}
