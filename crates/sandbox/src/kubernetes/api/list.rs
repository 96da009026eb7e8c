//! Lists: pages, selectors, and the version that a watch goes on from.

use axum::response::Response;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Call,
    answer::{self, Form},
    json as respond, table,
};
use crate::kubernetes::{
    object::Key, selector::Selector, shared::Shared, status::Refusal, store::Store,
};

struct Page {
    items: Vec<Bytes>,
    /// `metadata` of the list.
    metadata: Value,
}

/// Answers a list.
pub(crate) fn list(shared: &Shared, call: &Call) -> Result<Response, Refusal> {
    let selector = call.selector()?;
    let page = shared.with(|store| page(store, call, &selector))?;
    if call.form == Form::Table {
        let objects: Vec<Value> = page.items.iter().map(|it| answer::parse(it)).collect();
        let table = table::table(call.resource, &objects, page.metadata, shared.now(), true);
        return Ok(respond(StatusCode::OK, table.to_string()));
    }
    let (kind, api_version, items) = match call.form {
        Form::Metadata => {
            let items = page.items.iter();
            let items =
                items.map(|it| Bytes::from(answer::metadata(&answer::parse(it)).to_string()));
            (
                "PartialObjectMetadataList".to_owned(),
                "meta.k8s.io/v1",
                items.collect(),
            )
        }
        _ => (
            format!("{}List", call.resource.kind()),
            call.resource.api_version(),
            page.items,
        ),
    };
    let mut body = Vec::with_capacity(items.iter().map(|it| it.len() + 1).sum::<usize>() + 256);
    let head = format!(
        "{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{},\"items\":",
        page.metadata
    );
    body.extend_from_slice(head.as_bytes());
    if items.is_empty() && call.form == Form::Metadata {
        // As Go encodes a slice to which nothing was appended.
        body.extend_from_slice(b"null}\n");
        return Ok(respond(StatusCode::OK, body));
    }
    body.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(item);
    }
    body.extend_from_slice(b"]}\n");
    Ok(respond(StatusCode::OK, body))
}

/// Which page of the list is asked for, and what it holds. A later page shows the present, under
/// the version of the first: what has changed in between, a watch from there tells again.
fn page(store: &Store, call: &Call, selector: &Selector) -> Result<Page, Refusal> {
    let mut version = store.version();
    let mut after = None;
    if let Some(token) = call.parameter("continue") {
        let (first, last) = parse_token(token)?;
        if store.log(call.resource).after(first).is_err() {
            return Err(Refusal::expired_continue());
        }
        (version, after) = (first, Some(last));
    } else {
        let asked = call.version()?.unwrap_or_default();
        if asked > version {
            return Err(Refusal::too_large_version(asked, version));
        }
        if call.parameter("resourceVersionMatch") == Some("Exact") && asked != version {
            return Err(Refusal::expired(asked, version));
        }
    }
    let limit = call.parameter("limit").and_then(|it| it.parse().ok());
    let limit = limit.filter(|&it| it > 0).unwrap_or(usize::MAX);
    let mut matching = selector.list(store, call.resource, after.as_ref());
    let mut items = Vec::new();
    let mut last = None;
    for object in matching.by_ref().take(limit) {
        items.push(object.json());
        last = Some(&object.meta.key);
    }
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    let remaining = matching.count();
    if let Some(last) = last.filter(|_| remaining > 0) {
        metadata["continue"] = json!(token(version, last));
        metadata["remainingItemCount"] = json!(remaining);
    }
    Ok(Page { items, metadata })
}

fn token(version: u64, last: &Key) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{version}/{}/{}", last.namespace, last.name))
}

fn parse_token(token: &str) -> Result<(u64, Key), Refusal> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let decoded = decoded.and_then(|it| String::from_utf8(it).ok());
    decoded
        .as_deref()
        .and_then(|it| {
            let (version, key) = it.split_once('/')?;
            let (namespace, name) = key.split_once('/')?;
            Some((version.parse().ok()?, Key::new(namespace, name)))
        })
        .ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}

// === impl Call ===

impl Call {
    /// What the query selects.
    pub(crate) fn selector(&self) -> Result<Selector, Refusal> {
        Selector::parse(
            self.namespace.as_deref(),
            self.parameter("labelSelector"),
            self.parameter("fieldSelector"),
        )?
        .only(self.resource.selectable_fields())
    }

    /// The resource version that the query names; 0 for any.
    pub(crate) fn version(&self) -> Result<Option<u64>, Refusal> {
        let Some(version) = self.parameter("resourceVersion") else {
            return Ok(None);
        };
        version.parse().map(Some).map_err(|_| {
            let message = format!(
                "resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"
            );
            Refusal::bad_request(message)
        })
    }
}
