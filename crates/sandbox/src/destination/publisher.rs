//! What one port of one Service serves, and to whom: the candidates that its slices hold, and one
//! set for each filter group (host name and client node) that has listeners.
//!
//! It says what changed for a group and forgets it; it neither encodes nor sends.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use super::{
    encode::Diff,
    endpoint::{Endpoint, Pods, TargetPort},
    objects::{ObjectName, Service, Slice},
    view::{Set, View},
};

/// Names one filter group for as long as it has listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupId(pub(crate) u64);

/// What sets one filter group apart from the others of its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupKey {
    /// From an instance name `<hostname>.<service>.<namespace>.svc.…`.
    pub(crate) hostname: Option<String>,
    /// The client's node, `""` when it named none.
    pub(crate) node: String,
}

/// Listeners that are told the same.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) listeners: usize,
    /// Events looked at, those that changed nothing included.
    pub(crate) updates: u64,
    /// Addresses after the last event; the snapshot does not set it.
    pub(crate) pods: usize,
    /// Whether there were slices at the last event.
    pub(crate) exists: bool,
    /// The node's zone when the group was made; later changes are not read.
    zone: String,
    set: Arc<Set>,
}

/// What one event means for one group. Groups that see the same share one [`Diff`].
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) group: GroupId,
    pub(crate) diff: Arc<Diff>,
}

/// All filter groups of one port of one Service.
#[derive(Debug)]
pub(crate) struct Publisher {
    service: ObjectName,
    target: TargetPort,
    local: bool,
    ipv6: bool,
    slices: BTreeMap<ObjectName, Vec<Arc<Endpoint>>>,
    /// Shared endpoints that the fault `RemoveSharedEndpoint` took away too early.
    forgotten: BTreeSet<SocketAddr>,
    pub(crate) groups: BTreeMap<GroupKey, Group>,
    /// Snapshots of the present sets, so that a crowd of new streams costs one encoding.
    snapshots: Vec<(Arc<Set>, String, Arc<Diff>)>,
}

// === impl Publisher ===

impl Publisher {
    pub(crate) fn new(service: &Service, port: u16, ipv6: bool) -> Self {
        Self {
            ipv6,
            service: service.name.clone(),
            target: TargetPort::of(service, port),
            local: service.local,
            slices: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            groups: BTreeMap::new(),
            snapshots: Vec::new(),
        }
    }

    /// Takes over what the Service says about `port`; true if that is news.
    pub(crate) fn adopt(&mut self, service: &Service, port: u16) -> bool {
        let target = TargetPort::of(service, port);
        let news = self.target != target || self.local != service.local;
        (self.target, self.local) = (target, service.local);
        news
    }

    /// Looks at `slice` anew. With `forget_shared` (a fault) an endpoint that leaves this slice is
    /// taken away although another slice lists it; returns how many were.
    pub(crate) fn load(&mut self, slice: &Slice, pods: &Pods, forget_shared: bool) -> usize {
        let before = self.slices.remove(&slice.name).unwrap_or_default();
        let now = self.evaluate(slice, pods, &before);
        for endpoint in &now {
            self.forgotten.remove(&endpoint.addr);
        }
        let kept: BTreeSet<_> = now.iter().map(|it| it.addr).collect();
        self.slices.insert(slice.name.clone(), now);
        if forget_shared {
            self.forget(before.iter().filter(|it| !kept.contains(&it.addr)))
        } else {
            0
        }
    }

    /// Drops a slice that was deleted. With `keep_podless` (a fault) the addresses whose Pods are
    /// gone stay; returns how many did, and how many went although another slice lists them.
    pub(crate) fn unload(
        &mut self,
        slice: &ObjectName,
        pods: &Pods,
        keep_podless: bool,
        forget_shared: bool,
    ) -> (usize, usize) {
        let before = self.slices.remove(slice).unwrap_or_default();
        let (stay, go): (Vec<_>, Vec<_>) = before.into_iter().partition(|endpoint| {
            let target = endpoint.target.as_ref();
            keep_podless && target.is_some_and(|target| !pods.contains_key(&target.name))
        });
        let kept = stay.len();
        if kept > 0 {
            self.slices.insert(slice.clone(), stay);
        }
        let forgotten = if forget_shared {
            self.forget(go.iter())
        } else {
            0
        };
        (kept, forgotten)
    }

    /// Forgets every slice, as when the Service goes.
    pub(crate) fn clear(&mut self) {
        self.slices.clear();
        self.forgotten.clear();
    }

    /// Works out every group's set again and says what that changes, in the groups' order. With
    /// `ignore_moves` (a fault) a Pod's new address is not told; returns also how often that was.
    pub(crate) fn publish(&mut self, ignore_moves: bool) -> (Vec<Change>, usize) {
        self.snapshots.clear();
        let (mut changes, mut ignored) = (Vec::new(), 0);
        let mut groups = std::mem::take(&mut self.groups);
        // Groups that were told the same and filter alike are told the same again. The old sets
        // are kept so that none of them is freed and its address taken by a new one.
        let mut seen = BTreeMap::new();
        for (key, group) in &mut groups {
            let Group { zone, set, .. } = group;
            let view = View::new(key, zone, self.local, self.ipv6);
            let (_, now, diff) = (seen.entry((view, Arc::as_ptr(set)))).or_insert_with(|| {
                let now = Arc::new(view.select(self.candidates()));
                let (diff, moves) = self.diff(set, &now, view, ignore_moves);
                ignored += moves;
                (set.clone(), now, diff)
            });
            group.updates += 1;
            group.pods = now.len();
            group.exists = !self.slices.is_empty();
            group.set = now.clone();
            changes.extend(diff.clone().map(|diff| Change {
                group: group.id,
                diff,
            }));
        }
        drop(seen);
        self.groups = groups;
        (changes, ignored)
    }

    /// Adds a listener to the group `key`, which is made with `id` and `zone` if it is not there.
    /// Returns the group and everything it holds; nothing when it holds nothing.
    pub(crate) fn join(
        &mut self,
        key: &GroupKey,
        zone: &str,
        id: GroupId,
    ) -> (GroupId, Option<Arc<Diff>>) {
        if !self.groups.contains_key(key) {
            let view = View::new(key, zone, self.local, self.ipv6);
            let twin = (self.groups.iter()).find(|(other, group)| {
                View::new(other, &group.zone, self.local, self.ipv6) == view
            });
            let set = twin.map_or_else(
                || Arc::new(view.select(self.candidates())),
                |(_, group)| group.set.clone(),
            );
            let group = Group {
                id,
                listeners: 0,
                updates: 0,
                pods: 0,
                exists: false,
                zone: zone.to_owned(),
                set,
            };
            self.groups.insert(key.clone(), group);
        }
        let group = (self.groups.get_mut(key)).expect("invariant: it was just inserted");
        group.listeners += 1;
        let (id, set, zone) = (group.id, group.set.clone(), group.zone.clone());
        (id, self.snapshot(&set, &zone))
    }

    /// Takes a listener from the group `key`; true if the publisher has none left.
    pub(crate) fn leave(&mut self, key: &GroupKey) -> bool {
        if let Some(group) = self.groups.get_mut(key) {
            group.listeners -= 1;
            if group.listeners == 0 {
                self.groups.remove(key);
            }
        }
        self.groups.is_empty()
    }

    fn snapshot(&mut self, set: &Arc<Set>, zone: &str) -> Option<Arc<Diff>> {
        if set.is_empty() {
            return None;
        }
        let known = (self.snapshots.iter())
            .find(|(it, it_zone, _)| Arc::ptr_eq(it, set) && it_zone == zone);
        if let Some((.., diff)) = known {
            return Some(diff.clone());
        }
        let all = set.values().cloned().collect();
        let diff = Arc::new(Diff::new(self.service.clone(), zone, all, Vec::new()));
        self.snapshots
            .push((set.clone(), zone.to_owned(), diff.clone()));
        Some(diff)
    }

    fn evaluate(&self, slice: &Slice, pods: &Pods, before: &[Arc<Endpoint>]) -> Vec<Arc<Endpoint>> {
        let Some(port) = self.target.resolve(slice) else {
            return Vec::new();
        };
        // A Pod may leave its cache before it leaves its slice: what was known of it still holds.
        let pod = |name: &ObjectName| {
            let known = || {
                (before.iter())
                    .filter_map(|endpoint| endpoint.target.as_ref())
                    .find(|target| target.name == *name)?
                    .pod
                    .clone()
            };
            pods.get(name).cloned().or_else(known)
        };
        let all: Vec<_> = (slice.endpoints.iter())
            .flat_map(|entry| entry.ips.iter().map(move |ip| (entry, *ip)))
            .filter_map(|(entry, ip)| Endpoint::new(entry, SocketAddr::new(ip, port), pod))
            .map(Arc::new)
            .collect();
        let last: BTreeMap<_, _> = (all.iter())
            .map(|endpoint| (endpoint.identity(), endpoint))
            .collect();
        let is_last = |it: &&Arc<Endpoint>| Arc::ptr_eq(last[&it.identity()], it);
        all.iter().filter(is_last).cloned().collect()
    }

    fn forget<'a>(&mut self, dropped: impl Iterator<Item = &'a Arc<Endpoint>>) -> usize {
        let before = self.forgotten.len();
        for endpoint in dropped {
            if (self.slices.values().flatten()).any(|it| it.addr == endpoint.addr) {
                self.forgotten.insert(endpoint.addr);
            }
        }
        self.forgotten.len() - before
    }

    fn candidates(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        (self.slices.values().flatten()).filter(|it| !self.forgotten.contains(&it.addr))
    }

    fn diff(
        &self,
        old: &Set,
        new: &Set,
        view: View<'_>,
        ignore_moves: bool,
    ) -> (Option<Arc<Diff>>, usize) {
        let mut add: Vec<Arc<Endpoint>> = (new.iter())
            .filter(|(addr, endpoint)| {
                !(old.get(addr)).is_some_and(|it| Arc::ptr_eq(it, endpoint) || it == *endpoint)
            })
            .map(|(_, endpoint)| endpoint.clone())
            .collect();
        let mut remove: Vec<SocketAddr> = (old.keys())
            .filter(|addr| !new.contains_key(addr))
            .copied()
            .collect();
        let mut ignored = 0;
        if ignore_moves {
            remove.retain(|addr| {
                let gone = &old[addr];
                let Some(moved) = new.values().find(|it| it.is_same_pod_elsewhere(gone)) else {
                    return true;
                };
                // The removal is always lost; the addition only if the Pod itself did not change.
                if moved.target == gone.target {
                    add.retain(|it| it.addr != moved.addr);
                }
                ignored += 1;
                false
            });
        }
        let diff = (!add.is_empty() || !remove.is_empty())
            .then(|| Arc::new(Diff::new(self.service.clone(), view.zone, add, remove)));
        (diff, ignored)
    }
}
