//! Sets of Kubernetes objects as users have them: a Service with its EndpointSlices, Pods and
//! Nodes, each valid for the API server, and no two sets alike.
//!
//! Drawn as small numbers ([`Draft`]), so that what fails shrinks, and written out as objects.
//! Nothing here knows who is asked about them.

mod slices;

use proptest::prelude::*;
use serde_json::{Value, json};

use self::slices::SliceDraft;

/// The namespace of everything.
pub(super) const NAMESPACE: &str = "shop";
/// The Service that is asked for.
pub(super) const SERVICE: &str = "web";
/// Nodes that may be there, with their zones; the last has none.
const NODES: [(&str, Option<&str>); 3] = [
    ("node-a", Some("zone-a")),
    ("node-b", Some("zone-b")),
    ("node-c", None),
];
/// Nodes that clients name: those above, none, and one that does not exist.
pub(super) const CLIENT_NODES: [&str; 5] = ["node-a", "node-b", "node-c", "", "node-z"];
/// Pods that slices may refer to.
const PODS: u8 = 8;

/// A set of objects, and what is asked about it.
#[derive(Clone, Debug)]
pub(super) struct ObjectSet {
    /// As `kubectl apply` takes them.
    pub(super) objects: Vec<Value>,
    /// The port that clients ask for.
    pub(super) port: u16,
    /// The host name that some ask for: `<host>.<service>.<namespace>.svc`.
    pub(super) host: Option<String>,
    /// The controller's flag `-enable-ipv6`.
    pub(super) ipv6: bool,
}

/// A set of objects as it is drawn.
#[derive(Clone, Debug)]
struct Draft {
    service: Option<ServiceDraft>,
    slices: Vec<SliceDraft>,
    nodes: [bool; NODES.len()],
    /// The Pods that are not there, and those that are meshed, a bit each.
    pods_absent: u16,
    pods_meshed: u16,
    port: u16,
    host: Option<u8>,
    ipv6: bool,
}

/// What the Service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Selector,
    NoSelector,
    Headless,
    ExternalName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ports {
    Named,
    Unnamed,
    Several,
    /// One number, over TCP and UDP.
    TwoProtocols,
    /// None at all, which only a headless Service and an `ExternalName` may have.
    None,
}

#[derive(Clone, Debug)]
struct ServiceDraft {
    shape: Shape,
    ports: Ports,
    families: &'static [&'static str],
    traffic_policy: Option<&'static str>,
    publish_not_ready: Option<bool>,
}

/// All kinds of sets.
pub(super) fn object_sets() -> impl Strategy<Value = ObjectSet> {
    let draft = (
        prop::option::weighted(0.97, service()),
        slices::drafts(),
        prop::array::uniform3(prop::bool::weighted(0.9)),
        any::<(u16, u16, u16)>(),
        prop_oneof![6 => Just(80), 1 => Just(8080), 1 => Just(9990), 2 => Just(7777)],
        prop::option::weighted(0.2, 0..PODS),
        any::<bool>(),
    );
    draft.prop_map(
        |(service, slices, nodes, (some, more, pods_meshed), port, host, ipv6)| {
            let pods_absent = some & more;
            let draft = Draft {
                service,
                slices,
                nodes,
                pods_absent,
                pods_meshed,
                port,
                host,
                ipv6,
            };
            draft.into_set()
        },
    )
}

fn service() -> impl Strategy<Value = ServiceDraft> {
    (
        prop_oneof![
            8 => Just(Shape::Selector),
            4 => Just(Shape::NoSelector),
            5 => Just(Shape::Headless),
            1 => Just(Shape::ExternalName),
        ],
        prop_oneof![
            5 => Just(Ports::Named),
            3 => Just(Ports::Unnamed),
            3 => Just(Ports::Several),
            1 => Just(Ports::TwoProtocols),
            1 => Just(Ports::None),
        ],
        prop::sample::select(vec![&["IPv4"][..], &["IPv6"], &["IPv4", "IPv6"]]),
        prop_oneof![
            3 => Just(None),
            2 => Just(Some("Cluster")),
            2 => Just(Some("Local")),
        ],
        prop::option::weighted(0.3, any::<bool>()),
    )
        .prop_map(
            |(shape, ports, families, traffic_policy, publish_not_ready)| ServiceDraft {
                shape,
                ports,
                families,
                traffic_policy,
                publish_not_ready,
            },
        )
}

/// The Node that Pod `number` is on.
fn node_of(number: u8) -> &'static str {
    NODES[usize::from(number) % NODES.len()].0
}

// === impl Draft ===

impl Draft {
    fn into_set(self) -> ObjectSet {
        let mut objects = Vec::new();
        for ((name, zone), _) in NODES.iter().zip(self.nodes).filter(|(_, there)| *there) {
            let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
            if let Some(zone) = zone {
                node["metadata"]["labels"] = json!({"topology.kubernetes.io/zone": zone});
            }
            objects.push(node);
        }
        let referred: Vec<u8> = (0..PODS)
            .filter(|pod| self.slices.iter().any(|slice| slice.refers_to(*pod)))
            .collect();
        for pod in referred {
            if self.pods_absent >> pod & 1 == 0 {
                objects.push(pod_object(pod, self.pods_meshed >> pod & 1 == 1));
            }
        }
        objects.extend(self.service.as_ref().map(ServiceDraft::object));
        let slices = self.slices.iter().enumerate();
        objects.extend(slices.map(|(number, slice)| slice.object(number)));
        ObjectSet {
            objects,
            port: self.port,
            host: self.host.map(slices::host_name),
            ipv6: self.ipv6,
        }
    }
}

/// A Pod that runs; a meshed one has a proxy that can be reached.
fn pod_object(number: u8, meshed: bool) -> Value {
    let mut containers = vec![json!({"name": "app", "image": "app"})];
    let mut labels = json!({"app": SERVICE});
    if meshed {
        let env = |name: &str, port: u16| {
            json!({
                "name": format!("LINKERD2_PROXY_{name}_LISTEN_ADDR"),
                "value": format!("0.0.0.0:{port}"),
            })
        };
        labels["linkerd.io/control-plane-ns"] = json!("linkerd");
        containers.push(json!({
            "name": "linkerd-proxy",
            "image": "proxy",
            "env": [env("INBOUND", 4143), env("ADMIN", 4191), env("CONTROL", 4190)],
        }));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": NAMESPACE, "name": slices::pod_name(number), "labels": labels},
        "spec": {"nodeName": node_of(number), "containers": containers},
    })
}

// === impl ServiceDraft ===

impl ServiceDraft {
    fn object(&self) -> Value {
        let port = |name: &str, number: u16, protocol: &str| {
            let mut port = json!({"port": number, "protocol": protocol, "targetPort": 8080});
            if !name.is_empty() {
                port["name"] = json!(name);
            }
            port
        };
        let may_lack_ports = matches!(self.shape, Shape::Headless | Shape::ExternalName);
        let ports = match self.ports {
            Ports::Named => vec![port("http", 80, "TCP")],
            Ports::None if may_lack_ports => Vec::new(),
            Ports::Unnamed | Ports::None => vec![port("", 80, "TCP")],
            Ports::Several => vec![
                port("http", 80, "TCP"),
                port("admin", 9990, "TCP"),
                port("grpc", 8080, "TCP"),
            ],
            Ports::TwoProtocols => vec![port("http", 80, "TCP"), port("quic", 80, "UDP")],
        };
        let mut spec = json!({});
        if !ports.is_empty() {
            spec["ports"] = json!(ports);
        }
        match self.shape {
            Shape::ExternalName => {
                spec["type"] = json!("ExternalName");
                spec["externalName"] = json!("db.example.org");
            }
            Shape::Headless => spec["clusterIP"] = json!("None"),
            Shape::Selector | Shape::NoSelector => {}
        }
        if self.shape != Shape::ExternalName {
            spec["ipFamilies"] = json!(self.families);
            spec["ipFamilyPolicy"] = match self.families.len() {
                1 => json!("SingleStack"),
                _ => json!("RequireDualStack"),
            };
            if let Some(policy) = self.traffic_policy {
                spec["internalTrafficPolicy"] = json!(policy);
            }
        }
        if matches!(self.shape, Shape::Selector | Shape::Headless) {
            spec["selector"] = json!({"app": SERVICE});
        }
        if let Some(publish) = self.publish_not_ready {
            spec["publishNotReadyAddresses"] = json!(publish);
        }
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": NAMESPACE, "name": SERVICE},
            "spec": spec,
        })
    }
}
