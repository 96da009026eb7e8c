//! One call to the Kubernetes API: paced, retried with a seeded backoff, timed and counted.
//!
//! It goes below kube's typed API because only the raw answer has the `Retry-After` header. It
//! decides nothing about objects.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use dst_load_scenario::{printable::line, time::At, words::chain};
use dst_load_transport::{clock::Clock, retry::backoff};
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::{
    KubernetesError, KubernetesErrors, Limits,
    answer::{Attempt, judge},
    rate::Rate,
};

/// Sends calls to one API server, on behalf of one run.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    kube: kube::Client,
    clock: Clock,
    seed: u64,
    limits: Limits,
    rate: Rate,
    permits: Semaphore,
    errors: Mutex<KubernetesErrors>,
    /// Deletions that were accepted, and objects that then were gone.
    removals: AtomicU64,
}

/// What is asked, with the words by which RBAC and messages name it.
pub(super) struct Call {
    pub(super) request: Request<Vec<u8>>,
    pub(super) verb: &'static str,
    /// The resource with its subresource, for example `deployments/scale`.
    pub(super) resource: String,
    /// The object's name; empty for a collection.
    pub(super) name: String,
    /// Whether a 409 is the answer rather than bad luck: so it is where the request carries a
    /// resource version.
    pub(super) conflict_is_final: bool,
    /// Whether the call may pass those that wait for the rate.
    pub(super) urgent: bool,
}

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

// === impl Caller ===

impl Caller {
    /// Calls through `kube`, whose own retries should be off: they would be neither counted nor
    /// seeded. `seed` is the scenario's.
    #[must_use]
    pub fn new(kube: kube::Client, clock: Clock, seed: u64, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            kube,
            clock,
            seed,
            limits,
            rate: Rate::new(clock, limits.qps, limits.burst),
            permits: Semaphore::new(limits.concurrency.max(1)),
            errors: Mutex::default(),
            removals: AtomicU64::default(),
        }))
    }

    /// How often each kind of failure was met so far.
    #[must_use]
    pub fn errors(&self) -> KubernetesErrors {
        *self.0.errors.lock()
    }

    /// How often a request is sent before it is given up.
    pub(super) fn attempts(&self) -> u32 {
        self.0.limits.attempts.get()
    }

    /// How many requests may wait for an answer at any one time.
    pub(super) fn concurrency(&self) -> usize {
        self.0.limits.concurrency.max(1)
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

    /// Counts another attempt that was not this caller's own.
    pub(super) fn count_retry(&self) {
        self.0.errors.lock().retries += 1;
    }

    pub(super) fn clock(&self) -> Clock {
        self.0.clock
    }

    /// Sends `call` until it is answered for good.
    pub(super) async fn call(&self, call: &Call) -> Reply {
        let inner = &*self.0;
        let mut sent = None;
        let mut retries = 0;
        loop {
            let attempt = {
                // Closed is the only error, and nobody closes it.
                let _permit = inner.permits.acquire().await;
                if !call.urgent {
                    inner.rate.turn().await;
                }
                sent.get_or_insert_with(|| inner.clock.now());
                self.attempt(call).await
            };
            let last = retries + 1 >= inner.limits.attempts.get();
            let result = match attempt {
                Attempt::Done(body) => Ok(body),
                Attempt::Final(error) => Err(error),
                Attempt::Unauthorized { message } if last => Err(KubernetesError::Unauthorized {
                    what: call.what(),
                    message,
                }),
                Attempt::Passing { why, .. } if last => Err(KubernetesError::Exhausted {
                    what: call.what(),
                    attempts: retries + 1,
                    last: why,
                }),
                passing => {
                    let (why, wait) = passing.passing();
                    let wait = wait.unwrap_or_else(|| backoff(inner.seed, &call.what(), retries));
                    tracing::debug!(call = call.what(), %why, ?wait, "trying again");
                    tokio::time::sleep(wait).await;
                    retries += 1;
                    inner.errors.lock().retries += 1;
                    continue;
                }
            };
            let acknowledged = inner.clock.now();
            return Reply {
                sent: sent.unwrap_or(acknowledged),
                acknowledged,
                retries,
                result,
            };
        }
    }

    /// Sends `call` and reads its answer as a `T`.
    pub(super) async fn fetch<T: DeserializeOwned>(
        &self,
        call: &Call,
    ) -> Result<T, KubernetesError> {
        let body = self.call(call).await.result?;
        serde_json::from_slice(&body).map_err(|error| KubernetesError::Unreadable {
            what: call.what(),
            message: line(&error.to_string()),
        })
    }

    async fn attempt(&self, call: &Call) -> Attempt {
        let exchange = async {
            let request = call.request.clone().map(Body::from);
            let response = self.0.kube.send(request).await.map_err(|e| chain(&e))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|e| chain(&e))?.to_bytes();
            Ok::<_, String>(Response::from_parts(parts, body))
        };
        let response = match tokio::time::timeout(self.0.limits.timeout, exchange).await {
            Ok(Ok(response)) => response,
            Ok(Err(why)) => {
                self.0.errors.lock().hang_ups += 1;
                return Attempt::Passing { why, wait: None };
            }
            Err(_) => {
                self.0.errors.lock().timeouts += 1;
                let why = format!("no answer within {:?}", self.0.limits.timeout);
                return Attempt::Passing { why, wait: None };
            }
        };
        let mut errors = self.0.errors.lock();
        judge(
            || call.what(),
            call.conflict_is_final,
            response,
            &mut errors,
        )
    }
}

// === impl Call ===

impl Call {
    /// A call that is paced, and whose conflicts are retried.
    ///
    /// # Errors
    ///
    /// Names that do not fit into a URL.
    pub(super) fn new(
        verb: &'static str,
        resource: &str,
        name: &str,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Self, KubernetesError> {
        let call = |request| Self {
            request,
            verb,
            resource: resource.to_owned(),
            name: name.to_owned(),
            conflict_is_final: false,
            urgent: false,
        };
        match request {
            Ok(request) => Ok(call(request)),
            Err(error) => Err(KubernetesError::Unaskable {
                what: call(Request::default()).what(),
                message: chain(&error),
            }),
        }
    }

    pub(super) fn what(&self) -> String {
        if self.name.is_empty() {
            return format!("{} {}", self.verb, self.resource);
        }
        format!("{} {} {}", self.verb, self.resource, self.name)
    }
}

// === impl Reply ===

impl Reply {
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
