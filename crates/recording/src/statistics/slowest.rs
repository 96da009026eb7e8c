//! The change that took longest to reach all of its streams.

use dst_load_scenario::action::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recording::ChangeLine;

/// The change that took longest to reach its last stream; a change that some stream never received
/// is slower than any other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlowestChange {
    /// The Service's name.
    pub service: String,
    /// Whether endpoints were added or removed.
    pub direction: Direction,
    /// The cycle; 0 before the first.
    pub cycle: u32,
    /// When it became visible, from the start of the run.
    pub at_seconds: f64,
    /// Number of endpoints.
    pub endpoints: u32,
    /// Streams that should receive it.
    pub audience: u32,
    /// Streams that had not received it by the deadline.
    pub never: u32,
    /// From the action's intended instant until it was visible; `null` if no action is known.
    pub kubernetes_seconds: Option<f64>,
    /// From then until the first stream received it.
    pub first_seconds: Option<f64>,
    /// Until half of the streams received it.
    pub p50_seconds: Option<f64>,
    /// Until the last stream that ever received it.
    pub last_seconds: Option<f64>,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Some streams never received it.
    Lost,
    /// Already the first stream waited for most of the time.
    Start,
    /// Half of the streams received it early, and others waited.
    Tail,
    /// One stream after the other.
    Spread,
}

// === impl SlowestChange ===

impl SlowestChange {
    /// From a recording's line.
    pub(super) fn of(change: &ChangeLine) -> Self {
        let seconds =
            |us: Option<u64>| us.map(|us| std::time::Duration::from_micros(us).as_secs_f64());
        Self {
            service: change.service.clone(),
            direction: change.direction,
            cycle: change.cycle,
            at_seconds: change.at.as_secs_f64(),
            endpoints: change.endpoints,
            audience: change.audience,
            never: change.never,
            kubernetes_seconds: change
                .intended
                .map(|intended| change.at.since(intended).as_secs_f64()),
            first_seconds: seconds(change.first_us),
            p50_seconds: seconds(change.p50_us),
            last_seconds: seconds(change.last_us),
        }
    }

    /// Where most of the time went.
    #[must_use]
    pub fn delay(&self) -> Delay {
        let last = self.last_seconds.unwrap_or_default();
        let share = |part: Option<f64>| part.map_or(1.0, |part| part / last.max(f64::MIN_POSITIVE));
        if self.never > 0 {
            Delay::Lost
        } else if share(self.first_seconds) > 0.5 {
            Delay::Start
        } else if share(self.p50_seconds) < 0.25 {
            Delay::Tail
        } else {
            Delay::Spread
        }
    }
}

/// How slow a change was, for comparing: never before late, then the time of its last stream, then
/// the streams that waited.
pub(super) fn slowness(change: &ChangeLine) -> (u32, u64, u32) {
    (
        change.never,
        change.last_us.unwrap_or_default(),
        change.audience,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(first: f64, half: f64, last: f64, never: u32) -> Delay {
        let of = SlowestChange {
            service: "s".into(),
            direction: Direction::Add,
            cycle: 1,
            at_seconds: 1.0,
            endpoints: 1,
            audience: 10,
            never,
            kubernetes_seconds: None,
            first_seconds: Some(first),
            p50_seconds: Some(half),
            last_seconds: Some(last),
        };
        of.delay()
    }

    #[test]
    fn where_the_time_went_follows_from_who_knew_when() {
        assert_eq!(change(0.9, 0.95, 1.0, 0), Delay::Start);
        assert_eq!(change(0.01, 0.1, 1.0, 0), Delay::Tail);
        assert_eq!(change(0.01, 0.5, 1.0, 0), Delay::Spread);
        assert_eq!(change(0.9, 0.95, 1.0, 1), Delay::Lost);
        // All at once, and at once.
        assert_eq!(change(0.0, 0.0, 0.0, 0), Delay::Tail);
    }
}
