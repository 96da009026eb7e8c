//! Events of the observer, turned into changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use dst_load_scenario::{action::Direction, time::At};
use fixedbitset::FixedBitSet;

use super::{
    ServiceLedger, Written,
    change::{ChangeId, ClosedChange},
    messages::MessageId,
    outbox::KubernetesStage,
    slots::{Entry, Pending, SlotId, streams_in},
    streams::StreamId,
};
use crate::{
    endpoint::Endpoint,
    kubernetes::{Service, Slice},
    promise::Offer,
};

/// One event of the reference observer, as far as it is not about endpoints.
#[derive(Clone, Debug)]
pub struct Observation {
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
    /// Processes the state of the Service and its slices after one event of the observer.
    pub fn observe<'a>(
        &mut self,
        observation: &Observation,
        service: Option<&Service>,
        slices: impl IntoIterator<Item = &'a Slice>,
        port: u16,
    ) {
        let mut slices_read = 0;
        let slices = slices.into_iter().inspect(|_| slices_read += 1);
        let offer = Offer::new(service, slices, port, self.flags());
        // What the Service itself says of its slices is applied to one after the other.
        self.messages.pieces = match self.present.replace_service(service) {
            true => slices_read.max(1),
            false => 1,
        };
        self.offered(observation, offer);
        self.messages.pieces = 1;
    }

    /// Processes what each class of streams is promised after one event. The net difference from
    /// what it was promised before makes at most one change in each direction.
    pub fn observe_promised(&mut self, observation: &Observation, promised: &[BTreeSet<Endpoint>]) {
        let audience = if observation.timed {
            self.streams.audience(observation.visible, &self.slots)
        } else {
            FixedBitSet::new()
        };
        self.note_waiting(observation.visible, observation.timed, promised, &audience);
        let written = Written {
            object: observation.object.clone(),
            resource_version: (!observation.gone).then(|| observation.resource_version.clone()),
        };
        let start = self.acknowledged.start(&written, observation.visible);
        let nothing: Vec<_> = (0..promised.len())
            .filter(|&class| self.slots.promised(class) == 0 && !promised[class].is_empty())
            .collect();
        for class in nothing {
            if let Some(members) = self.streams.members(class) {
                self.unserved
                    .promised(members.ones(), &self.streams, observation.visible);
            }
        }
        let (added, removed) = self.difference(promised);
        for (direction, affected) in [(Direction::Add, added), (Direction::Remove, removed)] {
            if !affected.is_empty() {
                if !observation.timed && self.streams_held().0 > 0 {
                    self.outbox.counts.untimed_changes += 1;
                }
                self.open_change(
                    observation,
                    &written,
                    start,
                    direction,
                    &affected,
                    &audience,
                );
            }
        }
        self.end_waiting_early(observation.visible);
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
        observation: &Observation,
        written: &Written,
        start: At,
        direction: Direction,
        affected: &Affected,
        audience: &FixedBitSet,
    ) {
        let number = self.changes.open(
            ClosedChange {
                id: ChangeId {
                    object: observation.object.clone(),
                    resource_version: observation.resource_version.clone(),
                    direction,
                },
                cycle: observation.cycle,
                visible: observation.visible,
                disturbed: self.disturbed,
                start,
                intended: None,
                endpoints: 0,
                audience: 0,
                known: Vec::new(),
                never: 0,
                left: 0,
                superseded: 0,
                number: 0,
                seen: Vec::new(),
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
                    .want(id, class, direction.is_present(), observation.visible);
                if let Some(members) = self.streams.members(class) {
                    pending.union_with(members);
                }
            }
            let when = (observation.visible, observation.timed);
            self.note_retained(id, classes, direction, when);
            if direction == Direction::Remove {
                self.retire(id, observation.visible);
            }
            if observation.timed {
                pending.intersect_with(audience);
                self.keep_learners(id, direction, &mut pending, &mut early);
            } else {
                self.lose_track(id, &pending);
                pending.clear();
            }
            let pending = Pending::new(pending);
            self.changes.expect(number, id, intended, pending.iter());
            let deliveries = pending.len();
            self.note_kubernetes_stage(observation, direction, intended, deliveries);
            if attributed.is_none() && observation.timed {
                let disturbed = self.disturbed;
                self.unclaimed
                    .open(number, id, observation, direction, disturbed, deliveries);
            }
            self.slots.get_mut(id).open.push(Entry {
                change: number,
                direction,
                intended,
                pending,
            });
        }
        self.outbox.updates.due += u64::from(self.changes.sealed(number)) * self.messages.pieces;
        self.deliver_all_early(number, early);
        for &(id, _) in affected.values() {
            self.slots.get_mut(id).drop_learnt();
        }
    }

    /// Leaves those streams in `pending` that have to learn the state: a stream that is in it
    /// already has nothing to learn, unless it has yet to learn what was before. Notes those whom
    /// an update has brought into it before the observer saw it.
    fn keep_learners(
        &mut self,
        id: SlotId,
        direction: Direction,
        pending: &mut FixedBitSet,
        early: &mut Vec<(SlotId, StreamId)>,
    ) {
        let slot = self.slots.get(id);
        let held = slot.holders();
        let uniform = slot.open.is_empty() && self.unexplained.is_empty();
        // Nearly always so, and asked with each endpoint: nobody is in the state.
        if uniform
            && match direction {
                Direction::Add => held == 0,
                Direction::Remove => held == self.streams.len(),
            }
        {
            return;
        }
        let candidates: Vec<_> = streams_in(pending).collect();
        let mut explained = Vec::new();
        for stream in candidates {
            let bit = stream as usize;
            if slot.is_pending(bit) {
                continue;
            }
            let first = self.unexplained.toggles(id, stream).first().copied();
            match first {
                // It was sent with everything else, or long before whatever explains it now.
                Some(toggle)
                    if toggle.direction == direction
                        && (toggle.snapshot || self.unexplained.is_given_up(id, stream)) =>
                {
                    pending.remove(bit);
                    explained.push(stream);
                }
                Some(toggle) if toggle.direction == direction => early.push((id, stream)),
                _ if self.slots.holds(stream, id) == direction.is_present() => {
                    pending.remove(bit);
                }
                _ => {}
            }
        }
        for stream in explained {
            if direction == Direction::Add {
                let held_before = &mut self.slots.get_mut(id).held_before;
                held_before.grow_and_insert(stream as usize);
            }
            if self.unexplained.is_given_up(id, stream) {
                self.forget_unexplained(stream, id);
            } else {
                self.unexplained.take_first(id, stream);
            }
        }
    }

    /// The state of an endpoint has changed at an instant that is not known: nothing can be said of
    /// how long streams took to learn what it was before, nor of what they were sent meanwhile.
    fn lose_track(&mut self, id: SlotId, streams: &FixedBitSet) {
        for stream in streams_in(streams) {
            self.leave(stream, id);
            self.forget_unexplained(stream, id);
        }
        self.slots.get_mut(id).drop_learnt();
    }

    /// Streams had these endpoints of the change right before the observer saw it.
    fn deliver_all_early(&mut self, number: u64, early: Vec<(SlotId, StreamId)>) {
        let mut newest = BTreeMap::new();
        for (id, stream) in early {
            let message = self.deliver_early(number, (id, stream));
            let newest = newest.entry(stream).or_insert(message);
            *newest = message.max(*newest);
        }
        // Whether that was one message is not asked: the observer may see as one change (a Service's
        // event that makes several slices count) what the controller received as several events.
        for (stream, message) in newest {
            if let Some(message) = message
                && self.changes.is_known(number, stream)
            {
                self.count_early(stream, message);
            }
        }
    }

    /// A stream had this endpoint right before the observer saw it: after the destination stage
    /// had started, or even before. An update proves then that it had. Returns the message of that
    /// update.
    fn deliver_early(
        &mut self,
        number: u64,
        (id, stream): (SlotId, StreamId),
    ) -> Option<MessageId> {
        let toggle = self.unexplained.take_first(id, stream);
        let open = &self.slots.get(id).open;
        let entry = open.iter().find(|entry| entry.change == number);
        let (toggle, entry) = (toggle?, entry?);
        let intended = entry.intended;
        let proves = intended.is_none_or(|intended| toggle.at >= intended);
        let at = if proves {
            toggle.at
        } else {
            self.changes.start(number)
        };
        self.outbox.counts.early += 1;
        self.learnt(stream, id, (number, intended), at, proves);
        toggle.message
    }

    fn note_kubernetes_stage(
        &mut self,
        observation: &Observation,
        direction: Direction,
        intended: Option<At>,
        deliveries: usize,
    ) {
        if let (Some(intended), true) = (intended, observation.timed) {
            self.outbox.kubernetes.push(KubernetesStage {
                cycle: observation.cycle,
                direction,
                latency: observation.visible.since(intended),
                deliveries: deliveries as u64,
                disturbed: self.disturbed,
            });
        }
    }
}

/// Endpoints in order, each with its slot and the classes of streams concerned.
type Affected = BTreeMap<Endpoint, (SlotId, Vec<usize>)>;
