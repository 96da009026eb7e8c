//! How long to wait between attempts: exponential, with a jitter that a seed decides.
//!
//! The growth is `backon`'s, and so is the jitter, from a seed of our own: two that failed together
//! do not come back together, and the same seed waits the same. `backon` adds up to a whole delay
//! and knows no bound of that; here its draw is scaled to the jitter that a policy names, and the
//! longest delay is the longest, as in linkerd2-proxy. Delays are whole milliseconds, the grid of
//! paused timers.

use std::{iter::Zip, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use dst_load_scenario::seed;

/// A policy: the first delay, which doubles with each failure, up to the longest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    jitter: Jitter,
}

/// How far a delay may be off the doubled one, as a share of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Up to this share shorter.
    Shorter(f32),
    /// Up to this share longer, but never longer than the longest.
    Longer(f32),
}

/// The delays of one sequence of failures. It does not end.
#[derive(Debug)]
pub struct Delays {
    policy: Backoff,
    seed: u64,
    /// Doubled delays, beside the same with `backon`'s jitter; made with the first failure, for
    /// there may be thousands of streams that never fail.
    steps: Option<Box<Zip<ExponentialBackoff, ExponentialBackoff>>>,
}

// === impl Backoff ===

impl Backoff {
    /// Delays from `first` to `longest`, without jitter.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            jitter: Jitter::None,
        }
    }

    /// The same with a jitter.
    #[must_use]
    pub const fn with_jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// The delays for one `purpose` (for example `"reopen"`) and one `entity`, by the seed.
    #[must_use]
    pub fn delays(self, seed: u64, purpose: &str, entity: &str) -> Delays {
        let seed = seed::number(seed, purpose, entity);
        Delays {
            policy: self,
            seed,
            steps: None,
        }
    }

    /// The delays where no seed and no name decide: they have no jitter.
    #[must_use]
    pub fn fixed(self) -> Delays {
        Delays {
            policy: self.with_jitter(Jitter::None),
            seed: 0,
            steps: None,
        }
    }

    fn steps(self, seed: u64) -> Zip<ExponentialBackoff, ExponentialBackoff> {
        let doubled = ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .without_max_times();
        let jittered = doubled.with_jitter().with_jitter_seed(seed);
        doubled.build().zip(jittered.build())
    }

    fn delay(self, doubled: Duration, jittered: Duration) -> Duration {
        let drawn = jittered.saturating_sub(doubled);
        let delay = match self.jitter {
            Jitter::None => doubled,
            Jitter::Shorter(share) => doubled.saturating_sub(drawn.mul_f32(share)),
            Jitter::Longer(share) => doubled.saturating_add(drawn.mul_f32(share)),
        };
        in_millis(delay).min(self.longest)
    }
}

// === impl Delays ===

impl Delays {
    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let Self {
            policy,
            seed,
            steps,
        } = self;
        let steps = steps.get_or_insert_with(|| Box::new(policy.steps(*seed)));
        let step = steps.next();
        step.map_or(policy.longest, |(doubled, jittered)| {
            policy.delay(doubled, jittered)
        })
    }

    /// An attempt succeeded: the next delay is the first again.
    pub fn reset(&mut self) {
        self.steps = None;
    }
}

/// A clone begins with the first delay.
impl Clone for Delays {
    fn clone(&self) -> Self {
        Self {
            policy: self.policy,
            seed: self.seed,
            steps: None,
        }
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.next_delay())
    }
}

/// To the nearest millisecond: `backon` counts in single precision.
fn in_millis(delay: Duration) -> Duration {
    let nearest = delay + Duration::from_micros(500);
    Duration::from_millis(u64::try_from(nearest.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);

    fn policy(jitter: Jitter) -> Backoff {
        Backoff::new(FIRST, LONGEST).with_jitter(jitter)
    }

    /// Whatever the seed: within these shares of the doubled delay.
    fn assert_within(jitter: Jitter, least: f64, most: f64) {
        let doubled = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];
        for seed in 0..200 {
            let delays = policy(jitter).delays(seed, "reopen", "a");
            for (full, delay) in doubled.into_iter().zip(delays) {
                let (full, got) = (f64::from(full), delay.as_secs_f64() * 1e3);
                assert!(
                    got >= full * least - 0.5 && got <= full * most + 0.5,
                    "{got}"
                );
                assert!(delay <= LONGEST, "{delay:?}");
                assert_eq!(delay.subsec_nanos() % 1_000_000, 0);
            }
        }
    }

    #[test]
    fn a_delay_doubles_up_to_the_longest_and_its_jitter_has_bounds() {
        assert_within(Jitter::None, 1.0, 1.0);
        assert_within(Jitter::Shorter(0.5), 0.5, 1.0);
        assert_within(Jitter::Longer(0.1), 1.0, 1.1);
    }

    #[test]
    fn a_delay_depends_on_the_seed_the_purpose_and_the_entity() {
        let of = |seed, purpose, entity| -> Vec<_> {
            let delays = policy(Jitter::Shorter(0.5)).delays(seed, purpose, entity);
            delays.take(8).collect()
        };
        let base = of(1, "reopen", "a");
        assert_eq!(base, of(1, "reopen", "a"));
        for other in [
            of(2, "reopen", "a"),
            of(1, "connect", "a"),
            of(1, "reopen", "b"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn after_a_success_it_begins_anew_and_hours_of_failures_stay_at_the_longest() {
        let mut delays = policy(Jitter::None).fixed();
        assert_eq!(delays.by_ref().nth(10_000), Some(LONGEST));
        delays.reset();
        assert_eq!(delays.next_delay(), FIRST);
    }
}
