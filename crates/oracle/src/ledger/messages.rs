//! How many messages of streams are about changes, and how many changes were to be delivered: what
//! `updates.perChangeMax` is judged by.
//!
//! A message counts if it delivers something that its stream has to learn, or if it consists of what
//! the stream had been sent before and nothing explains. All others are legal, or are judged
//! elsewhere, and their number depends on more than the controller: snapshots, repetitions after an
//! event of a slice, what brings a stream into a state that no change asks of it (an update that
//! was on its way while the stream was opened, one of an untimed change, a premature one), and what
//! is late: of several states that were given up, which one a late update is about is not known.
//!
//! A repetition that nothing explains may still be legal on a real cluster, once in a while:
//! client-go hands every slice to its handlers again every ten minutes (`ResyncTime`, linkerd2
//! `controller/k8s/k8s.go`), and a `Server` changes the metadata of addresses. Both send an address
//! again without an event that the observer could see. So the first of them in ten minutes, with
//! those of the seconds that follow, is counted apart.

use std::time::Duration;

use dst_load_scenario::time::At;
use serde::{Deserialize, Serialize};

use super::{ServiceLedger, streams::StreamId};

/// Messages about changes, and changes, each once for each stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCounts {
    /// Messages that delivered a change, or repeated what nothing explains; no snapshots.
    pub counted: u64,
    /// Changes that were to be delivered, each once for each stream of its audience. A change of the
    /// Service itself counts once for each of its slices.
    pub due: u64,
    /// Messages among those counted that consist of additions of what the stream held.
    #[serde(default)]
    pub repeated: u64,
    /// Messages among those repeated that may be a resync of the controller.
    #[serde(default)]
    pub resync: u64,
}

/// The number of a message among those of its Service.
pub(super) type MessageId = u64;

/// The messages of all streams.
#[derive(Debug)]
pub(super) struct Messages {
    /// In how many messages a change may be sent that is observed now.
    pub(super) pieces: u64,
    /// How many there have been, snapshots aside.
    number: MessageId,
    /// The message that is being processed; `None` of a snapshot.
    current: Option<MessageId>,
    effects: Effects,
    /// By stream: the newest message that was counted although part of it was unexplained.
    counted: Vec<MessageId>,
    /// By stream: when it was last sent what may have been a resync.
    resyncs: Vec<Option<At>>,
}

/// What the message that is being processed was found to contain.
#[derive(Clone, Copy, Debug, Default)]
struct Effects {
    /// Something that the stream has to learn, or had to until it was given up.
    delivers: bool,
    /// Something that changes what the stream holds, and that no change asks of it so far.
    unexplained: bool,
    /// An addition of what the stream holds, which an event explains.
    repeats: bool,
    /// A removal of what the stream does not hold.
    redundant: bool,
}

/// How far resyncs of one controller are apart, at least.
const RESYNC: Duration = Duration::from_secs(590);
/// How long one takes at most, for all slices of a Service.
const RESYNC_LASTS: Duration = Duration::from_secs(5);

// === impl UpdateCounts ===

impl UpdateCounts {
    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: Self) {
        self.counted += other.counted;
        self.due += other.due;
        self.repeated += other.repeated;
        self.resync += other.resync;
    }
}

// === impl Messages ===

impl Default for Messages {
    fn default() -> Self {
        Self {
            pieces: 1,
            number: 0,
            current: None,
            effects: Effects::default(),
            counted: Vec::new(),
            resyncs: Vec::new(),
        }
    }
}

impl Messages {
    /// Begins with the next message of a stream.
    pub(super) fn begin(&mut self, stream: StreamId, is_snapshot: bool) {
        if is_snapshot && let Some(resync) = self.resyncs.get_mut(stream as usize) {
            // Another replica may serve it, which has another clock.
            *resync = None;
        }
        self.number += u64::from(!is_snapshot);
        self.current = (!is_snapshot).then_some(self.number);
        self.effects = Effects::default();
    }

    /// The message that is being processed; `None` of a snapshot.
    pub(super) const fn current(&self) -> Option<MessageId> {
        self.current
    }

    /// Notes that the message contains something that its stream has to learn, or had to.
    pub(super) const fn note_delivery(&mut self) {
        self.effects.delivers = true;
    }

    /// Notes that it contains something that changes what the stream holds, and that no change asks
    /// of it so far.
    pub(super) const fn note_unexplained(&mut self) {
        self.effects.unexplained = true;
    }

    /// Notes that it contains an addition of what the stream holds, which an event explains.
    pub(super) const fn note_repeated(&mut self) {
        self.effects.repeats = true;
    }

    /// Notes that it contains a removal of what the stream does not hold.
    pub(super) const fn note_redundant(&mut self) {
        self.effects.redundant = true;
    }

    /// Whether a stream may have been sent something again at `at` by a resync.
    pub(super) fn may_be_resync(&mut self, stream: StreamId, at: At) -> bool {
        let stream = stream as usize;
        if self.resyncs.len() <= stream {
            self.resyncs.resize(stream + 1, None);
        }
        let last = &mut self.resyncs[stream];
        match *last {
            Some(last) if at <= last + RESYNC_LASTS => true,
            Some(last) if at < last + RESYNC => false,
            _ => {
                *last = Some(at);
                true
            }
        }
    }

    /// Marks a message, part of which was or is unexplained, as counted. Returns whether neither it
    /// nor a newer such message of its stream was before.
    fn mark(&mut self, stream: StreamId, message: MessageId) -> bool {
        let stream = stream as usize;
        if self.counted.len() <= stream {
            self.counted.resize(stream + 1, 0);
        }
        let is_newer = self.counted[stream] < message;
        self.counted[stream] = self.counted[stream].max(message);
        is_newer
    }
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// The message has been processed: counts it if that is certain already.
    pub(super) fn end_message(&mut self, stream: StreamId) {
        let effects = self.messages.effects;
        let Some(message) = self.messages.current else {
            return;
        };
        let counts = effects.delivers || effects.redundant && !effects.unexplained;
        if counts || effects.unexplained || effects.repeats {
            self.repeats.disregard(message);
        }
        if counts {
            self.outbox.updates.counted += 1;
        }
        if counts && effects.unexplained {
            self.messages.mark(stream, message);
        }
    }

    /// Counts a message that delivered all of a change before the observer saw it, unless it was
    /// counted for something else that it delivered.
    pub(super) fn count_early(&mut self, stream: StreamId, message: MessageId) {
        if self.messages.mark(stream, message) {
            self.outbox.updates.counted += 1;
        }
    }
}
