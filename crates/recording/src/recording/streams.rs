//! What streams did, counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{HeldCounts, ProxyCounts};

/// Under this name [`StreamCounts::errors`] has streams whose connection a limit of our own HTTP/2
/// library ended: the generator lagged behind, whatever the destination did.
pub const OWN_LIMIT: &str = "OwnLimit";

/// The same of streams for which this machine had no socket, or no memory for one.
pub const OWN_SOCKETS: &str = "OwnSockets";

/// Counts of `Get` streams.
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
    #[serde(default, skip_serializing_if = "super::zero::is_zero")]
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
    /// Events of a proxy's own rules.
    #[serde(default, skip_serializing_if = "ProxyCounts::is_zero")]
    pub proxy: ProxyCounts,
    /// What `GetProfile` streams did.
    #[serde(default, skip_serializing_if = "HeldCounts::is_zero")]
    pub profiles: HeldCounts,
    /// What streams of the policy API did.
    #[serde(default, skip_serializing_if = "HeldCounts::is_zero")]
    pub policies: HeldCounts,
    /// What streams of stalled clients did: they are in none of the counts above.
    #[serde(default, skip_serializing_if = "StalledCounts::is_zero")]
    pub stalled: StalledCounts,
}

/// Counts of `Get` streams of clients that do not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StalledCounts {
    /// Streams sent for the first time.
    pub opened: u64,
    /// Streams sent again after they had ended.
    pub reopened: u64,
    /// Bytes of messages that have come as far as this process, read or not, with framing.
    pub bytes: u64,
    /// Streams that the destination ended with status OK, or in an orderly way with their connection.
    pub ended_ok: u64,
    /// Streams that ended with an error, named as those of other streams.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub errors: BTreeMap<String, u64>,
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
        self.policies.absorb(&other.policies);
        self.stalled.absorb(&other.stalled);
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

// === impl StalledCounts ===

impl StalledCounts {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: &Self) {
        self.opened += other.opened;
        self.reopened += other.reopened;
        self.bytes += other.bytes;
        self.ended_ok += other.ended_ok;
        absorb(&mut self.errors, &other.errors);
    }

    /// Streams that are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        let ended = self.ended_ok + self.errors.values().sum::<u64>();
        (self.opened + self.reopened).saturating_sub(ended)
    }
}

/// The errors by these names that are not this tool's.
pub(super) fn foreign(errors: &BTreeMap<String, u64>) -> u64 {
    let own = |name: &str| [OWN_LIMIT, OWN_SOCKETS].contains(&name);
    let foreign = errors.iter().filter(|(name, _)| !own(name));
    foreign.map(|(_, count)| count).sum()
}

/// Adds counts by name to others.
pub fn absorb(into: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    for (name, count) in from {
        *into.entry(name.clone()).or_default() += count;
    }
}
