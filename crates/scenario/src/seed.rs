//! Randomness by name: one generator for each (seed, purpose, entity), never one that is shared,
//! so that adding a Service moves no other Service's draws.

use std::time::Duration;

use chacha20::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use sha2::{Digest, Sha256};

/// The generator for one `purpose` (for example `"jitter"`) and one `entity` (for example
/// `"test-service-1/cycle-2"`).
///
/// `ChaCha8` and SHA-256 are specified bit for bit, so the draws stay the same across versions of
/// this tool and of its dependencies.
#[must_use]
pub fn rng(seed: u64, purpose: &str, entity: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, purpose, entity))
}

/// A number of 64 bits: a seed for what has a generator of its own.
#[must_use]
pub fn number(seed: u64, purpose: &str, entity: &str) -> u64 {
    rng(seed, purpose, entity).next_u64()
}

/// A delay of whole milliseconds, uniform over `min..=max` (paused timers have a 1 ms grid).
#[must_use]
pub fn delay(seed: u64, purpose: &str, entity: &str, min: Duration, max: Duration) -> Duration {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (low, high) = (millis(min), millis(max).max(millis(min)));
    Duration::from_millis(rng(seed, purpose, entity).random_range(low..=high))
}

/// Whether `entity` falls into the `share` (0 to 1) chosen for `purpose`.
#[must_use]
pub fn chosen(seed: u64, purpose: &str, entity: &str, share: f64) -> bool {
    share >= 1.0 || rng(seed, purpose, entity).random::<f64>() < share
}

/// `bytes` bytes of a name's hash as lower-case hex: run ids, uids, suffixes of names.
#[must_use]
pub fn hex(seed: u64, purpose: &str, entity: &str, bytes: usize) -> String {
    digest(seed, purpose, entity)[..bytes.min(32)]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn digest(seed: u64, purpose: &str, entity: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    // Length prefixes keep ("ab", "c") apart from ("a", "bc").
    for part in [purpose, entity] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_every_part_of_its_name() {
        let base = hex(1, "jitter", "svc-1", 8);
        assert_eq!(base, hex(1, "jitter", "svc-1", 8));
        for other in [
            hex(2, "jitter", "svc-1", 8),
            hex(1, "start", "svc-1", 8),
            hex(1, "jitter", "svc-2", 8),
            hex(1, "jitters", "vc-1", 8),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn delays_are_whole_milliseconds_within_their_bounds() {
        let (min, max) = (Duration::from_millis(3), Duration::from_millis(9));
        for i in 0..100 {
            let drawn = delay(7, "start", &i.to_string(), min, max);
            assert!((min..=max).contains(&drawn));
            assert_eq!(drawn.subsec_nanos() % 1_000_000, 0);
        }
    }
}
