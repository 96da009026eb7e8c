//! Changes that some stream has yet to learn, and what is said of each once it is closed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Written, slots::SlotId, streams::StreamId};
use crate::model::{endpoint::Direction, time::At};

/// What names a change: the object whose event made it, and the direction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId {
    /// The object's uid; an EndpointSlice's, save where a Service or Node changed what is promised.
    pub object: Arc<str>,
    /// The object's resourceVersion.
    pub resource_version: Arc<str>,
    /// The direction.
    pub direction: Direction,
}

/// A change that is no longer waited for.
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
    /// Endpoints it concerns.
    pub endpoints: u32,
    /// Streams that were to learn of it.
    pub audience: u32,
    /// Streams that hold the whole of it, and how long each took from `start`, ascending.
    pub known: Vec<Duration>,
    /// Streams that had not learnt the whole of it by the deadline.
    pub never: u32,
    /// Streams that closed before they had learnt it.
    pub left: u32,
    /// Streams for which a later change overtook it.
    pub superseded: u32,
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Whether endpoints appear or go.
    pub direction: Direction,
    /// How many.
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
    /// The write that the event was about.
    written: Written,
    pub(super) slots: Vec<SlotId>,
    /// By stream: endpoints it has yet to learn; [`SPOILT`] if it can no longer know the whole.
    remaining: Vec<u32>,
    /// Deliveries still open.
    open: u64,
}

/// What a delivery says of its change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of {
    pub(super) cycle: u32,
    pub(super) disturbed: bool,
}

const SPOILT: u32 = u32::MAX;

/// All open changes of a Service, by the order in which they became visible.
#[derive(Debug, Default)]
pub(super) struct OpenChanges {
    next: u64,
    open: BTreeMap<u64, OpenChange>,
    done: Vec<u64>,
}

// === impl ClosedChange ===

impl ClosedChange {
    /// The time by which a fraction `q` (0 to 1) of the streams that stayed knew, nearest rank;
    /// `None` if they had not all by the deadline, or there were none.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let streams = self.known.len() + self.never as usize;
        let rank = crate::model::statistics::nearest_rank(q, streams as u64)?;
        self.known.get(usize::try_from(rank).ok()? - 1).copied()
    }

    /// Whether every stream that stayed knew by the deadline.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.never == 0
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
        Some(UnderWay {
            direction: change.closed.id.direction,
            endpoints: change.closed.endpoints,
            audience: change.closed.audience,
            known: u32::try_from(change.closed.known.len()).unwrap_or(u32::MAX),
            visible: change.closed.visible,
            age: now.since(change.closed.start),
        })
    }

    /// Opens a change; deliveries are added with [`Self::expect`].
    pub(super) fn open(&mut self, closed: ClosedChange, written: Written, streams: usize) -> u64 {
        let number = self.next;
        self.next += 1;
        self.open.insert(
            number,
            OpenChange {
                closed,
                written,
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
        streams: impl Iterator<Item = usize>,
    ) {
        let change = self.get(number);
        change.slots.push(slot);
        change.closed.endpoints += 1;
        change.closed.intended = change.closed.intended.or(intended);
        for stream in streams {
            if change.remaining[stream] == 0 {
                change.closed.audience += 1;
            }
            change.remaining[stream] += 1;
            change.open += 1;
        }
    }

    /// All deliveries have been added; a change without any is done.
    pub(super) fn sealed(&mut self, number: u64) {
        if self.get(number).open == 0 {
            self.done.push(number);
        }
    }

    /// The write was acknowledged at `at`; whether a change of its is open. The destination stage
    /// of what is still to come starts then, if that is earlier.
    pub(super) fn acknowledge(&mut self, written: &Written, at: At) -> bool {
        let mut any = false;
        for change in self.open.values_mut().filter(|it| it.written == *written) {
            change.closed.start = change.closed.start.min(at);
            any = true;
        }
        any
    }

    pub(super) fn start(&self, number: u64) -> At {
        self.open[&number].closed.start
    }

    /// A stream has learnt one endpoint of the change at `at`: how long after the change's start.
    pub(super) fn deliver(&mut self, number: u64, stream: StreamId, at: At) -> (Duration, Of) {
        let mut latency = Duration::ZERO;
        let of = self.settle(number, stream, |change, remaining| {
            latency = at.since(change.start);
            if *remaining != SPOILT {
                *remaining -= 1;
                if *remaining == 0 {
                    change.known.push(latency);
                }
            }
        });
        (latency, of)
    }

    /// A stream closed before it had learnt one endpoint of the change.
    pub(super) fn leave(&mut self, number: u64, stream: StreamId) {
        self.spoil(number, stream, |change| &mut change.left);
    }

    /// A later wanted state overtook this one for a stream.
    pub(super) fn supersede(&mut self, number: u64, stream: StreamId) {
        self.spoil(number, stream, |change| &mut change.superseded);
    }

    /// The deadline passed before a stream had learnt one endpoint of the change.
    pub(super) fn miss(&mut self, number: u64, stream: StreamId) -> Of {
        self.spoil(number, stream, |change| &mut change.never)
    }

    /// The oldest change that started at or before `at`, with its endpoints' slots.
    pub(super) fn oldest_started_by(&self, at: At) -> Option<(u64, Vec<SlotId>)> {
        // Changes open in the order in which they were seen, and each starts at or before that.
        let (&number, change) = self.open.iter().find(|(_, change)| change.open > 0)?;
        (change.closed.start <= at).then(|| (number, change.slots.clone()))
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
        done.iter()
            .filter_map(|number| Some((*number, self.open.remove(number)?)))
            .map(|(number, mut change)| {
                change.closed.known.sort_unstable();
                (number, change.closed)
            })
            .collect()
    }

    fn spoil(
        &mut self,
        number: u64,
        stream: StreamId,
        counter: impl FnOnce(&mut ClosedChange) -> &mut u32,
    ) -> Of {
        self.settle(number, stream, |change, remaining| {
            if *remaining != SPOILT {
                *remaining = SPOILT;
                *counter(change) += 1;
            }
        })
    }

    fn settle(
        &mut self,
        number: u64,
        stream: StreamId,
        with: impl FnOnce(&mut ClosedChange, &mut u32),
    ) -> Of {
        let change = self.get(number);
        with(&mut change.closed, &mut change.remaining[stream as usize]);
        change.open -= 1;
        let of = Of {
            cycle: change.closed.cycle,
            disturbed: change.closed.disturbed,
        };
        if change.open == 0 {
            self.done.push(number);
        }
        of
    }

    fn get(&mut self, number: u64) -> &mut OpenChange {
        self.open
            .get_mut(&number)
            .expect("invariant: an entry is dropped with or before its change")
    }
}
