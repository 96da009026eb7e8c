//! One call to the Kubernetes API on behalf of a run, and what came of it.
//!
//! Most questions go by kube's typed `Api`, over [`Caller::kube`]. What an action writes goes as a
//! raw request ([`Caller::call`]) through the same layer: only so it carries a [`CallTrace`], by
//! which the instants are known when it was sent and acknowledged, and only so the answer is read
//! for the two fields that identify a write, whether it is an object or the `Status` of a deletion.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use dst_load_oracle::ledger::Written;
use dst_load_scenario::{time::At, words::chain};
use dst_load_transport::{
    calls::{CallOptions, CallTrace, Calls, KubernetesErrors, Limits},
    clock::Clock,
};
use http::Request;
use http_body_util::BodyExt;
use kube::{client::Body, core::Status};
use serde::Deserialize;

use super::KubernetesError;

/// Sends calls to one API server, on behalf of one run.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    calls: Calls,
    kube: kube::Client,
    exact: kube::Client,
    /// Deletions that were accepted, and objects that then were gone.
    removals: AtomicU64,
}

/// A request, as kube makes it of names; not of those that do not fit into a URL.
pub(super) type Asked = Result<Request<Vec<u8>>, kube::core::request::Error>;

/// What came of a call.
#[derive(Debug)]
pub(super) struct Reply {
    /// When the first attempt was sent.
    pub(super) sent: At,
    /// When the last attempt's answer had arrived, or when it was given up.
    pub(super) acknowledged: At,
    /// Attempts after the first.
    pub(super) retries: u32,
    pub(super) result: Result<Bytes, KubernetesError>,
}

/// What of an answer says which write it answers: an object, or the Status of a deletion.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answered {
    pub(super) metadata: ObjectVersion,
    details: ObjectVersion,
}

/// Which object, and which version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ObjectVersion {
    pub(super) uid: String,
    pub(super) resource_version: String,
}

/// A call in the words of RBAC: verb, resource (with its subresource, for example
/// `deployments/scale`), and the object's name, empty for a collection.
pub(super) fn describe(verb: &str, resource: &str, name: &str) -> String {
    if name.is_empty() {
        return format!("{verb} {resource}");
    }
    format!("{verb} {resource} {name}")
}

// === impl Caller ===

impl Caller {
    /// Calls through `kube`, whose own retries should be off: they would be neither counted nor
    /// seeded. `seed` is the scenario's.
    #[must_use]
    pub fn new(kube: kube::Client, clock: Clock, seed: u64, limits: Limits) -> Self {
        let calls = Calls::new(clock, seed, limits);
        let exact = CallOptions {
            conflict_is_final: true,
            ..CallOptions::default()
        };
        Self(Arc::new(Inner {
            exact: calls.client(kube.clone(), exact),
            kube: calls.client(kube, CallOptions::default()),
            calls,
            removals: AtomicU64::default(),
        }))
    }

    /// How often each kind of failure was met so far.
    #[must_use]
    pub fn errors(&self) -> KubernetesErrors {
        self.0.calls.errors()
    }

    /// The client for calls that name no version, whose conflicts are bad luck.
    pub(super) fn kube(&self) -> kube::Client {
        self.0.kube.clone()
    }

    /// The client for calls that name a version: a conflict is their answer.
    pub(super) fn exact(&self) -> kube::Client {
        self.0.exact.clone()
    }

    /// How often a request is sent before it is given up.
    pub(super) fn attempts(&self) -> u32 {
        self.0.calls.limits().attempts.get()
    }

    /// How many requests may wait for an answer at any one time.
    pub(super) fn concurrency(&self) -> usize {
        self.0.calls.limits().concurrency.max(1)
    }

    /// How far a cleanup has come: a number that stands still when the cleanup does.
    #[must_use]
    pub fn removals(&self) -> u64 {
        self.0.removals.load(Relaxed)
    }

    /// Counts a step of a cleanup.
    pub(super) fn count_removal(&self) {
        self.0.removals.fetch_add(1, Relaxed);
    }

    /// Counts another attempt that was not the layer's.
    pub(super) fn count_retry(&self) {
        self.0.calls.count_retry();
    }

    pub(super) fn clock(&self) -> Clock {
        self.0.calls.clock()
    }

    /// What an error of kube's means that this call came to.
    pub(super) fn failure(
        &self,
        verb: &'static str,
        resource: &'static str,
        name: &str,
    ) -> impl FnOnce(kube::Error) -> KubernetesError {
        let (what, attempts) = (describe(verb, resource, name), self.attempts());
        move |error| KubernetesError::of(what, attempts, &error)
    }

    /// Sends what writes, reads or deletes an object until it is answered for good. It names the
    /// object's version or uid where it must meet one: a conflict is its answer. An `urgent` one may
    /// pass those that wait for the rate. `what` is for example `get pods test-service-1-1`.
    pub(super) async fn call(&self, what: String, request: Asked, urgent: bool) -> Reply {
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                let message = chain(&error);
                let error = KubernetesError::InvalidRequest { what, message };
                return Reply::unsent(self.clock().now(), Err(error));
            }
        };
        let trace = CallTrace::default();
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(trace.clone());
        request.extensions_mut().insert(CallOptions {
            conflict_is_final: true,
            urgent,
            ..CallOptions::default()
        });
        let result = self.send(what, request).await;
        let (timing, now) = (trace.timing(), self.clock().now());
        Reply {
            sent: timing.sent.unwrap_or(now),
            acknowledged: timing.answered.unwrap_or(now),
            retries: timing.retries,
            result,
        }
    }

    async fn send(&self, what: String, request: Request<Body>) -> Result<Bytes, KubernetesError> {
        let failed = |error| KubernetesError::of(what.clone(), self.attempts(), &error);
        let response = self.0.kube.send(request).await.map_err(failed)?;
        let code = response.status();
        // The layer has read it already.
        let body = response.into_body().collect().await.map_err(failed)?;
        let body = body.to_bytes();
        if code.is_success() {
            return Ok(body);
        }
        let status = serde_json::from_slice::<Status>(&body);
        let status = status.map_err(|error| failed(kube::Error::SerdeError(error)))?;
        Err(KubernetesError::refused(what, self.attempts(), &status))
    }
}

// === impl Reply ===

impl Reply {
    /// To nothing that was sent, at `now`.
    pub(super) fn unsent(now: At, result: Result<Bytes, KubernetesError>) -> Self {
        Self {
            sent: now,
            acknowledged: now,
            retries: 0,
            result,
        }
    }

    /// The write, or the deletion, that was done; `None` where the answer does not say it.
    pub(super) fn written(&self, deleted: bool) -> Option<Written> {
        let Answered { metadata, details } =
            serde_json::from_slice(self.result.as_ref().ok()?).ok()?;
        let uid = if metadata.uid.is_empty() {
            details.uid
        } else {
            metadata.uid
        };
        Some(Written {
            object: uid.into(),
            resource_version: (!deleted).then(|| metadata.resource_version.into()),
        })
    }

    /// One reply for two calls that were sent side by side.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent.min(other.sent),
            acknowledged: self.acknowledged.max(other.acknowledged),
            retries: self.retries + other.retries,
            result: self.result.and(other.result),
        }
    }

    /// One reply for two calls of which the second followed the first.
    pub(super) fn then(self, next: Self) -> Self {
        Self {
            sent: self.sent,
            retries: self.retries + next.retries,
            ..next
        }
    }
}
