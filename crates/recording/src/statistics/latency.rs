//! A distribution of latencies with censored values.

use std::time::Duration;

use dst_load_scenario::{criteria::LONGEST_LATENCY, quantile::nearest_rank};
use hdrhistogram::Histogram as Dense;
use serde::{Deserialize, Serialize};

use super::{histogram::Histogram, recorded::RecordedLatency};

/// Which part of the way a latency covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Intended to visible.
    Kubernetes,
    /// Visible to seen.
    Destination,
    /// Intended to seen.
    EndToEnd,
}

/// A distribution of latencies over deliveries, some of which are only known to have taken longer
/// than some time.
///
/// Resolution is 1 µs with three significant digits, from 1 µs to 24 hours; all instances have
/// these bounds, so merging is exact. What lies beyond them is only known to be longer.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// Those that are known.
    known: Dense<u64>,
    /// Those that took longer than this: right-censored observations.
    censored: Option<Box<Dense<u64>>>,
    never: u64,
}

/// What is known of a quantile of a [`Latency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantile {
    /// It is at least this: as if what is censored had arrived at the latest instant at which it is
    /// known not to have.
    pub value: Duration,
    /// It is at most this: as if what is censored had never arrived. `None` if it may be anything.
    pub at_most: Option<Duration>,
}

const HIGHEST_MICROS: u64 = LONGEST_LATENCY.as_secs() * 1_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

// === impl Stage ===

impl Stage {
    /// All, in the order in which they pass.
    pub const ALL: [Self; 3] = [Self::Kubernetes, Self::Destination, Self::EndToEnd];

    /// Its key, as in `report.json`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Destination => "destination",
            Self::EndToEnd => "end_to_end",
        }
    }
}

// === impl Quantile ===

impl Quantile {
    /// Whether the value is only a lower bound: print it with ≥.
    #[must_use]
    pub fn is_censored(&self) -> bool {
        self.at_most != Some(self.value)
    }
}

// === impl Latency ===

impl Latency {
    /// Counts `deliveries` of this latency.
    pub fn record(&mut self, latency: Duration, deliveries: u64) {
        let micros = micros(latency);
        if micros > HIGHEST_MICROS {
            self.record_censored(LONGEST_LATENCY, deliveries);
        } else {
            self.known.saturating_record_n(micros, deliveries);
        }
    }

    /// Counts `deliveries` that took longer than `at_least`, as far as is known.
    pub fn record_censored(&mut self, at_least: Duration, deliveries: u64) {
        let censored = self.censored.get_or_insert_with(|| Box::new(empty()));
        censored.saturating_record_n(micros(at_least), deliveries);
    }

    /// Counts `deliveries` that had not arrived after `at_least`, and should have.
    pub fn record_never(&mut self, at_least: Duration, deliveries: u64) {
        self.record_censored(at_least, deliveries);
        self.never += deliveries;
    }

    /// Adds another's values to these. Exact.
    pub fn merge(&mut self, other: &Self) {
        let same = "invariant: all histograms have the same bounds";
        self.known.add(&other.known).expect(same);
        if let Some(others) = &other.censored {
            let censored = self.censored.get_or_insert_with(|| Box::new(empty()));
            censored.add(&**others).expect(same);
        }
        self.never += other.never;
    }

    /// Deliveries counted, censored ones among them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.known.len() + self.censored_count()
    }

    /// Deliveries that are only known to have taken longer than some time, those that never arrived
    /// among them.
    #[must_use]
    pub fn censored_count(&self) -> u64 {
        self.censored.as_ref().map_or(0, |it| it.len())
    }

    /// Deliveries that never arrived.
    #[must_use]
    pub const fn never(&self) -> u64 {
        self.never
    }

    /// Adds the values of a line. Exact.
    pub fn add(&mut self, line: &RecordedLatency) {
        self.add_known(line.known());
        if let Some(values) = line.censored() {
            let censored = self.censored.get_or_insert_with(|| Box::new(empty()));
            add(censored, values);
        }
        self.never += line.never();
    }

    /// Adds the values of a line's histogram. Exact.
    pub fn add_known(&mut self, values: &Histogram) {
        add(&mut self.known, values);
    }

    /// The quantile `q` (0 to 1) by nearest rank; `None` if nothing was counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Quantile> {
        let rank = nearest_rank(q, self.count())?;
        let Some(censored) = &self.censored else {
            let value = at_rank(&self.known, rank);
            return Some(Quantile {
                value,
                at_most: Some(value),
            });
        };
        let mut all = self.known.clone();
        all.add(&**censored)
            .expect("invariant: all histograms have the same bounds");
        Some(Quantile {
            value: at_rank(&all, rank),
            at_most: (rank <= self.known.len()).then(|| at_rank(&self.known, rank)),
        })
    }

    /// The largest latency that cannot be distinguished from `latency`: what a quantile of that
    /// very latency is stated as.
    #[must_use]
    pub fn resolved(latency: Duration) -> Duration {
        let highest = empty().highest_equivalent(micros(latency).min(HIGHEST_MICROS));
        Duration::from_micros(highest).max(latency)
    }

    /// The largest value; `None` if nothing was counted.
    #[must_use]
    pub fn max(&self) -> Option<Quantile> {
        self.quantile(1.0)
    }

    /// Deliveries with a latency of more than `from` and at most `to`; censored ones count with the
    /// time after which they had not arrived.
    #[must_use]
    pub fn count_between(&self, from: Duration, to: Duration) -> u64 {
        if to <= from {
            return 0;
        }
        let between = |it: &Dense<u64>| it.count_between(micros(from) + 1, micros(to));
        between(&self.known) + self.censored.as_ref().map_or(0, |it| between(it))
    }

    /// The sum of all latencies, seconds, as exact as the resolution allows.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        values(&self.known)
            .chain(self.censored.iter().flat_map(|it| values(it)))
            .map(|(micros, count)| micros as f64 * 1e-6 * count as f64)
            .sum()
    }

    /// These values as a line holds them.
    #[must_use]
    pub fn recorded(&self) -> RecordedLatency {
        let censored = self.censored.as_ref().filter(|it| !it.is_empty());
        let censored = censored.map(|it| Histogram::pack(values(it)));
        RecordedLatency::new(self.histogram(), censored, self.never)
    }

    /// The known values as a line holds them.
    #[must_use]
    pub fn histogram(&self) -> Histogram {
        Histogram::pack(values(&self.known))
    }
}

/// Values as they are stated, in microseconds and ascending, each with its count.
pub(super) fn values(histogram: &Dense<u64>) -> impl Iterator<Item = (u64, u64)> {
    histogram
        .iter_recorded()
        .map(|step| (step.value_iterated_to(), step.count_at_value()))
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            known: empty(),
            censored: None,
            never: 0,
        }
    }
}

/// A histogram with the bounds that all have.
pub(super) fn empty() -> Dense<u64> {
    Dense::new_with_bounds(1, HIGHEST_MICROS, SIGNIFICANT_DIGITS)
        .expect("invariant: the bounds are constants that hdrhistogram accepts")
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}

/// The value of this rank, from 1.
fn at_rank(histogram: &Dense<u64>, rank: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let share = rank as f64 / histogram.len() as f64;
    let micros = histogram.value_at_quantile(share).min(histogram.max());
    Duration::from_micros(micros)
}

pub(super) fn add(histogram: &mut Dense<u64>, values: &Histogram) {
    for (micros, count) in values.iter() {
        histogram.saturating_record_n(micros, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_never_arrived_ranks_last_and_censors_the_quantiles_it_reaches() {
        let mut latency = Latency::default();
        for ms in 1..=98 {
            latency.record(millis(ms), 1);
        }
        latency.record_never(millis(30_000), 1);
        latency.record_never(millis(30_000), 1);
        let p98 = latency.quantile(0.98).unwrap();
        let p99 = latency.quantile(0.99).unwrap();
        assert!(!p98.is_censored() && p98.value >= millis(98) && p98.value < millis(99));
        assert!(p99.at_most.is_none() && p99.value >= millis(29_999));
        assert_eq!((latency.count(), latency.never()), (100, 2));
    }

    #[test]
    fn microseconds_below_a_thousand_are_exact() {
        let mut latency = Latency::default();
        latency.record(Duration::from_micros(417), 1);
        assert_eq!(
            latency.quantile(0.5).unwrap().value,
            Duration::from_micros(417)
        );
    }

    #[test]
    fn a_latency_is_stated_as_the_largest_that_cannot_be_told_apart_from_it() {
        for us in [0, 417, 3_000, 500_000, 2_000_000, 3_599_000_000] {
            let mut latency = Latency::default();
            latency.record(Duration::from_micros(us), 1);
            let stated = latency.quantile(0.5).unwrap().value;
            assert_eq!(Latency::resolved(Duration::from_micros(us)), stated);
            assert!(stated.as_micros() <= u128::from(us + us / 1_000));
        }
        let days = Duration::from_secs(200_000);
        assert_eq!(Latency::resolved(days), days);
    }

    #[test]
    fn what_is_censored_bounds_a_quantile_from_both_sides() {
        let mut latency = Latency::default();
        latency.record(millis(10), 90);
        latency.record(millis(40), 4);
        latency.record_censored(millis(20), 6);
        let bounds = |q| {
            let quantile = latency.quantile(q).unwrap();
            (quantile.value, quantile.at_most)
        };
        let (ten, twenty, forty) = (
            Latency::resolved(millis(10)),
            Latency::resolved(millis(20)),
            Latency::resolved(millis(40)),
        );
        assert_eq!(bounds(0.5), (ten, Some(ten)));
        // 90 of 10, then 6 of at least 20, or 4 of 40.
        assert_eq!(bounds(0.94), (twenty, Some(forty)));
        assert_eq!(bounds(0.95), (twenty, None));
        assert_eq!(bounds(1.0), (forty, None));
        assert_eq!((latency.count(), latency.censored_count()), (100, 6));
    }

    #[test]
    fn what_lies_beyond_the_bounds_is_censored_there() {
        let mut latency = Latency::default();
        let two_hours = Duration::from_secs(7_200);
        latency.record(two_hours, 1);
        let largest = latency.max().unwrap();
        assert!(!largest.is_censored() && largest.value >= two_hours);
        latency.record(LONGEST_LATENCY + millis(1), 1);
        let largest = latency.max().unwrap();
        assert!(largest.at_most.is_none() && largest.value >= LONGEST_LATENCY);
    }

    #[test]
    fn an_empty_distribution_has_no_quantiles() {
        assert_eq!(Latency::default().quantile(0.5), None);
    }

    #[test]
    fn adding_a_line_is_merging_what_it_is_of() {
        let mut a = Latency::default();
        let mut b = Latency::default();
        a.record(millis(3), 5);
        b.record(millis(700), 2);
        b.record_never(millis(30_000), 1);
        let mut added = a.clone();
        added.add(&b.recorded());
        a.merge(&b);
        assert_eq!(added, a);
        assert_eq!((added.count(), added.never()), (8, 1));
        let mut known = Latency::default();
        known.add_known(&b.histogram());
        assert_eq!((known.count(), known.never()), (2, 0));
    }

    #[test]
    fn counts_between_bounds_are_half_open() {
        let mut latency = Latency::default();
        latency.record(Duration::ZERO, 1);
        latency.record(Duration::from_micros(100), 2);
        let between = |from, to| {
            latency.count_between(Duration::from_micros(from), Duration::from_micros(to))
        };
        assert_eq!((between(0, 100), between(100, 200)), (2, 0));
    }
}
