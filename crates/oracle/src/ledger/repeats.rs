//! Additions of what a stream already holds.
//!
//! An event of a slice makes Linkerd add again every endpoint of that slice whose Pod has changed
//! since it was last looked at (linkerd2 `controller/api/destination/watcher`,
//! `endpoints_watcher.go`, `diffAddresses`): such a repetition is legal, and is counted as
//! *repeated*. One that no event of a slice explains is *redundant*.

use std::{
    collections::{BTreeSet, VecDeque},
    net::IpAddr,
    time::Duration,
};

use dst_load_scenario::time::At;

use super::{
    ServiceLedger,
    limits::BEHIND,
    messages::MessageId,
    slots::{Slot, SlotId},
    streams::StreamId,
};

/// Repetitions that nothing has explained yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    open: VecDeque<Repetition>,
}

/// An addition of what a stream held.
#[derive(Debug)]
struct Repetition {
    at: At,
    id: SlotId,
    stream: StreamId,
    /// Its message, if that is of repetitions alone, and no event has explained one of them.
    message: Option<MessageId>,
}

// === impl Repeats ===

impl Repeats {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The newest message is of more than repetitions, or of one that an event explains.
    pub(super) fn disregard(&mut self, message: MessageId) {
        let of_message = |it: &&mut Repetition| it.message == Some(message);
        for repetition in self.open.iter_mut().rev().take_while(of_message) {
            repetition.message = None;
        }
    }
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Registers that an event of a slice, visible at `visible`, lists these addresses. To be called
    /// before the ledger has what is promised after the event: an addition that the event
    /// itself asks for repeats nothing.
    pub fn name(&mut self, visible: At, addresses: &BTreeSet<IpAddr>) {
        for (_, slot) in self.slots.iter_mut() {
            if !slot.is_unwanted() && addresses.contains(&slot.endpoint.address.ip()) {
                slot.named = Some(visible);
            }
        }
        let (slots, counts) = (&self.slots, &mut self.outbox.counts);
        let mut legal = BTreeSet::new();
        self.repeats.open.retain(|it| {
            let explained = slots.contains(it.id) && is_explained(slots.get(it.id), it.at, BEHIND);
            counts.repeated += u64::from(explained);
            legal.extend(it.message.filter(|_| explained));
            !explained
        });
        for repetition in &mut self.repeats.open {
            repetition.message = repetition.message.filter(|it| !legal.contains(it));
        }
    }

    /// A stream received again, at `at`, what it held.
    pub(super) fn repeat(&mut self, stream: StreamId, at: At, id: SlotId) {
        let held_before = self.slots.get_mut(id).take_held_before(stream);
        if held_before || is_explained(self.slots.get(id), at, self.limits.deadline) {
            self.outbox.counts.repeated += 1;
            self.messages.note_repeated();
        } else {
            self.repeats.open.push_back(Repetition {
                at,
                id,
                stream,
                message: self.messages.current(),
            });
        }
    }

    /// Gives up repetitions that nothing has explained in time.
    pub(super) fn expire_repeats(&mut self, now: At) {
        let mut last = None;
        while let Some(repetition) = self.repeats.open.front()
            && repetition.at + BEHIND <= now
        {
            self.outbox.counts.redundant += 1;
            // Those of one message stand together.
            if repetition.message.is_some() && repetition.message != last {
                last = repetition.message;
                let resync = self
                    .messages
                    .may_be_resync(repetition.stream, repetition.at);
                let updates = &mut self.outbox.updates;
                updates.counted += 1;
                updates.repeated += 1;
                updates.resync += u64::from(resync);
            }
            self.repeats.open.pop_front();
        }
    }
}

/// Whether an event named the slot within `span` before `at`, or after it.
fn is_explained(slot: &Slot, at: At, span: Duration) -> bool {
    slot.named.is_some_and(|named| at <= named + span)
}
