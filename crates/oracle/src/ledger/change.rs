//! Open changes, which have not reached all their streams yet, and what is reported of each once it
//! is closed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use dst_load_scenario::{action::Direction, time::At};

use super::{Written, slots::SlotId, streams::StreamId};

/// A change's identity: the object whose event made it, and the direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId {
    /// The object's uid; an EndpointSlice's, save where a Service or Node changed what is promised.
    pub object: Arc<str>,
    /// The object's resourceVersion.
    pub resource_version: Arc<str>,
    /// The direction.
    pub direction: Direction,
}

/// A change that is no longer awaited, with its fan-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedChange {
    /// Its name.
    pub id: ChangeId,
    /// The cycle in which it became visible; 0 before the first.
    pub cycle: u32,
    /// When the observer saw it.
    pub visible: At,
    /// Whether another cluster churned then.
    pub disturbed: bool,
    /// When the destination stage is taken to start.
    pub start: At,
    /// When the action that caused it was intended, if one is known.
    pub intended: Option<At>,
    /// Number of endpoints.
    pub endpoints: u32,
    /// Streams that should receive it.
    pub audience: u32,
    /// Streams that hold the whole of it, and how long each took from `start`, ascending.
    pub known: Vec<Duration>,
    /// Streams that had not learnt the whole of it by the deadline.
    pub never: u32,
    /// Streams that closed before they had learnt it.
    pub left: u32,
    /// Streams for which the wanted state of an endpoint ended before they had learnt it.
    pub superseded: u32,
    /// Its number among its Service's changes.
    pub(super) number: u64,
    /// When each of those in `known` held the whole of it.
    pub(super) seen: Vec<At>,
}

/// Progress of an open change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Whether endpoints appear or go.
    pub direction: Direction,
    /// The number of endpoints.
    pub endpoints: u32,
    /// Streams that are to learn of it.
    pub audience: u32,
    /// Streams that hold the whole of it.
    pub known: u32,
    /// When it became visible.
    pub visible: At,
    /// Since the start of its destination stage.
    pub age: Duration,
}

/// A change that some stream has yet to learn.
#[derive(Debug)]
pub(super) struct OpenChange {
    closed: ClosedChange,
    pub(super) slots: Vec<SlotId>,
    /// By stream: endpoints it has yet to learn; [`INCOMPLETE`] if it can no longer know the whole.
    remaining: Vec<u32>,
    /// Deliveries still open.
    open: u64,
}

/// What its deliveries need to know of a change, from when it opens until they have been handed on.
#[derive(Debug)]
pub(super) struct Origin {
    /// The write that the event was about.
    written: Written,
    /// When the destination stage starts, as far as is known by now.
    pub(super) start: At,
    pub(super) cycle: u32,
    pub(super) direction: Direction,
    pub(super) disturbed: bool,
}

const INCOMPLETE: u32 = u32::MAX;

/// All open changes of a Service, by the order in which they became visible.
#[derive(Debug, Default)]
pub(super) struct OpenChanges {
    next: u64,
    open: BTreeMap<u64, OpenChange>,
    done: Vec<u64>,
    origins: BTreeMap<u64, Origin>,
}

// === impl ClosedChange ===

impl ClosedChange {
    /// The time by which a fraction `q` (0 to 1) of the streams that stayed knew, nearest rank;
    /// `None` if they had not all by the deadline, or there were none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let streams = self.known.len() + self.never as usize;
        let rank = dst_load_scenario::quantile::nearest_rank(q, streams as u64)?;
        self.known.get(usize::try_from(rank).ok()? - 1).copied()
    }

    /// Whether every stream that stayed knew by the deadline.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.never == 0
    }

    /// States how long each stream took, the destination stage having started at `start`.
    pub(super) fn count_from(&mut self, start: At) {
        self.start = start;
        self.known = self.seen.iter().map(|seen| seen.since(start)).collect();
        self.known.sort_unstable();
    }
}

// === impl OpenChanges ===

impl OpenChanges {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How far the newest change that streams are still to learn has come.
    pub(super) fn newest(&self, now: At) -> Option<UnderWay> {
        let change = self.open.values().rev().find(|it| it.open > 0)?;
        let closed = &change.closed;
        Some(UnderWay {
            direction: closed.id.direction,
            endpoints: closed.endpoints,
            audience: closed.audience,
            known: u32::try_from(closed.seen.len()).unwrap_or(u32::MAX),
            visible: closed.visible,
            age: now.since(self.start(closed.number)),
        })
    }

    /// Opens a change, and numbers it; deliveries are added with [`Self::expect`].
    pub(super) fn open(
        &mut self,
        mut closed: ClosedChange,
        written: Written,
        streams: usize,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        closed.number = number;
        let origin = Origin {
            written,
            start: closed.start,
            cycle: closed.cycle,
            direction: closed.id.direction,
            disturbed: closed.disturbed,
        };
        self.origins.insert(number, origin);
        self.open.insert(
            number,
            OpenChange {
                closed,
                slots: Vec::new(),
                remaining: vec![0; streams],
                open: 0,
            },
        );
        number
    }

    /// The change concerns an endpoint which these streams are to learn.
    pub(super) fn expect(
        &mut self,
        number: u64,
        slot: SlotId,
        intended: Option<At>,
        streams: impl Iterator<Item = StreamId>,
    ) {
        let change = self.get(number);
        change.slots.push(slot);
        change.closed.endpoints += 1;
        change.closed.intended = change.closed.intended.or(intended);
        for stream in streams {
            let remaining = &mut change.remaining[stream as usize];
            if *remaining == 0 {
                change.closed.audience += 1;
            }
            *remaining += 1;
            change.open += 1;
        }
    }

    /// All deliveries have been added; a change without any is done. Returns how many streams are
    /// to learn of it.
    pub(super) fn sealed(&mut self, number: u64) -> u32 {
        let change = self.get(number);
        let (open, audience) = (change.open, change.closed.audience);
        if open == 0 {
            self.done.push(number);
        }
        audience
    }

    /// Whether the stream, which is to learn of the change, has learnt all of it.
    pub(super) fn is_known(&mut self, number: u64, stream: StreamId) -> bool {
        self.get(number).remaining[stream as usize] == 0
    }

    /// The write was acknowledged at `at`; whether a change of its is known. The destination stage
    /// starts then, if that is earlier: also of what has been delivered and not yet handed on.
    pub(super) fn acknowledge(&mut self, written: &Written, at: At) -> bool {
        let mut any = false;
        for origin in self
            .origins
            .values_mut()
            .filter(|it| it.written == *written)
        {
            origin.start = origin.start.min(at);
            any = true;
        }
        any
    }

    /// An update proves that the change was there at `at`.
    pub(super) fn proven(&mut self, number: u64, at: At) {
        if let Some(origin) = self.origins.get_mut(&number) {
            origin.start = origin.start.min(at);
        }
    }

    /// Whether [`Self::origin`] still has the change.
    pub(super) fn knows(&self, number: u64) -> bool {
        self.origins.contains_key(&number)
    }

    /// What is known of a change that is open, or whose deliveries have not all been handed on.
    pub(super) fn origin(&self, number: u64) -> &Origin {
        self.origins
            .get(&number)
            .expect("invariant: kept until its last delivery has been handed on")
    }

    pub(super) fn start(&self, number: u64) -> At {
        self.origin(number).start
    }

    /// All that was delivered has been handed on: what is closed and not `held` can be forgotten.
    pub(super) fn handed_on(&mut self, held: &BTreeSet<u64>) {
        let open = &self.open;
        self.origins
            .retain(|number, _| open.contains_key(number) || held.contains(number));
    }

    /// A stream has learnt one endpoint of the change at `at`.
    pub(super) fn deliver(&mut self, number: u64, stream: StreamId, at: At) {
        self.settle(number, stream, |change, remaining| {
            if *remaining != INCOMPLETE {
                *remaining -= 1;
                if *remaining == 0 {
                    change.seen.push(at);
                }
            }
        });
    }

    /// A stream closed before it had learnt one endpoint of the change.
    pub(super) fn leave(&mut self, number: u64, stream: StreamId) {
        self.mark_incomplete(number, stream, |change| &mut change.left);
    }

    /// The wanted state ended before the stream had learnt it, or the stream had nothing to learn.
    pub(super) fn supersede(&mut self, number: u64, stream: StreamId) {
        self.mark_incomplete(number, stream, |change| &mut change.superseded);
    }

    /// The stream has never learnt one endpoint of the change.
    pub(super) fn miss(&mut self, number: u64, stream: StreamId) {
        self.mark_incomplete(number, stream, |change| &mut change.never);
    }

    /// The oldest change that started at or before `at`, with its endpoints' slots.
    pub(super) fn oldest_started_by(&self, at: At) -> Option<(u64, Vec<SlotId>)> {
        // Changes open in the order in which they were seen, and each starts at or before that.
        let (&number, change) = self.open.iter().find(|(_, change)| change.open > 0)?;
        (self.start(number) <= at).then(|| (number, change.slots.clone()))
    }

    /// The action that caused the change was intended at `at`; whether the change is open.
    pub(super) fn claim(&mut self, number: u64, at: At) -> bool {
        let Some(change) = self.open.get_mut(&number) else {
            return false;
        };
        change.closed.intended.get_or_insert(at);
        true
    }

    /// Takes out the changes that nobody has yet to learn, with their numbers.
    pub(super) fn close_done(&mut self) -> Vec<(u64, ClosedChange)> {
        let mut done = std::mem::take(&mut self.done);
        done.sort_unstable();
        let open = &mut self.open;
        done.iter()
            .filter_map(|number| Some((*number, open.remove(number)?)))
            .map(|(number, mut change)| {
                change.closed.count_from(self.origins[&number].start);
                (number, change.closed)
            })
            .collect()
    }

    fn mark_incomplete(
        &mut self,
        number: u64,
        stream: StreamId,
        counter: impl FnOnce(&mut ClosedChange) -> &mut u32,
    ) {
        self.settle(number, stream, |change, remaining| {
            if *remaining != INCOMPLETE {
                *remaining = INCOMPLETE;
                *counter(change) += 1;
            }
        });
    }

    fn settle(
        &mut self,
        number: u64,
        stream: StreamId,
        with: impl FnOnce(&mut ClosedChange, &mut u32),
    ) {
        let change = self.get(number);
        with(&mut change.closed, &mut change.remaining[stream as usize]);
        change.open -= 1;
        if change.open == 0 {
            self.done.push(number);
        }
    }

    fn get(&mut self, number: u64) -> &mut OpenChange {
        self.open
            .get_mut(&number)
            .expect("invariant: an entry is dropped with or before its change")
    }
}
