//! Calls to the Kubernetes API: paced, retried, timed and counted by one tower layer.
//!
//! It sits under a [`kube::Client`], so that kube's typed `Api` and raw requests go through it alike.
//! What differs from call to call travels in the request's extensions: [`CallOptions`] where the
//! client's own do not fit, and a [`CallTrace`] where somebody measures.
//!
//! Attempts are repeated by [`tower::retry`]; the policy is in `calls/policy.rs`, one attempt in
//! `calls/attempt.rs`. The client under it must not retry by itself: that would be neither paced
//! nor counted nor seeded.

mod answer;
mod attempt;
mod errors;
mod policy;
mod rate;
mod reason;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use dst_load_scenario::time::At;
use http::Request;
use kube::client::Body;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tower::{ServiceExt as _, retry::Retry, service_fn};

use self::{attempt::AttemptError, policy::Policy, rate::Rate};
use crate::clock::Clock;

pub use self::{answer::is_passing, errors::KubernetesErrors, reason::reason};

/// How hard the API server may be pressed, and how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second in the long run.
    pub qps: NonZeroU32,
    /// Requests that may be sent at once after a rest.
    pub burst: NonZeroU32,
    /// Requests that wait for an answer at any one time.
    pub concurrency: usize,
    /// How often one request is sent before it is given up.
    pub attempts: NonZeroU32,
    /// How often one request is sent without being answered before it is given up.
    pub unanswered: NonZeroU32,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Failures of one call in a row of which the log warns.
    pub warn_after: Option<u32>,
}

/// What differs from call to call: those of a client, or of one request in its extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// Whether a 409 is the answer rather than bad luck: so it is where the request carries a
    /// resource version.
    pub conflict_is_final: bool,
    /// Whether a 401 is the answer. It is tried again otherwise, for an identity's token may be
    /// renewed meanwhile.
    pub unauthorized_is_final: bool,
    /// Whether the call may pass those that wait for the rate.
    pub urgent: bool,
    /// Whether an attempt succeeds when its answer begins, as for a watch or an upgrade. Otherwise
    /// it succeeds with the answer's last byte.
    pub streams: bool,
}

/// When a call was sent and answered. Whoever measures puts one into the request's extensions and
/// keeps a clone.
#[derive(Clone, Debug, Default)]
pub struct CallTrace(Arc<Mutex<Timing>>);

/// What a [`CallTrace`] holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// When the first attempt was sent, after it had waited for its turn.
    pub sent: Option<At>,
    /// When the last attempt's answer had arrived, or when it was given up.
    pub answered: Option<At>,
    /// Attempts after the first.
    pub retries: u32,
}

/// The calls of one client to one API server: they share a rate, a limit of concurrency, a seed and
/// the counts.
#[derive(Clone, Debug)]
pub struct Calls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    seed: u64,
    limits: Limits,
    rate: Rate,
    permits: Semaphore,
    errors: Mutex<KubernetesErrors>,
}

/// One call: what it shares with the others, and what differs.
#[derive(Clone)]
struct Call {
    shared: Arc<Shared>,
    options: CallOptions,
    trace: CallTrace,
}

// === impl Limits ===

impl Default for Limits {
    /// 500 requests a second is far above what controllers then follow, so the plan's own rate
    /// holds; 64 at once is below the default seat count of one API server.
    fn default() -> Self {
        let attempts = NonZeroU32::new(10).expect("invariant: 10 is not zero");
        Self {
            qps: NonZeroU32::new(500).expect("invariant: 500 is not zero"),
            burst: NonZeroU32::new(1_000).expect("invariant: 1000 is not zero"),
            concurrency: 64,
            attempts,
            unanswered: attempts,
            timeout: Duration::from_secs(30),
            warn_after: None,
        }
    }
}

// === impl Calls ===

impl Calls {
    /// Calls timed by `clock`, with a backoff by `seed`.
    #[must_use]
    pub fn new(clock: Clock, seed: u64, limits: Limits) -> Self {
        Self(Arc::new(Shared {
            clock,
            seed,
            limits,
            rate: Rate::new(clock, limits.qps, limits.burst),
            permits: Semaphore::new(limits.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            errors: Mutex::default(),
        }))
    }

    /// A client that calls through `kube`; `options` hold for requests that bring none of their own.
    #[must_use]
    pub fn client(&self, kube: kube::Client, options: CallOptions) -> kube::Client {
        let namespace = kube.default_namespace().to_owned();
        let shared = Arc::clone(&self.0);
        // Always ready: a call waits for its turn by itself, so that an urgent one can pass it.
        let service = service_fn(move |request: Request<Body>| {
            let given = request.extensions();
            let call = Call {
                shared: Arc::clone(&shared),
                options: given.get().copied().unwrap_or(options),
                trace: given.get().cloned().unwrap_or_default(),
            };
            let policy = Policy::new(call.clone(), &request);
            let kube = kube.clone();
            let attempt = service_fn(move |request| call.clone().attempt(kube.clone(), request));
            let answer = Retry::new(policy, attempt).oneshot(request);
            async move { answer.await.map_err(AttemptError::into_cause) }
        });
        kube::Client::new(service, namespace)
    }

    /// The clock of all its instants.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// The limits that hold for all of them together.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// How often each kind of failure was met so far.
    #[must_use]
    pub fn errors(&self) -> KubernetesErrors {
        *self.0.errors.lock()
    }

    /// Counts another attempt that was made by whoever calls.
    pub fn count_retry(&self) {
        self.0.errors.lock().retries += 1;
    }
}

// === impl CallTrace ===

impl CallTrace {
    /// As it is now.
    #[must_use]
    pub fn timing(&self) -> Timing {
        *self.0.lock()
    }

    fn sent(&self, at: At) {
        self.0.lock().sent.get_or_insert(at);
    }

    fn answered(&self, at: At) {
        self.0.lock().answered = Some(at);
    }

    fn retried(&self) {
        self.0.lock().retries += 1;
    }
}
