//! The policy API, as far as a proxy watches it: one message for each stream, and silence.
//!
//! In Linkerd another container serves it. Here it is on the destination's own address, and says
//! what Linkerd says where nobody has written a policy: traffic to a Service goes to the Service,
//! and everybody may speak to a pod. Pods of any name are taken to be there, since those of virtual
//! clients are not. Its calls are not in the destination's metrics.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use linkerd2_proxy_api::{
    inbound::PortSpec,
    outbound::{TrafficSpec, traffic_spec::Target},
};
use tonic::{Status, body::Body};

use super::{Shared, directory::profiles::Subject, encode::policy, service::read};

/// A method of the policy API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// How to speak to an address.
    Outbound,
    /// Who may speak to a port of a pod.
    Inbound,
}

// === impl Method ===

impl Method {
    /// The method of this path, if it is one that is served.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/io.linkerd.proxy.outbound.OutboundPolicies/Watch" => Some(Self::Outbound),
            "/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort" => Some(Self::Inbound),
            _ => None,
        }
    }

    /// Answers one call.
    pub(super) async fn answer<B>(self, shared: &Shared, body: B) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: fmt::Display,
    {
        match self.said(shared, body).await {
            Ok(message) => watch(shared, message),
            Err(status) => status.into_http(),
        }
    }

    async fn said<B>(self, shared: &Shared, body: B) -> Result<Bytes, Status>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: fmt::Display,
    {
        match self {
            Self::Outbound => {
                let spec: TrafficSpec = read(body).await?;
                shared.synced.wait().await;
                outbound(shared, spec)
            }
            Self::Inbound => {
                let spec: PortSpec = read(body).await?;
                let PortSpec { workload, port } = spec;
                if workload.is_empty() {
                    return Err(Status::invalid_argument("Invalid workload: "));
                }
                if u16::try_from(port).unwrap_or(0) == 0 {
                    return Err(Status::invalid_argument(format!("Invalid port: {port}")));
                }
                Ok(policy::all_unauthenticated())
            }
        }
    }
}

fn outbound(shared: &Shared, spec: TrafficSpec) -> Result<Bytes, Status> {
    let invalid = |_| Status::invalid_argument("failed to parse target addr");
    let path = match spec.target {
        Some(Target::Addr(address)) => SocketAddr::try_from(address).map_err(invalid)?.to_string(),
        Some(Target::Authority(authority)) => authority,
        None => return Err(Status::invalid_argument("target is required")),
    };
    let hub = shared.hub.lock();
    let domain = &hub.config.cluster_domain;
    match hub.directory.subject(&path, domain)? {
        Subject::Service(name, port) => Ok(policy::to_service(&name, port, domain)),
        Subject::NoPort => Ok(policy::undefined_port()),
        Subject::Address(_) => Err(Status::not_found("No such service")),
    }
}

/// A stream of this message and nothing more, which ends with status OK when the destination stops.
fn watch(shared: &Shared, message: Bytes) -> http::Response<Body> {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let stopped = shared.stop.clone().cancelled_owned();
    let end = stopped.map(|()| Frame::trailers(trailers));
    let first = stream::once(future::ready(Frame::data(message)));
    let frames = first.chain(end.into_stream()).map(Ok::<_, Status>);
    let mut response = http::Response::new(Body::new(StreamBody::new(frames)));
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/grpc"),
    );
    response
}
