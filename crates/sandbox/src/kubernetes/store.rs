//! The objects of the embedded cluster, their versions, and what watches are told of them.
//!
//! Pure: it takes the time as an argument, wakes nobody and refuses nothing that is well formed;
//! what may be written is decided by its callers.

mod log;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use dst_load_scenario::{seed, time::At};
use serde_json::{Value, json};

pub(crate) use self::log::{Entry, Log};
use super::{
    facts::{Facts, array},
    object::{Happened, Key, Meta, Object, Owner, timestamp},
    resources::Resource,
    selector::Selectable,
    write::text,
};
use crate::index::Index;

/// A write, for the controllers.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) resource: Resource,
    pub(crate) old: Option<Arc<Object>>,
    /// `None` if it was deleted.
    pub(crate) new: Option<Arc<Object>>,
}

/// All objects.
#[derive(Debug)]
pub(crate) struct Store {
    seed: u64,
    version: u64,
    tables: Vec<Table>,
    /// Who names whom as its owner, by the owner's uid.
    dependents: Index<String, (Resource, Key)>,
    changes: Vec<Change>,
    touched: BTreeSet<Resource>,
}

#[derive(Debug, Default)]
struct Table {
    objects: BTreeMap<Key, Arc<Object>>,
    log: Log,
}

// === impl Store ===

impl Store {
    /// An empty store, whose uids come from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            version: 0,
            tables: Resource::all().map(|_| Table::default()).collect(),
            dependents: Index::default(),
            changes: Vec::new(),
            touched: BTreeSet::new(),
        }
    }

    /// The seed of uids and generated names.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The version of the last write.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// One object.
    pub(crate) fn get(&self, resource: Resource, key: &Key) -> Option<&Arc<Object>> {
        self.table(resource).objects.get(key)
    }

    /// The objects of one namespace, or of all, in the order of their keys, after `after`.
    pub(crate) fn list<'a>(
        &'a self,
        resource: Resource,
        namespace: Option<&'a str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let start = after
            .cloned()
            .unwrap_or_else(|| Key::new(namespace.unwrap_or_default(), ""));
        self.table(resource)
            .objects
            .range((std::ops::Bound::Excluded(start), std::ops::Bound::Unbounded))
            .take_while(move |(key, _)| namespace.is_none_or(|it| it == &*key.namespace))
            .map(|(_, object)| object)
    }

    /// What has happened to a resource's objects.
    pub(crate) fn log(&self, resource: Resource) -> &Log {
        &self.table(resource).log
    }

    /// Forgets what has happened so far: no watch resumes from before.
    pub(crate) fn compact(&mut self) {
        let version = self.version;
        for table in &mut self.tables {
            table.log.compact(version);
        }
    }

    /// Who names `uid` as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> impl Iterator<Item = &(Resource, Key)> {
        self.dependents.of(uid)
    }

    /// Writes an object whose metadata is complete but for its version.
    pub(crate) fn put(&mut self, resource: Resource, mut object: Value, at: At) -> Arc<Object> {
        let meta = self.meta(resource, &object, at);
        self.put_rendered(resource, meta, |version, line| {
            object["metadata"]["resourceVersion"] = json!(version.to_string());
            serde_json::to_writer(line, &object)
                .expect("invariant: a Value always serialises into memory");
        })
    }

    /// What is known of an object that is written `at`.
    pub(crate) fn meta(&self, resource: Resource, object: &Value, at: At) -> Meta {
        let metadata = &object["metadata"];
        let key = Key::new(text(&metadata["namespace"]), text(&metadata["name"]));
        let previous = self.get(resource, &key);
        let generation = metadata["generation"].as_i64().unwrap_or_default();
        let selectable = Selectable {
            labels: labels(metadata),
            fields: selectable_fields(resource, object),
        };
        let same_spec = previous.filter(|it| it.meta.generation == generation);
        Meta {
            uid: text(&metadata["uid"]).to_owned(),
            generation,
            created: previous.map_or(at, |it| it.meta.created),
            owners: owners(metadata),
            ending: !metadata["deletionTimestamp"].is_null(),
            selectable: match previous {
                Some(it) if *it.meta.selectable == selectable => it.meta.selectable.clone(),
                _ => Arc::new(selectable),
            },
            facts: Facts::of(resource, object, same_spec.map(|it| &it.meta.facts)),
            applied: previous.map_or_else(BTreeMap::new, |it| it.meta.applied.clone()),
            key,
        }
    }

    /// Writes an object that is rendered by its writer, given the version.
    pub(crate) fn put_rendered(
        &mut self,
        resource: Resource,
        meta: Meta,
        render: impl FnOnce(u64, &mut Vec<u8>),
    ) -> Arc<Object> {
        self.version += 1;
        let version = self.version;
        let key = meta.key.clone();
        let old = self.get(resource, &key).cloned();
        let happened = if old.is_some() {
            Happened::Modified
        } else {
            Happened::Added
        };
        let object = Arc::new(Object::new(meta, version, happened, |line| {
            render(version, line);
        }));
        if old
            .as_ref()
            .is_none_or(|old| old.meta.owners != object.meta.owners)
        {
            self.disown(resource, old.as_deref());
            for owner in &object.meta.owners {
                (self.dependents).insert(owner.uid.clone(), (resource, key.clone()));
            }
        }
        let table = self.table_mut(resource);
        table.objects.insert(key, object.clone());
        table.log.push(Entry {
            object: object.clone(),
            before: old.clone(),
        });
        self.note(resource, old, Some(object.clone()));
        object
    }

    /// Deletes an object; gives its last version.
    pub(crate) fn remove(&mut self, resource: Resource, key: &Key) -> Option<Arc<Object>> {
        let old = self.table_mut(resource).objects.remove(key)?;
        self.version += 1;
        let version = self.version;
        let deleted = Object::new(old.meta.clone(), version, Happened::Deleted, |line| {
            line.extend_from_slice(&old.json_at(version));
        });
        let deleted = Arc::new(deleted);
        self.disown(resource, Some(&old));
        self.table_mut(resource).log.push(Entry {
            object: deleted.clone(),
            before: Some(old.clone()),
        });
        self.note(resource, Some(old), None);
        Some(deleted)
    }

    /// Remembers what a field manager has applied to an object.
    pub(crate) fn remember_applied(
        &mut self,
        resource: Resource,
        key: &Key,
        manager: &str,
        applied: bytes::Bytes,
    ) {
        if let Some(object) = self.table_mut(resource).objects.get_mut(key) {
            // The log may hold the same version: only the table's copy has to know.
            let mut meta = object.meta.clone();
            meta.applied.insert(manager.to_owned(), applied);
            *object = Arc::new(object.with_meta(meta));
        }
    }

    /// The metadata of a new object: uid, creation time and, where they are counted, generation 1.
    pub(crate) fn stamp(&self, resource: Resource, object: &mut Value, at: At) {
        let metadata = &object["metadata"];
        let entity = format!(
            "{}/{}/{}/{}",
            resource.plural(),
            text(&metadata["namespace"]),
            text(&metadata["name"]),
            // Makes the uid of a recreated object another one.
            self.version + 1,
        );
        object["metadata"]["uid"] = json!(self.uid(&entity));
        object["metadata"]["creationTimestamp"] = json!(timestamp(at));
        if resource.counts_generations() {
            object["metadata"]["generation"] = json!(1);
        }
    }

    /// A uid in the usual form, from the seed and the entity.
    fn uid(&self, entity: &str) -> String {
        let hex = seed::hex(self.seed, "uid", entity, 16);
        format!(
            "{}-{}-4{}-a{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..]
        )
    }

    /// A name that is free: the prefix, and five characters that `purpose` and the next entity draw.
    pub(crate) fn free_name(
        &self,
        resource: Resource,
        purpose: &str,
        namespace: &str,
        prefix: &str,
        mut entity: impl FnMut() -> String,
    ) -> Key {
        loop {
            let suffix = seed::hex(self.seed, purpose, &entity(), 3);
            let key = Key::new(namespace, &format!("{prefix}{}", &suffix[..5]));
            if self.get(resource, &key).is_none() {
                return key;
            }
        }
    }

    /// What the controllers have not yet seen.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Which resources were written since this was last asked.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<Resource> {
        std::mem::take(&mut self.touched)
    }

    fn note(&mut self, resource: Resource, old: Option<Arc<Object>>, new: Option<Arc<Object>>) {
        self.touched.insert(resource);
        // Deletions of anything count: whatever is deleted may own something.
        if resource.is_controlled() || new.is_none() {
            self.changes.push(Change { resource, old, new });
        }
    }

    fn disown(&mut self, resource: Resource, old: Option<&Object>) {
        let Some(old) = old else { return };
        let entry = (resource, old.meta.key.clone());
        for owner in &old.meta.owners {
            self.dependents.remove(&owner.uid, &entry);
        }
    }

    fn table(&self, resource: Resource) -> &Table {
        &self.tables[resource.index()]
    }

    fn table_mut(&mut self, resource: Resource) -> &mut Table {
        &mut self.tables[resource.index()]
    }
}

fn labels(metadata: &Value) -> BTreeMap<String, String> {
    let labels = metadata["labels"].as_object().into_iter().flatten();
    labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn owners(metadata: &Value) -> Vec<Owner> {
    array(&metadata["ownerReferences"])
        .filter_map(|it| {
            Some(Owner {
                uid: it["uid"].as_str()?.to_owned(),
                controller: it["controller"] == true,
            })
        })
        .collect()
}

fn selectable_fields(resource: Resource, object: &Value) -> Vec<(&'static str, String)> {
    let fields = resource.selectable_fields().iter();
    fields
        .map(|&(field, path)| {
            let value = object.pointer(path).and_then(Value::as_str);
            (field, value.unwrap_or_default().to_owned())
        })
        .collect()
}
