//! What is shown of a run while it goes on, beside what the ledgers hold.

use std::{sync::atomic::Ordering, time::Duration};

use parking_lot::Mutex;

use super::Books;
use crate::model::{
    ledger::UnderWay,
    recording::{ChangeLine, TargetSample},
    time::At,
};

/// The last that was said of the target, and of what the reader must know.
#[derive(Debug, Default)]
pub struct Glance {
    samples: Mutex<[Option<TargetSample>; 2]>,
    warnings: Mutex<Vec<String>>,
    change: Mutex<Option<ChangeLine>>,
}

// === impl Glance ===

impl Glance {
    /// The target was asked.
    pub(in crate::live) fn sampled(&self, sample: &TargetSample) {
        let mut samples = self.samples.lock();
        samples.swap(0, 1);
        samples[1] = Some(sample.clone());
    }

    /// The reader was warned.
    pub(in crate::live) fn warned(&self, warning: String) {
        self.warnings.lock().push(warning);
    }

    /// A change is over.
    pub(in crate::live) fn closed(&self, change: &ChangeLine) {
        *self.change.lock() = Some(change.clone());
    }

    /// The last change that is over.
    #[must_use]
    pub fn last_change(&self) -> Option<ChangeLine> {
        self.change.lock().clone()
    }

    /// CPU that the target used between its last two samples, in cores; `None` before the second,
    /// and where it does not say.
    #[must_use]
    pub fn target_cores(&self) -> Option<f64> {
        let samples = self.samples.lock();
        let [Some(before), Some(last)] = samples.as_slice() else {
            return None;
        };
        let span = last.at.since(before.at).as_secs_f64();
        let used = last.cpu_seconds? - before.cpu_seconds?;
        // A process that was started again counts from 0.
        (span > 0.0 && used >= 0.0).then_some(used / span)
    }

    /// The target's resident memory, bytes.
    #[must_use]
    pub fn target_memory(&self) -> Option<f64> {
        self.samples.lock()[1].as_ref()?.rss_bytes
    }

    /// How many warnings there were, and the last one.
    #[must_use]
    pub fn warnings(&self) -> (usize, Option<String>) {
        let warnings = self.warnings.lock();
        (warnings.len(), warnings.last().cloned())
    }
}

/// Deliveries so far, of all Services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    /// How many.
    pub count: u64,
    /// Those among them that had not arrived by the deadline.
    pub never: u64,
    /// The median of the destination stage, additions and removals together.
    pub p50: Duration,
    /// Its 99th percentile.
    pub p99: Duration,
    /// Messages received.
    pub updates: u64,
}

// === impl Books ===

impl Books {
    /// What is shown of the run beside the ledgers.
    #[must_use]
    pub const fn glance(&self) -> &Glance {
        &self.glance
    }

    /// This many streams are to be held.
    pub fn want_streams(&self, streams: u64) {
        self.streams_wanted.store(streams, Ordering::Relaxed);
    }

    /// Streams that are to be held.
    #[must_use]
    pub fn streams_wanted(&self) -> u64 {
        self.streams_wanted.load(Ordering::Relaxed)
    }

    /// The newest change that some stream has yet to learn, with its Service.
    #[must_use]
    pub fn change_under_way(&self, now: At) -> Option<(String, UnderWay)> {
        let open = self.books.iter().filter_map(|book| {
            let change = book.ledger(|ledger| ledger.under_way(now))?;
            Some((&book.target.service, change))
        });
        open.max_by_key(|(_, change)| change.visible)
            .map(|(service, change)| (service.clone(), change))
    }

    /// Deliveries and messages so far.
    #[must_use]
    pub fn latency(&self) -> SoFar {
        let mut so_far = SoFar::default();
        let mut all: Option<super::Distribution> = None;
        for series in self.series() {
            so_far.updates += series.updates();
            so_far.never += series.never();
            let latency = series.latency();
            match &mut all {
                Some(all) => all.merge(&latency),
                None => all = Some(latency),
            }
        }
        if let Some(all) = all {
            so_far.count = all.count();
            so_far.p50 = all.quantile(0.5);
            so_far.p99 = all.quantile(0.99);
        }
        so_far
    }
}
