//! A distribution of durations that is small enough to be kept for each Service.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Two digits: 27 KB a Service, and no quantile is wrong by more than 1 %.
const SIGNIFICANT_DIGITS: u8 = 2;

/// Durations from 1 µs to `highest`; what is longer counts as that. Takes no memory before the
/// first one.
#[derive(Clone, Debug)]
pub struct Distribution {
    highest: Duration,
    histogram: Option<Histogram<u64>>,
    sum: Duration,
}

// === impl Distribution ===

impl Distribution {
    /// An empty distribution.
    pub const fn new(highest: Duration) -> Self {
        Self {
            highest,
            histogram: None,
            sum: Duration::ZERO,
        }
    }

    /// Counts `times` of `duration`.
    pub fn record(&mut self, duration: Duration, times: u64) {
        let highest = micros(self.highest);
        let histogram = self.histogram.get_or_insert_with(|| {
            Histogram::new_with_bounds(1, highest, SIGNIFICANT_DIGITS)
                .expect("invariant: the bounds are constants that hdrhistogram accepts")
        });
        histogram.saturating_record_n(micros(duration), times);
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        self.sum = self.sum.saturating_add(duration.saturating_mul(times));
    }

    /// Counts what another has counted, of the same bounds.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.histogram, &other.histogram) {
            (Some(own), Some(others)) => own
                .add(others)
                .expect("invariant: both have the bounds of the same constants"),
            (own @ None, Some(others)) => *own = Some(others.clone()),
            (_, None) => {}
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// Their sum.
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// The quantile `q` (0 to 1); zero if nothing was counted.
    pub fn quantile(&self, q: f64) -> Duration {
        let value = |histogram: &Histogram<u64>| {
            let value = histogram.value_at_quantile(q).min(histogram.max());
            Duration::from_micros(value)
        };
        self.histogram.as_ref().map_or(Duration::ZERO, value)
    }

    /// How many lie above the bound before and up to each of these ascending `bounds`, and at last
    /// how many lie above all of them.
    ///
    /// Each cell of the histogram counts whole in one bucket, that of its upper end: counts never
    /// fall from one scrape to the next, and add up to [`Distribution::count`].
    pub fn buckets(&self, bounds: &[Duration]) -> Vec<u64> {
        let mut buckets = vec![0; bounds.len() + 1];
        for cell in self.histogram.iter().flat_map(Histogram::iter_recorded) {
            let value = Duration::from_micros(cell.value_iterated_to());
            let bucket = bounds.partition_point(|bound| *bound < value);
            buckets[bucket] += cell.count_at_value();
        }
        buckets
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_empty_distribution_is_zero_throughout() {
        let empty = Distribution::new(SECOND);
        assert_eq!((empty.count(), empty.sum()), (0, Duration::ZERO));
        assert_eq!(empty.quantile(0.99), Duration::ZERO);
        assert_eq!(empty.buckets(&[SECOND]), [0, 0]);
    }

    #[test]
    fn buckets_add_up_to_the_count_wherever_their_bounds_lie() {
        let mut distribution = Distribution::new(60 * SECOND);
        for millis in 1..=5_000 {
            distribution.record(Duration::from_millis(millis), 1);
        }
        distribution.record(3_600 * SECOND, 3);
        let bounds = [1, 7, 99, 1_234, 4_999];
        let buckets = distribution.buckets(&bounds.map(Duration::from_millis));
        assert_eq!(buckets.iter().sum::<u64>(), distribution.count());
        assert_eq!(distribution.count(), 5_003);
        let mut up_to = 0;
        for (bound, bucket) in bounds.into_iter().zip(&buckets) {
            // A cell counts where it ends: never as faster than it was, and by at most 1 % as slower.
            up_to += bucket;
            assert!(
                up_to <= bound && bound - up_to <= 1 + bound / 100,
                "{bound}: {up_to}"
            );
        }
        assert!(buckets[5] >= 3);
        let median = distribution.quantile(0.5).as_secs_f64();
        assert!((2.475..2.53).contains(&median), "{median}");
        assert!(distribution.quantile(1.0) >= 59 * SECOND);
    }
}
