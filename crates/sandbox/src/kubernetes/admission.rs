//! Defaults and validity of what is written, per kind: as much of Kubernetes' as the objects of a
//! load test and the clients that read them notice.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    facts::{DEFAULT_SCHEDULER, array},
    object::Key,
    resources::Resource,
    status::Refusal,
    store::Store,
    write::{remove, text},
};

/// Refuses a name that is none.
///
/// # Errors
/// 422.
pub(crate) fn name(resource: Resource, name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        let problem = "Required value: name or generateName is required";
        return Err(Refusal::invalid(resource, name, "metadata.name", problem));
    }
    // A Service's name is also a DNS label.
    let longest = match resource {
        Resource::Services | Resource::Namespaces => 63,
        _ => 253,
    };
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let known = |letter| plain(letter) || letter == '-' || (letter == '.' && longest > 63);
    if name.len() > longest
        || !name.chars().all(known)
        || !name.starts_with(plain)
        || !name.ends_with(plain)
    {
        let problem = format!(
            "Invalid value: \"{name}\": a lowercase RFC 1123 name must consist of lower case alphanumeric characters, '-' or '.', \
             and must start and end with an alphanumeric character"
        );
        return Err(Refusal::invalid(resource, name, "metadata.name", &problem));
    }
    Ok(())
}

/// Refuses a namespace that does not exist or is going away.
///
/// # Errors
/// 404 or 403.
pub(crate) fn open_namespace(
    store: &Store,
    resource: Resource,
    name: &str,
    namespace: &str,
) -> Result<(), Refusal> {
    let key = Key::new("", namespace);
    let Some(object) = store.get(Resource::Namespaces, &key) else {
        return Err(Refusal::not_found(Resource::Namespaces, namespace));
    };
    let phase = object.meta.selectable.fields.first();
    if phase.is_some_and(|(_, phase)| phase == "Terminating") {
        return Err(Refusal::terminating(resource, name, namespace));
    }
    Ok(())
}

/// Refuses an object in which a list or a scalar stands where every kind has a map.
///
/// # Errors
/// 400.
pub(crate) fn shape(object: &Value) -> Result<(), Refusal> {
    for path in [
        "",
        "/metadata",
        "/metadata/labels",
        "/metadata/annotations",
        "/spec",
        "/status",
        "/spec/selector",
        "/spec/template",
        "/spec/template/metadata",
        "/spec/template/spec",
        "/spec/strategy",
        "/spec/strategy/rollingUpdate",
    ] {
        if object
            .pointer(path)
            .is_some_and(|it| !it.is_object() && !it.is_null())
        {
            let message = format!("json: cannot unmarshal {path:?} into an object");
            return Err(Refusal::bad_request(message));
        }
    }
    Ok(())
}

/// Completes and checks an object that is created.
///
/// # Errors
/// 422.
pub(crate) fn on_create(
    store: &Store,
    resource: Resource,
    object: &mut Value,
) -> Result<(), Refusal> {
    match resource {
        Resource::Namespaces => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            object["spec"] = json!({ "finalizers": ["kubernetes"] });
            object["status"] = json!({ "phase": "Active" });
        }
        Resource::Pods => {
            object["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
        }
        Resource::Services => {
            allocate_cluster_ip(store, object);
            object["status"] = json!({ "loadBalancer": {} });
        }
        Resource::Deployments | Resource::Jobs => object["status"] = json!({}),
        Resource::ReplicaSets => object["status"] = json!({ "replicas": 0 }),
        _ => {}
    }
    complete(resource, object)
}

/// Completes and checks an object that is changed.
///
/// # Errors
/// 422, also for a change of what may not change.
pub(crate) fn on_update(
    store: &Store,
    resource: Resource,
    old: &Value,
    object: &mut Value,
) -> Result<(), Refusal> {
    let fixed: &[&str] = match resource {
        Resource::Services if !text(&old["spec"]["clusterIP"]).is_empty() => {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if object["spec"][field].is_null() {
                    object["spec"][field] = old["spec"][field].clone();
                }
            }
            &["/spec/clusterIP"]
        }
        Resource::Services => {
            allocate_cluster_ip(store, object);
            &[]
        }
        Resource::EndpointSlices => &["/addressType"],
        Resource::Deployments | Resource::ReplicaSets => &["/spec/selector"],
        _ => &[],
    };
    complete(resource, object)?;
    for path in fixed {
        if old.pointer(path) != object.pointer(path) {
            let field = path[1..].replace('/', ".");
            let value = object.pointer(path).unwrap_or(&Value::Null);
            let problem = format!("Invalid value: {value}: field is immutable");
            let name = text(&old["metadata"]["name"]);
            return Err(Refusal::invalid(resource, name, &field, &problem));
        }
    }
    Ok(())
}

fn complete(resource: Resource, object: &mut Value) -> Result<(), Refusal> {
    let name = text(&object["metadata"]["name"]).to_owned();
    let invalid =
        |field: &str, problem: &str| Err(Refusal::invalid(resource, &name, field, problem));
    match resource {
        Resource::Services => {
            service(object);
            if array(&object["spec"]["ports"]).count() == 0
                && object["spec"]["clusterIP"] != "None"
                && object["spec"]["type"] != "ExternalName"
            {
                return invalid("spec.ports", "Required value");
            }
        }
        Resource::Deployments | Resource::ReplicaSets => {
            let spec = &object["spec"];
            let selector = spec["selector"]["matchLabels"].as_object();
            let Some(selector) = selector.filter(|it| !it.is_empty()) else {
                return invalid("spec.selector", "Required value");
            };
            let labels = &spec["template"]["metadata"]["labels"];
            if selector
                .iter()
                .any(|(key, value)| labels.get(key) != Some(value))
            {
                let problem =
                    format!("Invalid value: {labels}: `selector` does not match template `labels`");
                return invalid("spec.template.metadata.labels", &problem);
            }
            if let Some(negative) = spec["replicas"].as_i64().filter(|&it| it < 0) {
                let problem =
                    format!("Invalid value: {negative}: must be greater than or equal to 0");
                return invalid("spec.replicas", &problem);
            }
            if resource == Resource::Deployments {
                deployment(object);
            }
            defaults(&mut object["spec"], json!({ "replicas": 1 }));
            pod_spec(&mut object["spec"]["template"]["spec"]);
        }
        Resource::Pods => pod_spec(&mut object["spec"]),
        Resource::Secrets => secret(object),
        Resource::EndpointSlices => {
            if text(&object["addressType"]).is_empty() {
                return invalid("addressType", "Required value");
            }
            if array(&object["endpoints"]).count() > 1000 {
                return invalid("endpoints", "Too many: must have at most 1000 items");
            }
            // As Go writes a list of which nothing was kept.
            for list in ["endpoints", "ports"] {
                if array(&object[list]).count() == 0 {
                    object[list] = Value::Null;
                }
            }
            for endpoint in members_mut(object, "endpoints") {
                defaults(endpoint, json!({ "conditions": {} }));
            }
            for port in members_mut(object, "ports") {
                defaults(port, json!({ "name": "", "protocol": "TCP" }));
            }
        }
        _ => {}
    }
    Ok(())
}

fn service(object: &mut Value) {
    let spec = &mut object["spec"];
    defaults(
        spec,
        json!({ "type": "ClusterIP", "sessionAffinity": "None" }),
    );
    if spec["type"] != "ExternalName" {
        let of_addresses = json!({
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        });
        defaults(spec, of_addresses);
    }
    for port in members_mut(spec, "ports") {
        let number = port["port"].clone();
        defaults(port, json!({ "protocol": "TCP", "targetPort": number }));
    }
}

/// A Service gets the address after those of the Services before it, with gaps.
fn allocate_cluster_ip(store: &Store, object: &mut Value) {
    if object["spec"]["type"] == "ExternalName" {
        return;
    }
    if text(&object["spec"]["clusterIP"]).is_empty() {
        // Versions only grow, so within 900,000 writes no two Services share an address.
        let version = u32::try_from(store.version() % 0x000f_0000).unwrap_or_default();
        let address = std::net::Ipv4Addr::from_bits(0x0a60_0002 + version);
        object["spec"]["clusterIP"] = json!(address.to_string());
    }
    object["spec"]["clusterIPs"] = json!([object["spec"]["clusterIP"]]);
}

/// What was given in the clear is stored as the rest is.
fn secret(object: &mut Value) {
    defaults(object, json!({ "type": "Opaque" }));
    let clear = object["stringData"].take();
    remove(object, "stringData");
    for (key, value) in clear.as_object().into_iter().flatten() {
        defaults(object, json!({ "data": {} }));
        if let Some(data) = object["data"].as_object_mut() {
            data.insert(key.clone(), json!(BASE64_STANDARD.encode(text(value))));
        }
    }
}

fn deployment(object: &mut Value) {
    let spec = &mut object["spec"];
    let of_all = json!({
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "strategy": { "type": "RollingUpdate" },
    });
    defaults(spec, of_all);
    let strategy = &mut spec["strategy"];
    if strategy["type"] == "RollingUpdate" {
        let rolling = json!({ "maxSurge": "25%", "maxUnavailable": "25%" });
        defaults(strategy, json!({ "rollingUpdate": rolling }));
    }
}

fn pod_spec(spec: &mut Value) {
    let of_pod = json!({
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "schedulerName": DEFAULT_SCHEDULER,
        "securityContext": {},
    });
    defaults(spec, of_pod);
    for container in members_mut(spec, "containers") {
        let of_container = json!({
            "imagePullPolicy": "IfNotPresent",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        });
        defaults(container, of_container);
        for port in members_mut(container, "ports") {
            defaults(port, json!({ "protocol": "TCP" }));
        }
    }
}

/// The members of a list in an object; none of what is no list.
fn members_mut<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    let members = object.get_mut(field).and_then(Value::as_array_mut);
    members.into_iter().flatten()
}

/// Sets those fields of `wanted` that are absent or null, also within fields that are there.
fn defaults(object: &mut Value, wanted: Value) {
    let Value::Object(wanted) = wanted else {
        return;
    };
    if object.is_null() {
        *object = json!({});
    }
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    for (field, value) in wanted {
        let field = fields.entry(field).or_insert(Value::Null);
        if field.is_null() {
            *field = value;
        } else {
            defaults(field, value);
        }
    }
}
