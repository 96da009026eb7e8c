//! Whether the target's live heap grows: a trend over floors, and its confidence interval.

use std::time::Duration;

use dst_load_scenario::time::At;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// What a target does in this time after all streams are open is no trend.
const WARM_UP: Duration = Duration::from_secs(600);
/// The least length of a window whose lowest heap counts.
const WINDOW: Duration = Duration::from_secs(600);
/// The least time over which a trend is one, hours.
const LEAST_HOURS: f64 = 1.0;
/// How often the interval holds the truth.
const CONFIDENCE: f64 = 0.95;

/// The trend of the lowest live heap over windows of equal load (whole cycles, or ten minutes if
/// there are no cycles), as fractions of the first window's, from ten minutes after all streams
/// were open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeapGrowth {
    /// The growth an hour; `null` if the windows span less than an hour.
    pub per_hour: Option<f64>,
    /// The lower end of its 95 % confidence interval.
    pub low_per_hour: Option<f64>,
    /// The upper end.
    pub high_per_hour: Option<f64>,
    /// The number of windows.
    pub windows: u32,
    /// From the first one's start to the last one's end.
    pub hours: f64,
}

/// The floors of the live heap over windows of equal load, as a trend.
///
/// Garbage makes single samples worthless, so each window counts by its lowest. Where the plan
/// cycles, a window begins and ends with a cycle, so that each has the same endpoints; where
/// nothing changes, it is ten minutes. A plan whose load never comes back has no windows.
#[derive(Debug, Default)]
pub(super) struct Growth {
    /// No window begins before.
    warm: Option<At>,
    /// Whether the plan cycles.
    cycles: bool,
    window: Option<Window>,
    first: Option<First>,
    trend: Trend,
    /// From the first window's start to the last one's end.
    hours: f64,
}

#[derive(Debug)]
struct Window {
    from: At,
    floor: Option<f64>,
}

#[derive(Debug)]
struct First {
    from: At,
    middle: f64,
    floor: f64,
}

/// A straight line through points that are forgotten.
#[derive(Debug, Default)]
struct Trend {
    points: u32,
    mean_x: f64,
    mean_y: f64,
    /// Sums of products of distances from the means.
    xx: f64,
    xy: f64,
    yy: f64,
}

// === impl Growth ===

impl Growth {
    /// All streams are open.
    pub(super) fn opened(&mut self, at: At) {
        self.warm = Some(at + WARM_UP);
    }

    /// A cycle starts, or the last one has run its whole course.
    pub(super) fn cycle(&mut self, at: At) {
        if !self.cycles {
            // What was held before the first cycle has another load.
            (self.cycles, self.window) = (true, None);
        }
        if self.warm.is_none_or(|warm| at < warm) {
            return;
        }
        match &self.window {
            Some(window) if at.since(window.from) < WINDOW => {}
            _ => self.next(at),
        }
    }

    /// The target has restarted: its heap starts again.
    pub(super) fn restarted(&mut self, at: At) {
        *self = Self {
            warm: self.warm.map(|_| at + WARM_UP),
            cycles: self.cycles,
            ..Self::default()
        };
    }

    /// What the heap is.
    pub(super) fn heap(&mut self, at: At, bytes: f64) {
        let Some(warm) = self.warm.filter(|&warm| at >= warm) else {
            return;
        };
        if !self.cycles {
            let from = self.window.as_ref().map_or(warm, |window| window.from);
            // Nothing may have been seen for longer than a window.
            let over = at.since(from).as_secs() / WINDOW.as_secs();
            if over > 0 {
                self.close(from + WINDOW);
            }
            let over = u32::try_from(over).unwrap_or(u32::MAX);
            self.window.get_or_insert(Window {
                from: from + WINDOW.saturating_mul(over),
                floor: None,
            });
        }
        if let Some(window) = &mut self.window
            && bytes.is_finite()
            && bytes > 0.0
        {
            window.floor = Some(window.floor.map_or(bytes, |floor| floor.min(bytes)));
        }
    }

    pub(super) fn summary(&self) -> HeapGrowth {
        let mut growth = HeapGrowth {
            windows: self.trend.points,
            hours: self.hours,
            ..HeapGrowth::default()
        };
        // A little less is an hour whose edges were rounded.
        if self.hours >= LEAST_HOURS - 1e-6
            && let Some((slope, half)) = self.trend.slope()
        {
            growth.per_hour = Some(slope);
            growth.low_per_hour = Some(slope - half);
            growth.high_per_hour = Some(slope + half);
        }
        growth
    }

    fn next(&mut self, at: At) {
        self.close(at);
        self.window = Some(Window {
            from: at,
            floor: None,
        });
    }

    fn close(&mut self, at: At) {
        let Some(Window {
            from,
            floor: Some(floor),
        }) = self.window.take()
        else {
            return;
        };
        let middle = f64::midpoint(from.as_secs_f64(), at.as_secs_f64()) / 3_600.0;
        let first = self.first.get_or_insert(First {
            from,
            middle,
            floor,
        });
        self.trend
            .point(middle - first.middle, floor / first.floor - 1.0);
        self.hours = at.since(first.from).as_secs_f64() / 3_600.0;
    }
}

// === impl Trend ===

impl Trend {
    fn point(&mut self, x: f64, y: f64) {
        self.points += 1;
        let share = 1.0 / f64::from(self.points);
        let (from_x, from_y) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += from_x * share;
        self.mean_y += from_y * share;
        self.xx += from_x * (x - self.mean_x);
        self.xy += from_x * (y - self.mean_y);
        self.yy += from_y * (y - self.mean_y);
    }

    /// The line's slope, and half of its confidence interval; `None` where that is not defined.
    fn slope(&self) -> Option<(f64, f64)> {
        let freedom = f64::from(self.points.checked_sub(2).filter(|&it| it > 0)?);
        if self.xx <= 0.0 {
            return None;
        }
        let slope = self.xy / self.xx;
        let residual = (self.yy - slope * self.xy).max(0.0) / freedom;
        let error = (residual / self.xx).sqrt();
        let quantile = StudentsT::new(0.0, 1.0, freedom)
            .ok()?
            .inverse_cdf(f64::midpoint(1.0, CONFIDENCE));
        let half = quantile * error;
        (slope.is_finite() && half.is_finite()).then_some((slope, half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1_048_576.0;

    /// A target whose heap is what `heap` says, in MiB by hours since all streams are open, with
    /// garbage on most samples.
    fn stable(hours: f64, heap: impl Fn(f64) -> f64) -> HeapGrowth {
        let mut growth = Growth::default();
        growth.opened(At::from_secs(30));
        for tick in 0_u32.. {
            let after = f64::from(tick) * 5.0 / 3_600.0;
            if after > hours {
                return growth.summary();
            }
            let garbage = f64::from(tick % 24) * 0.7;
            let at = At::from_secs(30 + u64::from(tick) * 5);
            growth.heap(at, (heap(after) + garbage) * MIB);
        }
        unreachable!()
    }

    #[test]
    fn a_leak_that_is_smaller_than_the_garbage_is_seen_and_a_steady_heap_is_none() {
        let leak = stable(2.2, |hours| 40.0 + 8.0 * hours);
        let (low, high) = (leak.low_per_hour.unwrap(), leak.high_per_hour.unwrap());
        // Relative to the first floor, after ten minutes: 8 of 41.3.
        assert!(low > 0.18 && high < 0.20, "{leak:?}");
        let steady = stable(2.2, |_| 40.0);
        assert!(steady.high_per_hour.unwrap() < 0.01, "{steady:?}");
    }

    #[test]
    fn under_an_hour_nothing_is_said() {
        // 63 % an hour over ten minutes is what a target does that has just been given its streams.
        for hours in [0.1, 0.5, 1.0, 1.16] {
            let growth = stable(hours, |hours| 40.0 + 25.0 * hours);
            assert_eq!(growth.per_hour, None, "{hours}: {growth:?}");
        }
        let growth = stable(1.17, |hours| 40.0 + 25.0 * hours);
        assert_eq!((growth.windows, growth.hours), (6, 1.0));
        assert!(growth.low_per_hour.unwrap() > 0.4, "{growth:?}");
    }

    #[test]
    fn the_first_minutes_are_no_growth() {
        let growth = stable(1.5, |hours| if hours < 0.15 { 10.0 } else { 40.0 });
        assert!(growth.high_per_hour.unwrap() < 0.01, "{growth:?}");
    }

    #[test]
    fn noise_makes_the_interval_wide() {
        let noisy = stable(1.2, |hours| {
            if ((hours * 6.0) as u32).is_multiple_of(2) {
                40.0
            } else {
                60.0
            }
        });
        let (low, high) = (noisy.low_per_hour.unwrap(), noisy.high_per_hour.unwrap());
        assert!(low < 0.1 && high > 0.1, "{noisy:?}");
    }

    #[test]
    fn a_window_has_whole_cycles_however_long_they_are() {
        // Up for five minutes and down for two; and up for 20 and down for one.
        for (up, down) in [(300_u64, 120_u64), (1_200, 60)] {
            let cycled = |leak: f64| {
                let mut growth = Growth::default();
                growth.opened(At::ZERO);
                let period = up + down;
                for second in (0..4 * 3_600_u64).step_by(5) {
                    let at = At::from_secs(second);
                    if second % period == down {
                        growth.cycle(at);
                    }
                    let since = (second + period - down) % period;
                    let load = if since < up { 100.0 } else { 40.0 };
                    #[expect(clippy::cast_precision_loss, reason = "seconds of a few hours")]
                    let hours = second as f64 / 3_600.0;
                    growth.heap(at, (load + leak * hours) * MIB);
                }
                growth.summary()
            };
            let steady = cycled(0.0);
            assert!(steady.windows >= 3, "{steady:?}");
            assert_eq!(steady.high_per_hour, Some(0.0), "{up} {steady:?}");
            let leak = cycled(8.0);
            assert!(leak.low_per_hour.unwrap() > 0.15, "{up} {leak:?}");
        }
    }

    #[test]
    fn a_load_that_never_comes_back_has_no_trend() {
        let mut growth = Growth::default();
        growth.opened(At::ZERO);
        growth.cycle(At::ZERO);
        for second in (0..3 * 3_600_u32).step_by(5) {
            growth.heap(At::from_secs(second.into()), f64::from(second) * MIB + MIB);
        }
        assert_eq!(growth.summary(), HeapGrowth::default());
    }

    #[test]
    fn a_restart_begins_again_and_no_number_is_none() {
        let mut growth = Growth::default();
        growth.opened(At::ZERO);
        for second in (0..2 * 3_600_u64).step_by(5) {
            growth.heap(At::from_secs(second), 40.0 * MIB);
            growth.heap(At::from_secs(second), f64::NAN);
            growth.heap(At::from_secs(second), 0.0);
        }
        assert_eq!(growth.summary().per_hour, Some(0.0));
        growth.restarted(At::from_secs(7_200));
        assert_eq!(growth.summary(), HeapGrowth::default());
        for second in (7_200..3 * 3_600_u64).step_by(5) {
            growth.heap(At::from_secs(second), 90.0 * MIB);
        }
        assert_eq!(growth.summary().per_hour, None);
    }

    #[test]
    fn the_interval_is_students() {
        let mut trend = Trend::default();
        for (x, y) in [(0.0, 0.0), (1.0, 1.2), (2.0, 1.8), (3.0, 3.2), (4.0, 3.8)] {
            trend.point(x, y);
        }
        // By hand: slope 0.96, residual sum of squares 0.144, t(0.975, 3) = 3.1824.
        let (slope, half) = trend.slope().unwrap();
        assert!((slope - 0.96).abs() < 1e-9, "{slope}");
        let expected = 3.182_446 * (0.144_f64 / 3.0 / 10.0).sqrt();
        assert!((half - expected).abs() < 1e-4, "{half} {expected}");
        assert_eq!(Trend::default().slope(), None);
    }
}
