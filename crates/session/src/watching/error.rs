//! Why a session ends early.

use std::time::Duration;

use dst_load_destination::{fleet::FleetError, target::Endangered};
use dst_load_kubernetes::{
    actor::{KubernetesError, Reasons},
    observer::WatchError,
};

use crate::recorder::RecordError;

/// Why a session ended early.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Kubernetes refused, or cannot be reached.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// The observer cannot watch.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The streams cannot be opened.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Kubernetes did not make what it was asked for.
    #[error(
        "only {made} of {wanted} endpoints were ready after {}s{}", .after.as_secs(),
        why_not_made(.reasons, *.deployments)
    )]
    NotMade {
        /// Endpoints seen.
        made: u64,
        /// Endpoints asked for.
        wanted: u64,
        /// For how long they were waited for.
        after: Duration,
        /// Whether others were to make them.
        deployments: bool,
        /// Why they are not ready, as the cluster says.
        reasons: Reasons,
    },
    /// Not every stream has received its snapshot.
    #[error(
        "only {held} of {all} streams had received a snapshot after {}s{}", .after.as_secs(),
        .refusal.as_ref().map(|said| format!("; the destination said {said}")).unwrap_or_default()
    )]
    NotServed {
        /// Streams that had.
        held: usize,
        /// Streams in all.
        all: usize,
        /// For how long they were waited for.
        after: Duration,
        /// The last refusal that was tried again, in the destination's words.
        refusal: Option<String>,
    },
    /// It would have harmed its target, or others who use that.
    #[error(transparent)]
    Endangered(#[from] Endangered),
    /// The recording cannot be written.
    #[error(transparent)]
    Recording(#[from] RecordError),
}

fn why_not_made(reasons: &Reasons, deployments: bool) -> String {
    if !reasons.is_empty() {
        format!(": {reasons}")
    } else if deployments {
        ": is something there to make pods of Deployments?".to_owned()
    } else {
        String::new()
    }
}
