//! The bodies of requests, bounded.

use std::time::Duration;

use axum::extract::Request;
use bytes::Bytes;
use serde_json::Value;
use tokio::time::timeout;

use crate::kubernetes::status::Refusal;

/// etcd refuses larger objects too.
const LIMIT: usize = 3 << 20;

/// How long a body may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The whole body.
pub(crate) async fn read(request: Request) -> Result<Bytes, Refusal> {
    let body = timeout(TIMEOUT, axum::body::to_bytes(request.into_body(), LIMIT)).await;
    let late = "the body could not be read: it took longer than 30 s";
    body.map_err(|_| Refusal::bad_request(late))?
        .map_err(|error| Refusal::bad_request(format!("the body could not be read: {error}")))
}

/// A body of JSON, of YAML for the apply patches that are sent so, or of the few kinds known in protobuf.
pub(crate) fn parse(body: &[u8], content_type: &str) -> Result<Value, Refusal> {
    let unreadable =
        |error: &dyn std::fmt::Display| Refusal::bad_request(format!("error decoding: {error}"));
    if content_type.contains("protobuf") {
        return super::protobuf::parse(body);
    }
    // kubectl says YAML and means either.
    if content_type.contains("yaml") && !body.starts_with(b"{") {
        let text = std::str::from_utf8(body).map_err(|error| unreadable(&error))?;
        return serde_saphyr::from_str(text).map_err(|error| unreadable(&error));
    }
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}
