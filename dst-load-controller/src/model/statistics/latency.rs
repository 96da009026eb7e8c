//! A distribution of latencies that says what it does not know.

use std::time::Duration;

use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2Serializer},
};
use serde::{Deserialize, Serialize};

use super::{histogram::Histogram as Packed, nearest_rank};

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

/// A distribution of latencies over deliveries, some of which may never have arrived.
///
/// Resolution is 1 µs with three significant digits, from 1 µs to one hour; all instances have
/// these bounds, so merging is exact.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    histogram: Histogram<u64>,
    never: u64,
}

/// A quantile of a [`Latency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantile {
    /// The value; where it is censored, a lower bound of it.
    pub value: Duration,
    /// Whether the quantile lies among deliveries that never arrived: print it with ≥.
    pub censored: bool,
}

const HIGHEST_MICROS: u64 = 3_600_000_000;
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

// === impl Latency ===

impl Latency {
    /// Counts `deliveries` of this latency.
    pub fn record(&mut self, latency: Duration, deliveries: u64) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record_n(micros, deliveries);
    }

    /// Counts `deliveries` that had not arrived after `at_least`.
    pub fn record_never(&mut self, at_least: Duration, deliveries: u64) {
        self.record(at_least, deliveries);
        self.never += deliveries;
    }

    /// Adds another's values to these. Exact.
    pub fn merge(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("invariant: all histograms have the same bounds");
        self.never += other.never;
    }

    /// Deliveries counted, those that never arrived among them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Deliveries that never arrived.
    #[must_use]
    pub const fn never(&self) -> u64 {
        self.never
    }

    /// The quantile `q` (0 to 1) by nearest rank; `None` if nothing was counted.
    ///
    /// Deliveries that never arrived rank last: a quantile among them is at least the deadline.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Quantile> {
        let rank = nearest_rank(q, self.count())?;
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let micros = self
            .histogram
            .value_at_quantile(rank as f64 / self.count() as f64)
            .min(self.histogram.max());
        Some(Quantile {
            value: Duration::from_micros(micros),
            censored: rank > self.count() - self.never,
        })
    }

    /// The largest latency that cannot be told apart from `latency`: what a quantile of that
    /// very latency is stated as.
    #[must_use]
    pub fn resolved(latency: Duration) -> Duration {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bounds = Self::default();
        Duration::from_micros(
            bounds
                .histogram
                .highest_equivalent(micros.min(HIGHEST_MICROS)),
        )
        .max(latency)
    }

    /// The largest value; `None` if nothing was counted.
    #[must_use]
    pub fn max(&self) -> Option<Quantile> {
        self.quantile(1.0)
    }

    /// Deliveries with a latency of more than `from` and at most `to`.
    #[must_use]
    pub fn count_between(&self, from: Duration, to: Duration) -> u64 {
        let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        if to <= from {
            return 0;
        }
        self.histogram.count_between(micros(from) + 1, micros(to))
    }

    /// Values as they are told, in microseconds and ascending, each with its count.
    pub(in crate::model) fn values(&self) -> impl Iterator<Item = (u64, u64)> {
        values(&self.histogram)
    }

    /// The sum of all latencies, seconds, as exact as the resolution allows.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        self.histogram
            .iter_recorded()
            .map(|step| step.value_iterated_to() as f64 * 1e-6 * step.count_at_value() as f64)
            .sum()
    }

    /// The values as a line has them.
    #[must_use]
    pub fn histogram(&self) -> Packed {
        Packed::pack(self.values())
    }

    /// What a line says: these values, `never` of which never arrived.
    #[must_use]
    pub fn of(values: &Packed, never: u64) -> Self {
        let mut latency = Self::default();
        for (micros, count) in values.values() {
            latency.histogram.saturating_record_n(micros, count);
        }
        latency.never = never.min(latency.count());
        latency
    }

    /// Values in HDR's V2 encoding.
    pub(super) fn encode(values: &Packed) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&Self::of(values, 0).histogram, &mut bytes)
            .expect("invariant: writing to memory does not fail and counts fit");
        bytes
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// If these are no such bytes, or the bounds differ.
    pub(super) fn decode(mut bytes: &[u8]) -> Result<Packed, String> {
        let read: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes)
            .map_err(|error| format!("{error:?}"))?;
        if !bytes.is_empty() {
            return Err(format!("{} bytes follow it", bytes.len()));
        }
        let own = Self::default().histogram;
        let bounds = |of: &Histogram<u64>| (of.low(), of.high(), of.sigfig());
        if bounds(&read) != bounds(&own) {
            return Err(format!(
                "its bounds are {:?} instead of {:?}",
                bounds(&read),
                bounds(&own)
            ));
        }
        Ok(Packed::pack(values(&read)))
    }
}

/// Values as they are stated, in microseconds and ascending, each with its count.
fn values(histogram: &Histogram<u64>) -> impl Iterator<Item = (u64, u64)> {
    histogram
        .iter_recorded()
        .map(|step| (step.value_iterated_to(), step.count_at_value()))
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST_MICROS, SIGNIFICANT_DIGITS)
            .expect("invariant: the bounds are constants that hdrhistogram accepts");
        Self {
            histogram,
            never: 0,
        }
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
        assert!(!p98.censored && p98.value >= millis(98) && p98.value < millis(99));
        assert!(p99.censored && p99.value >= millis(29_999));
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
    fn an_empty_distribution_has_no_quantiles() {
        assert_eq!(Latency::default().quantile(0.5), None);
    }

    #[test]
    fn bytes_round_trip_and_merging_is_exact() {
        let mut a = Latency::default();
        let mut b = Latency::default();
        a.record(millis(3), 5);
        b.record(millis(700), 2);
        b.record_never(millis(30_000), 1);
        let bytes = Latency::encode(&b.histogram());
        let read = Latency::of(&Latency::decode(&bytes).unwrap(), b.never());
        assert_eq!(read, b);
        a.merge(&read);
        assert_eq!((a.count(), a.never()), (8, 1));
        assert!(Latency::decode(b"nonsense").is_err());
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
