//! A stored object: its JSON, serialised once, and the little that is asked of it often.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use dst_load_scenario::time::At;
use serde_json::{Value, json};

use super::{
    facts::{Facts, PodFacts},
    resources::Resource,
    selector::Selectable,
};

/// Namespace (empty where there is none) and name, in the order of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// An entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: String,
    /// Whether it is the managing controller.
    pub(crate) controller: bool,
}

/// What has happened to an object, as a watch says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Added,
    Modified,
    Deleted,
}

/// All of an object but its JSON and its version.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    pub(crate) key: Key,
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) created: At,
    pub(crate) owners: Vec<Owner>,
    /// It has been told to go and is still there.
    pub(crate) ending: bool,
    pub(crate) selectable: Arc<Selectable>,
    pub(crate) facts: Facts,
    /// What each field manager applied last, to know what it no longer applies.
    pub(crate) applied: BTreeMap<String, Bytes>,
}

/// One version of an object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) meta: Meta,
    pub(crate) version: u64,
    /// The whole line of its watch event; the object's JSON is a slice of it.
    event: Bytes,
    happened: Happened,
}

// === impl Key ===

impl Key {
    /// The key of an object in a namespace.
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: Arc::from(namespace),
            name: Arc::from(name),
        }
    }
}

// === impl Happened ===

impl Happened {
    /// What stands before the object in a watch event.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Added => "{\"type\":\"ADDED\",\"object\":",
            Self::Modified => "{\"type\":\"MODIFIED\",\"object\":",
            Self::Deleted => "{\"type\":\"DELETED\",\"object\":",
        }
    }
}

/// What stands after the object in a watch event.
pub(crate) const SUFFIX: &str = "}\n";

// === impl Object ===

impl Object {
    /// Serialises a version, once for all watchers.
    pub(crate) fn new(
        meta: Meta,
        version: u64,
        happened: Happened,
        render: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let mut line = Vec::with_capacity(1024);
        line.extend_from_slice(happened.prefix().as_bytes());
        render(&mut line);
        line.extend_from_slice(SUFFIX.as_bytes());
        Self {
            meta,
            version,
            event: Bytes::from(line),
            happened,
        }
    }

    /// The same version, with other metadata beside its JSON.
    pub(crate) fn with_meta(&self, meta: Meta) -> Self {
        Self {
            meta,
            version: self.version,
            event: self.event.clone(),
            happened: self.happened,
        }
    }

    /// The line of its watch event.
    pub(crate) fn event(&self) -> Bytes {
        self.event.clone()
    }

    /// What this version came of.
    pub(crate) fn happened(&self) -> Happened {
        self.happened
    }

    /// Its JSON.
    pub(crate) fn json(&self) -> Bytes {
        let end = self.event.len() - SUFFIX.len();
        self.event.slice(self.happened.prefix().len()..end)
    }

    /// Its JSON under another version.
    pub(crate) fn json_at(&self, version: u64) -> Bytes {
        let json = self.json();
        // The version was new when it was written, so its first mention is the object's own.
        let needle = format!("\"resourceVersion\":\"{}\"", self.version);
        let found = json
            .windows(needle.len())
            .position(|window| window == needle.as_bytes());
        let Some(start) = found else {
            return json;
        };
        [
            &json[..start],
            format!("\"resourceVersion\":\"{version}\"").as_bytes(),
            &json[start + needle.len()..],
        ]
        .concat()
        .into()
    }

    /// Its JSON, parsed.
    pub(crate) fn to_value(&self) -> Value {
        serde_json::from_slice(&self.json())
            .expect("invariant: stored JSON was written by a serialiser")
    }

    /// What controllers must know of it, if it is a Pod.
    pub(crate) fn pod(&self) -> Option<&PodFacts> {
        match &self.meta.facts {
            Facts::Pod(facts) => Some(facts),
            _ => None,
        }
    }

    /// The uid of the controller that manages it.
    pub(crate) fn controller(&self) -> Option<&str> {
        let owner = self.meta.owners.iter().find(|owner| owner.controller)?;
        Some(&owner.uid)
    }
}

/// `metadata.ownerReferences` of what a controller makes for an object.
pub(crate) fn owned_by(resource: Resource, name: &str, uid: &str) -> Value {
    json!([{
        "apiVersion": resource.api_version(),
        "kind": resource.kind(),
        "name": name,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

/// The time of `at` as Kubernetes writes it: whole seconds, UTC.
pub(crate) fn timestamp(at: At) -> String {
    let seconds = i64::try_from(at.since_start().as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(EPOCH_SECONDS.saturating_add(seconds))
        .map_or_else(|_| String::new(), |time| time.to_string())
}

/// The embedded cluster starts at 2026-01-01T00:00:00Z, always, so that a seed gives the same bytes.
pub(crate) const EPOCH_SECONDS: i64 = 1_767_225_600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_starts_at_its_epoch() {
        assert_eq!(timestamp(At::ZERO), "2026-01-01T00:00:00Z");
        assert_eq!(timestamp(At::from_millis(61_999)), "2026-01-01T00:01:01Z");
    }
}
