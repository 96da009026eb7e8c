//! How objects end. A pod that is on a Node is only told to stop, and is gone when its kubelet says
//! so; an owner that is deleted in the foreground waits for what it owns; everything else is gone at
//! once.
//!
//! While a pod stops, its endpoint stands in its slice, terminating and not ready: a scale-down
//! makes slice events that remove endpoints from clients, and further ones that tell them nothing.

use std::sync::Arc;

use dst_load_scenario::time::At;
use serde_json::json;

use super::{
    facts::PodFacts,
    object::{Key, Object, timestamp},
    resources::Resource,
    store::Store,
};

/// Kubernetes' own default for a pod's `terminationGracePeriodSeconds`.
const GRACE_SECONDS: u64 = 30;

/// What holds an owner until what it owns is gone.
const FOREGROUND: &str = "foregroundDeletion";

/// What a deletion waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Pods are told to stop; what an object owns goes after it.
    Background,
    /// An object goes after what it owns.
    Foreground,
    /// The grace period is none: no pod is waited for.
    Forced,
}

/// Deletes an object, or begins to; gives its last version, `None` if there is no such object.
pub(crate) fn delete(
    store: &mut Store,
    resource: Resource,
    key: &Key,
    how: How,
    at: At,
) -> Option<Arc<Object>> {
    let stored = store.get(resource, key)?.clone();
    if let Some(facts) = stored.pod() {
        return stop(store, key, &stored, facts, how, at);
    }
    if how != How::Foreground || store.dependents(&stored.meta.uid).next().is_none() {
        return store.remove(resource, key);
    }
    if stored.meta.ending {
        return Some(stored);
    }
    let mut owner = stored.to_value();
    owner["metadata"]["deletionTimestamp"] = json!(timestamp(at));
    owner["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    owner["metadata"]["finalizers"] = json!([FOREGROUND]);
    Some(store.put(resource, owner, at))
}

/// Tells a pod to stop. One that is on no Node, or has ended, has nothing to stop.
fn stop(
    store: &mut Store,
    key: &Key,
    stored: &Arc<Object>,
    facts: &PodFacts,
    how: How,
    at: At,
) -> Option<Arc<Object>> {
    let over = how == How::Forced || facts.is_finished() || facts.node.is_none();
    if stored.meta.ending && !over {
        return Some(stored.clone());
    }
    let mut pod = stored.to_value();
    let grace = pod["spec"]["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(GRACE_SECONDS);
    if grace == 0 || over {
        return store.remove(Resource::Pods, key);
    }
    let until = at + std::time::Duration::from_secs(grace);
    pod["metadata"]["deletionTimestamp"] = json!(timestamp(until));
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    Some(store.put(Resource::Pods, pod, at))
}
