//! Deadlines: what has not happened by then is closed and counted.

use dst_load_scenario::time::At;

use super::{ServiceLedger, outbox::Outcome, slots::SlotId};

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Closes what was to arrive by `now`. Cheap where there is nothing: to be called every second.
    pub fn expire(&mut self, now: At) {
        self.expire_repeats(now);
        self.expire_claims(now);
        self.expire_resuming(now);
        let Some(cutoff) = now
            .as_micros()
            .checked_sub(At::from(self.limits.deadline).as_micros())
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
        self.expire_unexplained(cutoff);
        self.waiting.expire(cutoff);
        self.acknowledged.forget_until(cutoff);
        self.recycle(now);
    }

    /// The streams that have yet to learn this endpoint of the change never did.
    fn give_up(&mut self, number: u64, id: SlotId) {
        if !self.slots.contains(id) {
            return;
        }
        let open = &self.slots.get(id).open;
        let Some(entry) = open.iter().find(|entry| entry.change == number) else {
            return;
        };
        let streams: Vec<_> = entry.pending.iter().collect();
        for stream in streams {
            if self.to_learn(stream, id).0 == 1 {
                self.missed(stream, id, self.limits.deadline, Outcome::Never);
            } else {
                self.conclude(stream, id);
            }
        }
    }

    /// Closes everything that is open; every number is final after it.
    pub fn conclude_all(&mut self, now: At) {
        for id in self.slots.ids() {
            let open = self.slots.get(id).open.iter();
            let streams: std::collections::BTreeSet<_> =
                open.flat_map(|entry| entry.pending.iter()).collect();
            for stream in streams {
                self.conclude(stream, id);
                if let (1, Some(start)) = self.to_learn(stream, id) {
                    let lasted = now.since(start);
                    let outcome = if self.limits.is_never(lasted) {
                        Outcome::Never
                    } else {
                        Outcome::Censored
                    };
                    self.missed(stream, id, lasted, outcome);
                }
            }
        }
        self.hand_on_changes();
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
        let rest = self.limits.deadline * 2;
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
            if recent || !slot.is_spent() || self.unexplained.concerns(id) {
                self.slots.retired.push_back((now, id));
            } else {
                self.slots.free(id);
            }
        }
    }
}
