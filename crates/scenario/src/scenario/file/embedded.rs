//! The keys of the embedded sandbox, and of what goes wrong in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Key, Placed,
    check::{MOST_NODES, MOST_REPLICAS},
    either::PodStart,
};
use crate::{
    fault::{FaultKind, WatchedResource},
    quantity::{NonZeroSpan, Share, Span},
};

/// The embedded sandbox's shape.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SandboxSection {
    /// Nodes; clients and pods are spread over them in order. 10 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MOST_NODES))]
    pub(super) nodes: Key<u32>,
    /// Zones; nodes are spread over them in order. 3 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub(super) zones: Key<u32>,
    /// How long a fake pod takes to become ready: one duration, or a least and a most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pod_start: Key<PodStart>,
    /// How often the EndpointSlice controller writes what has gathered. 100ms if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slice_sync: Key<Span>,
    /// Replicas of the reference destination. 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MOST_REPLICAS))]
    pub(super) replicas: Key<u32>,
    /// What goes wrong on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) faults: Key<Vec<FaultItem>>,
}

/// One fault.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Fault")]
pub(super) struct FaultItem {
    /// What goes wrong.
    pub(super) kind: Placed<FaultKind>,
    /// From when on, counted from the start of the run; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Key<Span>,
    /// For how long; until the end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    pub(super) lasts: Key<Span>,
    /// Which share of streams, messages or requests is struck; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) share: Key<Share>,
    /// By how much, for the kinds that delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delay: Key<Span>,
    /// Which replica of the reference destination does wrong, from 1; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub(super) replica: Key<u32>,
    /// The observer's watches of which resource are struck, for the kinds that strike those; all if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resource: Key<WatchedResource>,
}
