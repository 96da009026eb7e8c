//! The admin server: `/metrics` encoded from state when it is scraped, `/ready`, `/live`.
//!
//! It holds no state of its own, and other routes may be merged into it.

use std::{
    fmt, future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use dst_load_transport::{
    files,
    listen::{self, ADMIN_PORT, Listen, ListenError},
};
use prometheus_client::{encoding::text, registry::Registry};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// The flag that says where it listens.
const FLAG: &str = "--admin-addr";

/// What Prometheus expects of OpenMetrics text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Encodes all metrics, from state, now.
pub type Encode = Arc<dyn Fn() -> Result<String, fmt::Error> + Send + Sync>;

/// Whether the work has begun, as `/ready` tells it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

/// A bound admin port that is not served yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

/// An [`Encode`] for a registry that is complete.
#[must_use]
pub fn encode(registry: Registry) -> Encode {
    Arc::new(move || {
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    })
}

/// The three routes that every command serves.
pub fn routes(encode: Encode, readiness: Readiness) -> Router {
    let metrics = move || async move {
        match encode() {
            Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    };
    let ready = move || async move {
        if readiness.is_ready() {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/live", get(|| async { "live\n" }))
}

// === impl Readiness ===

impl Readiness {
    /// Says that the work has begun, or that it has ended.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

// === impl Admin ===

impl Admin {
    /// Listens where `wanted` says, and by default on [`ADMIN_PORT`], or on a free port if that one is in
    /// use: churn and client run side by side on a laptop. The address is logged.
    ///
    /// # Errors
    ///
    /// If it cannot listen there.
    pub async fn bind(wanted: Option<Listen>) -> Result<Self, ListenError> {
        let (listener, address) = match wanted {
            Some(wanted) => wanted.bind(FLAG).await?,
            None => Listen::port(ADMIN_PORT).bind_or_free(FLAG).await?,
        };
        if wanted.is_some() || address.port() == ADMIN_PORT {
            tracing::info!(%address, "admin server");
        } else {
            tracing::info!(%address, in_use = ADMIN_PORT, "admin server on a free port");
        }
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `routes` until what is returned is dropped, beside `others` files that the process needs.
    /// It is a task of its own, so that probes are answered while others are busy.
    pub fn serve(self, routes: Router, others: u64) -> AbortOnDropHandle<()> {
        let most = listen::http::connections_within(files::limit(), others);
        let served = listen::http::serve(self.listener, routes, most, future::pending());
        AbortOnDropHandle::new(tokio::spawn(served))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(routes: Router, path: &str) -> (StatusCode, String) {
        let request = http::Request::get(path).body(axum::body::Body::empty());
        let response = routes.oneshot(request.unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_follows_the_work_and_live_does_not() {
        let readiness = Readiness::default();
        let routes = routes(encode(Registry::default()), readiness.clone());
        assert_eq!(
            ask(routes.clone(), "/ready").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(ask(routes.clone(), "/live").await.0, StatusCode::OK);
        readiness.set(true);
        assert_eq!(ask(routes.clone(), "/ready").await.0, StatusCode::OK);
        assert_eq!(
            ask(routes, "/metrics").await,
            (StatusCode::OK, "# EOF\n".into())
        );
    }
}
