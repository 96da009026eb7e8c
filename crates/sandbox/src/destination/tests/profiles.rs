//! What `GetProfile` says, to whom, and when it says more.

use futures::FutureExt as _;
use linkerd2_proxy_api::{
    destination::{DestinationProfile, GetDestination, destination_client::DestinationClient},
    meta::metadata,
};
use prost::Message as _;
use serde_json::{Value, json};
use tonic::{Code, Status, Streaming};

use super::support::{destination, name, pod_with, service_with};
use crate::destination::Destination;

async fn get(
    destination: &Destination,
    path: &str,
) -> Result<Streaming<DestinationProfile>, Status> {
    let request = GetDestination {
        path: path.to_owned(),
        ..GetDestination::default()
    };
    let mut client = DestinationClient::new(destination.grpc());
    client
        .get_profile(request)
        .await
        .map(tonic::Response::into_inner)
}

async fn first(destination: &Destination, path: &str) -> DestinationProfile {
    let mut stream = get(destination, path).await.unwrap();
    stream.message().await.unwrap().unwrap()
}

async fn refused(destination: &Destination, path: &str) -> (Code, String) {
    let status = get(destination, path).await.unwrap_err();
    (status.code(), status.message().to_owned())
}

/// A destination where Service `web` has an address.
fn with_address() -> Destination {
    let destination = destination(100, vec![]);
    serve(&destination, json!({"spec": {"clusterIP": "10.96.0.7"}}));
    destination
}

fn serve(destination: &Destination, more: Value) {
    destination.shared.hub.lock().update(None, |directory| {
        directory.apply_service(service_with(more))
    });
}

fn run(destination: &Destination, pod: &str, version: &str, more: Value) {
    let pod = pod_with(pod, version, more);
    destination.shared.hub.lock().update(None, |directory| {
        directory.apply_pod(pod);
        Vec::new()
    });
}

fn running(ip: &str) -> Value {
    json!({"status": {"phase": "Running", "podIP": ip}})
}

#[tokio::test(start_paused = true)]
async fn a_services_address_and_its_name_say_the_same() {
    let destination = with_address();
    let by_name = first(&destination, "web.shop.svc.cluster.local:80").await;
    let by_address = first(&destination, "10.96.0.7:80").await;
    assert_eq!(by_name, by_address);
    assert_eq!(by_name.fully_qualified_name, "web.shop.svc.cluster.local");
    assert!(by_name.endpoint.is_none() && !by_name.opaque_protocol);
    let named = |metadata: Option<linkerd2_proxy_api::meta::Metadata>| match metadata {
        Some(linkerd2_proxy_api::meta::Metadata {
            kind: Some(metadata::Kind::Resource(it)),
        }) => (it.kind, it.name),
        other => panic!("{other:?}"),
    };
    assert_eq!(named(by_name.parent_ref), ("Service".into(), "web".into()));
    // There is no ServiceProfile; it is referred to all the same.
    assert_eq!(
        named(by_name.profile_ref),
        ("ServiceProfile".into(), String::new())
    );
}

#[tokio::test(start_paused = true)]
async fn paths_are_refused_in_linkerds_words() {
    let destination = with_address();
    let path = "gone.shop.svc.cluster.local:80";
    let unknown = (Code::Unknown, "service \"gone\" not found".to_owned());
    assert_eq!(refused(&destination, path).await, unknown);
    for path in ["", "web", "web.shop.svc.other.domain:80", "10.96.0.7:0"] {
        let invalid = (Code::InvalidArgument, format!("invalid authority: {path}"));
        assert_eq!(refused(&destination, path).await, invalid);
    }
    let instance = "web-0.web.shop.svc.cluster.local:80";
    assert_eq!(refused(&destination, instance).await.0, Code::NotFound);
    serve(
        &destination,
        json!({"spec": {"type": "ExternalName", "clusterIP": null}}),
    );
    let external = refused(&destination, "web.shop.svc.cluster.local:80").await;
    assert_eq!(external.0, Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn a_port_that_the_service_does_not_have_is_one_empty_profile_and_silence() {
    let destination = with_address();
    for path in ["10.96.0.7:81", "web.shop.svc.cluster.local:81"] {
        let mut stream = get(&destination, path).await.unwrap();
        let empty = stream.message().await.unwrap().unwrap();
        assert_eq!(empty, DestinationProfile::default());
        let more = json!({"spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 81}]}});
        serve(&destination, more);
        assert!(stream.message().now_or_never().is_none());
        serve(&destination, json!({"spec": {"clusterIP": "10.96.0.7"}}));
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_nobody_has_is_an_endpoint_of_30_bytes() {
    let destination = with_address();
    let profile = first(&destination, "10.0.0.9:8080").await;
    assert_eq!(profile.encoded_len(), 30);
    let endpoint = profile.endpoint.unwrap();
    assert_eq!((endpoint.weight, endpoint.metric_labels.len()), (10_000, 0));
    assert_eq!(profile.fully_qualified_name, "");
}

#[tokio::test(start_paused = true)]
async fn a_pods_address_is_its_endpoint_and_follows_its_start_and_end() {
    let destination = with_address();
    let mut stream = get(&destination, "10.0.0.1:8080").await.unwrap();
    let labels = |profile: DestinationProfile| profile.endpoint.unwrap().metric_labels;
    assert!(labels(stream.message().await.unwrap().unwrap()).is_empty());
    // A Pod that does not run yet is nobody.
    run(
        &destination,
        "web-1",
        "1",
        json!({"status": {"phase": "Pending", "podIP": "10.0.0.1"}}),
    );
    assert!(stream.message().now_or_never().is_none());
    run(&destination, "web-1", "2", running("10.0.0.1"));
    let told = labels(stream.message().await.unwrap().unwrap());
    assert_eq!((&*told["pod"], &*told["namespace"]), ("web-1", "shop"));
    // The same again is not said again.
    run(&destination, "web-1", "3", running("10.0.0.1"));
    assert!(stream.message().now_or_never().is_none());
    destination.shared.hub.lock().update(None, |directory| {
        directory.delete_pod(&name("web-1"));
        Vec::new()
    });
    assert!(labels(stream.message().await.unwrap().unwrap()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_address_of_two_is_a_failed_precondition() {
    let destination = with_address();
    run(&destination, "web-1", "1", running("10.0.0.1"));
    run(&destination, "web-2", "1", running("10.0.0.1"));
    let (code, _) = refused(&destination, "10.0.0.1:8080").await;
    assert_eq!(code, Code::FailedPrecondition);
    run(
        &destination,
        "web-2",
        "2",
        json!({"status": {"phase": "Succeeded"}}),
    );
    first(&destination, "10.0.0.1:8080").await;
}

#[tokio::test(start_paused = true)]
async fn only_a_change_of_a_services_opaque_ports_is_news() {
    let destination = with_address();
    let mut stream = get(&destination, "10.96.0.7:80").await.unwrap();
    assert!(!stream.message().await.unwrap().unwrap().opaque_protocol);
    let labelled = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"clusterIP": "10.96.0.7"}});
    serve(&destination, labelled);
    assert!(stream.message().now_or_never().is_none());
    serve(
        &destination,
        json!({
            "metadata": {"annotations": {"config.linkerd.io/opaque-ports": "80"}},
            "spec": {"clusterIP": "10.96.0.7"},
        }),
    );
    assert!(stream.message().await.unwrap().unwrap().opaque_protocol);
}

#[tokio::test(start_paused = true)]
async fn a_profile_ends_with_the_destination_and_leaves_nothing_behind() {
    let destination = with_address();
    let stream = get(&destination, "10.96.0.7:80").await.unwrap();
    drop(stream);
    let mut stream = get(&destination, "10.96.0.7:80").await.unwrap();
    stream.message().await.unwrap().unwrap();
    destination.shutdown().await;
    assert!(stream.message().await.unwrap().is_none());
}
