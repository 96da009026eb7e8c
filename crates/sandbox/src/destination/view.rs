//! What a client may see of the candidates: the filters, and nothing about changes or streams.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use super::{endpoint::Endpoint, objects::ObjectName, publisher::GroupKey};

/// What a group's listeners were told, by address.
pub(crate) type Set = BTreeMap<SocketAddr, Arc<Endpoint>>;

/// What a group's filters depend on: groups with equal views hold equal sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct View<'a> {
    pub(crate) hostname: Option<&'a str>,
    pub(crate) zone: &'a str,
    /// Only where the traffic policy is `Local`.
    pub(crate) node: Option<&'a str>,
    /// Whether Pods are served by IPv6.
    pub(crate) ipv6: bool,
}

// === impl View ===

impl<'a> View<'a> {
    /// The view of the group `key`, whose node is in `zone`.
    pub(crate) fn new(key: &'a GroupKey, zone: &'a str, local: bool, ipv6: bool) -> Self {
        Self {
            hostname: key.hostname.as_deref(),
            zone,
            node: local.then_some(&key.node),
            ipv6,
        }
    }

    /// The filters, in Linkerd's order: host name, then node or else zone hints, then family.
    pub(crate) fn select<'e>(self, candidates: impl Iterator<Item = &'e Arc<Endpoint>>) -> Set {
        let mut chosen: Vec<&Arc<Endpoint>> = candidates
            .filter(|it| self.hostname.is_none() || it.hostname.as_deref() == self.hostname)
            .filter(|it| match self.node {
                Some(node) => it.target.is_some() && it.node.as_deref().unwrap_or("") == node,
                None => true,
            })
            .collect();
        // Hints count only when every candidate has them, and only when they leave something; by
        // node is near enough.
        if self.node.is_none() && chosen.iter().all(|it| !it.for_zones.is_empty()) {
            let near = |it: &&Arc<Endpoint>| it.for_zones.iter().any(|zone| zone == self.zone);
            if chosen.iter().any(near) {
                chosen.retain(near);
            }
        }
        if !self.ipv6 {
            chosen.retain(|it| it.target.is_none() || it.addr.is_ipv4());
        }
        // A Pod that is listed in both families is served as IPv6 only; bare addresses are served
        // as they are.
        let six: BTreeSet<&ObjectName> = (chosen.iter())
            .filter(|it| it.addr.is_ipv6())
            .filter_map(|it| Some(&it.target.as_ref()?.name))
            .collect();
        if !six.is_empty() {
            chosen.retain(|it| match &it.target {
                Some(target) => it.addr.is_ipv6() || !six.contains(&target.name),
                None => true,
            });
        }
        (chosen.into_iter())
            .map(|it| (it.addr, it.clone()))
            .collect()
    }
}
