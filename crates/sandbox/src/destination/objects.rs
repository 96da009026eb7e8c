//! The Kubernetes objects a destination controller looks at, reduced to the fields it reads.
//!
//! Built once from the API's types, at the edge. Pods have a file of their own
//! ([`super::pod`]). Nothing here decides what is served.

use std::net::IpAddr;

use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery};
use kube::ResourceExt as _;

use super::pod::Ports;

/// The name of a namespaced object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: ObjectName,
    /// Port numbers with their names (`""` when it has none), in the object's order.
    pub(crate) ports: Vec<(u16, String)>,
    /// `type: ExternalName`.
    pub(crate) external_name: bool,
    /// `internalTrafficPolicy: Local`.
    pub(crate) local: bool,
    /// None of a headless Service.
    pub(crate) cluster_ips: Vec<IpAddr>,
    /// Ports whose protocol is not to be looked into.
    pub(super) opaque: Ports,
    pub(crate) discovery: Discovery,
}

/// Where a Service's endpoints are to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// In this cluster.
    Local,
    /// In another cluster; the Service there may be left unnamed by mistake.
    Remote {
        cluster: String,
        service: Option<String>,
    },
    /// In several clusters: the Services there, by name, each with its cluster; none for this one.
    Federated {
        members: Vec<(String, Option<String>)>,
    },
}

/// An EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) name: ObjectName,
    /// From the label `kubernetes.io/service-name`.
    pub(crate) service: Option<ObjectName>,
    /// Port names (`""` when it has none) with their numbers.
    pub(crate) ports: Vec<(String, Option<u16>)>,
    /// Only the ready ones: nothing else about the others matters.
    pub(crate) endpoints: Vec<SliceEndpoint>,
}

/// A ready entry of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SliceEndpoint {
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) hostname: Option<String>,
    /// `""` when it has none.
    pub(crate) zone: String,
    pub(crate) node: Option<String>,
    pub(crate) for_zones: Vec<String>,
    pub(crate) target: Target,
}

/// What stands behind an entry of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Nothing but the address.
    Bare,
    /// A Pod.
    Pod(ObjectName),
    /// An ExternalWorkload of this name, in the slice's namespace.
    ExternalWorkload(String),
    /// A kind that is not served.
    Other,
}

/// A Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// A Node has no namespace.
    pub(crate) name: ObjectName,
    /// From the label `topology.kubernetes.io/zone`, `""` when it has none.
    pub(crate) zone: String,
}

// === impl ObjectName ===

impl ObjectName {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The name of `object`; an object without a namespace gets `""`.
    pub(crate) fn of(object: &impl kube::Resource) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

// === impl Service ===

impl From<&core::Service> for Service {
    fn from(object: &core::Service) -> Self {
        let spec = object.spec.as_ref();
        let ports = spec.and_then(|spec| spec.ports.as_deref());
        Self {
            name: ObjectName::of(object),
            ports: ports
                .unwrap_or_default()
                .iter()
                .filter_map(|port| {
                    let number = u16::try_from(port.port).ok()?;
                    Some((number, port.name.clone().unwrap_or_default()))
                })
                .collect(),
            external_name: spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName"),
            local: spec.and_then(|spec| spec.internal_traffic_policy.as_deref()) == Some("Local"),
            cluster_ips: cluster_ips(spec),
            opaque: Ports::opaque(object.annotations()),
            discovery: Discovery::of(object),
        }
    }
}

/// The addresses of a Service; that of a headless one reads `None`.
fn cluster_ips(spec: Option<&core::ServiceSpec>) -> Vec<IpAddr> {
    let all = spec.and_then(|spec| spec.cluster_ips.as_deref());
    let first = spec.and_then(|spec| spec.cluster_ip.as_ref());
    let mut ips: Vec<IpAddr> = (first.into_iter().chain(all.unwrap_or_default()))
        .filter_map(|ip| ip.parse().ok())
        .collect();
    ips.sort_unstable();
    ips.dedup();
    ips
}

// === impl Discovery ===

impl Discovery {
    fn of(object: &core::Service) -> Self {
        const REMOTE: &str = "multicluster.linkerd.io/remote-discovery";
        const LOCAL: &str = "multicluster.linkerd.io/local-discovery";
        let annotations = object.annotations();
        let (remote, local) = (annotations.get(REMOTE), annotations.get(LOCAL));
        // The annotations win over the labels, as they do in Linkerd.
        if remote.is_some() || local.is_some() {
            let remote = remote.into_iter().flat_map(|all| all.split(','));
            let remote = remote.filter_map(|member| {
                let (service, cluster) = member.split_once('@')?;
                Some((service.to_owned(), Some(cluster.to_owned())))
            });
            let local = local.map(|service| (service.clone(), None));
            return Self::Federated {
                members: remote.chain(local).collect(),
            };
        }
        let labels = object.labels();
        labels
            .get(REMOTE)
            .map_or(Self::Local, |cluster| Self::Remote {
                cluster: cluster.clone(),
                service: labels
                    .get("multicluster.linkerd.io/remote-service")
                    .cloned(),
            })
    }
}

// === impl Slice ===

impl From<&discovery::EndpointSlice> for Slice {
    fn from(object: &discovery::EndpointSlice) -> Self {
        let name = ObjectName::of(object);
        let service = object
            .labels()
            .get("kubernetes.io/service-name")
            .map(|service| ObjectName::new(&name.namespace, service));
        Self {
            service,
            ports: (object.ports.iter().flatten())
                .map(|port| {
                    // Linkerd takes 0 for none.
                    let number = (port.port.and_then(|port| u16::try_from(port).ok()))
                        .filter(|port| *port != 0);
                    (port.name.clone().unwrap_or_default(), number)
                })
                .collect(),
            endpoints: (object.endpoints.iter().flatten())
                .filter(|endpoint| is_ready(endpoint))
                .map(SliceEndpoint::from)
                .collect(),
            name,
        }
    }
}

/// No condition means ready; `serving` and `terminating` are not read.
fn is_ready(endpoint: &discovery::Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions.and_then(|it| it.ready).unwrap_or(true)
}

// === impl SliceEndpoint ===

impl From<&discovery::Endpoint> for SliceEndpoint {
    fn from(endpoint: &discovery::Endpoint) -> Self {
        let hints = endpoint.hints.as_ref();
        let target = match &endpoint.target_ref {
            None => Target::Bare,
            // Without a namespace there is no Pod to be found.
            Some(target) if target.kind.as_deref() == Some("Pod") => (target.namespace.clone())
                .map_or(Target::Other, |namespace| {
                    Target::Pod(ObjectName::new(
                        namespace,
                        target.name.clone().unwrap_or_default(),
                    ))
                }),
            Some(target) if target.kind.as_deref() == Some("ExternalWorkload") => {
                Target::ExternalWorkload(target.name.clone().unwrap_or_default())
            }
            Some(_) => Target::Other,
        };
        Self {
            // Host names (address type FQDN) are no addresses, and are left out.
            ips: (endpoint.addresses.iter())
                .filter_map(|address| address.parse().ok())
                .collect(),
            hostname: endpoint.hostname.clone(),
            zone: endpoint.zone.clone().unwrap_or_default(),
            node: endpoint.node_name.clone(),
            for_zones: (hints.and_then(|hints| hints.for_zones.as_ref()).into_iter())
                .flatten()
                .map(|zone| zone.name.clone())
                .collect(),
            target,
        }
    }
}

// === impl Node ===

impl From<&core::Node> for Node {
    fn from(object: &core::Node) -> Self {
        Self {
            name: ObjectName::of(object),
            zone: (object.labels().get("topology.kubernetes.io/zone"))
                .cloned()
                .unwrap_or_default(),
        }
    }
}
