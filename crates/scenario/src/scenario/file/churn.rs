//! The section `churn`: its keys, the flags that stand for them, and how a pattern is read from them
//! and written back. What goes together beyond one pattern is in `groups` and `backend`.

use std::num::NonZeroU32;

use serde_json::Value;

use super::{
    chart::ChartKey,
    check::{Checker, Result},
    either::Amount,
    placed::{Key, Placed, count, key},
    provoke::ProvokeGroup,
    section::half,
};
use crate::{
    pattern::{Jitter, Pattern, PatternKey, Wave},
    quantity::{AddressRange, NonZeroSpan, Share, Span},
};

pub(super) mod backend;
pub(in crate::scenario) mod groups;

use backend::BackendKey;
use groups::{LONGEST_LABEL, MOST_SERVICES, OscillateGroup, PREFIX, StableGroup};

half! {
    /// What the churner does to Kubernetes: either `services` that all follow one `pattern`, or a mix
    /// of `stable`, `oscillate` and `provoke` Services.
    ChurnSection {
        /// The number of Services, named `<servicePrefix>-1` and so on.
        #[schemars(range(min = 1, max = MOST_SERVICES))]
        services: Key<u32>,
        /// The Services' names before the number; `test-service` if absent.
        #[schemars(length(max = LONGEST_LABEL - 2), regex(pattern = PREFIX))]
        service_prefix: Key<String>,
        /// The objects that provide the endpoints; `deployments` if absent.
        backend: Key<BackendKey>,
        /// Whether the pods of the backends `deployments` and `pods` look meshed, as if Linkerd's proxy
        /// had been injected.
        meshed: Key<bool>,
        /// The address range of the endpoints of the backends `pods` and `slices`; 240.0.0.0/4, which
        /// is reserved, if absent.
        addresses: Key<AddressRange>,
        /// How the endpoints change; `stable` if absent.
        pattern: Key<PatternKey>,
        /// Endpoints a Service (`stable`, `rolling-update`; the initial size of `scale-up`).
        endpoints: Key<u32>,
        /// Endpoints a Service at the low end (`oscillate`, `sawtooth`, `batch`, `spike`); also the
        /// initial size.
        min_endpoints: Key<u32>,
        /// Endpoints a Service at the high end (`oscillate`, `sawtooth`, `batch`, `spike`).
        max_endpoints: Key<u32>,
        /// Time at the low end; for `rolling-update`, from one rollout to the next.
        min_hold: Key<NonZeroSpan>,
        /// Time at the high end.
        max_hold: Key<NonZeroSpan>,
        /// The largest random delay of a Service before each scaling, or a percentage of the hold.
        jitter: Key<Jitter>,
        /// The first size of `scale-up`.
        scale_from: Key<u32>,
        /// The last size of `scale-up`.
        scale_to: Key<u32>,
        /// The duration of `scale-up`, and of the way up of `sawtooth`.
        scale_duration: Key<NonZeroSpan>,
        /// Pods above `endpoints` during a `rolling-update`; 25% if absent, as in Kubernetes.
        max_surge: Key<Amount>,
        /// Pods below `endpoints` during a `rolling-update`; 25% if absent, as in Kubernetes.
        max_unavailable: Key<Amount>,
        /// Services that scale together in a `batch`.
        batch_size: Key<NonZeroU32>,
        /// Time from one batch to the next.
        batch_interval: Key<NonZeroSpan>,
        /// The mixed form: Services that never change, named `stable-svc-0` and so on.
        stable: Key<StableGroup>,
        /// The mixed form: Services that oscillate, named `oscillate-svc-0` and so on.
        oscillate: Key<OscillateGroup>,
        /// The mixed form: Services with changes that Linkerd is known to mishandle. Needs the backend
        /// `pods`.
        provoke: Key<ProvokeGroup>,
        /// Ends the run after this many cycles.
        cycles: Key<NonZeroU32>,
        /// Ends the run after this long.
        duration: Key<NonZeroSpan>,
        /// The port of the Services and of their endpoints; 8080 if absent.
        #[schemars(range(min = 1))]
        port: Key<u16>,
        /// Time between creating the Services and starting the plan, so that clients can open their
        /// streams.
        start_delay: ChartKey<Span>,
        /// Requests a second to the API server; 0 for the tool's default.
        qps: ChartKey<u32>,
        /// Burst of requests; 0 for the tool's default.
        burst: ChartKey<u32>,
    }
}

/// A flag of the command `churn`: it overrides a key of the scenario.
#[derive(Clone, Copy, Debug)]
pub struct ChurnFlag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What follows it.
    pub value: FlagValue,
    /// The dotted key that it overrides.
    pub path: &'static str,
    /// Its help text.
    pub help: &'static str,
    /// Of which form it is; `None` for both.
    pub form: Option<ChurnForm>,
}

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagValue {
    /// A value, which is called as the flag is.
    Value,
    /// A value that is called this.
    Named(&'static str),
    /// Nothing: the flag means `true`.
    Switch,
}

/// One of the two forms in which a run's Services are described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChurnForm {
    /// All follow one pattern.
    OnePattern,
    /// Those that never change and those that oscillate, side by side.
    Mixed,
}

const ONE: Option<ChurnForm> = Some(ChurnForm::OnePattern);
const MIXED: Option<ChurnForm> = Some(ChurnForm::Mixed);

const fn flag(
    form: Option<ChurnForm>,
    name: &'static str,
    path: &'static str,
    help: &'static str,
) -> ChurnFlag {
    ChurnFlag {
        name,
        value: FlagValue::Value,
        path,
        help,
        form,
    }
}

/// The flags of `churn` that stand for keys of a scenario, in the order of its help.
#[rustfmt::skip]
pub const CHURN_FLAGS: &[ChurnFlag] = &[
    flag(ONE, "services", "churn.services", "Number of Services, named test-service-1 and so on"),
    flag(ONE, "service-prefix", "churn.servicePrefix", "Prefix of the Services' names, before the number"),
    flag(None, "backend", "churn.backend", "Objects that make the endpoints: deployments, pods or slices. The last two need neither controllers nor KWOK"),
    ChurnFlag { value: FlagValue::Switch, ..flag(None, "meshed", "churn.meshed", "Make the pods of the backends deployments and pods look meshed") },
    ChurnFlag { value: FlagValue::Named("CIDR"), ..flag(None, "addresses", "churn.addresses", "Address range of the endpoints of the backends pods and slices") },
    flag(ONE, "pattern", "churn.pattern", "Pattern: stable, oscillate, scale-up, sawtooth, rolling-update, batch or spike"),
    flag(ONE, "endpoints-per-service", "churn.endpoints", "Endpoints per Service (stable, rolling-update)"),
    flag(ONE, "min-endpoints", "churn.minEndpoints", "Endpoints per Service at the low end (oscillate, sawtooth, batch, spike)"),
    flag(ONE, "max-endpoints", "churn.maxEndpoints", "Endpoints per Service at the high end (oscillate, sawtooth, batch, spike)"),
    flag(ONE, "min-hold", "churn.minHold", "Time at the low end; for rolling-update, from one rollout to the next"),
    flag(ONE, "max-hold", "churn.maxHold", "Time at the high end"),
    flag(ONE, "jitter", "churn.jitter", "Maximum random delay before each scaling of a Service: 5s, or 5% of the hold"),
    flag(ONE, "scale-from", "churn.scaleFrom", "First size of scale-up"),
    flag(ONE, "scale-to", "churn.scaleTo", "Last size of scale-up"),
    flag(ONE, "scale-duration", "churn.scaleDuration", "Duration of scale-up, and of the way up of sawtooth"),
    flag(ONE, "max-surge", "churn.maxSurge", "Pods above the size during a rolling-update: 5 or 25%"),
    flag(ONE, "max-unavailable", "churn.maxUnavailable", "Pods below the size during a rolling-update: 5 or 25%"),
    flag(ONE, "batch-size", "churn.batchSize", "Services that scale together in a batch"),
    flag(ONE, "batch-interval", "churn.batchInterval", "Time from one batch to the next"),
    flag(MIXED, "stable-services", "churn.stable.services", "Number of Services that never change"),
    flag(MIXED, "stable-endpoints", "churn.stable.endpoints", "Endpoints of each of them"),
    flag(MIXED, "oscillate-services", "churn.oscillate.services", "Number of Services that are scaled up and down"),
    flag(MIXED, "oscillate-min-endpoints", "churn.oscillate.minEndpoints", "Endpoints of each of them at the low end"),
    flag(MIXED, "oscillate-max-endpoints", "churn.oscillate.maxEndpoints", "Endpoints of each of them at the high end"),
    flag(MIXED, "oscillate-hold-duration", "churn.oscillate.hold", "Time at either end"),
    flag(MIXED, "oscillate-jitter-percent", "churn.oscillate.jitterPercent", "Maximum random delay before each scaling, in percent of the hold"),
    flag(None, "cycles", "churn.cycles", "End after this many cycles. Without this and --duration, run until stopped"),
    flag(None, "duration", "churn.duration", "End after this time"),
    flag(None, "port", "churn.port", "Port of the Services and of their endpoints"),
    flag(None, "seed", "scenario.seed", "Seed of every random choice"),
];

/// How long to stay at the low end and at the high end.
type Holds = (Placed<NonZeroSpan>, Placed<NonZeroSpan>);

// === impl ChurnFlag ===

impl ChurnFlag {
    /// What errors call it.
    #[must_use]
    pub fn place(&self) -> String {
        format!("--{}", self.name)
    }
}

// === impl Checker ===

impl Checker<'_> {
    /// The pattern; it takes its keys from the section.
    pub(super) fn pattern(&self, section: &mut ChurnSection, at: usize) -> Result<Pattern> {
        let key = section.pattern.take();
        let at = key.map_or(at, |key| key.at);
        Ok(match key.map_or(PatternKey::Stable, |key| key.value) {
            PatternKey::Stable => Pattern::Stable {
                endpoints: self
                    .required(section.endpoints.take(), at, "endpoints")?
                    .value,
            },
            PatternKey::Oscillate => {
                let (wave, jitter) = self.jittered(section, at)?;
                Pattern::Oscillate { wave, jitter }
            }
            PatternKey::Sawtooth => {
                let (wave, jitter) = self.jittered(section, at)?;
                Pattern::Sawtooth {
                    wave,
                    over: self.hold(section.scale_duration.take(), at, "scaleDuration")?,
                    jitter,
                }
            }
            PatternKey::Spike => {
                let (wave, jitter) = self.jittered(section, at)?;
                Pattern::Spike { wave, jitter }
            }
            PatternKey::Batch => {
                let (min, max) = self.sizes(section, at)?;
                let size = self.required(section.batch_size.take(), at, "batchSize")?;
                let interval = self.hold(section.batch_interval.take(), at, "batchInterval")?;
                let (low, high) = self.holds(section, at)?;
                Pattern::Batch {
                    wave: Wave {
                        min,
                        max,
                        min_hold: low.value.0,
                        max_hold: high.value.0,
                    },
                    size: size.value.get(),
                    interval,
                }
            }
            PatternKey::ScaleUp => {
                let from = section.scale_from.take();
                let from = from.or_else(|| section.endpoints.take());
                let from = self.required(from, at, "scaleFrom")?;
                let to = self.required(section.scale_to.take(), at, "scaleTo")?;
                if from.value == to.value {
                    let at = self.tree.later(from.at, to.at);
                    let message =
                        format!("from {} to {} nothing would change", from.value, to.value);
                    return Err(self.tree.error(at, &message));
                }
                Pattern::ScaleUp {
                    from: from.value,
                    to: to.value,
                    over: self.hold(section.scale_duration.take(), at, "scaleDuration")?,
                }
            }
            PatternKey::RollingUpdate => {
                let endpoints = self
                    .required(section.endpoints.take(), at, "endpoints")?
                    .value;
                let quarter = || Placed::from(Amount::Share(Share(0.25)));
                let surge = section.max_surge.take().unwrap_or_else(quarter);
                let unavailable = section.max_unavailable.take().unwrap_or_else(quarter);
                let max_surge = surge.value.of(endpoints, f64::ceil);
                let max_unavailable = unavailable.value.of(endpoints, f64::floor);
                if max_surge == 0 && max_unavailable == 0 {
                    let at = self.tree.later(surge.at, unavailable.at);
                    let message = "maxSurge and maxUnavailable are both 0 pods, so that nothing could be replaced";
                    return Err(self.tree.error(at, message));
                }
                Pattern::RollingUpdate {
                    endpoints,
                    every: self.hold(section.min_hold.take(), at, "minHold")?,
                    max_surge,
                    max_unavailable,
                }
            }
            PatternKey::Provoke => unreachable!("invariant: no text is read as this key"),
        })
    }

    fn sizes(&self, section: &mut ChurnSection, at: usize) -> Result<(u32, u32)> {
        self.range(
            section.min_endpoints.take(),
            section.max_endpoints.take(),
            at,
        )
    }

    fn holds(&self, section: &mut ChurnSection, at: usize) -> Result<Holds> {
        let hold = |key, name| self.required::<NonZeroSpan>(key, at, name);
        Ok((
            hold(section.min_hold.take(), "minHold")?,
            hold(section.max_hold.take(), "maxHold")?,
        ))
    }

    /// A wave and its jitter, which must not be longer than a hold: a Service would be told to scale
    /// down before it had scaled up.
    fn jittered(&self, section: &mut ChurnSection, at: usize) -> Result<(Wave, Jitter)> {
        let (min, max) = self.sizes(section, at)?;
        let (low, high) = self.holds(section, at)?;
        let jitter = section.jitter.take().unwrap_or_else(|| Jitter::NONE.into());
        if let Jitter::UpTo(most) = jitter.value {
            let most = NonZeroSpan(most);
            let short = [(low, "minHold"), (high, "maxHold")];
            if let Some((hold, key)) = short.into_iter().find(|(hold, _)| hold.value < most) {
                let (span, at) = (hold.value, self.tree.later(jitter.at, hold.at));
                let message = if at == jitter.at {
                    format!("{most} is more than {key}, {span}; a Service would overtake itself")
                } else {
                    format!("{span} is less than jitter, {most}; a Service would overtake itself")
                };
                return Err(self.tree.error(at, &message));
            }
        }
        let wave = Wave {
            min,
            max,
            min_hold: low.value.0,
            max_hold: high.value.0,
        };
        Ok((wave, jitter.value))
    }

    /// Warns of each key of a pattern that this one has left untouched, in the order of the file.
    pub(super) fn unused(&mut self, section: &ChurnSection) {
        let left = serde_json::to_value(section).expect("invariant: a section has text keys");
        let of_patterns = CHURN_FLAGS.iter().filter(|flag| flag.form == ONE);
        let mut places: Vec<_> = of_patterns
            .filter(|flag| left[flag.path.trim_start_matches("churn.")] != Value::Null)
            .filter_map(|flag| self.tree.path_place(flag.path))
            .collect();
        places.sort_by_key(|at| self.tree.order(*at));
        for at in places {
            self.warn(at, "is ignored: the pattern does not use it");
        }
    }
}

// === impl ChurnSection ===

impl ChurnSection {
    /// Gives the keys that ask for `pattern`; whether there are such keys.
    pub(super) fn write(&mut self, pattern: &Pattern) -> bool {
        let span = |span| key(NonZeroSpan(span));
        match *pattern {
            Pattern::Stable { endpoints } => self.endpoints = key(endpoints),
            Pattern::Oscillate { wave, jitter } | Pattern::Spike { wave, jitter } => {
                self.write_wave(wave);
                self.jitter = key(jitter);
            }
            Pattern::Batch {
                wave,
                size,
                interval,
            } => {
                self.write_wave(wave);
                self.batch_size = count(size);
                self.batch_interval = span(interval);
            }
            Pattern::ScaleUp { from, to, over } => {
                (self.scale_from, self.scale_to) = (key(from), key(to));
                self.scale_duration = span(over);
            }
            Pattern::Sawtooth { wave, over, jitter } => {
                self.write_wave(wave);
                self.scale_duration = span(over);
                self.jitter = key(jitter);
            }
            Pattern::RollingUpdate {
                endpoints,
                every,
                max_surge,
                max_unavailable,
            } => {
                self.endpoints = key(endpoints);
                self.min_hold = span(every);
                self.max_surge = key(Amount::Pods(max_surge));
                self.max_unavailable = key(Amount::Pods(max_unavailable));
            }
            // It has a section of its own.
            Pattern::Provoke { .. } => return false,
        }
        self.pattern = key(PatternKey::from(pattern));
        true
    }

    fn write_wave(&mut self, wave: Wave) {
        (self.min_endpoints, self.max_endpoints) = (key(wave.min), key(wave.max));
        self.min_hold = key(NonZeroSpan(wave.min_hold));
        self.max_hold = key(NonZeroSpan(wave.max_hold));
    }
}
