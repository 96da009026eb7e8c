//! Streams that were between two tries when a Service without endpoints got its first.
//!
//! A proxy gives a stream up that has said nothing for 3 s, and asks again after a while. Such a
//! stream is in no audience, so its latency is in no distribution; how long it went without is
//! kept here, so that it is not lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dst_load_scenario::time::At;
use fixedbitset::FixedBitSet;

use super::{ServiceLedger, streams::StreamId};
use crate::{endpoint::Endpoint, update::Update};

/// Streams that have yet to hear of a Service's first endpoints.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Streams that have been sent at least once.
    tried: FixedBitSet,
    since: BTreeMap<StreamId, At>,
    /// Nobody stays for those that have waited since before.
    expired_before: At,
}

/// How long one stream went without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconnectGap {
    /// From the first endpoint's visibility until the stream held one; if it never did, until the
    /// last was gone again, or until the end.
    pub latency: Duration,
    /// Whether it never did.
    pub never: bool,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Notes who misses the first endpoints of classes that were promised none before, and who has
    /// missed them altogether.
    pub(super) fn note_waiting(
        &mut self,
        visible: At,
        timed: bool,
        promised: &[BTreeSet<Endpoint>],
        audience: &FixedBitSet,
    ) {
        for (class, endpoints) in promised.iter().enumerate() {
            let Some(members) = self.streams.members(class) else {
                continue;
            };
            if endpoints.is_empty() {
                let gone = |stream: &StreamId| members.contains(*stream as usize);
                let missed = self.waiting.since.extract_if(.., |stream, _| gone(stream));
                for (_, since) in missed {
                    self.outbox.reconnect_gaps.push(ReconnectGap {
                        latency: visible.since(since),
                        never: true,
                    });
                }
            } else if timed && self.slots.promised(class) == 0 {
                for bit in members.ones() {
                    if self.waiting.tried.contains(bit) && !audience.contains(bit) {
                        let stream =
                            u32::try_from(bit).expect("invariant: streams are numbered by u32");
                        self.waiting.since.entry(stream).or_insert(visible);
                    }
                }
            }
        }
    }

    /// Nothing more is awaited: streams that still wait never heard.
    pub fn abandon_waiting(&mut self, at: At) {
        for since in std::mem::take(&mut self.waiting.since).into_values() {
            self.outbox.reconnect_gaps.push(ReconnectGap {
                latency: at.since(since),
                never: true,
            });
        }
    }

    /// Nobody has waited for anything: it cannot be said what there was to hear of.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.since.clear();
    }

    /// The stream said something: it may have been what it went without.
    pub(super) fn end_waiting(&mut self, stream: StreamId, at: At, update: &Update) {
        let has_endpoints = matches!(update, Update::Add(endpoints) if !endpoints.is_empty());
        if has_endpoints && let Some(since) = self.waiting.since.remove(&stream) {
            self.outbox.reconnect_gaps.push(ReconnectGap {
                latency: at.since(since),
                never: false,
            });
        }
    }
}

// === impl Waiting ===

impl Waiting {
    /// The stream has been sent.
    pub(super) fn tried(&mut self, stream: StreamId) {
        self.tried.grow_and_insert(stream as usize);
    }

    /// Those who have waited since `cutoff` or before are no reason to go on. They still count.
    pub(super) fn expire(&mut self, cutoff: At) {
        self.expired_before = self.expired_before.max(cutoff);
    }

    /// Whether somebody is worth waiting for.
    pub(super) fn is_pending(&self) -> bool {
        let mut since = self.since.values();
        since.any(|&since| since > self.expired_before)
    }
}
