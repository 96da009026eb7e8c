//! One call to the Kubernetes API: paced, retried with a seeded backoff, timed and counted.
//!
//! It goes below kube's typed API because only the raw answer has the `Retry-After` header. It
//! decides nothing about objects.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use kube::{client::Body, core::Status};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::{KubernetesError, KubernetesErrors, Limits, rate::Rate};
use crate::{
    live::clock::Clock,
    model::{seed, time::At},
};

/// The wait before the second attempt, at most; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// No wait of our own is longer than this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A server that asks for a longer wait than this is asked again all the same.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

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

/// What came of one attempt.
enum Attempt {
    Done(Bytes),
    /// Worth another try, after `wait` if the server said so.
    Passing {
        why: String,
        wait: Option<Duration>,
    },
    Final(KubernetesError),
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
        }))
    }

    /// How often each kind of failure was met so far.
    #[must_use]
    pub fn errors(&self) -> KubernetesErrors {
        *self.0.errors.lock()
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
            let result = match attempt {
                Attempt::Done(body) => Ok(body),
                Attempt::Final(error) => Err(error),
                Attempt::Passing { why, .. } if retries + 1 >= inner.limits.attempts.get() => {
                    Err(KubernetesError::Exhausted {
                        what: call.what(),
                        attempts: retries + 1,
                        last: why,
                    })
                }
                Attempt::Passing { why, wait } => {
                    let wait = wait.unwrap_or_else(|| self.backoff(call, retries));
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
            message: error.to_string(),
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
        if response.status().is_success() {
            return Attempt::Done(response.into_body());
        }
        self.judge(call, &response)
    }

    /// Tells a passing refusal from a final one.
    fn judge(&self, call: &Call, response: &Response<Bytes>) -> Attempt {
        let code = response.status();
        let status = status(response);
        let passing = || Attempt::Passing {
            why: format!("{} {}", code.as_u16(), status.message),
            wait: retry_after(response),
        };
        let mut errors = self.0.errors.lock();
        if code == StatusCode::TOO_MANY_REQUESTS {
            errors.too_many_requests += 1;
            return passing();
        }
        if code.is_server_error() {
            errors.server_errors += 1;
            return passing();
        }
        if code == StatusCode::CONFLICT && status.reason != "AlreadyExists" {
            errors.conflicts += 1;
            if !call.conflict_is_final {
                return passing();
            }
        } else if code == StatusCode::FORBIDDEN {
            errors.forbidden += 1;
            if let Some((verb, resource)) = refused_permission(&status.message) {
                return Attempt::Final(KubernetesError::Forbidden {
                    verb: verb.to_owned(),
                    resource: resource.to_owned(),
                    message: status.message.clone(),
                });
            }
        } else {
            errors.refused += 1;
        }
        Attempt::Final(KubernetesError::Refused {
            what: call.what(),
            code: code.as_u16(),
            reason: status.reason,
            message: status.message,
        })
    }

    /// Between half and the whole of a doubling wait, by the name of what is asked: two calls that
    /// were refused together do not come back together.
    fn backoff(&self, call: &Call, retries: u32) -> Duration {
        let most = FIRST_BACKOFF
            .saturating_mul(1 << retries.min(10))
            .min(LONGEST_BACKOFF);
        let entity = format!("{}/{retries}", call.what());
        seed::delay(self.0.seed, "kubernetes-backoff", &entity, most / 2, most)
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
    /// One reply for two calls of which the second followed the first.
    pub(super) fn then(self, next: Self) -> Self {
        Self {
            sent: self.sent,
            retries: self.retries + next.retries,
            ..next
        }
    }
}

/// The answer's Status; where there is none (proxies and API priority answer in plain text), one
/// that holds the text.
fn status(response: &Response<Bytes>) -> Status {
    serde_json::from_slice(response.body()).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(response.body());
        let reason = response.status().canonical_reason().unwrap_or_default();
        Status::failure(text.trim(), reason)
    })
}

fn retry_after(response: &Response<Bytes>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// The verb and resource in `… cannot patch resource "deployments/scale" in API group …`, as every
/// refusal by RBAC says it; other answers 403 (a quota, a namespace that is going away) do not.
fn refused_permission(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once(" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, _) = rest.split_once('"')?;
    Some((verb, resource))
}

/// An error with its causes: hyper's own text is often no more than "connection error".
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_rbac_names_verb_and_resource_and_a_quota_does_not() {
        let rbac = "deployments.apps \"a\" is forbidden: User \"u\" cannot patch resource \
                    \"deployments/scale\" in API group \"apps\" in the namespace \"ns\"";
        assert_eq!(
            refused_permission(rbac),
            Some(("patch", "deployments/scale"))
        );
        assert_eq!(
            refused_permission("pods \"a\" is forbidden: exceeded quota"),
            None
        );
    }

    #[test]
    fn a_wait_that_the_server_asks_for_has_a_bound() {
        let answer = |value: &str| {
            let response = Response::builder().header(RETRY_AFTER, value);
            retry_after(&response.body(Bytes::new()).unwrap())
        };
        assert_eq!(answer("3"), Some(Duration::from_secs(3)));
        assert_eq!(answer("86400"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(answer("soon"), None);
    }
}
