//! The recording: what a run writes down as it goes, one JSON object a line.
//!
//! A recording proves itself: see [`Chain`]. A line is an API: [`SCHEMA_VERSION`] rises when one changes its meaning. Everything a report
//! says is folded from these lines by [`crate::statistics::Statistics`], so a recording
//! that ends early still yields a report up to its last second. Instants are microseconds since
//! the start of the run; durations end in `_us` or `_seconds`.

mod align;
mod chain;
mod change;
mod client_load;
mod clock;
mod codec;
mod ending;
mod endpoints;
mod header;
mod held;
mod identified;
mod identity;
pub(crate) mod leb128;
mod merge;
mod observer;
mod path;
mod ping;
mod proxies;
pub mod samples;
mod second;
mod streams;
mod target;
#[cfg(test)]
mod tests;
mod times;
mod totals;
mod validate;
mod zero;

use std::cmp::Ordering;

use dst_load_scenario::time::At;
use serde::{Deserialize, Serialize};

pub use self::{
    align::started,
    chain::{Chain, LineText},
    change::ChangeLine,
    client_load::ClientLoad,
    clock::ClockLine,
    codec::{Fault, ReadError, read, write},
    ending::{End, EndStateLine},
    endpoints::EndpointsLine,
    header::{Header, Machine, TargetInfo, TargetKind},
    held::{HeldCounts, HeldKind, KindCounts},
    identified::{IdentifiedLine, Identities},
    identity::{GivenTwice, Identity, each_once, header_of},
    merge::{MergeError, merge},
    observer::{LagSource, ObserverEvent, ObserverLagLine, ObserverLine},
    path::{PathInfo, StalledInfo},
    ping::PingLine,
    proxies::{ProxyCounts, ReplicaInfo, ReplicaLine},
    second::{LatencyLine, Second},
    streams::{OWN_LIMIT, OWN_SOCKETS, StalledCounts, StreamCounts, absorb},
    target::{OverReplicas, SERIES, Series, TargetSample, implausible_count},
    times::StreamTimes,
    totals::Totals,
};
use crate::warning::Warning;

/// The version of the lines' shape.
pub const SCHEMA_VERSION: u32 = 2;

/// Puts the policy controller's lines of an instant behind the target's.
const POLICY: &str = "policy";

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first line: what was run, on what.
    Header(Box<Header>),
    /// The run enters a phase.
    Phase {
        /// When.
        at: At,
        /// The phase.
        phase: Phase,
    },
    /// A cycle starts.
    Cycle {
        /// When, before any jitter.
        at: At,
        /// Which, from 1.
        cycle: u32,
    },
    /// The last cycle ends.
    LastCycleEnds {
        /// When.
        at: At,
        /// Whether it completed; a partial cycle is not judged.
        whole: bool,
    },
    /// A change is closed, with its fan-out.
    Change(ChangeLine),
    /// What happened within one second. A second in which nothing happened has no line.
    Second(Box<Second>),
    /// What the target says of itself.
    Target(TargetSample),
    /// The target could not be asked.
    TargetSilent {
        /// When.
        at: At,
        /// Why.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: String,
    },
    /// What the policy controller says of itself: its CPU, its memory and its start.
    PolicyController(TargetSample),
    /// The policy controller could not be asked.
    PolicyControllerSilent {
        /// When.
        at: At,
        /// Why.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        error: String,
    },
    /// The target was asked whether it lives.
    Ping(PingLine),
    /// What this process has used so far.
    Generator(GeneratorSample),
    /// The churner's clock was compared with this one.
    Clock(ClockLine),
    /// A replica of the destination said whose it is.
    Identified(IdentifiedLine),
    /// Replicas of the destination have come since the start. They are numbered on from those that
    /// were known before.
    Replicas {
        /// When.
        at: At,
        /// The address of each.
        #[serde(deserialize_with = "dst_load_scenario::printable::read")]
        addresses: Vec<String>,
    },
    /// A warning for the reader.
    Warning {
        /// When.
        at: At,
        /// What.
        warning: Warning,
    },
    /// Something happened to the reference observer.
    Observer(ObserverLine),
    /// One Service's streams, checked at the settled end.
    EndState(EndStateLine),
    /// The last line. A recording without it was cut off.
    End(End),
}

/// A phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Services and what backs them are made.
    Preparing,
    /// Streams are opened.
    Opening,
    /// The plan is carried out; its offsets count from here.
    Churning,
    /// What is still on its way is waited for.
    Settling,
    /// What was made is deleted.
    CleaningUp,
}

/// What this process has used so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GeneratorSample {
    /// When.
    pub at: At,
    /// CPU used since the first phase, seconds.
    pub cpu_seconds: f64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
}

// === impl Line ===

impl Line {
    /// What lines of one flush are ordered by: instant, kind, Service, and what tells those apart.
    #[must_use]
    pub fn order(&self) -> (At, u8, &str, &str) {
        match self {
            Self::Header(_) => (At::ZERO, 0, "", ""),
            Self::Phase { at, .. } => (*at, 1, "", ""),
            Self::Cycle { at, .. } => (*at, 2, "", ""),
            Self::LastCycleEnds { at, .. } => (*at, 3, "", ""),
            Self::Change(change) => (change.at, 4, &change.service, &change.object),
            Self::Target(sample) => (sample.at, 5, "", ""),
            Self::TargetSilent { at, .. } => (*at, 5, "", ""),
            Self::PolicyController(sample) => (sample.at, 5, POLICY, ""),
            Self::PolicyControllerSilent { at, .. } => (*at, 5, POLICY, ""),
            Self::Ping(ping) => (ping.at, 5, "", ""),
            Self::Generator(sample) => (sample.at, 6, "", ""),
            Self::Clock(clock) => (clock.at, 6, "", ""),
            Self::Identified(line) => (line.at, 6, "", ""),
            Self::Replicas { at, .. } => (*at, 6, "", ""),
            Self::Warning { at, .. } => (*at, 7, "", ""),
            Self::Observer(line) => (line.at, 7, "", ""),
            Self::Second(second) => (second.at, 8, "", ""),
            Self::EndState(end) => (end.at, 9, &end.service, ""),
            Self::End(end) => (end.at, 10, "", ""),
        }
    }

    /// Compares two lines' places in a recording: by their order, and the end is the last whatever
    /// instants others have.
    #[must_use]
    pub fn compare_places(&self, other: &Self) -> Ordering {
        let is_end = |line: &Self| matches!(line, Self::End(_));
        let ends = is_end(self).cmp(&is_end(other));
        ends.then_with(|| self.order().cmp(&other.order()))
    }
}
