//! What one slice after the other lists, by identity.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use super::{Candidate, Filter, Id, Unjudged};
use crate::{
    endpoint::Endpoint,
    kubernetes::{EndpointTarget, Slice, SliceEndpoint},
};

/// What slices list.
#[derive(Default)]
pub(super) struct Listed<'a> {
    by_id: BTreeMap<Key<'a>, Listing<'a>>,
    /// Ready entries that have no address to be served.
    unservable: Vec<&'a SliceEndpoint>,
}

/// Bare addresses are apart where their host names are.
type Key<'a> = (Id, Option<&'a str>);

/// What the last of the slices so far has of one identity.
struct Listing<'a> {
    slice: usize,
    address: SocketAddr,
    entry: &'a SliceEndpoint,
    /// What another slice has.
    before: Option<(SocketAddr, &'a SliceEndpoint)>,
    contradictions: Contradictions,
}

/// What slices disagree on. Which of them counts depends on the order in which the controller
/// reads them.
#[derive(Clone, Copy, Default)]
struct Contradictions {
    address: bool,
    zones: bool,
    node: bool,
    hostname: bool,
}

// === impl Listed ===

impl<'a> Listed<'a> {
    /// Takes in the ready entries of a slice that point at something served; a `port` of `None` has
    /// no number. Of several entries that one slice has of one identity the last counts:
    /// Kubernetes gives the others no meaning.
    pub(super) fn slice(&mut self, number: usize, slice: &'a Slice, port: Option<u16>) {
        let ready = slice.endpoints.iter().filter(|entry| entry.ready);
        for entry in ready.filter(|entry| entry.target != EndpointTarget::Other) {
            let Some(port) = port.filter(|_| !entry.addresses.is_empty()) else {
                self.unservable.push(entry);
                continue;
            };
            for &ip in &entry.addresses {
                let address = SocketAddr::new(ip, port);
                let id = Id::of(&entry.target, ip.is_ipv6()).unwrap_or(Id::Bare(address));
                let hostname = entry.hostname.as_deref();
                let hostname = hostname.filter(|_| matches!(id, Id::Bare(_)));
                let new = Listing::new(number, address, entry);
                (self.by_id.entry((id, hostname)))
                    .and_modify(|it| it.replace(number, address, entry))
                    .or_insert(new);
            }
        }
    }

    /// Drops what has not the host name `host`, if one is asked for; or says that slices disagree
    /// on who has it.
    pub(super) fn keep_host(&mut self, host: Option<&str>) -> Option<Unjudged> {
        host?;
        let contradictory = (self.by_id.values()).any(|it| it.contradictions().hostname);
        self.by_id
            .retain(|_, it| it.entry.hostname.as_deref() == host);
        self.unservable
            .retain(|entry| entry.hostname.as_deref() == host);
        contradictory.then_some(Unjudged::Contradictory)
    }

    /// Whether there is something, and all of it may have zone hints.
    pub(super) fn is_hinted(&self) -> bool {
        let unhinted = |it: &Listing<'_>| it.entry.zones.is_empty() && !it.contradictions().zones;
        !self.by_id.is_empty() && !self.by_id.values().any(unhinted)
    }

    /// Whether slices disagree on something that `filter` reads.
    pub(super) fn is_contradictory(&self, filter: Filter) -> bool {
        let mut all = self.by_id.values().map(Listing::contradictions);
        all.any(|it| it.address || (it.zones && filter == Filter::Zone))
    }

    /// Whether entries that cannot be served decide which others are: by their hints, or as another
    /// listing of the same pod.
    pub(super) fn depends_on_unservable(&self, filter: Filter) -> bool {
        let is_listed = |entry: &&SliceEndpoint| {
            let ids = [false, true].map(|ipv6| Id::of(&entry.target, ipv6));
            let mut ids = ids.into_iter().flatten();
            ids.any(|id| self.by_id.contains_key(&(id, None)))
        };
        let by_hints = filter == Filter::Zone && !self.unservable.is_empty();
        by_hints || self.unservable.iter().any(is_listed)
    }

    /// Whether a pod has an IPv6 address.
    pub(super) fn has_pods_in_ipv6(&self) -> bool {
        self.by_id.keys().any(|(id, _)| id.pod_in_ipv6().is_some())
    }

    /// Whether a pod's Node is not named, or not the same in all slices.
    pub(super) fn has_pods_on_unknown_nodes(&self) -> bool {
        let unknown = |it: &Listing<'_>| it.entry.node.is_none() || it.contradictions().node;
        let mut all = self.by_id.iter();
        all.any(|((id, _), it)| matches!(id, Id::Pod { .. }) && unknown(it))
    }

    /// The number of endpoints: pods in both families and bare addresses with several host names
    /// count once.
    pub(super) fn available(&self) -> usize {
        let once = self.by_id.keys().map(|(id, _)| match *id {
            Id::Pod { pod, .. } => Id::Pod { pod, ipv6: false },
            other => other,
        });
        once.collect::<BTreeSet<_>>().len()
    }

    pub(super) fn candidates(self, filter: Filter) -> Vec<Candidate> {
        let listed = self.by_id.into_iter();
        listed
            .map(|((id, _), Listing { address, entry, .. })| Candidate {
                id,
                endpoint: match id {
                    Id::Pod { pod, .. } => Endpoint {
                        address,
                        pod: Some(entry.target.in_updates(pod)),
                    },
                    Id::Workload(_) | Id::Bare(_) => Endpoint::bare(address),
                },
                node: (filter == Filter::Node && matches!(id, Id::Pod { .. }))
                    // A pod that is on no Node is where a client is that names none.
                    .then(|| entry.node.clone().unwrap_or_default()),
                zones: match filter {
                    Filter::Zone => entry.zones.clone(),
                    Filter::Everywhere | Filter::Node => Vec::new(),
                },
            })
            .collect()
    }
}

// === impl Listing ===

impl<'a> Listing<'a> {
    fn new(slice: usize, address: SocketAddr, entry: &'a SliceEndpoint) -> Self {
        Self {
            slice,
            address,
            entry,
            before: None,
            contradictions: Contradictions::default(),
        }
    }

    fn replace(&mut self, slice: usize, address: SocketAddr, entry: &'a SliceEndpoint) {
        if self.slice != slice {
            self.contradictions = self.contradictions();
            self.before = Some((self.address, self.entry));
        }
        (self.slice, self.address, self.entry) = (slice, address, entry);
    }

    /// What the slices so far disagree on.
    fn contradictions(&self) -> Contradictions {
        let Some((address, entry)) = self.before else {
            return self.contradictions;
        };
        let Contradictions {
            address: addresses,
            zones,
            node,
            hostname,
        } = self.contradictions;
        Contradictions {
            address: addresses || address != self.address,
            zones: zones || !have_the_same(&entry.zones, &self.entry.zones),
            node: node || entry.node != self.entry.node,
            hostname: hostname || entry.hostname != self.entry.hostname,
        }
    }
}

/// Whether both have the same zones, in whatever order.
fn have_the_same(one: &[String], other: &[String]) -> bool {
    let set = |zones: &'_ [String]| zones.iter().cloned().collect::<BTreeSet<_>>();
    one == other || set(one) == set(other)
}
