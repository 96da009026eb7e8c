//! What a refusal of the API server means: worth another attempt, or final. Pure.

use http::StatusCode;
use kube::core::Status;

use super::{CallOptions, KubernetesErrors};

/// Whether a refusal says nothing of the request, so that the same one may be granted later: the
/// server is busy or fails, or has not made yet what it needs.
#[must_use]
pub fn is_passing(code: StatusCode, status: &Status) -> bool {
    code == StatusCode::TOO_MANY_REQUESTS
        || code.is_server_error()
        // A new namespace's account is made by a controller, a moment after it.
        || code == StatusCode::FORBIDDEN
            && status.message.contains("error looking up service account")
}

/// Counts a refusal; whether the call is worth another attempt.
pub(super) fn judge(
    code: StatusCode,
    status: &Status,
    options: CallOptions,
    errors: &mut KubernetesErrors,
) -> bool {
    if code == StatusCode::TOO_MANY_REQUESTS {
        errors.too_many_requests += 1;
    } else if code == StatusCode::UNAUTHORIZED {
        errors.unauthorized += 1;
        return !options.unauthorized_is_final;
    } else if code.is_server_error() {
        errors.server_errors += 1;
    } else if code == StatusCode::CONFLICT && !status.is_already_exists() {
        errors.conflicts += 1;
        return !options.conflict_is_final;
    } else if code == StatusCode::FORBIDDEN {
        errors.forbidden += 1;
    } else if !code.is_redirection() && !status.is_already_exists() && !status.is_not_found() {
        // The other two are answers that a question expects.
        errors.refused += 1;
    }
    is_passing(code, status)
}

/// A refusal's Status. Proxies, and API priority and fairness, answer in plain text: then it is one
/// that holds the text.
pub(super) fn status(code: StatusCode, body: &[u8]) -> Status {
    let read = serde_json::from_slice::<Status>(body).ok();
    let status = read.unwrap_or_else(|| {
        let reason = code.canonical_reason().unwrap_or_default();
        let text = String::from_utf8_lossy(body);
        // Of an empty body the code is all there is.
        let message = Some(text.trim()).filter(|text| !text.is_empty());
        Status::failure(message.unwrap_or(reason), reason)
    });
    status.with_code(code.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_in_plain_text_becomes_a_status_with_the_answers_code() {
        let text = status(StatusCode::TOO_MANY_REQUESTS, b"Too many requests\n");
        assert_eq!((text.code, &*text.message), (429, "Too many requests"));
        let bare = status(StatusCode::BAD_GATEWAY, b"");
        assert_eq!((bare.code, &*bare.message), (502, "Bad Gateway"));
        let json = br#"{"kind":"Status","status":"Failure","reason":"Gone","message":"m"}"#;
        let json = status(StatusCode::GONE, json);
        assert_eq!(
            (json.code, &*json.reason, &*json.message),
            (410, "Gone", "m")
        );
    }

    #[test]
    fn conflicts_and_unknown_identities_are_final_only_where_a_call_says_so() {
        let exact = CallOptions {
            conflict_is_final: true,
            unauthorized_is_final: true,
            ..CallOptions::default()
        };
        for (code, reason, by_default, exactly) in [
            (409, "Conflict", true, false),
            (409, "AlreadyExists", false, false),
            (401, "Unauthorized", true, false),
            (403, "Forbidden", false, false),
            (404, "NotFound", false, false),
            (429, "TooManyRequests", true, true),
            (500, "InternalError", true, true),
        ] {
            let status = Status::failure("m", reason).with_code(code);
            let code = StatusCode::from_u16(code).unwrap();
            let again = |options| judge(code, &status, options, &mut KubernetesErrors::default());
            assert_eq!(
                (again(CallOptions::default()), again(exact)),
                (by_default, exactly),
                "{code} {reason}"
            );
        }
    }
}
