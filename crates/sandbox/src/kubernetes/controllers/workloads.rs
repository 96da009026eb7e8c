//! Deployments make ReplicaSets, and ReplicaSets make pods.

mod status;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use super::{
    BURST, Context, Timer,
    kubelet::Kubelet,
    rollout::{Rollout, Sizes},
};
use crate::kubernetes::{
    ending::{self, How},
    facts::{DeploymentFacts, Facts, SetFacts},
    object::{Key, owned_by},
    quota,
    resources::Resource,
    status::Refusal,
    store::Change,
    write::remove,
};

/// For how long changes gather before a status is written: without it, every pod that becomes
/// ready would cost two writes.
const STATUS_SYNC: Duration = Duration::from_millis(100);

/// After what time a pod that was refused is tried again. Kubernetes doubles its wait each time.
const RETRY: Duration = Duration::from_secs(1);

/// The Deployments and ReplicaSets, and which pods the latter have.
#[derive(Debug, Default)]
pub(crate) struct Workloads {
    deployments: BTreeMap<Key, Deployment>,
    sets: BTreeMap<Key, Set>,
    /// By uid, who owns the next one down.
    by_uid: BTreeMap<String, Key>,
    /// Whose wanted and actual sizes may differ.
    dirty: BTreeSet<Dirty>,
    seen: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dirty {
    Deployment(Key),
    Set(Key),
}

#[derive(Debug, Default)]
struct Deployment {
    facts: Arc<DeploymentFacts>,
    /// Oldest first.
    sets: Vec<Key>,
    status_due: bool,
}

#[derive(Debug, Default)]
struct Set {
    facts: Arc<SetFacts>,
    uid: String,
    deployment: Option<Key>,
    pods: BTreeMap<Arc<str>, SetPod>,
    ready: u32,
    /// How many pods it has ever made: their names are drawn by it.
    made: u64,
    /// Why the last pod was refused, if it was.
    refused: Option<String>,
    retry_due: bool,
    status_due: bool,
}

#[derive(Clone, Copy, Debug)]
struct SetPod {
    ready: bool,
    /// Pods that came later go earlier.
    seen: u64,
}

// === impl Workloads ===

impl Workloads {
    /// Notes a write.
    pub(crate) fn observe(&mut self, context: &mut Context<'_>, change: &Change) {
        match change.resource {
            Resource::Deployments => self.observe_deployment(context, change),
            Resource::ReplicaSets => self.observe_set(context, change),
            Resource::Pods => self.observe_pod(context, change),
            _ => {}
        }
    }

    /// Brings one Deployment or ReplicaSet nearer to what it wants; false if none differs.
    pub(crate) fn step(&mut self, context: &mut Context<'_>, kubelet: &mut Kubelet) -> bool {
        match self.dirty.pop_first() {
            Some(Dirty::Deployment(key)) => self.reconcile_deployment(context, &key),
            Some(Dirty::Set(key)) => self.reconcile_set(context, kubelet, &key),
            None => return false,
        }
        true
    }

    fn observe_deployment(&mut self, context: &mut Context<'_>, change: &Change) {
        let Some(object) = change.either() else {
            return;
        };
        let key = &object.meta.key;
        let (Some(_), false, Facts::Deployment(facts)) =
            (&change.new, object.meta.ending, &object.meta.facts)
        else {
            self.deployments.remove(key);
            self.by_uid.remove(&object.meta.uid);
            return;
        };
        let known = self.deployments.get(key);
        if known.is_some_and(|it| Arc::ptr_eq(&it.facts, facts)) {
            return;
        }
        self.by_uid.insert(object.meta.uid.clone(), key.clone());
        let deployment = self.deployments.entry(key.clone()).or_default();
        deployment.facts = facts.clone();
        self.dirty.insert(Dirty::Deployment(key.clone()));
        self.status_later(context, key);
    }

    fn observe_set(&mut self, context: &mut Context<'_>, change: &Change) {
        let Some(object) = change.either() else {
            return;
        };
        let key = &object.meta.key;
        let deployment = object
            .controller()
            .and_then(|uid| self.by_uid.get(uid))
            .cloned();
        if let Some(deployment) = &deployment {
            self.dirty.insert(Dirty::Deployment(deployment.clone()));
        }
        let (Some(_), false, Facts::ReplicaSet(facts)) =
            (&change.new, object.meta.ending, &object.meta.facts)
        else {
            self.sets.remove(key);
            self.by_uid.remove(&object.meta.uid);
            if let Some(deployment) = deployment.and_then(|it| self.deployments.get_mut(&it)) {
                deployment.sets.retain(|it| it != key);
            }
            return;
        };
        match self.sets.get_mut(key) {
            Some(set) if Arc::ptr_eq(&set.facts, facts) => return,
            Some(set) => set.facts = facts.clone(),
            None => {
                let set = Set {
                    facts: facts.clone(),
                    uid: object.meta.uid.clone(),
                    deployment: deployment.clone(),
                    ..Set::default()
                };
                self.sets.insert(key.clone(), set);
                self.by_uid.insert(object.meta.uid.clone(), key.clone());
                if let Some(deployment) = deployment.and_then(|it| self.deployments.get_mut(&it)) {
                    deployment.sets.push(key.clone());
                }
            }
        }
        self.dirty.insert(Dirty::Set(key.clone()));
        self.set_status_later(context, key);
    }

    fn observe_pod(&mut self, context: &mut Context<'_>, change: &Change) {
        let Some(object) = change.either() else {
            return;
        };
        let Some(key) = object.controller().and_then(|uid| self.by_uid.get(uid)) else {
            return;
        };
        let key = key.clone();
        let Some(set) = self.sets.get_mut(&key) else {
            return;
        };
        let name = object.meta.key.name.clone();
        let was = set.pods.get(&name).copied();
        let is = match (&change.new, &object.meta.facts) {
            // A pod that is told to stop no longer counts, however long that takes.
            (Some(_), Facts::Pod(facts)) if !facts.is_finished() && !facts.terminating => {
                Some(facts.ready)
            }
            _ => None,
        };
        if was.map(|it| it.ready) == is {
            return;
        }
        set.ready -= u32::from(was.is_some_and(|it| it.ready));
        set.ready += u32::from(is == Some(true));
        match is {
            Some(ready) => {
                self.seen += 1;
                let seen = was.map_or(self.seen, |it| it.seen);
                set.pods.insert(name, SetPod { ready, seen });
            }
            None => {
                set.pods.remove(&name);
            }
        }
        if let Some(deployment) = set.deployment.clone() {
            self.dirty.insert(Dirty::Deployment(deployment));
        }
        if was.is_some() != is.is_some() {
            self.dirty.insert(Dirty::Set(key.clone()));
        }
        self.set_status_later(context, &key);
    }

    fn reconcile_deployment(&mut self, context: &mut Context<'_>, key: &Key) {
        let Some(deployment) = self.deployments.get(key) else {
            return;
        };
        let facts = deployment.facts.clone();
        let current = Key::new(&key.namespace, &format!("{}-{}", key.name, facts.hash));
        let sizes = |key: &Key| self.sets.get(key).map_or_else(Sizes::default, Set::sizes);
        let old: Vec<Key> = deployment
            .sets
            .iter()
            .filter(|it| **it != current)
            .cloned()
            .collect();
        let rollout = Rollout {
            desired: facts.replicas,
            surge: facts.surge.rounded_up(facts.replicas),
            unavailable: facts.unavailable.rounded_down(facts.replicas),
            recreate: facts.recreate,
        };
        let old_sizes: Vec<Sizes> = old.iter().map(sizes).collect();
        let (grown, shrunk) = rollout.plan(sizes(&current), &old_sizes);
        if self.sets.contains_key(&current) {
            scale(context, &current, grown);
        } else if !facts.paused {
            make_set(context, key, &current, &facts.hash, grown, old.len());
        }
        if !facts.paused {
            for (key, size) in old.iter().zip(shrunk) {
                scale(context, key, size);
            }
            let history = usize::try_from(facts.history).unwrap_or(usize::MAX);
            let ended = old.iter().zip(&old_sizes).filter(|(_, it)| it.is_ended());
            let ended: Vec<&Key> = ended.map(|(key, _)| key).collect();
            for key in &ended[..ended.len().saturating_sub(history)] {
                context.store.remove(Resource::ReplicaSets, key);
            }
        }
    }

    fn reconcile_set(&mut self, context: &mut Context<'_>, kubelet: &mut Kubelet, key: &Key) {
        let Some(set) = self.sets.get_mut(key) else {
            return;
        };
        let (wanted, actual) = (set.facts.replicas as usize, set.pods.len());
        let namespace = context
            .store
            .get(Resource::Namespaces, &Key::new("", &key.namespace));
        if wanted > actual && namespace.is_some_and(|it| it.meta.ending) {
            // Nothing new comes into what is being emptied.
        } else if wanted > actual {
            let mut refused = None;
            for _ in 0..(wanted - actual).min(BURST) {
                if let Err(refusal) = set.make_pod(context, kubelet, key) {
                    refused = Some(refusal.to_string());
                    if !set.retry_due {
                        set.retry_due = true;
                        let timer = Timer::RetrySet(key.clone());
                        context.timers.set(context.now + RETRY, timer);
                    }
                    break;
                }
            }
            if set.refused != refused {
                set.refused = refused;
                self.set_status_later(context, key);
            }
        } else if wanted < actual {
            // Pods that are not ready first, then those that came last.
            let mut pods: Vec<_> = set.pods.iter().collect();
            pods.sort_by_key(|(_, pod)| (pod.ready, std::cmp::Reverse(pod.seen)));
            let some = (actual - wanted).min(BURST);
            let names: Vec<_> = pods[..some]
                .iter()
                .map(|(name, _)| (*name).clone())
                .collect();
            for name in names {
                let key = Key {
                    namespace: key.namespace.clone(),
                    name,
                };
                ending::delete(
                    context.store,
                    Resource::Pods,
                    &key,
                    How::Background,
                    context.now,
                );
            }
        }
        // What was written comes back as changes, and makes the set dirty again if need be.
    }

    /// Lets a ReplicaSet try again, if it is still there.
    pub(crate) fn retry_set(&mut self, key: &Key) {
        if let Some(set) = self.sets.get_mut(key) {
            set.retry_due = false;
            self.dirty.insert(Dirty::Set(key.clone()));
        }
    }

    fn set_status_later(&mut self, context: &mut Context<'_>, key: &Key) {
        let Some(set) = self.sets.get_mut(key) else {
            return;
        };
        if !set.status_due {
            set.status_due = true;
            let timer = Timer::SetStatus(key.clone());
            context.timers.set(context.now + STATUS_SYNC, timer);
        }
        if let Some(deployment) = set.deployment.clone() {
            self.status_later(context, &deployment);
        }
    }

    fn status_later(&mut self, context: &mut Context<'_>, key: &Key) {
        if let Some(deployment) = self.deployments.get_mut(key)
            && !deployment.status_due
        {
            deployment.status_due = true;
            let timer = Timer::DeploymentStatus(key.clone());
            context.timers.set(context.now + STATUS_SYNC, timer);
        }
    }
}

// === impl Set ===

impl Set {
    fn sizes(&self) -> Sizes {
        Sizes {
            wanted: self.facts.replicas,
            pods: u32::try_from(self.pods.len()).unwrap_or(u32::MAX),
            ready: self.ready,
        }
    }

    /// # Errors
    /// If a quota allows no further pod.
    fn make_pod(
        &mut self,
        context: &mut Context<'_>,
        kubelet: &mut Kubelet,
        key: &Key,
    ) -> Result<(), Refusal> {
        let (store, prefix) = (&context.store, format!("{}-", key.name));
        let name = store.free_name(Resource::Pods, "pod-name", &key.namespace, &prefix, || {
            self.made += 1;
            format!("{}/{}/{}", key.namespace, key.name, self.made)
        });
        quota::admit(context.store, Resource::Pods, &name)?;
        let template = &self.facts.template;
        let mut metadata = template["metadata"].clone();
        if !metadata.is_object() {
            metadata = json!({});
        }
        metadata["name"] = json!(&*name.name);
        metadata["namespace"] = json!(&*name.namespace);
        metadata["generateName"] = json!(prefix);
        metadata["ownerReferences"] = owned_by(Resource::ReplicaSets, &key.name, &self.uid);
        remove(&mut metadata, "creationTimestamp");
        let mut spec = template["spec"].clone();
        if spec["nodeName"].is_null()
            && let Some(node) = kubelet.assign()
        {
            spec["nodeName"] = json!(node);
        }
        let mut pod = json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": metadata,
            "spec": spec,
            "status": { "phase": "Pending", "qosClass": "BestEffort" },
        });
        context.store.stamp(Resource::Pods, &mut pod, context.now);
        context.store.put(Resource::Pods, pod, context.now);
        Ok(())
    }
}

// === impl Sizes ===

impl Sizes {
    /// Nothing is left of it.
    fn is_ended(&self) -> bool {
        self.wanted == 0 && self.pods == 0
    }
}

/// Sets `spec.replicas` of a ReplicaSet.
fn scale(context: &mut Context<'_>, key: &Key, replicas: u32) {
    let Some(stored) = context.store.get(Resource::ReplicaSets, key) else {
        return;
    };
    if matches!(&stored.meta.facts, Facts::ReplicaSet(facts) if facts.replicas == replicas) {
        return;
    }
    let mut set = stored.to_value();
    set["spec"]["replicas"] = json!(replicas);
    set["metadata"]["generation"] = json!(stored.meta.generation + 1);
    context.store.put(Resource::ReplicaSets, set, context.now);
}

/// Makes the ReplicaSet of a Deployment's present template.
fn make_set(
    context: &mut Context<'_>,
    deployment: &Key,
    key: &Key,
    hash: &str,
    replicas: u32,
    before: usize,
) {
    let Some(stored) = context.store.get(Resource::Deployments, deployment) else {
        return;
    };
    let uid = stored.meta.uid.clone();
    let object = stored.to_value();
    let spec = &object["spec"];
    let (mut template, mut selector) = (spec["template"].clone(), spec["selector"].clone());
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    let mut set = json!({
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": &*key.name,
            "namespace": &*key.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": { "deployment.kubernetes.io/revision": (before + 1).to_string() },
            "ownerReferences": owned_by(Resource::Deployments, &deployment.name, &uid),
        },
        "spec": { "replicas": replicas, "selector": selector, "template": template },
        "status": { "replicas": 0 },
    });
    context
        .store
        .stamp(Resource::ReplicaSets, &mut set, context.now);
    context.store.put(Resource::ReplicaSets, set, context.now);
}
