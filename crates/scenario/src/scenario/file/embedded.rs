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
    /// How long a fake pod takes to become ready: one duration, or a minimum and a maximum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pod_start: Key<PodStart>,
    /// How often the EndpointSlice controller writes pending changes. 100ms if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slice_sync: Key<Span>,
    /// Replicas of the reference destination. 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MOST_REPLICAS))]
    pub(super) replicas: Key<u32>,
    /// Injected faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) faults: Key<Vec<FaultItem>>,
}

/// One fault.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Fault")]
pub(super) struct FaultItem {
    /// The kind of fault.
    pub(super) kind: Placed<FaultKind>,
    /// When it begins, from the start of the run; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Key<Span>,
    /// Its duration; until the end if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    pub(super) lasts: Key<Span>,
    /// The share of streams, messages or requests that is affected; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) share: Key<Share>,
    /// The delay, for the kinds that delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delay: Key<Span>,
    /// The replica of the reference destination that has the fault, from 1; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub(super) replica: Key<u32>,
    /// The resource whose watches are affected, for the kinds that affect the observer's watches;
    /// all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resource: Key<WatchedResource>,
}
