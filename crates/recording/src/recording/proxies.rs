//! What is counted because a real proxy would live it: streams that end by a proxy's own limits,
//! and who of several replicas said what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::RecordedLatency;

/// Events of a proxy's own rules. All but the last two are among the streams that were closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProxyCounts {
    /// Streams ended because no item had arrived within 3 s.
    pub first_item_timeouts: u64,
    /// Streams ended because no item had arrived for 5 min.
    pub idle: u64,
    /// Streams ended after 1 h.
    pub expired: u64,
    /// Streams that were refused with a status that a proxy does not retry.
    pub refused: u64,
    /// First messages that were not an `add`, which the protocol requires.
    pub first_not_add: u64,
}

/// A replica of the destination, where there are several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaInfo {
    /// Its address.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub address: String,
    /// Streams that were assigned to it for the whole run. Absent where each stream is balanced
    /// whenever it is opened: then the end state says how many are on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<u64>,
    /// In a merge: whether the client that sampled the target did not know it at its start, so that
    /// the samples lack it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsampled: bool,
}

/// The destination stage of one second's deliveries by one replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaLine {
    /// Its number, from 0: its position among the header's replicas and those that came later.
    pub replica: u32,
    /// How long they took.
    #[serde(flatten)]
    pub latency: RecordedLatency,
}

// === impl ProxyCounts ===

impl ProxyCounts {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another's counts to these.
    pub const fn absorb(&mut self, other: &Self) {
        self.first_item_timeouts += other.first_item_timeouts;
        self.idle += other.idle;
        self.expired += other.expired;
        self.refused += other.refused;
        self.first_not_add += other.first_not_add;
    }
}
