//! Objects as an API server would hand them out, and a directory with one listener to tell.

use dst_load_scenario::fault::{Fault, FaultKind};
use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery};
use serde_json::{Value, json};

use crate::destination::{
    Config, Destination,
    directory::Directory,
    faults::Faults,
    objects::{Node, ObjectName, Service, Slice},
    pod::Pod,
    publisher::{Change, GroupId, GroupKey},
};

pub(super) const PATH: &str = "web.shop.svc.cluster.local:80";

pub(super) fn name(name: &str) -> ObjectName {
    ObjectName::new("shop", name)
}

/// Service `web` with port 80 named `http`, changed by `spec`.
pub(super) fn service_with(spec: Value) -> Service {
    let mut object = json!({
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9999}]},
    });
    merge(&mut object, spec);
    let object: core::Service = serde_json::from_value(object).unwrap();
    Service::from(&object)
}

pub(super) fn service() -> Service {
    service_with(json!({}))
}

/// A slice of `web` whose port `http` is 8080.
pub(super) fn slice(name: &str, endpoints: Value) -> Slice {
    slice_with(name, json!([{"name": "http", "port": 8080}]), endpoints)
}

pub(super) fn slice_with(name: &str, ports: Value, endpoints: Value) -> Slice {
    let object: discovery::EndpointSlice = serde_json::from_value(json!({
        "metadata": {
            "namespace": "shop",
            "name": name,
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": endpoints,
    }))
    .unwrap();
    Slice::from(&object)
}

/// Endpoints without a Pod.
pub(super) fn bare(ips: &[&str]) -> Value {
    ips.iter().map(|ip| json!({"addresses": [ip]})).collect()
}

/// Endpoints with a Pod each.
pub(super) fn backed(endpoints: &[(&str, &str)]) -> Value {
    (endpoints.iter())
        .map(|(ip, pod)| {
            json!({
                "addresses": [ip],
                "targetRef": {"kind": "Pod", "namespace": "shop", "name": pod},
            })
        })
        .collect()
}

pub(super) fn pod(name: &str, version: &str) -> Pod {
    pod_with(name, version, json!({}))
}

pub(super) fn pod_with(name: &str, version: &str, more: Value) -> Pod {
    let mut object = json!({
        "metadata": {"namespace": "shop", "name": name, "resourceVersion": version},
        "spec": {"containers": []},
    });
    merge(&mut object, more);
    let object: core::Pod = serde_json::from_value(object).unwrap();
    Pod::from(&object)
}

pub(super) fn node(name: &str, zone: &str) -> Node {
    Node {
        name: ObjectName::new("", name),
        zone: zone.to_owned(),
    }
}

pub(super) fn fault(kind: FaultKind) -> Fault {
    Fault {
        kind,
        at: std::time::Duration::ZERO,
        lasts: None,
        share: 1.0,
        delay: std::time::Duration::ZERO,
        replica: None,
        resource: None,
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A directory that knows Service `web`.
pub(super) fn directory(faults: &[Fault]) -> Directory {
    let mut directory = Directory::new(Faults::of_directory(1, faults));
    directory.apply_service(service());
    directory
}

/// Adds a listener for port 80 of `web` on `node`.
pub(super) fn listen(directory: &mut Directory, node: &str) -> (GroupId, Vec<String>) {
    listen_to(directory, 80, None, node)
}

pub(super) fn listen_to(
    directory: &mut Directory,
    port: u16,
    hostname: Option<&str>,
    node: &str,
) -> (GroupId, Vec<String>) {
    let key = GroupKey {
        hostname: hostname.map(str::to_owned),
        node: node.to_owned(),
    };
    let (group, snapshot) = directory.subscribe(&name("web"), port, key).unwrap();
    let snapshot = snapshot.map_or_else(Vec::new, |diff| {
        assert!(diff.remove.is_empty());
        diff.add.iter().map(|it| it.addr.to_string()).collect()
    });
    (group, snapshot)
}

/// What changed for the listeners, as `+ip:port` and `-ip:port` in the order of sending; one
/// element for each group that is told anything.
pub(super) fn told(changes: &[Change]) -> Vec<String> {
    (changes.iter())
        .map(|change| {
            let add = change.diff.add.iter().map(|it| format!("+{}", it.addr));
            let remove = change.diff.remove.iter().map(|addr| format!("-{addr}"));
            add.chain(remove).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// A destination that is fed by hand, ready, and knows Service `web`.
pub(super) fn destination(queue_capacity: usize, faults: Vec<Fault>) -> Destination {
    let destination = Destination::linked(
        Config {
            seed: 1,
            cluster_domain: "cluster.local".to_owned(),
            queue_capacity,
            ipv6: true,
            faults,
        },
        vec![],
    );
    destination.shared.set_synced();
    destination
        .shared
        .hub
        .lock()
        .update(None, |directory| directory.apply_service(service()));
    destination
}

/// Lets a slice event happen.
pub(super) fn apply(destination: &Destination, slice: Slice) {
    destination
        .shared
        .hub
        .lock()
        .update(None, |directory| directory.apply_slice(slice));
}
