//! Refusals, in the words and with the codes of a real API server.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{api::json as json_response, resources::Resource};

/// An answer of kind `Status` that says no.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
    /// Seconds, as a header and in the details.
    retry_after: Option<u64>,
}

// === impl Refusal ===

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
            retry_after: None,
        }
    }

    fn about(mut self, it: Resource, name: &str) -> Self {
        self.details = json!({ "name": name, "kind": it.plural() });
        if !it.group().is_empty() {
            self.details["group"] = json!(it.group());
        }
        self
    }

    fn again_after(mut self, seconds: u64) -> Self {
        self.details["retryAfterSeconds"] = json!(seconds);
        self.retry_after = Some(seconds);
        self
    }

    /// 404 for an object.
    pub(crate) fn not_found(resource: Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", resource.qualified());
        Self::new(404, "NotFound", message).about(resource, name)
    }

    /// 404 for a path.
    pub(crate) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(404, "NotFound", message)
    }

    /// 409 for a create.
    pub(crate) fn already_exists(resource: Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(resource, name)
    }

    /// 409 for a write on a stale copy.
    pub(crate) fn conflict(resource: Resource, name: &str) -> Self {
        Self::conflict_because(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 409 with a reason of its own.
    pub(crate) fn conflict_because(resource: Resource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            resource.qualified()
        );
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// 410 for a watch or a page that the log no longer reaches back to.
    pub(crate) fn expired(asked: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {asked} ({oldest})");
        Self::new(410, "Expired", message)
    }

    /// 410 for the continuation of a list.
    pub(crate) fn expired_continue() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. \
                       You must start a new list without the continue parameter.";
        Self::new(410, "Expired", message)
    }

    /// 504 for a version that is yet to come: of another cluster, or of this one before it was
    /// started again.
    pub(crate) fn too_large_version(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut refusal = Self::new(504, "Timeout", message).again_after(1);
        refusal.details["causes"] = json!([{
            "reason": "ResourceVersionTooLarge", "message": "Too large resource version",
        }]);
        refusal
    }

    /// 422, with the field, Kubernetes' type of problem and what is wrong.
    pub(crate) fn invalid(resource: Resource, name: &str, field: &str, problem: &str) -> Self {
        let kind = resource.qualified_kind();
        let message = format!("{kind} \"{name}\" is invalid: {field}: {problem}");
        let mut refusal = Self::new(422, "Invalid", message).about(resource, name);
        refusal.details["kind"] = json!(resource.kind());
        refusal.details["causes"] =
            json!([{ "reason": "FieldValueInvalid", "message": problem, "field": field }]);
        refusal
    }

    /// 409 for a deletion that was meant for another object of the name, or another version of it.
    pub(crate) fn precondition(
        resource: Resource,
        name: &str,
        (what, wanted): (&str, &str),
        actual: &str,
        happened: &str,
    ) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the {what} in the precondition ({wanted}) does not match \
             the {what} in record ({actual}). The object might have been {happened}",
            resource.qualified_kind()
        );
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// 422 for a patch that does not fit.
    pub(crate) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message)
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// Who asks is not known.
    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized".to_owned())
    }

    /// 403 for a verb that the caller may not use.
    pub(crate) fn forbidden(
        resource: Resource,
        subresource: Option<&str>,
        verb: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Self {
        let place = namespace.map_or_else(
            || "at the cluster scope".to_owned(),
            |namespace| format!("in the namespace \"{namespace}\""),
        );
        let quoted = if name.is_empty() {
            String::new()
        } else {
            format!(" \"{name}\"")
        };
        let part = subresource.map_or_else(String::new, |part| format!("/{part}"));
        let message = format!(
            "{}{quoted} is forbidden: User \"sandbox\" cannot {verb} resource \"{}{part}\" in API group \"{}\" {place}",
            resource.qualified(),
            resource.plural(),
            resource.group(),
        );
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    /// 403 for an object that something but RBAC keeps out.
    pub(crate) fn forbidden_because(resource: Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    /// 403 for a create in a namespace that is going away.
    pub(crate) fn terminating(resource: Resource, name: &str, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut refusal = Self::forbidden_because(resource, name, &why);
        refusal.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        refusal
    }

    /// 429.
    pub(crate) fn too_many_requests(retry_after: u64) -> Self {
        let message = "too many requests, please try again later";
        Self::new(429, "TooManyRequests", message).again_after(retry_after)
    }

    /// 500.
    pub(crate) fn internal(why: &str) -> Self {
        let message = format!("Internal error occurred: {why}");
        Self::new(500, "InternalError", message)
    }

    /// 415.
    pub(crate) fn unsupported_media(content_type: &str, known: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format ({content_type}) - accepted media types include: {known}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 405.
    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message)
    }

    /// The HTTP status.
    #[cfg(test)]
    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// As a `Status` object.
    pub(crate) fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json_response(code, self.to_value().to_string());
        if let Some(seconds) = self.retry_after {
            (response.headers_mut()).insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
