//! What the observer knows, and how an event turns into a observation.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use dst_load_oracle::{
    kubernetes::{Service, Slice},
    ledger::{Ledgers, Observation},
};
use dst_load_scenario::{fault::WatchedResource, federation::Site, time::At};
use tokio::sync::Notify;

use super::{
    objects::{Metadata, Object},
    seen::{Difference, Seen},
};

/// Namespace and name.
pub(super) type Key = (String, String);

/// An event of one of the three watches.
#[derive(Debug)]
pub(super) enum Event {
    /// The object is there, in this shape.
    Applied(Object),
    /// The object is gone.
    Deleted(Object),
    /// These are all the objects there are: a first list, or one after a lost watch.
    Listed {
        /// All of them.
        objects: Vec<Object>,
        /// The version of the list.
        version: String,
    },
}

/// Everything that decides what clients are promised.
#[derive(Debug)]
pub(super) struct State {
    ledgers: Arc<Ledgers>,
    site: Site,
    /// Notified of each event that a ledger was told of.
    activity: Arc<Notify>,
    services: HashMap<Key, Service>,
    /// By Service, then by name.
    slices: HashMap<Key, BTreeMap<String, Slice>>,
    /// The Service that each slice belongs to.
    owners: BTreeMap<Key, Key>,
    nodes: BTreeMap<String, String>,
    pub(super) seen: Seen,
}

// === impl State ===

impl State {
    pub(super) fn new(ledgers: Arc<Ledgers>, site: Site, activity: Arc<Notify>) -> Self {
        Self {
            ledgers,
            site,
            activity,
            services: HashMap::new(),
            slices: HashMap::new(),
            owners: BTreeMap::new(),
            nodes: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    /// Takes in an event of the watch of `resource`.
    pub(super) fn enter(&mut self, resource: WatchedResource, visible: At, event: Event) {
        let deliveries = self.ledgers.deliveries();
        let Some(timed) = self.seen.admit(resource, visible, &event, deliveries) else {
            return;
        };
        match event {
            Event::Applied(object) => self.apply(resource, visible, object, timed),
            Event::Deleted(object) => {
                let metadata = &object.metadata;
                self.delete(resource, &key(metadata), visible, metadata, timed);
            }
            Event::Listed { objects, .. } => {
                let listed: BTreeSet<_> = objects.iter().map(|it| key(&it.metadata)).collect();
                for gone in self.known(resource).difference(&listed) {
                    self.delete(resource, gone, visible, &Metadata::default(), false);
                }
                for object in objects {
                    self.apply(resource, visible, object, false);
                }
            }
        }
    }

    /// Takes from a LIST at `version` the objects that differ from it, untimed.
    pub(super) fn correct(
        &mut self,
        resource: WatchedResource,
        visible: At,
        differences: &[Difference],
        listed: Vec<Object>,
        version: &str,
    ) {
        let deliveries = self.ledgers.deliveries();
        let mut listed: BTreeMap<_, _> = listed
            .into_iter()
            .map(|object| (key(&object.metadata), object))
            .collect();
        for difference in differences {
            let key = &difference.key;
            if let Some(object) = listed.remove(key) {
                (self.seen).note(resource, visible, &object.metadata, false, deliveries);
                self.apply(resource, visible, object, false);
            } else {
                let metadata = Metadata {
                    namespace: key.0.clone(),
                    name: key.1.clone(),
                    uid: self.seen.uid(resource, key).unwrap_or_default(),
                    ..Metadata::default()
                };
                (self.seen).note(resource, visible, &metadata, true, deliveries);
                self.delete(resource, key, visible, &metadata, false);
            }
        }
        self.seen.knows_until(resource, version);
    }

    pub(super) fn nodes(&self) -> Vec<(String, String)> {
        let pairs = self.nodes.iter();
        pairs
            .map(|(node, zone)| (node.clone(), zone.clone()))
            .collect()
    }

    /// The Service called `key`, and its slices.
    pub(super) fn of_service(&self, key: &Key) -> (Option<&Service>, impl Iterator<Item = &Slice>) {
        let slices = self.slices.get(key).into_iter();
        (self.services.get(key), slices.flat_map(BTreeMap::values))
    }

    /// The names of what is there.
    fn known(&self, resource: WatchedResource) -> BTreeSet<Key> {
        match resource {
            // Nodes have no namespace.
            WatchedResource::Nodes => {
                let names = self.nodes.keys().cloned();
                names.map(|name| (String::new(), name)).collect()
            }
            WatchedResource::Services => self.services.keys().cloned().collect(),
            WatchedResource::EndpointSlices => self.owners.keys().cloned().collect(),
        }
    }

    /// An object is there, in this shape.
    fn apply(&mut self, resource: WatchedResource, visible: At, object: Object, timed: bool) {
        match resource {
            WatchedResource::Nodes => self.apply_node(visible, object),
            WatchedResource::Services => self.apply_service(visible, object, timed),
            WatchedResource::EndpointSlices => self.apply_slice(visible, object, timed),
        }
    }

    /// The object called `key` is gone; `object` is what is known of it.
    fn delete(
        &mut self,
        resource: WatchedResource,
        key: &Key,
        visible: At,
        object: &Metadata,
        timed: bool,
    ) {
        let observation = self.observation(object, visible, true, timed);
        match resource {
            WatchedResource::Nodes => drop(self.nodes.remove(&key.1)),
            WatchedResource::Services => {
                self.services.remove(key);
                self.observe(key, &observation);
            }
            WatchedResource::EndpointSlices => self.forget_slice(key, &observation),
        }
    }

    /// A Node's zone. It is read when streams are opened, as the controller does when a client
    /// first asks.
    fn apply_node(&mut self, visible: At, object: Object) {
        let (zone, node) = (object.zone(), object.metadata.name);
        let before = self.nodes.insert(node.clone(), zone.clone());
        if before.is_some_and(|before| before != zone) {
            for locked in self.ledgers.all() {
                locked.with(|ledger| ledger.rezone(&node, visible));
            }
        }
    }

    fn apply_service(&mut self, visible: At, mut object: Object, timed: bool) {
        let metadata = std::mem::take(&mut object.metadata);
        let key = key(&metadata);
        // A Service of another cluster has an address over there, which nobody here asks for.
        if self.site == Site::Source {
            for locked in self.ledgers.of_service(self.site, &key.0, &key.1) {
                locked.set_cluster_ip(object.cluster_ip());
            }
        }
        let mut service = object.into_service();
        // The controller filters nothing of another cluster, where the client has no place.
        service.local_traffic_only &= self.site == Site::Source;
        self.services.insert(key.clone(), service);
        self.observe(&key, &self.observation(&metadata, visible, false, timed));
    }

    fn apply_slice(&mut self, visible: At, mut object: Object, timed: bool) {
        let service = object.service_name().map(str::to_owned);
        let metadata = std::mem::take(&mut object.metadata);
        let slice_key = key(&metadata);
        let observation = self.observation(&metadata, visible, false, timed);
        let Some(service) = service else {
            self.forget_slice(&slice_key, &observation);
            return;
        };
        let owner = (metadata.namespace.clone(), service);
        if self.owners.get(&slice_key).is_some_and(|old| *old != owner) {
            self.forget_slice(&slice_key, &observation);
        }
        self.owners.insert(slice_key.clone(), owner.clone());
        let mut slice = object.into_slice(&metadata.namespace);
        if self.site == Site::Target {
            for entry in &mut slice.endpoints {
                entry.zones.clear();
            }
        }
        self.name(&owner, &slice, visible);
        self.slices
            .entry(owner.clone())
            .or_default()
            .insert(slice_key.1, slice);
        self.observe(&owner, &observation);
    }

    /// Tells the ledgers of a Service which addresses an event of one of its slices lists.
    fn name(&self, service: &Key, slice: &Slice, visible: At) {
        let entries = slice.endpoints.iter();
        let addresses = entries
            .flat_map(|entry| &entry.addresses)
            .copied()
            .collect();
        for locked in self.ledgers.of_service(self.site, &service.0, &service.1) {
            locked.with(|ledger| ledger.name(visible, &addresses));
        }
    }

    fn forget_slice(&mut self, slice: &Key, observation: &Observation) {
        let Some(owner) = self.owners.remove(slice) else {
            return;
        };
        if let Some(slices) = self.slices.get_mut(&owner) {
            slices.remove(&slice.1);
        }
        self.observe(&owner, observation);
    }

    /// What an event says beside the object's contents.
    fn observation(&self, object: &Metadata, visible: At, gone: bool, timed: bool) -> Observation {
        Observation {
            visible,
            cycle: self.ledgers.cycle(),
            object: object.uid.as_str().into(),
            resource_version: object.resource_version.as_str().into(),
            gone,
            timed,
        }
    }

    /// Tells the ledgers of a Service what it promises after an event.
    fn observe(&self, service: &Key, observation: &Observation) {
        let visible = observation.visible;
        let mut all = self
            .ledgers
            .of_service(self.site, &service.0, &service.1)
            .peekable();
        if self.site == Site::Target && all.peek().is_some() {
            self.ledgers.target_seen(visible);
        }
        // Asked before any ledger is locked.
        let disturbed =
            self.site == Site::Source && all.peek().is_some() && self.ledgers.is_disturbed(visible);
        for locked in all {
            locked.deliver(|ledger| {
                ledger.set_disturbed(disturbed);
                let (object, slices) = self.of_service(service);
                ledger.observe(observation, object, slices, locked.service.port);
            });
            self.activity.notify_one();
        }
    }
}

pub(super) fn key(metadata: &Metadata) -> Key {
    (metadata.namespace.clone(), metadata.name.clone())
}
