//! Bit sets by stream: which endpoints it holds, and which it is promised.
//!
//! An update names many endpoints for one stream, so a stream's bits lie side by side: by endpoint,
//! each address of an update would be a cache line of its own.

use fixedbitset::FixedBitSet;

use super::{slots::SlotId, streams::StreamId};

/// By stream: the slots of the endpoints that it holds.
#[derive(Debug, Default)]
pub(super) struct Holdings(Vec<FixedBitSet>);

/// The classes of streams that something is promised to. There are few, and nearly always one.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// The first ones.
    few: u64,
    /// All others.
    more: FixedBitSet,
}

/// Classes that are kept without memory of their own.
const FEW: usize = 64;

// === impl Holdings ===

impl Holdings {
    pub(super) fn has(&self, stream: StreamId, slot: SlotId) -> bool {
        let held = self.0.get(stream as usize);
        held.is_some_and(|held| held.contains(slot as usize))
    }

    /// Sets whether a stream holds an endpoint; whether that changed anything.
    pub(super) fn set(&mut self, stream: StreamId, slot: SlotId, holds: bool) -> bool {
        let (stream, slot) = (stream as usize, slot as usize);
        if self.0.len() <= stream {
            if !holds {
                return false;
            }
            self.0.resize_with(stream + 1, FixedBitSet::new);
        }
        let held = &mut self.0[stream];
        if holds {
            held.grow(slot + 1);
            !held.put(slot)
        } else {
            let held_before = held.contains(slot);
            if held_before {
                held.remove(slot);
            }
            held_before
        }
    }

    /// How many endpoints a stream holds.
    pub(super) fn count(&self, stream: StreamId) -> usize {
        let held = self.0.get(stream as usize);
        held.map_or(0, |held| held.count_ones(..))
    }

    /// What a stream holds, as a set.
    pub(super) fn set_of(&self, stream: StreamId) -> FixedBitSet {
        self.0.get(stream as usize).cloned().unwrap_or_default()
    }

    /// What a stream holds, in the slots' order.
    pub(super) fn of(&self, stream: StreamId) -> impl Iterator<Item = SlotId> {
        let held = self.0.get(stream as usize).into_iter();
        held.flat_map(FixedBitSet::ones)
            .map(|slot| SlotId::try_from(slot).expect("invariant: slots are numbered by SlotId"))
    }
}

// === impl Classes ===

impl Classes {
    pub(super) fn contains(&self, class: usize) -> bool {
        if class < FEW {
            self.few & (1 << class) != 0
        } else {
            self.more.contains(class - FEW)
        }
    }

    pub(super) fn set(&mut self, class: usize, promised: bool) {
        if class >= FEW {
            self.more.grow(class - FEW + 1);
            self.more.set(class - FEW, promised);
        } else if promised {
            self.few |= 1 << class;
        } else {
            self.few &= !(1 << class);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.few == 0 && self.more.is_clear()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_told_apart_wherever_they_are_kept() {
        let mut classes = Classes::default();
        for class in [0, 63, 64, 200] {
            assert!(!classes.contains(class));
            classes.set(class, true);
            assert!(classes.contains(class) && !classes.contains(class + 1));
        }
        for class in [0, 63, 64, 200] {
            assert!(!classes.is_empty());
            classes.set(class, false);
        }
        assert!(classes.is_empty());
    }

    #[test]
    fn a_stream_that_never_held_anything_holds_nothing() {
        let mut holdings = Holdings::default();
        assert!(!holdings.set(7, 3, false) && !holdings.has(7, 3));
        assert!(holdings.set(7, 300, true) && !holdings.set(7, 300, true));
        assert!(holdings.has(7, 300) && !holdings.has(6, 300));
        assert_eq!(holdings.of(7).collect::<Vec<_>>(), [300]);
        assert!(holdings.set(7, 300, false));
        assert_eq!(holdings.of(7).count(), 0);
    }
}
