//! What happened within one second.

use std::collections::BTreeMap;

use dst_load_oracle::ledger::{Counts, RetainedCounts, UpdateCounts};
use dst_load_scenario::{action::Direction, federation::Via, time::At};
use serde::{Deserialize, Serialize};

use super::{EndpointsLine, ObserverLagLine, ReplicaLine, StreamCounts};
use crate::statistics::{Histogram, RecordedLatency, Stage};

/// What happened within one second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// The second's end.
    pub at: At,
    /// Bytes of messages received, framing not counted.
    pub bytes: u64,
    /// The ledgers' counts.
    pub counts: Counts,
    /// How many messages there were for how many changes; absent in recordings of versions that did
    /// not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<UpdateCounts>,
    /// Counts of `Get` streams.
    pub streams: StreamCounts,
    /// Calls to the Kubernetes API that had to be made again, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub kubernetes_errors: BTreeMap<String, u64>,
    /// Latencies, by cycle, stage and direction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<LatencyLine>,
    /// The destination stage by replica, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaLine>,
    /// How long streams went without the endpoints of a Service that had had none; never, if they had
    /// nothing before the endpoints were gone again, or the run ended. Absent in recordings of
    /// versions that did not measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_endpoint: Option<RecordedLatency>,
    /// The same of those that were between two tries.
    #[serde(
        rename = "between_tries",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub reconnect_gap: Option<RecordedLatency>,
    /// What streams kept while they were opened again, as a proxy's do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<RetainedCounts>,
    /// How late this process's event loop was, weighted by the deliveries it handled meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_lag: Option<Histogram>,
    /// How late the reference observers were, weighted by deliveries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observer_lag: Vec<ObserverLagLine>,
    /// Streams open at its end.
    pub streams_active: u64,
    /// How many endpoints there are at its end, where that differs from what was last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<EndpointsLine>,
}

/// A histogram of one second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyLine {
    /// The cycle of the changes.
    pub cycle: u32,
    /// The stage.
    pub stage: Stage,
    /// The direction.
    pub direction: Direction,
    /// By which way they came; absent where there is one cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// How long they took.
    #[serde(flatten)]
    pub latency: RecordedLatency,
}
