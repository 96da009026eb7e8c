//! Finding what runs made, and whether they are alive. It changes nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, ResourceExt as _,
    core::{DynamicObject, ObjectList, PartialObjectMeta, Request, params::ListParams},
};
use serde::de::DeserializeOwned;

use super::{
    KubernetesError,
    call::Caller,
    claim::{LEASE_DURATION, LeaseRecord},
    objects::{MANAGED_BY, MANAGER, RUN_ID},
    resource::{DEPLOYMENTS, LEASES, NAMESPACES, Resource, SECRETS, SERVICES},
};

/// Objects a page.
const PAGE: u32 = 500;

/// How kube makes the request of a list: of whole objects, or of their metadata.
type ListRequest =
    fn(&Request, &ListParams) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// Where to look, and for what.
pub(super) struct Listing<'a> {
    pub(super) caller: &'a Caller,
    pub(super) selector: String,
    /// All namespaces if not given.
    pub(super) namespace: Option<&'a str>,
}

/// What every object has, of whichever kind. Nothing else is read or sent: 25,000 pods would be
/// some 75 MB.
pub(super) type Item = PartialObjectMeta<DynamicObject>;

/// The ids of all runs that left something in `namespace` or in any, and whether each is alive:
/// its lease is renewed within [`LEASE_DURATION`], which is how long this takes if there are leases.
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
                        || namespace.is_none_or(|asked| item.name_any() == asked)
                })
                .filter_map(|item| run_id(&item))
                .map(|id| (id, false)),
        );
    }
    let before = look.leases().await?;
    if before.is_empty() {
        return Ok(runs);
    }
    tokio::time::sleep(LEASE_DURATION).await;
    for lease in look.leases().await? {
        let renewed = !before.contains(&lease);
        let alive: &mut bool = runs.entry(lease.0).or_default();
        *alive |= renewed;
    }
    Ok(runs)
}

/// The id of the run that made an object, if a run of this tool did.
pub(super) fn run_id(object: &Item) -> Option<String> {
    let labels = object.labels();
    let managed = labels.get(MANAGED_BY).is_some_and(|it| it == MANAGER);
    labels.get(RUN_ID).filter(|_| managed).cloned()
}

// === impl Listing ===

impl Listing<'_> {
    /// The metadata of all objects of one resource.
    pub(super) async fn list(&self, resource: &Resource) -> Result<Vec<Item>, KubernetesError> {
        self.pages(resource, None, Request::list_metadata).await
    }

    /// The first `pages` pages of objects of one resource, as a `T` each: what the caller reads of
    /// an object is often a small part.
    pub(super) async fn list_pages<T: Clone + DeserializeOwned>(
        &self,
        resource: &Resource,
        pages: usize,
    ) -> Result<Vec<T>, KubernetesError> {
        self.pages(resource, Some(pages), Request::list).await
    }

    /// Which kinds are listed is data here, and so is the path; kube makes the request and decodes
    /// the answer.
    async fn pages<T: Clone + DeserializeOwned>(
        &self,
        resource: &Resource,
        pages: Option<usize>,
        list: ListRequest,
    ) -> Result<Vec<T>, KubernetesError> {
        let kube = self.caller.kube();
        // Namespaces are objects of the cluster.
        let namespace = self.namespace.filter(|_| *resource != NAMESPACES);
        let path = Request::new(resource.path(namespace));
        let first = ListParams::default().labels(&self.selector);
        let mut params = first.clone().limit(PAGE);
        let mut items = Vec::new();
        let mut read = 0;
        loop {
            let page = async {
                let request = list(&path, &params).map_err(kube::Error::BuildRequest)?;
                kube.request::<ObjectList<T>>(request).await
            };
            let failure = self.caller.failure("list", resource.plural, "");
            let page = match page.await.map_err(failure) {
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
            match page.metadata.continue_.filter(|more| !more.is_empty()) {
                Some(_) if pages.is_some_and(|pages| read >= pages) => return Ok(items),
                Some(more) => params = params.continue_token(&more),
                None => return Ok(items),
            }
        }
    }

    /// The run ids of the leases, each with what tells that it was renewed.
    async fn leases(&self) -> Result<Vec<(String, LeaseRecord)>, KubernetesError> {
        let kube = self.caller.kube();
        let leases: Api<Lease> = match self.namespace {
            Some(namespace) => Api::namespaced(kube, namespace),
            None => Api::all(kube),
        };
        let params = ListParams::default().labels(&self.selector);
        let listed = leases.list(&params).await;
        let listed = listed.map_err(self.caller.failure("list", LEASES.plural, ""))?;
        let held = listed.items.into_iter().filter_map(|lease| {
            let run = lease.labels().get(RUN_ID)?.clone();
            Some((run, LeaseRecord::of(&lease)))
        });
        Ok(held.collect())
    }
}
