//! Updates that nothing explains as yet: those that came before the observer, those
//! that are simply wrong, and updates that may be about one of several states.

use std::collections::HashMap;

use dst_load_scenario::{action::Direction, time::At};
use smallvec::SmallVec;

use super::{ServiceLedger, messages::MessageId, slots::SlotId, streams::StreamId};

/// A stream began, or ceased, to hold an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Toggle {
    pub(super) at: At,
    pub(super) direction: Direction,
    /// Whether by a snapshot, which is evidence of no change.
    pub(super) snapshot: bool,
    /// Whether nothing that was on its way before can have caused it.
    pub(super) provable: bool,
    /// The message that caused it; `None` of a stream's first.
    pub(super) message: Option<MessageId>,
}

/// What is unexplained of one endpoint and stream.
#[derive(Debug)]
struct Deviation {
    toggles: SmallVec<[Toggle; 2]>,
    /// Whether it was given up: it is unexpected, and counted as such.
    given_up: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Unexplained {
    by: HashMap<(SlotId, StreamId), Deviation>,
}

// === impl Toggle ===

impl Toggle {
    /// Whether it proves that Kubernetes had changed by then.
    pub(super) const fn is_evidence(&self) -> bool {
        !self.snapshot
    }
}

// === impl Unexplained ===

impl Unexplained {
    pub(super) fn is_empty(&self) -> bool {
        self.by.is_empty()
    }

    /// Whether something about the endpoint is unexplained.
    pub(super) fn concerns(&self, id: SlotId) -> bool {
        self.by.keys().any(|&(of, _)| of == id)
    }

    /// What is unexplained, oldest first.
    pub(super) fn toggles(&self, id: SlotId, stream: StreamId) -> SmallVec<[Toggle; 2]> {
        let known = (!self.by.is_empty()).then(|| self.by.get(&(id, stream)));
        known
            .flatten()
            .map_or_else(SmallVec::new, |deviation| deviation.toggles.clone())
    }

    pub(super) fn push(&mut self, id: SlotId, stream: StreamId, toggle: Toggle) {
        let deviation = self.by.entry((id, stream)).or_insert_with(|| Deviation {
            toggles: SmallVec::new(),
            given_up: false,
        });
        deviation.toggles.push(toggle);
    }

    /// Takes out the oldest; the rest stays.
    pub(super) fn take_first(&mut self, id: SlotId, stream: StreamId) -> Option<Toggle> {
        let deviation = self.by.get_mut(&(id, stream))?;
        let first = deviation.toggles.remove(0);
        if deviation.toggles.is_empty() {
            self.by.remove(&(id, stream));
        }
        Some(first)
    }

    /// Takes all out; whether it had been given up.
    pub(super) fn forget(&mut self, id: SlotId, stream: StreamId) -> bool {
        let known = self.by.remove(&(id, stream));
        known.is_some_and(|deviation| deviation.given_up)
    }

    pub(super) fn is_given_up(&self, id: SlotId, stream: StreamId) -> bool {
        (self.by.get(&(id, stream))).is_some_and(|deviation| deviation.given_up)
    }

    pub(super) fn forget_stream(&mut self, stream: StreamId) {
        self.by.retain(|&(_, of), _| of != stream);
    }

    /// Since when; `None` if nothing is unexplained, or it was given up.
    pub(super) fn since(&self, id: SlotId, stream: StreamId) -> Option<At> {
        let deviation = self.by.get(&(id, stream))?;
        (!deviation.given_up).then(|| deviation.toggles[0].at)
    }

    /// When the newest was that has not been given up.
    pub(super) fn newest(&self) -> Option<At> {
        let open = self.by.values().filter(|deviation| !deviation.given_up);
        open.filter_map(|deviation| Some(deviation.toggles.last()?.at))
            .max()
    }

    /// Whether something may be explained yet.
    pub(super) fn is_pending(&self) -> bool {
        self.by.values().any(|deviation| !deviation.given_up)
    }

    /// What has been unexplained since `cutoff` or before, and not been given up, in order.
    fn due(&self, cutoff: At) -> Vec<(SlotId, StreamId)> {
        let due = |deviation: &Deviation| !deviation.given_up && deviation.toggles[0].at <= cutoff;
        let by = self.by.iter().filter(|(_, deviation)| due(deviation));
        let mut all: Vec<_> = by.map(|(&key, _)| key).collect();
        all.sort_unstable();
        all
    }
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// The instant of the oldest update that nothing explains, of those that would be wrong if
    /// nothing did.
    #[must_use]
    pub fn unexplained_since(&self) -> Option<At> {
        let open = |deviation: &&Deviation| !deviation.given_up && deviation.toggles[0].provable;
        let deviations = self.unexplained.by.values().filter(open);
        deviations.map(|deviation| deviation.toggles[0].at).min()
    }

    /// Registers that a consistent read, requested at `asked`, agrees with all that the observer
    /// has seen: updates before it that are still unexplained were premature, or wrong.
    pub fn contradict(&mut self, asked: At) {
        let mut found: Vec<_> = (self.unexplained.by.iter())
            .filter(|(_, deviation)| {
                let is_proof = |toggle: &Toggle| toggle.provable && !toggle.snapshot;
                !deviation.given_up
                    && deviation.toggles.iter().all(is_proof)
                    && deviation.toggles.iter().all(|toggle| toggle.at < asked)
            })
            .map(|(&key, _)| key)
            .filter(|&(id, stream)| self.to_learn(stream, id).0 == 0)
            .collect();
        found.sort_unstable();
        for (id, stream) in found {
            self.outbox.counts.premature += 1;
            self.give_up_explaining(id, stream);
        }
    }

    /// Gives up what has been unexplained since `cutoff` or before.
    pub(super) fn expire_unexplained(&mut self, cutoff: At) {
        for (id, stream) in self.unexplained.due(cutoff) {
            // While there are states to learn, these are what concludes them.
            if self.slots.contains(id) && self.to_learn(stream, id).0 == 0 {
                self.give_up_explaining(id, stream);
            }
        }
    }

    /// Looks for no explanation any more.
    pub(super) fn forget_unexplained(&mut self, stream: StreamId, id: SlotId) {
        if !self.unexplained.is_empty() && self.unexplained.forget(id, stream) {
            self.outbox.counts.unexpected_mended += 1;
        }
    }

    fn give_up_explaining(&mut self, id: SlotId, stream: StreamId) {
        self.outbox.counts.unexpected += 1;
        let class = self.streams.class(stream);
        if self.slots.holds(stream, id) == self.slots.get(id).is_wanted(class) {
            // There and back: the stream is right by now.
            self.unexplained.forget(id, stream);
            self.outbox.counts.unexpected_mended += 1;
        } else if let Some(deviation) = self.unexplained.by.get_mut(&(id, stream)) {
            deviation.given_up = true;
        }
    }
}
