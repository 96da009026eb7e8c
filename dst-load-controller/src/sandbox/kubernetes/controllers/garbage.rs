//! What goes with its owner, and what goes with its namespace.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::BURST;
use crate::{
    model::time::At,
    sandbox::kubernetes::{
        ending::{delete, is_ending},
        object::Key,
        resources::Resource,
        store::{Change, Store},
        write::remove,
    },
};

/// The owners and namespaces whose contents are being deleted.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    owners: VecDeque<String>,
    namespaces: BTreeSet<Key>,
}

// === impl Garbage ===

impl Garbage {
    /// Notes a deletion.
    pub(crate) fn observe(&mut self, store: &Store, change: &Change) {
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
            Some(_) => {}
        }
    }

    /// Deletes some of it; false if there is nothing to delete now.
    pub(crate) fn step(&mut self, store: &mut Store, at: At) -> bool {
        if let Some(uid) = self.owners.front() {
            let ends = |&&(resource, ref key): &&(Resource, Key)| {
                store.get(resource, key).is_some_and(|it| is_ending(it))
            };
            let some: Vec<_> = store
                .dependents(uid)
                .filter(|it| !ends(it))
                .take(BURST)
                .cloned()
                .collect();
            if some.is_empty() {
                self.owners.pop_front();
            }
            for (resource, key) in some {
                delete(store, resource, &key, at);
            }
            return true;
        }
        let namespaces: Vec<Key> = self.namespaces.iter().cloned().collect();
        namespaces.iter().any(|it| self.empty(store, it, at))
    }

    /// Deletes some of what is in a namespace, and the namespace when nothing is left; false if
    /// only pods are left that have yet to stop.
    fn empty(&mut self, store: &mut Store, namespace: &Key, at: At) -> bool {
        let mut waits = false;
        let next = Resource::all().find_map(|it| {
            let objects = store.list(it.resource, Some(&namespace.name), None);
            let keys = objects
                .filter(|it| {
                    let ends = is_ending(it);
                    waits |= ends;
                    !ends
                })
                .take(BURST)
                .map(|it| it.meta.key.clone());
            let keys: Vec<Key> = keys.collect();
            (!keys.is_empty()).then_some((it.resource, keys))
        });
        match next {
            Some((resource, keys)) => {
                for key in keys {
                    delete(store, resource, &key, at);
                }
                true
            }
            None if waits => false,
            None => {
                self.namespaces.remove(namespace);
                store.remove(Resource::Namespaces, namespace);
                true
            }
        }
    }
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
