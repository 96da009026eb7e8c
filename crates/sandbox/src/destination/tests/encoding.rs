//! The encoding, held against the generated types and to the byte.

use std::collections::BTreeMap;

use linkerd2_proxy_api::destination::{
    Update, WeightedAddrSet, protocol_hint, tls_identity, update,
};
use prost::Message as _;
use serde_json::{Value, json};

use super::support::*;
use crate::destination::encode::Diff;

/// The snapshot of `web` for a client on `node-1` in zone `a`, one Pod behind it.
fn snapshot(pod: Option<Value>) -> std::sync::Arc<Diff> {
    let mut directory = directory(&[]);
    directory.apply_node(node("node-1", "a"));
    let mut endpoints = bare(&["10.0.0.1"]);
    if let Some(pod) = pod {
        directory.apply_pod(pod_with("web-5d4f-x", "1", pod));
        endpoints = backed(&[("10.0.0.1", "web-5d4f-x")]);
        endpoints[0]["zone"] = json!("a");
    }
    directory.apply_slice(slice("s", endpoints));
    let key = crate::destination::publisher::GroupKey {
        hostname: None,
        node: "node-1".to_owned(),
    };
    directory
        .subscribe(&name("web"), 80, key)
        .unwrap()
        .1
        .unwrap()
}

fn decoded(diff: &Diff) -> WeightedAddrSet {
    let frame = diff.frames().add.clone().unwrap();
    assert_eq!(frame[0], 0);
    assert_eq!(
        frame[1..5],
        u32::try_from(frame.len() - 5).unwrap().to_be_bytes()
    );
    let Some(update::Update::Add(set)) = Update::decode(frame.slice(5..)).unwrap().update else {
        panic!("not an add");
    };
    set
}

fn meshed() -> Value {
    let env = |name: &str, port: u16| json!({"name": format!("LINKERD2_PROXY_{name}_LISTEN_ADDR"), "value": format!("0.0.0.0:{port}")});
    json!({
        "metadata": {
            "labels": {"linkerd.io/control-plane-ns": "linkerd", "pod-template-hash": "5d4f"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f", "uid": "u"}],
        },
        "spec": {
            "serviceAccountName": "web",
            "initContainers": [{
                "name": "linkerd-proxy",
                "env": [env("INBOUND", 4143), env("ADMIN", 4191), env("CONTROL", 4190)],
            }],
        },
    })
}

#[test]
fn the_set_names_its_service_and_a_bare_address_says_only_its_locality() {
    let set = decoded(&snapshot(None));
    let labels: BTreeMap<_, _> = set.metric_labels.into_iter().collect();
    let expected = [("namespace", "shop"), ("service", "web")];
    assert_eq!(
        labels,
        expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    );
    let [addr] = &set.addrs[..] else { panic!() };
    assert_eq!(addr.weight, 10_000);
    assert_eq!(addr.metric_labels["zone_locality"], "unknown");
    assert_eq!(addr.metric_labels.len(), 1);
    assert!(addr.tls_identity.is_none() && addr.protocol_hint.is_none() && addr.http2.is_none());
    // As long as the real controller's.
    assert_eq!(addr.encoded_len(), 41);
}

#[test]
fn a_plain_pod_is_labelled_with_what_it_is_and_where() {
    let set = decoded(&snapshot(Some(json!({}))));
    let labels: BTreeMap<_, _> = set.addrs[0].metric_labels.clone().into_iter().collect();
    let expected = [
        ("pod", "web-5d4f-x"),
        ("serviceaccount", "default"),
        ("zone", "a"),
        ("zone_locality", "local"),
    ];
    assert_eq!(
        labels,
        expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    );
}

#[test]
fn a_meshed_pod_carries_identity_hint_and_owner() {
    let set = decoded(&snapshot(Some(meshed())));
    let addr = &set.addrs[0];
    for (label, value) in [
        ("deployment", "web"),
        ("pod_template_hash", "5d4f"),
        ("control_plane_ns", "linkerd"),
        ("serviceaccount", "web"),
    ] {
        assert_eq!(addr.metric_labels[label], value);
    }
    let name = "web.shop.serviceaccount.identity.linkerd.cluster.local";
    let tls = addr.tls_identity.clone().unwrap();
    assert_eq!(tls.server_name.unwrap().name, name);
    let Some(tls_identity::Strategy::DnsLikeIdentity(identity)) = tls.strategy else {
        panic!("not a DNS-like identity");
    };
    assert_eq!(identity.name, name);
    let hint = addr.protocol_hint.unwrap();
    assert!(matches!(
        hint.protocol,
        Some(protocol_hint::Protocol::H2(_))
    ));
    assert_eq!(hint.opaque_transport.unwrap().inbound_port, 4143);
    assert!(addr.http2.as_ref().unwrap().keep_alive.unwrap().while_idle);
}

#[test]
fn annotations_make_a_port_opaque_or_skip_the_proxy() {
    let mut opaque = meshed();
    opaque["metadata"]["annotations"] = json!({"config.linkerd.io/opaque-ports": "1,8000-8080"});
    let hint = decoded(&snapshot(Some(opaque))).addrs[0]
        .protocol_hint
        .unwrap();
    assert!(matches!(
        hint.protocol,
        Some(protocol_hint::Protocol::Opaque(_))
    ));
    let mut skipped = meshed();
    skipped["metadata"]["annotations"] = json!({"config.linkerd.io/skip-inbound-ports": "8080"});
    assert!(
        decoded(&snapshot(Some(skipped))).addrs[0]
            .tls_identity
            .is_none()
    );
}

#[test]
fn groups_that_are_told_the_same_share_one_encoding() {
    let mut directory = directory(&[]);
    for node in ["node-1", "node-2"] {
        listen(&mut directory, node);
    }
    let changes = directory.apply_slice(slice("a", bare(&["10.0.0.1"])));
    let [one, two] = &changes[..] else { panic!() };
    assert_eq!(
        one.diff.frames().add.as_ref().unwrap().as_ptr(),
        two.diff.frames().add.as_ref().unwrap().as_ptr()
    );
}

#[test]
fn the_same_state_is_always_the_same_bytes() {
    let hex: String = (snapshot(Some(meshed())).frames().add.iter().flatten())
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // Written down, because a difference between processes shows in no other way.
    insta::assert_snapshot!(hex);
}
