//! Services get EndpointSlices: which pods a Service has is kept as pods change, and what has
//! gathered is written after a while.
//!
//! An endpoint is serialised once, when its pod changes; a slice is written by joining them, so
//! that a large Service costs little more to write than a small one.

mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Context, Timer, packing::Endpoints};
use crate::index::Index;
use crate::kubernetes::{
    facts::{Facts, PodFacts, ServiceFacts, Target},
    object::{Key, Object},
    resources::Resource,
    store::Change,
};

const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A namespace, a label and its value.
type Labelled = (Arc<str>, String, String);

/// Zones by Node.
type Nodes = BTreeMap<String, Option<String>>;

/// The Services and the pods that they may select.
#[derive(Debug)]
pub(crate) struct Slices {
    sync: Duration,
    /// The Nodes, with their zones.
    nodes: Nodes,
    services: BTreeMap<Key, Service>,
    /// Services by one label of their selector.
    selecting: Index<Labelled, Key>,
    /// Pods by each of their labels.
    labelled: Index<Labelled, Key>,
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

// === impl Slices ===

impl Slices {
    /// A controller that writes what has gathered for `sync`.
    pub(crate) fn new(sync: Duration) -> Self {
        Self {
            sync,
            nodes: BTreeMap::new(),
            services: BTreeMap::new(),
            selecting: Index::default(),
            labelled: Index::default(),
        }
    }

    /// Notes a write.
    pub(crate) fn observe(&mut self, context: &mut Context<'_>, change: &Change) {
        match change.resource {
            Resource::Nodes => self.observe_node(context, change),
            Resource::Services => self.observe_service(context, change),
            Resource::Pods => self.observe_pod(context, change),
            Resource::EndpointSlices => self.observe_slice(context, change),
            _ => {}
        }
    }

    /// The endpoints of a Node's pods come and go with it, and have its zone.
    fn observe_node(&mut self, context: &mut Context<'_>, change: &Change) {
        let Some(node) = change.either() else { return };
        let name = &*node.meta.key.name;
        let before = self.nodes.get(name).cloned();
        let after = match (&change.new, &node.meta.facts) {
            (Some(_), Facts::Node(facts)) => Some(facts.zone.clone()),
            _ => None,
        };
        if before == after {
            return;
        }
        match after {
            Some(zone) => self.nodes.insert(name.to_owned(), zone),
            None => self.nodes.remove(name),
        };
        let on_it = |it: &&Arc<Object>| it.pod().is_some_and(|it| it.node.as_deref() == Some(name));
        let pods = context.store.list(Resource::Pods, None, None).filter(on_it);
        for pod in pods.cloned().collect::<Vec<_>>() {
            for key in self.selected_by(&pod) {
                self.retake(context, &key, Some(&pod), &pod);
            }
        }
    }

    /// The Services that may select a pod.
    fn selected_by(&self, pod: &Object) -> BTreeSet<Key> {
        let labels = pod.meta.selectable.labels.iter();
        labels
            .flat_map(|(label, value)| {
                let namespace = pod.meta.key.namespace.clone();
                self.selecting
                    .of(&(namespace, label.clone(), value.clone()))
            })
            .cloned()
            .collect()
    }

    /// Takes a pod's present state into a Service, or out of it when there is none.
    fn retake(
        &mut self,
        context: &mut Context<'_>,
        service: &Key,
        present: Option<&Object>,
        pod: &Object,
    ) {
        let Some(known) = self.services.get_mut(service) else {
            return;
        };
        let changed = match present {
            Some(pod) => known.take(pod, &self.nodes),
            None => known.members.remove(&pod.meta.key.name).is_some(),
        };
        if changed {
            known.schedule(context, service, self.sync);
        }
    }

    fn observe_service(&mut self, context: &mut Context<'_>, change: &Change) {
        if let Some(old) = &change.old {
            if let Some(label) = self.services.get(&old.meta.key).and_then(Service::index) {
                self.selecting.remove(&label, &old.meta.key);
            }
            // One that waits for its slices to be gone gets no more.
            if change.new.as_ref().is_none_or(|it| it.meta.ending) {
                self.services.remove(&old.meta.key);
                return;
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
        for pod in self.labelled.of(&label) {
            if let Some(pod) = context.store.get(Resource::Pods, pod) {
                service.take(pod, &self.nodes);
            }
        }
        self.selecting.insert(label, key.clone());
        service.schedule(context, &key, Duration::ZERO);
        self.services.insert(key, service);
    }

    fn observe_pod(&mut self, context: &mut Context<'_>, change: &Change) {
        let (old, new) = (change.old.as_deref(), change.new.as_deref());
        let mut affected = BTreeSet::new();
        for (pod, present) in [(old, false), (new, true)] {
            let Some(pod) = pod else { continue };
            let key = &pod.meta.key;
            affected.extend(self.selected_by(pod));
            for (label, value) in &pod.meta.selectable.labels {
                let label = (key.namespace.clone(), label.clone(), value.clone());
                if present {
                    self.labelled.insert(label, key.clone());
                } else if new.is_none_or(|it| it.meta.selectable != pod.meta.selectable) {
                    self.labelled.remove(&label, key);
                }
            }
        }
        let Some(pod) = change.either() else { return };
        for key in affected {
            self.retake(context, &key, new, pod);
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
            service.write(context);
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
    fn take(&mut self, pod: &Object, nodes: &Nodes) -> bool {
        let name = &pod.meta.key.name;
        let labels = &pod.meta.selectable.labels;
        let selected = self
            .facts
            .selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value));
        let facts = pod.pod().filter(|_| selected);
        let member = facts.and_then(|facts| self.member(pod, facts, nodes));
        match member {
            Some(member) if self.members.get(name) == Some(&member) => false,
            Some(member) => {
                self.members.insert(name.clone(), member);
                true
            }
            None => self.members.remove(name).is_some(),
        }
    }

    /// A pod's endpoint; none before it has an address, after it has ended, or if its Node is gone.
    fn member(&self, pod: &Object, facts: &PodFacts, nodes: &Nodes) -> Option<Member> {
        let ip = facts.ip.as_ref().filter(|_| !facts.is_finished())?;
        let zone = facts.node.as_ref().and_then(|node| nodes.get(node));
        if zone.is_none() && !self.facts.publish_not_ready {
            return None;
        }
        let ready = (facts.ready && !facts.terminating) || self.facts.publish_not_ready;
        let mut endpoint = json!({
            "addresses": [ip],
            "conditions": {
                "ready": ready,
                "serving": facts.ready,
                "terminating": facts.terminating,
            },
            "targetRef": {
                "kind": "Pod",
                "namespace": &*pod.meta.key.namespace,
                "name": &*pod.meta.key.name,
                "uid": pod.meta.uid,
            },
        });
        if let Some(node) = &facts.node {
            endpoint["nodeName"] = json!(node);
            if let Some(Some(zone)) = zone {
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
}
