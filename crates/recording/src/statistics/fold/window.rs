//! Latencies and fan-outs of a stretch of time.

use std::{collections::BTreeMap, time::Duration};

use dst_load_scenario::action::Direction;

use crate::{
    recording::ChangeLine,
    statistics::{
        Latency, Stage,
        slowest::{SlowestChange, slowness},
        summary::{FanOut, StageSummary},
    },
};

/// Latencies and fan-outs of a run or a cycle.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) latencies: BTreeMap<(Stage, Direction), Latency>,
    changes: u64,
    completed: u64,
    unattributed: u64,
    first: Latency,
    half: Latency,
    slowest: Option<ChangeLine>,
    last: Option<Duration>,
    last_end_to_end: Option<Duration>,
}

// === impl Window ===

impl Window {
    pub(super) fn change(&mut self, change: &ChangeLine) {
        if change.audience == 0 {
            return;
        }
        self.changes += 1;
        self.completed += u64::from(change.never == 0 && change.superseded == 0);
        self.unattributed += u64::from(change.intended.is_none());
        let micros = |us: Option<u64>| us.map(Duration::from_micros);
        if let Some(first) = micros(change.first_us) {
            self.first.record(first, 1);
        }
        if let Some(half) = micros(change.p50_us) {
            self.half.record(half, 1);
        }
        let slower = |than: &ChangeLine| slowness(change) > slowness(than);
        if self.slowest.as_ref().is_none_or(slower) {
            // Each stream's time is of use where recordings are merged, and only there.
            let times = None;
            self.slowest = Some(ChangeLine {
                times,
                ..change.clone()
            });
        }
        let last = micros(change.last_us);
        self.last = self.last.max(last);
        if let (Some(last), Some(intended)) = (last, change.intended) {
            self.last_end_to_end = self
                .last_end_to_end
                .max(Some(change.at.since(intended) + last));
        }
    }

    /// Changes with an audience.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn stages(&self) -> StageSummary {
        let mut stages = StageSummary::default();
        for (&(stage, direction), latency) in &self.latencies {
            stages.set(stage, direction, latency);
        }
        stages
    }

    pub(super) fn fan_out(&self) -> FanOut {
        let median = |latency: &Latency| latency.quantile(0.5).map(|q| q.value.as_secs_f64());
        FanOut {
            changes: self.changes,
            completed: self.completed,
            unattributed: self.unattributed,
            first_seconds: median(&self.first),
            p50_seconds: median(&self.half),
            last_seconds_max: self.last.map(|last| last.as_secs_f64()),
            last_end_to_end_seconds_max: self.last_end_to_end.map(|last| last.as_secs_f64()),
        }
    }

    pub(super) fn slowest(&self) -> Option<SlowestChange> {
        self.slowest.as_ref().map(SlowestChange::of)
    }
}
