//! Tables, as `kubectl get` prints them: the columns of the kinds that a churn shows, and name and
//! age of the others.

use dst_load_scenario::time::At;
use serde_json::{Value, json};

use super::answer;
use crate::kubernetes::{facts::array, object::EPOCH_SECONDS, resources::Resource, write::text};

/// A column: its name, its type, and 0 unless it is only shown when wide.
type Column = (&'static str, &'static str, u8);

/// Objects as a table. `metadata` is that of the list.
pub(crate) fn table<'a>(
    resource: Resource,
    objects: impl IntoIterator<Item = &'a Value>,
    metadata: Value,
    now: At,
    header: bool,
) -> Value {
    let columns: Vec<Value> = columns(resource)
        .iter()
        .filter(|_| header)
        .map(|(name, kind, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({
                "name": name, "type": kind, "format": format,
                "description": "", "priority": priority,
            })
        })
        .collect();
    let rows: Vec<Value> = objects
        .into_iter()
        .map(|object| {
            json!({ "cells": cells(resource, object, now), "object": answer::metadata(object) })
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn columns(resource: Resource) -> &'static [Column] {
    const NAME: Column = ("Name", "string", 0);
    const AGE: Column = ("Age", "string", 0);
    match resource {
        Resource::Pods => &[
            NAME,
            ("Ready", "string", 0),
            ("Status", "string", 0),
            ("Restarts", "integer", 0),
            AGE,
            ("IP", "string", 1),
            ("Node", "string", 1),
        ],
        Resource::Services => &[
            NAME,
            ("Type", "string", 0),
            ("Cluster-IP", "string", 0),
            ("External-IP", "string", 0),
            ("Port(s)", "string", 0),
            AGE,
            ("Selector", "string", 1),
        ],
        Resource::Deployments => &[
            NAME,
            ("Ready", "string", 0),
            ("Up-to-date", "integer", 0),
            ("Available", "integer", 0),
            AGE,
        ],
        Resource::ReplicaSets => &[
            NAME,
            ("Desired", "integer", 0),
            ("Current", "integer", 0),
            ("Ready", "integer", 0),
            AGE,
        ],
        Resource::EndpointSlices => &[
            NAME,
            ("AddressType", "string", 0),
            ("Ports", "string", 0),
            ("Endpoints", "string", 0),
            AGE,
        ],
        Resource::Namespaces => &[NAME, ("Status", "string", 0), AGE],
        Resource::Nodes => &[
            NAME,
            ("Status", "string", 0),
            ("Roles", "string", 0),
            AGE,
            ("Version", "string", 0),
        ],
        _ => &[NAME, AGE],
    }
}

fn cells(resource: Resource, object: &Value, now: At) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let name = object["metadata"]["name"].clone();
    let age = json!(age(object, now));
    let count = |value: &Value| json!(value.as_i64().unwrap_or_default());
    match resource {
        Resource::Pods => {
            let ready = array(&status["containerStatuses"]).filter(|it| it["ready"] == true);
            let ready = format!("{}/{}", ready.count(), array(&spec["containers"]).count());
            let or_none = |value: &Value| json!(value.as_str().unwrap_or("<none>"));
            let (ip, node) = (or_none(&status["podIP"]), or_none(&spec["nodeName"]));
            let phase = match object["metadata"]["deletionTimestamp"] {
                Value::Null => status["phase"].clone(),
                _ => json!("Terminating"),
            };
            vec![name, json!(ready), phase, json!(0), age, ip, node]
        }
        Resource::Services => {
            let ports =
                array(&spec["ports"]).map(|it| format!("{}/{}", it["port"], text(&it["protocol"])));
            let labels = spec["selector"].as_object().into_iter().flatten();
            let labels = labels.map(|(key, value)| format!("{key}={}", text(value)));
            vec![
                name,
                spec["type"].clone(),
                json!(spec["clusterIP"].as_str().unwrap_or("<none>")),
                json!(spec["externalName"].as_str().unwrap_or("<none>")),
                json!(or(join(ports), "<none>")),
                age,
                json!(or(join(labels), "<none>")),
            ]
        }
        Resource::Deployments => {
            let ready = status["readyReplicas"].as_i64().unwrap_or_default();
            vec![
                name,
                json!(format!("{ready}/{}", spec["replicas"])),
                count(&status["updatedReplicas"]),
                count(&status["availableReplicas"]),
                age,
            ]
        }
        Resource::ReplicaSets => vec![
            name,
            count(&spec["replicas"]),
            count(&status["replicas"]),
            count(&status["readyReplicas"]),
            age,
        ],
        Resource::EndpointSlices => {
            let ports = join(array(&object["ports"]).map(|it| it["port"].to_string()));
            let mut addresses =
                array(&object["endpoints"]).flat_map(|it| array(&it["addresses"]).map(text));
            let shown = join(addresses.by_ref().take(3).map(str::to_owned));
            let more = match addresses.count() {
                0 => String::new(),
                more => format!(" + {more} more..."),
            };
            let addresses = or(shown + &more, "<unset>");
            let kind = object["addressType"].clone();
            vec![
                name,
                kind,
                json!(or(ports, "<unset>")),
                json!(addresses),
                age,
            ]
        }
        Resource::Namespaces => vec![name, status["phase"].clone(), age],
        Resource::Nodes => {
            let ready = array(&status["conditions"])
                .any(|it| it["type"] == "Ready" && it["status"] == "True");
            let ready = if ready { "Ready" } else { "NotReady" };
            let version = status["nodeInfo"]["kubeletVersion"].clone();
            vec![name, json!(ready), json!("<none>"), age, version]
        }
        _ => vec![name, age],
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

/// The age on the cluster's own clock, in kubectl's short form.
fn age(object: &Value, now: At) -> String {
    let created = text(&object["metadata"]["creationTimestamp"]);
    let Ok(created) = created.parse::<jiff::Timestamp>() else {
        return "<unknown>".to_owned();
    };
    let elapsed = i64::try_from(now.since_start().as_secs()).unwrap_or(i64::MAX);
    let seconds = EPOCH_SECONDS.saturating_add(elapsed) - created.as_second();
    match seconds {
        ..120 => format!("{}s", seconds.max(0)),
        120..600 if seconds % 60 != 0 => format!("{}m{}s", seconds / 60, seconds % 60),
        120..10_800 => format!("{}m", seconds / 60),
        10_800..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
