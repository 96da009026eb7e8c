//! What a stream is sent first about given objects.

use serde_json::{Value, json};
use tonic::Code;

use super::support::PATH;
use crate::destination::{Config, Offline};

const LOCAL: &str = "Local";

fn service(policy: &str) -> Value {
    json!({
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {
            "ports": [{"name": "http", "port": 80}],
            "internalTrafficPolicy": policy,
        },
    })
}

fn slice(name: &str, address_type: &str, port: i32, endpoints: &Value) -> Value {
    json!({
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "shop",
            "name": name,
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": address_type,
        "ports": [{"name": "http", "port": port}],
        "endpoints": endpoints,
    })
}

fn config() -> Config {
    Config {
        seed: 0,
        cluster_domain: "cluster.local".to_owned(),
        queue_capacity: 100,
        ipv6: false,
        faults: Vec::new(),
    }
}

/// What a client on `node-1`, which is in zone `a`, is sent first.
fn first(objects: &[Value]) -> Result<Vec<String>, Code> {
    let node = json!({
        "kind": "Node",
        "metadata": {"name": "node-1", "labels": {"topology.kubernetes.io/zone": "a"}},
    });
    let objects: Vec<_> = objects.iter().cloned().chain([node]).collect();
    let mut destination = Offline::new(config(), &objects).unwrap();
    let sent = destination.first_update(PATH, r#"{"nodeName":"node-1"}"#);
    let sent = sent.map_err(|status| status.code())?;
    Ok(sent.iter().map(ToString::to_string).collect())
}

#[test]
fn what_is_sent_first_is_everything_or_nothing_or_a_refusal() {
    let two = slice(
        "s",
        "IPv4",
        8080,
        &json!([{"addresses": ["10.0.0.1", "10.0.0.2"]}]),
    );
    assert_eq!(
        first(&[service("Cluster"), two.clone()]).unwrap(),
        ["10.0.0.1:8080", "10.0.0.2:8080"]
    );
    assert!(first(&[service("Cluster")]).unwrap().is_empty());
    assert_eq!(first(&[two]), Err(Code::NotFound));
    let unreadable = json!({"kind": "Service", "spec": {"ports": 80}});
    assert!(Offline::new(config(), &[unreadable]).is_err());
}

#[test]
fn an_external_workload_has_one_address_in_either_family_and_no_node() {
    let target = json!({"kind": "ExternalWorkload", "namespace": "shop", "name": "vm"});
    let four = json!([{"addresses": ["10.0.0.1", "10.0.0.2"], "targetRef": target}]);
    let six = json!([{"addresses": ["fd00::1"], "targetRef": target, "nodeName": "node-1"}]);
    let four = slice("s", "IPv4", 8080, &four);
    let six = slice("s", "IPv6", 8080, &six);
    assert_eq!(
        first(&[service("Cluster"), four]).unwrap(),
        ["10.0.0.2:8080"]
    );
    assert_eq!(
        first(&[service("Cluster"), six.clone()]).unwrap(),
        ["[fd00::1]:8080"]
    );
    assert!(first(&[service(LOCAL), six]).unwrap().is_empty());
}

#[test]
fn port_0_is_none() {
    let one = json!([{"addresses": ["10.0.0.1"]}]);
    for port in [-1, 0, 70_000] {
        let objects = [service("Cluster"), slice("s", "IPv4", port, &one)];
        assert!(first(&objects).unwrap().is_empty(), "{port}");
    }
}

#[test]
fn of_two_listings_of_one_address_in_a_slice_the_last_counts() {
    let hinted =
        |ip: &str, zone: &str| json!({"addresses": [ip], "hints": {"forZones": [{"name": zone}]}});
    let entries =
        json!([{"addresses": ["10.0.0.1"]}, hinted("10.0.0.1", "a"), hinted("10.0.0.2", "b")]);
    let objects = [service("Cluster"), slice("s", "IPv4", 8080, &entries)];
    assert_eq!(first(&objects).unwrap(), ["10.0.0.1:8080"]);
}
