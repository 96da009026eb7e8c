//! One endpoint of a Service, as both Kubernetes and the destination controller name it.

use std::{
    hash::{BuildHasher, Hasher},
    net::SocketAddr,
};

/// An address with, where it is known, the pod behind it.
///
/// The pod is part of the identity because Kubernetes gives a new pod the address of an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IP and port.
    pub address: SocketAddr,
    /// The pod, if one is named.
    pub pod: Option<Pod>,
}

/// A pod's name, reduced to 64 bits: an update names one for each address, and a copy of each
/// name would cost more than everything else that is kept of the update.
///
/// Two names of one Service collide with a probability below 10⁻¹² for 1,000 endpoints. Values
/// are meaningful only within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pod(u64);

// === impl Endpoint ===

impl Endpoint {
    /// An address without a pod.
    #[must_use]
    pub const fn bare(address: SocketAddr) -> Self {
        Self { address, pod: None }
    }

    /// The address of the pod called `name`.
    #[must_use]
    pub fn of_pod(address: SocketAddr, name: &str) -> Self {
        Self {
            address,
            pod: Some(Pod::named(name.as_bytes())),
        }
    }
}

// === impl Pod ===

impl Pod {
    /// The pod of this name, given as UTF-8 bytes.
    #[must_use]
    pub fn named(name: &[u8]) -> Self {
        // Of the two that foldhash has, the one whose every bit depends on the whole name.
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        hasher.write(name);
        Self(hasher.finish())
    }
}
