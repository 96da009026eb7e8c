//! Changes that are still on their way when streams are checked: neither right nor wrong yet.

use std::time::Duration;

use dst_load_scenario::time::At;

use super::ServiceLedger;

/// For how long after a change became visible the Service counts as changing.
const CHANGING: Duration = Duration::from_secs(5);

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Whether something of the Service changed so recently that it cannot be checked as a whole.
    #[must_use]
    pub fn is_changing(&self, at: At) -> bool {
        let recent = |since: At| at < since + CHANGING.min(self.limits.deadline);
        let mut open = self.slots.iter().flat_map(|(_, slot)| &slot.open);
        open.any(|entry| recent(self.changes.start(entry.change)))
            || self.unexplained.newest().is_some_and(recent)
    }
}
