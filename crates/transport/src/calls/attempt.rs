//! One attempt of a call: it waits for its turn, is sent, and has a time for its answer.

use std::{sync::Arc, time::Duration};

use dst_load_scenario::words::chain;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::{client::Body, core::Status};
use thiserror::Error;
use tower::BoxError;

use super::{Call, answer};

/// Why an attempt was not answered.
#[derive(Debug, Error)]
pub(super) enum AttemptError {
    /// There was no connection, or it ended before the answer was whole.
    #[error("{}", chain(&**.0))]
    Connection(BoxError),
    /// The time was up.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// The refusal that an answer holds, in its extensions.
#[derive(Clone)]
pub(super) struct Refusal(pub(super) Arc<Status>);

// === impl Call ===

impl Call {
    /// Sends the request once.
    pub(super) async fn attempt(
        self,
        kube: kube::Client,
        request: Request<Body>,
    ) -> Result<Response<Body>, AttemptError> {
        let Self {
            shared,
            options,
            trace,
        } = self;
        if !options.urgent {
            shared.rate.turn().await;
        }
        // Closed is the only error, and nobody closes it.
        let _permit = shared.permits.acquire().await;
        trace.sent(shared.clock.now());
        let exchange = async {
            let response = kube.send(request).await?;
            // A refusal ends soon, and has reasons that only the whole of it tells.
            let code = response.status();
            let refused = code.is_client_error() || code.is_server_error();
            if options.streams && !refused {
                return Ok(response);
            }
            whole(response).await
        };
        let timeout = shared.limits.timeout;
        let answer = match tokio::time::timeout(timeout, exchange).await {
            Ok(answer) => answer.map_err(AttemptError::Connection),
            Err(_) => Err(AttemptError::Timeout(timeout)),
        };
        trace.answered(shared.clock.now());
        answer
    }
}

/// The response with its whole body; a refusal's is a `Status`, whoever answered.
async fn whole(response: Response<Body>) -> Result<Response<Body>, BoxError> {
    let (mut parts, body) = response.into_parts();
    let mut body = body.collect().await?.to_bytes();
    if !parts.status.is_success() {
        let status = answer::status(parts.status, &body);
        body = serde_json::to_vec(&status)?.into();
        parts.extensions.insert(Refusal(Arc::new(status)));
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

// === impl AttemptError ===

impl AttemptError {
    /// As a caller of kube's client expects it: with the client's own error.
    pub(super) fn into_cause(self) -> BoxError {
        match self {
            Self::Connection(cause) => cause,
            timeout @ Self::Timeout(_) => timeout.into(),
        }
    }
}
