//! What goes with its owner, and what goes with its namespace.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use dst_load_scenario::time::At;
use serde_json::{Value, json};

use super::BURST;
use crate::kubernetes::{
    ending::{How, delete},
    object::Key,
    resources::Resource,
    store::{Change, Store},
    write::remove,
};

/// The owners and namespaces whose contents are being deleted.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    owners: VecDeque<String>,
    /// By uid, those that wait for what they own.
    waiting: BTreeMap<String, (Resource, Key)>,
    /// Of these, whose dependents have come or gone.
    stirred: BTreeSet<String>,
    namespaces: BTreeSet<Key>,
}

// === impl Garbage ===

impl Garbage {
    /// Notes a deletion.
    pub(crate) fn observe(&mut self, store: &Store, change: &Change) {
        self.observe_owners(store, change);
        match &change.new {
            None => {
                let gone = change.either().map(|it| &it.meta.uid);
                if let Some(uid) = gone.filter(|uid| store.dependents(uid).next().is_some()) {
                    self.owners.push_back(uid.clone());
                }
            }
            Some(namespace) if change.resource == Resource::Namespaces => {
                let fields = &namespace.meta.selectable.fields;
                if fields.iter().any(|(_, phase)| phase == "Terminating") {
                    self.namespaces.insert(namespace.meta.key.clone());
                }
            }
            Some(owner) if owner.meta.ending && change.resource != Resource::Pods => {
                let (uid, key) = (owner.meta.uid.clone(), owner.meta.key.clone());
                self.stirred.insert(uid.clone());
                self.waiting.insert(uid, (change.resource, key));
            }
            Some(_) => {}
        }
    }

    /// Stirs an owner that waits when it gets one more dependent, and when its last is gone: to look
    /// at all of them each time would cost the square of their number.
    fn observe_owners(&mut self, store: &Store, change: &Change) {
        let Some(object) = change.either() else {
            return;
        };
        for owner in &object.meta.owners {
            let gone = change.new.is_none();
            if self.waiting.contains_key(&owner.uid)
                && (change.old.is_none() || gone && store.dependents(&owner.uid).next().is_none())
            {
                self.stirred.insert(owner.uid.clone());
            }
        }
        if change.new.is_none() {
            self.waiting.remove(&object.meta.uid);
            self.stirred.remove(&object.meta.uid);
        }
    }

    /// Deletes some of it; false if there is nothing to delete now.
    pub(crate) fn step(&mut self, store: &mut Store, at: At) -> bool {
        if let Some(uid) = self.owners.front() {
            if !delete_dependents(store, uid, How::Background, at) {
                self.owners.pop_front();
            }
            return true;
        }
        if let Some(uid) = self.stirred.first().cloned() {
            self.release(store, &uid, at);
            return true;
        }
        let namespaces: Vec<Key> = self.namespaces.iter().cloned().collect();
        namespaces.iter().any(|it| self.empty(store, it, at))
    }

    /// Deletes some of what an owner waits for, and the owner when nothing is left.
    fn release(&mut self, store: &mut Store, uid: &str, at: At) {
        if delete_dependents(store, uid, How::Foreground, at) {
            return;
        }
        self.stirred.remove(uid);
        // What is left has yet to stop.
        if store.dependents(uid).next().is_none()
            && let Some((resource, key)) = self.waiting.remove(uid)
        {
            store.remove(resource, &key);
        }
    }

    /// Deletes some of what is in a namespace, pods first, and the namespace when nothing is left;
    /// false if what is left has yet to go by itself.
    fn empty(&mut self, store: &mut Store, namespace: &Key, at: At) -> bool {
        for resource in Resource::all() {
            let mut waits = false;
            let objects = store.list(resource, Some(&namespace.name), None);
            let staying = objects.filter(|it| {
                waits |= it.meta.ending;
                !it.meta.ending
            });
            let keys: Vec<Key> = staying.take(BURST).map(|it| it.meta.key.clone()).collect();
            for key in &keys {
                delete(store, resource, key, How::Background, at);
            }
            if !keys.is_empty() || waits {
                return !keys.is_empty();
            }
        }
        self.namespaces.remove(namespace);
        store.remove(Resource::Namespaces, namespace);
        true
    }
}

/// Deletes some of what an object owns; false if nothing of it is left that is not ending.
fn delete_dependents(store: &mut Store, uid: &str, how: How, at: At) -> bool {
    let ends = |&&(resource, ref key): &&(Resource, Key)| {
        store.get(resource, key).is_some_and(|it| it.meta.ending)
    };
    let dependents = store.dependents(uid).filter(|it| !ends(it));
    let some: Vec<_> = dependents.take(BURST).cloned().collect();
    for (resource, key) in &some {
        delete(store, *resource, key, how, at);
    }
    !some.is_empty()
}

/// Takes an object from its dependents, so that they stay when it goes.
pub(crate) fn orphan(store: &mut Store, resource: Resource, key: &Key, at: At) {
    let Some(uid) = store.get(resource, key).map(|it| it.meta.uid.clone()) else {
        return;
    };
    let dependents: Vec<_> = store.dependents(&uid).cloned().collect();
    for (resource, key) in dependents {
        let Some(dependent) = store.get(resource, &key) else {
            continue;
        };
        let mut object = dependent.to_value();
        let owners = object["metadata"]["ownerReferences"].as_array();
        let others: Vec<Value> = owners
            .into_iter()
            .flatten()
            .filter(|it| it["uid"] != uid)
            .cloned()
            .collect();
        if others.is_empty() {
            remove(&mut object["metadata"], "ownerReferences");
        } else {
            object["metadata"]["ownerReferences"] = json!(others);
        }
        store.put(resource, object, at);
    }
}
