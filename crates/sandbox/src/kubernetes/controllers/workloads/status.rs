//! The status of Deployments and ReplicaSets, as `kubectl rollout status` reads it.

use serde_json::{Value, json};

use super::{Set, Sizes, Workloads};
use crate::kubernetes::{
    controllers::Context,
    object::{Key, Object, timestamp},
    resources::Resource,
};

// === impl Workloads ===

impl Workloads {
    /// Writes a ReplicaSet's status, if it has changed.
    pub(crate) fn write_set_status(&mut self, context: &mut Context<'_>, key: &Key) {
        let Some(set) = self.sets.get_mut(key) else {
            return;
        };
        set.status_due = false;
        let pods = set.pods.len();
        let ready = set.ready;
        let failure = set.refused.as_deref().map(failure);
        write_status(context, Resource::ReplicaSets, key, |stored, _| {
            let mut status = json!({
                "replicas": pods,
                "fullyLabeledReplicas": pods,
                "readyReplicas": ready,
                "availableReplicas": ready,
                "observedGeneration": stored.meta.generation,
            });
            if let Some(failure) = failure {
                status["conditions"] = json!([failure]);
            }
            status
        });
    }

    /// Writes a Deployment's status, if it has changed.
    pub(crate) fn write_status(&mut self, context: &mut Context<'_>, key: &Key) {
        let Some(deployment) = self.deployments.get_mut(key) else {
            return;
        };
        deployment.status_due = false;
        let current = format!("{}-{}", key.name, deployment.facts.hash);
        let (mut pods, mut ready, mut updated) = (0, 0, 0);
        for set in &deployment.sets {
            let sizes = self.sets.get(set).map_or_else(Sizes::default, Set::sizes);
            pods += sizes.pods;
            ready += sizes.ready;
            if *set.name == *current {
                updated += sizes.pods;
            }
        }
        let sets = deployment.sets.iter().filter_map(|it| self.sets.get(it));
        let refused = sets.filter_map(|it| it.refused.as_deref()).next();
        let failure = refused.map(failure);
        let facts = deployment.facts.clone();
        let minimum = facts
            .replicas
            .saturating_sub(facts.unavailable.rounded_down(facts.replicas));
        let complete = updated == facts.replicas && pods == updated && ready == updated;
        let now = timestamp(context.now);
        write_status(context, Resource::Deployments, key, |stored, old| {
            let condition = |kind: &str, holds: bool, yes: &str, no: &str| {
                let (status, reason) = if holds { ("True", yes) } else { ("False", no) };
                let conditions = old["conditions"].as_array().into_iter().flatten();
                let before = conditions.clone().find(|it| it["type"] == kind);
                match before {
                    Some(it) if it["status"] == status && it["reason"] == reason => it.clone(),
                    _ => json!({
                        "type": kind, "status": status, "reason": reason,
                        "lastTransitionTime": now, "lastUpdateTime": now,
                    }),
                }
            };
            let mut status = json!({
                "observedGeneration": stored.meta.generation,
                "replicas": pods,
                "updatedReplicas": updated,
                "readyReplicas": ready,
                "availableReplicas": ready,
                "unavailableReplicas": facts.replicas.saturating_sub(ready),
                "conditions": [
                    condition("Available", ready >= minimum,
                        "MinimumReplicasAvailable", "MinimumReplicasUnavailable"),
                    condition("Progressing", true,
                        if complete { "NewReplicaSetAvailable" } else { "ReplicaSetUpdated" }, ""),
                ],
            });
            if let (Some(failure), Some(all)) = (failure, status["conditions"].as_array_mut()) {
                all.push(failure);
            }
            status
        });
    }
}

/// The condition of a ReplicaSet, and of its Deployment, whose pods are refused.
fn failure(message: &str) -> Value {
    json!({
        "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
    })
}

/// Writes a status made from the object and its last status, unless it is the same.
fn write_status(
    context: &mut Context<'_>,
    resource: Resource,
    key: &Key,
    status: impl FnOnce(&Object, &Value) -> Value,
) {
    let Some(stored) = context.store.get(resource, key) else {
        return;
    };
    let mut object = stored.to_value();
    let status = status(stored, &object["status"]);
    if object["status"] != status {
        object["status"] = status;
        context.store.put(resource, object, context.now);
    }
}
