//! The HTTP side of the API: which path and method mean which verb on which object.

mod answer;
pub(super) mod body;
mod discovery;
mod list;
mod openapi;
mod protobuf;
mod scale;
mod table;
mod verbs;
mod watch;

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Query, Request, State},
    response::{IntoResponse, Response},
};
use dst_load_transport::world::OBSERVER_AGENT;
use http::{Method, StatusCode};

pub(crate) use self::body::parse as parse_body;
use super::{Kubernetes, resources::Resource, status::Refusal};

/// The API of a cluster, which it keeps running.
pub(crate) fn router(kubernetes: Kubernetes) -> Router {
    Router::new().fallback(handle).with_state(kubernetes)
}

/// A request on a resource.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    pub(crate) query: BTreeMap<String, String>,
    /// What form of answer the client would take.
    pub(crate) form: answer::Form,
    pub(crate) content_type: String,
    /// Whether the tool's own observer asks.
    pub(crate) by_observer: bool,
    /// Of all requests; faults are drawn by it.
    pub(crate) number: u64,
}

async fn handle(State(kubernetes): State<Kubernetes>, request: Request) -> Response {
    match dispatch(&kubernetes, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn dispatch(kubernetes: &Kubernetes, request: Request) -> Result<Response, Refusal> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
    if let ["healthz" | "readyz" | "livez", ..] = segments[..] {
        return Ok("ok".into_response());
    }
    if let ["openapi", "v2"] = segments[..] {
        let accept = request.headers().get(http::header::ACCEPT);
        let accept = accept.and_then(|it| it.to_str().ok());
        return Ok(openapi::second(accept.unwrap_or_default()));
    }
    if let Some(response) = discovery::answer(&segments, request.method()) {
        return Ok(response);
    }
    let shared = kubernetes.shared();
    let Some(call) = Call::parse(&segments, &request, shared.faults.number()) else {
        return Err(Refusal::no_such_path());
    };
    let method = request.method().clone();
    let verb = call.verb(&method).ok_or_else(Refusal::method_not_allowed)?;
    if let Some(refusal) = shared.faults.refusal(shared.now(), &call, verb) {
        return Err(refusal);
    }
    match verb {
        "watch" => watch::watch(shared, call),
        "list" => list::list(shared, &call),
        _ => verbs::act(shared, call, verb, body::read(request).await?),
    }
}

// === impl Call ===

impl Call {
    fn parse(segments: &[&str], request: &Request, number: u64) -> Option<Self> {
        let (group, version, rest) = match *segments {
            ["api", version, ref rest @ ..] => ("", version, rest),
            ["apis", group, version, ref rest @ ..] => (group, version, rest),
            _ => return None,
        };
        let (namespace, rest) = match *rest {
            // `namespaces/NAME/status` is a subresource of the namespace, not a kind in it.
            ["namespaces", name, kind, ref rest @ ..]
                if Resource::find(group, version, kind).is_some() =>
            {
                (Some(name), [&[kind], rest].concat())
            }
            _ => (None, rest.to_vec()),
        };
        let resource = Resource::find(group, version, rest.first()?)?;
        if rest.len() > 3 || (namespace.is_some() && !resource.is_namespaced()) {
            return None;
        }
        let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
        let header = |name| {
            let value = request.headers().get(name)?;
            value.to_str().ok()
        };
        Some(Self {
            resource,
            namespace: namespace.map(str::to_owned),
            name: rest.get(1).map(|&name| name.to_owned()),
            subresource: rest.get(2).map(|&it| it.to_owned()),
            query: query.0.into_iter().collect(),
            form: answer::Form::of(header(http::header::ACCEPT).unwrap_or_default()),
            content_type: header(http::header::CONTENT_TYPE)
                .unwrap_or_default()
                .to_owned(),
            by_observer: header(http::header::USER_AGENT)
                .is_some_and(|agent| agent.starts_with(OBSERVER_AGENT)),
            number,
        })
    }

    /// The verb, as RBAC names it.
    fn verb(&self, method: &Method) -> Option<&'static str> {
        let named = self.name.is_some();
        Some(match (method.as_str(), named) {
            ("GET", false) if self.is_set("watch") => "watch",
            ("GET", false) => "list",
            ("GET", true) => "get",
            ("POST", false) => "create",
            ("PUT", true) => "update",
            ("PATCH", true) => "patch",
            ("DELETE", true) => "delete",
            ("DELETE", false) => "deletecollection",
            _ => return None,
        })
    }

    /// A parameter that is there and not empty.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.query.get(name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that is true.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.parameter(name)
            .is_some_and(|value| value == "true" || value == "1")
    }
}

/// A JSON answer.
pub(crate) fn json(code: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}
