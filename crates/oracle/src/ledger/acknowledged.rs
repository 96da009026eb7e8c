//! Acknowledgements of this tool's own writes of slices. The destination stage of what they changed
//! starts there, unless the observer saw it earlier.

use std::{collections::BTreeMap, sync::Arc};

use dst_load_scenario::time::At;

use super::ServiceLedger;

/// One write of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    /// The object's uid.
    pub object: Arc<str>,
    /// The resourceVersion that the write gave it; `None` if it was deleted, because the answer to
    /// a deletion names none.
    pub resource_version: Option<Arc<str>>,
}

/// Acknowledgements whose event the observer has not seen yet.
#[derive(Debug, Default)]
pub(super) struct Acknowledged(BTreeMap<Written, At>);

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Registers that a write of this tool to one of the Service's slices was acknowledged at `at`.
    /// Observer and acknowledgement may come in either order; what was delivered between the two
    /// keeps the later start.
    pub fn acknowledge(&mut self, written: Written, at: At) {
        if !self.changes.acknowledge(&written, at) {
            self.acknowledged.0.insert(written, at);
        }
    }
}

// === impl Acknowledged ===

impl Acknowledged {
    /// Where the destination stage starts of what was `visible` of a write.
    pub(super) fn start(&mut self, written: &Written, visible: At) -> At {
        let acknowledged = self.0.remove(written);
        acknowledged.map_or(visible, |at| at.min(visible))
    }

    /// Forgets acknowledgements up to `cutoff`: a write that changed nothing has no event.
    pub(super) fn forget_until(&mut self, cutoff: At) {
        self.0.retain(|_, at| *at > cutoff);
    }
}
