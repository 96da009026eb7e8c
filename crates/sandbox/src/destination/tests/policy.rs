//! What the policy API says where nobody has written a policy.

use futures::FutureExt as _;
use linkerd2_proxy_api::{
    inbound::{
        self, PortSpec, Server, inbound_server_policies_client::InboundServerPoliciesClient,
    },
    meta::{Metadata, metadata},
    net::TcpAddress,
    outbound::{
        OutboundPolicy, TrafficSpec, outbound_policies_client::OutboundPoliciesClient,
        proxy_protocol::Kind, traffic_spec::Target,
    },
};
use serde_json::json;
use std::net::SocketAddr;
use tonic::{Code, Status, Streaming};

use super::support::{destination, service_with};
use crate::destination::Destination;

fn with_address() -> Destination {
    let destination = destination(100, vec![]);
    destination.shared.hub.lock().update(None, |directory| {
        directory.apply_service(service_with(json!({"spec": {"clusterIP": "10.96.0.7"}})))
    });
    destination
}

async fn outbound(
    destination: &Destination,
    target: Target,
) -> Result<Streaming<OutboundPolicy>, Status> {
    let spec = TrafficSpec {
        source_workload: r#"{"ns":"clients","pod":"client-1"}"#.to_owned(),
        target: Some(target),
    };
    let mut client = OutboundPoliciesClient::new(destination.grpc());
    client.watch(spec).await.map(tonic::Response::into_inner)
}

fn address(address: &str) -> Target {
    Target::Addr(TcpAddress::from(address.parse::<SocketAddr>().unwrap()))
}

async fn inbound(
    destination: &Destination,
    workload: &str,
    port: u32,
) -> Result<Streaming<Server>, Status> {
    let workload = workload.to_owned();
    let mut client = InboundServerPoliciesClient::new(destination.grpc());
    let watched = client.watch_port(PortSpec { workload, port }).await;
    watched.map(tonic::Response::into_inner)
}

#[tokio::test(start_paused = true)]
async fn traffic_to_a_service_goes_to_the_service() {
    let destination = with_address();
    for target in [
        address("10.96.0.7:80"),
        Target::Authority("web.shop.svc.cluster.local:80".to_owned()),
    ] {
        let mut stream = outbound(&destination, target).await.unwrap();
        let policy = stream.message().await.unwrap().unwrap();
        let Some(Metadata {
            kind: Some(metadata::Kind::Resource(parent)),
        }) = policy.metadata
        else {
            panic!("a Service")
        };
        assert_eq!(
            (&*parent.kind, &*parent.name, parent.port),
            ("Service", "web", 80)
        );
        let Some(Kind::Detect(detect)) = policy.protocol.unwrap().kind else {
            panic!("a port of any protocol")
        };
        let text = format!("{:?}", detect.http1.unwrap().routes);
        assert!(text.contains("web.shop.svc.cluster.local:80"), "{text}");
        // Nobody writes policies: that is all.
        assert!(stream.message().now_or_never().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_port_of_a_service_has_no_route() {
    let destination = with_address();
    let mut stream = outbound(&destination, address("10.96.0.7:81"))
        .await
        .unwrap();
    let policy = stream.message().await.unwrap().unwrap();
    let kind = policy.protocol.unwrap().kind;
    assert!(
        matches!(&kind, Some(Kind::Opaque(opaque)) if opaque.routes.is_empty()),
        "{kind:?}"
    );
    let nobody = outbound(&destination, address("10.1.1.1:80")).await;
    let nobody = nobody.unwrap_err();
    assert_eq!(
        (nobody.code(), nobody.message()),
        (Code::NotFound, "No such service")
    );
}

#[tokio::test(start_paused = true)]
async fn everybody_may_speak_to_a_pod_of_any_name() {
    let destination = with_address();
    let workload = r#"{"ns":"clients","pod":"client-1"}"#;
    let mut stream = inbound(&destination, workload, 8080).await.unwrap();
    let server = stream.message().await.unwrap().unwrap();
    assert_eq!(server.labels["name"], "all-unauthenticated");
    let [everybody] = &server.authorizations[..] else {
        panic!("{server:?}")
    };
    let permit = everybody.authentication.as_ref().unwrap().permit.as_ref();
    assert!(matches!(
        permit,
        Some(inbound::authn::Permit::Unauthenticated(_))
    ));
    assert_eq!(everybody.networks.len(), 2);
    for (workload, port) in [(workload, 0), (workload, 70_000), ("", 8080)] {
        let refused = inbound(&destination, workload, port).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{workload} {port}");
    }
}

#[tokio::test(start_paused = true)]
async fn policies_end_with_ok_when_the_destination_stops() {
    let destination = with_address();
    let mut stream = outbound(&destination, address("10.96.0.7:80"))
        .await
        .unwrap();
    stream.message().await.unwrap().unwrap();
    destination.shutdown().await;
    assert_eq!(stream.message().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_no_proxy_watches_is_unimplemented() {
    let mut client = OutboundPoliciesClient::new(with_address().grpc());
    let refused = client.get(TrafficSpec::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}
