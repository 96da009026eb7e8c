//! An HTTP/2 connection to a destination controller, replaced once the peer has left it.
//!
//! It stands on h2 itself. After a GOAWAY, streams that may run on do so, and the next one opens a
//! new connection. hyper's dispatcher notices a GOAWAY only when the next request comes, and cancels
//! that request; and neither hyper nor tonic says whether the peer had announced the end.

use std::{
    convert::Infallible,
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use dst_load_transport::world::Grpc;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use h2::{
    Reason,
    client::{ResponseFuture, SendRequest},
};
use http::{
    Request, Response, Uri,
    header::{HeaderValue, USER_AGENT},
    uri::{Authority, Scheme},
};
use http_body::Frame;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
};
use tonic::{Status, body::Body};
use tower::service_fn;

/// Whom requests are for.
pub(super) type Origin = (Scheme, Authority);

/// HTTP/2 windows, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Of a stream.
    pub(super) stream: u32,
    /// Of the connection.
    pub(super) connection: u32,
}

/// One connection, for as long as a stream of it or its channel holds it.
pub struct Connection {
    send: SendRequest<Bytes>,
    /// Dropped after `send`: h2 does not notice by itself that nobody can send any more.
    _held: oneshot::Sender<Infallible>,
}

/// Marks a request whose response is to be taken off the connection without opening the windows
/// again: to the peer that is a reader that does not read. Frames that h2 kept unread would end the
/// connection once there were many small ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct HoldsWindows;

/// What opens the windows of such a response, and of its connection, as its extension.
#[derive(Clone, Debug)]
pub(super) struct HeldWindows(h2::FlowControl);

/// Why there is no stream, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransportError {
    /// There is no connection.
    #[error("{error}")]
    Unconnected {
        /// Why.
        error: Arc<io::Error>,
    },
    /// HTTP/2 ended the stream.
    #[error("{error}")]
    Http2 {
        /// How.
        #[source]
        error: h2::Error,
        /// The reason of the GOAWAY that the peer had sent, if it had sent one.
        goaway: Option<Reason>,
    },
}

/// A connection that is being made, or has been: all who need it wait for one try.
type Attempt = Shared<BoxFuture<'static, Result<Arc<Connection>, Arc<io::Error>>>>;

/// Sends requests over a connection, and over a new one once that has ended or is being left.
struct Channel {
    origin: Origin,
    connect: Box<dyn Fn() -> Attempt + Send + Sync>,
    current: Mutex<Option<Attempt>>,
}

/// A response's body.
struct Incoming {
    stream: h2::RecvStream,
    connection: Arc<Connection>,
    /// Whether what is read opens the windows again.
    releases: bool,
    /// Whether all data has been read, so that trailers are next.
    data_ended: bool,
}

/// hyper's defaults.
pub(super) const DEFAULT_WINDOWS: Windows = Windows {
    stream: 2 * 1024 * 1024,
    connection: 5 * 1024 * 1024,
};
/// The largest frame that is taken, bytes: the protocol's smallest, as hyper announces it.
const MAX_FRAME: u32 = 16 * 1024;
/// The most headers that are taken, bytes.
const MAX_HEADERS: u32 = 16 * 1024;
/// What may wait to be sent, bytes.
const MAX_SEND_BUFFER: usize = 1024 * 1024;
/// Streams that may be opened before the peer has said how many it takes.
const MAX_STREAMS_AT_FIRST: usize = 100;

/// Connects with `connect`, which is called again for each later connection.
///
/// # Errors
/// Why there is no first connection.
pub(super) async fn open<C, F, S>(
    origin: Origin,
    windows: Windows,
    connect: C,
) -> Result<Grpc, Status>
where
    C: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connect = Box::new(move || {
        let connected = connect();
        let made = async move { Connection::over(connected.await?, windows).await };
        // A task of its own: who waits for it may give up earlier, and others wait too.
        let made = tokio::spawn(made).map(|made| match made {
            Ok(made) => made.map(Arc::new).map_err(Arc::new),
            Err(error) => Err(Arc::new(io::Error::other(error))),
        });
        made.boxed().shared()
    });
    let channel = Arc::new(Channel {
        origin,
        connect,
        current: Mutex::new(None),
    });
    channel.connection().await?;
    Ok(Grpc::new(service_fn(move |request| {
        let channel = Arc::clone(&channel);
        async move { channel.send(request).await }
    })))
}

// === impl Connection ===

impl Connection {
    async fn over<S>(socket: S, windows: Windows) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, connection) = h2::client::Builder::new()
            .initial_window_size(windows.stream)
            .initial_connection_window_size(windows.connection)
            .max_frame_size(MAX_FRAME)
            .max_header_list_size(MAX_HEADERS)
            .max_send_buffer_size(MAX_SEND_BUFFER)
            .initial_max_send_streams(MAX_STREAMS_AT_FIRST)
            .enable_push(false)
            .handshake(socket)
            .await
            .map_err(io::Error::other)?;
        let (held, dropped) = oneshot::channel();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                _ = dropped => connection.await,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        });
        Ok(Self { send, _held: held })
    }

    /// The error with which h2 refuses new streams; `None` while it takes them.
    fn refusal(&self) -> Option<h2::Error> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.send.clone().poll_ready(&mut cx) {
            Poll::Ready(Err(error)) => Some(error),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        }
    }

    /// The reason of the GOAWAY that the peer has sent, if it has sent one.
    pub(super) fn goaway(&self) -> Option<Reason> {
        let refusal = self.refusal()?;
        let said = refusal.is_go_away() && refusal.is_remote();
        refusal.reason().filter(|_| said)
    }

    fn failed(&self, error: h2::Error) -> Status {
        Status::from_error(Box::new(TransportError::Http2 {
            error,
            goaway: self.goaway(),
        }))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

// === impl Channel ===

impl Channel {
    /// A connection, and whether it was made for this call. One that was made before takes new
    /// streams. A new one may have ended again by now, and is not replaced at once: a server that
    /// closes every connection would be given no rest.
    async fn connection(&self) -> Result<(Arc<Connection>, bool), Status> {
        loop {
            let (attempt, is_new) = self.attempt();
            match attempt.clone().await {
                Ok(connection) if is_new || connection.refusal().is_none() => {
                    return Ok((connection, is_new));
                }
                Ok(_) => self.forget(&attempt),
                Err(error) => {
                    self.forget(&attempt);
                    let error = TransportError::Unconnected { error };
                    return Err(Status::from_error(Box::new(error)));
                }
            }
        }
    }

    /// The current connection, or else a new one.
    fn attempt(&self) -> (Attempt, bool) {
        let mut current = self.current.lock();
        match &*current {
            Some(attempt) => (attempt.clone(), false),
            None => (current.insert((self.connect)()).clone(), true),
        }
    }

    fn forget(&self, attempt: &Attempt) {
        self.current
            .lock()
            .take_if(|current| current.ptr_eq(attempt));
    }

    /// Opens a stream with this request's head.
    async fn begin(
        &self,
        head: &Request<()>,
    ) -> Result<(Arc<Connection>, ResponseFuture, h2::SendStream<Bytes>), Status> {
        loop {
            let (connection, is_new) = self.connection().await?;
            match connection.send.clone().send_request(head.clone(), false) {
                Ok((response, body)) => return Ok((connection, response, body)),
                Err(error) if is_new => return Err(connection.failed(error)),
                // It ended since: nothing was sent.
                Err(_) => {}
            }
        }
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (mut parts, body) = request.into_parts();
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(self.origin.0.clone());
        uri.authority = Some(self.origin.1.clone());
        let holds = parts.extensions.remove::<HoldsWindows>().is_some();
        parts.uri = Uri::from_parts(uri)
            .map_err(|error| Status::internal(format!("request without a path: {error}")))?;
        parts
            .headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!(
                "dst-load-controller/",
                env!("CARGO_PKG_VERSION")
            )));
        let body = body.collect().await?.to_bytes();
        let head = Request::from_parts(parts, ());
        let (connection, response, mut sending) = self.begin(&head).await?;
        // If that fails, the response says why.
        let _ = sending.send_data(body, true);
        drop(sending);
        let response = response.await.map_err(|error| connection.failed(error))?;
        let mut held = None;
        let mut response = response.map(|mut stream| {
            held = holds.then(|| HeldWindows(stream.flow_control().clone()));
            Body::new(Incoming {
                stream,
                connection: Arc::clone(&connection),
                releases: !holds,
                data_ended: false,
            })
        });
        let extensions = response.extensions_mut();
        extensions.insert(connection);
        if let Some(held) = held {
            extensions.insert(held);
        }
        Ok(response)
    }
}

// === impl HeldWindows ===

impl HeldWindows {
    /// Opens the windows again by what `bytes` of data have taken.
    pub(super) fn release(&mut self, bytes: usize) {
        // It fails for a stream that has ended: then there is no window to open.
        let _ = self.0.release_capacity(bytes);
    }
}

// === impl Incoming ===

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if !this.data_ended {
            match ready!(this.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    if this.releases {
                        // It fails for a stream that has ended: then there is no window to open.
                        let _ = this.stream.flow_control().release_capacity(data.len());
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(this.connection.failed(error)))),
                None => this.data_ended = true,
            }
        }
        Poll::Ready(match ready!(this.stream.poll_trailers(cx)) {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) => Some(Err(this.connection.failed(error))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}
