//! The `scale` subresource: the replicas of a Deployment or a ReplicaSet as an `autoscaling/v1`
//! Scale.

use serde_json::{Value, json};

use crate::kubernetes::{resources::Resource, status::Refusal};

/// The Scale of an object.
pub(crate) fn of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let labels = object["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": { "replicas": object["spec"]["replicas"] },
        "status": {
            "replicas": object["status"]["replicas"].as_i64().unwrap_or_default(),
            "selector": selector.join(","),
        },
    })
}

/// The object with the replicas of a Scale, and with the uid and version that it was made for.
pub(crate) fn onto(resource: Resource, mut object: Value, scale: &Value) -> Result<Value, Refusal> {
    let replicas = &scale["spec"]["replicas"];
    if !replicas.is_null() && replicas.as_i64().is_none_or(|it| it < 0) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let problem = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        return Err(Refusal::invalid(resource, name, "spec.replicas", &problem));
    }
    object["spec"]["replicas"] = if replicas.is_null() {
        json!(0)
    } else {
        replicas.clone()
    };
    for field in ["uid", "resourceVersion"] {
        let given = &scale["metadata"][field];
        if !given.is_null() {
            object["metadata"][field] = given.clone();
        }
    }
    Ok(object)
}
