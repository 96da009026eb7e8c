//! What belongs to each cycle.

use std::{collections::BTreeMap, time::Duration};

use dst_load_scenario::time::At;

use super::Window;
use crate::{recording::TargetSample, statistics::summary::CycleSummary};

/// All cycles: those that deliveries may still belong to in full, the others as summaries, so
/// that a day of cycles takes no more memory than a few.
#[derive(Debug, Default)]
pub(super) struct Cycles {
    deadline: Duration,
    open: BTreeMap<u32, OpenCycle>,
    closed: Vec<CycleSummary>,
    last_ended: Option<(At, bool)>,
}

/// The memory of one sample.
#[derive(Clone, Copy, Debug)]
struct Memory {
    at: At,
    bytes: f64,
    /// When the target last collected its garbage, by its own clock.
    collected: Option<f64>,
}

#[derive(Debug, Default)]
struct OpenCycle {
    from: At,
    window: Window,
    memory: Vec<Memory>,
    peak_rss: Option<u64>,
}

// === impl Cycles ===

impl Cycles {
    pub(super) const fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    pub(super) fn start(&mut self, cycle: u32, at: At) {
        self.open.insert(
            cycle,
            OpenCycle {
                from: at,
                ..OpenCycle::default()
            },
        );
        self.close_old(at);
    }

    pub(super) const fn end_last(&mut self, at: At, whole: bool) {
        self.last_ended = Some((at, whole));
    }

    /// Hands the window of a cycle to `with`, if it is still open.
    pub(super) fn window(&mut self, cycle: u32, with: impl FnOnce(&mut Window)) {
        if let Some(open) = self.open.get_mut(&cycle) {
            with(&mut open.window);
        }
    }

    pub(super) fn target(&mut self, sample: &TargetSample) {
        let Some(mut last) = self.open.last_entry() else {
            return;
        };
        if self.last_ended.is_some_and(|(at, _)| sample.at > at) {
            return;
        }
        let cycle = last.get_mut();
        if let Some(bytes) = super::target::memory(sample) {
            cycle.memory.push(Memory {
                at: sample.at,
                bytes,
                collected: sample.collected_seconds,
            });
        }
        cycle.peak_rss = cycle
            .peak_rss
            .max(sample.rss_bytes.map(super::target::bytes));
    }

    /// Every cycle so far; the last one ends now, unless it is known when it did.
    pub(super) fn summaries(&self, now: At) -> Vec<CycleSummary> {
        let ends = self.open.values().skip(1).map(|next| (next.from, true));
        let last = self.last_ended.unwrap_or((now, false));
        let mut summaries = self.closed.clone();
        summaries.extend(
            self.open
                .iter()
                .zip(ends.chain([last]))
                .map(|((&cycle, open), (to, whole))| open.summary(cycle, to, whole)),
        );
        summaries
    }

    /// Closes the cycles that no delivery can belong to any more. Two are always kept.
    fn close_old(&mut self, now: At) {
        while self.open.len() > 2 {
            let mut starts = self.open.values().map(|open| open.from);
            let Some(end) = starts.nth(1) else { return };
            if end + self.deadline * 2 > now {
                return;
            }
            if let Some((cycle, open)) = self.open.pop_first() {
                self.closed.push(open.summary(cycle, end, true));
            }
        }
    }
}

// === impl OpenCycle ===

impl OpenCycle {
    fn summary(&self, cycle: u32, to: At, whole: bool) -> CycleSummary {
        // The low hold comes last: the first half has the large sets and the garbage of growing.
        let middle = self.from + to.since(self.from) / 2;
        CycleSummary {
            cycle,
            from_seconds: self.from.as_secs_f64(),
            to_seconds: to.as_secs_f64(),
            whole,
            latency: self.window.stages(),
            fan_out: self.window.fan_out(),
            heap_floor_bytes: self.floor(middle, to),
            peak_rss_bytes: self.peak_rss,
        }
    }

    /// The smallest memory from `from` to `to`. Where the target tells when it collects garbage,
    /// only what is seen after a collection within that time counts: until then its heap still
    /// holds the garbage of what came before.
    fn floor(&self, from: At, to: At) -> Option<f64> {
        let before = self.memory.iter().take_while(|sample| sample.at < from);
        let collected_before = before.last().and_then(|sample| sample.collected);
        self.memory
            .iter()
            .filter(|sample| sample.at >= from && sample.at <= to)
            .filter(|sample| sample.collected.is_none() || sample.collected != collected_before)
            .map(|sample| sample.bytes)
            .min_by(f64::total_cmp)
    }
}
