//! The directory alone: which event means which difference for whom.

use serde_json::json;

use super::support::*;
use crate::destination::objects::Slice;

#[test]
fn a_snapshot_is_everything_in_one_and_nothing_for_an_empty_set() {
    let mut directory = directory(&[]);
    assert!(listen(&mut directory, "node-1").1.is_empty());
    directory.apply_slice(slice("a", bare(&["10.0.0.2", "10.0.0.1"])));
    directory.apply_slice(slice("b", bare(&["10.0.0.3"])));
    let all = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"];
    assert_eq!(listen(&mut directory, "node-1").1, all);
    assert_eq!(listen(&mut directory, "node-2").1, all);
}

#[test]
fn a_slice_event_tells_each_group_only_the_difference_sorted() {
    let mut directory = directory(&[]);
    directory.apply_slice(slice("a", bare(&["10.0.0.1", "10.0.0.2", "10.0.0.3"])));
    for node in ["node-1", "node-1", "node-2"] {
        listen(&mut directory, node);
    }
    let changes = directory.apply_slice(slice("a", bare(&["10.0.0.9", "10.0.0.10", "10.0.0.2"])));
    let expected = "+10.0.0.9:8080 +10.0.0.10:8080 -10.0.0.1:8080 -10.0.0.3:8080";
    assert_eq!(told(&changes), [expected, expected]);
}

#[test]
fn an_identical_rewrite_tells_nothing_but_counts_as_an_update() {
    let mut directory = directory(&[]);
    let same = || slice("a", bare(&["10.0.0.1"]));
    directory.apply_slice(same());
    listen(&mut directory, "node-1");
    assert!(directory.apply_slice(same()).is_empty());
    let (.., group) = directory.groups().next().unwrap();
    assert_eq!((group.updates, group.pods, group.exists), (1, 1, true));
}

#[test]
fn only_ready_endpoints_are_served_and_unset_means_ready() {
    let mut directory = directory(&[]);
    let endpoints = |ready: serde_json::Value| {
        json!([
            {"addresses": ["10.0.0.1"], "conditions": {"ready": ready, "serving": true}},
            {"addresses": ["10.0.0.2"], "conditions": {"serving": false, "terminating": true}},
        ])
    };
    directory.apply_slice(slice("a", endpoints(json!(false))));
    assert_eq!(listen(&mut directory, "").1, ["10.0.0.2:8080"]);
    let changes = directory.apply_slice(slice("a", endpoints(json!(true))));
    assert_eq!(told(&changes), ["+10.0.0.1:8080"]);
    let changes = directory.apply_slice(slice("a", endpoints(json!(false))));
    assert_eq!(told(&changes), ["-10.0.0.1:8080"]);
}

#[test]
fn a_port_is_found_by_the_name_the_service_gives_it() {
    let mut directory = directory(&[]);
    let ports = json!([{"name": "admin", "port": 9090}, {"name": "http", "port": 8080}]);
    directory.apply_slice(slice_with("a", ports, bare(&["10.0.0.1"])));
    assert_eq!(listen(&mut directory, "").1, ["10.0.0.1:8080"]);
    let other = json!([{"name": "grpc", "port": 8080}]);
    let changes = directory.apply_slice(slice_with("a", other, bare(&["10.0.0.1"])));
    assert_eq!(told(&changes), ["-10.0.0.1:8080"]);
}

#[test]
fn an_unnamed_service_port_matches_a_slice_port_without_a_name() {
    let mut directory = directory(&[]);
    directory.apply_service(service_with(json!({"spec": {"ports": [{"port": 80}]}})));
    let endpoints = bare(&["10.0.0.1"]);
    directory.apply_slice(slice_with("a", json!([{"port": 8080}]), endpoints));
    assert_eq!(listen(&mut directory, "").1, ["10.0.0.1:8080"]);
}

#[test]
fn a_port_that_the_service_does_not_define_is_taken_verbatim() {
    let mut directory = directory(&[]);
    directory.apply_slice(slice("a", bare(&["10.0.0.1"])));
    assert_eq!(
        listen_to(&mut directory, 4191, None, "").1,
        ["10.0.0.1:4191"]
    );
}

#[test]
fn a_slice_port_without_a_number_serves_nothing() {
    let mut directory = directory(&[]);
    let ports = json!([{"name": "http"}]);
    directory.apply_slice(slice_with("a", ports, bare(&["10.0.0.1"])));
    assert!(listen(&mut directory, "").1.is_empty());
}

#[test]
fn a_redefined_service_port_moves_every_endpoint() {
    let mut directory = directory(&[]);
    let ports = json!([{"name": "admin", "port": 9090}, {"name": "http", "port": 8080}]);
    directory.apply_slice(slice_with("a", ports, backed(&[("10.0.0.1", "web-1")])));
    listen(&mut directory, "");
    let redefined = json!({"spec": {"ports": [{"name": "admin", "port": 80}]}});
    let changes = directory.apply_service(service_with(redefined));
    assert_eq!(told(&changes), ["+10.0.0.1:9090 -10.0.0.1:8080"]);
}

#[test]
fn local_traffic_policy_keeps_the_pods_of_the_clients_node_and_no_bare_address() {
    let mut directory = directory(&[]);
    for (name, node) in [("web-1", "node-1"), ("web-2", "node-2")] {
        directory.apply_pod(pod_with(name, "1", json!({"spec": {"nodeName": node}})));
    }
    let mut endpoints = backed(&[("10.0.0.1", "web-1"), ("10.0.0.2", "web-2")]);
    (endpoints.as_array_mut().unwrap())
        .push(json!({"addresses": ["10.0.0.3"], "nodeName": "node-1"}));
    directory.apply_slice(slice("a", endpoints));
    listen(&mut directory, "node-1");
    let local = json!({"spec": {"internalTrafficPolicy": "Local"}});
    let changes = directory.apply_service(service_with(local));
    assert_eq!(told(&changes), ["-10.0.0.2:8080 -10.0.0.3:8080"]);
    assert_eq!(listen(&mut directory, "node-2").1, ["10.0.0.2:8080"]);
}

fn hinted(zones: &[(&str, Option<&str>)]) -> Slice {
    let endpoint = |(ip, zone): &(&str, Option<&str>)| match zone {
        Some(zone) => json!({"addresses": [ip], "hints": {"forZones": [{"name": zone}]}}),
        None => json!({"addresses": [ip]}),
    };
    slice("a", zones.iter().map(endpoint).collect())
}

#[test]
fn zone_hints_count_only_when_every_endpoint_has_them_and_some_fit() {
    let mut directory = directory(&[]);
    directory.apply_node(node("node-a", "a"));
    directory.apply_node(node("node-c", "c"));
    directory.apply_slice(hinted(&[("10.0.0.1", Some("a")), ("10.0.0.2", Some("b"))]));
    assert_eq!(listen(&mut directory, "node-a").1, ["10.0.0.1:8080"]);
    let all = ["10.0.0.1:8080", "10.0.0.2:8080"];
    assert_eq!(listen(&mut directory, "node-c").1, all);
    assert_eq!(listen(&mut directory, "unknown").1, all);
    let changes = directory.apply_slice(hinted(&[("10.0.0.1", Some("a")), ("10.0.0.2", None)]));
    // The others are told as well: a hint is part of what makes an endpoint the same.
    assert_eq!(told(&changes)[0], "+10.0.0.2:8080");
}

#[test]
fn the_zone_of_a_node_is_read_when_its_group_is_made() {
    let mut directory = directory(&[]);
    directory.apply_node(node("node-1", "a"));
    directory.apply_slice(hinted(&[("10.0.0.1", Some("a")), ("10.0.0.2", Some("b"))]));
    let (group, _) = listen(&mut directory, "node-1");
    directory.apply_node(node("node-1", "b"));
    assert_eq!(listen(&mut directory, "node-1").1, ["10.0.0.1:8080"]);
    directory.unsubscribe(group);
    directory.unsubscribe(group);
    assert_eq!(listen(&mut directory, "node-1").1, ["10.0.0.2:8080"]);
}

#[test]
fn a_pod_in_both_families_is_served_as_ipv6_and_bare_addresses_as_they_are() {
    let mut directory = directory(&[]);
    let mut four = backed(&[("10.0.0.1", "web-1"), ("10.0.0.2", "web-2")]);
    (four.as_array_mut().unwrap()).push(json!({"addresses": ["10.0.0.3"]}));
    directory.apply_slice(slice("four", four));
    listen(&mut directory, "");
    let mut six = backed(&[("fd00::1", "web-1")]);
    (six.as_array_mut().unwrap()).push(json!({"addresses": ["fd00::3"]}));
    let changes = directory.apply_slice(slice("six", six));
    assert_eq!(
        told(&changes),
        ["+[fd00::1]:8080 +[fd00::3]:8080 -10.0.0.1:8080"]
    );
}

#[test]
fn an_instance_name_filters_by_the_endpoints_host_name() {
    let mut directory = directory(&[]);
    let endpoints = json!([
        {"addresses": ["10.0.0.1"], "hostname": "web-0"},
        {"addresses": ["10.0.0.2"], "hostname": "web-1"},
        {"addresses": ["10.0.0.3"]},
    ]);
    directory.apply_slice(slice("a", endpoints));
    assert_eq!(
        listen_to(&mut directory, 80, Some("web-1"), "").1,
        ["10.0.0.2:8080"]
    );
    assert_eq!(listen(&mut directory, "").1.len(), 3);
}

#[test]
fn a_pod_that_changed_is_told_with_the_next_event_of_its_slice() {
    let mut directory = directory(&[]);
    let both = || slice("a", backed(&[("10.0.0.1", "web-1"), ("10.0.0.2", "web-2")]));
    for name in ["web-1", "web-2"] {
        directory.apply_pod(pod(name, "1"));
    }
    directory.apply_slice(both());
    listen(&mut directory, "");
    directory.apply_pod(pod("web-2", "2"));
    assert_eq!(told(&directory.apply_slice(both())), ["+10.0.0.2:8080"]);
    assert!(directory.apply_slice(both()).is_empty());
}

#[test]
fn a_slice_that_comes_before_its_pods_is_served() {
    let mut directory = directory(&[]);
    directory.apply_slice(slice("a", backed(&[("10.0.0.1", "web-1")])));
    assert_eq!(listen(&mut directory, "").1, ["10.0.0.1:8080"]);
}

#[test]
fn a_pod_that_goes_before_its_slice_changes_nothing() {
    let mut directory = directory(&[]);
    let both = backed(&[("10.0.0.1", "web-1"), ("10.0.0.2", "web-2")]);
    for name in ["web-1", "web-2"] {
        directory.apply_pod(pod(name, "1"));
    }
    directory.apply_slice(slice("a", both.clone()));
    listen(&mut directory, "");
    directory.delete_pod(&name("web-1"));
    assert!(directory.apply_slice(slice("a", both)).is_empty());
    let changes = directory.apply_slice(slice("a", backed(&[("10.0.0.2", "web-2")])));
    assert_eq!(told(&changes), ["-10.0.0.1:8080"]);
}

#[test]
fn targets_that_are_neither_bare_nor_pods_are_not_served() {
    let mut directory = directory(&[]);
    let endpoints =
        json!([{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Node", "name": "n"}}]);
    directory.apply_slice(slice("a", endpoints));
    assert!(listen(&mut directory, "").1.is_empty());
}

#[test]
fn a_meshed_pod_without_a_proxy_is_not_served() {
    let mut directory = directory(&[]);
    let meshed = json!({"metadata": {"labels": {"linkerd.io/control-plane-ns": "linkerd"}}});
    directory.apply_pod(pod_with("web-1", "1", meshed));
    directory.apply_slice(slice("a", backed(&[("10.0.0.1", "web-1")])));
    assert!(listen(&mut directory, "").1.is_empty());
}

#[test]
fn a_slice_without_the_label_or_of_another_service_is_not_served() {
    let mut directory = directory(&[]);
    directory.apply_slice(slice("a", bare(&["10.0.0.1"])));
    listen(&mut directory, "");
    let mut moved = slice("a", bare(&["10.0.0.1"]));
    moved.service = Some(name("other"));
    assert_eq!(told(&directory.apply_slice(moved)), ["-10.0.0.1:8080"]);
    let mut unlabelled = slice("b", bare(&["10.0.0.2"]));
    unlabelled.service = None;
    assert!(directory.apply_slice(unlabelled).is_empty());
}

#[test]
fn a_deleted_service_takes_all_its_addresses_from_streams_that_stay() {
    let mut directory = directory(&[]);
    directory.apply_slice(slice("a", bare(&["10.0.0.1"])));
    directory.apply_slice(slice("b", bare(&["10.0.0.2"])));
    listen(&mut directory, "");
    let changes = directory.delete_service(&name("web"));
    assert_eq!(told(&changes), ["-10.0.0.1:8080 -10.0.0.2:8080"]);
    assert!(
        directory
            .apply_slice(slice("c", bare(&["10.0.0.3"])))
            .is_empty()
    );
    assert_eq!(directory.groups().count(), 1);
}

#[test]
fn what_nobody_listens_to_is_forgotten() {
    let mut directory = directory(&[]);
    directory.apply_slice(slice("a", bare(&["10.0.0.1"])));
    let (one, _) = listen(&mut directory, "node-1");
    let (two, _) = listen(&mut directory, "node-2");
    directory.unsubscribe(one);
    assert_eq!(
        told(&directory.apply_slice(slice("a", bare(&[])))),
        ["-10.0.0.1:8080"]
    );
    directory.unsubscribe(two);
    assert!(
        directory
            .apply_slice(slice("a", bare(&["10.0.0.1"])))
            .is_empty()
    );
    assert_eq!(directory.groups().count(), 0);
}
