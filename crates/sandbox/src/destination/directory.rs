//! What the reference destination knows of the cluster, and what each event of it means for each
//! group of listeners: pure bookkeeping, without a clock, a socket or a task.
//!
//! It has none of the real controller's stale-state defects: each is a fault that must be asked
//! for ([`super::faults`]).

pub(crate) mod addresses;
pub(crate) mod profiles;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use dst_load_scenario::fault::FaultKind;

use self::addresses::Addresses;
use super::{
    encode::Diff,
    endpoint::Pods,
    faults::Faults,
    objects::{Node, ObjectName, Service, Slice},
    pod::Pod,
    publisher::{Change, Group, GroupId, GroupKey, Publisher},
};

/// Services, slices, Pods and Nodes, with the publishers that listeners made necessary.
#[derive(Debug)]
pub(crate) struct Directory {
    services: BTreeMap<ObjectName, Service>,
    slices: BTreeMap<ObjectName, Slice>,
    /// Slices by Service.
    members: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
    pods: Pods,
    nodes: BTreeMap<String, String>,
    pub(crate) addresses: Addresses,
    publishers: BTreeMap<ObjectName, BTreeMap<u16, Publisher>>,
    groups: BTreeMap<GroupId, (ObjectName, u16, GroupKey)>,
    next: u64,
    /// Whether Pods are served by IPv6.
    ipv6: bool,
    pub(crate) faults: Faults,
}

/// How many objects of each kind are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) services: usize,
    pub(crate) slices: usize,
    pub(crate) pods: usize,
    pub(crate) nodes: usize,
}

// === impl Directory ===

impl Directory {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            members: BTreeMap::new(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            addresses: Addresses::default(),
            publishers: BTreeMap::new(),
            groups: BTreeMap::new(),
            next: 0,
            ipv6: true,
            faults,
        }
    }

    /// Numbers its groups from `first` on, so that those of several clusters differ.
    pub(crate) const fn numbered_from(mut self, first: u64) -> Self {
        self.next = first;
        self
    }

    /// Serves Pods by IPv6, or does not.
    pub(crate) const fn with_ipv6(mut self, ipv6: bool) -> Self {
        self.ipv6 = ipv6;
        self
    }

    /// A Service appeared or changed.
    pub(crate) fn apply_service(&mut self, service: Service) -> Vec<Change> {
        let name = service.name.clone();
        let after = service.cluster_ips.clone();
        let old = self.services.insert(name.clone(), service);
        let before = old.as_ref().map_or(&[][..], |old| &old.cluster_ips);
        self.addresses.move_service(&name, before, &after);
        let known = old.is_some();
        let Some(ports) = self.publishers.get(&name) else {
            return Vec::new();
        };
        let ports: Vec<u16> = ports.keys().copied().collect();
        // What is forgotten is what the slices that outlived the Service hold.
        let slices = self.members.get(&name).map_or(0, BTreeSet::len);
        let forget = !known && self.struck(FaultKind::ForgetRecreatedService, &name, slices);
        let mut changes = Vec::new();
        for port in ports {
            let service = &self.services[&name];
            let publisher = (self.publishers.get_mut(&name)).and_then(|it| it.get_mut(&port));
            let news = publisher.is_some_and(|publisher| publisher.adopt(service, port));
            if !forget && (news || !known) {
                self.refill(&name, port);
                changes.extend(self.publish(&name, port));
            }
        }
        changes
    }

    /// A Service went: its listeners lose everything and stay.
    pub(crate) fn delete_service(&mut self, name: &ObjectName) -> Vec<Change> {
        if let Some(old) = self.services.remove(name) {
            self.addresses.move_service(name, &old.cluster_ips, &[]);
        }
        let mut changes = Vec::new();
        for publisher in self.publishers.get_mut(name).into_iter().flatten() {
            publisher.1.clear();
            changes.extend(publisher.1.publish(false).0);
        }
        changes
    }

    /// A slice appeared or changed.
    pub(crate) fn apply_slice(&mut self, slice: Slice) -> Vec<Change> {
        let (name, service) = (slice.name.clone(), slice.service.clone());
        let before = self.slices.get(&name).and_then(|old| old.service.clone());
        let mut changes = Vec::new();
        if before.is_some() && before != service {
            changes.extend(self.delete_slice(&name));
        }
        self.slices.insert(name.clone(), slice);
        let Some(service) = service else {
            return changes;
        };
        (self.members.entry(service.clone()).or_default()).insert(name.clone());
        if !self.services.contains_key(&service) {
            return changes;
        }
        let forget = self
            .faults
            .strikes(FaultKind::RemoveSharedEndpoint, &service);
        for port in self.ports(&service) {
            let mut forgotten = 0;
            if let Some(publisher) =
                (self.publishers.get_mut(&service)).and_then(|it| it.get_mut(&port))
            {
                forgotten = publisher.load(&self.slices[&name], &self.pods, forget);
            }
            self.struck(FaultKind::RemoveSharedEndpoint, &service, forgotten);
            changes.extend(self.publish(&service, port));
        }
        changes
    }

    /// A slice went.
    pub(crate) fn delete_slice(&mut self, name: &ObjectName) -> Vec<Change> {
        let Some(service) = self.slices.remove(name).and_then(|slice| slice.service) else {
            return Vec::new();
        };
        if let Some(members) = self.members.get_mut(&service) {
            members.remove(name);
            if members.is_empty() {
                self.members.remove(&service);
            }
        }
        let keep = (self.faults).strikes(FaultKind::KeepAddressesOfDeletedSlice, &service);
        let forget = self
            .faults
            .strikes(FaultKind::RemoveSharedEndpoint, &service);
        let mut changes = Vec::new();
        for port in self.ports(&service) {
            let (mut kept, mut forgotten) = (0, 0);
            if let Some(publisher) =
                (self.publishers.get_mut(&service)).and_then(|it| it.get_mut(&port))
            {
                (kept, forgotten) = publisher.unload(name, &self.pods, keep, forget);
            }
            self.struck(FaultKind::KeepAddressesOfDeletedSlice, &service, kept);
            self.struck(FaultKind::RemoveSharedEndpoint, &service, forgotten);
            changes.extend(self.publish(&service, port));
        }
        changes
    }

    /// A Pod appeared or changed. Listeners hear of it with the next event of its slice.
    pub(crate) fn apply_pod(&mut self, pod: Pod) {
        let pod = Arc::new(pod);
        let old = self.pods.insert(pod.name.clone(), pod.clone());
        let before = old.as_ref().map_or(&[][..], |old| &old.ips);
        self.addresses.move_pod(&pod.name, before, &pod.ips);
    }

    /// A Pod went.
    pub(crate) fn delete_pod(&mut self, name: &ObjectName) {
        if let Some(old) = self.pods.remove(name) {
            self.addresses.move_pod(name, &old.ips, &[]);
        }
    }

    /// A Node appeared or changed. Groups that exist keep the zone they were made with.
    pub(crate) fn apply_node(&mut self, node: Node) {
        self.nodes.insert(node.name, node.zone);
    }

    /// A Node went.
    pub(crate) fn delete_node(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    /// The Service of that name.
    pub(crate) fn service(&self, name: &ObjectName) -> Option<&Service> {
        self.services.get(name)
    }

    /// Adds a listener for `port` of `service`, which must exist. Returns its group, and the
    /// snapshot unless there is nothing to say.
    pub(crate) fn subscribe(
        &mut self,
        service: &ObjectName,
        port: u16,
        key: GroupKey,
    ) -> Option<(GroupId, Option<Arc<Diff>>)> {
        let object = self.services.get(service)?;
        let ports = self.publishers.entry(service.clone()).or_default();
        if let Entry::Vacant(vacant) = ports.entry(port) {
            vacant.insert(Publisher::new(object, port, self.ipv6));
            self.refill(service, port);
        }
        let zone = self.nodes.get(&key.node).map_or("", String::as_str);
        let id = GroupId(self.next);
        let publisher = (self.publishers.get_mut(service)).and_then(|it| it.get_mut(&port))?;
        let (group, snapshot) = publisher.join(&key, zone, id);
        if group == id {
            self.next += 1;
            self.groups.insert(id, (service.clone(), port, key));
        }
        Some((group, snapshot))
    }

    /// Takes a listener from its group; what nobody listens to is forgotten.
    pub(crate) fn unsubscribe(&mut self, group: GroupId) {
        let Some((service, port, key)) = self.groups.get(&group).cloned() else {
            return;
        };
        let Some(ports) = self.publishers.get_mut(&service) else {
            return;
        };
        let Some(publisher) = ports.get_mut(&port) else {
            return;
        };
        let idle = publisher.leave(&key);
        if !publisher.groups.contains_key(&key) {
            self.groups.remove(&group);
        }
        if idle {
            ports.remove(&port);
            if ports.is_empty() {
                self.publishers.remove(&service);
            }
        }
    }

    /// Every group with the Service and port it belongs to.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&ObjectName, u16, &GroupKey, &Group)> {
        self.publishers.iter().flat_map(|(service, ports)| {
            ports.iter().flat_map(move |(port, publisher)| {
                (publisher.groups.iter()).map(move |(key, group)| (service, *port, key, group))
            })
        })
    }

    /// How much is known.
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            services: self.services.len(),
            slices: self.slices.len(),
            pods: self.pods.len(),
            nodes: self.nodes.len(),
        }
    }

    /// The names of what is known, for a list that replaces it.
    pub(crate) fn service_names(&self) -> Vec<ObjectName> {
        self.services.keys().cloned().collect()
    }

    /// See [`Self::service_names`].
    pub(crate) fn slice_names(&self) -> Vec<ObjectName> {
        self.slices.keys().cloned().collect()
    }

    /// See [`Self::service_names`].
    pub(crate) fn pod_names(&self) -> Vec<ObjectName> {
        self.pods.keys().cloned().collect()
    }

    /// See [`Self::service_names`]. Nodes have no namespace.
    pub(crate) fn node_names(&self) -> Vec<ObjectName> {
        (self.nodes.keys())
            .map(|name| ObjectName::new("", name))
            .collect()
    }

    fn ports(&self, service: &ObjectName) -> Vec<u16> {
        (self.publishers.get(service).into_iter())
            .flat_map(BTreeMap::keys)
            .copied()
            .collect()
    }

    /// Loads all slices of a Service into one publisher, which forgets what it had.
    fn refill(&mut self, service: &ObjectName, port: u16) {
        let publisher = (self.publishers.get_mut(service)).and_then(|it| it.get_mut(&port));
        let Some(publisher) = publisher else {
            return;
        };
        publisher.clear();
        for slice in self.members.get(service).into_iter().flatten() {
            publisher.load(&self.slices[slice], &self.pods, false);
        }
    }

    fn publish(&mut self, service: &ObjectName, port: u16) -> Vec<Change> {
        let ignore = self.faults.strikes(FaultKind::IgnorePortChange, service);
        let publisher = (self.publishers.get_mut(service)).and_then(|it| it.get_mut(&port));
        let Some((changes, ignored)) = publisher.map(|publisher| publisher.publish(ignore)) else {
            return Vec::new();
        };
        self.struck(FaultKind::IgnorePortChange, service, ignored);
        changes
    }

    /// Counts `times` strikes of `kind` if it is active for `service`; true if it is.
    fn struck(&mut self, kind: FaultKind, service: &ObjectName, times: usize) -> bool {
        let active = times > 0 && self.faults.strikes(kind, service);
        if active {
            self.faults.count(kind, times);
        }
        active
    }
}
