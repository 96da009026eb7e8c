//! The section `criteria`: what a run is judged by.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Key, placed::Placed};
use crate::model::{
    criteria::Criteria,
    quantity::{Bytes, Cpu, Share, Span},
};

/// What a run is judged by. Absent means not judged.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CriteriaSection {
    /// From the change being visible in Kubernetes to the client: additions and removals each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) update_latency: Key<QuantileSection>,
    /// Every client holds the whole of every change this long after it became visible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) every_client_within: Key<Span>,
    /// From the change's intended instant to the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_to_end: Key<EndToEndSection>,
    /// Deliveries that may never arrive, over all; none where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) never: Key<Share>,
    /// Streams that ended although nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unexpected_resets: Key<u64>,
    /// Streams that the target ended for a full queue, over streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) send_timeout_rate: Key<Share>,
    /// Streams that ended with an error, over streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_rate: Key<Share>,
    /// Updates that changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redundant: Key<u64>,
    /// Deliveries a second, at least, while changes are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0))]
    pub(super) throughput_min: Key<f64>,
    /// What the target may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Key<TargetSection>,
    /// Keys of limits, such as target.viewsActive, that may stay unjudged: without them listed here a
    /// limit that cannot be judged makes the run invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<LimitKey>>")]
    pub(super) optional: Key<Vec<Placed<String>>>,
}

/// Upper limits of a distribution's quantiles.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct QuantileSection {
    /// The median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p50: Key<Span>,
    /// The 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p95: Key<Span>,
    /// The 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p99: Key<Span>,
    /// The 99.9th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p999: Key<Span>,
    /// The largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Key<Span>,
}

/// Upper limits from the intended instant to the client.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct EndToEndSection {
    /// The median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p50: Key<Span>,
    /// The 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p95: Key<Span>,
    /// The 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p99: Key<Span>,
    /// The 99.9th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p999: Key<Span>,
    /// The largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max: Key<Span>,
    /// Every client holds the whole of every change this long after it was intended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) every_client_within: Key<Span>,
}

/// What the target may use.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TargetSection {
    /// Resident memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_max: Key<Bytes>,
    /// Resident memory above the idle baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_spike: Key<Bytes>,
    /// Growth of live heap from the end of cycle 1, a cycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_growth_per_cycle: Key<Share>,
    /// Growth of live heap, an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_growth_per_hour: Key<Share>,
    /// CPU on average over any sampling interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_max: Key<Cpu>,
    /// The exact value of `destination_endpoint_views_active`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) views_active: Key<u64>,
    /// Restarts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restarts: Key<u64>,
}

/// How a schema knows the key of a limit.
#[derive(Clone, Copy, Debug)]
struct LimitKey;

// === impl LimitKey ===

impl JsonSchema for LimitKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LimitKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": Criteria::KEYS})
    }
}
