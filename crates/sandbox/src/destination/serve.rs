//! The Destination API on a socket: plaintext HTTP/2 with the limits of a Go gRPC server.

use std::time::Duration;

use dst_load_transport::listen::{accept, end, preface::Preface};
use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::Destination;

/// Go gRPC's write quota of a stream: what is buffered before its queue starts to fill.
const SEND_BUFFER: usize = 64 * 1024;
/// How long connections get to say goodbye.
const GRACE: Duration = Duration::from_secs(1);

/// Serves `destination` on `listener` until `cancel`; then shuts the destination down, which ends
/// its streams with status OK, and gives connections a second to finish.
pub async fn serve(listener: TcpListener, destination: Destination, cancel: CancellationToken) {
    // Their number has no limit: whoever tests it opens thousands.
    let serve = |socket| connection(socket, destination.clone(), cancel.clone());
    let connections = accept(listener, cancel.cancelled(), || {}, serve).await;
    destination.shutdown().await;
    if end(connections, GRACE).await {
        tracing::debug!("connections are cut that clients keep open");
    }
}

async fn connection(socket: TcpStream, destination: Destination, cancel: CancellationToken) {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(None)
        // Clients may drop any number of streams at once; this is no public server to be flooded.
        .max_pending_accept_reset_streams(usize::MAX)
        .max_local_error_reset_streams(usize::MAX)
        .max_send_buf_size(SEND_BUFFER)
        .auto_date_header(false);
    let service = TowerToHyperService::new(destination);
    let connection = builder.serve_connection(TokioIo::new(Preface::expect(socket)), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        () = cancel.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended");
    }
}
