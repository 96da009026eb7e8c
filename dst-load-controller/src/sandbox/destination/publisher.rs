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
    hostname: Option<String>,
    node: Option<String>,
    for_zones: Vec<String>,
}

/// The Pod behind an address, as it was when the slice was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodTarget {
    pub(crate) name: ObjectName,
    /// Absent when the slice came before its Pod.
    pub(crate) pod: Option<Arc<Pod>>,
}

/// What a group's listeners were told, by address.
pub(crate) type Set = BTreeMap<SocketAddr, Arc<Endpoint>>;

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

/// How the port that was asked for becomes a port of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetPort {
    /// The slice's port of the same name as the Service's port.
    Named(String),
    /// The Service does not define it, so the number is taken as it is.
    Verbatim(u16),
}

/// All filter groups of one port of one Service.
#[derive(Debug)]
pub(crate) struct Publisher {
    service: ObjectName,
    target: TargetPort,
    local: bool,
    slices: BTreeMap<ObjectName, Vec<Arc<Endpoint>>>,
    /// Shared endpoints that the fault `RemoveSharedEndpoint` took away too early.
    forgotten: BTreeSet<SocketAddr>,
    pub(crate) groups: BTreeMap<GroupKey, Group>,
    /// Snapshots of the present sets, so that a crowd of new streams costs one encoding.
    snapshots: Vec<(Arc<Set>, String, Arc<Diff>)>,
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

    fn resolve(&self, slice: &Slice) -> Option<u16> {
        match self {
            Self::Verbatim(port) => Some(*port),
            Self::Named(name) => slice.ports.iter().find(|(it, _)| it == name)?.1,
        }
    }
}

// === impl Publisher ===

impl Publisher {
    pub(crate) fn new(service: &Service, port: u16) -> Self {
        Self {
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
            let view = View::new(key, zone, self.local);
            let (_, now, diff) = (seen.entry((view, Arc::as_ptr(set)))).or_insert_with(|| {
                let now = Arc::new(self.select(view));
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
            let view = View::new(key, zone, self.local);
            let twin = (self.groups.iter())
                .find(|(other, group)| View::new(other, &group.zone, self.local) == view);
            let set = twin.map_or_else(
                || Arc::new(self.select(view)),
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
        let mut endpoints = Vec::new();
        for entry in &slice.endpoints {
            for ip in &entry.ips {
                let addr = SocketAddr::new(*ip, port);
                let Some(endpoint) = Endpoint::new(entry, addr, pods) else {
                    continue;
                };
                // A Pod may leave its cache before it leaves its slice: what was known still holds.
                let podless = (endpoint.target.as_ref()).is_some_and(|target| target.pod.is_none());
                let known = (before.iter()).find(|it| podless && it.is_same_pod(&endpoint));
                endpoints.push(known.cloned().unwrap_or_else(|| Arc::new(endpoint)));
            }
        }
        endpoints
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

    /// The filters, in Linkerd's order: host name, node, zone hints, family.
    fn select(&self, view: View<'_>) -> Set {
        let mut chosen: Vec<&Arc<Endpoint>> = (self.slices.values().flatten())
            .filter(|it| !self.forgotten.contains(&it.addr))
            .filter(|it| view.hostname.is_none() || it.hostname.as_deref() == view.hostname)
            .filter(|it| match view.node {
                Some(node) => it.target.is_some() && it.node.as_deref() == Some(node),
                None => true,
            })
            .collect();
        // Hints count only when every candidate has them, and only when they leave something.
        if chosen.iter().all(|it| !it.for_zones.is_empty()) {
            let near = |it: &&Arc<Endpoint>| it.for_zones.iter().any(|zone| zone == view.zone);
            if chosen.iter().any(near) {
                chosen.retain(near);
            }
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

/// What a group's filters depend on: groups with equal views hold equal sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct View<'a> {
    hostname: Option<&'a str>,
    zone: &'a str,
    /// Only where the traffic policy is `Local`.
    node: Option<&'a str>,
}

// === impl View ===

impl<'a> View<'a> {
    fn new(key: &'a GroupKey, zone: &'a str, local: bool) -> Self {
        Self {
            hostname: key.hostname.as_deref(),
            zone,
            node: local.then_some(&key.node),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn new(entry: &SliceEndpoint, addr: SocketAddr, pods: &Pods) -> Option<Self> {
        let target = match &entry.target {
            Target::Bare => None,
            Target::Pod(name) => Some(PodTarget {
                name: name.clone(),
                pod: pods.get(name).cloned(),
            }),
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
        })
    }

    /// An address that stands for nothing, for the fault that invents one.
    pub(crate) fn bare(addr: SocketAddr) -> Self {
        Self {
            addr,
            zone: String::new(),
            target: None,
            hostname: None,
            node: None,
            for_zones: Vec::new(),
        }
    }

    fn is_same_pod(&self, other: &Self) -> bool {
        let name = |it: &Self| it.target.as_ref().map(|target| target.name.clone());
        self.addr == other.addr && name(self) == name(other)
    }

    fn is_same_pod_elsewhere(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (&self.target, &other.target) else {
            return false;
        };
        one.name == two.name
            && self.addr != other.addr
            && self.addr.is_ipv4() == other.addr.is_ipv4()
    }
}
