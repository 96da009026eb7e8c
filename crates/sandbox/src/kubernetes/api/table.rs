//! Tables, as `kubectl get` prints them: the columns of the kinds that a churn shows, and name and
//! age of the others.

use dst_load_scenario::time::At;
use serde_json::{Value, json};

use super::answer;
use crate::kubernetes::{
    facts::{array, is_ready},
    object::EPOCH_SECONDS,
    resources::Resource,
    write::text,
};

/// A column, with its cell of one object.
struct Column {
    name: &'static str,
    /// Whether it is only shown when wide.
    wide: bool,
    cell: Value,
}

/// Objects as a table. `metadata` is that of the list.
pub(crate) fn table<'a>(
    resource: Resource,
    objects: impl IntoIterator<Item = &'a Value>,
    metadata: Value,
    now: At,
    header: bool,
) -> Value {
    let columns = columns(resource, &Value::Null, now);
    let columns = columns.iter().filter(|_| header).map(Column::definition);
    let rows = objects.into_iter().map(|object| {
        let cells = self::columns(resource, object, now).into_iter();
        json!({
            "cells": cells.map(|it| it.cell).collect::<Vec<_>>(),
            "object": answer::metadata(object),
        })
    });
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns.collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn columns(resource: Resource, object: &Value, now: At) -> Vec<Column> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let name = Column::new("Name", object["metadata"]["name"].clone());
    let age = Column::new("Age", age(object, now));
    let count = |name, value: &Value| Column::new(name, value.as_i64().unwrap_or_default());
    let or_none = |value: &Value| value.as_str().unwrap_or("<none>").to_owned();
    match resource {
        Resource::Pods => {
            let ready = array(&status["containerStatuses"]).filter(|it| it["ready"] == true);
            let ready = format!("{}/{}", ready.count(), array(&spec["containers"]).count());
            let phase = match object["metadata"]["deletionTimestamp"] {
                Value::Null => status["phase"].clone(),
                _ => json!("Terminating"),
            };
            vec![
                name,
                Column::new("Ready", ready),
                Column::new("Status", phase),
                Column::new("Restarts", 0),
                age,
                Column::wide("IP", or_none(&status["podIP"])),
                Column::wide("Node", or_none(&spec["nodeName"])),
            ]
        }
        Resource::Services => {
            let ports =
                array(&spec["ports"]).map(|it| format!("{}/{}", it["port"], text(&it["protocol"])));
            let labels = spec["selector"].as_object().into_iter().flatten();
            let labels = labels.map(|(key, value)| format!("{key}={}", text(value)));
            vec![
                name,
                Column::new("Type", spec["type"].clone()),
                Column::new("Cluster-IP", or_none(&spec["clusterIP"])),
                Column::new("External-IP", or_none(&spec["externalName"])),
                Column::new("Port(s)", or(join(ports), "<none>")),
                age,
                Column::wide("Selector", or(join(labels), "<none>")),
            ]
        }
        Resource::Deployments => {
            let ready = status["readyReplicas"].as_i64().unwrap_or_default();
            vec![
                name,
                Column::new("Ready", format!("{ready}/{}", spec["replicas"])),
                count("Up-to-date", &status["updatedReplicas"]),
                count("Available", &status["availableReplicas"]),
                age,
            ]
        }
        Resource::ReplicaSets => vec![
            name,
            count("Desired", &spec["replicas"]),
            count("Current", &status["replicas"]),
            count("Ready", &status["readyReplicas"]),
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
            vec![
                name,
                Column::new("AddressType", object["addressType"].clone()),
                Column::new("Ports", or(ports, "<unset>")),
                Column::new("Endpoints", or(shown + &more, "<unset>")),
                age,
            ]
        }
        Resource::Namespaces => vec![name, Column::new("Status", status["phase"].clone()), age],
        Resource::Nodes => {
            let ready = if is_ready(status) {
                "Ready"
            } else {
                "NotReady"
            };
            let version = status["nodeInfo"]["kubeletVersion"].clone();
            vec![
                name,
                Column::new("Status", ready),
                Column::new("Roles", "<none>"),
                age,
                Column::new("Version", version),
            ]
        }
        _ => vec![name, age],
    }
}

// === impl Column ===

impl Column {
    fn new(name: &'static str, cell: impl Into<Value>) -> Self {
        Self {
            name,
            wide: false,
            cell: cell.into(),
        }
    }

    fn wide(name: &'static str, cell: String) -> Self {
        Self {
            wide: true,
            ..Self::new(name, cell)
        }
    }

    fn definition(&self) -> Value {
        let kind = if self.cell.is_number() {
            "integer"
        } else {
            "string"
        };
        let format = if self.name == "Name" { "name" } else { "" };
        json!({
            "name": self.name, "type": kind, "format": format,
            "description": "", "priority": u8::from(self.wide),
        })
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
