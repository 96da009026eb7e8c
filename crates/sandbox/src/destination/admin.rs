//! The admin port: `/metrics`, `/ready` and `/ping`, and no `/live`, as Linkerd's has none.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use super::{Destination, metrics};

pub(super) fn router(destination: Destination) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .route("/ready", get(ready))
        .route("/ping", get(async || "pong\n"))
        .with_state(destination)
}

async fn scrape(State(destination): State<Destination>) -> impl IntoResponse {
    let text = metrics::encode(&destination.shared);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

async fn ready(State(destination): State<Destination>) -> (StatusCode, &'static str) {
    if destination.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "not ready\n")
    }
}
