//! When a call is made again, and after how long.

use std::time::Duration;

use dst_load_scenario::printable::line;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, Request, Response, header::RETRY_AFTER};
use kube::{client::Body, core::Status};

use super::{
    Call,
    answer::judge,
    attempt::{AttemptError, Refusal},
};
use crate::backoff::{Backoff, Delays, Jitter};

/// The delays between attempts where the server does not say.
pub(crate) const BACKOFF: Backoff =
    Backoff::new(Duration::from_millis(100), Duration::from_secs(10))
        .with_jitter(Jitter::Shorter(0.5));
/// A server that asks for a longer delay than this is asked again all the same.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// A delay that a server asks for, and that somebody who waits is told of.
const LONG: Duration = Duration::from_secs(5);

/// Of one call.
#[derive(Clone)]
pub(super) struct Policy {
    call: Call,
    /// Method and path: two calls that were refused together do not come back together.
    what: String,
    delays: Delays,
    failures: u32,
    unanswered: u32,
}

// === impl Policy ===

impl Policy {
    pub(super) fn new(call: Call, request: &Request<Body>) -> Self {
        let what = format!("{} {}", request.method(), request.uri().path());
        Self {
            delays: BACKOFF.delays(call.shared.seed, "kubernetes-backoff", &what),
            call,
            what,
            failures: 0,
            unanswered: 0,
        }
    }

    /// Counts what came of an attempt. Where it is worth another one: why, and the delay that the
    /// server asks for.
    fn judge(
        &mut self,
        answer: &Result<Response<Body>, AttemptError>,
    ) -> Option<(String, Option<Duration>)> {
        let Call {
            shared, options, ..
        } = &self.call;
        let mut errors = shared.errors.lock();
        match answer {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => {
                let code = response.status();
                let bare = Status::default();
                let refusal = response.extensions().get::<Refusal>();
                let status = refusal.map_or(&bare, |refusal| &*refusal.0);
                let passing = judge(code, status, *options, &mut errors);
                passing.then(|| {
                    let why = match &*status.message {
                        "" => code.to_string(),
                        message => format!("{} {}", code.as_u16(), line(message)),
                    };
                    (why, retry_after(response.headers()))
                })
            }
            Err(error) => {
                match error {
                    AttemptError::Connection(_) => errors.connection_errors += 1,
                    AttemptError::Timeout(_) => errors.timeouts += 1,
                }
                self.unanswered += 1;
                (self.unanswered < shared.limits.unanswered.get())
                    .then(|| (error.to_string(), None))
            }
        }
    }
}

impl tower::retry::Policy<Request<Body>, Response<Body>, AttemptError> for Policy {
    type Future = BoxFuture<'static, ()>;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        answer: &mut Result<Response<Body>, AttemptError>,
    ) -> Option<Self::Future> {
        let (error, asked) = self.judge(answer)?;
        self.failures += 1;
        let Call { shared, trace, .. } = &self.call;
        let limits = &shared.limits;
        if self.failures >= limits.attempts.get() {
            return None;
        }
        shared.errors.lock().retries += 1;
        trace.retried();
        let delay = asked.unwrap_or_else(|| self.delays.next_delay());
        let call = &self.what;
        let long = asked.is_some_and(|it| it >= LONG) && limits.warn_after.is_some();
        if limits.warn_after == Some(self.failures) || long {
            tracing::warn!(call, %error, ?delay, "Kubernetes API not available, retrying");
        } else {
            tracing::debug!(call, %error, ?delay, "Kubernetes API call failed, retrying");
        }
        Some(tokio::time::sleep(delay).boxed())
    }

    /// `None` where the body can be read once only: it is sent once.
    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut clone = Request::new(request.body().try_clone()?);
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.version_mut() = request.version();
        *clone.headers_mut() = request.headers().clone();
        *clone.extensions_mut() = request.extensions().clone();
        Some(clone)
    }
}

/// For how long the server asks to be left alone.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let delay = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(delay.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_that_the_server_asks_for_has_a_bound() {
        let answer = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(answer("3"), Some(Duration::from_secs(3)));
        assert_eq!(answer("86400"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(answer("soon"), None);
    }
}
