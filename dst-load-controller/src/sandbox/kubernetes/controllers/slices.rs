//! Services get EndpointSlices: which pods a Service has is kept as pods change, and what has
//! gathered is written after a while.
//!
//! An endpoint is serialised once, when its pod changes; a slice is written by joining them, so
//! that a large Service costs little more to write than a small one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Context,
    packing::{Endpoints, pack},
    timers::Timer,
};
use crate::{
    model::seed,
    sandbox::kubernetes::{
        facts::{Facts, PodFacts, ServiceFacts, Target},
        object::{Key, Meta, Object, Owner, timestamp},
        resources::Resource,
        selector::Selectable,
        store::Change,
    },
};

/// As kube-controller-manager's `--max-endpoints-per-slice`.
const MOST: usize = 100;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// A namespace, a label and its value.
type Labelled = (Arc<str>, String, String);

/// The Services and the pods that they may select.
#[derive(Debug)]
pub(crate) struct Slices {
    seed: u64,
    sync: Duration,
    zones: BTreeMap<String, String>,
    services: BTreeMap<Key, Service>,
    /// Services by one label of their selector.
    selecting: BTreeMap<Labelled, BTreeSet<Key>>,
    /// Pods by each of their labels.
    labelled: BTreeMap<Labelled, BTreeSet<Key>>,
}

#[derive(Debug)]
struct Service {
    object: Arc<Object>,
    facts: Arc<ServiceFacts>,
    /// By pod, the ports that it serves on and its endpoint, both as JSON.
    members: BTreeMap<Arc<str>, Member>,
    slices: BTreeMap<Arc<str>, Slice>,
    made: u64,
    /// Whether a sync is timed.
    due: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    ports: Arc<str>,
    endpoint: Arc<str>,
}

/// A slice, as it was last written here.
#[derive(Debug)]
struct Slice {
    version: u64,
    ports: Arc<str>,
    endpoints: Endpoints<Arc<str>, Arc<str>>,
    /// Someone else has changed it, or its Service's labels have changed.
    stale: bool,
}

/// The ports of a slice without endpoints.
const NO_PORTS: &str = "null";

// === impl Slices ===

impl Slices {
    /// A controller that writes what has gathered for `sync`.
    pub(crate) fn new(seed: u64, sync: Duration) -> Self {
        Self {
            seed,
            sync,
            zones: BTreeMap::new(),
            services: BTreeMap::new(),
            selecting: BTreeMap::new(),
            labelled: BTreeMap::new(),
        }
    }

    /// Notes a write.
    pub(crate) fn observe(&mut self, context: &mut Context<'_>, change: &Change) {
        match change.resource {
            Resource::Nodes => self.observe_node(change),
            Resource::Services => self.observe_service(context, change),
            Resource::Pods => self.observe_pod(context, change),
            Resource::EndpointSlices => self.observe_slice(context, change),
            _ => {}
        }
    }

    fn observe_node(&mut self, change: &Change) {
        let Some(node) = change.either() else { return };
        let labels = &node.meta.selectable.labels;
        let name = node.meta.key.name.to_string();
        match labels.get("topology.kubernetes.io/zone") {
            Some(zone) if change.new.is_some() => self.zones.insert(name, zone.clone()),
            _ => self.zones.remove(&name),
        };
    }

    fn observe_service(&mut self, context: &mut Context<'_>, change: &Change) {
        if let Some(old) = &change.old {
            if let Some(label) = self.services.get(&old.meta.key).and_then(Service::index)
                && let Some(services) = self.selecting.get_mut(&label)
            {
                services.remove(&old.meta.key);
            }
            if change.new.is_none() {
                self.services.remove(&old.meta.key);
            }
        }
        let Some(new) = &change.new else { return };
        let Facts::Service(facts) = &new.meta.facts else {
            return;
        };
        let key = new.meta.key.clone();
        let known = self.services.remove(&key);
        let mut service = Service {
            object: new.clone(),
            facts: facts.clone(),
            members: BTreeMap::new(),
            due: known.as_ref().is_some_and(|it| it.due),
            made: known.as_ref().map_or(0, |it| it.made),
            slices: BTreeMap::new(),
        };
        if let Some(known) = known {
            service.slices = known.slices;
            let relabelled = known.object.meta.selectable.labels != new.meta.selectable.labels
                || known.facts.headless != facts.headless;
            for slice in service.slices.values_mut() {
                slice.stale |= relabelled;
            }
        }
        let Some(label) = service.index() else {
            // Whoever has no selector writes the slices himself.
            return;
        };
        for pod in self.labelled.get(&label).into_iter().flatten() {
            if let Some(pod) = context.store.get(Resource::Pods, pod) {
                service.take(pod, &self.zones);
            }
        }
        self.selecting.entry(label).or_default().insert(key.clone());
        service.schedule(context, &key, Duration::ZERO);
        self.services.insert(key, service);
    }

    fn observe_pod(&mut self, context: &mut Context<'_>, change: &Change) {
        let (old, new) = (change.old.as_deref(), change.new.as_deref());
        let mut affected = BTreeSet::new();
        for (pod, present) in [(old, false), (new, true)] {
            let Some(pod) = pod else { continue };
            let key = &pod.meta.key;
            for (label, value) in &pod.meta.selectable.labels {
                let label = (key.namespace.clone(), label.clone(), value.clone());
                affected.extend(self.selecting.get(&label).into_iter().flatten().cloned());
                let labelled = self.labelled.entry(label).or_default();
                if present {
                    labelled.insert(key.clone());
                } else if new.is_none_or(|it| it.meta.selectable != pod.meta.selectable) {
                    labelled.remove(key);
                }
            }
        }
        for key in affected {
            let Some(service) = self.services.get_mut(&key) else {
                continue;
            };
            let changed = match (old, new) {
                (_, Some(pod)) => service.take(pod, &self.zones),
                (Some(pod), None) => service.members.remove(&pod.meta.key.name).is_some(),
                (None, None) => false,
            };
            if changed {
                service.schedule(context, &key, self.sync);
            }
        }
    }

    /// A slice that someone else has written or deleted is put right.
    fn observe_slice(&mut self, context: &mut Context<'_>, change: &Change) {
        let Some(object) = change.either() else {
            return;
        };
        let Some(service) = object.meta.selectable.labels.get(SERVICE_NAME) else {
            return;
        };
        let key = Key::new(&object.meta.key.namespace, service);
        let Some(service) = self.services.get_mut(&key) else {
            return;
        };
        let Some(slice) = service.slices.get_mut(&object.meta.key.name) else {
            return;
        };
        match &change.new {
            Some(new) if new.version <= slice.version => return,
            Some(_) => slice.stale = true,
            None => {
                service.slices.remove(&object.meta.key.name);
            }
        }
        service.schedule(context, &key, self.sync);
    }

    /// Writes what has gathered for a Service.
    pub(crate) fn sync(&mut self, context: &mut Context<'_>, key: &Key) {
        if let Some(service) = self.services.get_mut(key) {
            service.due = false;
            service.write(self.seed, context);
        }
    }
}

// === impl Service ===

impl Service {
    /// The label by which its pods are found; none if it selects nothing.
    fn index(&self) -> Option<Labelled> {
        let (label, value) = self.facts.selector.iter().next()?;
        let namespace = self.object.meta.key.namespace.clone();
        (!self.facts.external).then(|| (namespace, label.clone(), value.clone()))
    }

    fn schedule(&mut self, context: &mut Context<'_>, key: &Key, delay: Duration) {
        if !self.due {
            self.due = true;
            let timer = Timer::SyncSlices(key.clone());
            context.timers.set(context.now + delay, timer);
        }
    }

    /// Takes a pod in, or out if it is none of its; says whether that changed anything.
    fn take(&mut self, pod: &Object, zones: &BTreeMap<String, String>) -> bool {
        let name = &pod.meta.key.name;
        let labels = &pod.meta.selectable.labels;
        let selected = self
            .facts
            .selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value));
        let member = match &pod.meta.facts {
            Facts::Pod(facts) if selected => self.member(pod, facts, zones),
            _ => None,
        };
        match member {
            Some(member) if self.members.get(name) == Some(&member) => false,
            Some(member) => {
                self.members.insert(name.clone(), member);
                true
            }
            None => self.members.remove(name).is_some(),
        }
    }

    /// A pod's endpoint; none before it has an address or after it has ended.
    fn member(
        &self,
        pod: &Object,
        facts: &PodFacts,
        zones: &BTreeMap<String, String>,
    ) -> Option<Member> {
        let ip = facts.ip.as_ref().filter(|_| !facts.is_finished())?;
        let ready = facts.ready || self.facts.publish_not_ready;
        let mut endpoint = json!({
            "addresses": [ip],
            "conditions": { "ready": ready, "serving": facts.ready, "terminating": false },
            "targetRef": {
                "kind": "Pod",
                "namespace": &*pod.meta.key.namespace,
                "name": &*pod.meta.key.name,
                "uid": pod.meta.uid,
            },
        });
        if let Some(node) = &facts.node {
            endpoint["nodeName"] = json!(node);
            if let Some(zone) = zones.get(node) {
                endpoint["zone"] = json!(zone);
                if self.facts.prefers_close {
                    endpoint["hints"] = json!({ "forZones": [{ "name": zone }] });
                }
            }
        }
        Some(Member {
            ports: Arc::from(self.ports(facts).to_string()),
            endpoint: Arc::from(endpoint.to_string()),
        })
    }

    /// The Service's ports on one pod. A name that the pod does not have is left out.
    fn ports(&self, pod: &PodFacts) -> Value {
        let ports = self.facts.ports.iter().filter_map(|port| {
            let number = match &port.target {
                Target::Number(number) => *number,
                Target::Name(name) => pod.ports.iter().find(|(it, _)| it == name)?.1,
            };
            let mut resolved =
                json!({ "name": port.name, "port": number, "protocol": port.protocol });
            if let Some(protocol) = &port.app_protocol {
                resolved["appProtocol"] = json!(protocol);
            }
            Some(resolved)
        });
        Value::Array(ports.collect())
    }

    fn write(&mut self, seed: u64, context: &mut Context<'_>) {
        let mut desired: BTreeMap<Arc<str>, Endpoints<_, _>> = BTreeMap::new();
        for (pod, member) in &self.members {
            let endpoints = desired.entry(member.ports.clone()).or_default();
            endpoints.insert(pod.clone(), member.endpoint.clone());
        }
        let mut existing: BTreeMap<Arc<str>, BTreeMap<_, _>> = BTreeMap::new();
        for (name, slice) in &self.slices {
            let group = existing.entry(slice.ports.clone()).or_default();
            group.insert(name.clone(), slice.endpoints.clone());
        }
        let groups: BTreeSet<_> = desired.keys().chain(existing.keys()).cloned().collect();
        let (mut create, mut update, mut delete) = (Vec::new(), Vec::new(), BTreeSet::new());
        for ports in groups {
            let desired = desired.remove(&ports).unwrap_or_default();
            let packing = pack(&existing.remove(&ports).unwrap_or_default(), desired, MOST);
            create.extend(packing.create.into_iter().map(|it| (ports.clone(), it)));
            let updates = packing.update.into_iter();
            update.extend(updates.map(|(name, it)| (name, ports.clone(), it)));
            delete.extend(packing.delete);
        }
        // A Service without endpoints keeps one empty slice.
        if create.is_empty() && delete.len() == self.slices.len() {
            let kept = delete
                .iter()
                .find(|name| self.slices[*name].endpoints.is_empty())
                .cloned();
            match kept {
                Some(name) => {
                    delete.remove(&name);
                }
                None => create.push((Arc::from(NO_PORTS), Endpoints::new())),
            }
        }
        // Rather than one slice deleted and another made, the first becomes the other.
        while let Some((ports, endpoints)) = create.pop() {
            let name = delete
                .pop_first()
                .unwrap_or_else(|| self.name(seed, context));
            update.push((name, ports, endpoints));
        }
        for (name, slice) in &self.slices {
            let listed = delete.contains(name) || update.iter().any(|(it, ..)| it == name);
            if slice.stale && !listed {
                update.push((name.clone(), slice.ports.clone(), slice.endpoints.clone()));
            }
        }
        for (name, ports, endpoints) in update {
            self.put(context, name, ports, endpoints);
        }
        for name in delete {
            self.slices.remove(&name);
            let key = Key {
                namespace: self.object.meta.key.namespace.clone(),
                name,
            };
            context.store.remove(Resource::EndpointSlices, &key);
        }
    }

    fn name(&mut self, seed: u64, context: &Context<'_>) -> Arc<str> {
        let service = &self.object.meta.key;
        loop {
            self.made += 1;
            let entity = format!("{}/{}/{}", service.namespace, service.name, self.made);
            let suffix = seed::hex(seed, "slice-name", &entity, 3);
            let key = Key::new(
                &service.namespace,
                &format!("{}-{}", service.name, &suffix[..5]),
            );
            if context.store.get(Resource::EndpointSlices, &key).is_none() {
                return key.name;
            }
        }
    }

    fn put(
        &mut self,
        context: &mut Context<'_>,
        name: Arc<str>,
        ports: Arc<str>,
        endpoints: Endpoints<Arc<str>, Arc<str>>,
    ) {
        let service = &self.object.meta;
        let key = Key {
            namespace: service.key.namespace.clone(),
            name: name.clone(),
        };
        let stored = context.store.get(Resource::EndpointSlices, &key).cloned();
        let mut labels = service.selectable.labels.clone();
        labels.insert(SERVICE_NAME.to_owned(), service.key.name.to_string());
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        if self.facts.headless {
            labels.insert(HEADLESS.to_owned(), String::new());
        }
        let (uid, generation, created) = match &stored {
            Some(it) => (it.meta.uid.clone(), it.meta.generation + 1, it.meta.created),
            None => {
                let version = context.store.version() + 1;
                let entity = format!("endpointslices/{}/{name}/{version}", key.namespace);
                (context.store.uid(&entity), 1, context.now)
            }
        };
        let mut metadata = json!({
            "name": &*name,
            "generateName": format!("{}-", service.key.name),
            "namespace": &*key.namespace,
            "uid": uid,
            "generation": generation,
            "creationTimestamp": timestamp(created),
            "labels": labels,
            "ownerReferences": [{
                "apiVersion": "v1",
                "kind": "Service",
                "name": &*service.key.name,
                "uid": service.uid,
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        });
        let selectable = Selectable {
            labels,
            fields: Vec::new(),
        };
        let meta = Meta {
            key,
            uid,
            generation,
            created,
            owners: vec![Owner {
                uid: service.uid.clone(),
                controller: true,
            }],
            selectable: match stored {
                Some(it) if *it.meta.selectable == selectable => it.meta.selectable.clone(),
                _ => Arc::new(selectable),
            },
            facts: Facts::Nothing,
            applied: BTreeMap::new(),
        };
        let written = context
            .store
            .put_rendered(Resource::EndpointSlices, meta, |version, line| {
                metadata["resourceVersion"] = json!(version.to_string());
                let head = format!(
                    "{{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\",\"metadata\":{metadata},\"addressType\":\"IPv4\",\"endpoints\":"
                );
                line.extend_from_slice(head.as_bytes());
                join(line, &endpoints);
                line.extend_from_slice(b",\"ports\":");
                line.extend_from_slice(ports.as_bytes());
                line.push(b'}');
            });
        let slice = Slice {
            version: written.version,
            ports,
            endpoints,
            stale: false,
        };
        self.slices.insert(name, slice);
    }
}

/// Endpoints as a JSON list; null, as Kubernetes has it, if there are none.
fn join(line: &mut Vec<u8>, endpoints: &Endpoints<Arc<str>, Arc<str>>) {
    if endpoints.is_empty() {
        line.extend_from_slice(b"null");
        return;
    }
    for (index, endpoint) in endpoints.values().enumerate() {
        line.push(if index == 0 { b'[' } else { b',' });
        line.extend_from_slice(endpoint.as_bytes());
    }
    line.push(b']');
}
