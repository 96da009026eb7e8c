//! The only reader of a clock.
//!
//! It is tokio's, so that a paused runtime makes hours pass in milliseconds. What it measures has
//! no date; one is only written where people and other tools read it, as in a Lease.

use dst_load_scenario::time::At;
use jiff::Timestamp;
use tokio::time::Instant;

/// A run's clock: where it started, and through tokio how far it has come.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// The date of the start.
    date: Timestamp,
}

// === impl Clock ===

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            date: Timestamp::now(),
        }
    }

    /// How far the run has come.
    #[must_use]
    pub fn now(&self) -> At {
        self.start.elapsed().into()
    }

    /// The date of an instant: that of the start, as the machine has it, and how far the run had
    /// come since. It never goes back, and follows paused time.
    #[must_use]
    pub fn date(&self, at: At) -> Timestamp {
        let date = self.date.checked_add(at.since_start());
        date.unwrap_or(Timestamp::MAX)
    }

    /// The same instant as tokio's timers know it.
    #[must_use]
    pub fn instant(&self, at: At) -> Instant {
        self.start + at.since_start()
    }

    /// Waits until `at`; returns at once if it has passed.
    pub async fn sleep_until(&self, at: At) {
        tokio::time::sleep_until(self.instant(at)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_paused_time() {
        let clock = Clock::start();
        clock.sleep_until(At::from_secs(3_600)).await;
        assert_eq!(clock.now(), At::from_secs(3_600));
        let since = clock.date(clock.now()).duration_since(clock.date(At::ZERO));
        assert_eq!(since.as_secs(), 3_600);
        clock.sleep_until(At::from_secs(1)).await;
        assert_eq!(clock.now(), At::from_secs(3_600));
    }
}
