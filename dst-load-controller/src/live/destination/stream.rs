//! One stream, from its request to its end.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::Full;
use linkerd2_proxy_api::destination::GetDestination;
use prost::Message;
use tonic::{Code, Status, body::Body};
use tower::{Service, ServiceExt};

use super::frames::{Frames, Next, status};
use crate::{live::clock::Clock, model::time::At, world::Grpc};

/// A call of the Destination API that is answered with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The endpoints of a Service.
    Get,
    /// What is known of an address.
    GetProfile,
}

/// Who asks: a virtual client pod, as the proxy injector writes it into a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The pod's namespace.
    pub namespace: String,
    /// Its Node; empty if none is known.
    pub node: String,
    /// Its name.
    pub pod: String,
}

// === impl Method ===

impl Method {
    const fn path(self) -> &'static str {
        match self {
            Self::Get => "/io.linkerd.proxy.destination.Destination/Get",
            Self::GetProfile => "/io.linkerd.proxy.destination.Destination/GetProfile",
        }
    }
}

// === impl Identity ===

impl Identity {
    /// The context token, as the controller parses it.
    #[must_use]
    pub fn token(&self) -> String {
        serde_json::json!({"ns": self.namespace, "nodeName": self.node, "pod": self.pod})
            .to_string()
    }
}

/// The body of a request for `authority`, framed: streams that are opened again share it.
#[must_use]
pub fn request(authority: &str, token: &str) -> Bytes {
    let get = GetDestination {
        scheme: "k8s".into(),
        path: authority.into(),
        context_token: token.into(),
    };
    let length = get.encoded_len();
    let mut framed = BytesMut::with_capacity(length + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(length).expect("invariant: a request is far below 4 GiB"));
    get.encode(&mut framed)
        .expect("invariant: the buffer grows as needed");
    framed.freeze()
}

/// Sends the request and hands each message to `on_message`, with the instant at which its last
/// bytes had arrived, until the stream ends. Returns how it ended.
///
/// An empty Service sends nothing, not even headers: this then waits, as a proxy would.
pub async fn read(
    mut grpc: Grpc,
    method: Method,
    clock: Clock,
    request: Bytes,
    mut on_message: impl FnMut(At, &[u8]) -> Result<(), Status>,
) -> Status {
    let request = http::Request::post(method.path())
        .version(http::Version::HTTP_2)
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .body(Body::new(Full::new(request)))
        .expect("invariant: the request's parts are constants");
    let called = async { grpc.ready().await?.call(request).await };
    let response = match called.await {
        Ok(response) => response,
        Err(status) => return status,
    };
    if response.headers().contains_key("grpc-status") {
        return status(response.headers());
    }
    if response.status() != http::StatusCode::OK {
        return Status::new(
            Code::Unavailable,
            format!("HTTP status {}", response.status()),
        );
    }
    let mut frames = Frames::new(response.into_body());
    loop {
        match frames.next().await {
            Next::Ended(status) => return status,
            Next::Arrived => {
                let at = clock.now();
                if let Err(status) = frames.each(|message| on_message(at, message)) {
                    return status;
                }
            }
        }
    }
}
