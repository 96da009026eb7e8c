//! Patches: JSON, merge, strategic merge and server-side apply.
//!
//! Strategic merge and apply know by name the few lists that Kubernetes merges by key in the
//! objects of a load test; every other list is replaced. Ownership of fields is kept only so far
//! that what a manager stops applying goes away: two managers never conflict.

use serde_json::{Map, Value};

use super::{
    api::{Call, parse_body},
    status::Refusal,
    write::remove,
};

/// A patch, by its media type.
#[derive(Debug)]
pub(crate) enum Patch {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Value),
    Apply { manager: String, object: Value },
}

const KNOWN: &str = "application/json-patch+json, application/merge-patch+json, \
                     application/strategic-merge-patch+json, application/apply-patch+yaml";

// === impl Patch ===

impl Patch {
    /// Reads the body of a PATCH.
    ///
    /// # Errors
    /// 400 for what cannot be read, 415 for another media type.
    pub(crate) fn parse(call: &Call, body: &[u8]) -> Result<Self, Refusal> {
        let value = || parse_body(body, &call.content_type);
        let media = call.content_type.split(';').next().unwrap_or_default();
        match media.trim() {
            "application/json-patch+json" => serde_json::from_slice(body)
                .map(Self::Json)
                .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}"))),
            "application/merge-patch+json" => Ok(Self::Merge(value()?)),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic(value()?)),
            "application/apply-patch+yaml" => {
                let manager = call.parameter("fieldManager").ok_or_else(|| {
                    let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
                    Refusal::bad_request(message)
                })?;
                Ok(Self::Apply {
                    manager: manager.to_owned(),
                    object: value()?,
                })
            }
            other => Err(Refusal::unsupported_media(other, KNOWN)),
        }
    }

    /// The manager of an apply and what it applies.
    pub(crate) fn applied(&self) -> Option<(&str, &Value)> {
        match self {
            Self::Apply { manager, object } => Some((manager, object)),
            _ => None,
        }
    }

    /// The object with the patch. `before` is what the same manager applied last.
    ///
    /// # Errors
    /// 422 if a JSON patch does not fit.
    pub(crate) fn onto(&self, mut object: Value, before: Option<&Value>) -> Result<Value, Refusal> {
        match self {
            Self::Json(patch) => {
                json_patch::patch(&mut object, patch).map_err(|_| Refusal::unprocessable())?;
            }
            Self::Merge(patch) => json_patch::merge(&mut object, patch),
            Self::Strategic(patch) => merge(&mut object, patch, 0),
            Self::Apply { object: patch, .. } => {
                if let Some(before) = before {
                    prune(&mut object, before, patch, 0);
                }
                merge(&mut object, patch, 0);
            }
        }
        Ok(object)
    }
}

/// The key by which Kubernetes merges a list, for the lists that it merges.
fn merge_key(field: &str, depth: usize, members: &[Value]) -> Option<&'static str> {
    match field {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        "addresses" if depth > 0 && members.iter().all(Value::is_object) => Some("type"),
        // The ports of an EndpointSlice, which stand at its top, are replaced.
        "ports" if depth > 0 => {
            let of_container = members.iter().any(|it| it.get("containerPort").is_some());
            Some(if of_container {
                "containerPort"
            } else {
                "port"
            })
        }
        _ => None,
    }
}

fn merge(target: &mut Value, patch: &Value, depth: usize) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if fields.get("$patch").is_some_and(|it| it == "replace") {
        *target = Value::Object(without_directives(fields));
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (field, value) in without_directives(fields) {
        if value.is_null() || value.get("$patch").is_some_and(|it| it == "delete") {
            remove(target, &field);
            continue;
        }
        let slot = &mut target[field.as_str()];
        match &value {
            Value::Array(members) => match merge_key(&field, depth, members) {
                Some(key) => merge_list(slot, members, key, depth),
                None => *slot = value,
            },
            Value::Object(_) => merge(slot, &value, depth + 1),
            _ => *slot = value,
        }
    }
}

fn merge_list(target: &mut Value, members: &[Value], key: &str, depth: usize) {
    let mut merged = match target.take() {
        Value::Array(members) => members,
        _ => Vec::new(),
    };
    for member in members {
        let found = merged.iter().position(|it| it.get(key) == member.get(key));
        let directive = member.get("$patch").and_then(Value::as_str);
        match (directive, found) {
            (Some("delete"), Some(index)) => {
                merged.remove(index);
            }
            (Some("delete"), None) => {}
            (Some("replace"), _) => merged.clear(),
            (_, Some(index)) => merge(&mut merged[index], member, depth + 1),
            (_, None) => {
                let mut added = Value::Null;
                merge(&mut added, member, depth + 1);
                merged.push(added);
            }
        }
    }
    *target = Value::Array(merged);
}

/// Removes what the manager applied before and applies no longer.
fn prune(target: &mut Value, before: &Value, patch: &Value, depth: usize) {
    let (Some(before), true) = (before.as_object(), target.is_object()) else {
        return;
    };
    for (field, old) in before {
        match (patch.get(field), old) {
            (None, _) => remove(target, field),
            (Some(new), Value::Object(_)) => {
                if let Some(target) = target.get_mut(field) {
                    prune(target, old, new, depth + 1);
                }
            }
            (Some(Value::Array(new)), Value::Array(old)) => {
                let Some(key) = merge_key(field, depth, new) else {
                    continue;
                };
                let named = |members: &[Value], member: &Value| {
                    members.iter().any(|it| it.get(key) == member.get(key))
                };
                if let Some(Value::Array(members)) = target.get_mut(field) {
                    members.retain(|it| !named(old, it) || named(new, it));
                }
            }
            _ => {}
        }
    }
}

fn without_directives(fields: &Map<String, Value>) -> Map<String, Value> {
    fields
        .iter()
        .filter(|(field, _)| !field.starts_with('$'))
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_strategic_merge_merges_containers_by_name() {
        let object = json!({ "spec": { "containers": [
            { "name": "a", "image": "1", "ports": [{ "containerPort": 80 }] },
            { "name": "b", "image": "1" },
        ] } });
        let patch = json!({ "spec": {
            "$setElementOrder/containers": [{ "name": "a" }],
            "containers": [{ "name": "a", "image": "2" }, { "name": "b", "$patch": "delete" }],
        } });
        let patched = Patch::Strategic(patch).onto(object, None).unwrap();
        let expected = json!([{ "name": "a", "image": "2", "ports": [{ "containerPort": 80 }] }]);
        assert_eq!(patched["spec"]["containers"], expected);
        assert_eq!(patched["spec"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_longer_applied_goes_away() {
        let object = json!({ "metadata": { "labels": { "mine": "1", "theirs": "1" } } });
        let before = json!({ "metadata": { "labels": { "mine": "1" } } });
        let patch = Patch::Apply {
            manager: "me".to_owned(),
            object: json!({ "metadata": { "labels": { "new": "1" } } }),
        };
        let applied = patch.onto(object, Some(&before)).unwrap();
        let expected = json!({ "theirs": "1", "new": "1" });
        assert_eq!(applied["metadata"]["labels"], expected);
    }

    #[test]
    fn the_ports_of_a_slice_are_replaced_and_those_of_a_service_merged() {
        let ports = json!([{ "port": 80, "name": "a" }]);
        let object = json!({ "ports": ports, "spec": { "ports": ports } });
        let changed = json!([{ "port": 81 }]);
        let patch = json!({ "ports": changed, "spec": { "ports": changed } });
        let patched = Patch::Strategic(patch).onto(object, None).unwrap();
        assert_eq!(patched["ports"], changed);
        let merged = json!([{ "port": 80, "name": "a" }, { "port": 81 }]);
        assert_eq!(patched["spec"]["ports"], merged);
    }
}
