//! Streams that have none of a Service's endpoints when it gets its first.
//!
//! A proxy cancels a stream that has received nothing for 3 s, and retries after a while. A stream
//! that is between two tries then is in no audience, and one that is cancelled before its update
//! leaves it: its latency is in no distribution. So how long each stream goes without is kept here.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dst_load_scenario::time::At;
use fixedbitset::FixedBitSet;

use super::{ServiceLedger, slots::streams_in, streams::StreamId};
use crate::endpoint::Endpoint;

/// Streams that have none of a Service's endpoints yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Streams that have been sent at least once.
    tried: FixedBitSet,
    waits: BTreeMap<StreamId, Wait>,
    /// Waits that began at this instant or before do not delay the end.
    expired_before: At,
}

/// The wait of one stream.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// When the first endpoint became visible.
    since: At,
    /// Whether the stream was in no audience then, or has left it.
    between_tries: bool,
}

/// The time that one stream was without the endpoints of a Service that had had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstEndpoint {
    /// From the first endpoint's visibility until the stream had one; if it never did, until the
    /// last was gone again, or until the end.
    pub latency: Duration,
    /// Whether it never did.
    pub never: bool,
    /// Whether the stream was between two tries meanwhile.
    pub between_tries: bool,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Registers the streams of classes that were promised nothing before and are now, and those
    /// that have missed the first endpoints altogether.
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
                let missed = self.waiting.waits.extract_if(.., |stream, _| gone(stream));
                // When they went is not known if the event is not timed: that is no lower bound.
                let until = |since: At| if timed { visible } else { since };
                let missed = missed.map(|(_, wait)| wait.ended(until(wait.since), true));
                self.outbox.first_endpoints.extend(missed);
            } else if timed && self.slots.promised(class) == 0 {
                for stream in streams_in(members) {
                    let bit = stream as usize;
                    if self.waiting.tried.contains(bit) {
                        let wait = Wait {
                            since: visible,
                            between_tries: !audience.contains(bit),
                        };
                        self.waiting.waits.entry(stream).or_insert(wait);
                    }
                }
            }
        }
    }

    /// Counts streams that still wait as never served.
    pub fn abandon_waiting(&mut self, at: At) {
        let waits = std::mem::take(&mut self.waiting.waits);
        let never = waits.into_values().map(|wait| wait.ended(at, true));
        self.outbox.first_endpoints.extend(never);
    }

    /// Forgets all waits, as what they were for is unknown.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.waits.clear();
    }

    /// Ends the stream's wait if it has an endpoint that it is promised.
    pub(super) fn end_waiting(&mut self, stream: StreamId, at: At) {
        if self.waiting.waits.contains_key(&stream) && self.has_promised(stream) {
            let wait = self.waiting.waits.remove(&stream);
            let ended = wait.map(|wait| wait.ended(at, false));
            self.outbox.first_endpoints.extend(ended);
        }
    }

    /// Ends the waits of streams that had an endpoint before the observer saw it.
    pub(super) fn end_waiting_early(&mut self, visible: At) {
        let waiting: Vec<_> = self.waiting.waits.keys().copied().collect();
        for stream in waiting {
            self.end_waiting(stream, visible);
        }
    }

    /// Whether the stream has an endpoint that it is promised.
    fn has_promised(&self, stream: StreamId) -> bool {
        let class = self.streams.class(stream);
        let held = self.slots.held_by(stream);
        let mut all = held.chain(self.kept_by(stream));
        all.any(|id| self.slots.get(id).is_wanted(class))
    }
}

// === impl Waiting ===

impl Waiting {
    /// Registers that the stream has been sent.
    pub(super) fn tried(&mut self, stream: StreamId) {
        self.tried.grow_and_insert(stream as usize);
    }

    /// The stream has left the audience of whatever it waits for.
    pub(super) fn leave(&mut self, stream: StreamId) {
        if let Some(wait) = self.waits.get_mut(&stream) {
            wait.between_tries = true;
        }
    }

    /// Lets waits that began at `cutoff` or before no longer delay the end. They still count.
    pub(super) fn expire(&mut self, cutoff: At) {
        self.expired_before = self.expired_before.max(cutoff);
    }

    /// Whether a wait delays the end.
    pub(super) fn is_pending(&self) -> bool {
        let mut waits = self.waits.values();
        waits.any(|wait| wait.since > self.expired_before)
    }
}

// === impl Wait ===

impl Wait {
    fn ended(self, at: At, never: bool) -> FirstEndpoint {
        FirstEndpoint {
            latency: at.since(self.since),
            never,
            between_tries: self.between_tries,
        }
    }
}
