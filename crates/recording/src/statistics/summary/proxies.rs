//! What belongs to a proxy's life besides its `Get` streams, and to several replicas.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    recording::{HeldCounts, HeldKind, KindCounts},
    statistics::fold::Target,
};

/// Counts of streams that are held beside `Get` streams. None of them counts as latency, and none is
/// judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldStreams {
    /// Streams that were requested: for each `Get` stream one about its Service's ClusterIP, if it
    /// has one, and of `GetProfile` one about the address of an endpoint, once it has one; for each
    /// client those about its own Services and its own pod.
    pub requested: u64,
    /// Streams among them that were opened.
    pub opened: u64,
    /// Streams that were reopened.
    pub reopened: u64,
    /// Messages received.
    pub messages: u64,
    /// Streams that ended with an error, by gRPC code.
    pub errors: BTreeMap<String, u64>,
    /// Streams that were unexpectedly closed.
    pub unexpected_resets: u64,
    /// Attempts that failed to make a connection of their own.
    #[serde(default)]
    pub connection_errors: u64,
    /// The same by what they are about; empty if the recording is older than these counts.
    #[serde(default)]
    pub kinds: BTreeMap<HeldKind, KindCounts>,
}

/// What the policy controller used, where its metrics were read. None of it is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyController {
    /// CPU from the first sample to the last; null if it does not say, or there was only one.
    pub cpu_seconds: Option<f64>,
    /// The most cores used between two samples, on average.
    pub cpu_max_cores: Option<f64>,
    /// The largest resident memory.
    pub peak_rss_bytes: Option<u64>,
    /// Detected restarts.
    pub restarts: u64,
    /// Samples taken.
    pub samples: u64,
    /// Failed scrapes.
    pub silent: u64,
    /// Why the last of them failed.
    pub silent_reason: Option<String>,
}

/// Endpoints that streams kept while they were opened again. Nobody sent them wrongly, so they are not
/// among what is stale under `correctness`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retained {
    /// Times that a stream ended while it had endpoints, and kept them.
    pub kept: u64,
    /// Times among them that some were no longer promised before the stream had others.
    pub streams: u64,
    /// Streams that still kept such endpoints at the end.
    pub streams_at_end: u64,
    /// Time for which endpoints were kept after their removal, summed over (stream, endpoint) pairs.
    pub stale_endpoint_seconds: f64,
    /// The longest time for one of them.
    pub longest_seconds: f64,
}

/// One of several replicas of the destination. Its latency is the destination stage's, additions
/// and removals together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replica {
    /// Its address.
    pub address: String,
    /// Streams on it at the end; null in a run that was cut off before.
    pub streams: Option<u64>,
    /// Its deliveries, including those never delivered.
    pub deliveries: u64,
    /// Deliveries that had not arrived by the deadline.
    pub never: u64,
    /// The median.
    pub p50_seconds: Option<f64>,
    /// The 99th percentile.
    pub p99_seconds: Option<f64>,
    /// The smallest quantile that is only a lower bound.
    pub censored_from: Option<String>,
    /// Streams on it with other endpoints than promised at the end.
    pub streams_wrong: u64,
}

// === impl HeldStreams ===

impl HeldStreams {
    /// What these counts say; `None` if nothing was to be held.
    pub(in crate::statistics) fn of(counts: &HeldCounts) -> Option<Self> {
        (counts.requested > 0).then(|| Self {
            requested: counts.requested,
            opened: counts.opened,
            reopened: counts.reopened,
            messages: counts.messages,
            errors: counts.errors.clone(),
            unexpected_resets: counts.unexpected_resets(),
            connection_errors: counts.unconnected,
            kinds: counts.kinds.clone(),
        })
    }

    /// Whether a stream of this kind was opened, and the server implements its method.
    #[must_use]
    pub fn holds(&self, kind: HeldKind) -> bool {
        let counts = self.kinds.get(&kind);
        counts.is_some_and(|it| it.opened > 0 && !it.is_unimplemented())
    }
}

// === impl PolicyController ===

impl PolicyController {
    /// What its samples say; `None` if it was never asked.
    pub(in crate::statistics) fn of(samples: Target) -> Option<Self> {
        let asked = samples.samples + samples.silent > 0;
        asked.then(|| Self {
            // Of one sample, the difference to itself.
            cpu_seconds: samples.cpu_seconds.filter(|_| samples.samples > 1),
            cpu_max_cores: samples.cpu_max_cores,
            peak_rss_bytes: samples.peak_rss_bytes,
            restarts: samples.restarts,
            samples: samples.samples,
            silent: samples.silent,
            silent_reason: samples.silent_reason,
        })
    }
}

// === impl Replica ===

impl Replica {
    /// Whether the 99th percentile is only a lower bound.
    #[must_use]
    pub fn is_censored(&self) -> bool {
        matches!(self.censored_from.as_deref(), Some("p50" | "p95" | "p99"))
    }
}
