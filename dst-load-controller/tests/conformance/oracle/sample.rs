//! A set of objects that can be made smaller, one part after the other.

use serde_json::Value;

use super::objects::{Draft, Names, ObjectSet};

/// What would not be valid, or another thing, with less in it.
const WHOLE: [&str; 2] = ["containers", "ports"];
/// What an object cannot do without.
const KEPT: [&str; 7] = [
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "addressType",
    "addresses",
];

/// A set of objects as it was drawn, less what was taken away since.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    draft: Draft,
    /// JSON pointers into the list of objects, in the order in which they are applied.
    removed: Vec<String>,
}

// === impl Sample ===

impl Sample {
    pub(super) fn new(draft: Draft) -> Self {
        Self {
            draft,
            removed: Vec::new(),
        }
    }

    /// The controller's flag `-enable-ipv6`.
    pub(super) fn ipv6(&self) -> bool {
        self.draft.ipv6
    }

    /// Its objects, under these names.
    pub(super) fn set(&self, names: Names) -> ObjectSet {
        let mut set = self.draft.set(names);
        let mut objects = Value::Array(set.objects);
        for pointer in &self.removed {
            remove(&mut objects, pointer);
        }
        let Value::Array(objects) = objects else {
            unreachable!("what is removed is in the list");
        };
        set.objects = objects;
        set
    }

    /// This, less each of these parts. Later ones first, so that the others stay where they are.
    pub(super) fn without(&self, parts: &[String]) -> Self {
        let mut less = self.clone();
        less.removed.extend(parts.iter().rev().cloned());
        less
    }

    /// The parts that can be taken away, as JSON pointers, in the order of the list.
    pub(super) fn parts(&self) -> Vec<String> {
        let objects = self.set(Names::alone()).objects;
        let mut parts = Vec::new();
        for (number, object) in objects.iter().enumerate() {
            let at = format!("/{number}");
            parts.push(at.clone());
            within(object, &at, &mut parts);
        }
        parts
    }
}

/// The parts within a value.
fn within(value: &Value, at: &str, parts: &mut Vec<String>) {
    let inner: Vec<_> = match value {
        Value::Object(fields) => fields.iter().map(|(key, it)| (key.clone(), it)).collect(),
        Value::Array(items) => (items.iter().enumerate())
            .map(|(number, it)| (number.to_string(), it))
            .collect(),
        _ => Vec::new(),
    };
    for (key, value) in inner {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        if !KEPT.contains(&key.as_str()) {
            parts.push(at.clone());
        }
        if !WHOLE.contains(&key.as_str()) {
            within(value, &at, parts);
        }
    }
}

fn remove(from: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    match from.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&key.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Ok(number) = key.parse::<usize>()
                && number < items.len()
            {
                items.remove(number);
            }
        }
        _ => {}
    }
}
