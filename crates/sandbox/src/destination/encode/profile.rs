//! What `GetProfile` says, as bytes with their gRPC frame.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use linkerd2_proxy_api::{
    destination::RetryBudget,
    meta::{Metadata, Resource, metadata},
};
use prost::Message;

use super::{WEIGHT, WeightedAddr, frame};
use crate::destination::{
    endpoint::{Endpoint, PodTarget},
    objects::Service,
    pod::Pod,
};

/// Nothing but silence follows it: the Service has no such port.
pub(crate) fn empty() -> Bytes {
    frame(&Profile::default())
}

/// A port of a Service.
pub(crate) fn of_service(service: &Service, port: u16, cluster_domain: &str) -> Bytes {
    let name = &service.name;
    frame(&Profile {
        fully_qualified_name: format!("{}.{}.svc.{cluster_domain}", name.name, name.namespace),
        opaque_protocol: service.opaque.contains(port),
        retry_budget: Some(retry_budget()),
        parent_ref: Some(resource(
            "core",
            "Service",
            &name.name,
            &name.namespace,
            port,
        )),
        // There is no ServiceProfile: it is referred to without a name, as Linkerd does.
        profile_ref: Some(resource("linkerd.io", "ServiceProfile", "", "", 0)),
        ..Profile::default()
    })
}

/// An address that is a Pod's, or nobody's.
pub(crate) fn of_endpoint(addr: SocketAddr, pod: Option<&Arc<Pod>>) -> Bytes {
    let endpoint = pod.map_or_else(
        || WeightedAddr {
            addr: Some(addr.into()),
            weight: WEIGHT,
            ..WeightedAddr::default()
        },
        |pod| {
            let target = PodTarget {
                name: pod.name.clone(),
                pod: Some(pod.clone()),
            };
            let mut endpoint = WeightedAddr::new(&Endpoint::of_pod(addr, target), "");
            let namespace = pod.name.namespace.clone();
            (endpoint.metric_labels).insert("namespace".to_owned(), namespace);
            endpoint
        },
    );
    frame(&Profile {
        opaque_protocol: pod.is_some_and(|pod| pod.is_opaque(addr.port())),
        retry_budget: Some(retry_budget()),
        endpoint: Some(endpoint),
        ..Profile::default()
    })
}

/// `DestinationProfile`, with what this destination says of it.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, optional, tag = "2")]
    retry_budget: Option<RetryBudget>,
    #[prost(bool, tag = "4")]
    opaque_protocol: bool,
    #[prost(string, tag = "5")]
    fully_qualified_name: String,
    #[prost(message, optional, tag = "6")]
    endpoint: Option<WeightedAddr>,
    #[prost(message, optional, tag = "7")]
    parent_ref: Option<Metadata>,
    #[prost(message, optional, tag = "8")]
    profile_ref: Option<Metadata>,
}

/// Linkerd's default.
fn retry_budget() -> RetryBudget {
    RetryBudget {
        retry_ratio: 0.2,
        min_retries_per_second: 10,
        ttl: Duration::from_secs(10).try_into().ok(),
    }
}

pub(super) fn resource(
    group: &str,
    kind: &str,
    name: &str,
    namespace: &str,
    port: u16,
) -> Metadata {
    Metadata {
        kind: Some(metadata::Kind::Resource(Resource {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            section: String::new(),
            port: port.into(),
        })),
    }
}
