//! The recording: what a run writes down as it goes, one JSON object a line.
//!
//! A recording proves itself: see [`Chain`]. A line is an API: [`SCHEMA_VERSION`] rises when one changes its meaning. Everything a report
//! says is folded from these lines by [`crate::statistics::Statistics`], so a recording
//! that ends early still yields a report up to its last second. Instants are microseconds since
//! the start of the run; durations end in `_us` or `_seconds`.

mod align;
mod chain;
mod clock;
mod codec;
mod endpoints;
mod identified;
mod identity;
pub(crate) mod leb128;
mod lines;
mod merge;
mod observer;
mod ping;
mod proxies;
#[cfg(any(test, feature = "test-util"))]
pub mod samples;
mod target;
#[cfg(test)]
mod tests;
mod times;
mod totals;
mod validate;

use std::{cmp::Ordering, collections::BTreeMap};

use dst_load_oracle::{ledger::Counts, promise::Unjudged};
use dst_load_scenario::{action::Direction, federation::Via, flags::Flags, time::At};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    align::started,
    chain::{Chain, LineText},
    clock::ClockLine,
    codec::{Fault, ReadError, read, write},
    endpoints::EndpointsLine,
    identified::{IdentifiedLine, Identities},
    identity::{GivenTwice, Identity, each_once, header_of},
    merge::{MergeError, merge},
    observer::{LagSource, ObserverEvent, ObserverLagLine, ObserverLine},
    ping::PingLine,
    proxies::{ProfileCounts, ProxyCounts, ReplicaInfo, ReplicaLine},
    target::{TargetSample, implausible},
    times::StreamTimes,
    totals::Totals,
};
use crate::{
    statistics::{Histogram, RecordedLatency, Stage},
    warning::Warning,
};

/// The version of the lines' shape.
pub const SCHEMA_VERSION: u32 = 2;

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
        /// Which.
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
        /// Whether it ran its whole course; a partial cycle is not judged.
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
    /// The target was asked whether it lives.
    Ping(PingLine),
    /// What this process has used so far.
    Generator(GeneratorSample),
    /// The acting half's clock was compared with this one.
    Clock(ClockLine),
    /// A replica of the destination said whose it is.
    Identified(IdentifiedLine),
    /// Something the reader must know.
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

/// What was run, on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// This tool's version.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub tool_version: String,
    /// This tool's commit.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub commit: String,
    /// The run's id, which every object it made in Kubernetes carries.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub run_id: String,
    /// What tells this recording from every other, and whose it is.
    #[serde(default, skip_serializing_if = "Identity::is_unknown")]
    pub identity: Identity,
    /// The scenario's name.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub name: String,
    /// The scenario's seed.
    pub seed: u64,
    /// The scenario as it was understood, in the shape of its file.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub scenario: serde_json::Value,
    /// Streams to be opened.
    pub streams_requested: u64,
    /// What was measured.
    pub target: TargetInfo,
    /// Whether time was virtual.
    pub virtual_time: bool,
    /// The namespace that was churned.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub namespace: String,
    /// The name by which the churned cluster is linked, where that is another than the clients'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub linked_cluster: Option<String>,
    /// An update that takes longer has never arrived, seconds.
    pub deadline_seconds: f64,
    /// When the run started, RFC 3339; absent in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub started: Option<String>,
    /// Where it ran; absent in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// The latency of the tool's own reference destination on this machine (the median over
    /// deliveries), seconds: no smaller latency can be distinguished from that of the tool itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_seconds: Option<f64>,
    /// The replicas of the destination, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ReplicaInfo>,
    /// Where the target's metrics are read, of several replicas each, as given or found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub metrics: Vec<String>,
    /// Where they were looked for and not found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub metrics_sought: Vec<String>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// Whose controller it is.
    pub kind: TargetKind,
    /// Its version, where it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub version: Option<String>,
    /// Whether streams went through a port-forward.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    /// Its flags that change what it promises, as far as they were known; `None` in recordings
    /// that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<Flags>,
}

/// Whose controller was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// The sandbox's own: the run was a self-test.
    Reference,
    /// Linkerd's.
    Linkerd,
}

/// Where a run ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// CPUs this process may use.
    pub cpus: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Operating system and architecture.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub system: String,
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
    /// Whether endpoints appeared or went.
    pub direction: Direction,
    /// The cycle.
    pub cycle: u32,
    /// When the action that caused it was intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended: Option<At>,
    /// Endpoints it concerns.
    pub endpoints: u32,
    /// Streams that were to learn of it.
    pub audience: u32,
    /// Streams that held the whole of it by the deadline.
    pub known: u32,
    /// Streams that did not.
    pub never: u32,
    /// Streams that closed before.
    pub left: u32,
    /// Streams for which a later change overtook it.
    pub superseded: u32,
    /// From the start of the destination stage until the first stream knew, microseconds.
    pub first_us: Option<u64>,
    /// Until half of the audience that stayed knew; absent if that was never so.
    pub p50_us: Option<u64>,
    /// Until 95 % knew.
    pub p95_us: Option<u64>,
    /// Until 99 % knew.
    pub p99_us: Option<u64>,
    /// Until the last of those that ever knew.
    pub last_us: Option<u64>,
    /// How long each of those took, where replicas are to be merged exactly: ascending
    /// microseconds, as base64 of their differences in LEB128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<StreamTimes>,
}

/// What happened within one second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// The second's end.
    pub at: At,
    /// Bytes of messages received, framing not counted.
    pub bytes: u64,
    /// The ledgers' counts.
    pub counts: Counts,
    /// What streams did.
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
    /// How long streams that were between two tries went without the endpoints of a Service that had
    /// had none; never, if they had nothing before the endpoints were gone again, or the run ended.
    #[serde(
        rename = "between_tries",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub reconnect_gap: Option<RecordedLatency>,
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

/// Under this name [`StreamCounts::errors`] has streams whose connection a limit of our own HTTP/2
/// library ended: the generator lagged behind, whatever the destination did.
pub const OWN_LIMIT: &str = "OwnLimit";

/// The same of streams for which this machine had no socket, or no memory for one.
pub const OWN_SOCKETS: &str = "OwnSockets";

/// What streams did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCounts {
    /// Streams sent for the first time.
    pub opened: u64,
    /// Streams sent again after they had ended.
    pub reopened: u64,
    /// First messages received.
    pub snapshots: u64,
    /// Streams we closed because the scenario asked for it, or a proxy's limit.
    pub closed: u64,
    /// Streams that ended with status OK although we had not asked for it.
    pub ended_ok: u64,
    /// Streams that the server ended on a connection for which it had sent GOAWAY(NO_ERROR): with
    /// status OK, or without having processed the request.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drained: u64,
    /// Streams that ended with an error, by the gRPC code that the server sent, or by what
    /// happened on the wire; or by [`OWN_LIMIT`] or [`OWN_SOCKETS`], which are no errors of the
    /// destination's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub errors: BTreeMap<String, u64>,
    /// `NotFound` answers to a new stream, which is sent again.
    pub not_found: u64,
    /// Connections that failed, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub connection_errors: BTreeMap<String, u64>,
    /// Where a proxy's own rules decided.
    #[serde(default, skip_serializing_if = "ProxyCounts::is_zero")]
    pub proxy: ProxyCounts,
    /// What `GetProfile` streams did.
    #[serde(default, skip_serializing_if = "ProfileCounts::is_zero")]
    pub profiles: ProfileCounts,
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

/// One Service's streams at the settled end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndStateLine {
    /// When they were checked.
    pub at: At,
    /// The Service's name.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub service: String,
    /// Streams that were open, and so could be checked.
    pub streams_checked: u64,
    /// Streams among them that hold other than they were promised.
    pub streams_wrong: u64,
    /// Streams that were closed.
    pub streams_unchecked: u64,
    /// (stream, endpoint) pairs promised and not held.
    pub missing: u64,
    /// (stream, endpoint) pairs held, and no longer promised.
    pub stale: u64,
    /// (stream, endpoint) pairs held that were never promised.
    pub unexpected: u64,
    /// Time the stale ones have been held, seconds.
    pub stale_seconds: f64,
    /// The first few wrong ones, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub examples: Vec<String>,
    /// Wrong streams by replica, where there are several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wrong_by_replica: BTreeMap<u32, u64>,
    /// Why streams of the Service could not be judged, if some could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<Unjudged>,
    /// Streams that could not be judged.
    #[serde(default, skip_serializing_if = "lines::is_zero")]
    pub streams_unjudged: u64,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: At,
    /// Whether a signal ended the run before its plan did.
    pub interrupted: bool,
    /// What ended the run, if it was neither the plan nor a signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub error: Option<String>,
    /// Whether that was to spare the target, or others who use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spared: bool,
    /// What the lines before add up to; in every recording that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
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
            Self::Ping(ping) => (ping.at, 5, "", ""),
            Self::Generator(sample) => (sample.at, 6, "", ""),
            Self::Clock(clock) => (clock.at, 6, "", ""),
            Self::Identified(line) => (line.at, 6, "", ""),
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

// === impl StreamCounts ===

impl StreamCounts {
    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: &Self) {
        self.opened += other.opened;
        self.reopened += other.reopened;
        self.snapshots += other.snapshots;
        self.closed += other.closed;
        self.ended_ok += other.ended_ok;
        self.drained += other.drained;
        self.not_found += other.not_found;
        absorb(&mut self.errors, &other.errors);
        absorb(&mut self.connection_errors, &other.connection_errors);
        self.proxy.absorb(&other.proxy);
        self.profiles.absorb(&other.profiles);
    }

    /// Streams that ended although nobody here asked for it.
    #[must_use]
    pub fn unexpected_resets(&self) -> u64 {
        self.ended_ok + self.foreign_errors()
    }

    /// Streams that ended with an error that is not this tool's.
    #[must_use]
    pub fn foreign_errors(&self) -> u64 {
        foreign(&self.errors)
    }
}

/// The errors by these names that are not this tool's.
fn foreign(errors: &BTreeMap<String, u64>) -> u64 {
    let own = |name: &str| [OWN_LIMIT, OWN_SOCKETS].contains(&name);
    let foreign = errors.iter().filter(|(name, _)| !own(name));
    foreign.map(|(_, count)| count).sum()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Adds counts by name to others.
pub fn absorb(into: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    for (name, count) in from {
        *into.entry(name.clone()).or_default() += count;
    }
}
