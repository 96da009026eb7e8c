//! The client's own request rate: a token bucket kept as one instant.
//!
//! It reads the run's clock, so that it holds under paused time too, where limiters that read the
//! operating system's clock would never refill.

use std::{num::NonZeroU32, time::Duration};

use dst_load_scenario::time::At;
use parking_lot::Mutex;

use crate::clock::Clock;

/// Gives out turns, first come first served.
#[derive(Debug)]
pub(super) struct Rate {
    clock: Clock,
    /// The time that one token takes to grow back.
    interval: Duration,
    /// How far turns may run ahead of the even rate.
    tolerance: Duration,
    /// When the bucket will be full again (the "theoretical arrival time" of the generic cell
    /// rate algorithm, ITU-T I.371).
    full_at: Mutex<At>,
}

// === impl Rate ===

impl Rate {
    pub(super) fn new(clock: Clock, qps: NonZeroU32, burst: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / qps.get();
        Self {
            clock,
            interval,
            tolerance: interval * (burst.get() - 1),
            full_at: Mutex::new(At::ZERO),
        }
    }

    /// Waits for a turn. Turns are given in the order in which this is first polled.
    pub(super) async fn turn(&self) {
        let turn = self.reserve(self.clock.now());
        if turn > self.clock.now() {
            self.clock.sleep_until(turn).await;
        }
    }

    fn reserve(&self, now: At) -> At {
        let mut full_at = self.full_at.lock();
        let start = (*full_at).max(now);
        *full_at = start + self.interval;
        let ahead = At::from(self.tolerance).as_micros();
        At::from_micros(start.as_micros().saturating_sub(ahead)).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_then_the_rate_holds() {
        let clock = Clock::start();
        let (qps, burst) = (NonZeroU32::new(10).unwrap(), NonZeroU32::new(3).unwrap());
        let rate = Rate::new(clock, qps, burst);
        let mut turns = Vec::new();
        for _ in 0..5 {
            rate.turn().await;
            turns.push(clock.now().as_micros() / 1_000);
        }
        assert_eq!(turns, [0, 0, 0, 100, 200]);

        clock.sleep_until(At::from_secs(10)).await;
        for _ in 0..4 {
            rate.turn().await;
        }
        assert_eq!(clock.now(), At::from_millis(10_100));
    }
}
