//! What the target says of itself, from its own metrics.

use serde::{Deserialize, Serialize};

use crate::model::time::At;

/// What the target says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetSample {
    /// When it was asked.
    pub at: At,
    /// CPU used since the first phase, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Resident memory, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<f64>,
    /// Heap in use (`go_memstats_heap_inuse_bytes`), bytes: what is live, and garbage that has not
    /// been collected yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_bytes: Option<f64>,
    /// When garbage was last collected, seconds since the epoch of the target's own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_seconds: Option<f64>,
    /// Queue overflows so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflows: Option<f64>,
    /// Send timeouts so far, where the build counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_timeouts: Option<f64>,
    /// `destination_endpoint_views_active`, where the build has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views_active: Option<f64>,
    /// When the process started, seconds since the epoch: it changes with a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_seconds: Option<f64>,
    /// `Get` streams that are not this tool's, at a phase's edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_streams: Option<u64>,
    /// `Get` streams of this tool's that were open, at a phase's edge: none before streams are
    /// opened, and none again after all of them have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub our_streams: Option<u64>,
    /// Memory allocated so far, freed or not (`go_memstats_alloc_bytes_total`), bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated_bytes: Option<f64>,
    /// Objects allocated so far, freed or not (`go_memstats_mallocs_total`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocations: Option<f64>,
    /// Goroutines (`go_goroutines`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goroutines: Option<f64>,
    /// The resident memory at which it is killed, where that is known, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<f64>,
}
