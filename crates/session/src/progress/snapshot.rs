//! What is shown of a run while it goes on.

use std::time::Duration;

use dst_load_oracle::ledger::UnderWay;
use dst_load_recording::recording::{ChangeLine, Phase, TargetSample};
use dst_load_scenario::time::At;
use parking_lot::Mutex;

use super::Progress;

/// A run at one moment.
#[derive(Clone, Debug)]
pub struct ProgressSnapshot {
    /// When.
    pub at: At,
    /// The run's phase.
    pub phase: Phase,
    /// The cycle under way; 0 before the first.
    pub cycle: u32,
    /// Services and ports that are watched.
    pub services: u64,
    /// Streams that are open.
    pub streams_open: u64,
    /// The newest change that some stream has not yet received, with its Service.
    pub under_way: Option<(String, UnderWay)>,
    /// The last change that is over.
    pub last_change: Option<ChangeLine>,
    /// Deliveries and messages so far.
    pub so_far: SoFar,
    /// CPU that the target used between its last two samples, in cores; `None` before the second,
    /// and where it does not say.
    pub target_cores: Option<f64>,
    /// The target's resident memory, bytes.
    pub target_memory: Option<f64>,
    /// How many warnings there were, and the last one.
    pub warnings: (usize, Option<String>),
}

/// Deliveries so far, of all Services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoFar {
    /// The number of deliveries.
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

/// The last samples of the target, the last change that is over, and all warnings.
#[derive(Debug, Default)]
pub(super) struct Latest {
    samples: Mutex<[Option<TargetSample>; 2]>,
    warnings: Mutex<Vec<String>>,
    change: Mutex<Option<ChangeLine>>,
}

// === impl Latest ===

impl Latest {
    fn target_cores(&self) -> Option<f64> {
        let samples = self.samples.lock();
        let [Some(before), Some(last)] = samples.as_slice() else {
            return None;
        };
        let span = last.at.since(before.at).as_secs_f64();
        let used = last.cpu_seconds? - before.cpu_seconds?;
        // A process that was started again counts from 0.
        (span > 0.0 && used >= 0.0).then_some(used / span)
    }

    fn target_memory(&self) -> Option<f64> {
        self.samples.lock()[1].as_ref()?.rss_bytes
    }

    fn warnings(&self) -> (usize, Option<String>) {
        let warnings = self.warnings.lock();
        (warnings.len(), warnings.last().cloned())
    }
}

// === impl Progress ===

impl Progress {
    /// The target was sampled.
    pub(crate) fn sampled(&self, sample: &TargetSample) {
        let mut samples = self.latest.samples.lock();
        samples.swap(0, 1);
        samples[1] = Some(sample.clone());
    }

    /// The reader was warned.
    pub(crate) fn warned(&self, warning: String) {
        self.latest.warnings.lock().push(warning);
    }

    /// A change is over.
    pub(crate) fn closed(&self, change: &ChangeLine) {
        *self.latest.change.lock() = Some(change.clone());
    }

    /// The run at this moment.
    #[must_use]
    pub fn snapshot(&self) -> ProgressSnapshot {
        let at = self.clock.now();
        let under_way = self.ledgers.under_way(at);
        ProgressSnapshot {
            at,
            phase: *self.phase.lock(),
            cycle: self.ledgers.cycle(),
            services: self.ledgers.all().len() as u64,
            streams_open: self.counters.active(),
            under_way: under_way.map(|(service, change)| (service.name.clone(), change)),
            last_change: self.latest.change.lock().clone(),
            so_far: self.so_far(),
            target_cores: self.latest.target_cores(),
            target_memory: self.latest.target_memory(),
            warnings: self.latest.warnings(),
        }
    }

    fn so_far(&self) -> SoFar {
        let mut so_far = SoFar::default();
        let mut all: Option<super::Distribution> = None;
        for series in self.series() {
            so_far.updates += self.messages(series);
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
