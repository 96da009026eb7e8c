//! Streams that were between two tries when a Service without endpoints got its first.
//!
//! A proxy cancels a stream that has received nothing for 3 s, and retries after a while. Such a
//! stream is in no audience, so its latency is in no distribution; how long it went without is
//! kept here, so that it is not lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dst_load_scenario::time::At;
use fixedbitset::FixedBitSet;

use super::{ServiceLedger, slots::streams_in, streams::StreamId};
use crate::{endpoint::Endpoint, update::Update};

/// Streams that have not received a Service's first endpoints yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Streams that have been sent at least once.
    tried: FixedBitSet,
    since: BTreeMap<StreamId, At>,
    /// Waits that began at this instant or before do not delay the end.
    expired_before: At,
}

/// The time that one stream, between two tries, was without the first endpoints of its Service.
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
    /// Registers the streams that miss the first endpoints of classes that were promised none
    /// before, and those that have missed them altogether.
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
                for stream in streams_in(members) {
                    let bit = stream as usize;
                    if self.waiting.tried.contains(bit) && !audience.contains(bit) {
                        self.waiting.since.entry(stream).or_insert(visible);
                    }
                }
            }
        }
    }

    /// Counts streams that still wait as never served.
    pub fn abandon_waiting(&mut self, at: At) {
        for since in std::mem::take(&mut self.waiting.since).into_values() {
            self.outbox.reconnect_gaps.push(ReconnectGap {
                latency: at.since(since),
                never: true,
            });
        }
    }

    /// Forgets all waits, as what they were for is unknown.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.since.clear();
    }

    /// Ends the stream's wait if `update` has endpoints.
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
    /// Registers that the stream has been sent.
    pub(super) fn tried(&mut self, stream: StreamId) {
        self.tried.grow_and_insert(stream as usize);
    }

    /// Lets waits that began at `cutoff` or before no longer delay the end. They still count.
    pub(super) fn expire(&mut self, cutoff: At) {
        self.expired_before = self.expired_before.max(cutoff);
    }

    /// Whether a wait delays the end.
    pub(super) fn is_pending(&self) -> bool {
        let mut since = self.since.values();
        since.any(|&since| since > self.expired_before)
    }
}
