//! What is known of Linkerd's controller: objects that it serves otherwise than promised, and those
//! that end its process. Lines are of linkerd2 at commit `b24cd4059`, in
//! `controller/api/destination/watcher`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::objects::ObjectSet;

/// Whether these objects end the controller's process, so that it cannot be asked about them: a
/// slice's port without a number (`resolveESTargetPort`, `port_publisher.go:441`: a nil pointer).
pub(super) fn ends_the_controller(set: &ObjectSet) -> bool {
    let mut ports = (set.objects.iter())
        .filter(|it| it["kind"] == "EndpointSlice")
        .flat_map(|it| it["ports"].as_array().into_iter().flatten());
    ports.any(|it| it["port"].is_null())
}

/// The `objects` as the controller reads them, where that is not as they are: an entry of a slice
/// whose Pod or ExternalWorkload does not exist is left out (`endpointSliceToAddresses`,
/// `port_publisher.go:175-210`). The oracle does not see Pods.
pub(super) fn without_absent_targets(objects: &[Value]) -> Option<Vec<Value>> {
    let name = |kind: &Value, of: &Value| {
        [kind, &of["namespace"], &of["name"]].map(|it| it.as_str().unwrap_or_default().to_owned())
    };
    let there: BTreeSet<_> = objects
        .iter()
        .map(|it| name(&it["kind"], &it["metadata"]))
        .collect();
    let is_absent = |entry: &Value| {
        let target = &entry["targetRef"];
        ["Pod", "ExternalWorkload"]
            .iter()
            .any(|it| target["kind"] == *it)
            && !there.contains(&name(&target["kind"], target))
    };
    let mut objects = objects.to_vec();
    let mut is_changed = false;
    for slice in objects
        .iter_mut()
        .filter(|it| it["kind"] == "EndpointSlice")
    {
        if let Some(entries) = slice["endpoints"].as_array_mut() {
            let before = entries.len();
            entries.retain(|entry| !is_absent(entry));
            is_changed |= entries.len() < before;
        }
    }
    is_changed.then_some(objects)
}
