//! The oracle: which endpoints a client is promised, by the rules listed in `docs/measurement.md`.
//!
//! It pictures what the destination controller's API and Kubernetes promise, not what any build
//! of the controller happens to do, and it shares no code with the reference destination.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use crate::model::{
    endpoint::Endpoint,
    kubernetes::{Place, Service, Slice, SliceEndpoint, Target},
};

/// A candidate on its way through the rules.
struct Candidate<'a> {
    endpoint: Endpoint,
    entry: &'a SliceEndpoint,
}

/// What a client at `place` is promised of `service` on `port`.
///
/// A `service` of `None` does not exist, and promises nothing.
#[must_use]
pub fn promise<'a>(
    service: Option<&Service>,
    slices: impl IntoIterator<Item = &'a Slice>,
    port: u16,
    place: &Place,
) -> BTreeSet<Endpoint> {
    let Some(service) = service else {
        return BTreeSet::new();
    };
    let mut candidates = prefer_ipv6(candidates(service, slices, port));
    if service.local_traffic_only {
        // Only pods have a node; a bare address is never local.
        candidates.retain(|c| {
            matches!(c.entry.target, Target::Pod(_)) && c.entry.node.as_deref() == Some(&place.node)
        });
    }
    // Hints count only where every candidate has one, and only where they leave something.
    if candidates.iter().all(|c| !c.entry.zones.is_empty()) {
        let in_zone = |c: &Candidate<'_>| c.entry.zones.contains(&place.zone);
        if candidates.iter().any(in_zone) {
            candidates.retain(in_zone);
        }
    }
    candidates.into_iter().map(|c| c.endpoint).collect()
}

/// Whether where a client is can make a difference to what it is promised.
#[must_use]
pub fn depends_on_place<'a>(
    service: Option<&Service>,
    slices: impl IntoIterator<Item = &'a Slice>,
) -> bool {
    service.is_some_and(|service| service.local_traffic_only)
        || slices
            .into_iter()
            .flat_map(|slice| &slice.endpoints)
            .any(|entry| !entry.zones.is_empty())
}

/// Ready entries that point at something served, on the port that the Service's port names.
fn candidates<'a>(
    service: &Service,
    slices: impl IntoIterator<Item = &'a Slice>,
    port: u16,
) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for slice in slices {
        let Some(port) = port_in_slice(service, slice, port) else {
            continue;
        };
        for entry in slice.endpoints.iter().filter(|entry| entry.ready) {
            for &ip in &entry.addresses {
                let address = SocketAddr::new(ip, port);
                let endpoint = match &entry.target {
                    Target::Pod(name) => Endpoint::of_pod(address, name),
                    Target::Bare | Target::ExternalWorkload => Endpoint::bare(address),
                    Target::Other => continue,
                };
                candidates.push(Candidate { endpoint, entry });
            }
        }
    }
    candidates
}

/// The number behind the Service's `port` in this slice: by the port's name where the Service
/// defines the port, else the number itself. `targetPort` is never read.
fn port_in_slice(service: &Service, slice: &Slice, port: u16) -> Option<u16> {
    let Some(defined) = service.ports.iter().find(|p| p.port == port) else {
        return Some(port);
    };
    slice
        .ports
        .iter()
        .find(|p| p.name == defined.name)
        .and_then(|p| p.port)
}

/// A pod that is there in both families is served by its IPv6 address only.
fn prefer_ipv6(candidates: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let mut has_v6: BTreeMap<&str, bool> = BTreeMap::new();
    for candidate in &candidates {
        if let Target::Pod(name) = &candidate.entry.target {
            *has_v6.entry(name).or_default() |= candidate.endpoint.address.is_ipv6();
        }
    }
    if !has_v6.values().any(|&v6| v6) {
        return candidates;
    }
    let keep = |c: &Candidate<'_>| match &c.entry.target {
        Target::Pod(name) => {
            matches!(c.endpoint.address.ip(), IpAddr::V6(_)) || !has_v6[name.as_str()]
        }
        _ => true,
    };
    let kept: Vec<bool> = candidates.iter().map(keep).collect();
    candidates
        .into_iter()
        .zip(kept)
        .filter_map(|(candidate, keep)| keep.then_some(candidate))
        .collect()
}

#[cfg(test)]
mod tests;
