//! The patterns: how the endpoints of one Service change over time.
//!
//! What a pattern is stands here: its key, its sizes, and how it reads in a plan. When it does what is
//! in `plan/rhythm.rs`; with which keys a scenario file asks for it, in `scenario/file/churn.rs`.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumDiscriminants, IntoStaticStr};

use crate::{quantity::Span, stale_state::StaleStateCase};

/// How the endpoints of one Service change over time.
///
/// The documentation of a variant is what the schema and the reference say of its key.
#[derive(Clone, Debug, PartialEq, EnumDiscriminants, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[strum_discriminants(
    name(PatternKey),
    vis(pub(crate)),
    derive(Deserialize, Serialize, JsonSchema),
    serde(rename_all = "kebab-case"),
    schemars(rename = "Pattern"),
    doc = "How endpoints change."
)]
pub enum Pattern {
    /// Nothing changes.
    Stable {
        /// Endpoints a Service.
        endpoints: u32,
    },
    /// Up and down repeatedly, with a hold at each end.
    Oscillate {
        /// Its two sizes, and how long it stays at each.
        wave: Wave,
        /// The largest delay a Service adds before each of its scalings.
        jitter: Jitter,
    },
    /// From one size to another in even steps, once.
    ScaleUp {
        /// The initial size.
        from: u32,
        /// The final size (it may be smaller than `from`).
        to: u32,
        /// How long the ramp takes.
        over: Duration,
    },
    /// Up in even steps, a hold, down at once, a hold, repeatedly.
    Sawtooth {
        /// Its two sizes, and how long it stays at each; at the high end from the ramp's end.
        wave: Wave,
        /// How long the ramp takes.
        over: Duration,
        /// The largest delay a Service adds to a whole ramp, and to the scaling down.
        jitter: Jitter,
    },
    /// All pods replaced a few at a time, repeatedly.
    RollingUpdate {
        /// Endpoints a Service.
        endpoints: u32,
        /// The hold before each rollout.
        every: Duration,
        /// Pods above `endpoints` while rolling.
        max_surge: u32,
        /// Pods below `endpoints` while rolling.
        max_unavailable: u32,
    },
    /// Up and down, a few Services at a time.
    Batch {
        /// Its two sizes, and how long it stays at each from the last group's scaling.
        wave: Wave,
        /// Services that scale together.
        size: u32,
        /// Time between one group and the next.
        interval: Duration,
    },
    /// Up at once, a short hold, down at once, a long rest.
    Spike {
        /// Its size at rest and at the peak, and how long it stays at each.
        wave: Wave,
        /// The largest delay a Service adds before each of its scalings.
        jitter: Jitter,
    },
    /// One of Linkerd's stale-state behaviours provoked, once every `every`: its keys are a section
    /// of their own.
    #[strum_discriminants(serde(skip))]
    Provoke {
        /// What is done.
        case: StaleStateCase,
        /// Endpoints a Service at rest.
        endpoints: u32,
        /// The hold before each time.
        every: Duration,
    },
}

/// Two sizes in turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wave {
    /// Endpoints at the low end, also the initial size.
    pub min: u32,
    /// Endpoints at the high end.
    pub max: u32,
    /// How long to stay at `min`.
    pub min_hold: Duration,
    /// How long to stay at `max`.
    pub max_hold: Duration,
}

/// The bound of a Service's random delay before a scaling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// At most this long.
    UpTo(Duration),
    /// At most this percentage (0 to 100) of the hold that precedes the scaling.
    PercentOfHold(f64),
}

// === impl Pattern ===

impl Pattern {
    /// Its key, as a scenario file and a metric's label have it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.into()
    }

    /// Endpoints a Service has at the start.
    #[must_use]
    pub fn initial(&self) -> u32 {
        match *self {
            Self::Stable { endpoints }
            | Self::RollingUpdate { endpoints, .. }
            | Self::Provoke { endpoints, .. } => endpoints,
            Self::Oscillate { wave, .. }
            | Self::Sawtooth { wave, .. }
            | Self::Batch { wave, .. }
            | Self::Spike { wave, .. } => wave.min,
            Self::ScaleUp { from, .. } => from,
        }
    }

    /// Endpoints a Service has at the most.
    #[must_use]
    pub fn peak(&self) -> u32 {
        match *self {
            Self::Stable { endpoints } => endpoints,
            Self::RollingUpdate {
                endpoints,
                max_surge,
                ..
            } => endpoints.saturating_add(max_surge),
            Self::Oscillate { wave, .. }
            | Self::Sawtooth { wave, .. }
            | Self::Batch { wave, .. }
            | Self::Spike { wave, .. } => wave.max,
            Self::ScaleUp { from, to, .. } => from.max(to),
            Self::Provoke {
                case, endpoints, ..
            } => case.peak(endpoints),
        }
    }

    /// How many cycles it has at the most.
    pub(crate) fn most_cycles(&self) -> u32 {
        match self {
            Self::Stable { .. } => 0,
            Self::ScaleUp { .. } => 1,
            _ => u32::MAX,
        }
    }
}

impl fmt::Display for Pattern {
    /// What its Services do, as a plan says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Stable { endpoints } => write!(f, "{endpoints} endpoints each, stable"),
            Self::Oscillate { wave, jitter } => write!(f, "{wave}, and again{jitter}"),
            Self::Spike { wave, jitter } => {
                let (low, high) = (Span(wave.min_hold), Span(wave.max_hold));
                let Wave { min, max, .. } = wave;
                write!(
                    f,
                    "{min} endpoints each for {low}, a spike to {max} for {high}, and again{jitter}"
                )
            }
            Self::Batch {
                wave,
                size,
                interval,
            } => {
                let interval = Span(interval);
                write!(f, "{wave}, and again, {size} Services every {interval}")
            }
            Self::ScaleUp { from, to, over } => {
                write!(f, "from {from} to {to} endpoints each over {}", Span(over))
            }
            Self::Sawtooth { wave, over, jitter } => {
                let (low, high) = (Span(wave.min_hold), Span(wave.max_hold));
                let (Wave { min, max, .. }, over) = (wave, Span(over));
                write!(
                    f,
                    "{min} endpoints each for {low}, up to {max} over {over}, {max} for {high}, and again{jitter}"
                )
            }
            Self::RollingUpdate {
                endpoints,
                every,
                max_surge,
                max_unavailable,
            } => write!(
                f,
                "{endpoints} endpoints each, all replaced every {}, {max_surge} above and {max_unavailable} below at a time",
                Span(every)
            ),
            Self::Provoke {
                case,
                endpoints,
                every,
            } => {
                let (every, action) = (Span(every), case.action());
                write!(f, "{endpoints} endpoints each; every {every} {action}")
            }
        }
    }
}

// === impl Wave ===

impl fmt::Display for Wave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (Span(self.min_hold), Span(self.max_hold));
        let Self { min, max, .. } = self;
        write!(f, "{min} endpoints each for {low}, {max} for {high}")
    }
}

// === impl Jitter ===

impl Jitter {
    /// No delay.
    pub const NONE: Self = Self::UpTo(Duration::ZERO);

    /// The longest delay before a scaling that `hold` precedes.
    #[must_use]
    pub fn bound(&self, hold: Duration) -> Duration {
        match *self {
            Self::UpTo(bound) => bound,
            Self::PercentOfHold(percent) => {
                Duration::try_from_secs_f64(hold.as_secs_f64() * percent / 100.0)
                    .unwrap_or(Duration::ZERO)
            }
        }
    }
}

impl fmt::Display for Jitter {
    /// As the end of a pattern's words; nothing where there is no delay.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => Ok(()),
            Self::UpTo(bound) => write!(f, ", each up to {} late", Span(bound)),
            Self::PercentOfHold(percent) => {
                write!(f, ", each up to {percent}% of the hold late")
            }
        }
    }
}
