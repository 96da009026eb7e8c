//! What is counted of the streams that a proxy holds beside `Get`. None of it is judged.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{absorb, streams::foreign, zero::is_zero};

/// What a stream beside `Get` is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HeldKind {
    /// `GetProfile` of a Service's ClusterIP, as an outbound proxy asks.
    Service,
    /// `GetProfile` of an endpoint's address, as an outbound proxy asks.
    Endpoint,
    /// `GetProfile` of a Service's name, as an inbound proxy and a gateway ask.
    Name,
    /// `OutboundPolicies/Watch` of a Service's ClusterIP.
    Outbound,
    /// `InboundServerPolicies/WatchPort` of a port of the client's own pod.
    Inbound,
}

/// What the `GetProfile` streams did, or those of the policy API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeldCounts {
    /// Streams that were to be held.
    pub requested: u64,
    /// Streams sent for the first time.
    pub opened: u64,
    /// Streams sent again after they had ended.
    pub reopened: u64,
    /// Messages received.
    pub messages: u64,
    /// Streams that were ended here.
    pub closed: u64,
    /// Streams that ended with status OK although nobody had asked for it.
    pub ended_ok: u64,
    /// Streams that the server ended on a connection that it was leaving.
    #[serde(skip_serializing_if = "is_zero")]
    pub drained: u64,
    /// Streams that ended with an error, named as those of the `Get` streams are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub errors: BTreeMap<String, u64>,
    /// Tries that failed to make a connection of their own.
    #[serde(skip_serializing_if = "is_zero")]
    pub unconnected: u64,
    /// The same by what they are about. Older recordings lack it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<HeldKind, KindCounts>,
}

/// What the streams of one kind did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KindCounts {
    /// Streams that were to be held.
    pub requested: u64,
    /// Streams among them that were opened.
    pub opened: u64,
    /// Messages received.
    pub messages: u64,
    /// The size of these messages, without their gRPC frames.
    pub bytes: u64,
    /// Streams that ended with an error.
    pub errors: u64,
    /// Streams among these that ended because the server does not implement the method.
    pub unimplemented: u64,
}

// === impl HeldCounts ===

impl HeldCounts {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// A stream is to be held.
    pub fn request(&mut self, kind: HeldKind) {
        self.requested += 1;
        self.of(kind).requested += 1;
    }

    /// A stream was sent, for the first time or `again`.
    pub fn send(&mut self, kind: HeldKind, again: bool) {
        if again {
            self.reopened += 1;
        } else {
            self.opened += 1;
            self.of(kind).opened += 1;
        }
    }

    /// A message of this many bytes was received.
    pub fn receive(&mut self, kind: HeldKind, bytes: usize) {
        self.messages += 1;
        let of_kind = self.of(kind);
        of_kind.messages += 1;
        of_kind.bytes += bytes as u64;
    }

    /// A stream has ended with the error of this name, which may say that there is no such method.
    pub fn fail(&mut self, kind: HeldKind, name: String, unimplemented: bool) {
        *self.errors.entry(name).or_default() += 1;
        let of_kind = self.of(kind);
        of_kind.errors += 1;
        of_kind.unimplemented += u64::from(unimplemented);
    }

    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: &Self) {
        self.requested += other.requested;
        self.opened += other.opened;
        self.reopened += other.reopened;
        self.messages += other.messages;
        self.closed += other.closed;
        self.ended_ok += other.ended_ok;
        self.drained += other.drained;
        absorb(&mut self.errors, &other.errors);
        self.unconnected += other.unconnected;
        for (&kind, counts) in &other.kinds {
            self.of(kind).absorb(counts);
        }
    }

    /// Streams that were unexpectedly closed.
    #[must_use]
    pub fn unexpected_resets(&self) -> u64 {
        self.ended_ok + foreign(&self.errors)
    }

    fn of(&mut self, kind: HeldKind) -> &mut KindCounts {
        self.kinds.entry(kind).or_default()
    }
}

// === impl KindCounts ===

impl KindCounts {
    /// Whether the server does not implement the method: no stream received anything, and one was
    /// told so.
    #[must_use]
    pub const fn is_unimplemented(&self) -> bool {
        self.messages == 0 && self.unimplemented > 0
    }

    const fn absorb(&mut self, other: &Self) {
        self.requested += other.requested;
        self.opened += other.opened;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.unimplemented += other.unimplemented;
    }
}
