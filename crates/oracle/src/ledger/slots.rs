//! The endpoints that a Service's ledger knows, each in a numbered slot.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
};

use dst_load_scenario::{action::Direction, time::At};
use fixedbitset::FixedBitSet;
use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::{
    holdings::{Classes, Holdings},
    streams::StreamId,
};
use crate::endpoint::{Endpoint, Pod};

/// A slot's number.
pub(super) type SlotId = u32;

/// One endpoint: what is wanted of it, who holds it, and what is open.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) endpoint: Endpoint,
    /// By class of streams: whether it is promised to them.
    pub(super) wanted: Classes,
    pub(super) ever_wanted: bool,
    /// When it was last no longer promised to somebody.
    pub(super) gone_since: At,
    /// When it was last promised to somebody, or no longer.
    pub(super) changed: At,
    /// How many streams hold the endpoint.
    holders: u32,
    /// How many keep it while they are opened again.
    pub(super) keepers: u32,
    /// Wanted states that some stream has yet to learn, oldest first.
    pub(super) open: Vec<Entry>,
    /// By stream, for additions and removals: those past their deadline.
    pub(super) late: [FixedBitSet; 2],
    /// Whether it is in [`Slots::retired`].
    pub(super) retired: bool,
    /// When an event of a slice last listed it, after the one by which it came to be promised.
    pub(super) named: Option<At>,
    /// Streams that held it when it came to be promised again: they missed that it had gone, and may
    /// be sent once what others learn then.
    pub(super) held_before: FixedBitSet,
}

/// A wanted state of one endpoint, with the streams that have yet to learn it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) change: u64,
    pub(super) direction: Direction,
    pub(super) intended: Option<At>,
    pub(super) pending: Pending,
}

/// The streams that have yet to learn something. Their number is kept: to count bits with each
/// update would make it cost more the more streams there are.
#[derive(Debug)]
pub(super) struct Pending {
    streams: FixedBitSet,
    count: usize,
}

/// All slots of a Service. Numbers of endpoints long gone are used again.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<SlotId>,
    /// Nearly always one each: an address has several while a pod has it that another had before.
    /// The hash is a fast one: addresses come from the controller that is measured, not from a foe.
    by_address: HashMap<SocketAddr, SmallVec<[SlotId; 4]>, FixedState>,
    promised: Vec<usize>,
    holdings: Holdings,
    /// (stream, endpoint) pairs held.
    held: u64,
    /// Slots, each once, that may be free after a while, by the instant from which to count.
    pub(super) retired: VecDeque<(At, SlotId)>,
}

// === impl Slots ===

impl Slots {
    pub(super) fn get(&self, id: SlotId) -> &Slot {
        self.slots[id as usize]
            .as_ref()
            .expect("invariant: a slot's number is dropped everywhere before the slot is freed")
    }

    pub(super) fn get_mut(&mut self, id: SlotId) -> &mut Slot {
        self.slots[id as usize]
            .as_mut()
            .expect("invariant: a slot's number is dropped everywhere before the slot is freed")
    }

    /// Whether the slot is in use.
    pub(super) fn contains(&self, id: SlotId) -> bool {
        self.slots.get(id as usize).is_some_and(Option::is_some)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotId, &Slot)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    /// The slots in use, for whoever changes them meanwhile.
    pub(super) fn ids(&self) -> Vec<SlotId> {
        self.iter().map(|(id, _)| id).collect()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SlotId, &mut Slot)> {
        (0..)
            .zip(&mut self.slots)
            .filter_map(|(id, slot)| Some((id, slot.as_mut()?)))
    }

    /// Endpoints promised to a class of streams.
    pub(super) fn promised(&self, class: usize) -> usize {
        self.promised.get(class).copied().unwrap_or_default()
    }

    /// Sets whether an endpoint is promised to a class.
    pub(super) fn want(&mut self, id: SlotId, class: usize, wanted: bool, at: At) {
        if self.promised.len() <= class {
            self.promised.resize(class + 1, 0);
        }
        let slot = self.slots[id as usize]
            .as_mut()
            .expect("invariant: only slots in use are wanted");
        if slot.wanted.contains(class) == wanted {
            return;
        }
        slot.wanted.set(class, wanted);
        slot.changed = at;
        if wanted {
            slot.ever_wanted = true;
            slot.named = None;
            slot.held_before.clear();
            self.promised[class] += 1;
        } else {
            slot.gone_since = at;
            self.promised[class] -= 1;
        }
    }

    /// The slot of exactly this endpoint; a new one if there is none.
    pub(super) fn exact(&mut self, endpoint: Endpoint) -> SlotId {
        let known = self.at_address(endpoint.address);
        if let Some(id) = self.of_pod(known, endpoint.pod) {
            return id;
        }
        let slot = Some(Slot::new(endpoint));
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                SlotId::try_from(self.slots.len() - 1)
                    .expect("invariant: fewer endpoints than a u32 counts fit into memory")
            }
        };
        self.by_address
            .entry(endpoint.address)
            .or_default()
            .push(id);
        id
    }

    /// The slot that an update's endpoint means: the same pod where both sides name one, else
    /// whatever is known at the address; a new one if nothing is. And whether it is the only one
    /// at its address.
    pub(super) fn meant(&mut self, endpoint: Endpoint) -> (SlotId, bool) {
        let known = self.at_address(endpoint.address);
        let comparable = || {
            let mut newest_first = known.iter().rev().copied();
            newest_first.find(|&id| endpoint.pod.is_none() || self.get(id).endpoint.pod.is_none())
        };
        let others = known.len();
        match self.of_pod(known, endpoint.pod).or_else(comparable) {
            Some(id) => (id, others == 1),
            None => (self.exact(endpoint), others == 0),
        }
    }

    /// The slot of exactly this pod among those that are `known` at an address.
    fn of_pod(&self, known: &[SlotId], pod: Option<Pod>) -> Option<SlotId> {
        let mut known = known.iter().copied();
        known.find(|&id| self.get(id).endpoint.pod == pod)
    }

    /// All slots at an address.
    pub(super) fn at_address(&self, address: SocketAddr) -> &[SlotId] {
        self.by_address
            .get(&address)
            .map_or(&[], SmallVec::as_slice)
    }

    /// Whether a stream holds the endpoint.
    pub(super) fn holds(&self, stream: StreamId, id: SlotId) -> bool {
        self.holdings.has(stream, id)
    }

    /// Sets whether a stream holds the endpoint; whether that changed anything.
    pub(super) fn hold(&mut self, stream: StreamId, id: SlotId, held: bool) -> bool {
        let changed = self.holdings.set(stream, id, held);
        if changed {
            let slot = self.get_mut(id);
            if held {
                slot.holders += 1;
                self.held += 1;
            } else {
                slot.holders -= 1;
                self.held -= 1;
            }
        }
        changed
    }

    /// (stream, endpoint) pairs held.
    pub(super) const fn held(&self) -> u64 {
        self.held
    }

    /// How many endpoints a stream holds.
    pub(super) fn count_held_by(&self, stream: StreamId) -> usize {
        self.holdings.count(stream)
    }

    /// What a stream holds, as a set.
    pub(super) fn set_of(&self, stream: StreamId) -> FixedBitSet {
        self.holdings.set_of(stream)
    }

    /// What a stream holds.
    pub(super) fn held_by(&self, stream: StreamId) -> impl Iterator<Item = SlotId> {
        self.holdings.of(stream)
    }

    /// Frees a slot's number.
    pub(super) fn free(&mut self, id: SlotId) {
        let Some(slot) = self.slots[id as usize].take() else {
            return;
        };
        if let Some(ids) = self.by_address.get_mut(&slot.endpoint.address) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_address.remove(&slot.endpoint.address);
            }
        }
        self.free.push(id);
    }
}

/// The streams of a set.
pub(super) fn streams_in(set: &FixedBitSet) -> impl Iterator<Item = StreamId> {
    set.ones()
        .map(|bit| u32::try_from(bit).expect("invariant: streams are numbered by u32"))
}

// === impl Pending ===

impl Pending {
    pub(super) fn new(streams: FixedBitSet) -> Self {
        let count = streams.count_ones(..);
        Self { streams, count }
    }

    pub(super) fn contains(&self, stream: usize) -> bool {
        self.streams.contains(stream)
    }

    /// Takes a stream out; whether it was in.
    pub(super) fn remove(&mut self, stream: usize) -> bool {
        let was = self.streams.contains(stream);
        if was {
            self.streams.remove(stream);
            self.count -= 1;
        }
        was
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = StreamId> {
        streams_in(&self.streams)
    }
}

// === impl Slot ===

impl Slot {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            wanted: Classes::default(),
            ever_wanted: false,
            gone_since: At::ZERO,
            changed: At::ZERO,
            holders: 0,
            keepers: 0,
            open: Vec::new(),
            late: [FixedBitSet::new(), FixedBitSet::new()],
            retired: false,
            named: None,
            held_before: FixedBitSet::new(),
        }
    }

    /// Whether it is promised to nobody.
    pub(super) fn is_unwanted(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(super) fn is_wanted(&self, class: usize) -> bool {
        self.wanted.contains(class)
    }

    /// How many streams hold it.
    pub(super) const fn holders(&self) -> usize {
        self.holders as usize
    }

    pub(super) fn is_pending(&self, stream: usize) -> bool {
        self.open.iter().any(|entry| entry.pending.contains(stream))
    }

    /// Drops the changes that no stream is waited for to learn.
    pub(super) fn drop_learnt(&mut self) {
        self.open.retain(|entry| !entry.pending.is_empty());
    }

    /// Whether the stream held the endpoint when it came to be promised; once.
    pub(super) fn take_held_before(&mut self, stream: StreamId) -> bool {
        let held = self.held_before.contains(stream as usize);
        if held {
            self.held_before.remove(stream as usize);
        }
        held
    }

    pub(super) fn late_mut(&mut self, direction: Direction) -> &mut FixedBitSet {
        &mut self.late[usize::from(direction == Direction::Remove)]
    }

    /// Whether nobody wants, holds, keeps or waits for the endpoint any more.
    pub(super) fn is_spent(&self) -> bool {
        self.is_unwanted() && self.holders == 0 && self.keepers == 0 && self.open.is_empty()
    }
}
