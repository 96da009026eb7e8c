//! What an answer of the API server means: done, worth another try, or final. Pure.

use std::time::Duration;

use bytes::Bytes;
use dst_load_scenario::printable::line;
use dst_load_transport::retry::retry_after;
use http::{Response, StatusCode};
use kube::core::Status;

use super::{KubernetesError, KubernetesErrors};

/// What came of one attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    Done(Bytes),
    /// Worth another try, after `wait` if the server said so.
    Passing {
        why: String,
        wait: Option<Duration>,
    },
    /// Worth another try too: an identity's token may be renewed meanwhile.
    Unauthorized {
        message: String,
    },
    Final(KubernetesError),
}

// === impl Attempt ===

impl Attempt {
    /// Why it is tried again, and after which wait if the server asked for one.
    pub(super) fn passing(self) -> (String, Option<Duration>) {
        match self {
            Self::Passing { why, wait } => (why, wait),
            Self::Unauthorized { message } => (format!("401 {message}"), None),
            Self::Done(_) | Self::Final(_) => (String::new(), None),
        }
    }
}

/// Tells a passing refusal of `what` from a final one, and counts it.
pub(super) fn judge(
    what: impl FnOnce() -> String,
    conflict_is_final: bool,
    response: Response<Bytes>,
    errors: &mut KubernetesErrors,
) -> Attempt {
    let code = response.status();
    if code.is_success() {
        return Attempt::Done(response.into_body());
    }
    let status = status(&response);
    let passing = || Attempt::Passing {
        why: format!("{} {}", code.as_u16(), line(&status.message)),
        wait: retry_after(response.headers()),
    };
    if code == StatusCode::TOO_MANY_REQUESTS {
        errors.too_many_requests += 1;
        return passing();
    }
    if code == StatusCode::UNAUTHORIZED {
        errors.unauthorized += 1;
        return Attempt::Unauthorized {
            message: line(&status.message),
        };
    }
    if code.is_server_error() {
        errors.server_errors += 1;
        return passing();
    }
    if code == StatusCode::CONFLICT && !status.is_already_exists() {
        errors.conflicts += 1;
        if !conflict_is_final {
            return passing();
        }
    } else if code == StatusCode::FORBIDDEN {
        errors.forbidden += 1;
        // A new namespace's account is made by a controller, a moment after it.
        if status.message.contains("error looking up service account") {
            return passing();
        }
        if let Some((verb, resource)) = refused_permission(&status.message) {
            return Attempt::Final(KubernetesError::Forbidden {
                verb: line(verb),
                resource: line(resource),
                message: line(&status.message),
            });
        }
    } else if !code.is_redirection() && !status.is_already_exists() && !status.is_not_found() {
        // The other two are answers that our own questions expect.
        errors.refused += 1;
    }
    Attempt::Final(KubernetesError::Refused {
        what: what(),
        code: code.as_u16(),
        reason: line(&status.reason),
        message: line(&status.message),
    })
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
