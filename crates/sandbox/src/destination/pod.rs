//! What a Pod contributes to an address: metric labels, and how a meshed one is to be reached.
//!
//! The settings of Linkerd's chart are taken for granted (control plane in `linkerd`, trust domain
//! `cluster.local`, its default opaque ports, transport header); they are constants, not options.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::api::core::v1 as core;
use kube::ResourceExt as _;

use super::objects::ObjectName;

const CONTROL_PLANE_LABEL: &str = "linkerd.io/control-plane-ns";
const CONTROL_PLANE: &str = "linkerd";
const TRUST_DOMAIN: &str = "cluster.local";
const DEFAULT_OPAQUE_PORTS: &str = "25,587,3306,4444,5432,6379,9300,11211";

/// A Pod, as one resourceVersion of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: ObjectName,
    pub(crate) version: String,
    pub(crate) node: Option<String>,
    /// Where it is reached; none unless it runs.
    pub(crate) ips: Vec<IpAddr>,
    /// Metric labels that depend on nothing but the Pod.
    pub(crate) labels: BTreeMap<String, String>,
    mesh: Option<Mesh>,
}

/// The proxy that a meshed Pod should have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mesh {
    /// Absent when the certificate is not from this control plane.
    identity: Option<String>,
    /// Absent when the Pod has no proxy container, or one that cannot be understood.
    proxy: Option<Proxy>,
    skipped: Ports,
    opaque: Ports,
}

/// The ports of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Proxy {
    inbound: u16,
    admin: u16,
    control: u16,
}

/// Ports as annotations write them: `25,100-200`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ports(Vec<(u16, u16)>);

/// How a port of a Pod is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Without a proxy at the other end.
    Plain,
    /// Through the proxy at the other end.
    Meshed {
        identity: Option<String>,
        opaque: bool,
        /// The port that takes Linkerd's transport header.
        inbound: Option<u16>,
    },
    /// Not at all: said to be meshed, but has no proxy.
    Never,
}

// === impl Pod ===

impl From<&core::Pod> for Pod {
    fn from(object: &core::Pod) -> Self {
        let name = ObjectName::of(object);
        let spec = object.spec.as_ref();
        let account = spec
            .and_then(|spec| spec.service_account_name.as_deref())
            .filter(|account| !account.is_empty())
            .unwrap_or("default");
        let (kind, owner) = owner(object);
        let mut labels = BTreeMap::from([
            ("pod".to_owned(), name.name.clone()),
            ("serviceaccount".to_owned(), account.to_owned()),
        ]);
        if kind != "pod" {
            labels.insert(kind, owner);
        }
        for (from, to) in [
            (CONTROL_PLANE_LABEL, "control_plane_ns"),
            ("pod-template-hash", "pod_template_hash"),
        ] {
            if let Some(value) = object.labels().get(from) {
                labels.insert(to.to_owned(), value.clone());
            }
        }
        Self {
            version: object.resource_version().unwrap_or_default(),
            node: spec.and_then(|spec| spec.node_name.clone()),
            ips: ips(object),
            mesh: Mesh::of(object, account),
            labels,
            name,
        }
    }
}

impl Pod {
    /// Whether `port` of this Pod, if it is meshed, is not to be looked into.
    pub(crate) fn is_opaque(&self, port: u16) -> bool {
        (self.mesh.as_ref()).is_some_and(|mesh| mesh.opaque.contains(port))
    }

    /// How `port` of this Pod is to be reached.
    pub(crate) fn reach(&self, port: u16) -> Reach {
        let Some(mesh) = (self.mesh.as_ref()).filter(|mesh| !mesh.skipped.contains(port)) else {
            return Reach::Plain;
        };
        let Some(proxy) = mesh.proxy else {
            return Reach::Never;
        };
        Reach::Meshed {
            identity: mesh.identity.clone(),
            opaque: mesh.opaque.contains(port),
            inbound: (port != proxy.admin && port != proxy.control).then_some(proxy.inbound),
        }
    }
}

/// The addresses of a Pod that runs.
fn ips(object: &core::Pod) -> Vec<IpAddr> {
    let Some(status) = &object.status else {
        return Vec::new();
    };
    if status.phase.as_deref() != Some("Running") {
        return Vec::new();
    }
    let all = status.pod_ips.iter().flatten().map(|it| it.ip.as_str());
    let mut ips: Vec<IpAddr> = (status.pod_ip.as_deref().into_iter().chain(all))
        .filter_map(|ip| ip.parse().ok())
        .collect();
    ips.sort_unstable();
    ips.dedup();
    ips
}

/// The kind and name of what owns the Pod, in Linkerd's spelling.
///
/// Linkerd asks its ReplicaSet cache who owns a ReplicaSet. The name says the same without a
/// cache: a Deployment's ReplicaSet is `<deployment>-<pod-template-hash>`.
fn owner(object: &core::Pod) -> (String, String) {
    let [owner] = object.owner_references() else {
        return ("pod".to_owned(), object.name_any());
    };
    match owner.kind.as_str() {
        "ReplicaSet" => {
            let hash = object.labels().get("pod-template-hash");
            hash.and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-'))
                .map_or_else(
                    || ("replicaset".to_owned(), owner.name.clone()),
                    |deployment| ("deployment".to_owned(), deployment.to_owned()),
                )
        }
        "Job" => ("k8s_job".to_owned(), owner.name.clone()),
        kind => (kind.to_lowercase(), owner.name.clone()),
    }
}

// === impl Mesh ===

impl Mesh {
    fn of(object: &core::Pod, account: &str) -> Option<Self> {
        let control_plane = object.labels().get(CONTROL_PLANE_LABEL)?;
        if control_plane.is_empty() {
            return None;
        }
        let namespace = object.namespace().unwrap_or_default();
        let annotation = |name: &str| object.annotations().get(name).map(String::as_str);
        Some(Self {
            identity: (control_plane == CONTROL_PLANE).then(|| {
                format!(
                    "{account}.{namespace}.serviceaccount.identity.{CONTROL_PLANE}.{TRUST_DOMAIN}"
                )
            }),
            proxy: Proxy::of(object),
            skipped: Ports::parse(annotation("config.linkerd.io/skip-inbound-ports").unwrap_or("")),
            opaque: Ports::opaque(object.annotations()),
        })
    }
}

// === impl Proxy ===

impl Proxy {
    fn of(object: &core::Pod) -> Option<Self> {
        let spec = object.spec.as_ref()?;
        let container = (spec.containers.iter())
            .chain(spec.init_containers.iter().flatten())
            .find(|container| container.name == "linkerd-proxy")?;
        let port = |name: &str| {
            let variable = container.env.iter().flatten().find(|it| it.name == name)?;
            let (_, port) = variable.value.as_deref()?.rsplit_once(':')?;
            port.parse().ok()
        };
        Some(Self {
            inbound: port("LINKERD2_PROXY_INBOUND_LISTEN_ADDR")?,
            admin: port("LINKERD2_PROXY_ADMIN_LISTEN_ADDR")?,
            control: port("LINKERD2_PROXY_CONTROL_LISTEN_ADDR")?,
        })
    }
}

// === impl Ports ===

impl Ports {
    /// Those that the annotations of a Pod or Service call opaque; else the chart's.
    pub(super) fn opaque(annotations: &BTreeMap<String, String>) -> Self {
        let named = annotations.get("config.linkerd.io/opaque-ports");
        Self::parse(named.map_or(DEFAULT_OPAQUE_PORTS, String::as_str))
    }

    /// Entries that are no ports are left out.
    pub(super) fn parse(text: &str) -> Self {
        let entry = |entry: &str| {
            let (low, high) = entry.split_once('-').unwrap_or((entry, entry));
            Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
        };
        Self(text.split(',').filter_map(entry).collect())
    }

    pub(super) fn contains(&self, port: u16) -> bool {
        (self.0.iter()).any(|(low, high)| (*low..=*high).contains(&port))
    }
}
