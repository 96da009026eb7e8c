//! The streams that watch a Service, and the classes of streams that are promised the same.

use std::{collections::BTreeMap, net::SocketAddr};

use fixedbitset::FixedBitSet;

use super::{ServiceLedger, slots::Slots};
use crate::model::{kubernetes::Place, time::At};

/// A stream's number within its Service. It outlives reconnections.
pub type StreamId = u32;

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamPhase {
    /// Not opened, or closed.
    #[default]
    Closed,
    /// Opened, nothing received yet. An empty Service stays here.
    Sent(At),
    /// It has received its snapshot.
    Held,
}

/// Who ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// This tool: the scenario asked for it, or a limit or time-out of ours.
    Us,
    /// The destination, or whatever lies between: a status, a reset, the end of the connection.
    Destination,
}

/// All streams of a Service.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Place>,
    /// The replica of the destination that each is held on, where there are several.
    replicas: Vec<Option<u32>>,
    phases: Vec<StreamPhase>,
    classes: Vec<usize>,
    /// The members of each class. Class 0 is everybody, until place matters.
    members: Vec<FixedBitSet>,
    /// The class of each place, once place matters.
    by_place: Option<BTreeMap<Place, usize>>,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Registers a stream of a client at `place`, closed as yet.
    pub fn add_stream(&mut self, place: Place) -> StreamId {
        let (stream, new_class) = self.streams.add(place);
        if new_class {
            self.enter_class(stream);
        }
        stream
    }

    /// The stream is held on this replica of the destination, of several.
    pub fn hold_on(&mut self, stream: StreamId, replica: u32) {
        self.streams.replicas[stream as usize] = Some(replica);
    }

    /// The stream has been opened; nothing of it has come yet.
    pub fn stream_sent(&mut self, stream: StreamId, at: At) {
        self.waiting.tried(stream);
        self.streams.phases[stream as usize] = StreamPhase::Sent(at);
    }

    /// The stream has ended: it leaves the audience of everything open and holds nothing.
    pub fn stream_closed(&mut self, stream: StreamId, at: At, _by: EndedBy) {
        self.streams.phases[stream as usize] = StreamPhase::Closed;
        let bit = stream as usize;
        let class = self.streams.class(stream);
        let (changes, outbox) = (&mut self.changes, &mut self.outbox);
        let held: Vec<_> = self.slots.held_by(stream).collect();
        for id in held {
            let slot = self.slots.get(id);
            if !slot.is_wanted(class) && slot.ever_wanted {
                outbox.counts.stale_seconds += at.since(slot.gone_since).as_secs_f64();
            }
            self.slots.hold(stream, id, false);
        }
        for (_, slot) in self.slots.iter_mut() {
            for entry in &mut slot.open {
                if entry.pending.remove(bit) {
                    outbox.counts.left += 1;
                    changes.leave(entry.change, stream);
                }
            }
            slot.open.retain(|entry| !entry.pending.is_empty());
            for late in &mut slot.late {
                if late.contains(bit) {
                    late.set(bit, false);
                }
            }
        }
        self.deviations.close_stream(stream);
        self.hand_on_changes();
    }

    /// Where the stream stands.
    #[must_use]
    pub fn stream_phase(&self, stream: StreamId) -> StreamPhase {
        self.streams.phases[stream as usize]
    }

    /// The address of one endpoint that the stream holds; `None` if it holds none.
    #[must_use]
    pub fn any_held(&self, stream: StreamId) -> Option<SocketAddr> {
        let first = self.slots.held_by(stream).next();
        first.map(|id| self.slots.get(id).endpoint.address)
    }

    /// Where each stream stands, by its number.
    #[must_use]
    pub fn stream_phases(&self) -> &[StreamPhase] {
        &self.streams.phases
    }

    /// How many endpoints a stream holds: the mean over the open ones; `None` if none is open.
    #[must_use]
    pub fn mean_held(&self) -> Option<f64> {
        let phases = self.streams.phases.iter();
        let open = phases.filter(|phase| **phase != StreamPhase::Closed);
        let open = open.count();
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        (open > 0).then(|| self.slots.held() as f64 / open as f64)
    }

    /// Streams that have received their snapshot, and streams in all.
    #[must_use]
    pub fn streams_held(&self) -> (usize, usize) {
        let held = |phase: &&StreamPhase| **phase == StreamPhase::Held;
        let phases = &self.streams.phases;
        (phases.iter().filter(held).count(), phases.len())
    }
}

// === impl Streams ===

impl Streams {
    /// A new stream, and whether it is the first of its class.
    fn add(&mut self, place: Place) -> (StreamId, bool) {
        let stream = self.phases.len();
        let class = match &mut self.by_place {
            None => 0,
            Some(classes) => {
                let next = classes.len();
                *classes.entry(place.clone()).or_insert(next)
            }
        };
        self.places.push(place);
        self.replicas.push(None);
        self.phases.push(StreamPhase::Closed);
        self.classes.push(class);
        if self.members.len() <= class {
            self.members.resize_with(class + 1, FixedBitSet::new);
        }
        let new_class = self.members[class].is_clear();
        self.members[class].grow_and_insert(stream);
        let stream = StreamId::try_from(stream)
            .expect("invariant: fewer streams than a u32 counts fit into memory");
        (stream, new_class)
    }

    pub(super) fn place(&self, stream: StreamId) -> &Place {
        &self.places[stream as usize]
    }

    /// Whether a stream's client is on this Node.
    pub(super) fn are_any_on(&self, node: &str) -> bool {
        self.places.iter().any(|place| place.node == node)
    }

    /// Whether place matters, or once did.
    pub(super) const fn are_apart(&self) -> bool {
        self.by_place.is_some()
    }

    pub(super) fn class(&self, stream: StreamId) -> usize {
        self.classes[stream as usize]
    }

    pub(super) fn phase(&self, stream: StreamId) -> StreamPhase {
        self.phases[stream as usize]
    }

    pub(super) fn replica(&self, stream: StreamId) -> Option<u32> {
        self.replicas[stream as usize]
    }

    /// The snapshot has come, or another message after it.
    pub(super) fn hold(&mut self, stream: StreamId) {
        self.phases[stream as usize] = StreamPhase::Held;
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = StreamId> + use<> {
        0..StreamId::try_from(self.phases.len()).unwrap_or(StreamId::MAX)
    }

    pub(super) fn len(&self) -> usize {
        self.phases.len()
    }

    /// The members of a class; `None` as long as there are no streams.
    pub(super) fn members(&self, class: usize) -> Option<&FixedBitSet> {
        self.members.get(class)
    }

    /// A place for each class, to ask the oracle with.
    pub(super) fn class_places(&self) -> Vec<Place> {
        match &self.by_place {
            None => vec![self.places.first().cloned().unwrap_or_default()],
            Some(classes) => {
                let mut places = vec![Place::default(); classes.len()];
                for (place, &class) in classes {
                    places[class] = place.clone();
                }
                places
            }
        }
    }

    /// From now on place matters: a class for each place, all promised what class 0 was.
    ///
    /// There is no way back: a Service whose hints come and go would otherwise be regrouped each
    /// time, and separate classes with equal promises cost little.
    pub(super) fn tell_places_apart(&mut self, slots: &mut Slots, at: At) {
        if self.by_place.is_some() {
            return;
        }
        let mut classes = BTreeMap::new();
        for place in &self.places {
            let next = classes.len();
            classes.entry(place.clone()).or_insert(next);
        }
        self.members = vec![FixedBitSet::new(); classes.len().max(1)];
        for (stream, place) in self.places.iter().enumerate() {
            let class = classes[place];
            self.classes[stream] = class;
            self.members[class].grow_and_insert(stream);
        }
        let promised: Vec<_> = slots
            .iter()
            .filter(|(_, slot)| slot.is_wanted(0))
            .map(|(id, _)| id)
            .collect();
        for class in 1..classes.len() {
            for &id in &promised {
                slots.want(id, class, true, at);
            }
        }
        self.by_place = Some(classes);
    }

    /// Streams that are to learn of what becomes visible at `visible`: those that hold their
    /// snapshot, or were sent at least a second before on a Service that promised them nothing.
    pub(super) fn audience(&self, visible: At, slots: &Slots) -> FixedBitSet {
        const SETTLED: std::time::Duration = std::time::Duration::from_secs(1);
        let mut audience = FixedBitSet::with_capacity(self.len());
        for (stream, phase) in self.phases.iter().enumerate() {
            audience.set(
                stream,
                match *phase {
                    StreamPhase::Held => true,
                    StreamPhase::Sent(at) => {
                        at + SETTLED <= visible && slots.promised(self.classes[stream]) == 0
                    }
                    StreamPhase::Closed => false,
                },
            );
        }
        audience
    }
}
