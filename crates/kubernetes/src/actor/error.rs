//! What can go wrong with a call, and how often it did.

use dst_load_scenario::roster::UsedUp;
use serde::Serialize;
use thiserror::Error;

use super::objects::Maker;

/// Why a call to the Kubernetes API was given up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KubernetesError {
    /// The identity in use lacks a permission; asking again would not help.
    #[error("not permitted to {verb} {resource}: {message}")]
    Forbidden {
        /// The verb that was refused, in the words of RBAC.
        verb: String,
        /// The resource that was refused, with its subresource if any (`deployments/scale`).
        resource: String,
        /// The API server's own words: they name the identity and the namespace.
        message: String,
    },
    /// The API server does not know who asks, and went on not knowing: a token that has expired, or
    /// a certificate.
    #[error(
        "{what}: the credentials are not accepted any more ({message}): a token may have expired"
    )]
    Unauthorized {
        /// The call.
        what: String,
        /// The API server's own words.
        message: String,
    },
    /// The API server understood the request and said no.
    #[error("{what} was answered {code} {reason}: {message}")]
    Refused {
        /// The call, for example `patch deployments/scale test-service-1`.
        what: String,
        /// The HTTP status code.
        code: u16,
        /// The machine-readable reason, for example `NotFound`.
        reason: String,
        /// The API server's own words.
        message: String,
    },
    /// Every attempt met a passing failure.
    #[error("{what} failed {attempts} times, last with: {last}")]
    Exhausted {
        /// The call.
        what: String,
        /// How often it was sent.
        attempts: u32,
        /// The last failure.
        last: String,
    },
    /// The answer was not what the API promises.
    #[error("{what} was answered with something unreadable: {message}")]
    Unreadable {
        /// The call.
        what: String,
        /// What could not be read.
        message: String,
    },
    /// A request could not be made of the names given.
    #[error("{what} cannot be asked for: {message}")]
    Unaskable {
        /// The call.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// No address is left for an endpoint of our own.
    #[error("{service} can have no further endpoint: {cause}; churn.addresses is too small for it")]
    NoAddress {
        /// The Service.
        service: String,
        /// What is used up.
        cause: UsedUp,
    },
    /// An object of that name exists and this tool did not make it.
    #[error("{resource} {name:?} in namespace {namespace:?} was not made by this tool")]
    NotOurs {
        /// The resource.
        resource: &'static str,
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// An object of that name exists and another run of this tool made it.
    #[error(
        "{resource} {name:?} in namespace {namespace:?} was made by run {run:?}; \
         `dst-load-controller cleanup --run-id {run}` removes what that run made"
    )]
    OfAnotherRun {
        /// The resource.
        resource: &'static str,
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
        /// The id of the run that made it.
        run: String,
    },
    /// The namespace has a control plane of Linkerd.
    #[error(
        "namespace {namespace:?} has a control plane of Linkerd, which a load test there may harm; \
         name another one, or allow it with --allow-namespace {namespace}"
    )]
    ControlPlane {
        /// The namespace.
        namespace: String,
    },
    /// Another run is at work in the namespace.
    #[error("namespace {namespace:?} is in use by run {holder:?}, which is alive")]
    InUse {
        /// The namespace.
        namespace: String,
        /// The other run's id.
        holder: String,
    },
    /// Another run took the namespace while this one was at work.
    #[error("namespace {namespace:?} was taken over by run {holder:?}")]
    Lost {
        /// The namespace.
        namespace: String,
        /// The other run's id.
        holder: String,
    },
    /// The namespace is not there and could not be made.
    #[error("namespace {namespace:?} does not exist and cannot be made ({cause})")]
    NoNamespace {
        /// The namespace.
        namespace: String,
        /// Why it could not be made.
        cause: String,
    },
}

/// How often each kind of failure was met, retried ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KubernetesErrors {
    /// Answers 429: the server asked us to slow down.
    pub too_many_requests: u64,
    /// Answers 409: somebody else wrote at the same time.
    pub conflicts: u64,
    /// Answers 500 to 599.
    pub server_errors: u64,
    /// Connections that failed or ended before the answer was whole.
    pub hang_ups: u64,
    /// Attempts without an answer within [`super::Limits::timeout`].
    pub timeouts: u64,
    /// Answers 403.
    pub forbidden: u64,
    /// Answers 401.
    pub unauthorized: u64,
    /// Any other refusal; `NotFound` and `AlreadyExists` are answers and not counted.
    pub refused: u64,
    /// Attempts after the first.
    pub retries: u64,
}

// === impl KubernetesError ===

impl KubernetesError {
    /// That an object is not this run's, whose labels say who made it.
    pub(super) fn not_of(
        maker: Maker,
        resource: &'static str,
        name: &str,
        namespace: &str,
    ) -> Self {
        let (name, namespace) = (name.to_owned(), namespace.to_owned());
        match maker {
            Maker::Somebody => Self::NotOurs {
                resource,
                name,
                namespace,
            },
            Maker::Run(run) => Self::OfAnotherRun {
                resource,
                name,
                namespace,
                run,
            },
        }
    }

    /// Whether it is the API server's refusal with this reason, for example `NotFound`.
    #[must_use]
    pub fn is_refused_as(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == wanted)
    }
}

// === impl KubernetesErrors ===

impl KubernetesErrors {
    /// Each kind of failure by a name fit for a label, with its count. Retries are no failure and
    /// are left out.
    #[must_use]
    pub fn by_reason(&self) -> [(&'static str, u64); 8] {
        [
            ("too_many_requests", self.too_many_requests),
            ("conflict", self.conflicts),
            ("server_error", self.server_errors),
            ("hang_up", self.hang_ups),
            ("timeout", self.timeouts),
            ("forbidden", self.forbidden),
            ("unauthorized", self.unauthorized),
            ("refused", self.refused),
        ]
    }

    /// Failures of every kind.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}
