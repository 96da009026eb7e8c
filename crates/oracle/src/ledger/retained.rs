//! Endpoints that streams keep while they are opened again, as a proxy does.
//!
//! Linkerd's proxy goes on with the endpoints that it has until the first message of the new stream
//! that is an `add`, and replaces them with that (linkerd2-proxy, `linkerd/proxy/resolve/src/recover.rs`).
//! The answer of a Service without endpoints is silence: whatever was promised before is kept, try
//! after try. Nobody has sent that wrongly, so it is counted apart from what streams hold.

use std::{collections::BTreeMap, time::Duration};

use dst_load_scenario::{action::Direction, scenario::Lifecycle, time::At};
use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};

use super::{ServiceLedger, slots::SlotId, streams::StreamId};
use crate::update::Update;

/// What the streams keep that are not served.
#[derive(Debug, Default)]
pub(super) struct Retained(BTreeMap<StreamId, Kept>);

/// What one stream keeps.
#[derive(Debug)]
struct Kept {
    slots: FixedBitSet,
    /// What is no longer promised of it: since when, or since the stream ended if that was later.
    stale: Vec<(SlotId, At)>,
    /// Whether anything of it was no longer promised, ever.
    was_stale: bool,
}

/// Times that streams kept endpoints, and what of them was no longer promised meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RetainedCounts {
    /// Times that a stream ended while it had endpoints.
    pub kept: u64,
    /// Times among them that some were no longer promised, before the stream had others.
    pub streams: u64,
    /// Time for which they were no longer promised, summed over (stream, endpoint), seconds.
    pub stale_seconds: f64,
    /// The longest time for one, microseconds.
    pub longest_us: u64,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Whether streams keep what they have when they end.
    const fn retains(&self) -> bool {
        matches!(self.limits.lifecycle, Lifecycle::Proxy)
    }

    /// A stream that had its snapshot has ended: it keeps what it holds.
    pub(super) fn retain(&mut self, stream: StreamId, at: At) {
        let slots = self.slots.set_of(stream);
        if !self.retains() || self.unjudged().is_some() || slots.is_clear() {
            return;
        }
        let class = self.streams.class(stream);
        let mut kept = Kept {
            slots,
            stale: Vec::new(),
            was_stale: false,
        };
        for id in kept.ids() {
            self.count_stale(stream, id, at);
            self.slots.get_mut(id).keepers += 1;
            if !self.slots.get(id).is_wanted(class) {
                kept.went(id, at);
            }
        }
        self.outbox.retained.kept += 1;
        self.outbox.retained.streams += u64::from(kept.was_stale);
        self.retained.0.insert(stream, kept);
    }

    /// A stream has received a message: an `add` replaces what it kept, and that there are no
    /// endpoints ends it. All else leaves it, as a proxy does not read it.
    pub(super) fn replace_retained(&mut self, stream: StreamId, at: At, update: &Update) {
        let replaces = match update {
            Update::Add(endpoints) => !endpoints.is_empty(),
            Update::Remove(_) => false,
            Update::NoEndpoints { .. } => true,
        };
        if replaces {
            self.end_retained(stream, at);
        }
    }

    /// The stream is refused for good: a proxy has no endpoints then.
    pub fn stream_refused(&mut self, stream: StreamId, at: At) {
        self.end_retained(stream, at);
    }

    fn end_retained(&mut self, stream: StreamId, at: At) {
        let Some(kept) = self.retained.0.remove(&stream) else {
            return;
        };
        for id in kept.ids() {
            self.slots.get_mut(id).keepers -= 1;
        }
        self.outbox.retained.absorb(kept.time(at));
    }

    /// The endpoint is promised to these classes from `visible` on, or no longer. When that came
    /// about is not known if it is not timed: then no time is counted.
    pub(super) fn note_retained(
        &mut self,
        id: SlotId,
        classes: &[usize],
        direction: Direction,
        (visible, timed): (At, bool),
    ) {
        for (&stream, kept) in &mut self.retained.0 {
            if !kept.slots.contains(id as usize) || !classes.contains(&self.streams.class(stream)) {
                continue;
            }
            if direction == Direction::Remove {
                self.outbox.retained.streams += u64::from(!kept.was_stale);
                kept.went(id, visible);
            } else if let Some(since) = kept.came_back(id)
                && timed
            {
                self.outbox
                    .retained
                    .absorb(RetainedCounts::of(since, visible));
            }
        }
    }

    /// Forgets what streams keep, as it is not known what is promised of it.
    pub(super) fn forget_retained(&mut self) {
        for kept in std::mem::take(&mut self.retained).0.into_values() {
            for id in kept.ids() {
                self.slots.get_mut(id).keepers -= 1;
            }
        }
    }

    /// What streams still keep at `at`; `None` if they keep nothing when they end.
    pub(super) fn retained_at(&self, at: At) -> Option<RetainedCounts> {
        self.retains().then(|| {
            let mut all = RetainedCounts::default();
            for kept in self.retained.0.values() {
                all.absorb(kept.counts(at));
            }
            all
        })
    }

    /// What the stream keeps.
    pub(super) fn kept_by(&self, stream: StreamId) -> impl Iterator<Item = SlotId> {
        self.retained.0.get(&stream).into_iter().flat_map(Kept::ids)
    }

    /// Counts the time for which a stream has held an endpoint that was gone, up to `at`; the time
    /// for which it kept it is counted elsewhere.
    pub(super) fn count_stale(&mut self, stream: StreamId, id: SlotId, at: At) {
        let slot = self.slots.get(id);
        let wanted = slot.is_wanted(self.streams.class(stream));
        if !wanted && slot.ever_wanted && !self.retained.0.contains_key(&stream) {
            let stale = at.since(self.stale_since(stream, id)).as_secs_f64();
            self.outbox.counts.stale_seconds += stale;
        }
    }

    /// Since when a stream has held an endpoint that is gone.
    pub(super) fn stale_since(&self, stream: StreamId, id: SlotId) -> At {
        let gone = self.slots.get(id).gone_since;
        match self.streams.snapshot(stream) {
            // Before that it kept it.
            Some(snapshot) if self.retains() => gone.max(snapshot),
            _ => gone,
        }
    }
}

// === impl Kept ===

impl Kept {
    fn ids(&self) -> Vec<SlotId> {
        let ids = self.slots.ones();
        ids.map(|id| SlotId::try_from(id).expect("invariant: slots are numbered by SlotId"))
            .collect()
    }

    /// The endpoint is no longer promised.
    fn went(&mut self, id: SlotId, at: At) {
        self.stale.push((id, at));
        self.was_stale = true;
    }

    /// The endpoint is promised again; returns since when it was not.
    fn came_back(&mut self, id: SlotId) -> Option<At> {
        let place = self.stale.iter().position(|&(of, _)| of == id)?;
        Some(self.stale.swap_remove(place).1)
    }

    /// The stream, and the time for which what it keeps has no longer been promised up to `at`.
    fn counts(&self, at: At) -> RetainedCounts {
        RetainedCounts {
            kept: 1,
            streams: u64::from(!self.stale.is_empty()),
            ..self.time(at)
        }
    }

    /// That time alone.
    fn time(&self, at: At) -> RetainedCounts {
        let mut time = RetainedCounts::default();
        for &(_, since) in &self.stale {
            time.absorb(RetainedCounts::of(since, at));
        }
        time
    }
}

// === impl RetainedCounts ===

impl RetainedCounts {
    /// One endpoint that was no longer promised, for this time.
    fn of(since: At, until: At) -> Self {
        let time = until.since(since);
        Self {
            stale_seconds: time.as_secs_f64(),
            longest_us: At::from(time).as_micros(),
            ..Self::default()
        }
    }

    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: Self) {
        self.kept += other.kept;
        self.streams += other.streams;
        self.stale_seconds += other.stale_seconds;
        self.longest_us = self.longest_us.max(other.longest_us);
    }

    /// The longest time for one endpoint.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us)
    }
}
