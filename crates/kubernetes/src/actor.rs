//! Acting on Kubernetes: what we make, how it is asked for, and how it is taken away again.
//!
//! Every call goes through the layer of [`dst_load_transport::calls`], which paces, retries, times
//! and counts it: a client whose own retries jitter without a seed would neither be counted nor be
//! the same twice.

mod act;
mod call;
mod claim;
mod cleanup;
mod error;
mod heartbeat;
mod link;
mod listing;
pub mod mock;
pub mod objects;
mod own;
mod owned;
pub mod permissions;
mod reasons;
mod remote;
mod resource;
#[cfg(test)]
mod tests;

pub use dst_load_transport::calls::{KubernetesErrors, Limits};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

pub use self::{
    act::{Acted, Actor, OnSlice},
    call::Caller,
    claim::{Claim, LEASE_DURATION, RENEW_INTERVAL},
    cleanup::{Cleaned, Removed, Scope, cleanup},
    error::{KubernetesError, refused_permission},
    link::{Link, linked},
    listing::runs,
    reasons::{Reason, Reasons, why_not_ready, why_refused},
    remote::{RemoteService, RemoteServiceError, remote_services},
};

/// Who a run is: it is written on every object that the run makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunIdentity {
    /// The run's id: a label value, unique among the runs of a cluster.
    pub id: String,
    /// The scenario's name: a label value.
    pub scenario: String,
}

/// The Pod that all of a run belongs to, in the same namespace: when it goes, Kubernetes' garbage
/// collector takes away what the run had made, whatever became of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerPod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

// === impl OwnerPod ===

impl OwnerPod {
    /// As what belongs to it refers to it.
    fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            ..OwnerReference::default()
        }
    }
}

// === impl RunIdentity ===

/// What the ids of links begin with.
const LINK: &str = "link-";

impl RunIdentity {
    /// Of what links a cluster: it is no run, stays until it is cleaned up, and is found as runs
    /// are.
    #[must_use]
    pub fn of_link(cluster: &str) -> Self {
        Self {
            id: format!("{LINK}{cluster}"),
            scenario: "link".to_owned(),
        }
    }

    /// Whether `id` is that of a link, and not of a run.
    #[must_use]
    pub fn is_link(id: &str) -> bool {
        id.starts_with(LINK)
    }
}
