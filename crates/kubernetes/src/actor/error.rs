//! What can go wrong with a call.

use dst_load_scenario::{printable::line, roster::UsedUp, words::chain};
use dst_load_transport::calls::is_passing;
use http::StatusCode;
use kube::core::Status;
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
    #[error("invalid request: {what}: {message}")]
    InvalidRequest {
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

// === impl KubernetesError ===

impl KubernetesError {
    /// What it means that `what`, which is sent up to `attempts` times, came to this.
    pub(super) fn of(what: String, attempts: u32, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::refused(what, attempts, status),
            kube::Error::SerdeError(error) => Self::Unreadable {
                what,
                message: line(&error.to_string()),
            },
            kube::Error::BuildRequest(error) => Self::InvalidRequest {
                what,
                message: chain(error),
            },
            error => Self::Exhausted {
                what,
                attempts,
                last: match error {
                    kube::Error::Service(cause) => line(&chain(&**cause)),
                    other => line(&chain(other)),
                },
            },
        }
    }

    /// What the answer to the last attempt means.
    pub(super) fn refused(what: String, attempts: u32, status: &Status) -> Self {
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let message = line(&status.message);
        if is_passing(code, status) {
            return Self::Exhausted {
                what,
                attempts,
                last: format!("{} {message}", code.as_u16()),
            };
        }
        if code == StatusCode::UNAUTHORIZED {
            return Self::Unauthorized { what, message };
        }
        if code == StatusCode::FORBIDDEN
            && let Some((verb, resource)) = refused_permission(&status.message)
        {
            return Self::Forbidden {
                verb: line(verb),
                resource: line(resource),
                message,
            };
        }
        Self::Refused {
            what,
            code: code.as_u16(),
            reason: line(&status.reason),
            message,
        }
    }

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

/// The verb and resource in `… User "u" cannot patch resource "deployments/scale" in API group …`, as every
/// refusal by RBAC says it; other answers 403 (a quota, a namespace that is going away) do not.
pub fn refused_permission(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("User \"")?;
    let (_, rest) = rest.split_once(" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, _) = rest.split_once('"')?;
    Some((verb, resource))
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
        for other in [
            "pods \"a\" is forbidden: exceeded quota",
            "admission webhook \"w\" denied the request: teams cannot create resource \"pods\" here",
        ] {
            assert_eq!(refused_permission(other), None, "{other}");
        }
    }
}
