//! A distribution in little memory: counts in bins of which 64 cover each doubling, so that a value
//! is told to 1.6 %. An HDR histogram for each bucket of time would take 200 KiB each.

use std::collections::BTreeMap;

use dst_load_recording::statistics::RecordedLatency;
use dst_load_scenario::quantile::nearest_rank;

use super::buckets::Content;

/// Counts by the lowest value of their bin, microseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bins {
    counts: BTreeMap<u64, u64>,
    count: u64,
    never: u64,
    most: u64,
}

/// Bits that tell bins of one doubling apart, the leading one among them.
const FINE: u32 = 7;

/// The same for what is drawn: four bars a doubling.
const DRAWN: u32 = 3;

// === impl Bins ===

impl Bins {
    pub(super) fn add(&mut self, latency: &RecordedLatency) {
        for (micros, count) in latency.iter() {
            *self.counts.entry(lowest(micros, FINE)).or_default() += count;
            self.most = self.most.max(micros);
        }
        self.count += latency.count();
        self.never += latency.never();
    }

    /// Deliveries, those that never arrived among them.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Deliveries that never arrived.
    pub(super) const fn never(&self) -> u64 {
        self.never
    }

    /// The largest value, microseconds.
    pub(super) const fn most(&self) -> u64 {
        self.most
    }

    /// The quantile `q` by nearest rank, microseconds: the upper end of its bin.
    pub(super) fn quantile(&self, q: f64) -> Option<u64> {
        let rank = nearest_rank(q, self.count)?;
        let mut seen = 0;
        let (&bin, _) = self.counts.iter().find(|(_, count)| {
            seen += *count;
            seen >= rank
        })?;
        Some(highest(bin, FINE).min(self.most))
    }

    /// Bars to draw: lowest and highest value, microseconds, and the count.
    pub(super) fn bars(&self) -> Vec<(u64, u64, u64)> {
        let mut bars = BTreeMap::<u64, u64>::new();
        for (&bin, count) in &self.counts {
            *bars.entry(lowest(bin, DRAWN)).or_default() += count;
        }
        bars.into_iter()
            .map(|(from, count)| (from, highest(from, DRAWN), count))
            .collect()
    }
}

impl Content for Bins {
    fn absorb(&mut self, later: &Self) {
        for (&bin, count) in &later.counts {
            *self.counts.entry(bin).or_default() += count;
        }
        self.count += later.count;
        self.never += later.never;
        self.most = self.most.max(later.most);
    }
}

/// How many low bits are dropped.
const fn blurred(value: u64, bits: u32) -> u32 {
    (u64::BITS - value.leading_zeros()).saturating_sub(bits)
}

const fn lowest(value: u64, bits: u32) -> u64 {
    let shift = blurred(value, bits);
    (value >> shift) << shift
}

const fn highest(lowest: u64, bits: u32) -> u64 {
    lowest + ((1 << blurred(lowest, bits)) - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dst_load_recording::statistics::Latency;

    use super::*;

    #[test]
    fn quantiles_are_told_to_two_percent_and_the_largest_exactly() {
        let mut latency = Latency::default();
        for ms in 1..=1_000_u64 {
            latency.record(Duration::from_millis(ms), 1);
        }
        let mut bins = Bins::default();
        bins.add(&latency.recorded());
        for q in [0.01, 0.5, 0.95, 0.99, 1.0] {
            let exact = latency.quantile(q).unwrap().value.as_micros() as f64;
            let told = bins.quantile(q).unwrap() as f64;
            assert!((told / exact - 1.0).abs() < 0.02, "{q}: {told}, {exact}");
        }
        let largest = latency.max().unwrap().value.as_micros();
        assert_eq!(u128::from(bins.quantile(1.0).unwrap()), largest);
    }

    #[test]
    fn bars_hold_all_and_do_not_overlap() {
        let mut latency = Latency::default();
        for us in [0, 1, 5, 130, 131, 900, 901, 70_000, 3_000_000_000] {
            latency.record(Duration::from_micros(us), 2);
        }
        let mut bins = Bins::default();
        bins.add(&latency.recorded());
        let bars = bins.bars();
        assert_eq!(bars.iter().map(|bar| bar.2).sum::<u64>(), 18);
        assert!(bars.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert_eq!(Bins::default().quantile(0.5), None);
    }
}
