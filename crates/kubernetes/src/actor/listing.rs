//! Finding what runs made, and whether they are alive. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Request, params::ListParams};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    KubernetesError,
    call::{Call, Caller},
    claim::STALE_AFTER,
    objects::{MANAGED_BY, MANAGER, RUN_ID},
    resource::{DEPLOYMENTS, LEASES, NAMESPACES, Resource, SECRETS, SERVICES},
};

/// Objects a page: 25,000 pods at once would be some 75 MB.
const PAGE: u32 = 500;

/// Where to look, and for what.
pub(super) struct Listing<'a> {
    pub(super) caller: &'a Caller,
    pub(super) selector: String,
    /// All namespaces if not given.
    pub(super) namespace: Option<&'a str>,
}

/// What every object has, as far as we read it.
#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) namespace: String,
    #[serde(default)]
    pub(super) uid: String,
    #[serde(default)]
    pub(super) resource_version: String,
    /// When it was asked to go, if it was.
    #[serde(default)]
    pub(super) deletion_timestamp: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMetadata,
    items: Vec<T>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    more: Option<String>,
}

/// The ids of all runs that left something in `namespace` or in any, and whether each is alive:
/// its lease is written within [`STALE_AFTER`], which is how long this takes if there are leases.
///
/// # Errors
///
/// A listing that was refused; namespaces and Secrets that may not be listed are left out.
pub async fn runs(
    caller: &Caller,
    namespace: Option<&str>,
) -> Result<BTreeMap<String, bool>, KubernetesError> {
    let look = Listing {
        caller,
        selector: format!("{MANAGED_BY}={MANAGER}"),
        namespace,
    };
    let mut runs = BTreeMap::new();
    for resource in [&DEPLOYMENTS, &SERVICES, &LEASES, &NAMESPACES, &SECRETS] {
        let dispensable = [NAMESPACES, SECRETS].contains(resource);
        let found = match look.list(resource).await {
            Err(KubernetesError::Forbidden { .. }) if dispensable => continue,
            found => found?,
        };
        runs.extend(
            found
                .into_iter()
                // Namespaces are listed in all the cluster: others are nobody's we asked about.
                .filter(|item| {
                    *resource != NAMESPACES
                        || namespace.is_none_or(|asked| item.metadata.name == asked)
                })
                .filter_map(|item| item.metadata.run_id())
                .map(|id| (id, false)),
        );
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

// === impl Listing ===

impl Listing<'_> {
    /// All objects of one resource.
    pub(super) async fn list(&self, resource: &Resource) -> Result<Vec<Item>, KubernetesError> {
        self.list_pages(resource, None).await
    }

    /// The first `pages` pages of objects of one resource, or all of them, as a `T` each.
    pub(super) async fn list_pages<T: DeserializeOwned>(
        &self,
        resource: &Resource,
        pages: Option<usize>,
    ) -> Result<Vec<T>, KubernetesError> {
        // Namespaces are objects of the cluster.
        let namespace = self.namespace.filter(|_| *resource != NAMESPACES);
        let path = Request::new(resource.path(namespace));
        let first = ListParams::default().labels(&self.selector);
        let mut params = first.clone().limit(PAGE);
        let mut items = Vec::new();
        let mut read = 0;
        loop {
            let call = Call::new("list", resource.plural, "", path.list(&params))?;
            let page: Page<T> = match self.caller.fetch(&call).await {
                // The pages' snapshot was compacted away: all at once, then.
                Err(error) if error.is_refused_as("Expired") && params.limit.is_some() => {
                    items.clear();
                    params = first.clone();
                    continue;
                }
                page => page?,
            };
            items.extend(page.items);
            read += 1;
            match page.metadata.more.filter(|more| !more.is_empty()) {
                Some(_) if pages.is_some_and(|pages| read >= pages) => return Ok(items),
                Some(more) => params = params.continue_token(&more),
                None => return Ok(items),
            }
        }
    }

    /// The leases' run ids, each with the version of its lease.
    async fn versions(&self) -> Result<BTreeSet<(String, String)>, KubernetesError> {
        let leases = self.list(&LEASES).await?.into_iter();
        Ok(leases
            .filter_map(|item| {
                let version = item.metadata.resource_version.clone();
                Some((item.metadata.run_id()?, version))
            })
            .collect())
    }
}

// === impl Metadata ===

impl Metadata {
    /// The id of the run that made it, if a run of this tool did.
    pub(super) fn run_id(&self) -> Option<String> {
        let managed = self.labels.get(MANAGED_BY).is_some_and(|it| it == MANAGER);
        self.labels.get(RUN_ID).filter(|_| managed).cloned()
    }
}
