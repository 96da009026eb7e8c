//! What the reference observer knows of a cluster: the parts of Services, EndpointSlices and
//! Nodes that decide what a client is promised.

use std::net::IpAddr;

use crate::endpoint::Pod;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Whether `internalTrafficPolicy` is `Local`.
    pub local_traffic_only: bool,
    /// Whether its type is `ExternalName`: it stands for a name elsewhere, and has no endpoints.
    pub external_name: bool,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty where there is none.
    pub name: String,
    /// The number clients ask for.
    pub port: u16,
}

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Its ports; one without any has no endpoints.
    pub ports: Vec<SlicePort>,
    /// Its endpoints.
    pub endpoints: Vec<SliceEndpoint>,
}

/// A port of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// Its name; empty where there is none.
    pub name: String,
    /// The number, if it has one.
    pub port: Option<u16>,
}

/// An entry of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Its addresses; names instead of addresses are left out.
    pub addresses: Vec<IpAddr>,
    /// `conditions.ready`; absent means ready.
    pub ready: bool,
    /// What it points at.
    pub target: EndpointTarget,
    /// The Node it is on.
    pub node: Option<String>,
    /// Its host name, by which it can be asked for alone.
    pub hostname: Option<String>,
    /// `hints.forZones`.
    pub zones: Vec<String>,
}

/// The object that an EndpointSlice's entry refers to (`targetRef`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointTarget {
    /// Nothing: a bare address.
    Bare,
    /// A pod of this name, in the slice's namespace.
    Pod(String),
    /// A pod in another namespace.
    PodElsewhere {
        /// That namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// An ExternalWorkload of this name.
    ExternalWorkload(String),
    /// Something that the destination controller does not know.
    Other,
}

// === impl EndpointTarget ===

impl EndpointTarget {
    /// The pod that updates name, by its name alone, if this target's identity is `identity`.
    pub(crate) fn in_updates(&self, identity: Pod) -> Pod {
        match self {
            Self::PodElsewhere { name, .. } => Pod::named(name.as_bytes()),
            _ => identity,
        }
    }

    /// What sets it apart from pods, or ExternalWorkloads, of other names or namespaces.
    pub(crate) fn identity(&self) -> Option<Pod> {
        match self {
            Self::Pod(name) | Self::ExternalWorkload(name) => Some(Pod::named(name.as_bytes())),
            Self::PodElsewhere { namespace, name } => {
                Some(Pod::named(format!("{namespace}/{name}").as_bytes()))
            }
            Self::Bare | Self::Other => None,
        }
    }
}

/// The Node and zone of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its Node.
    pub node: String,
    /// Its Node's zone; empty where that is unknown.
    pub zone: String,
}
