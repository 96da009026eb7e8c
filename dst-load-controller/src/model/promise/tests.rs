//! One test for each rule that `docs/measurement.md` calls a promise.

use super::*;
use crate::model::kubernetes::{ServicePort, SlicePort};

fn service() -> Service {
    Service {
        ports: vec![ServicePort {
            name: "http".into(),
            port: 8080,
        }],
        local_traffic_only: false,
    }
}

fn pod(n: u8, node: &str) -> SliceEndpoint {
    SliceEndpoint {
        addresses: vec![IpAddr::from([10, 0, 0, n])],
        ready: true,
        target: Target::Pod(format!("pod-{n}")),
        node: Some(node.into()),
        zones: Vec::new(),
    }
}

fn slice(endpoints: Vec<SliceEndpoint>) -> Slice {
    Slice {
        ports: vec![SlicePort {
            name: "http".into(),
            port: Some(9090),
        }],
        endpoints,
    }
}

fn place() -> Place {
    Place {
        node: "node-1".into(),
        zone: "zone-1".into(),
    }
}

fn promised(service: &Service, slices: &[Slice]) -> Vec<String> {
    promise(Some(service), slices, 8080, &place())
        .iter()
        .map(|e| e.address.to_string())
        .collect()
}

#[test]
fn a_service_that_does_not_exist_promises_nothing() {
    assert!(promise(None, &[slice(vec![pod(1, "node-1")])], 8080, &place()).is_empty());
}

#[test]
fn the_port_is_found_by_the_service_ports_name() {
    let slices = [slice(vec![pod(1, "node-1")])];
    assert_eq!(promised(&service(), &slices), ["10.0.0.1:9090"]);
}

#[test]
fn a_port_name_that_no_slice_has_promises_nothing() {
    let mut other = slice(vec![pod(1, "node-1")]);
    other.ports[0].name = "grpc".into();
    assert!(promised(&service(), &[other]).is_empty());
}

#[test]
fn an_undefined_port_is_used_verbatim() {
    let slices = [slice(vec![pod(1, "node-1")])];
    let promised = promise(Some(&service()), &slices, 7777, &place());
    assert_eq!(
        promised.first().map(|e| e.address.to_string()),
        Some("10.0.0.1:7777".into())
    );
}

#[test]
fn only_ready_endpoints_are_promised() {
    let mut waiting = pod(2, "node-1");
    waiting.ready = false;
    let slices = [slice(vec![pod(1, "node-1"), waiting])];
    assert_eq!(promised(&service(), &slices), ["10.0.0.1:9090"]);
}

#[test]
fn an_endpoint_in_two_slices_is_promised_once() {
    let slices = [
        slice(vec![pod(1, "node-1")]),
        slice(vec![pod(1, "node-1"), pod(2, "node-1")]),
    ];
    assert_eq!(
        promised(&service(), &slices),
        ["10.0.0.1:9090", "10.0.0.2:9090"]
    );
}

#[test]
fn local_traffic_policy_keeps_the_pods_of_the_clients_node_and_drops_bare_addresses() {
    let mut local = service();
    local.local_traffic_only = true;
    let mut bare = pod(3, "node-1");
    bare.target = Target::Bare;
    let slices = [slice(vec![pod(1, "node-1"), pod(2, "node-2"), bare])];
    assert_eq!(promised(&local, &slices), ["10.0.0.1:9090"]);
}

#[test]
fn zone_hints_count_only_where_every_endpoint_has_one() {
    let hinted = |n, zone: &str| {
        let mut pod = pod(n, "node-1");
        pod.zones = vec![zone.into()];
        pod
    };
    let all = [slice(vec![hinted(1, "zone-1"), hinted(2, "zone-2")])];
    assert_eq!(promised(&service(), &all), ["10.0.0.1:9090"]);
    let some = [slice(vec![hinted(1, "zone-1"), pod(2, "node-1")])];
    assert_eq!(promised(&service(), &some).len(), 2);
    let elsewhere = [slice(vec![hinted(1, "zone-2"), hinted(2, "zone-3")])];
    assert_eq!(
        promised(&service(), &elsewhere).len(),
        2,
        "an empty zone falls back to all"
    );
}

#[test]
fn an_entry_that_points_at_a_node_is_not_served() {
    let mut node = pod(1, "node-1");
    node.target = Target::Other;
    assert!(promised(&service(), &[slice(vec![node])]).is_empty());
}

#[test]
fn a_pod_with_both_families_is_served_by_its_ipv6_address() {
    let mut v6 = pod(1, "node-1");
    v6.addresses = vec!["fd00::1".parse().unwrap()];
    let slices = [
        slice(vec![pod(1, "node-1"), pod(2, "node-1")]),
        slice(vec![v6]),
    ];
    assert_eq!(
        promised(&service(), &slices),
        ["10.0.0.2:9090", "[fd00::1]:9090"]
    );
}

#[test]
fn place_matters_only_with_local_policy_or_hints() {
    let mut slices = [slice(vec![pod(1, "node-1")])];
    assert!(!depends_on_place(Some(&service()), &slices));
    let mut local = service();
    local.local_traffic_only = true;
    assert!(depends_on_place(Some(&local), &slices));
    slices[0].endpoints[0].zones = vec!["zone-1".into()];
    assert!(depends_on_place(Some(&service()), &slices));
}
