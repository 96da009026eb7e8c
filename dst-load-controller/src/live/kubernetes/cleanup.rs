//! Taking away what runs made, found by their labels.
//!
//! It deletes nothing that lacks the managed-by label, and pods and slices only when nothing is
//! left that would make them anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use kube::core::{
    Request,
    params::{DeleteParams, ListParams},
};
use serde::Deserialize;

use super::{
    KubernetesError,
    call::{Call, Caller},
    claim::STALE_AFTER,
    objects::{MANAGED_BY, MANAGER, RUN_ID},
    resource::{DEPLOYMENTS, LEASES, NAMESPACES, PODS, Resource, SERVICES, SLICES},
};
use crate::model::time::At;

/// How long objects may take to go: foreground deletion waits for every pod.
const GONE_WITHIN: Duration = Duration::from_secs(120);
/// How often it is looked whether they are gone.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Objects a page of a listing: 25,000 pods at once would be some 75 MB.
const PAGE: u32 = 500;

/// What runs make.
const MAKERS: [Resource; 2] = [DEPLOYMENTS, SERVICES];
/// What the cluster's controllers make of it: gone by themselves, as a rule, once their makers are.
const MADE: [Resource; 2] = [PODS, SLICES];

/// Whose objects are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One run's, with its lease and, if the run made it, its namespace.
    Run(String),
    /// Those of all runs but one; leases and namespaces stay.
    AllBut(String),
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

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMetadata,
    items: Vec<Item>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    more: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    metadata: ItemMetadata,
}

#[derive(Deserialize)]
struct ItemMetadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default, rename = "resourceVersion")]
    version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
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
    let cleanup = Cleanup {
        caller,
        selector: scope.selector(),
        namespace,
    };
    let until = caller.clock().now() + GONE_WITHIN;
    let mut cleaned = Cleaned::default();
    cleanup.clear(&MAKERS, false, until, &mut cleaned).await?;
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

/// The ids of all runs that left something in `namespace` or in any, and whether each is alive:
/// its lease is written within [`STALE_AFTER`], which is how long this takes if there are leases.
///
/// # Errors
///
/// A listing that was refused; namespaces that may not be listed are left out.
pub async fn runs(
    caller: &Caller,
    namespace: Option<&str>,
) -> Result<BTreeMap<String, bool>, KubernetesError> {
    let look = Cleanup {
        caller,
        selector: format!("{MANAGED_BY}={MANAGER}"),
        namespace,
    };
    let mut runs = BTreeMap::new();
    for resource in [&DEPLOYMENTS, &SERVICES, &LEASES, &NAMESPACES] {
        let found = match look.list(resource).await {
            Err(KubernetesError::Forbidden { .. }) if *resource == NAMESPACES => continue,
            found => found?,
        };
        let ids = found.into_iter().filter_map(Item::run_id);
        runs.extend(ids.map(|id| (id, false)));
    }
    let before: BTreeSet<_> = look.versions().await?;
    if before.is_empty() {
        return Ok(runs);
    }
    tokio::time::sleep(STALE_AFTER).await;
    for (id, version) in look.versions().await? {
        let moved = !before.contains(&(id.clone(), version));
        let alive: &mut bool = runs.entry(id).or_default();
        *alive |= moved;
    }
    Ok(runs)
}

struct Cleanup<'a> {
    caller: &'a Caller,
    selector: String,
    namespace: Option<&'a str>,
}

// === impl Scope ===

impl Scope {
    fn selector(&self) -> String {
        match self {
            Self::Run(id) => format!("{MANAGED_BY}={MANAGER},{RUN_ID}={id}"),
            Self::AllBut(id) => format!("{MANAGED_BY}={MANAGER},{RUN_ID}!={id}"),
        }
    }
}

// === impl Cleaned ===

impl fmt::Display for Cleaned {
    /// One line for each kind in each namespace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (verb, objects) in [
            ("removed", &self.removed),
            ("still there:", &self.remaining),
        ] {
            let mut counts = BTreeMap::new();
            for object in objects {
                *counts
                    .entry((&object.namespace, object.kind))
                    .or_insert(0_u64) += 1;
            }
            for ((namespace, kind), count) in counts {
                let plural = if count == 1 { "" } else { "s" };
                match namespace.as_str() {
                    "" => writeln!(f, "{verb} {count} {kind}{plural}")?,
                    namespace => writeln!(f, "{verb} {count} {kind}{plural} in {namespace}")?,
                }
            }
        }
        Ok(())
    }
}

// === impl Item ===

impl Item {
    fn run_id(mut self) -> Option<String> {
        self.metadata.labels.remove(RUN_ID)
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
            if self.caller.clock().now() >= until {
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
                *resource != NAMESPACES || self.namespace.is_none_or(|ours| one.name == ours)
            })
            .collect();
        let foreground = DeleteParams::foreground();
        if *resource == NAMESPACES {
            for Removed { name, .. } in &found {
                let request = Request::new(resource.path(None)).delete(name, &foreground);
                let mut call = Call::new("delete", resource.plural, name, request)?;
                call.conflict_is_final = true;
                match self.caller.call(&call).await.result {
                    Err(error) if error.is_refused_as("NotFound") => {}
                    // A namespace that is already going away says so with a conflict.
                    Err(error) if error.is_refused_as("Conflict") => {}
                    answer => drop(answer?),
                }
            }
            return Ok(found);
        }
        let namespaces: BTreeSet<_> = found.iter().map(|one| one.namespace.as_str()).collect();
        let matching = ListParams::default().labels(&self.selector);
        for namespace in namespaces {
            let request = Request::new(resource.path(Some(namespace)))
                .delete_collection(&foreground, &matching);
            let call = Call::new("deletecollection", resource.plural, "", request)?;
            self.caller.call(&call).await.result?;
        }
        Ok(found)
    }

    /// The leases' run ids, each with the version of its lease.
    async fn versions(&self) -> Result<BTreeSet<(String, String)>, KubernetesError> {
        let leases = self.list(&LEASES).await?.into_iter();
        Ok(leases
            .filter_map(|item| {
                let version = item.metadata.version.clone();
                Some((item.run_id()?, version))
            })
            .collect())
    }

    async fn list(&self, resource: &Resource) -> Result<Vec<Item>, KubernetesError> {
        let namespace = self.namespace.filter(|_| *resource != NAMESPACES);
        let path = Request::new(resource.path(namespace));
        let mut params = ListParams::default().labels(&self.selector).limit(PAGE);
        let mut items = Vec::new();
        loop {
            let call = Call::new("list", resource.plural, "", path.list(&params))?;
            let page: Page = self.caller.fetch(&call).await?;
            items.extend(page.items);
            match page.metadata.more.filter(|more| !more.is_empty()) {
                Some(more) => params = params.continue_token(&more),
                None => return Ok(items),
            }
        }
    }
}
