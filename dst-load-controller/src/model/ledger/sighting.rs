//! What the observer saw, turned into changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fixedbitset::FixedBitSet;

use super::{
    Deviation, ServiceLedger, Written,
    change::{ChangeId, ClosedChange},
    outbox::{Delivered, KubernetesStage},
    slots::{Entry, Pending, SlotId},
};
use crate::model::{
    endpoint::{Direction, Endpoint},
    kubernetes::{Service, Slice},
    promise::Offer,
    time::At,
};

/// One event of the reference observer, as far as it is not about endpoints.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// When its bytes had arrived.
    pub visible: At,
    /// The cycle under way.
    pub cycle: u32,
    /// The object's uid.
    pub object: Arc<str>,
    /// The object's resourceVersion.
    pub resource_version: Arc<str>,
    /// Whether the event says that the object is gone.
    pub gone: bool,
    /// Whether the event is timed. What a relist brings happened at an unknown instant.
    pub timed: bool,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Takes in the state of the Service and its slices after one event of the observer.
    pub fn sight<'a>(
        &mut self,
        sighting: &Sighting,
        service: Option<&Service>,
        slices: impl IntoIterator<Item = &'a Slice>,
        port: u16,
    ) {
        let offer = Offer::new(service, slices, port, self.flags());
        self.offered(sighting, offer);
    }

    /// Takes in what each class of streams is promised after one event: the net difference to
    /// what it was promised before makes at most one change in each direction.
    pub fn observe(&mut self, sighting: &Sighting, promised: &[BTreeSet<Endpoint>]) {
        let audience = if sighting.timed {
            self.streams.audience(sighting.visible, &self.slots)
        } else {
            FixedBitSet::new()
        };
        self.note_waiting(sighting.visible, sighting.timed, promised, &audience);
        let written = Written {
            object: sighting.object.clone(),
            resource_version: (!sighting.gone).then(|| sighting.resource_version.clone()),
        };
        let start = self.acknowledged.start(&written, sighting.visible);
        let (added, removed) = self.difference(promised);
        for (direction, affected) in [(Direction::Add, added), (Direction::Remove, removed)] {
            if !affected.is_empty() {
                if !sighting.timed && self.streams_held().0 > 0 {
                    self.outbox.counts.untimed_changes += 1;
                }
                self.open_change(sighting, &written, start, direction, &affected, &audience);
            }
        }
        self.hand_on_changes();
    }

    /// Endpoints that some class is newly promised, and those that some class no longer is, each
    /// with the classes concerned; by endpoint, so that attribution has one order.
    fn difference(&mut self, promised: &[BTreeSet<Endpoint>]) -> (Affected, Affected) {
        let (mut added, mut removed) = (Affected::new(), Affected::new());
        for (class, endpoints) in promised.iter().enumerate() {
            for &endpoint in endpoints {
                let slot = self.slots.exact(endpoint);
                if !self.slots.get(slot).is_wanted(class) {
                    added
                        .entry(endpoint)
                        .or_insert((slot, Vec::new()))
                        .1
                        .push(class);
                }
            }
            for (id, slot) in self.slots.iter() {
                if slot.is_wanted(class) && !endpoints.contains(&slot.endpoint) {
                    removed
                        .entry(slot.endpoint)
                        .or_insert((id, Vec::new()))
                        .1
                        .push(class);
                }
            }
        }
        (added, removed)
    }

    fn open_change(
        &mut self,
        sighting: &Sighting,
        written: &Written,
        start: At,
        direction: Direction,
        affected: &Affected,
        audience: &FixedBitSet,
    ) {
        let number = self.changes.open(
            ClosedChange {
                id: ChangeId {
                    object: sighting.object.clone(),
                    resource_version: sighting.resource_version.clone(),
                    direction,
                },
                cycle: sighting.cycle,
                visible: sighting.visible,
                disturbed: self.disturbed,
                start,
                intended: None,
                endpoints: 0,
                audience: 0,
                known: Vec::new(),
                never: 0,
                left: 0,
                superseded: 0,
            },
            written.clone(),
            self.streams.len(),
        );
        let mut early = Vec::new();
        for &(id, ref classes) in affected.values() {
            let attributed = self.intents.attribute(direction);
            let intended = attributed.flatten();
            let mut pending = FixedBitSet::with_capacity(self.streams.len());
            for &class in classes {
                self.slots
                    .want(id, class, direction.is_present(), sighting.visible);
                if let Some(members) = self.streams.members(class) {
                    pending.union_with(members);
                }
            }
            if direction == Direction::Remove {
                self.retire(id, sighting.visible);
            }
            self.confirm(id, &pending, audience, &mut early);
            pending.intersect_with(audience);
            let pending = Pending::new(pending);
            self.changes.expect(number, id, intended, pending.iter());
            let deliveries = pending.len();
            self.note_kubernetes_stage(sighting, direction, intended, deliveries);
            if attributed.is_none() && sighting.timed {
                let disturbed = self.disturbed;
                self.unclaimed
                    .open(number, id, sighting, direction, disturbed, deliveries);
            }
            self.slots.get_mut(id).open.push(Entry {
                change: number,
                direction,
                intended,
                pending,
            });
        }
        self.changes.sealed(number);
        for early in early {
            self.deliver_early(number, early, direction);
        }
        for &(id, _) in affected.values() {
            self.slots
                .get_mut(id)
                .open
                .retain(|entry| !entry.pending.is_empty());
        }
    }

    /// Ends the deviations that this wanted state explains; those of streams in the audience
    /// were updates that came before the observer.
    fn confirm(
        &mut self,
        id: SlotId,
        streams: &FixedBitSet,
        audience: &FixedBitSet,
        early: &mut Vec<Early>,
    ) {
        if self.deviations.since.is_empty() {
            return;
        }
        for stream in streams.ones() {
            let stream = u32::try_from(stream).expect("invariant: streams are numbered by u32");
            if let Some(deviation) = self.deviations.close(id, stream) {
                self.mend(deviation);
                if audience.contains(stream as usize) {
                    let seen = match deviation {
                        Deviation::Since(seen) => seen,
                        // Past its deadline: long before whatever explains it now.
                        Deviation::Unexpected => At::ZERO,
                    };
                    early.push(Early { id, stream, seen });
                }
            }
        }
    }

    /// A stream had this endpoint right before the observer saw it: after the destination stage
    /// had started, or even before.
    fn deliver_early(&mut self, number: u64, early: Early, direction: Direction) {
        let Early { id, stream, seen } = early;
        let slot = self.slots.get_mut(id);
        let Some(entry) = slot.open.iter_mut().find(|entry| entry.change == number) else {
            return;
        };
        entry.pending.remove(stream as usize);
        let intended = entry.intended;
        let start = self.changes.start(number);
        self.outbox.counts.early += u64::from(seen < start);
        let known = seen.max(start);
        let latency = known.since(start);
        self.unclaimed.known(number, id, known);
        let (_, of) = self.changes.deliver(number, stream, known);
        self.made += 1;
        self.outbox.deliver(Delivered {
            times: 1,
            cycle: of.cycle,
            direction,
            destination: latency,
            end_to_end: intended.map(|intended| known.since(intended)),
            never: false,
            replica: self.streams.replica(stream),
            disturbed: of.disturbed,
        });
    }

    fn note_kubernetes_stage(
        &mut self,
        sighting: &Sighting,
        direction: Direction,
        intended: Option<At>,
        deliveries: usize,
    ) {
        if let (Some(intended), true) = (intended, sighting.timed) {
            self.outbox.kubernetes.push(KubernetesStage {
                cycle: sighting.cycle,
                direction,
                latency: sighting.visible.since(intended),
                deliveries: deliveries as u64,
                disturbed: self.disturbed,
            });
        }
    }
}

/// A stream that had an endpoint right before the observer saw why.
#[derive(Clone, Copy, Debug)]
struct Early {
    id: SlotId,
    stream: u32,
    seen: At,
}

/// Endpoints in order, each with its slot and the classes of streams concerned.
type Affected = BTreeMap<Endpoint, (SlotId, Vec<usize>)>;
