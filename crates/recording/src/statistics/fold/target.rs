//! What the target's samples say of its cost: the numbers, and how they are folded.

use dst_load_scenario::time::At;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::growth::{Growth, HeapGrowth};
use crate::{
    recording::{Phase, TargetSample},
    statistics::pings::Pings,
};

/// What the target used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// CPU from the first sample to the last.
    pub cpu_seconds: Option<f64>,
    /// The most cores used between two samples, on average.
    pub cpu_max_cores: Option<f64>,
    /// The largest resident memory.
    pub peak_rss_bytes: Option<u64>,
    /// The resident memory at which it is killed, if known.
    #[serde(default)]
    pub memory_limit_bytes: Option<u64>,
    /// The largest number of other clients' `Get` streams at a phase's edge; `null` if it is not
    /// known.
    #[serde(default)]
    pub foreign_streams: Option<u64>,
    /// Liveness probes; `null` if none was sent or answered.
    #[serde(default)]
    pub pings: Option<Pings>,
    /// The largest resident memory before the first cycle, with all streams open.
    pub idle_rss_bytes: Option<u64>,
    /// CPU a second before the first cycle, with all streams open.
    pub idle_cpu_cores: Option<f64>,
    /// CPU from the end of the idle baseline to the last sample before cleaning up, less what the
    /// target would have used idle.
    pub cpu_above_idle_seconds: Option<f64>,
    /// Queue overflows between the first and the last sample.
    pub overflows: Option<u64>,
    /// Send timeouts, if the build counts them.
    pub send_timeouts: Option<u64>,
    /// The smallest and the largest `destination_endpoint_views_active` while churning.
    pub views_active: Option<(u64, u64)>,
    /// The trend of its live heap; of resident memory if the target has no heap metric.
    #[serde(default)]
    pub heap_growth: HeapGrowth,
    /// Detected restarts.
    pub restarts: u64,
    /// Whether its start time was read more than once: otherwise no restart can be detected.
    #[serde(default)]
    pub starts_known: bool,
    /// Samples taken.
    pub samples: u64,
    /// Failed scrapes.
    pub silent: u64,
    /// Failed scrapes since the churn began: before it nothing is judged.
    #[serde(default)]
    pub silent_judged: u64,
    /// Why the last of them failed.
    pub silent_reason: Option<String>,
    /// The addresses of replicas that came during the run: samples are without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas_unread: Vec<String>,
    /// How many of the other replicas had no metrics that were named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replicas_unnamed: u64,
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The fold of the target's samples.
#[derive(Debug, Default)]
pub(super) struct TargetFold {
    first: Option<TargetSample>,
    last: Option<TargetSample>,
    churning: Option<At>,
    first_cycle: Option<At>,
    settling: Option<At>,
    idle: Vec<TargetSample>,
    peak_rss: Option<u64>,
    memory_limit: Option<u64>,
    foreign: Option<u64>,
    cpu_max: Option<f64>,
    views: Option<(u64, u64)>,
    growth: Growth,
    restarts: u64,
    starts: u64,
    samples: u64,
    silent: u64,
    silent_judged: u64,
    silent_reason: Option<String>,
    cleaning: bool,
    worked: Option<TargetSample>,
    /// File descriptors before streams were opened, and first with all of them.
    before_opening: Option<TargetSample>,
    opened: Option<TargetSample>,
}

/// Bytes as a gauge gives them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size in bytes is neither negative nor beyond 2^63"
)]
pub(super) const fn bytes(gauge: f64) -> u64 {
    gauge as u64
}

/// The memory whose growth is judged: live heap; resident memory of a target that has no heap
/// metric. (A garbage-collected process keeps memory resident that it no longer uses.)
pub(super) const fn memory(sample: &TargetSample) -> Option<f64> {
    match sample.heap_bytes {
        Some(heap) => Some(heap),
        None => sample.rss_bytes,
    }
}

// === impl TargetFold ===

impl TargetFold {
    pub(super) fn phase(&mut self, at: At, phase: Phase) {
        match phase {
            Phase::Churning => {
                self.churning = Some(at);
                self.growth.opened(at);
            }
            Phase::Settling => self.settling = Some(at),
            Phase::CleaningUp => self.cleaning = true,
            Phase::Preparing | Phase::Opening => {}
        }
    }

    pub(super) fn cycle_starts(&mut self, at: At) {
        if self.first_cycle.is_none() {
            self.first_cycle = Some(at);
        }
        self.growth.cycle(at);
    }

    pub(super) fn last_cycle_ends(&mut self, at: At, whole: bool) {
        if whole {
            self.growth.cycle(at);
        }
    }

    pub(super) fn silent(&mut self, at: At, error: &str) {
        self.silent += 1;
        self.silent_judged += u64::from(self.churning.is_some_and(|churning| at >= churning));
        self.silent_reason = Some(error.to_owned());
    }

    /// Takes a sample; returns whether it is of use.
    pub(super) fn sample(&mut self, sample: &TargetSample) -> bool {
        if let Some(fell) = (self.last.as_ref())
            .filter(|last| !has_restarted(last, sample))
            .and_then(|last| sample.fell(last))
        {
            // Which of the two is wrong is unknown, and so is all that they would say together.
            self.silent(sample.at, &fell);
            return false;
        }
        self.samples += 1;
        self.starts += u64::from(sample.start_seconds.is_some());
        if let Some(rss) = sample.rss_bytes {
            self.peak_rss = self.peak_rss.max(Some(bytes(rss)));
        }
        self.memory_limit = sample.memory_limit_bytes.map(bytes).or(self.memory_limit);
        self.foreign = self.foreign.max(sample.foreign_streams);
        if let Some(last) = &self.last {
            if has_restarted(last, sample) {
                self.restarts += 1;
                self.growth.restarted(sample.at);
            } else if let Some(cores) = cores(last, sample) {
                self.cpu_max = Some(self.cpu_max.map_or(cores, |max| max.max(cores)));
            }
        }
        let churning = self.churning.is_some() && self.settling.is_none();
        if churning {
            if let Some(views) = sample.views_active.map(bytes) {
                let (low, high) = self.views.unwrap_or((views, views));
                self.views = Some((low.min(views), high.max(views)));
            }
            if let Some(heap) = memory(sample) {
                self.growth.heap(sample.at, heap);
            }
            if self.first_cycle.is_none() && self.idle.len() < IDLE_SAMPLES {
                self.idle.push(sample.clone());
            }
        }
        let left = self.settling.is_some() && sample.our_streams == Some(0);
        if self.first_cycle.is_some() && !self.cleaning && !left {
            self.worked = Some(sample.clone());
        }
        match sample.our_streams {
            Some(0) if self.opened.is_none() => self.before_opening = Some(sample.clone()),
            Some(1..) => {
                self.opened.get_or_insert_with(|| sample.clone());
            }
            _ => {}
        }
        self.first.get_or_insert_with(|| sample.clone());
        self.last = Some(sample.clone());
        true
    }

    pub(super) fn summary(&self) -> Target {
        let counter = |read: fn(&TargetSample) -> Option<f64>| {
            let (first, last) = (self.first.as_ref()?, self.last.as_ref()?);
            let (before, after) = (read(first).unwrap_or_default(), read(last)?);
            // A restarted process counts from zero again.
            Some(if after >= before {
                after - before
            } else {
                after
            })
        };
        let idle = self.idle.first().zip(self.idle.last());
        Target {
            cpu_seconds: counter(|sample| sample.cpu_seconds),
            cpu_max_cores: self.cpu_max,
            peak_rss_bytes: self.peak_rss,
            memory_limit_bytes: self.memory_limit,
            foreign_streams: self.foreign,
            pings: None,
            idle_rss_bytes: self
                .idle
                .iter()
                .filter_map(|sample| sample.rss_bytes.map(bytes))
                .max(),
            idle_cpu_cores: idle.and_then(|(first, last)| cores(first, last)),
            cpu_above_idle_seconds: self.cpu_above_idle(),
            overflows: counter(|sample| sample.overflows).map(bytes),
            send_timeouts: counter(|sample| sample.send_timeouts).map(bytes),
            views_active: self.views,
            heap_growth: self.growth.summary(),
            restarts: self.restarts,
            starts_known: self.starts > 1,
            samples: self.samples,
            silent: self.silent,
            silent_judged: self.silent_judged,
            silent_reason: self.silent_reason.clone(),
            replicas_unread: Vec::new(),
            replicas_unnamed: 0,
        }
    }

    /// File descriptors that the target opened while streams were opened: about as many connections.
    /// `None` where it does not say, or was restarted meanwhile.
    pub(super) fn connections(&self) -> Option<u64> {
        let (before, after) = (self.before_opening.as_ref()?, self.opened.as_ref()?);
        let opened = after.open_fds? - before.open_fds?;
        (!has_restarted(before, after)).then(|| bytes(opened.max(0.0)))
    }

    fn cpu_above_idle(&self) -> Option<f64> {
        let (idle, worked) = (self.idle.last()?, self.worked.as_ref()?);
        let idle_cores = cores(self.idle.first()?, idle)?;
        let span = worked.at.since(idle.at).as_secs_f64();
        // A restarted process counts from zero again, and nothing can be said.
        let used = (self.restarts == 0).then_some(worked.cpu_seconds? - idle.cpu_seconds?)?;
        Some((used - idle_cores * span).max(0.0))
    }
}

/// Samples kept of the idle baseline: at one every 5 s, the first hour.
const IDLE_SAMPLES: usize = 720;
/// Whether the process of one sample is another than that of the sample before.
fn has_restarted(last: &TargetSample, sample: &TargetSample) -> bool {
    let starts = last.start_seconds.zip(sample.start_seconds);
    starts.is_some_and(|(before, after)| (before - after).abs() > 1.0)
}

/// Cores used on average between two samples.
fn cores(from: &TargetSample, to: &TargetSample) -> Option<f64> {
    let seconds = to.at.since(from.at).as_secs_f64();
    let used = to.cpu_seconds? - from.cpu_seconds?;
    (seconds > 0.0 && used >= 0.0).then(|| used / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, cpu: f64, start: Option<f64>) -> TargetSample {
        TargetSample {
            at: At::from_secs(at),
            cpu_seconds: Some(cpu),
            rss_bytes: Some(9.0e7),
            start_seconds: start,
            ..TargetSample::default()
        }
    }

    fn folded(samples: &[TargetSample]) -> Target {
        let mut fold = TargetFold::default();
        fold.phase(At::ZERO, Phase::Churning);
        for one in samples {
            fold.sample(one);
        }
        fold.summary()
    }

    #[test]
    fn a_counter_that_falls_without_a_restart_is_a_scrape_that_failed() {
        for start in [Some(1_000.0), None] {
            let target = folded(&[
                sample(5, 100.0, start),
                sample(10, 3.0, start),
                sample(15, 103.0, start),
            ]);
            assert_eq!(
                (target.samples, target.silent, target.silent_judged),
                (2, 1, 1)
            );
            assert_eq!(
                target.silent_reason.as_deref(),
                Some("process_cpu_seconds_total fell from 100 to 3 without a restart")
            );
            // Not the 20 cores from the low one to the next.
            assert_eq!(target.cpu_max_cores, Some(0.3));
            assert_eq!(target.restarts, 0);
        }
    }

    #[test]
    fn after_a_restart_counters_begin_again() {
        let target = folded(&[
            sample(5, 100.0, Some(1_000.0)),
            sample(10, 3.0, Some(2_000.0)),
        ]);
        assert_eq!((target.samples, target.silent, target.restarts), (2, 0, 1));
    }
}
