//! The streams that watch a Service, and the classes of streams that are promised the same.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use dst_load_scenario::time::At;
use fixedbitset::FixedBitSet;

use super::{
    ServiceLedger,
    slots::{SlotId, Slots, streams_in},
};
use crate::kubernetes::Place;

/// A stream's number within its Service. It outlives reconnections.
pub type StreamId = u32;

/// The phase of a stream.
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

/// The side that ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// This tool: the scenario asked for it, or a limit or time-out of ours.
    Us,
    /// The destination, or whatever lies between: a status, a reset, the end of the connection.
    Destination,
}

/// A stream that has heard nothing this long after it was sent waits on a Service without endpoints.
const SETTLED: Duration = Duration::from_secs(1);

/// All streams of a Service.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Place>,
    /// The replica of the destination that each is on, where there are several.
    replicas: Vec<Option<u32>>,
    /// Of streams that have moved since their last snapshot: until when they were on which others,
    /// oldest first. States that ended there are paired with the next snapshot.
    earlier: BTreeMap<StreamId, Vec<(At, u32)>>,
    phases: Vec<StreamPhase>,
    /// When each received its last snapshot.
    snapshots: Vec<Option<At>>,
    /// Streams that the destination ended and that have not had their next snapshot: they stay in
    /// the audience, and hold what they held, as a proxy goes on with it.
    resuming: FixedBitSet,
    classes: Vec<usize>,
    /// The members of each class. Class 0 is everybody, until place matters.
    members: Vec<FixedBitSet>,
    /// The class of each place, once place matters.
    by_place: Option<BTreeMap<Place, usize>>,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Registers a stream of a client at `place`; it is not open yet.
    pub fn add_stream(&mut self, place: Place) -> StreamId {
        let (stream, new_class) = self.streams.add(place);
        if new_class {
            self.enter_class(stream);
        }
        stream
    }

    /// Sets the replica of the destination, of several, that the stream is on from `at`. It is set
    /// whenever the stream is sent, and stays while the stream waits to be sent again.
    pub fn assign_replica(&mut self, stream: StreamId, replica: u32, at: At) {
        let before = self.streams.replicas[stream as usize].replace(replica);
        if let Some(before) = before.filter(|&before| before != replica)
            && self.streams.resumes(stream)
        {
            let earlier = self.streams.earlier.entry(stream).or_default();
            earlier.push((at, before));
        }
    }

    /// Registers that the stream has been sent at `at`; nothing has been received yet.
    pub fn stream_sent(&mut self, stream: StreamId, at: At) {
        self.waiting.tried(stream);
        self.retries.sent(stream);
        self.unserved.sent(stream, at);
        self.streams.phases[stream as usize] = StreamPhase::Sent(at);
    }

    /// Registers that the stream has ended. One that this tool ended leaves the audience of
    /// everything open and holds nothing. One that the destination ended stays in it until its next
    /// snapshot, and its time runs on.
    pub fn stream_closed(&mut self, stream: StreamId, at: At, by: EndedBy) {
        let was = std::mem::take(&mut self.streams.phases[stream as usize]);
        self.retries.closed(stream, by);
        let stays = match was {
            StreamPhase::Held => {
                self.unserved.lost(stream, at, by);
                self.retain(stream, at);
                by == EndedBy::Destination
            }
            // What ends before its snapshot changes nothing of that.
            _ if self.streams.resumes(stream) => true,
            StreamPhase::Sent(sent) => {
                by == EndedBy::Destination
                    && sent + SETTLED <= at
                    && self.slots.promised(self.streams.class(stream)) == 0
            }
            StreamPhase::Closed => false,
        };
        if stays {
            self.streams.resuming.grow_and_insert(stream as usize);
        } else {
            self.drop_stream(stream, at);
        }
        self.hand_on_changes();
    }

    /// Whether what the stream receives at `at` is its snapshot. A stream that has waited for a
    /// while on a Service that promised nothing has had its answer: what comes then is an update.
    pub(super) fn is_snapshot(&self, stream: StreamId, at: At) -> bool {
        match self.streams.phase(stream) {
            StreamPhase::Held => false,
            StreamPhase::Sent(sent) => {
                self.streams.resumes(stream)
                    || sent + SETTLED > at
                    || self.slots.promised(self.streams.class(stream)) > 0
            }
            StreamPhase::Closed => true,
        }
    }

    /// The stream leaves the audience of everything open, and holds nothing.
    fn drop_stream(&mut self, stream: StreamId, at: At) {
        self.waiting.leave(stream);
        let bit = stream as usize;
        self.streams.resuming.grow(bit + 1);
        self.streams.resuming.set(bit, false);
        let held: Vec<_> = self.slots.held_by(stream).collect();
        for id in held {
            self.count_stale(stream, id, at);
            self.slots.hold(stream, id, false);
        }
        for id in self.slots.ids() {
            self.leave(stream, id);
            let slot = self.slots.get_mut(id);
            slot.drop_learnt();
            for late in &mut slot.late {
                if late.contains(bit) {
                    late.set(bit, false);
                }
            }
        }
        self.unexplained.forget_stream(stream);
        self.streams.earlier.remove(&stream);
    }

    /// The stream is no longer waited for to learn the endpoint.
    pub(super) fn leave(&mut self, stream: StreamId, id: SlotId) {
        let slot = self.slots.get_mut(id);
        for entry in &mut slot.open {
            if entry.pending.remove(stream as usize) {
                self.outbox.counts.left += 1;
                self.changes.leave(entry.change, stream);
            }
        }
    }

    /// A stream that was opened again on a Service without endpoints gets no snapshot: that is its
    /// answer, at an instant that is not known.
    pub(super) fn expire_resuming(&mut self, now: At) {
        let resuming: Vec<_> = streams_in(&self.streams.resuming).collect();
        for stream in resuming {
            if let StreamPhase::Sent(at) = self.streams.phase(stream)
                && at + SETTLED <= now
                && self.slots.promised(self.streams.class(stream)) == 0
            {
                self.drop_stream(stream, at);
            }
        }
        self.hand_on_changes();
    }

    /// A stream has had its snapshot: states that ended before it are not sent any more.
    pub(super) fn conclude_all_of(&mut self, stream: StreamId) {
        for id in self.slots.ids() {
            if self.slots.get(id).is_pending(stream as usize) {
                self.conclude(stream, id);
            }
        }
        self.streams.earlier.remove(&stream);
    }

    /// The stream's phase.
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

    /// The phase of each stream, by its number.
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
        self.snapshots.push(None);
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

    /// The replica that the stream is on.
    pub(super) fn replica(&self, stream: StreamId) -> Option<u32> {
        self.replicas[stream as usize]
    }

    /// The replica that the stream was on at `at`, which is not before its last snapshot.
    pub(super) fn replica_at(&self, stream: StreamId, at: At) -> Option<u32> {
        let earlier = self.earlier.get(&stream).into_iter().flatten();
        let then = earlier.copied().find(|&(until, _)| at < until);
        then.map(|(_, replica)| replica)
            .or_else(|| self.replica(stream))
    }

    /// The snapshot has come at `at`, or another message after it; whether it is the snapshot of a
    /// stream that the destination had ended.
    pub(super) fn hold(&mut self, stream: StreamId, at: At) -> bool {
        let bit = stream as usize;
        if self.is_held(stream) {
            return false;
        }
        self.phases[bit] = StreamPhase::Held;
        self.snapshots[bit] = Some(at);
        let resumed = self.resumes(stream);
        if resumed {
            self.resuming.set(bit, false);
        }
        resumed
    }

    /// Whether it has had its snapshot.
    pub(super) fn is_held(&self, stream: StreamId) -> bool {
        self.phases[stream as usize] == StreamPhase::Held
    }

    /// When it last had one.
    pub(super) fn snapshot(&self, stream: StreamId) -> Option<At> {
        self.snapshots[stream as usize]
    }

    /// Whether the destination ended it, and its next snapshot has not come.
    pub(super) fn resumes(&self, stream: StreamId) -> bool {
        self.resuming.contains(stream as usize)
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
        let mut audience = FixedBitSet::with_capacity(self.len());
        for (stream, phase) in self.phases.iter().enumerate() {
            audience.set(
                stream,
                match *phase {
                    StreamPhase::Held => true,
                    _ if self.resuming.contains(stream) => true,
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
