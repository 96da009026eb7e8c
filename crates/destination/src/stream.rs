//! One stream, from its request to its end.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use dst_load_scenario::{quantity::Bytes as Size, scenario::Reader, time::At};
use dst_load_transport::{clock::Clock, world::Grpc};
use http_body_util::{BodyExt as _, Full};
use linkerd2_proxy_api::destination::GetDestination;
use prost::Message;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use super::{
    connection::{Connection, HeldWindows, HoldsWindows},
    ending::{Ended, Ending, Violation},
    frames::{Frames, Next, status},
};

/// A call of the Destination API that is answered with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The endpoints of a Service.
    Get,
    /// What is known of an address or a name.
    GetProfile,
    /// The policy API: how to speak to an address.
    WatchOutbound,
    /// The policy API: who may speak to a port of a pod.
    WatchInbound,
    /// None that exists.
    Unknown,
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
            Self::WatchOutbound => "/io.linkerd.proxy.outbound.OutboundPolicies/Watch",
            Self::WatchInbound => "/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort",
            Self::Unknown => "/io.linkerd.proxy.destination.Destination/Identify",
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
    framed(&GetDestination {
        scheme: "k8s".into(),
        path: authority.into(),
        context_token: token.into(),
    })
}

/// The body of a request with this message.
#[must_use]
pub fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = BytesMut::with_capacity(length + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(length).expect("invariant: a request is far below 4 GiB"));
    message
        .encode(&mut framed)
        .expect("invariant: the buffer grows as needed");
    framed.freeze()
}

/// Sends the request and hands each message to `on_message`, with the instant at which its last
/// bytes had arrived, until the stream ends. Returns how it ended. The headers of a gRPC response
/// are shown to `on_response`.
///
/// An empty Service sends nothing, not even headers: this then waits, as a proxy would.
pub async fn read(
    mut grpc: Grpc,
    method: Method,
    clock: Clock,
    request: Bytes,
    on_response: impl FnOnce(&http::HeaderMap),
    mut on_message: impl FnMut(At, &[u8]) -> Result<(), Violation>,
) -> Ended {
    let request = head(method.path(), request);
    let (connection, response) = match call(&mut grpc, request, on_response).await {
        Ok(answered) => answered,
        Err(ended) => return ended,
    };
    let mut frames = Frames::new(response.into_body());
    loop {
        match frames.next().await {
            Next::Ended(ending) => return Ended::new(ending, connection),
            Next::Arrived => {
                let at = clock.now();
                if let Err(violation) = frames.each(|message| on_message(at, message)) {
                    return Ended::new(violation.into(), connection);
                }
            }
        }
    }
}

/// How often a reader that reads a little does.
const TRICKLE: Duration = Duration::from_millis(100);

/// Asks for endpoints and does not read the answer, or no more of it than `reader` does, until the
/// stream ends. Returns how it ended. Bytes that have come, read or not, are shown to `on_bytes`.
///
/// Over HTTP/2 they are taken off the connection, and what they fill of its windows is not opened
/// again: to the peer that is a reader that does not read. Where there is no HTTP/2 nothing is taken.
pub async fn stall(
    mut grpc: Grpc,
    request: Bytes,
    reader: Reader,
    on_response: impl FnOnce(&http::HeaderMap),
    mut on_bytes: impl FnMut(usize),
) -> Ended {
    let mut request = head(Method::Get.path(), request);
    let reads_at_once = matches!(reader, Reader::SmallWindows { .. });
    if !reads_at_once {
        request.extensions_mut().insert(HoldsWindows);
    }
    let (connection, mut response) = match call(&mut grpc, request, on_response).await {
        Ok(answered) => answered,
        Err(ended) => return ended,
    };
    let mut windows = response.extensions_mut().remove::<HeldWindows>();
    let mut body = response.into_body();
    // Bytes a second, and what has come and is not read.
    let (rate, mut unread) = match reader {
        Reader::Never | Reader::SmallWindows { .. } => (0, 0_usize),
        Reader::Trickle { rate: Size(rate) } => (rate, 0),
    };
    let each = usize::try_from(rate.div_ceil(10)).unwrap_or(usize::MAX);
    let mut ticks = tokio::time::interval(TRICKLE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = ticks.tick(), if unread > 0 && rate > 0 => {
                let read = unread.min(each);
                unread -= read;
                if let Some(windows) = &mut windows {
                    windows.release(read);
                }
            }
            // Without windows the peer keeps what nobody takes.
            frame = body.frame(), if windows.is_some() || reads_at_once || rate > 0 && unread == 0 => {
                let ending = match frame {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => {
                            unread += data.len();
                            on_bytes(data.len());
                            continue;
                        }
                        Err(frame) => match frame.into_trailers() {
                            Ok(trailers) => status(&trailers),
                            Err(_) => continue,
                        },
                    },
                    Some(Err(status)) => Ending::of(&status),
                    None => Violation("end without trailers").into(),
                };
                return Ended::new(ending, connection);
            }
            () = std::future::pending() => {}
        }
    }
}

/// Sends the request, and shows the headers of a gRPC response to `on_response`.
///
/// # Errors
/// How the stream has ended, where that is all there is.
async fn call(
    grpc: &mut Grpc,
    request: http::Request<Body>,
    on_response: impl FnOnce(&http::HeaderMap),
) -> Result<(Option<Arc<Connection>>, http::Response<Body>), Ended> {
    let called = async { grpc.ready().await?.call(request).await };
    let mut response = match called.await {
        Ok(response) => response,
        Err(status) => return Err(Ended::new(Ending::of(&status), None)),
    };
    let connection = response.extensions_mut().remove::<Arc<Connection>>();
    let headers = response.headers();
    if is_grpc(headers) {
        on_response(headers);
    }
    if headers.contains_key("grpc-status") {
        return Err(Ended::new(status(headers), connection));
    }
    if response.status() != http::StatusCode::OK {
        return Err(Ended::new(Ending::http(response.status()), connection));
    }
    Ok((connection, response))
}

/// Asks for a method that no destination has, so that one without endpoints says whose it is all
/// the same: Linkerd's gRPC library refuses it before any handler runs. Shows the answer's headers
/// to `on_response`.
pub async fn identify(grpc: Grpc, clock: Clock, on_response: impl FnOnce(&http::HeaderMap)) {
    let empty = Bytes::from_static(&[0; 5]);
    let ended = read(grpc, Method::Unknown, clock, empty, on_response, |_, _| {
        Ok(())
    })
    .await;
    tracing::debug!(answer = ?ended.ending(), "asked the destination whose it is");
}

/// A request with this body, a framed message.
fn head(path: &str, message: Bytes) -> http::Request<Body> {
    http::Request::post(path)
        .version(http::Version::HTTP_2)
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .body(Body::new(Full::new(message)))
        .expect("invariant: the request's parts are constants")
}

/// Whether a response is gRPC's, and not of something that lies between.
fn is_grpc(headers: &http::HeaderMap) -> bool {
    let content = headers.get(http::header::CONTENT_TYPE);
    content.is_some_and(|content| content.as_bytes().starts_with(b"application/grpc"))
}
