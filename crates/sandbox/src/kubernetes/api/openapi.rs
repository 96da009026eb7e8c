//! Just enough of OpenAPI that kubectl leaves the validation of fields to the server, for each kind
//! and for lists of them, and that `kubectl explain` knows the outermost fields.
//!
//! Of version 2 there is the frame alone. kubectl validates `kind: List` with it, whatever it has of
//! version 3, and skips each item whose kind it does not describe.

use std::{collections::BTreeSet, sync::LazyLock};

use axum::response::Response;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::json as respond;
use crate::kubernetes::resources::Resource;

const TITLE: &str = "Kubernetes";
const VERSION: &str = "v1.33.0";
/// The type of version 2 in protobuf. Clients ask for it with an `@`, which is no media type.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Of fields.
static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("openapi.yaml"))
        .expect("invariant: the file is part of this program, and valid")
});

/// The document of version 2, in protobuf where the client would take that.
pub(super) fn second(accept: &str) -> Response {
    if !accept.contains("protobuf") {
        let document = json!({
            "swagger": "2.0",
            "info": { "title": TITLE, "version": VERSION },
            "paths": {},
        });
        return respond(StatusCode::OK, document.to_string());
    }
    let info = [string(1, TITLE), string(2, VERSION)].concat();
    let document = [string(1, "2.0"), field(2, &info)].concat();
    let mut response = Response::new(document.into());
    let kind = HeaderValue::from_static(PROTOBUF);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A string of a protobuf message.
fn string(number: u8, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

/// A field of a protobuf message, shorter than 128 bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("invariant: the frame is short");
    [&[number << 3 | 2, length], bytes].concat()
}

/// Which documents there are.
pub(super) fn index() -> Value {
    let paths: BTreeSet<String> = Resource::all().map(root).collect();
    let paths = paths.into_iter().map(|path| {
        let url = json!({ "serverRelativeURL": format!("/openapi/v3/{path}") });
        (path, url)
    });
    json!({ "paths": Value::Object(paths.collect()) })
}

/// The document of one group and version, if there is one.
pub(super) fn document(group: &str, version: &str) -> Option<Value> {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for it in Resource::of_group(group, version) {
        let scope = if it.is_namespaced() {
            "namespaces/{namespace}/"
        } else {
            ""
        };
        let path = format!("/{}/{scope}{}/{{name}}", root(it), it.plural());
        paths.insert(path, patch(it));
        schemas.insert(schema_name(it), schema(it));
    }
    if paths.is_empty() {
        return None;
    }
    schemas.insert(METADATA.to_owned(), SCHEMAS["metadata"].clone());
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": TITLE, "version": VERSION },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

/// That objects of the kind are patched with validation by the server.
fn patch(it: Resource) -> Value {
    let validation =
        json!({ "name": "fieldValidation", "in": "query", "schema": { "type": "string" } });
    json!({
        "patch": {
            "parameters": [validation],
            "responses": {},
            "x-kubernetes-group-version-kind":
                { "group": it.group(), "version": it.version(), "kind": it.kind() },
        },
    })
}

fn schema_name(it: Resource) -> String {
    let group = match it.group() {
        "" => "core",
        group => group,
    };
    format!("sandbox.{group}.{}.{}", it.version(), it.kind())
}

fn schema(it: Resource) -> Value {
    let mut properties = SCHEMAS["all"].clone();
    let own = SCHEMAS["own"].get(it.plural()).unwrap_or(&SCHEMAS["spec"]);
    for (name, property) in own.as_object().into_iter().flatten() {
        if name != "status" || it.has_status() {
            properties[name] = property.clone();
        }
    }
    json!({
        "description": format!(
            "{} as the embedded cluster keeps it. All fields of Kubernetes' are accepted; these are \
             the outermost ones.",
            it.kind()
        ),
        "type": "object",
        "properties": properties,
        "x-kubernetes-group-version-kind":
            [{ "group": it.group(), "version": it.version(), "kind": it.kind() }],
    })
}

fn root(it: Resource) -> String {
    match it.group() {
        "" => format!("api/{}", it.version()),
        _ => format!("apis/{}", it.api_version()),
    }
}
