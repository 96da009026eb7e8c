//! A closed change, with its fan-out.

use dst_load_oracle::ledger::ClosedChange;
use dst_load_scenario::{action::Direction, time::At};
use serde::{Deserialize, Serialize};

use super::StreamTimes;

/// A closed change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeLine {
    /// When it became visible.
    pub at: At,
    /// The Service's name.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub service: String,
    /// The uid of the object whose event made it.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub object: String,
    /// The object's resourceVersion.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub resource_version: String,
    /// Whether endpoints were added or removed.
    pub direction: Direction,
    /// The cycle.
    pub cycle: u32,
    /// When the action that caused it was intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended: Option<At>,
    /// Number of endpoints.
    pub endpoints: u32,
    /// Streams that should receive it.
    pub audience: u32,
    /// Streams that held the whole of it by the deadline.
    pub known: u32,
    /// Streams that did not.
    pub never: u32,
    /// Streams that closed before.
    pub left: u32,
    /// Streams for which a later change overtook it.
    pub superseded: u32,
    /// From the start of the destination stage until the first stream received it, microseconds.
    pub first_us: Option<u64>,
    /// Until half of the audience that stayed received it; absent if that never happened.
    pub p50_us: Option<u64>,
    /// Until 95 % received it.
    pub p95_us: Option<u64>,
    /// Until 99 % received it.
    pub p99_us: Option<u64>,
    /// Until the last stream that ever received it.
    pub last_us: Option<u64>,
    /// How long each of those took, where replicas are to be merged exactly: ascending
    /// microseconds, as base64 of their differences in LEB128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<StreamTimes>,
}

// === impl ChangeLine ===

impl ChangeLine {
    /// The line for a closed change of `service`.
    #[must_use]
    pub fn new(service: &str, change: &ClosedChange) -> Self {
        let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        let quantile = |q| change.quantile(q).map(micros);
        Self {
            at: change.visible,
            service: service.to_owned(),
            object: change.id.object.to_string(),
            resource_version: change.id.resource_version.to_string(),
            direction: change.id.direction,
            cycle: change.cycle,
            intended: change.intended,
            endpoints: change.endpoints,
            audience: change.audience,
            known: u32::try_from(change.known.len()).unwrap_or(u32::MAX),
            never: change.never,
            left: change.left,
            superseded: change.superseded,
            first_us: change.known.first().copied().map(micros),
            p50_us: quantile(0.5),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            last_us: change.known.last().copied().map(micros),
            times: None,
        }
    }

    /// The same with the time of each stream, which lets it be merged exactly with others'.
    #[must_use]
    pub fn with_times(mut self, change: &ClosedChange) -> Self {
        let micros = |d: &std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        self.times = Some(StreamTimes::pack(change.known.iter().map(micros)));
        self
    }
}
