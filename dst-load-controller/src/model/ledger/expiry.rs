//! What has not happened by its deadline.

use std::time::Duration;

use super::{Deviation, ServiceLedger, outbox::Delivered, slots::SlotId};
use crate::model::time::At;

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Gives up what was to arrive by `now`. Cheap when there is nothing: call it every second.
    pub fn expire(&mut self, now: At) {
        self.expire_repeats(now);
        self.expire_claims(now);
        let Some(cutoff) = now
            .as_micros()
            .checked_sub(At::from(self.deadline).as_micros())
            .map(At::from_micros)
        else {
            return;
        };
        while let Some((number, slots)) = self.changes.oldest_started_by(cutoff) {
            for id in slots {
                self.give_up(number, id);
            }
            self.hand_on_changes();
        }
        while let Some(&(since, id, stream)) = self.deviations.queue.front()
            && since <= cutoff
        {
            self.deviations.queue.pop_front();
            if let Some(deviation) = self.deviations.since.get_mut(&(id, stream))
                && *deviation == Deviation::Since(since)
            {
                *deviation = Deviation::Unexpected;
                self.outbox.counts.unexpected += 1;
            }
        }
        self.waiting.expire(cutoff);
        self.acknowledged.forget_until(cutoff);
        self.recycle(now);
    }

    /// The streams that have yet to learn this endpoint of the change never did.
    fn give_up(&mut self, number: u64, id: SlotId) {
        if !self.slots.contains(id) {
            return;
        }
        let start = self.changes.start(number);
        let slot = self.slots.get_mut(id);
        let Some(position) = slot.open.iter().position(|entry| entry.change == number) else {
            return;
        };
        let entry = slot.open.remove(position);
        let stages = entry.intended.map(|intended| start.since(intended));
        for bit in entry.pending.iter() {
            let stream = u32::try_from(bit).expect("invariant: streams are numbered by u32");
            let class = self.streams.class(stream);
            // It went there and back in silence: the stream is right, only never through this.
            let right = self.slots.holds(stream, id) == self.slots.get(id).is_wanted(class);
            if right {
                self.outbox.counts.superseded += 1;
                self.changes.supersede(number, stream);
                continue;
            }
            let late = self.slots.get_mut(id).late_mut(entry.direction);
            late.grow_and_insert(bit);
            let of = self.changes.miss(number, stream);
            self.made += 1;
            self.outbox.deliver(Delivered {
                times: 1,
                cycle: of.cycle,
                direction: entry.direction,
                destination: self.deadline,
                end_to_end: stages.map(|before: Duration| before + self.deadline),
                never: true,
                replica: self.streams.replica(stream),
                disturbed: of.disturbed,
            });
        }
    }

    /// Remembers to look whether the slot can be used again.
    pub(super) fn retire(&mut self, id: SlotId, at: At) {
        let slot = self.slots.get_mut(id);
        if !slot.retired {
            slot.retired = true;
            self.slots.retired.push_back((at, id));
        }
    }

    /// Frees the slots of endpoints that are long gone. They are kept for two deadlines, so that
    /// an update about one that comes late is known for what it is.
    fn recycle(&mut self, now: At) {
        let rest = self.deadline * 2;
        while let Some(&(at, id)) = self.slots.retired.front()
            && at + rest <= now
        {
            self.slots.retired.pop_front();
            if !self.slots.contains(id) {
                continue;
            }
            let slot = self.slots.get_mut(id);
            if !slot.is_unwanted() {
                slot.retired = false;
                continue;
            }
            let recent = slot.gone_since + rest > now && slot.ever_wanted;
            if recent || !slot.is_spent() {
                self.slots.retired.push_back((now, id));
            } else {
                self.slots.free(id);
            }
        }
    }
}
