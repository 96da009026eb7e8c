//! Latencies of the run as bars, and their quantiles by time.

use std::collections::BTreeMap;

use dst_load_recording::{recording::Second, statistics::Stage};
use dst_load_scenario::{action::Direction, time::At};
use serde::Serialize;

use super::{bins::Bins, buckets::Buckets};

/// The latencies of the run in one stage and direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// The stage.
    pub stage: Stage,
    /// The direction.
    pub direction: Direction,
    /// Deliveries, those that never arrived among them.
    pub count: u64,
    /// Deliveries that never arrived: they are in the bar of the deadline.
    pub never: u64,
    /// How many took how long, four bars a doubling.
    pub bars: Vec<Bar>,
}

/// Deliveries that took this long: lowest and highest latency in microseconds, and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bar(pub u64, pub u64, pub u64);

/// The quantiles of one stage and direction by time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// The stage.
    pub stage: Stage,
    /// The direction.
    pub direction: Direction,
    /// Those buckets that had deliveries.
    pub moments: Vec<Moment>,
}

/// A bucket's number; its deliveries, and those among them that never arrived; and median, p99 and
/// largest latency in microseconds, told to 1.6 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Moment(pub u64, pub u64, pub u64, pub u64, pub u64, pub u64);

type Key = (Stage, Direction);

#[derive(Debug, Default)]
pub(super) struct LatencyFold {
    run: BTreeMap<Key, Bins>,
    by_time: BTreeMap<Key, Buckets<Bins>>,
}

// === impl LatencyFold ===

impl LatencyFold {
    pub(super) fn second(&mut self, second: &Second) {
        // The line bears the second's end.
        let at = At::from_micros(second.at.as_micros().saturating_sub(1));
        for line in &second.latencies {
            let key = (line.stage, line.direction);
            self.run.entry(key).or_default().add(&line.latency);
            let by_time = self.by_time.entry(key).or_default();
            by_time.at(at).add(&line.latency);
        }
    }

    /// The widest buckets', microseconds.
    pub(super) fn width(&self) -> u64 {
        let widths = self.by_time.values().map(Buckets::width);
        widths.max().unwrap_or_default()
    }

    pub(super) fn distributions(&self) -> Vec<Distribution> {
        let each = self.run.iter();
        each.map(|(&(stage, direction), bins)| Distribution {
            stage,
            direction,
            count: bins.count(),
            never: bins.never(),
            bars: (bins.bars().into_iter())
                .map(|(from, to, count)| Bar(from, to, count))
                .collect(),
        })
        .collect()
    }

    pub(super) fn quantiles(&self, width: u64) -> Vec<Quantiles> {
        let moment = |(number, bins): (u64, &Bins)| {
            Some(Moment(
                number,
                bins.count(),
                bins.never(),
                bins.quantile(0.5)?,
                bins.quantile(0.99)?,
                bins.most(),
            ))
        };
        let each = self.by_time.iter();
        each.map(|(&(stage, direction), buckets)| Quantiles {
            stage,
            direction,
            moments: (buckets.coarsened(width).iter())
                .filter_map(moment)
                .collect(),
        })
        .collect()
    }
}
