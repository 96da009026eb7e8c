//! How many messages of streams are about changes, and how many changes were to be delivered: what
//! `updates.perChangeMax` is judged by.
//!
//! A message counts if it delivers something that its stream had to learn, or if it consists of what
//! the stream had been sent before and nothing explains. All others are legal, or are judged
//! elsewhere, and their number depends on more than the controller: snapshots, repetitions after an
//! event of a slice, and what brings a stream into a state that no change asks of it (an update that
//! was on its way while the stream was opened, one of an untimed change, a premature one).

use serde::{Deserialize, Serialize};

use super::{ServiceLedger, streams::StreamId};

/// Messages about changes, and changes, each once for each stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCounts {
    /// Messages that delivered a change, or repeated what nothing explains; no snapshots.
    pub counted: u64,
    /// Changes that were to be delivered, each once for each stream of its audience.
    pub due: u64,
}

/// The number of a message among those of its Service.
pub(super) type MessageId = u64;

/// The messages of all streams.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// How many there have been, snapshots aside.
    number: MessageId,
    /// The message that is being processed; `None` of a snapshot.
    current: Option<MessageId>,
    effects: Effects,
    /// By stream: the newest message that was counted although part of it was unexplained.
    counted: Vec<MessageId>,
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

// === impl UpdateCounts ===

impl UpdateCounts {
    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: Self) {
        self.counted += other.counted;
        self.due += other.due;
    }
}

// === impl Messages ===

impl Messages {
    /// Begins with the next message.
    pub(super) fn begin(&mut self, is_snapshot: bool) {
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
