//! Additions of what a stream already holds.
//!
//! An event of a slice makes Linkerd add again every endpoint of that slice whose Pod has changed
//! since it was last looked at (linkerd2 `controller/api/destination/watcher`,
//! `endpoints_watcher.go`, `diffAddresses`): such a repetition is legal, and is counted as
//! *repeated*. One that no event of a slice explains is *redundant*.

use std::{
    collections::{BTreeSet, VecDeque},
    net::IpAddr,
    time::Duration,
};

use dst_load_scenario::time::At;

use super::{
    ServiceLedger,
    limits::BEHIND,
    slots::{Slot, SlotId},
};

/// Repetitions that nothing has explained yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    open: VecDeque<(At, SlotId)>,
}

// === impl Repeats ===

impl Repeats {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Registers that an event of a slice, visible at `visible`, lists these addresses. To be called
    /// before the ledger has what is promised after the event: an addition that the event
    /// itself asks for repeats nothing.
    pub fn name(&mut self, visible: At, addresses: &BTreeSet<IpAddr>) {
        for (_, slot) in self.slots.iter_mut() {
            if !slot.is_unwanted() && addresses.contains(&slot.endpoint.address.ip()) {
                slot.named = Some(visible);
            }
        }
        let (slots, counts) = (&self.slots, &mut self.outbox.counts);
        self.repeats.open.retain(|&(at, id)| {
            let explained = slots.contains(id) && is_explained(slots.get(id), at, BEHIND);
            counts.repeated += u64::from(explained);
            !explained
        });
    }

    /// A stream received again, at `at`, what it held.
    pub(super) fn repeat(&mut self, at: At, id: SlotId) {
        if is_explained(self.slots.get(id), at, self.limits.deadline) {
            self.outbox.counts.repeated += 1;
        } else {
            self.repeats.open.push_back((at, id));
        }
    }

    /// Gives up repetitions that nothing has explained in time.
    pub(super) fn expire_repeats(&mut self, now: At) {
        while let Some(&(at, _)) = self.repeats.open.front()
            && at + BEHIND <= now
        {
            self.repeats.open.pop_front();
            self.outbox.counts.redundant += 1;
        }
    }
}

/// Whether an event named the slot within `span` before `at`, or after it.
fn is_explained(slot: &Slot, at: At, span: Duration) -> bool {
    slot.named.is_some_and(|named| at <= named + span)
}
