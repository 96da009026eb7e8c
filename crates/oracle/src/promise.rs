//! The oracle: which endpoints a client is promised, by the rules listed in `docs/measurement.md`.
//!
//! It pictures what the destination controller's API and Kubernetes promise, not what any build
//! of the controller happens to do, and it shares no code with the reference destination.

mod listed;
mod unjudged;

use std::{collections::BTreeSet, net::SocketAddr};

use dst_load_scenario::flags::Flags;

use self::listed::Listed;
pub use self::unjudged::Unjudged;
use crate::{
    endpoint::{Endpoint, Pod},
    kubernetes::{EndpointTarget, Place, Service, Slice},
};

/// The endpoints that a Service offers on one port, wherever a client is. Computed once for each
/// event, and read for each place ([`Offer::promised`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    candidates: Vec<Candidate>,
    filter: Filter,
    /// Whether IPv6 addresses of pods are served.
    ipv6: bool,
    available: usize,
    unjudged: Option<Unjudged>,
}

/// An endpoint on its way through the filters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    id: Id,
    endpoint: Endpoint,
    /// The Node of a pod; only where the filter reads it.
    node: Option<String>,
    /// The zones of its hints; only where the filter reads them.
    zones: Vec<String>,
}

/// What makes two listings the same endpoint: a pod in one family, an ExternalWorkload, or an
/// address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Pod { pod: Pod, ipv6: bool },
    Workload(Pod),
    Bare(SocketAddr),
}

/// How the candidates depend on where the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Filter {
    /// Not at all.
    #[default]
    Everywhere,
    /// `internalTrafficPolicy: Local`.
    Node,
    /// Every candidate has a zone hint.
    Zone,
}

/// The endpoints that a client at `place` is promised of `service` on `port` by a controller with
/// these `flags`.
///
/// A `service` of `None` does not exist, and has none.
#[must_use]
pub fn promise<'a>(
    service: Option<&Service>,
    slices: impl IntoIterator<Item = &'a Slice>,
    port: u16,
    place: &Place,
    flags: Flags,
) -> BTreeSet<Endpoint> {
    Offer::new(service, slices, port, flags).promised(place)
}

// === impl Offer ===

impl Offer {
    /// Computes what `service` (`None` if there is none) offers on `port`.
    #[must_use]
    pub fn new<'a>(
        service: Option<&Service>,
        slices: impl IntoIterator<Item = &'a Slice>,
        port: u16,
        flags: Flags,
    ) -> Self {
        Self::of_instance(None, service, slices, port, flags)
    }

    /// What those endpoints of `service` offer that have the host name `host` (`None`: all of
    /// them), as a stream for `<host>.<service>.<namespace>.svc` asks for.
    #[must_use]
    pub fn of_instance<'a>(
        host: Option<&str>,
        service: Option<&Service>,
        slices: impl IntoIterator<Item = &'a Slice>,
        port: u16,
        flags: Flags,
    ) -> Self {
        let Some(service) = service.filter(|service| !service.external_name) else {
            return Self {
                unjudged: unjudged::everywhere(flags),
                ..Self::default()
            };
        };
        let mut listed = Listed::default();
        for (number, slice) in slices.into_iter().enumerate() {
            if let Some(port) = port_in_slice(service, slice, port) {
                listed.slice(number, slice, port);
            }
        }
        let hostnames_contradict = listed.keep_host(host);
        let filter = if service.local_traffic_only {
            Filter::Node
        } else if listed.is_hinted() {
            Filter::Zone
        } else {
            Filter::Everywhere
        };
        Self {
            unjudged: unjudged::of(&listed, filter, flags).or(hostnames_contradict),
            available: listed.available(),
            candidates: listed.candidates(filter),
            filter,
            ipv6: flags.ipv6.unwrap_or_default(),
        }
    }

    /// The number of endpoints for clients anywhere. Pods in both families, and in several slices,
    /// count once.
    #[must_use]
    pub const fn available(&self) -> usize {
        self.available
    }

    /// Whether what a client is promised depends on its Node or zone.
    #[must_use]
    pub fn depends_on_place(&self) -> bool {
        self.filter != Filter::Everywhere
    }

    /// Whether what a client is promised depends on its zone.
    #[must_use]
    pub fn depends_on_zone(&self) -> bool {
        self.filter == Filter::Zone
    }

    /// The reason why what is promised is unknown, if it is.
    #[must_use]
    pub const fn unjudged(&self) -> Option<Unjudged> {
        self.unjudged
    }

    /// The endpoints that a client at `place` is promised. The filters are in the controller's
    /// order: the traffic policy, or else the hints, over both families; the family last.
    #[must_use]
    pub fn promised(&self, place: &Place) -> BTreeSet<Endpoint> {
        let all = self.candidates.iter();
        let near: Vec<_> = match self.filter {
            Filter::Everywhere => all.collect(),
            // Only pods have a Node; a bare address is never local.
            Filter::Node => all
                .filter(|it| it.node.as_deref() == Some(&place.node))
                .collect(),
            Filter::Zone => {
                let here: Vec<_> = all
                    .clone()
                    .filter(|it| it.zones.contains(&place.zone))
                    .collect();
                // Hints count only where they leave something.
                if here.is_empty() { all.collect() } else { here }
            }
        };
        let six: BTreeSet<Pod> = near.iter().filter_map(|it| it.id.pod_in_ipv6()).collect();
        let served = near.into_iter().filter(|it| match it.id {
            Id::Pod { ipv6: true, .. } => self.ipv6,
            Id::Pod { pod, ipv6: false } => !self.ipv6 || !six.contains(&pod),
            Id::Workload(_) | Id::Bare(_) => true,
        });
        one_an_address(served.map(|it| it.endpoint).collect())
    }
}

/// A proxy has one endpoint an address: where several pods share one, whose it is is unknown.
fn one_an_address(endpoints: BTreeSet<Endpoint>) -> BTreeSet<Endpoint> {
    let next = endpoints.iter().skip(1);
    let shared: BTreeSet<_> = (endpoints.iter().zip(next))
        .filter(|(one, other)| one.address == other.address)
        .map(|(one, _)| one.address)
        .collect();
    if shared.is_empty() {
        return endpoints;
    }
    let bare = |it: Endpoint| match shared.contains(&it.address) {
        true => Endpoint::bare(it.address),
        false => it,
    };
    endpoints.into_iter().map(bare).collect()
}

/// The number behind the Service's `port` in this slice: by the port's name where the Service
/// defines the port, else the number itself. `targetPort` is never read. A slice without ports has
/// no endpoints, whatever is asked for; a port may lack a number (`Some(None)`).
fn port_in_slice(service: &Service, slice: &Slice, port: u16) -> Option<Option<u16>> {
    let first = slice.ports.first()?;
    let Some(defined) = service.ports.iter().find(|p| p.port == port) else {
        return Some(Some(port));
    };
    let mut named = std::iter::once(first).chain(&slice.ports[1..]);
    named.find(|p| p.name == defined.name).map(|p| p.port)
}

// === impl Id ===

impl Id {
    /// That of a pod, whose address is of this family, or of an ExternalWorkload.
    fn of(target: &EndpointTarget, ipv6: bool) -> Option<Self> {
        let identity = target.identity()?;
        Some(match target {
            EndpointTarget::ExternalWorkload(_) => Self::Workload(identity),
            _ => Self::Pod {
                pod: identity,
                ipv6,
            },
        })
    }

    const fn pod_in_ipv6(self) -> Option<Pod> {
        match self {
            Self::Pod { pod, ipv6: true } => Some(pod),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
