//! The Destination API as a tower service: requests in, one framed stream of updates out.
//!
//! As with the real controller, response headers go out with the first message or the end, so the
//! future of a call on an empty Service stays pending.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use dst_load_transport::world::REFERENCE_HEADER;
use futures::future::BoxFuture;
use http_body::Frame;
use http_body_util::BodyExt as _;
use linkerd2_proxy_api::destination::GetDestination;
use prost::Message;
use tonic::{Code, Status, body::Body};

use super::{
    Destination, Shared,
    hub::{Method, StreamSlot},
    policy,
    queue::Hold,
};

const SERVICE: &str = "/io.linkerd.proxy.destination.Destination/";

/// One call, from its start to its end; it is counted and unsubscribed when it is dropped.
#[derive(Debug)]
struct Call {
    shared: Arc<Shared>,
    method: Method,
    slot: Option<StreamSlot>,
    /// A call that the client cancels counts as OK.
    code: Code,
}

/// The response body of a call.
#[derive(Debug)]
struct Updates {
    call: Call,
    hold: Hold,
    ended: bool,
}

// === impl Destination ===

/// Answers `Get` and `GetProfile`. Each clone stands for one connection.
impl<B> tower::Service<http::Request<B>> for Destination
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: fmt::Display,
{
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move {
            let name = request.uri().path().strip_prefix(SERVICE);
            let mut response = if let Some(method) = name.and_then(|it| it.parse().ok()) {
                let mut call = Call::start(shared, method);
                match call.open(request).await {
                    Ok(()) => call.respond().await,
                    Err(status) => call.refuse(&status),
                }
            } else if let Some(method) = policy::Method::of(request.uri().path()) {
                method.answer(&shared, request.into_body()).await
            } else {
                let text = format!("unknown method {}", request.uri().path());
                Status::unimplemented(text).into_http()
            };
            // Whoever measures it must not take it for Linkerd's.
            let version = http::HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
            response.headers_mut().insert(REFERENCE_HEADER, version);
            Ok(response)
        })
    }
}

// === impl Call ===

impl Call {
    fn start(shared: Arc<Shared>, method: Method) -> Self {
        shared.hub.lock().count_start(method);
        Self {
            shared,
            method,
            slot: None,
            code: Code::Ok,
        }
    }

    async fn open<B>(&mut self, request: http::Request<B>) -> Result<(), Status>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: fmt::Display,
    {
        let get: GetDestination = read(request.into_body()).await?;
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => {
                return Err(Status::unavailable("destination is shutting down"));
            }
            _ = self.shared.synced.wait() => {}
        }
        let mut hub = self.shared.hub.lock();
        let slot = match self.method {
            Method::Get => hub.open(&get.path, &get.context_token),
            Method::GetProfile => hub.open_profile(&get.path),
        }?;
        drop(hub);
        self.slot = Some(slot);
        Ok(())
    }

    /// Waits for the first message or the end, and makes the response of it.
    async fn respond(self) -> http::Response<Body> {
        let mut updates = Updates {
            call: self,
            hold: None,
            ended: false,
        };
        std::future::poll_fn(|cx| updates.poll_ready(cx)).await;
        let mut response = http::Response::new(Body::new(updates));
        response.headers_mut().insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/grpc"),
        );
        response
    }

    /// A response that is nothing but its trailers.
    fn refuse(&mut self, status: &Status) -> http::Response<Body> {
        self.code = status.code();
        status.clone().into_http()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut hub = self.shared.hub.lock();
        if let Some(slot) = &self.slot {
            hub.close(slot);
        }
        hub.count_end(self.method, self.code);
    }
}

/// The largest request, in bytes, as of a Go gRPC server.
const LARGEST_REQUEST: usize = 4 << 20;

/// Reads the one message of a request.
pub(super) async fn read<M, B>(body: B) -> Result<M, Status>
where
    M: Message + Default,
    B: http_body::Body<Data = Bytes>,
    B::Error: fmt::Display,
{
    let mut body = std::pin::pin!(body);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::internal(format!("request: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > LARGEST_REQUEST {
            let text =
                format!("grpc: received message larger than max ({length} vs. {LARGEST_REQUEST})");
            return Err(Status::resource_exhausted(text));
        }
        bytes.extend_from_slice(&data);
    }
    if bytes.remaining() < 5 || bytes.get_u8() != 0 {
        return Err(Status::internal("request is not one uncompressed message"));
    }
    let length = bytes.get_u32() as usize;
    if bytes.remaining() != length {
        let text = format!("request of {length} bytes has {}", bytes.remaining());
        return Err(Status::internal(text));
    }
    M::decode(bytes).map_err(|error| Status::internal(format!("request: {error}")))
}

// === impl Updates ===

impl Updates {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.call.slot {
            Some(slot) => slot.queue.poll_ready(cx, &mut self.hold),
            None => Poll::Ready(()),
        }
    }
}

impl http_body::Body for Updates {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        ready!(self.poll_ready(cx));
        let next = self.call.slot.as_ref().and_then(|slot| slot.queue.take());
        Poll::Ready(match next {
            Some(Ok(frame)) => {
                let sent = self.call.shared.sent(self.call.method);
                sent.fetch_add(1, Ordering::Relaxed);
                Some(Ok(Frame::data(frame)))
            }
            Some(Err(status)) => {
                self.ended = true;
                self.call.code = status.code();
                let mut trailers = http::HeaderMap::new();
                Some((status.add_header(&mut trailers)).map(|()| Frame::trailers(trailers)))
            }
            None => None,
        })
    }
}
