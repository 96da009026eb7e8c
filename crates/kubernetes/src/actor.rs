//! Acting on Kubernetes: what we make, how it is asked for, and how it is taken away again.
//!
//! Calls are paced, retried and counted here and nowhere else: a client whose own retries jitter
//! without a seed would neither be counted nor be the same twice.

mod act;
mod answer;
mod call;
mod claim;
mod cleaned;
mod cleanup;
mod error;
mod heartbeat;
mod link;
mod listing;
#[cfg(any(test, feature = "test-util"))]
pub mod mock;
pub mod objects;
mod own;
mod owned;
pub mod permissions;
mod rate;
mod reasons;
mod resource;
mod standing;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, time::Duration};

pub use self::answer::refused_permission;
pub use self::{
    act::{Acted, Actor, OnSlice},
    call::Caller,
    claim::{Claim, HEARTBEAT_EVERY, STALE_AFTER},
    cleaned::{Cleaned, Removed},
    cleanup::{Scope, cleanup},
    error::{KubernetesError, KubernetesErrors},
    link::{Link, linked},
    listing::runs,
    reasons::{Reason, Reasons, why_not_ready, why_refused},
    standing::{StandingError, Stood, standing},
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

/// How hard the API server may be pressed, and how long it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second in the long run.
    pub qps: NonZeroU32,
    /// Requests that may be sent at once after a rest.
    pub burst: NonZeroU32,
    /// Requests that wait for an answer at any one time.
    pub concurrency: usize,
    /// How often one request is sent before it is given up.
    pub attempts: NonZeroU32,
    /// How long one attempt may take, its answer's body included.
    pub timeout: Duration,
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

// === impl Limits ===

impl Default for Limits {
    /// 500 requests a second is far above what controllers then follow, so the plan's own rate
    /// holds; 64 at once is below the default seat count of one API server.
    fn default() -> Self {
        Self {
            qps: NonZeroU32::new(500).expect("invariant: 500 is not zero"),
            burst: NonZeroU32::new(1_000).expect("invariant: 1000 is not zero"),
            concurrency: 64,
            attempts: NonZeroU32::new(10).expect("invariant: 10 is not zero"),
            timeout: Duration::from_secs(30),
        }
    }
}
