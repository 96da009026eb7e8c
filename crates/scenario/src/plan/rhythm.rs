//! A pattern's timetable in closed form: the n-th scaling of a Service, the start and the end of a
//! cycle. Nothing is remembered between calls, so a timetable has no end to run out of.

use std::time::Duration;

use crate::{
    action::Verb,
    pattern::{Jitter, Pattern, Wave},
    seed,
};

/// No step of a ramp is shorter: a Deployment scaled more often only makes its controllers merge.
const SHORTEST_STEP: Duration = Duration::from_millis(100);

/// How one group of Services moves.
#[derive(Clone, Debug)]
pub(super) enum Rhythm {
    /// Never.
    Still,
    /// Up and down, for ever; Services in batches follow one another.
    Wave(Batches),
    /// A staircase, once.
    Ramp(Ramp),
    /// A staircase up and one step down, for ever.
    Sawtooth(Sawtooth),
    /// The same, each time `every` has passed.
    Repeat { every: Duration, verb: Verb },
}

/// One wave after another: rest, up, hold, down, rest.
#[derive(Clone, Debug)]
pub(super) struct Batches {
    /// The low end is the rest, from the last batch's way down to the next wave; the high end the hold,
    /// from the last batch's way up to the first one's way down.
    wave: Wave,
    jitter: Jitter,
    /// Services that move together.
    batch: u32,
    /// Between one batch and the next.
    interval: Duration,
    /// From the first batch's move to the last one's.
    spread: Duration,
}

/// From one size to another in even steps.
#[derive(Clone, Debug)]
pub(super) struct Ramp {
    from: u32,
    to: u32,
    over: Duration,
    /// At least 1.
    steps: u32,
}

/// One ramp after another: rest, up by steps, hold, down at once, rest.
#[derive(Clone, Debug)]
pub(super) struct Sawtooth {
    ramp: Ramp,
    /// The low end is the rest, from the way down to the next ramp; the high end the hold, from the
    /// ramp's end to the way down.
    wave: Wave,
    jitter: Jitter,
}

/// One scaling of one Service, before its jitter.
#[derive(Clone, Debug)]
pub(super) struct Scaling {
    /// Intended, before jitter; from the start of churn.
    pub(super) at: Duration,
    /// What is done.
    pub(super) verb: Verb,
    /// The largest delay to add.
    max_jitter: Duration,
    /// What its delay is drawn for, among the Service's own: `<cycle>/up` or `<cycle>/down`. The steps
    /// of one ramp share a delay, and so stay even.
    label: String,
}

// === impl Rhythm ===

impl Rhythm {
    /// The timetable of a group of `services` that follows `pattern`.
    pub(super) fn new(pattern: &Pattern, services: u32) -> Self {
        match *pattern {
            Pattern::Stable { .. } => Self::Still,
            Pattern::Oscillate { wave, jitter } | Pattern::Spike { wave, jitter } => {
                Self::Wave(Batches::together(wave, jitter))
            }
            Pattern::Batch {
                wave,
                size,
                interval,
            } => {
                let batches = services.div_ceil(size.max(1));
                Self::Wave(Batches {
                    batch: size.max(1),
                    interval,
                    spread: interval.saturating_mul(batches.saturating_sub(1)),
                    ..Batches::together(wave, Jitter::NONE)
                })
            }
            Pattern::ScaleUp { from, to, over } => Self::Ramp(Ramp::new(from, to, over)),
            Pattern::Sawtooth { wave, over, jitter } => Self::Sawtooth(Sawtooth {
                ramp: Ramp::new(wave.min, wave.max, over),
                wave,
                jitter,
            }),
            Pattern::RollingUpdate {
                endpoints, every, ..
            } => Self::Repeat {
                every,
                verb: Verb::Restart { endpoints },
            },
            Pattern::Provoke {
                case,
                endpoints,
                every,
            } => Self::Repeat {
                every,
                verb: Verb::Provoke {
                    case,
                    endpoints,
                    round: 0,
                },
            },
        }
    }

    /// When cycle `cycle` (from 1) starts.
    pub(super) fn cycle_start(&self, cycle: u32) -> Option<Duration> {
        let before = cycle.checked_sub(1)?;
        match self {
            Self::Still => None,
            Self::Wave(wave) => wave.start(before),
            Self::Ramp(_) => (before == 0).then_some(Duration::ZERO),
            Self::Sawtooth(sawtooth) => sawtooth.start(before),
            Self::Repeat { every, .. } => every.checked_mul(cycle),
        }
    }

    /// When cycle `cycle` (from 1) ends: where the next one starts or would start.
    pub(super) fn cycle_end(&self, cycle: u32) -> Option<Duration> {
        match self {
            Self::Ramp(ramp) => (cycle == 1).then_some(ramp.over),
            _ => self.cycle_start(cycle.checked_add(1)?),
        }
    }

    /// The scaling of the Service at `position` in its group that `nth` others precede.
    pub(super) fn scaling(&self, position: u32, nth: u32) -> Option<Scaling> {
        match self {
            Self::Still => None,
            Self::Wave(wave) => wave.scaling(position, nth),
            Self::Ramp(ramp) => ramp.step(nth).map(|(at, verb)| Scaling::exact(at, verb)),
            Self::Sawtooth(sawtooth) => sawtooth.scaling(nth),
            Self::Repeat { verb, .. } => {
                let mut verb = *verb;
                let times = nth.checked_add(1)?;
                if let Verb::Provoke { round, .. } = &mut verb {
                    *round = times;
                }
                Some(Scaling::exact(self.cycle_start(times)?, verb))
            }
        }
    }
}

// === impl Batches ===

impl Batches {
    /// Waves in which all Services move at once.
    fn together(wave: Wave, jitter: Jitter) -> Self {
        Self {
            wave,
            jitter,
            batch: u32::MAX,
            interval: Duration::ZERO,
            spread: Duration::ZERO,
        }
    }

    /// When the wave that `before` others precede starts.
    fn start(&self, before: u32) -> Option<Duration> {
        wave_start(&self.wave, self.spread.checked_mul(2)?, before)
    }

    fn scaling(&self, position: u32, nth: u32) -> Option<Scaling> {
        let (before, down) = (nth / 2, nth % 2 == 1);
        let offset = self.interval.saturating_mul(position / self.batch);
        let up_at = self.start(before)?.checked_add(offset)?;
        let Wave {
            min,
            max,
            min_hold,
            max_hold,
        } = self.wave;
        let (at, (from, to), hold, way) = if down {
            let at = up_at.checked_add(self.spread.checked_add(max_hold)?)?;
            (at, (max, min), max_hold, "down")
        } else {
            (up_at, (min, max), min_hold, "up")
        };
        Some(Scaling {
            at,
            verb: Verb::Scale { from, to },
            max_jitter: self.jitter.bound(hold),
            label: format!("{}/{way}", before.saturating_add(1)),
        })
    }
}

/// When the wave that `before` others precede starts, where the ways up and down of each take `moving`
/// beside its holds.
fn wave_start(wave: &Wave, moving: Duration, before: u32) -> Option<Duration> {
    let waits = wave.max_hold.checked_add(wave.min_hold)?;
    let period = moving.checked_add(waits)?;
    period.checked_mul(before)?.checked_add(wave.min_hold)
}

// === impl Ramp ===

impl Ramp {
    /// In steps of one endpoint, or of [`SHORTEST_STEP`] where those would be shorter.
    fn new(from: u32, to: u32, over: Duration) -> Self {
        let longest = over.as_millis() / SHORTEST_STEP.as_millis();
        let steps = u128::from(from.abs_diff(to)).min(longest).max(1);
        Self {
            from,
            to,
            over,
            steps: u32::try_from(steps).unwrap_or(u32::MAX),
        }
    }

    /// The step that `nth` others precede, and how long after the ramp's start it is.
    fn step(&self, nth: u32) -> Option<(Duration, Verb)> {
        let stair = |done| stair(self.from, self.to, done, self.steps);
        (nth < self.steps).then(|| {
            let (from, to) = (stair(nth), stair(nth + 1));
            let after = whole_millis(self.over * nth / self.steps);
            (after, Verb::Scale { from, to })
        })
    }
}

// === impl Sawtooth ===

impl Sawtooth {
    /// When the ramp that `before` others precede starts.
    fn start(&self, before: u32) -> Option<Duration> {
        wave_start(&self.wave, self.ramp.over, before)
    }

    fn scaling(&self, nth: u32) -> Option<Scaling> {
        let a_cycle = self.ramp.steps.checked_add(1)?;
        let before = nth / a_cycle;
        let start = self.start(before)?;
        let Wave {
            min,
            max,
            min_hold,
            max_hold,
        } = self.wave;
        let (after, verb, hold, way) = if let Some((after, verb)) = self.ramp.step(nth % a_cycle) {
            (after, verb, min_hold, "up")
        } else {
            let down = Verb::Scale { from: max, to: min };
            (
                self.ramp.over.checked_add(max_hold)?,
                down,
                max_hold,
                "down",
            )
        };
        Some(Scaling {
            at: start.checked_add(after)?,
            verb,
            max_jitter: self.jitter.bound(hold),
            label: format!("{}/{way}", before.saturating_add(1)),
        })
    }
}

// === impl Scaling ===

impl Scaling {
    /// One without jitter.
    fn exact(at: Duration, verb: Verb) -> Self {
        Self {
            at,
            verb,
            max_jitter: Duration::ZERO,
            label: String::new(),
        }
    }

    /// The delay that `service` adds to this scaling.
    pub(super) fn jitter(&self, seed: u64, service: &str) -> Duration {
        if self.max_jitter.is_zero() {
            return Duration::ZERO;
        }
        let entity = format!("{service}/{}", self.label);
        seed::delay(seed, "jitter", &entity, Duration::ZERO, self.max_jitter)
    }
}

/// The size after `done` of `steps` even steps.
fn stair(from: u32, to: u32, done: u32, steps: u32) -> u32 {
    let (from, to) = (i64::from(from), i64::from(to));
    let size = from + (to - from) * i64::from(done) / i64::from(steps);
    u32::try_from(size).expect("invariant: a size between two u32 is a u32")
}

fn whole_millis(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
