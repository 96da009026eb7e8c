//! The offset of the clock of a churner in another process, over a recording.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recording::ClockLine;

/// The result of comparing the clocks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OtherClock {
    /// How far the churner's clock was ahead of this one at the last measurement; each counts from
    /// the start of its own process.
    pub offset_seconds: f64,
    /// The largest possible error of an offset: half of a round trip. Every Kubernetes and
    /// end-to-end latency may be wrong by it.
    pub uncertainty_seconds: f64,
    /// The difference between the smallest and the largest offset of one process.
    pub drift_seconds: f64,
    /// Times the clocks were compared.
    pub measurements: u64,
    /// Processes of the churner: more than one if it was restarted.
    pub processes: u64,
}

/// The fold of the comparisons.
#[derive(Debug, Default)]
pub(super) struct ClockFold {
    last: Option<i64>,
    worst: u64,
    measurements: u64,
    /// By process: the smallest and the largest offset.
    ranges: BTreeMap<String, (i64, i64)>,
}

// === impl ClockFold ===

impl ClockFold {
    pub(super) fn line(&mut self, line: &ClockLine) {
        let offset = line.offset_us;
        self.last = Some(offset);
        self.worst = self.worst.max(line.uncertainty_us);
        self.measurements += 1;
        let range = self.ranges.entry(line.start.clone());
        let (low, high) = range.or_insert((offset, offset));
        (*low, *high) = ((*low).min(offset), (*high).max(offset));
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds stay far below 2^52"
    )]
    pub(super) fn summary(&self) -> Option<OtherClock> {
        let apart = self.ranges.values().map(|(low, high)| high.abs_diff(*low));
        Some(OtherClock {
            offset_seconds: self.last? as f64 / 1e6,
            uncertainty_seconds: self.worst as f64 / 1e6,
            drift_seconds: apart.max().unwrap_or_default() as f64 / 1e6,
            measurements: self.measurements,
            processes: self.ranges.len() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst_load_scenario::time::At;

    #[test]
    fn the_last_offset_the_worst_doubt_and_the_drift_of_one_process_are_told() {
        let mut fold = ClockFold::default();
        assert_eq!(fold.summary(), None);
        for (second, start, offset_us, uncertainty_us) in [
            (0, "a", 5_000_000, 80),
            (60, "a", 5_000_300, 250),
            (120, "b", -7_000_000, 90),
            (180, "b", -7_000_100, 90),
        ] {
            fold.line(&ClockLine {
                at: At::from_secs(second),
                start: start.into(),
                offset_us,
                uncertainty_us,
            });
        }
        let summary = fold.summary().unwrap();
        assert_eq!(
            (
                summary.offset_seconds,
                summary.uncertainty_seconds,
                summary.drift_seconds
            ),
            (-7.000_1, 0.000_25, 0.000_3)
        );
        assert_eq!((summary.measurements, summary.processes), (4, 2));
    }
}
