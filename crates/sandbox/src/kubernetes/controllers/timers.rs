//! What the controllers do later, in one order.

use std::collections::BTreeMap;

use dst_load_scenario::time::At;

use crate::kubernetes::object::Key;

/// What is due at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A pod's containers have started.
    StartPod { pod: Key, uid: String },
    /// A pod's containers have stopped.
    StopPod { pod: Key, uid: String },
    /// A Service's changes have gathered.
    SyncSlices(Key),
    /// A ReplicaSet whose pods were refused tries again.
    RetrySet(Key),
    /// A ReplicaSet's status is written.
    SetStatus(Key),
    /// A Deployment's status is written.
    DeploymentStatus(Key),
}

/// The timers that have not fired; those of one instant fire in the order they were set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<(At, u64), Timer>,
    set: u64,
}

// === impl Timers ===

impl Timers {
    /// Sets a timer.
    pub(crate) fn set(&mut self, at: At, timer: Timer) {
        self.set += 1;
        self.due.insert((at, self.set), timer);
    }

    /// Takes the first timer that is due.
    pub(crate) fn pop(&mut self, now: At) -> Option<Timer> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// When the next is due.
    pub(crate) fn next(&self) -> Option<At> {
        self.due.keys().next().map(|(at, _)| *at)
    }
}
