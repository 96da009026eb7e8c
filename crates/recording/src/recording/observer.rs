//! The reference observer's own health: how late it was, when it was blind, and whether it agreed
//! with a consistent LIST in the end.

use std::fmt;

use dst_load_scenario::{federation::Site, time::At};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::Histogram;

/// What the observer's lag was measured from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LagSource {
    /// The acknowledgement of a heartbeat EndpointSlice, written once a second.
    Heartbeat,
    /// The acknowledgements of the EndpointSlices that the plan writes.
    OwnWrites,
    /// The first update of a stream that shows a change, if the client writes nothing.
    Evidence,
}

/// How late the observer was within one second, weighted by deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserverLagLine {
    /// What it was measured from.
    pub source: LagSource,
    /// Whether it is the target cluster's observer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub target_cluster: bool,
    /// Of which client, from 0, where several were merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<u32>,
    /// Deliveries counted.
    pub deliveries: u64,
    /// An HDR histogram of microseconds, V2 encoding, base64; absent if it was never late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Histogram>,
}

/// Something that happened to the observer of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserverLine {
    /// When.
    pub at: At,
    /// Whether it is the target cluster's observer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub target_cluster: bool,
    /// Of which client, from 0, where several were merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<u32>,
    /// What.
    #[serde(flatten)]
    pub event: ObserverEvent,
}

/// What happened to an observer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ObserverEvent {
    /// It did not see what is known to have happened.
    Blind {
        /// From when on.
        since: At,
        /// How that is known.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        reason: String,
    },
    /// What it had seen was compared with a consistent LIST over a new connection.
    Verified {
        /// Objects that were compared.
        objects: u64,
        /// Objects that still differed after 5 s: these were taken from the LIST.
        differing: u64,
        /// The first few of them, as text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        differences: Vec<String>,
    },
    /// There was no such LIST to be had.
    Unverified {
        /// Why not.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        reason: String,
    },
}

// === impl LagSource ===

impl fmt::Display for LagSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heartbeat => "the acknowledgements of a heartbeat",
            Self::OwnWrites => "the acknowledgements of this run's own slices",
            Self::Evidence => "the first update of each change at a stream",
        })
    }
}

// === impl ObserverLine ===

impl ObserverLine {
    /// An event of the observer of the cluster at `site`.
    #[must_use]
    pub const fn new(at: At, site: Site, event: ObserverEvent) -> Self {
        Self {
            at,
            target_cluster: matches!(site, Site::Target),
            client: None,
            event,
        }
    }
}
