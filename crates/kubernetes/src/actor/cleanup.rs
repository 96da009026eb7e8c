//! Taking away what runs made, found by their labels.
//!
//! It deletes nothing but what its labels say is a run's, each object by its uid and at the version
//! at which the labels were read; pods and slices only when nothing is left that would make them anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use dst_load_scenario::printable::line;
use futures::stream::{self, StreamExt, TryStreamExt};
use kube::{
    Api, ResourceExt as _,
    core::{
        DynamicObject,
        params::{DeleteParams, Preconditions},
    },
};

use super::{
    KubernetesError, RunIdentity,
    call::Caller,
    listing::{Item, Listing, run_id},
    objects::{MANAGED_BY, MANAGER, RUN_ID},
    resource::{DEPLOYMENTS, LEASES, NAMESPACES, PODS, Resource, SECRETS, SERVICES, SLICES},
};

/// How long not one object may go: foreground deletion waits for every pod.
const PROGRESS_WITHIN: Duration = Duration::from_secs(120);
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

/// Deletes what `scope` names, in `namespace` or in all of them, and waits until it is gone: until
/// nothing has gone for two minutes. Nothing to delete is no error.
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
    let cleanup = Cleanup {
        listing: Listing {
            caller,
            selector: scope.selector(),
            namespace,
        },
        scope,
    };
    let mut cleaned = Cleaned::default();
    cleanup.clear(&MAKERS, false, &mut cleaned).await?;
    if let Scope::Run(id) = scope
        && RunIdentity::is_link(id)
    {
        cleanup.clear(&[SECRETS], false, &mut cleaned).await?;
    }
    if cleaned.remaining.is_empty() {
        cleanup.clear(&MADE, true, &mut cleaned).await?;
    }
    if let Scope::Run(_) = scope
        && cleaned.remaining.is_empty()
    {
        cleanup.clear(&[LEASES], false, &mut cleaned).await?;
        if !cleanup.has_objects_of_others().await? {
            cleanup.clear(&[NAMESPACES], true, &mut cleaned).await?;
        }
    }
    Ok(cleaned)
}

/// One object that is gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Removed {
    /// Its namespace; empty for a namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// What a cleanup did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What is gone, sorted.
    pub removed: BTreeSet<Removed>,
    /// What was still there when the time was up, sorted.
    pub remaining: BTreeSet<Removed>,
}

struct Cleanup<'a> {
    listing: Listing<'a>,
    scope: &'a Scope,
}

// === impl Cleaned ===

impl Cleaned {
    /// Adds what another cleanup did.
    pub fn absorb(&mut self, other: Self) {
        self.removed.extend(other.removed);
        self.remaining.extend(other.remaining);
    }

    /// What is still there, such as `still there: 2 Pods in ns`; `None` if nothing
    /// is.
    #[must_use]
    pub fn left(&self) -> Option<String> {
        let kinds = each_kind(&self.remaining);
        (!kinds.is_empty()).then(|| format!("still there: {}", kinds.join(", ")))
    }
}

impl fmt::Display for Cleaned {
    /// One line for each kind in each namespace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (verb, objects) in [
            ("removed", &self.removed),
            ("still there:", &self.remaining),
        ] {
            for kind in each_kind(objects) {
                writeln!(f, "{verb} {kind}")?;
            }
        }
        Ok(())
    }
}

/// How many there are of each kind in each namespace, such as `2 Pods in ns`.
fn each_kind(objects: &BTreeSet<Removed>) -> Vec<String> {
    let mut counts = BTreeMap::new();
    for object in objects {
        *counts
            .entry((&object.namespace, object.kind))
            .or_insert(0_u64) += 1;
    }
    let words = counts.into_iter().map(|((namespace, kind), count)| {
        let plural = if count == 1 { "" } else { "s" };
        match namespace.as_str() {
            "" => format!("{count} {kind}{plural}"),
            namespace => format!("{count} {kind}{plural} in {}", line(namespace)),
        }
    });
    words.collect()
}

// === impl Scope ===

impl Scope {
    fn selector(&self) -> String {
        match self {
            Self::Run(id) => format!("{MANAGED_BY}={MANAGER},{RUN_ID}={id}"),
            Self::AllBut(id) => format!("{MANAGED_BY}={MANAGER},{RUN_ID},{RUN_ID}!={id}"),
        }
    }

    /// Whether an object is one of these. A link is no run: whoever made it says when it goes.
    fn admits(&self, object: &Item) -> bool {
        let Some(made_by) = run_id(object) else {
            return false;
        };
        match self {
            Self::Run(id) => made_by == *id,
            Self::AllBut(id) => made_by != *id && !RunIdentity::is_link(&made_by),
        }
    }
}

// === impl Cleanup ===

impl Cleanup<'_> {
    /// Deletes and looks again until nothing of `resources` is left or nothing goes any more. With
    /// `lenient`, what may not be listed or deleted counts as not there.
    async fn clear(
        &self,
        resources: &[Resource],
        lenient: bool,
        cleaned: &mut Cleaned,
    ) -> Result<(), KubernetesError> {
        let clock = self.listing.caller.clock();
        let (mut fewest, mut since) = (usize::MAX, clock.now());
        loop {
            cleaned.remaining.clear();
            for resource in resources {
                match self.delete(resource).await {
                    Err(KubernetesError::Forbidden { message, .. }) if lenient => {
                        tracing::debug!(%message, "not permitted to clean up, skipped");
                    }
                    found => cleaned.remaining.extend(found?),
                }
            }
            cleaned.removed.extend(cleaned.remaining.iter().cloned());
            let left = cleaned.remaining.len();
            if left == 0 {
                return Ok(());
            }
            let now = clock.now();
            if left < fewest {
                self.listing.caller.count_removal();
                (fewest, since) = (left, now);
            } else if now >= since + PROGRESS_WITHIN {
                cleaned.removed = &cleaned.removed - &cleaned.remaining;
                return Ok(());
            }
            // Deletion is asked for again with every look: a controller may have made another
            // object after the listing, and what changed after it was not deleted.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether a namespace of the scope, which would go with all that is in it, has objects of
    /// others too, as far as they may be listed.
    async fn has_objects_of_others(&self) -> Result<bool, KubernetesError> {
        let namespaces = match self.found(&NAMESPACES).await {
            Err(KubernetesError::Forbidden { .. }) => return Ok(false),
            found => found?,
        };
        for namespace in namespaces {
            let name = namespace.name_any();
            let all = Listing {
                selector: String::new(),
                namespace: Some(&name),
                ..self.listing
            };
            for resource in [DEPLOYMENTS, SERVICES, PODS, SLICES, LEASES] {
                let listed = match all.list(&resource).await {
                    Err(KubernetesError::Forbidden { .. }) => continue,
                    listed => listed?,
                };
                let mut objects = listed.into_iter();
                if let Some(other) = objects.find(|object| !self.scope.admits(object)) {
                    tracing::warn!(
                        namespace = name,
                        kind = resource.kind,
                        name = other.name_any(),
                        "namespace kept, it has objects that the run did not make"
                    );
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What there is of one resource.
    async fn found(&self, resource: &Resource) -> Result<Vec<Item>, KubernetesError> {
        let listed = self.listing.list(resource).await?.into_iter();
        let ours = listed
            .filter(|object| self.scope.admits(object))
            // A namespace is an object of the cluster, so the listing was not confined to ours.
            .filter(|object| {
                let ours = self.listing.namespace;
                *resource != NAMESPACES || ours.is_none_or(|ours| object.name_any() == ours)
            });
        Ok(ours.collect())
    }

    /// Asks for the deletion of what there is of one resource; returns what there was.
    async fn delete(&self, resource: &Resource) -> Result<Vec<Removed>, KubernetesError> {
        let found = self.found(resource).await?;
        stream::iter(&found)
            .filter(|object| std::future::ready(object.metadata.deletion_timestamp.is_none()))
            .map(|object| self.delete_one(resource, object))
            .buffer_unordered(self.listing.caller.concurrency())
            .try_collect::<()>()
            .await?;
        let removed = found.into_iter().map(|object| Removed {
            namespace: object.namespace().unwrap_or_default(),
            kind: resource.kind,
            name: object.name_any(),
        });
        Ok(removed.collect())
    }

    /// Asks for the deletion of one object, as it was listed.
    async fn delete_one(&self, resource: &Resource, object: &Item) -> Result<(), KubernetesError> {
        // Only a Deployment's pods are waited for by the server. Its garbage collector may not run
        // at all, and would then never let go of what is deleted in the foreground.
        let parameters = if *resource == DEPLOYMENTS {
            DeleteParams::foreground()
        } else {
            DeleteParams::background()
        };
        let as_listed = parameters.preconditions(Preconditions {
            uid: object.uid(),
            resource_version: object.resource_version(),
        });
        let caller = self.listing.caller;
        let (kube, kind, name) = (caller.exact(), resource.api(), object.name_any());
        let objects: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(kube, &namespace, &kind),
            None => Api::all_with(kube, &kind),
        };
        let failure = caller.failure("delete", resource.plural, &name);
        match objects.delete(&name, &as_listed).await.map_err(failure) {
            Err(error) if error.is_refused_as("NotFound") => Ok(()),
            // It has changed since, or is another object, or a namespace that is going already: the
            // next listing says which.
            Err(error) if error.is_refused_as("Conflict") => Ok(()),
            answer => answer.map(|_| caller.count_removal()),
        }
    }
}
