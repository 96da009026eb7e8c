//! What a stream said, matched with what it was to learn.

use super::{Deviation, ServiceLedger, outbox::Delivered, slots::SlotId, streams::StreamId};
use crate::model::{
    endpoint::{Direction, Endpoint},
    time::At,
    update::Update,
};

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Takes in one message of a stream, whose bytes had arrived at `at`.
    pub fn update(&mut self, stream: StreamId, at: At, update: &Update) {
        self.outbox.counts.messages += 1;
        self.outbox.counts.addresses += update.addresses() as u64;
        if self.unjudged().is_some() {
            self.hear(stream, update);
            return;
        }
        self.end_waiting(stream, at, update);
        match update {
            Update::Add(endpoints) => {
                for &endpoint in endpoints {
                    self.add(stream, at, endpoint);
                }
            }
            Update::Remove(endpoints) => {
                for &endpoint in endpoints {
                    self.remove(stream, at, endpoint);
                }
            }
            Update::NoEndpoints { .. } => self.remove_all(stream, at),
        }
        self.streams.hold(stream);
        self.hand_on_changes();
    }

    fn add(&mut self, stream: StreamId, at: At, endpoint: Endpoint) {
        let (id, alone) = self.slots.meant(endpoint);
        let slot = self.slots.get(id);
        if !slot.ever_wanted && slot.is_spent() {
            self.retire(id, at);
        }
        if !alone {
            // A proxy keeps one entry an address: whatever pod it had there before is replaced.
            for other in self.others_held(stream, id, endpoint) {
                self.apply(stream, at, other, Direction::Remove);
            }
        }
        self.apply(stream, at, id, Direction::Add);
    }

    fn remove(&mut self, stream: StreamId, at: At, endpoint: Endpoint) {
        let bit = stream as usize;
        let known = self.slots.at_address(endpoint.address);
        let held = known
            .iter()
            .copied()
            .find(|&id| self.slots.holds(stream, id));
        // Never held, yet waited for: the removal of something this stream never heard of.
        let pending = || {
            known.iter().copied().find(|&id| {
                self.slots
                    .get(id)
                    .open
                    .iter()
                    .any(|e| e.direction == Direction::Remove && e.pending.contains(bit))
            })
        };
        match held.or_else(pending) {
            Some(id) => self.apply(stream, at, id, Direction::Remove),
            None => self.outbox.counts.redundant += 1,
        }
    }

    fn remove_all(&mut self, stream: StreamId, at: At) {
        let held: Vec<_> = self.slots.held_by(stream).collect();
        for id in held {
            self.apply(stream, at, id, Direction::Remove);
        }
    }

    fn others_held(&self, stream: StreamId, id: SlotId, endpoint: Endpoint) -> Vec<SlotId> {
        self.slots
            .at_address(endpoint.address)
            .iter()
            .copied()
            .filter(|&other| other != id && self.slots.holds(stream, other))
            .collect()
    }

    /// The stream now holds the endpoint, or no longer does.
    fn apply(&mut self, stream: StreamId, at: At, id: SlotId, direction: Direction) {
        let bit = stream as usize;
        let class = self.streams.class(stream);
        let changed = self.slots.hold(stream, id, direction.is_present());
        let slot = self.slots.get_mut(id);
        if changed && direction == Direction::Remove && slot.ever_wanted && !slot.is_wanted(class) {
            self.outbox.counts.stale_seconds += at.since(slot.gone_since).as_secs_f64();
        }
        let matched = slot
            .open
            .iter()
            .position(|e| e.direction == direction && e.pending.contains(bit));
        match matched {
            Some(position) => self.resolve(stream, at, id, position),
            None if slot.late_mut(direction).contains(bit) => {
                slot.late_mut(direction).set(bit, false);
                self.outbox.counts.late += 1;
            }
            None if !changed && direction.is_present() => self.repeat(at, id),
            None if !changed => self.outbox.counts.redundant += 1,
            None => {}
        }
        let slot = self.slots.get(id);
        if direction.is_present() == slot.is_wanted(class) {
            if let Some(deviation) = self.deviations.close(id, stream) {
                self.mend(deviation);
            }
        } else if changed && !slot.is_pending(bit) {
            self.deviations.open(id, stream, at);
        }
    }

    /// The update answers the wanted state at `position`: that one is timed, and what the stream
    /// had yet to learn before it is superseded.
    fn resolve(&mut self, stream: StreamId, at: At, id: SlotId, position: usize) {
        let bit = stream as usize;
        let slot = self.slots.get_mut(id);
        let mut emptied = false;
        for entry in &mut slot.open[..position] {
            if entry.pending.remove(bit) {
                emptied |= entry.pending.is_empty();
                self.outbox.counts.superseded += 1;
                self.changes.supersede(entry.change, stream);
            }
        }
        let entry = &mut slot.open[position];
        entry.pending.remove(bit);
        emptied |= entry.pending.is_empty();
        let (latency, of) = self.changes.deliver(entry.change, stream, at);
        self.unclaimed.known(entry.change, id, at);
        self.made += 1;
        self.outbox.deliver(Delivered {
            times: 1,
            cycle: of.cycle,
            direction: entry.direction,
            destination: latency,
            end_to_end: entry.intended.map(|intended| at.since(intended)),
            never: false,
            replica: self.streams.replica(stream),
            disturbed: of.disturbed,
        });
        if emptied {
            slot.open.retain(|entry| !entry.pending.is_empty());
        }
    }

    pub(super) fn mend(&mut self, deviation: Deviation) {
        if deviation == Deviation::Unexpected {
            self.outbox.counts.unexpected_mended += 1;
        }
    }
}
