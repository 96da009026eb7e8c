//! HTTP/1.1 for outsiders: probes, Prometheus, whoever collects a recording.
//!
//! Whoever reaches the port may open connections and leave them. So their number and their times
//! have limits, and a new connection takes the place of one that waits: the kubelet and Prometheus
//! are answered meanwhile.

mod connections;

use std::{convert::Infallible, future::Future, time::Duration};

use axum::{Router, body::Body, response::IntoResponse};
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};

use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use self::connections::{Connection, Connections};
use super::{accept, end};

/// Connections of a server at once. Beyond, a new one takes the place of the one that has waited for
/// a request for longest, or else of the one whose response has lasted longest.
pub const MOST_CONNECTIONS: usize = 512;
/// The fewest connections of a server, where the limit of open files leaves fewer.
pub const FEWEST_CONNECTIONS: usize = 16;
/// How long the head of a request may take, from the end of the response before it, or from the
/// connection's beginning.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(8);
/// The largest head of a request, in bytes.
pub const LARGEST_HEAD: usize = 16 * 1024;
/// For how long a peer may take no byte of what is sent to it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long connections have to end when the server does.
const GRACE: Duration = Duration::from_secs(1);

/// Marks, among the extensions of a response, that it has no end by itself: a replica of `client` holds
/// one at `churn`. Half of a server's connections may have one; beyond, requests for another are answered
/// with 503.
#[derive(Clone, Copy, Debug)]
pub struct Endless;

/// How many connections there may be where the system lets the process open this many files, and it
/// needs `others` for other things.
#[must_use]
pub fn connections_within(limit: Option<u64>, others: u64) -> usize {
    let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(others));
    usize::try_from(left)
        .unwrap_or(usize::MAX)
        .clamp(FEWEST_CONNECTIONS, MOST_CONNECTIONS)
}

/// Serves `routes` until `stop` completes, with at most `most` connections; those under way then have
/// a second to end.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    most: usize,
    stop: impl Future<Output = ()>,
) {
    let held = Connections::new(most);
    let make_room = || held.close_one();
    let serve = |stream| connection(stream, routes.clone(), held.open());
    let connections = accept(listener, stop, make_room, serve).await;
    held.end();
    end(connections, GRACE).await;
}

async fn connection(stream: impl AsyncRead + AsyncWrite, routes: Router, connection: Connection) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service_fn(|request| answer(request, routes.clone(), connection.clone()));
    let mut served = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(LARGEST_HEAD)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
    );
    let served = tokio::select! {
        biased;
        () = connection.closed() => return,
        served = served.as_mut() => served,
        () = connection.ending() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    routes: Router,
    connection: Connection,
) -> Result<Response<Body>, Infallible> {
    connection.answers();
    let response = routes.oneshot(request.map(Body::new)).await?;
    let response = if response.extensions().get::<Endless>().is_none() || connection.begin_endless()
    {
        response
    } else {
        too_many()
    };
    Ok(response.map(|body| connection.until_sent(body)))
}

fn too_many() -> Response<Body> {
    let text = "as many readers as there may be follow already\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")], text).into_response()
}

#[cfg(test)]
mod tests;
