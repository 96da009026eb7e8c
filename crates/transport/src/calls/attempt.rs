//! One attempt of a call: it waits for its turn, is sent, and has a time for its answer.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use dst_load_scenario::words::chain;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::{client::Body, core::Status};
use thiserror::Error;
use tower::{BoxError, Service, ServiceExt as _};

use super::{CallOptions, CallTrace, Shared, answer};

/// Sends a request once.
#[derive(Clone)]
pub(super) struct Attempt<S> {
    shared: Arc<Shared>,
    options: CallOptions,
    trace: CallTrace,
    send: S,
}

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

// === impl Attempt ===

impl<S> Attempt<S> {
    pub(super) fn new(
        shared: &Arc<Shared>,
        options: CallOptions,
        trace: CallTrace,
        send: S,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            options,
            trace,
            send,
        }
    }
}

impl<S> Service<Request<Body>> for Attempt<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = AttemptError;
    type Future = BoxFuture<'static, Result<Response<Body>, AttemptError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AttemptError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self {
            shared,
            options,
            trace,
            send,
        } = self.clone();
        async move {
            if !options.urgent {
                shared.rate.turn().await;
            }
            // Closed is the only error, and nobody closes it.
            let _permit = shared.permits.acquire().await;
            trace.sent(shared.clock.now());
            let exchange = async {
                let response = send.oneshot(request).await.map_err(Into::into)?;
                if options.streams {
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
        .boxed()
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
