//! The keys of the embedded sandbox, and of what goes wrong in it.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    check::{Checker, Result},
    either::{Either, PodStart, PodStartRange},
    placed::{Key, Placed, count, key, number, span, value},
    section::sections,
};
use crate::{
    fault::{Fault, FaultKind, WatchedResource},
    quantity::{Millis, NonZeroSpan, Share},
    scenario::Sandbox,
};

/// Kubernetes supports this many Nodes.
const MOST_NODES: u32 = 5_000;

/// More replicas than anybody runs, and few enough for one machine.
const MOST_REPLICAS: u32 = 20;

sections! {
    /// The embedded sandbox's shape.
    SandboxSection: Serialize {
        /// Nodes; clients and pods are spread over them in order. 10 if absent.
        #[schemars(range(max = MOST_NODES))]
        nodes: Key<NonZeroU32>,
        /// Zones; nodes are spread over them in order. 3 if absent.
        zones: Key<NonZeroU32>,
        /// How long a fake pod takes to become ready: one duration, or a minimum and a maximum.
        pod_start: Key<PodStart>,
        /// How often the EndpointSlice controller writes pending changes. 100ms if absent.
        slice_sync: Key<Millis>,
        /// Replicas of the reference destination. 1 if absent.
        #[schemars(range(max = MOST_REPLICAS))]
        replicas: Key<NonZeroU32>,
        /// Injected faults.
        faults: Key<Vec<FaultItem>>,
    }
}

/// One fault.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Fault")]
pub(super) struct FaultItem {
    /// The kind of fault.
    kind: Placed<FaultKind>,
    /// When it begins, from the start of the run; at once if absent.
    at: Key<Millis>,
    /// Its duration; until the end if absent.
    lasts: Key<NonZeroSpan>,
    /// The share of streams, messages or requests that is affected; all if absent.
    share: Key<Share>,
    /// The delay, for the kinds that delay.
    delay: Key<Millis>,
    /// The replica of the reference destination that has the fault, from 1; all if absent.
    replica: Key<NonZeroU32>,
    /// The resource whose watches are affected, for the kinds that affect the observer's watches;
    /// all if absent.
    resource: Key<WatchedResource>,
}

// === impl Checker ===

impl Checker<'_> {
    /// The `sandbox` section.
    pub(super) fn sandbox(&self, section: SandboxSection) -> Result<Sandbox> {
        let default = Sandbox::default();
        let nodes = number(section.nodes).unwrap_or(default.nodes);
        if nodes > MOST_NODES {
            let message =
                format!("{nodes} is more than {MOST_NODES}, the Nodes that Kubernetes supports");
            return Err(self.error(section.nodes, &message));
        }
        let zones = number(section.zones).unwrap_or(default.zones.min(nodes));
        if zones > nodes {
            let message = format!("{zones} is more than the {nodes} Nodes there are to be in them");
            return Err(self.error(section.zones, &message));
        }
        let pod_start = match value(section.pod_start) {
            None => default.pod_start,
            Some(Either::Value(Millis(span))) => (span, span),
            Some(Either::Section(PodStartRange { min, max })) => {
                if min.value > max.value {
                    let at = self.tree.later(min.at, max.at);
                    let message = format!("min {} is more than max {}", min.value, max.value);
                    return Err(self.tree.error(at, &message));
                }
                (min.value.0, max.value.0)
            }
        };
        let replicas = number(section.replicas).unwrap_or(default.replicas);
        if replicas > MOST_REPLICAS {
            let message = format!("{replicas} is more than {MOST_REPLICAS}");
            return Err(self.error(section.replicas, &message));
        }
        let faults = value(section.faults).unwrap_or_default().into_iter();
        Ok(Sandbox {
            nodes,
            zones,
            pod_start,
            slice_sync: section
                .slice_sync
                .map_or(default.slice_sync, |it| it.value.0),
            replicas,
            faults: faults
                .map(|item| self.fault(item, replicas))
                .collect::<Result<_>>()?,
        })
    }

    fn fault(&self, item: FaultItem, replicas: u32) -> Result<Fault> {
        let kind = item.kind.value;
        let replica = number(item.replica);
        if replica.is_some() && !kind.is_of_the_destination() {
            let message = "only faults of the destination strike a replica of it";
            return Err(self.error(item.replica, message));
        }
        if replica.is_some_and(|replica| replica > replicas) {
            let message = format!(
                "there is no such replica; sandbox.replicas is {replicas}, and they count from 1"
            );
            return Err(self.error(item.replica, &message));
        }
        if item.resource.is_some() && !kind.is_of_the_observers_watch() {
            let message = "only faults of the observer's watch strike one resource's";
            return Err(self.error(item.resource, message));
        }
        let delay = value(item.delay).unwrap_or_default().0;
        if kind.delays() && delay.is_zero() {
            let at = item.delay.map_or(item.kind.at, |delay| delay.at);
            let message = "this kind of fault needs a delay of at least 1ms";
            return Err(self.tree.error(at, message));
        }
        let share = value(item.share).unwrap_or(Share(1.0));
        if share.0 > 1.0 {
            return Err(self.error(item.share, &format!("{share} is more than 100%")));
        }
        Ok(Fault {
            kind,
            at: value(item.at).unwrap_or_default().0,
            lasts: span(item.lasts),
            share: share.0,
            delay,
            replica,
            resource: value(item.resource),
        })
    }
}

// === impl SandboxSection ===

impl From<&Sandbox> for SandboxSection {
    fn from(sandbox: &Sandbox) -> Self {
        let (min, max) = sandbox.pod_start;
        Self {
            nodes: count(sandbox.nodes),
            zones: count(sandbox.zones),
            pod_start: key(Either::Section(PodStartRange {
                min: Placed::from(Millis(min)),
                max: Placed::from(Millis(max)),
            })),
            slice_sync: key(Millis(sandbox.slice_sync)),
            replicas: count(sandbox.replicas),
            faults: key(sandbox.faults.iter().map(FaultItem::from).collect()),
        }
    }
}

// === impl FaultItem ===

impl From<&Fault> for FaultItem {
    fn from(fault: &Fault) -> Self {
        Self {
            kind: Placed::from(fault.kind),
            at: key(Millis(fault.at)),
            lasts: fault.lasts.and_then(|it| key(NonZeroSpan(it))),
            share: key(Share(fault.share)),
            delay: key(Millis(fault.delay)),
            replica: fault.replica.and_then(count),
            resource: fault.resource.and_then(key),
        }
    }
}
