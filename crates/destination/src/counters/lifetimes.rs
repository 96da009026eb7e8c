//! How long things last that may last for the whole run: streams and connections.

use std::{collections::BTreeMap, time::Duration};

use dst_load_scenario::time::At;

use super::distribution::Distribution;

/// Longer than any soak.
const HIGHEST: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Lifetimes that have begun, and those among them that have ended.
#[derive(Debug)]
pub struct Lifetimes {
    /// How many that are under way began at each instant.
    open: BTreeMap<At, u64>,
    ended: Distribution,
}

// === impl Lifetimes ===

impl Lifetimes {
    /// One begins.
    pub fn begin(&mut self, at: At) {
        *self.open.entry(at).or_default() += 1;
    }

    /// One that began at `since` ends.
    pub fn end(&mut self, since: At, at: At) {
        if let Some(open) = self.open.get_mut(&since) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&since);
            }
        }
        self.ended.record(at.since(since), 1);
    }

    /// Those that have ended: what may be added up over time, for it never falls.
    pub const fn ended(&self) -> &Distribution {
        &self.ended
    }

    /// All of them, those that are under way with the age they have at `now`: where nothing ever
    /// ends, the ended ones alone would say that nothing lasts.
    pub fn all(&self, now: At) -> Distribution {
        let mut all = self.ended.clone();
        for (&since, &times) in &self.open {
            all.record(now.since(since), times);
        }
        all
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            ended: Distribution::new(HIGHEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_ended_counts_with_its_age_and_not_among_the_ended() {
        let mut lifetimes = Lifetimes::default();
        lifetimes.begin(At::ZERO);
        lifetimes.begin(At::ZERO);
        lifetimes.begin(At::from_secs(50));
        lifetimes.end(At::ZERO, At::from_secs(10));
        let all = lifetimes.all(At::from_secs(100));
        assert_eq!((lifetimes.ended().count(), all.count()), (1, 3));
        assert_eq!(all.sum(), Duration::from_secs(10 + 100 + 50));
        lifetimes.end(At::ZERO, At::from_secs(20));
        lifetimes.end(At::from_secs(50), At::from_secs(60));
        assert_eq!(
            lifetimes.all(At::from_secs(1_000)).sum(),
            lifetimes.ended().sum()
        );
    }
}
