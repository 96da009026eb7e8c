//! Messages of streams, matched with the changes that they deliver.

use dst_load_scenario::{action::Direction, time::At};

use super::{ServiceLedger, slots::SlotId, streams::StreamId, unexplained::Toggle};
use crate::{endpoint::Endpoint, update::Update};

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Processes one message of a stream, whose bytes had arrived at `at`.
    pub fn update(&mut self, stream: StreamId, at: At, update: &Update) {
        self.outbox.counts.messages += 1;
        self.outbox.counts.addresses += update.addresses() as u64;
        if self.unjudged().is_some() {
            self.hear(stream, at, update);
            return;
        }
        let is_held = self.streams.is_held(stream);
        self.messages.begin(stream, !is_held);
        if self.streams.resumes(stream) {
            self.drop_unlisted(stream, at, update);
        }
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
        self.end_message(stream);
        // Nearly always so.
        if !is_held {
            self.unserved.served(stream);
            if self.streams.hold(stream, at) {
                self.conclude_all_of(stream);
            }
        }
        self.replace_retained(stream, at, update);
        self.end_waiting(stream, at);
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
            None => self.redundant(),
        }
    }

    /// A stream that the destination had ended gets its snapshot: what is not in it, it no longer
    /// holds.
    fn drop_unlisted(&mut self, stream: StreamId, at: At, update: &Update) {
        let listed: Vec<_> = match update {
            Update::Add(endpoints) => (endpoints.iter())
                .map(|&endpoint| self.slots.meant(endpoint).0)
                .collect(),
            Update::Remove(_) | Update::NoEndpoints { .. } => Vec::new(),
        };
        let held = self.slots.held_by(stream);
        let gone: Vec<_> = held.filter(|id| !listed.contains(id)).collect();
        for id in gone {
            self.apply(stream, at, id, Direction::Remove);
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
        if !changed {
            self.unchanged(stream, at, id, direction);
            return;
        }
        let slot = self.slots.get(id);
        let (wanted, pending) = (slot.is_wanted(class), slot.is_pending(bit));
        if direction == Direction::Remove {
            self.count_stale(stream, id, at);
        }
        let toggle = Toggle {
            at,
            direction,
            snapshot: self.is_snapshot(stream, at),
            provable: self.is_provable(stream, id, at),
            message: self.messages.current(),
        };
        if pending {
            self.messages.note_delivery();
            self.answer(stream, id, toggle);
            return;
        }
        self.messages.note_unexplained();
        if self.is_late(stream, id, direction) {
            // It is part of no sequence that an event could explain.
            self.forget_unexplained(stream, id);
        } else if direction.is_present() != wanted {
            self.unexplained.push(id, stream, toggle);
        } else if self.unexplained.is_given_up(id, stream) {
            self.forget_unexplained(stream, id);
        } else if !self.unexplained.toggles(id, stream).is_empty() {
            // There and back: the observer may be behind with both.
            self.unexplained.push(id, stream, toggle);
        }
    }

    /// An address changed nothing.
    fn unchanged(&mut self, stream: StreamId, at: At, id: SlotId, direction: Direction) {
        if self.is_late(stream, id, direction) {
            // Counted, and nothing else is to be said of it.
            self.messages.note_unexplained();
        } else if self.streams.resumes(stream) {
            // A snapshot lists what it lists.
        } else if direction.is_present() {
            if self.slots.get(id).is_pending(stream as usize) {
                // Its removal and its addition may have been coalesced to this.
                self.messages.note_repeated();
            }
            self.repeat(stream, at, id);
        } else if self.skip(stream, id) {
            self.messages.note_delivery();
        } else {
            self.redundant();
        }
    }

    /// A stream was sent the removal of what it does not hold, and is not to hold.
    fn redundant(&mut self) {
        self.outbox.counts.redundant += 1;
        self.messages.note_redundant();
    }

    /// Whether the update is one that was given up before; it is counted, and given up no longer.
    fn is_late(&mut self, stream: StreamId, id: SlotId, direction: Direction) -> bool {
        let late = self.slots.get_mut(id).late_mut(direction);
        let is_late = late.contains(stream as usize);
        if is_late {
            late.set(stream as usize, false);
            self.outbox.counts.late += 1;
        }
        is_late
    }

    /// Whether an update that nothing explains would be wrong, whatever the observer has yet to
    /// see: nothing older can be on its way about an endpoint that was never promised, or whose
    /// last change this stream was there for, or that has not changed for as long as an update may
    /// take.
    fn is_provable(&self, stream: StreamId, id: SlotId, at: At) -> bool {
        let slot = self.slots.get(id);
        !slot.ever_wanted
            || slot.changed + self.limits.deadline <= at
            || (self.streams.snapshot(stream)).is_some_and(|snapshot| snapshot <= slot.changed)
    }
}
