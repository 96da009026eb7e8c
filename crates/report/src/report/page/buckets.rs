//! Something over time in a bounded number of buckets. A run that outlasts them doubles their width.

use std::collections::BTreeMap;

use dst_load_scenario::time::At;

/// Buckets at the most: as many as a wide screen can show apart.
pub(super) const MOST: u64 = 512;

/// The width at the start, microseconds.
const FINEST: u64 = 250_000;

/// What a bucket holds: of two that become one, the later is absorbed by the earlier.
pub(super) trait Content: Clone + Default {
    /// Takes in what came later.
    fn absorb(&mut self, later: &Self);
}

/// Contents by the number of their bucket; those without any have none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Buckets<T> {
    width: u64,
    contents: BTreeMap<u64, T>,
}

/// The smallest, the largest and the last of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Extent(Option<(f64, f64, f64)>);

// === impl Buckets ===

impl<T: Content> Buckets<T> {
    /// Microseconds a bucket.
    pub(super) const fn width(&self) -> u64 {
        self.width
    }

    /// The bucket of an instant, for whatever is to be put there.
    pub(super) fn at(&mut self, at: At) -> &mut T {
        while at.as_micros() / self.width >= MOST {
            self.widen();
        }
        let number = at.as_micros() / self.width;
        self.contents.entry(number).or_default()
    }

    /// The same in buckets of this width, which is the present one or one that was doubled from it.
    pub(super) fn coarsened(&self, width: u64) -> Self {
        let mut coarse = self.clone();
        while coarse.width < width {
            coarse.widen();
        }
        coarse
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.contents.iter().map(|(&number, of)| (number, of))
    }

    fn widen(&mut self) {
        self.width *= 2;
        for (number, content) in std::mem::take(&mut self.contents) {
            // In order, so that the earlier of two is there first.
            self.contents
                .entry(number / 2)
                .and_modify(|earlier| earlier.absorb(&content))
                .or_insert(content);
        }
    }
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self {
            width: FINEST,
            contents: BTreeMap::new(),
        }
    }
}

// === impl Extent ===

impl Extent {
    pub(super) fn add(&mut self, value: f64) {
        self.absorb(&Self(Some((value, value, value))));
    }

    /// The smallest, the largest and the last.
    pub(super) const fn get(self) -> Option<(f64, f64, f64)> {
        self.0
    }
}

impl Content for Extent {
    fn absorb(&mut self, later: &Self) {
        self.0 = match (self.0, later.0) {
            (Some((least, most, _)), Some((min, max, last))) => {
                Some((least.min(min), most.max(max), last))
            }
            (earlier, None) => earlier,
            (None, later) => later,
        };
    }
}

impl Content for u64 {
    fn absorb(&mut self, later: &Self) {
        *self += later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_outlasts_the_buckets_widens_them_and_loses_no_extreme() {
        let mut buckets = Buckets::<Extent>::default();
        let mut counts = Buckets::<u64>::default();
        for second in 0..86_400 {
            let value = if second == 40_000 { 99.0 } else { 1.0 };
            buckets.at(At::from_secs(second)).add(value);
            *counts.at(At::from_secs(second)) += 1;
        }
        assert_eq!(buckets.width(), 256_000_000);
        assert!(buckets.iter().count() <= 512);
        let most = buckets.iter().filter_map(|(_, extent)| extent.get());
        assert_eq!(most.map(|it| it.1).fold(0.0, f64::max), 99.0);
        let all: u64 = counts.iter().map(|(_, count)| count).sum();
        assert_eq!(all, 86_400);
    }

    #[test]
    fn the_last_value_of_what_became_one_bucket_is_the_latest() {
        let mut buckets = Buckets::<Extent>::default();
        for (at, value) in [(0, 5.0), (300, 2.0), (900, 4.0)] {
            buckets.at(At::from_millis(at)).add(value);
        }
        let coarse = buckets.coarsened(FINEST * 4);
        let all: Vec<_> = coarse.iter().map(|(n, it)| (n, it.get())).collect();
        assert_eq!(all, [(0, Some((2.0, 5.0, 4.0)))]);
    }
}
