//! EndpointSlices: what they list, on which ports, and whose they are.

use std::net::Ipv6Addr;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NODES, Names, PODS, SERVICE};

/// Zones of hints: those of Nodes, and one that no Node is in.
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-x"];

/// An EndpointSlice as it is drawn.
#[derive(Clone, Debug)]
pub(super) struct SliceDraft {
    owner: Owner,
    address_type: AddressType,
    ports: SlicePorts,
    /// The number behind its port `http`, or its only one.
    number: u16,
    entries: Vec<EntryDraft>,
}

/// Whose a slice is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Service,
    AnotherService,
    Nobody,
    /// The Service of this name in another namespace.
    AnotherNamespace,
    /// The Service, by its owner and by no label.
    Unlabelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddressType {
    IPv4,
    IPv6,
    Fqdn,
}

#[derive(Clone, Copy, Debug)]
enum SlicePorts {
    Named,
    Unnamed,
    Several,
    Udp,
    /// One with a name and without a number.
    NoNumber,
    /// A number that no port has; the API server does not look.
    NoPort(i32),
    None,
    Empty,
}

/// An entry of a slice as it is drawn.
#[derive(Clone, Debug)]
struct EntryDraft {
    target: Target,
    /// Which of the Pods, addresses or workloads.
    what: u8,
    addresses: Addresses,
    conditions: Conditions,
    node: bool,
    host: bool,
    hints: Hints,
}

/// What an entry points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Pod,
    Absent,
    ExternalWorkload,
    Node,
    /// The Pod of this name in another namespace.
    PodElsewhere,
    /// A Pod of which no namespace is said.
    PodNowhere,
}

/// The addresses of an entry.
#[derive(Clone, Copy, Debug)]
enum Addresses {
    /// Its own.
    Own,
    /// Its own, twice.
    Twice,
    /// Its own, after another.
    OwnLast,
    /// Its own, before another.
    OwnFirst,
    /// One that every kind of target may have.
    Shared,
}

#[derive(Clone, Copy, Debug)]
enum Conditions {
    Absent,
    Empty,
    /// `ready` is there and null.
    Null,
    Ready,
    NotReady,
    Terminating,
    /// As of a Service with `publishNotReadyAddresses`.
    ReadyTerminating,
}

#[derive(Clone, Debug)]
enum Hints {
    Absent,
    Empty,
    Zones(Vec<&'static str>),
    Nodes,
}

/// The name of Pod `number`.
pub(super) fn pod_name(number: u8) -> String {
    format!("web-{number}")
}

/// The name of ExternalWorkload `number`.
pub(super) fn workload_name(number: u8) -> String {
    format!("vm-{number}")
}

/// The host name of what is `number`.
pub(super) fn host_name(number: u8) -> String {
    format!("host-{number}")
}

/// The slices of a set: none, one or several, with hints on none, some or all of their entries.
pub(super) fn drafts() -> impl Strategy<Value = Vec<SliceDraft>> {
    let slices = |hinted: f64| {
        let count = prop_oneof![1 => Just(0), 9 => 1..4_usize];
        count.prop_flat_map(move |count| prop::collection::vec(slice(hinted), count))
    };
    prop_oneof![3 => slices(0.0), 1 => slices(0.6), 3 => slices(1.0)]
}

fn slice(hinted: f64) -> impl Strategy<Value = SliceDraft> {
    (
        prop_oneof![
            24 => Just(Owner::Service),
            1 => Just(Owner::AnotherService),
            1 => Just(Owner::Nobody),
            1 => Just(Owner::AnotherNamespace),
            1 => Just(Owner::Unlabelled),
        ],
        prop_oneof![
            12 => Just(AddressType::IPv4),
            6 => Just(AddressType::IPv6),
            1 => Just(AddressType::Fqdn),
        ],
        prop_oneof![
            8 => Just(SlicePorts::Named),
            5 => Just(SlicePorts::Unnamed),
            20 => Just(SlicePorts::Several),
            1 => Just(SlicePorts::NoNumber),
            1 => prop::sample::select(vec![-1, 0, 70_000]).prop_map(SlicePorts::NoPort),
            1 => Just(SlicePorts::Udp),
            1 => Just(SlicePorts::None),
            1 => Just(SlicePorts::Empty),
        ],
        prop_oneof![7 => Just(8080), 1 => Just(8081)],
        prop::collection::vec(entry(hinted), 0..6),
    )
        .prop_map(|(owner, address_type, ports, number, entries)| SliceDraft {
            owner,
            address_type,
            ports,
            number,
            entries,
        })
}

fn entry(hinted: f64) -> impl Strategy<Value = EntryDraft> {
    let zones = prop::sample::subsequence(ZONES.to_vec(), 1..=2);
    let unhinted = prop_oneof![
        4 => Just(Hints::Absent),
        1 => Just(Hints::Empty),
        1 => Just(Hints::Nodes),
    ];
    let hints =
        (prop::bool::weighted(hinted), unhinted, zones).prop_map(|(hinted, none, zones)| {
            match hinted {
                true => Hints::Zones(zones),
                false => none,
            }
        });
    (
        prop_oneof![
            24 => Just(Target::Pod),
            10 => Just(Target::Absent),
            3 => Just(Target::ExternalWorkload),
            2 => Just(Target::Node),
            2 => Just(Target::PodElsewhere),
            1 => Just(Target::PodNowhere),
        ],
        0..PODS,
        prop_oneof![
            20 => Just(Addresses::Own),
            1 => Just(Addresses::Twice),
            2 => Just(Addresses::OwnLast),
            1 => Just(Addresses::OwnFirst),
            1 => Just(Addresses::Shared),
        ],
        prop_oneof![
            4 => Just(Conditions::Absent),
            1 => Just(Conditions::Empty),
            1 => Just(Conditions::Null),
            6 => Just(Conditions::Ready),
            2 => Just(Conditions::NotReady),
            1 => Just(Conditions::Terminating),
            1 => Just(Conditions::ReadyTerminating),
        ],
        prop::bool::weighted(0.95),
        prop::bool::weighted(0.4),
        hints,
    )
        .prop_map(
            |(target, what, addresses, conditions, node, host, hints)| EntryDraft {
                target,
                what,
                addresses,
                conditions,
                node,
                host,
                hints,
            },
        )
}

// === impl SliceDraft ===

impl SliceDraft {
    /// Whether an entry points at this kind of target, `number` of them.
    pub(super) fn refers_to(&self, target: Target, number: u8) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.target == target && entry.what == number)
    }

    /// As object `number` of its kind.
    pub(super) fn object(&self, number: usize, names: &Names) -> Value {
        let here = || names.namespace.clone();
        let (namespace, service) = match self.owner {
            Owner::Service => (here(), Some(SERVICE)),
            Owner::AnotherService => (here(), Some("another")),
            Owner::Nobody | Owner::Unlabelled => (here(), None),
            Owner::AnotherNamespace => (names.elsewhere(), Some(SERVICE)),
        };
        let entries = self.entries.iter();
        let mut slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"namespace": namespace, "name": format!("{SERVICE}-{number}")},
            "addressType": self.address_type.name(),
            "endpoints": entries.map(|it| it.object(self.address_type, names)).collect::<Vec<_>>(),
        });
        if let Some(service) = service {
            slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": service});
        }
        if matches!(self.owner, Owner::Unlabelled) {
            slice["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "v1", "kind": "Service", "name": SERVICE, "uid": "unknown",
            }]);
        }
        let http = json!({"name": "http", "port": self.number, "protocol": "TCP"});
        slice["ports"] = match self.ports {
            SlicePorts::Named => json!([http]),
            // The API server writes no name as an empty one.
            SlicePorts::Unnamed => json!([{"name": "", "port": self.number, "protocol": "TCP"}]),
            SlicePorts::Several => json!([
                {"name": "admin", "port": 9990, "protocol": "TCP"},
                http,
                {"port": 8082, "protocol": "TCP"},
            ]),
            SlicePorts::NoNumber => json!([{"name": "http", "protocol": "TCP"}]),
            SlicePorts::NoPort(number) => {
                json!([{"name": "http", "port": number, "protocol": "TCP"}])
            }
            SlicePorts::Udp => json!([{"name": "http", "port": self.number, "protocol": "UDP"}]),
            SlicePorts::None => Value::Null,
            SlicePorts::Empty => json!([]),
        };
        slice
    }
}

// === impl AddressType ===

impl AddressType {
    const fn name(self) -> &'static str {
        match self {
            Self::IPv4 => "IPv4",
            Self::IPv6 => "IPv6",
            Self::Fqdn => "FQDN",
        }
    }

    /// Address `number` in network `net`.
    fn address(self, net: u8, number: u8) -> String {
        match self {
            Self::IPv4 => format!("10.0.{net}.{number}"),
            Self::IPv6 => {
                let [net, number] = [net, number].map(u16::from);
                Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, net, number).to_string()
            }
            Self::Fqdn => format!("host-{number}.net-{net}.example.org"),
        }
    }
}

// === impl EntryDraft ===

impl EntryDraft {
    fn object(&self, address_type: AddressType, names: &Names) -> Value {
        let own = address_type.address(self.target as u8, self.what);
        let other = address_type.address(10 + self.target as u8, self.what);
        let addresses = match self.addresses {
            Addresses::Own => vec![own],
            Addresses::Twice => vec![own.clone(), own],
            Addresses::OwnLast => vec![other, own],
            Addresses::OwnFirst => vec![own, other],
            Addresses::Shared => vec![address_type.address(9, 1)],
        };
        let mut entry = json!({"addresses": addresses});
        let target = |kind: &str, name: String| json!({"kind": kind, "namespace": names.namespace, "name": name});
        match self.target {
            Target::Absent => {}
            Target::Pod => entry["targetRef"] = target("Pod", pod_name(self.what)),
            Target::PodElsewhere => {
                entry["targetRef"] = target("Pod", pod_name(self.what));
                entry["targetRef"]["namespace"] = json!(names.elsewhere());
            }
            Target::PodNowhere => {
                entry["targetRef"] = json!({"kind": "Pod", "name": pod_name(self.what)});
            }
            Target::ExternalWorkload => {
                entry["targetRef"] = target("ExternalWorkload", workload_name(self.what));
            }
            Target::Node => {
                let (node, _) = NODES[usize::from(self.what) % NODES.len()];
                entry["targetRef"] = json!({"kind": "Node", "name": names.node(node)});
            }
        }
        if self.node {
            entry["nodeName"] = json!(names.node_of(self.what));
        }
        if self.host {
            entry["hostname"] = json!(host_name(self.what));
        }
        let conditions = match self.conditions {
            Conditions::Absent => None,
            Conditions::Empty => Some(json!({})),
            Conditions::Null => Some(json!({"ready": null})),
            Conditions::Ready => Some(json!({"ready": true})),
            Conditions::NotReady => Some(json!({"ready": false})),
            Conditions::Terminating => {
                Some(json!({"ready": false, "serving": true, "terminating": true}))
            }
            Conditions::ReadyTerminating => {
                Some(json!({"ready": true, "serving": false, "terminating": true}))
            }
        };
        if let Some(conditions) = conditions {
            entry["conditions"] = conditions;
        }
        match &self.hints {
            Hints::Absent => {}
            Hints::Empty => entry["hints"] = json!({}),
            Hints::Nodes => entry["hints"] = json!({"forNodes": [{"name": "node-a"}]}),
            Hints::Zones(zones) => {
                let zones: Vec<_> = zones.iter().map(|zone| json!({"name": zone})).collect();
                entry["hints"] = json!({"forZones": zones});
            }
        }
        entry
    }
}
