//! Sets of Kubernetes objects as users have them: a Service with its EndpointSlices, Pods and
//! Nodes, each valid for the API server, and no two sets alike.
//!
//! Drawn as small numbers ([`Draft`]), so that what fails shrinks, and written out as objects.
//! Nothing here knows who is asked about them.

mod slices;

use proptest::prelude::*;
use serde_json::{Value, json};

use self::slices::{SliceDraft, Target};

/// The Service that is asked for.
pub(super) const SERVICE: &str = "web";
/// Nodes that may be there, with their zones; the last has none.
const NODES: [(&str, Option<&str>); 3] = [
    ("node-a", Some("zone-a")),
    ("node-b", Some("zone-b")),
    ("node-c", None),
];
/// Nodes that clients name: those above, none, and one that does not exist.
const CLIENT_NODES: [&str; 5] = ["node-a", "node-b", "node-c", "", "node-z"];
/// Pods that slices may refer to.
const PODS: u8 = 8;

/// What the objects of a set are called: two sets in one cluster must have nothing in common.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The namespace of what is asked for.
    pub(super) namespace: String,
    /// What the names of Nodes end with.
    nodes: String,
}

/// A set of objects, and what is asked about it.
#[derive(Clone, Debug)]
pub(super) struct ObjectSet {
    /// What they are called.
    pub(super) names: Names,
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
pub(super) struct Draft {
    service: Option<ServiceDraft>,
    slices: Vec<SliceDraft>,
    nodes: [bool; NODES.len()],
    /// The Pods that are not there, those that are meshed, and those whose port 8080 is marked
    /// opaque, a bit each.
    pods_absent: u16,
    pods_meshed: u16,
    pods_opaque: u16,
    /// The ExternalWorkloads that are not there.
    workloads_absent: u16,
    /// The protocol that a Server says of the Pods' port 8080.
    server: Option<&'static str>,
    port: u16,
    host: Option<u8>,
    pub(super) ipv6: bool,
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
pub(super) fn drafts() -> impl Strategy<Value = Draft> {
    (
        prop::option::weighted(0.97, service()),
        slices::drafts(),
        prop::array::uniform3(prop::bool::weighted(0.9)),
        any::<[u16; 5]>(),
        prop::option::weighted(0.2, prop::sample::select(vec!["opaque", "HTTP/1"])),
        prop_oneof![6 => Just(80), 1 => Just(8080), 1 => Just(9990), 2 => Just(7777)],
        prop::option::weighted(0.2, 0..PODS),
        any::<bool>(),
    )
        .prop_map(
            |(
                service,
                slices,
                nodes,
                [some, more, pods_meshed, pods_opaque, others],
                server,
                port,
                host,
                ipv6,
            )| Draft {
                service,
                slices,
                nodes,
                // Most are there.
                pods_absent: some & more & others,
                pods_meshed,
                pods_opaque,
                workloads_absent: more & others,
                server,
                port,
                host,
                ipv6,
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

// === impl Names ===

impl Names {
    /// Those of a set that has a cluster to itself.
    pub(super) fn alone() -> Self {
        Self {
            namespace: "shop".to_owned(),
            nodes: String::new(),
        }
    }

    /// Those of set `number` of several in a cluster.
    pub(super) fn numbered(number: usize) -> Self {
        Self {
            namespace: format!("shop-{number}"),
            nodes: format!("-{number}"),
        }
    }

    /// The namespace of what has the names of what is asked for, and is not.
    pub(super) fn elsewhere(&self) -> String {
        format!("{}-elsewhere", self.namespace)
    }

    /// The Nodes that clients name.
    pub(super) fn client_nodes(&self) -> [String; CLIENT_NODES.len()] {
        CLIENT_NODES.map(|node| self.node(node))
    }

    /// A Node's name as it is in [`Names::alone`].
    pub(super) fn plain<'a>(&self, node: &'a str) -> &'a str {
        node.strip_suffix(&self.nodes).unwrap_or(node)
    }

    fn node(&self, name: &str) -> String {
        match name {
            "" => String::new(),
            _ => format!("{name}{}", self.nodes),
        }
    }

    /// The Node that Pod `number` is on.
    fn node_of(&self, number: u8) -> String {
        self.node(NODES[usize::from(number) % NODES.len()].0)
    }
}

// === impl Draft ===

impl Draft {
    /// The objects, under these names.
    pub(super) fn set(&self, names: Names) -> ObjectSet {
        let mut objects = Vec::new();
        for ((name, zone), _) in NODES.iter().zip(self.nodes).filter(|(_, there)| *there) {
            let name = names.node(name);
            let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
            if let Some(zone) = zone {
                node["metadata"]["labels"] = json!({"topology.kubernetes.io/zone": zone});
            }
            objects.push(node);
        }
        let is = |bits: u16, number: u8| bits >> number & 1 == 1;
        let refer_to = |target: Target, number: u8| {
            let mut slices = self.slices.iter();
            slices.any(|slice| slice.refers_to(target, number))
        };
        for number in 0..PODS {
            let pod = |namespace: &str| {
                let (meshed, opaque) = (self.pods_meshed, self.pods_opaque);
                let node = names.node_of(number);
                pod_object(
                    number,
                    namespace,
                    &node,
                    is(meshed, number),
                    is(opaque, number),
                )
            };
            if refer_to(Target::Pod, number) && !is(self.pods_absent, number) {
                objects.push(pod(&names.namespace));
            }
            if refer_to(Target::PodElsewhere, number) && !is(self.pods_absent, number) {
                objects.push(pod(&names.elsewhere()));
            }
            let workload = refer_to(Target::ExternalWorkload, number);
            if workload && !is(self.workloads_absent, number) {
                objects.push(workload_object(number, &names.namespace));
            }
        }
        objects.extend(self.server.map(|it| server_object(it, &names.namespace)));
        objects.extend(self.service.as_ref().map(|it| it.object(&names)));
        let slices = self.slices.iter().enumerate();
        objects.extend(slices.map(|(number, slice)| slice.object(number, &names)));
        ObjectSet {
            objects,
            port: self.port,
            host: self.host.map(slices::host_name),
            ipv6: self.ipv6,
            names,
        }
    }
}

/// A Pod that runs; a meshed one has a proxy that can be reached.
fn pod_object(number: u8, namespace: &str, node: &str, meshed: bool, opaque: bool) -> Value {
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
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": slices::pod_name(number),
            "labels": labels,
        },
        "spec": {"nodeName": node, "containers": containers},
    });
    if opaque {
        pod["metadata"]["annotations"] = json!({"config.linkerd.io/opaque-ports": "8080"});
    }
    pod
}

/// A workload outside of Kubernetes.
fn workload_object(number: u8, namespace: &str) -> Value {
    json!({
        "apiVersion": "workload.linkerd.io/v1beta1",
        "kind": "ExternalWorkload",
        "metadata": {"namespace": namespace, "name": slices::workload_name(number)},
        "spec": {
            "meshTLS": {"identity": "spiffe://example.org/vm", "serverName": "vm.example.org"},
            "workloadIPs": [{"ip": "192.0.2.1"}],
            "ports": [{"port": 8080}],
        },
    })
}

/// What is said of the Pods' port 8080.
fn server_object(protocol: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "Server",
        "metadata": {"namespace": namespace, "name": SERVICE},
        "spec": {
            "podSelector": {"matchLabels": {"app": SERVICE}},
            "port": 8080,
            "proxyProtocol": protocol,
        },
    })
}

// === impl ServiceDraft ===

impl ServiceDraft {
    fn object(&self, names: &Names) -> Value {
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
            "metadata": {"namespace": names.namespace, "name": SERVICE},
            "spec": spec,
        })
    }
}
