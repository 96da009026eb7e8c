//! How objects end. A pod that a kubelet runs is only told to stop, and is gone when the kubelet
//! says so; everything else is gone at once.
//!
//! For that while a pod's endpoint stands in its slice, terminating and not ready: a scale-down
//! makes slice events that remove endpoints from clients, and further ones that tell them nothing.

use std::sync::Arc;

use serde_json::json;

use super::{
    facts::{Facts, PodFacts},
    object::{Key, Object, timestamp},
    resources::Resource,
    store::Store,
};
use crate::model::time::At;

/// Kubernetes' own default for a pod's `terminationGracePeriodSeconds`.
const GRACE_SECONDS: u64 = 30;

/// Deletes an object, or begins to; gives its last version, `None` if there is no such object.
pub(crate) fn delete(
    store: &mut Store,
    resource: Resource,
    key: &Key,
    at: At,
) -> Option<Arc<Object>> {
    let stored = store.get(resource, key)?.clone();
    let Facts::Pod(facts) = &stored.meta.facts else {
        return store.remove(resource, key);
    };
    if facts.terminating {
        return Some(stored);
    }
    let mut pod = stored.to_value();
    let grace = pod["spec"]["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(GRACE_SECONDS);
    if grace == 0 || facts.is_finished() || !has_kubelet(store, facts) {
        return store.remove(resource, key);
    }
    let until = at + std::time::Duration::from_secs(grace);
    pod["metadata"]["deletionTimestamp"] = json!(timestamp(until));
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    Some(store.put(resource, pod, at))
}

/// Whether it has been told to stop and is still there.
pub(crate) fn is_ending(object: &Object) -> bool {
    matches!(&object.meta.facts, Facts::Pod(facts) if facts.terminating)
}

/// Without one nobody would ever say that the pod has stopped.
fn has_kubelet(store: &Store, pod: &PodFacts) -> bool {
    pod.node
        .as_deref()
        .is_some_and(|node| store.get(Resource::Nodes, &Key::new("", node)).is_some())
}
