//! Connections to a real destination controller.

use std::{sync::Arc, time::Duration};

use tonic::{Status, transport::Endpoint};
use tower::{ServiceExt, util::BoxCloneSyncService};

use crate::world::Dial;

/// How long one try to connect may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Opens connections to `destination` (HOST:PORT): plaintext HTTP/2 with prior knowledge, one TCP
/// connection each, as a proxy has one.
///
/// HTTP/2 keepalive stays off: the controller sends GOAWAY to clients that ping more often than
/// every 5 minutes. Windows stay at hyper's defaults (2 MiB a stream, 5 MiB a connection): small
/// ones make h2 end the connection of a reader that lags behind many small frames.
///
/// # Errors
/// If that is no address.
pub fn dial(destination: &str) -> Result<Dial, String> {
    let endpoint = Endpoint::from_shared(format!("http://{destination}"))
        .map_err(|error| format!("{destination:?} is not HOST:PORT: {error}"))?
        .tcp_nodelay(true)
        .connect_timeout(TIMEOUT);
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
