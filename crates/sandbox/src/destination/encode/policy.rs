//! What the policy API says where nobody has written a policy, as bytes with their gRPC frame.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use bytes::Bytes;
use linkerd2_proxy_api::{
    inbound::{
        self, Authn, Authz, Network, Server,
        authn::{Permit, PermitUnauthenticated},
    },
    meta::{Metadata, metadata},
    net,
    outbound::{
        self, Backend, HttpRoute, OpaqueRoute, OutboundPolicy, Queue,
        backend::{
            self, BalanceP2c, EndpointDiscovery,
            balance_p2c::{Load, PeakEwma},
            endpoint_discovery::{self, DestinationGet},
        },
        http_route, opaque_route,
        proxy_protocol::{Detect, Http1, Http2, Kind, Opaque},
    },
};

use super::{frame, profile::resource};
use crate::destination::objects::ObjectName;

/// Traffic to a port of this Service goes to the Service.
pub(crate) fn to_service(service: &ObjectName, port: u16, cluster_domain: &str) -> Bytes {
    let metadata = Some(resource(
        "core",
        "Service",
        &service.name,
        &service.namespace,
        port,
    ));
    let path = format!(
        "{}.{}.svc.{cluster_domain}:{port}",
        service.name, service.namespace
    );
    let discovery = endpoint_discovery::Kind::Dst(DestinationGet { path });
    let balancer = BalanceP2c {
        discovery: Some(EndpointDiscovery {
            kind: Some(discovery),
        }),
        load: Some(Load::PeakEwma(PeakEwma {
            default_rtt: Duration::from_millis(30).try_into().ok(),
            decay: Duration::from_secs(10).try_into().ok(),
        })),
    };
    let backend = Backend {
        metadata: metadata.clone(),
        queue: Some(Queue {
            capacity: 100,
            failfast_timeout: Duration::from_secs(3).try_into().ok(),
        }),
        kind: Some(backend::Kind::Balancer(balancer)),
    };
    let (opaque, http) = (opaque_route(backend.clone()), http_route(backend));
    let routes = vec![http];
    let protocol = Kind::Detect(Detect {
        timeout: Duration::from_secs(10).try_into().ok(),
        opaque: Some(Opaque {
            routes: vec![opaque],
        }),
        http1: Some(Http1 {
            routes: routes.clone(),
            failure_accrual: None,
        }),
        http2: Some(Http2 {
            routes,
            failure_accrual: None,
        }),
    });
    frame(&OutboundPolicy {
        metadata,
        protocol: Some(outbound::ProxyProtocol {
            kind: Some(protocol),
        }),
    })
}

/// The Service has no such port: nothing goes there.
pub(crate) fn undefined_port() -> Bytes {
    frame(&OutboundPolicy {
        metadata: Some(by_default("undefined-port")),
        protocol: Some(outbound::ProxyProtocol {
            kind: Some(Kind::Opaque(Opaque { routes: Vec::new() })),
        }),
    })
}

/// Everybody may speak to a port of a pod.
pub(crate) fn all_unauthenticated() -> Bytes {
    let name = "all-unauthenticated";
    let labels = [("group", ""), ("kind", "default"), ("name", name)];
    let labels: HashMap<_, _> = labels
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let network = |net: net::IpNetwork| Network {
        net: Some(net),
        except: Vec::new(),
    };
    let (v4, v6) = (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
    let detect = inbound::proxy_protocol::Detect {
        timeout: Duration::from_secs(10).try_into().ok(),
        ..Default::default()
    };
    frame(&Server {
        protocol: Some(inbound::ProxyProtocol {
            kind: Some(inbound::proxy_protocol::Kind::Detect(detect)),
        }),
        authorizations: vec![Authz {
            networks: vec![network((v4, 0).into()), network((v6, 0).into())],
            authentication: Some(Authn {
                permit: Some(Permit::Unauthenticated(PermitUnauthenticated {})),
            }),
            labels: labels.clone(),
            metadata: Some(by_default(name)),
        }],
        labels,
        ..Server::default()
    })
}

fn opaque_route(backend: Backend) -> OpaqueRoute {
    let backend = opaque_route::RouteBackend {
        backend: Some(backend),
        filters: Vec::new(),
    };
    let first = opaque_route::distribution::FirstAvailable {
        backends: vec![backend],
    };
    OpaqueRoute {
        metadata: Some(by_default("opaq")),
        rules: vec![opaque_route::Rule {
            backends: Some(opaque_route::Distribution {
                kind: Some(opaque_route::distribution::Kind::FirstAvailable(first)),
            }),
            filters: Vec::new(),
        }],
    }
}

fn http_route(backend: Backend) -> HttpRoute {
    let backend = http_route::RouteBackend {
        backend: Some(backend),
        ..Default::default()
    };
    let first = http_route::distribution::FirstAvailable {
        backends: vec![backend],
    };
    HttpRoute {
        metadata: Some(by_default("http")),
        hosts: Vec::new(),
        rules: vec![http_route::Rule {
            backends: Some(http_route::Distribution {
                kind: Some(http_route::distribution::Kind::FirstAvailable(first)),
            }),
            ..Default::default()
        }],
    }
}

/// What Linkerd has without anybody writing it.
fn by_default(name: &str) -> Metadata {
    Metadata {
        kind: Some(metadata::Kind::Default(name.to_owned())),
    }
}
