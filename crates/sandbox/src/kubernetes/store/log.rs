//! What has happened to one resource, for watches that resume.

use std::{collections::VecDeque, sync::Arc};

use crate::kubernetes::object::Object;

/// One write.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The object as the write left it.
    pub(crate) object: Arc<Object>,
    /// The object as it was before.
    pub(crate) before: Option<Arc<Object>>,
}

/// The latest writes of one resource.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The version of the last write that has been forgotten.
    compacted: u64,
}

/// How much JSON a resource's log holds: enough for every pod of a large scaling to be written in
/// one instant before any watch is polled, and small enough for every resource to reach it.
const LIMIT: usize = 64 << 20;

// === impl Log ===

impl Log {
    /// Appends a write and forgets the oldest ones above the limit.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes += entry.object.event().len();
        self.entries.push_back(entry);
        while self.bytes > LIMIT && self.entries.len() > 1 {
            self.forget_oldest();
        }
    }

    /// The writes after `version`, or the oldest version that can be resumed from.
    ///
    /// # Errors
    /// The version of the last forgotten write, if `version` is before it.
    pub(crate) fn after(&self, version: u64) -> Result<impl Iterator<Item = &Entry>, u64> {
        if version < self.compacted {
            return Err(self.compacted);
        }
        let start = self
            .entries
            .partition_point(|entry| entry.object.version <= version);
        Ok(self.entries.range(start..))
    }

    /// Forgets everything up to `version`, as a compaction does.
    pub(crate) fn compact(&mut self, version: u64) {
        while self
            .entries
            .front()
            .is_some_and(|it| it.object.version <= version)
        {
            self.forget_oldest();
        }
        self.compacted = self.compacted.max(version);
    }

    fn forget_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.object.event().len();
            self.compacted = entry.object.version;
        }
    }
}
