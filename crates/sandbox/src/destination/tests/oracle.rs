//! The directory against the oracle: two implementations of the same promises that share no code.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use dst_load_oracle::{
    kubernetes::{self as seen, Place},
    promise::Offer,
};
use dst_load_scenario::flags::Flags;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::*;
use crate::destination::publisher::Change;

const PLACES: [(&str, &str); 3] = [("node-0", "a"), ("node-1", "b"), ("node-2", "b")];

/// One entry of a slice. What is at an address does not depend on the slice that lists it: two
/// that contradict each other promise nothing that can be held.
#[derive(Clone, Copy, Debug)]
struct Entry {
    what: u8,
    ready: Option<bool>,
}

#[derive(Clone, Debug)]
struct Slice {
    /// The number of its port `http`, if it has one, and that of its port `other`.
    ports: (Option<u16>, Option<u16>),
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
enum Event {
    Slice(usize, Option<Slice>),
    Service(Option<(bool, &'static str)>),
}

fn event(hints: bool) -> impl Strategy<Value = Event> {
    let most: u8 = if hints { 12 } else { 9 };
    let entry = (
        0..most,
        prop::sample::select(vec![None, Some(true), Some(true), Some(false)]),
    )
        .prop_map(|(what, ready)| Entry { what, ready });
    let ports = (
        prop::option::weighted(0.9, 8080..8082_u16),
        prop::option::of(Just(9090)),
    );
    let slice = (ports, prop::collection::vec(entry, 0..5))
        .prop_map(|(ports, entries)| Slice { ports, entries });
    let service = (
        any::<bool>(),
        prop::sample::select(vec!["http", "other", ""]),
    );
    prop_oneof![
        5 => (0..3_usize, prop::option::weighted(0.8, slice)).prop_map(|(n, s)| Event::Slice(n, s)),
        1 => prop::option::weighted(0.8, service).prop_map(Event::Service),
    ]
}

// === impl Entry ===

impl Entry {
    fn node(self) -> &'static str {
        PLACES[usize::from(self.what) % PLACES.len()].0
    }

    /// Every third is a bare address, one in nine something unknown, the others pods.
    fn kind(self) -> Option<&'static str> {
        match self.what % 9 {
            2 | 5 => None,
            8 => Some("Gateway"),
            _ => Some("Pod"),
        }
    }

    /// Three of the pods are there in both families, one of them at two addresses of the one.
    fn addresses(self) -> Vec<IpAddr> {
        let v4 = IpAddr::from([10, 0, 0, self.what]);
        let v6 = IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(self.what)]);
        match self.what {
            3 => vec![v6],
            4 | 6 | 9 => vec![v4, v6],
            7 => vec![IpAddr::from([10, 0, 1, 7]), v4],
            _ => vec![v4],
        }
    }

    fn zones(self) -> Vec<String> {
        match self.what {
            9 => vec!["a".into()],
            10 => vec!["b".into()],
            11 => vec!["a".into(), "b".into()],
            _ => Vec::new(),
        }
    }

    fn name(self) -> String {
        format!("web-{}", self.what)
    }

    fn object(self) -> Value {
        let mut object = json!({"addresses": self.addresses(), "nodeName": self.node()});
        if let Some(kind) = self.kind() {
            object["targetRef"] = json!({"kind": kind, "namespace": "shop", "name": self.name()});
        }
        if let Some(ready) = self.ready {
            object["conditions"] = json!({"ready": ready});
        }
        let zones: Vec<_> = self
            .zones()
            .iter()
            .map(|zone| json!({"name": zone}))
            .collect();
        if !zones.is_empty() {
            object["hints"] = json!({"forZones": zones});
        }
        object
    }

    fn seen(self) -> seen::SliceEndpoint {
        seen::SliceEndpoint {
            addresses: self.addresses(),
            ready: self.ready.unwrap_or(true),
            target: match self.kind() {
                None => seen::EndpointTarget::Bare,
                Some("Pod") => seen::EndpointTarget::Pod(self.name()),
                Some(_) => seen::EndpointTarget::Other,
            },
            node: Some(self.node().to_owned()),
            hostname: None,
            zones: self.zones(),
        }
    }
}

// === impl Slice ===

impl Slice {
    fn ports(&self) -> impl Iterator<Item = (&'static str, u16)> {
        let (http, other) = self.ports;
        [("http", http), ("other", other)]
            .into_iter()
            .filter_map(|(name, port)| Some((name, port?)))
    }

    fn object(&self, number: usize) -> crate::destination::objects::Slice {
        let ports = self
            .ports()
            .map(|(name, port)| json!({"name": name, "port": port}));
        let entries = self.entries.iter().map(|entry| entry.object());
        slice_with(
            &format!("slice-{number}"),
            ports.collect(),
            entries.collect(),
        )
    }

    fn seen(&self) -> seen::Slice {
        let port = |(name, port): (&str, u16)| seen::SlicePort {
            name: name.to_owned(),
            port: Some(port),
        };
        seen::Slice {
            ports: self.ports().map(port).collect(),
            endpoints: self.entries.iter().map(|entry| entry.seen()).collect(),
        }
    }
}

fn service_object(local: bool, port: &str) -> crate::destination::objects::Service {
    let policy = if local { "Local" } else { "Cluster" };
    service_with(json!({"spec": {
        "internalTrafficPolicy": policy,
        "ports": [{"name": port, "port": 80}],
    }}))
}

fn service_seen(local: bool, port: &str) -> seen::Service {
    seen::Service {
        ports: vec![seen::ServicePort {
            name: port.to_owned(),
            port: 80,
        }],
        local_traffic_only: local,
        external_name: false,
    }
}

fn hear(held: &mut BTreeSet<SocketAddr>, change: &Change) {
    held.extend(change.diff.add.iter().map(|it| it.addr));
    for addr in &change.diff.remove {
        assert!(held.remove(addr), "{addr} was never added");
    }
}

fn assert_agreement(events: Vec<Event>, port: u16, ipv6: bool) {
    let mut directory = directory(&[]);
    directory.ipv6 = ipv6;
    let flags = Flags {
        ipv6: Some(ipv6),
        ..Flags::DEFAULT
    };
    for (node_name, zone) in PLACES {
        directory.apply_node(node(node_name, zone));
    }
    let mut held: BTreeMap<_, _> = PLACES
        .iter()
        .map(|&(node, zone)| {
            let (group, _) = listen_to(&mut directory, port, None, node);
            (group, ((node, zone), BTreeSet::new()))
        })
        .collect();
    let mut service = Some(service_seen(false, "http"));
    let mut slices: BTreeMap<usize, seen::Slice> = BTreeMap::new();
    for event in events {
        let changes = match &event {
            Event::Slice(number, Some(slice)) => {
                slices.insert(*number, slice.seen());
                directory.apply_slice(slice.object(*number))
            }
            Event::Slice(number, None) => {
                slices.remove(number);
                directory.delete_slice(&name(&format!("slice-{number}")))
            }
            Event::Service(Some((local, port))) => {
                service = Some(service_seen(*local, port));
                directory.apply_service(service_object(*local, port))
            }
            Event::Service(None) => {
                service = None;
                directory.delete_service(&name("web"))
            }
        };
        for change in &changes {
            hear(&mut held.get_mut(&change.group).unwrap().1, change);
        }
        for ((node, zone), held) in held.values() {
            let place = Place {
                node: (*node).to_owned(),
                zone: (*zone).to_owned(),
            };
            let offer = Offer::new(service.as_ref(), slices.values(), port, flags);
            // Slices that list one pod at several ports promise nothing that can be held.
            if offer.unjudged().is_some() {
                continue;
            }
            let promised: BTreeSet<_> =
                offer.promised(&place).iter().map(|it| it.address).collect();
            assert_eq!(
                *held, promised,
                "on {node} after {event:?}, with {service:?} and {slices:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_directory_and_the_oracle_agree(
        events in prop::collection::vec(event(true), 1..20),
        ipv6 in any::<bool>(),
    ) {
        assert_agreement(events, 80, ipv6);
    }

    #[test]
    fn they_agree_on_a_port_that_the_service_does_not_define(
        events in prop::collection::vec(event(false), 1..20),
    ) {
        assert_agreement(events, 9999, true);
    }

    #[test]
    fn they_agree_where_everything_has_hints(
        events in prop::collection::vec(event(true).prop_map(only_hinted), 1..20),
        ipv6 in any::<bool>(),
    ) {
        assert_agreement(events, 80, ipv6);
    }
}

fn only_hinted(event: Event) -> Event {
    match event {
        Event::Slice(number, Some(mut slice)) => {
            for entry in &mut slice.entries {
                entry.what = 9 + entry.what % 3;
            }
            Event::Slice(number, Some(slice))
        }
        other => other,
    }
}
