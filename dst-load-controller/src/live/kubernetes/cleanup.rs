//! Taking away what runs made, found by their labels.
//!
//! It deletes nothing that lacks the managed-by label, and pods and slices only when nothing is
//! left that would make them anew.

use std::{collections::BTreeSet, time::Duration};

use kube::core::{
    Request,
    params::{DeleteParams, ListParams},
};

use super::{
    KubernetesError, RunIdentity,
    call::{Call, Caller},
    cleaned::{Cleaned, Removed},
    listing::Listing,
    objects::{MANAGED_BY, MANAGER, RUN_ID},
    resource::{DEPLOYMENTS, LEASES, NAMESPACES, PODS, Resource, SECRETS, SERVICES, SLICES},
};
use crate::model::time::At;

/// How long objects may take to go: foreground deletion waits for every pod.
const GONE_WITHIN: Duration = Duration::from_secs(120);
/// How often it is looked whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What runs make.
const MAKERS: [Resource; 2] = [DEPLOYMENTS, SERVICES];
/// What the cluster's controllers make of it: gone by themselves, as a rule, once their makers are.
/// Where we write pods and slices ourselves, this is all that deletes them.
const MADE: [Resource; 2] = [PODS, SLICES];

/// Whose objects are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One run's, with its lease and, if the run made it, its namespace.
    Run(String),
    /// Those of all runs but one; leases and namespaces stay.
    AllBut(String),
}

/// Deletes what `scope` names, in `namespace` or in all of them, and waits until it is gone, for
/// two minutes at the most. Nothing to delete is no error.
///
/// # Errors
///
/// The first listing or deletion that was refused. Pods and EndpointSlices that may not be listed
/// are left to the cluster's controllers, and namespaces to their owner.
pub async fn cleanup(
    caller: &Caller,
    scope: &Scope,
    namespace: Option<&str>,
) -> Result<Cleaned, KubernetesError> {
    let cleanup = Cleanup(Listing {
        caller,
        selector: scope.selector(),
        namespace,
    });
    let until = caller.clock().now() + GONE_WITHIN;
    let mut cleaned = Cleaned::default();
    cleanup.clear(&MAKERS, false, until, &mut cleaned).await?;
    if let Scope::Run(id) = scope
        && RunIdentity::is_link(id)
    {
        cleanup
            .clear(&[SECRETS], false, until, &mut cleaned)
            .await?;
    }
    if cleaned.remaining.is_empty() {
        cleanup.clear(&MADE, true, until, &mut cleaned).await?;
    }
    if let Scope::Run(_) = scope
        && cleaned.remaining.is_empty()
    {
        cleanup.clear(&[LEASES], false, until, &mut cleaned).await?;
        cleanup
            .clear(&[NAMESPACES], true, until, &mut cleaned)
            .await?;
    }
    Ok(cleaned)
}

struct Cleanup<'a>(Listing<'a>);

// === impl Scope ===

impl Scope {
    fn selector(&self) -> String {
        match self {
            Self::Run(id) => format!("{MANAGED_BY}={MANAGER},{RUN_ID}={id}"),
            Self::AllBut(id) => format!("{MANAGED_BY}={MANAGER},{RUN_ID}!={id}"),
        }
    }
}

// === impl Cleanup ===

impl Cleanup<'_> {
    /// Deletes and looks again until nothing of `resources` is left or the time is up. With
    /// `lenient`, what may not be listed or deleted counts as not there.
    async fn clear(
        &self,
        resources: &[Resource],
        lenient: bool,
        until: At,
        cleaned: &mut Cleaned,
    ) -> Result<(), KubernetesError> {
        loop {
            cleaned.remaining.clear();
            for resource in resources {
                match self.delete(resource).await {
                    Err(KubernetesError::Forbidden { message, .. }) if lenient => {
                        tracing::debug!(%message, "left to others");
                    }
                    found => cleaned.remaining.extend(found?),
                }
            }
            cleaned.removed.extend(cleaned.remaining.iter().cloned());
            if cleaned.remaining.is_empty() {
                return Ok(());
            }
            if self.0.caller.clock().now() >= until {
                cleaned.removed = &cleaned.removed - &cleaned.remaining;
                return Ok(());
            }
            // Deletion is asked for again with every look: a controller may have made another
            // object after the listing.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks for the deletion of what there is of one resource; returns what there was.
    async fn delete(&self, resource: &Resource) -> Result<Vec<Removed>, KubernetesError> {
        let found: Vec<_> = self
            .0
            .list(resource)
            .await?
            .into_iter()
            .map(|item| Removed {
                namespace: item.metadata.namespace,
                kind: resource.kind,
                name: item.metadata.name,
            })
            // A namespace is an object of the cluster, so the listing was not confined to ours.
            .filter(|one| {
                *resource != NAMESPACES || self.0.namespace.is_none_or(|ours| one.name == ours)
            })
            .collect();
        // Only a Deployment's pods are waited for by the server. Its garbage collector may not run
        // at all, and would then never let go of what is deleted in the foreground.
        let parameters = if *resource == DEPLOYMENTS {
            DeleteParams::foreground()
        } else {
            DeleteParams::background()
        };
        if *resource == NAMESPACES {
            for Removed { name, .. } in &found {
                let request = Request::new(resource.path(None)).delete(name, &parameters);
                let mut call = Call::new("delete", resource.plural, name, request)?;
                call.conflict_is_final = true;
                match self.0.caller.call(&call).await.result {
                    Err(error) if error.is_refused_as("NotFound") => {}
                    // A namespace that is already going away says so with a conflict.
                    Err(error) if error.is_refused_as("Conflict") => {}
                    answer => drop(answer?),
                }
            }
            return Ok(found);
        }
        let namespaces: BTreeSet<_> = found.iter().map(|one| one.namespace.as_str()).collect();
        let matching = ListParams::default().labels(&self.0.selector);
        for namespace in namespaces {
            let request = Request::new(resource.path(Some(namespace)))
                .delete_collection(&parameters, &matching);
            let call = Call::new("deletecollection", resource.plural, "", request)?;
            self.0.caller.call(&call).await.result?;
        }
        Ok(found)
    }
}
