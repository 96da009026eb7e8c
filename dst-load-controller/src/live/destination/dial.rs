//! Connections to a real destination controller.

use std::{sync::Arc, time::Duration};

use tonic::{Status, transport::Endpoint};
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::{model::scenario::Lifecycle, world::Dial};

/// How long one try to connect may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A proxy's HTTP/2 window of a stream, bytes.
const PROXY_STREAM_WINDOW: u32 = 65_535;
/// A proxy's HTTP/2 window of a connection, bytes.
const PROXY_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Opens connections to `destination` (HOST:PORT): plaintext HTTP/2 with prior knowledge, one TCP
/// connection each, as a proxy has one.
///
/// HTTP/2 keepalive stays off: the controller sends GOAWAY to clients that ping more often than
/// every 5 minutes. Windows stay at hyper's defaults (2 MiB a stream, 5 MiB a connection), or are
/// a proxy's where streams live as a proxy's do. Smaller ones make h2 end the connection of a
/// reader that lags behind many small frames (each frame below 256 bytes that nobody has read
/// counts against half the connection's window): with a proxy's windows that takes some 2,000 such
/// frames, and streams are read at once here.
///
/// # Errors
/// If that is no address.
pub fn dial(destination: &str, lifecycle: Lifecycle) -> Result<Dial, String> {
    let mut endpoint = Endpoint::from_shared(format!("http://{destination}"))
        .map_err(|error| format!("{destination:?} is not HOST:PORT: {error}"))?
        .tcp_nodelay(true)
        .connect_timeout(TIMEOUT);
    if lifecycle == Lifecycle::Proxy {
        endpoint = endpoint
            .initial_stream_window_size(PROXY_STREAM_WINDOW)
            .initial_connection_window_size(PROXY_CONNECTION_WINDOW);
    }
    Ok(Arc::new(move || {
        let endpoint = endpoint.clone();
        Box::pin(async move {
            let channel = endpoint
                .connect()
                .await
                .map_err(|error| Status::unavailable(root(&error)))?;
            Ok(BoxCloneSyncService::new(
                channel.map_err(|error| Status::from_error(Box::new(error))),
            ))
        })
    }))
}

/// The innermost reason: the layers above it say only "transport error".
fn root(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
