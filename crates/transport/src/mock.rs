//! For tests: a Kubernetes API that is a closure, behind a client that does not know it.

#![expect(clippy::unwrap_used, reason = "of tests")]

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use dst_load_scenario::time::At;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::clock::Clock;

/// What the mock does with one request.
pub enum Answer {
    /// A status, and an object.
    Json(u16, Value),
    /// As API priority and fairness refuses: plain text and `Retry-After`.
    Busy(u64),
    /// The connection ends.
    HangUp,
    /// No answer, ever.
    Silence,
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// When.
    pub at: At,
    /// Its method and path.
    pub what: String,
    /// Its body; null if it had none.
    pub body: Value,
}

/// All requests so far.
pub type Log = Arc<Mutex<Vec<Seen>>>;

/// A client whose requests are answered by `answer`, in-process.
pub fn mock(
    clock: Clock,
    mut answer: impl FnMut(&str) -> Answer + Send + 'static,
) -> (kube::Client, Log) {
    let log = Log::default();
    let seen = Arc::clone(&log);
    let answer = Arc::new(Mutex::new(move |what: &str| answer(what)));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move {
            let (parts, body) = request.into_parts();
            let what = format!("{} {}", parts.method, parts.uri.path());
            let body = body.collect().await.map_err(std::io::Error::other)?;
            seen.lock().push(Seen {
                at: clock.now(),
                what: what.clone(),
                body: serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
            });
            let answer = (answer.lock())(&what);
            let response = Response::builder();
            Ok::<_, std::io::Error>(match answer {
                Answer::Json(code, body) => response
                    .status(code)
                    .body(Full::new(Bytes::from(body.to_string())))
                    .unwrap(),
                Answer::Busy(seconds) => response
                    .status(429)
                    .header("Retry-After", seconds)
                    .body(Full::new(Bytes::from("Too many requests")))
                    .unwrap(),
                Answer::HangUp => return Err(std::io::ErrorKind::ConnectionReset.into()),
                Answer::Silence => match std::future::pending::<Infallible>().await {},
            })
        }
    });
    (kube::Client::new(service, "default"), log)
}

/// A `Status` that refuses.
pub fn refusal(code: u16, reason: &str, message: &str) -> Answer {
    Answer::Json(
        code,
        json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "reason": reason, "message": message, "code": code,
        }),
    )
}
