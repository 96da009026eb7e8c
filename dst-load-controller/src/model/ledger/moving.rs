//! What is still on its way when streams are checked: neither wrong nor right as yet.

use std::time::Duration;

use super::{Deviation, ServiceLedger, StreamId, slots::SlotId};
use crate::model::time::At;

/// For how long after a change became visible an update that does not agree with it may be on its
/// way. What lasts longer is wrong, whether or not its deadline has passed.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Whether something of the Service changed so recently that it cannot be checked as a whole.
    #[must_use]
    pub fn is_changing(&self, at: At) -> bool {
        let mut open = self.slots.iter().flat_map(|(_, slot)| &slot.open);
        let mut deviations = self.deviations.since.values();
        open.any(|entry| self.is_recent(self.changes.start(entry.change), at))
            || deviations.any(|it| self.is_recent_deviation(*it, at))
    }

    /// Whether an update by which the stream would hold the endpoint rightly may be on its way: a
    /// change that it has yet to learn, or one that the observer has yet to see.
    pub(super) fn is_on_its_way(&self, id: SlotId, stream: StreamId, at: At) -> bool {
        let bit = stream as usize;
        let mut pending = self.slots.get(id).open.iter();
        let deviation = self.deviations.since.get(&(id, stream));
        pending.any(|entry| {
            entry.pending.contains(bit) && self.is_recent(self.changes.start(entry.change), at)
        }) || deviation.is_some_and(|it| self.is_recent_deviation(*it, at))
    }

    fn is_recent_deviation(&self, deviation: Deviation, at: At) -> bool {
        matches!(deviation, Deviation::Since(since) if self.is_recent(since, at))
    }

    fn is_recent(&self, since: At, at: At) -> bool {
        at < since + ON_ITS_WAY.min(self.deadline)
    }
}
