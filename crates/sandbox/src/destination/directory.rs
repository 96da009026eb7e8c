//! What the reference destination knows of the cluster, and what each event of it means for each
//! group of listeners: pure bookkeeping, without a clock, a socket or a task.
//!
//! It has none of the real controller's stale-state defects: each is a fault that must be asked
//! for ([`super::faults`]).

pub(crate) mod addresses;
pub(crate) mod profiles;

use std::{
    collections::{BTreeMap, btree_map::Entry},
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
use crate::index::Index;

/// Services, slices, Pods and Nodes, with the publishers that listeners made necessary.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) services: BTreeMap<ObjectName, Service>,
    pub(crate) slices: BTreeMap<ObjectName, Slice>,
    /// Slices by Service.
    members: Index<ObjectName, ObjectName>,
    pub(crate) pods: Pods,
    /// Zones by Node.
    pub(crate) nodes: BTreeMap<ObjectName, String>,
    pub(crate) addresses: Addresses,
    publishers: Publishers,
    groups: BTreeMap<GroupId, (ObjectName, u16, GroupKey)>,
    /// The number of the next group. Those of several clusters differ.
    pub(crate) next: u64,
    /// Whether Pods are served by IPv6.
    pub(crate) ipv6: bool,
    pub(crate) faults: Faults,
}

/// By Service and port.
type Publishers = BTreeMap<ObjectName, BTreeMap<u16, Publisher>>;

// === impl Directory ===

impl Directory {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            members: Index::default(),
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

    /// A Service appeared or changed.
    pub(crate) fn apply_service(&mut self, service: Service) -> Vec<Change> {
        let name = service.name.clone();
        let after = service.cluster_ips.clone();
        let old = self.services.insert(name.clone(), service);
        let before = old.as_ref().map_or(&[][..], |old| &old.cluster_ips);
        self.addresses.move_service(&name, before, &after);
        let known = old.is_some();
        let ports = self.ports(&name);
        if ports.is_empty() {
            return Vec::new();
        }
        // What is forgotten is what the slices that outlived the Service hold.
        let slices = self.members.of(&name).count();
        let forget = !known && self.struck(FaultKind::ForgetRecreatedService, &name, slices);
        let mut changes = Vec::new();
        for port in ports {
            let service = &self.services[&name];
            let publisher = publisher(&mut self.publishers, &name, port);
            let news = publisher.is_some_and(|it| it.adopt(service, port));
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
        self.members.insert(service.clone(), name.clone());
        if !self.services.contains_key(&service) {
            return changes;
        }
        let forget = (self.faults).strikes(FaultKind::RemoveSharedEndpoint, &service);
        for port in self.ports(&service) {
            let publisher = publisher(&mut self.publishers, &service, port);
            let load = |it: &mut Publisher| it.load(&self.slices[&name], &self.pods, forget);
            let forgotten = publisher.map_or(0, load);
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
        self.members.remove(&service, name);
        let keep = (self.faults).strikes(FaultKind::KeepAddressesOfDeletedSlice, &service);
        let forget = (self.faults).strikes(FaultKind::RemoveSharedEndpoint, &service);
        let mut changes = Vec::new();
        for port in self.ports(&service) {
            let publisher = publisher(&mut self.publishers, &service, port);
            let unload = |it: &mut Publisher| it.unload(name, &self.pods, keep, forget);
            let (kept, forgotten) = publisher.map_or((0, 0), unload);
            self.struck(FaultKind::KeepAddressesOfDeletedSlice, &service, kept);
            self.struck(FaultKind::RemoveSharedEndpoint, &service, forgotten);
            changes.extend(self.publish(&service, port));
        }
        changes
    }

    /// A Pod appeared or changed. Listeners hear of it with the next event of its slice.
    pub(crate) fn apply_pod(&mut self, pod: Pod) -> Vec<Change> {
        let pod = Arc::new(pod);
        let old = self.pods.insert(pod.name.clone(), pod.clone());
        let before = old.as_ref().map_or(&[][..], |old| &old.ips);
        self.addresses.move_pod(&pod.name, before, &pod.ips);
        Vec::new()
    }

    /// A Pod went.
    pub(crate) fn delete_pod(&mut self, name: &ObjectName) -> Vec<Change> {
        if let Some(old) = self.pods.remove(name) {
            self.addresses.move_pod(name, &old.ips, &[]);
        }
        Vec::new()
    }

    /// A Node appeared or changed. Groups that exist keep the zone they were made with.
    pub(crate) fn apply_node(&mut self, node: Node) -> Vec<Change> {
        self.nodes.insert(node.name, node.zone);
        Vec::new()
    }

    /// A Node went.
    pub(crate) fn delete_node(&mut self, name: &ObjectName) -> Vec<Change> {
        self.nodes.remove(name);
        Vec::new()
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
        let node = ObjectName::new("", &key.node);
        let zone = self.nodes.get(&node).map_or("", String::as_str);
        let id = GroupId(self.next);
        let publisher = publisher(&mut self.publishers, service, port)?;
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

    fn ports(&self, service: &ObjectName) -> Vec<u16> {
        (self.publishers.get(service).into_iter())
            .flat_map(BTreeMap::keys)
            .copied()
            .collect()
    }

    /// Loads all slices of a Service into one publisher, which forgets what it had.
    fn refill(&mut self, service: &ObjectName, port: u16) {
        if let Some(publisher) = publisher(&mut self.publishers, service, port) {
            publisher.clear();
            for slice in self.members.of(service) {
                publisher.load(&self.slices[slice], &self.pods, false);
            }
        }
    }

    fn publish(&mut self, service: &ObjectName, port: u16) -> Vec<Change> {
        let ignore = self.faults.strikes(FaultKind::IgnorePortChange, service);
        let publisher = publisher(&mut self.publishers, service, port);
        let (changes, ignored) = publisher.map_or_else(Default::default, |it| it.publish(ignore));
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

fn publisher<'a>(
    all: &'a mut Publishers,
    service: &ObjectName,
    port: u16,
) -> Option<&'a mut Publisher> {
    all.get_mut(service)?.get_mut(&port)
}
