//! One address that could be served, as a slice and its Pod describe it. Whether it is served to a
//! given client is for [`super::view`] to say.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use super::{
    objects::{ObjectName, Service, Slice, SliceEndpoint, Target},
    pod::{Pod, Reach},
};

/// One address that could be served, with all that its filters and its encoding need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) addr: SocketAddr,
    /// `""` when the slice names none.
    pub(crate) zone: String,
    pub(crate) target: Option<PodTarget>,
    /// The ExternalWorkload behind it, of which nothing but the name is known.
    workload: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) node: Option<String>,
    pub(super) for_zones: Vec<String>,
}

/// The Pod behind an address, as it was when the slice was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodTarget {
    pub(crate) name: ObjectName,
    /// Absent when the slice came before its Pod.
    pub(crate) pod: Option<Arc<Pod>>,
}

/// What makes two addresses of a slice the same endpoint, as Linkerd's IDs do: the last of them is
/// served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity<'a> {
    /// A Pod has one address a family.
    Pod {
        name: &'a ObjectName,
        ipv6: bool,
    },
    Workload(&'a str),
    Bare {
        addr: SocketAddr,
        hostname: Option<&'a str>,
    },
}

/// How the port that was asked for becomes a port of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetPort {
    /// The slice's port of the same name as the Service's port.
    Named(String),
    /// The Service does not define it, so the number is taken as it is.
    Verbatim(u16),
}

/// The Pods that are known.
pub(crate) type Pods = BTreeMap<ObjectName, Arc<Pod>>;

// === impl TargetPort ===

impl TargetPort {
    /// What `port` of `service` stands for.
    pub(crate) fn of(service: &Service, port: u16) -> Self {
        (service.ports.iter().find(|(number, _)| *number == port))
            .map_or(Self::Verbatim(port), |(_, name)| Self::Named(name.clone()))
    }

    /// The port's number on the endpoints of `slice`; a slice without ports has none.
    pub(crate) fn resolve(&self, slice: &Slice) -> Option<u16> {
        if slice.ports.is_empty() {
            return None;
        }
        match self {
            Self::Verbatim(port) => Some(*port),
            Self::Named(name) => slice.ports.iter().find(|(it, _)| it == name)?.1,
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// The endpoint that `entry` stands for at `addr`; nothing if it is not to be served.
    pub(crate) fn new(
        entry: &SliceEndpoint,
        addr: SocketAddr,
        pod: impl Fn(&ObjectName) -> Option<Arc<Pod>>,
    ) -> Option<Self> {
        let mut workload = None;
        let target = match &entry.target {
            Target::Bare => None,
            Target::Pod(name) => Some(PodTarget {
                name: name.clone(),
                pod: pod(name),
            }),
            // ExternalWorkloads are not watched: they are taken to be there, as Pods are.
            Target::ExternalWorkload(name) => {
                workload = Some(name.clone());
                None
            }
            Target::Other => return None,
        };
        let pod = target.as_ref().and_then(|target| target.pod.as_deref());
        if pod.is_some_and(|pod| pod.reach(addr.port()) == Reach::Never) {
            return None;
        }
        Some(Self {
            addr,
            zone: entry.zone.clone(),
            hostname: entry.hostname.clone(),
            node: match pod {
                Some(pod) => pod.node.clone(),
                None => entry.node.clone(),
            },
            for_zones: entry.for_zones.clone(),
            target,
            workload,
        })
    }

    /// An address that stands for nothing, for the fault that invents one.
    pub(crate) fn bare(addr: SocketAddr) -> Self {
        Self {
            addr,
            zone: String::new(),
            target: None,
            workload: None,
            hostname: None,
            node: None,
            for_zones: Vec::new(),
        }
    }

    /// A Pod's address, whatever slices say of it.
    pub(crate) fn of_pod(addr: SocketAddr, target: PodTarget) -> Self {
        Self {
            target: Some(target),
            ..Self::bare(addr)
        }
    }

    pub(super) fn identity(&self) -> Identity<'_> {
        match (&self.target, &self.workload) {
            (Some(target), _) => Identity::Pod {
                name: &target.name,
                ipv6: self.addr.is_ipv6(),
            },
            (None, Some(workload)) => Identity::Workload(workload),
            (None, None) => Identity::Bare {
                addr: self.addr,
                hostname: self.hostname.as_deref(),
            },
        }
    }

    /// Whether both are addresses, of one family, of the same Pod.
    pub(crate) fn is_same_pod_elsewhere(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (&self.target, &other.target) else {
            return false;
        };
        one.name == two.name
            && self.addr != other.addr
            && self.addr.is_ipv4() == other.addr.is_ipv4()
    }
}
