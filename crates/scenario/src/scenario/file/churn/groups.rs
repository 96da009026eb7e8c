//! What goes together under `churn`.

use std::time::Duration;

use super::{Checker, Result, label_problem};
use crate::{
    quantity::{Share, Span},
    scenario::{
        Churn, Jitter, Pattern, ServiceGroup,
        file::{
            ChurnSection, Key, OscillateGroup, PatternWord, StableGroup,
            either::{Amount, JitterBound, Percent},
            placed::Placed,
        },
    },
};

/// Kubernetes supports this many Services in a namespace.
pub(in crate::scenario::file) const MOST_SERVICES: u32 = 5_000;

/// Kubernetes supports this many pods in a cluster.
pub(in crate::scenario::file) const MOST_ENDPOINTS: u64 = 150_000;

/// A Service's name is a DNS label.
pub(in crate::scenario::file) const LONGEST_LABEL: usize = 63;

/// What comes before the dash and the number in a Service's name, as a regular expression.
pub(in crate::scenario::file) const PREFIX: &str = "^[a-z][a-z0-9-]*$";

impl Checker<'_> {
    /// What each value must be by itself, also where the pattern does not use it: so says the schema,
    /// which cannot know.
    pub(super) fn values_of_churn(&self, section: &ChurnSection) -> Result<()> {
        for timer in [
            section.min_hold,
            section.max_hold,
            section.scale_duration,
            section.batch_interval,
        ] {
            self.timer(timer)?;
        }
        self.at_least_one(section.batch_size)?;
        if let Some(Placed {
            value: JitterBound::UpTo(value),
            at,
        }) = section.jitter
        {
            self.whole_millis(Placed { value, at })?;
        }
        let prefix = section.service_prefix.as_ref();
        if let Some(Placed { value, at }) = prefix.filter(|_| section.services.is_none()) {
            self.service_name(value, 1, *at)?;
        }
        Ok(())
    }

    /// The `churn` section, written at `at`.
    pub(super) fn churn(&mut self, mut section: ChurnSection, at: usize) -> Result<Churn> {
        let mixed =
            section.stable.is_some() || section.oscillate.is_some() || section.provoke.is_some();
        let groups = if mixed {
            self.mixed(&mut section)?
        } else {
            vec![self.group(&mut section, at)?]
        };
        self.totals(&groups, at)?;
        let backend = self.backend(&mut section, &groups)?;

        let cycles = self.at_least_one(section.cycles)?;
        let cycling = |g: &&ServiceGroup| !matches!(g.pattern, Pattern::Stable { .. });
        match (cycles, groups.iter().find(cycling).map(|g| &g.pattern)) {
            (Some(_), None) => {
                let message = "the pattern stable has no cycles; end the run with churn.duration";
                return Err(self.error(section.cycles, message));
            }
            (Some(2..), Some(Pattern::ScaleUp { .. })) => {
                let message = "the pattern scale-up has one cycle; end the run with churn.duration";
                return Err(self.error(section.cycles, message));
            }
            _ => {}
        }
        let churn = Churn {
            groups,
            duration: self.timer(section.duration)?,
            cycles,
            backend,
            port: match section.port {
                Some(Placed { value: 0, at }) => {
                    return Err(self.tree.error(at, "0 is no port; it is 1 to 65535"));
                }
                port => port.map_or(8080, |port| port.value),
            },
        };
        self.unused(&section);
        Ok(churn)
    }

    /// Services that all follow one pattern.
    fn group(&mut self, section: &mut ChurnSection, at: usize) -> Result<ServiceGroup> {
        let Some(services) = section.services.take() else {
            let message = "churn.services is missing; say how many Services to make";
            return Err(self.tree.error_at_key(at, message));
        };
        if services.value == 0 {
            return Err(self.tree.error(
                services.at,
                "0 Services leave nothing to do; it is at least 1",
            ));
        }
        let prefix = section
            .service_prefix
            .take()
            .unwrap_or_else(|| "test-service".to_owned().into());
        let place = self.tree.later(prefix.at, services.at);
        self.service_name(&prefix.value, services.value, place)?;
        Ok(ServiceGroup {
            prefix: prefix.value,
            first: 1,
            count: services.value,
            pattern: self.pattern(section, at)?,
        })
    }

    /// The last of so many Services has the longest name.
    fn service_name(&self, prefix: &str, services: u32, at: usize) -> Result<()> {
        let last = format!("{prefix}-{services}");
        let letter = prefix.starts_with(|c: char| c.is_ascii_lowercase());
        let problem = label_problem(&last, LONGEST_LABEL)
            .or_else(|| (!letter).then(|| "does not start with a letter".to_owned()));
        problem.map_or(Ok(()), |problem| {
            let message = format!("the Service name {last:?} {problem}");
            Err(self.tree.error(at, &message))
        })
    }

    /// Stable and oscillating Services side by side.
    fn mixed(&mut self, section: &mut ChurnSection) -> Result<Vec<ServiceGroup>> {
        if let Some(services) = section.services {
            let message = "churn.services and the mixed form (churn.stable, churn.oscillate, churn.provoke) exclude each other";
            return Err(self.tree.error(services.at, message));
        }
        if let Some(pattern) = section.pattern {
            let message = "churn.pattern and the mixed form (churn.stable, churn.oscillate, churn.provoke) exclude each other";
            return Err(self.tree.error(pattern.at, message));
        }
        let mut groups = Vec::new();
        let mut empty = 0;
        if let Some(Placed { value, at }) = section.stable.take() {
            let StableGroup {
                services,
                endpoints,
            } = value;
            let services = self.required(services, at, "services")?;
            empty = services.at;
            let endpoints = self.required(endpoints, at, "endpoints")?.value;
            groups.push(numbered(
                "stable-svc",
                services.value,
                Pattern::Stable { endpoints },
            ));
        }
        if let Some(Placed { value, at }) = section.oscillate.take() {
            let services = self.required(value.services, at, "services")?;
            empty = services.at;
            let pattern = self.oscillating(&value, at)?;
            groups.push(numbered("oscillate-svc", services.value, pattern));
        }
        if let Some(provoke) = section.provoke.take() {
            empty = provoke.at;
            groups.extend(self.provoked(provoke)?);
        }
        groups.retain(|group| group.count > 0);
        if groups.is_empty() {
            let message = "0 Services leave nothing to do; it is at least 1";
            return Err(self.tree.error(empty, message));
        }
        Ok(groups)
    }

    fn oscillating(&self, group: &OscillateGroup, at: usize) -> Result<Pattern> {
        let (min, max) = self.range(group.min_endpoints, group.max_endpoints, at)?;
        let hold = self.hold(group.hold, at, "hold")?;
        let percent = group.jitter_percent.map_or(0.0, |percent| percent.value.0);
        Ok(Pattern::Oscillate {
            min,
            max,
            min_hold: hold,
            max_hold: hold,
            jitter: if percent > 0.0 {
                Jitter::PercentOfHold(percent)
            } else {
                Jitter::UpTo(Duration::ZERO)
            },
        })
    }

    fn pattern(&self, section: &mut ChurnSection, at: usize) -> Result<Pattern> {
        let word = section.pattern.take();
        let at = word.map_or(at, |word| word.at);
        Ok(match word.map_or(PatternWord::Stable, |word| word.value) {
            PatternWord::Stable => Pattern::Stable {
                endpoints: self
                    .required(section.endpoints.take(), at, "endpoints")?
                    .value,
            },
            PatternWord::Oscillate => {
                let (min, max) = self.sizes(section, at)?;
                let min_hold = self.hold(section.min_hold, at, "minHold")?;
                let max_hold = self.hold(section.max_hold, at, "maxHold")?;
                Pattern::Oscillate {
                    min,
                    max,
                    min_hold,
                    max_hold,
                    jitter: self.jitter(section)?,
                }
            }
            PatternWord::Spike => {
                let (base, peak) = self.sizes(section, at)?;
                let rest = self.hold(section.min_hold, at, "minHold")?;
                let hold = self.hold(section.max_hold, at, "maxHold")?;
                Pattern::Spike {
                    base,
                    peak,
                    hold,
                    rest,
                    jitter: self.jitter(section)?,
                }
            }
            PatternWord::Batch => {
                let (min, max) = self.sizes(section, at)?;
                let size = self.required(section.batch_size.take(), at, "batchSize")?;
                Pattern::Batch {
                    min,
                    max,
                    size: self.at_least_one(Some(size))?.unwrap_or(1),
                    interval: self.hold(section.batch_interval.take(), at, "batchInterval")?,
                    min_hold: self.hold(section.min_hold.take(), at, "minHold")?,
                    max_hold: self.hold(section.max_hold.take(), at, "maxHold")?,
                }
            }
            PatternWord::ScaleUp => self.scale_up(section, at)?,
            PatternWord::RollingUpdate => self.rolling_update(section, at)?,
        })
    }

    fn scale_up(&self, section: &mut ChurnSection, at: usize) -> Result<Pattern> {
        let from = section
            .scale_from
            .take()
            .or_else(|| section.endpoints.take());
        let from = self.required(from, at, "scaleFrom")?;
        let to = self.required(section.scale_to.take(), at, "scaleTo")?;
        if from.value == to.value {
            let at = self.tree.later(from.at, to.at);
            let message = format!("from {} to {} nothing would change", from.value, to.value);
            return Err(self.tree.error(at, &message));
        }
        Ok(Pattern::ScaleUp {
            from: from.value,
            to: to.value,
            over: self.hold(section.scale_duration.take(), at, "scaleDuration")?,
        })
    }

    fn rolling_update(&self, section: &mut ChurnSection, at: usize) -> Result<Pattern> {
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
            let message =
                "maxSurge and maxUnavailable are both 0 pods, so that nothing could be replaced";
            return Err(self.tree.error(at, message));
        }
        Ok(Pattern::RollingUpdate {
            endpoints,
            every: self.hold(section.min_hold.take(), at, "minHold")?,
            max_surge,
            max_unavailable,
        })
    }

    fn sizes(&self, section: &mut ChurnSection, at: usize) -> Result<(u32, u32)> {
        self.range(
            section.min_endpoints.take(),
            section.max_endpoints.take(),
            at,
        )
    }

    fn range(&self, min: Key<u32>, max: Key<u32>, at: usize) -> Result<(u32, u32)> {
        let min = self.required(min, at, "minEndpoints")?;
        let max = self.required(max, at, "maxEndpoints")?;
        if min.value < max.value {
            return Ok((min.value, max.value));
        }
        let at = self.tree.later(min.at, max.at);
        let message = if at == max.at {
            format!("{} is not more than minEndpoints, {}", max.value, min.value)
        } else {
            format!("{} is not less than maxEndpoints, {}", min.value, max.value)
        };
        Err(self.tree.error(at, &message))
    }

    /// Takes the jitter and both holds, which must not be shorter: a Service would be told to
    /// scale down before it had scaled up.
    fn jitter(&self, section: &mut ChurnSection) -> Result<Jitter> {
        let holds = [
            (section.min_hold.take(), "minHold"),
            (section.max_hold.take(), "maxHold"),
        ];
        let Some(jitter) = section.jitter.take() else {
            return Ok(Jitter::UpTo(Duration::ZERO));
        };
        let span = match jitter.value {
            JitterBound::OfHold(Percent(percent)) => return Ok(Jitter::PercentOfHold(percent)),
            JitterBound::UpTo(span) => span,
        };
        for (hold, key) in holds {
            let Some(hold) = hold.filter(|hold| hold.value < span) else {
                continue;
            };
            let at = self.tree.later(jitter.at, hold.at);
            let message = if at == jitter.at {
                format!(
                    "{span} is more than {key}, {}; a Service would overtake itself",
                    hold.value
                )
            } else {
                format!(
                    "{} is less than jitter, {span}; a Service would overtake itself",
                    hold.value
                )
            };
            return Err(self.tree.error(at, &message));
        }
        let value = span;
        self.whole_millis(Placed {
            value,
            at: jitter.at,
        })
        .map(Jitter::UpTo)
    }

    /// A duration that must be given and must not be zero.
    pub(super) fn hold(&self, key: Key<Span>, at: usize, name: &str) -> Result<Duration> {
        let span = self.required(key, at, name)?;
        self.positive(Some(span))?;
        self.whole_millis(span)
    }

    pub(super) fn required<T>(&self, key: Key<T>, at: usize, name: &str) -> Result<Placed<T>> {
        key.ok_or_else(|| {
            self.tree
                .error(at, &format!("needs {name}, which is missing"))
        })
    }

    /// What no cluster could hold.
    fn totals(&self, groups: &[ServiceGroup], at: usize) -> Result<()> {
        let services: u64 = groups.iter().map(|group| u64::from(group.count)).sum();
        if services > u64::from(MOST_SERVICES) {
            let at = self.tree.path_place("churn.services").unwrap_or(at);
            let message = format!(
                "{services} Services are more than {MOST_SERVICES}, what Kubernetes supports in a namespace"
            );
            return Err(self.tree.error(at, &message));
        }
        let peak = |group: &ServiceGroup| u64::from(group.count) * u64::from(group.pattern.peak());
        let endpoints: u64 = groups.iter().map(peak).sum();
        if endpoints > MOST_ENDPOINTS {
            let keys = [
                "churn.maxEndpoints",
                "churn.scaleTo",
                "churn.endpoints",
                "churn.services",
            ];
            let at = keys
                .iter()
                .find_map(|key| self.tree.path_place(key))
                .unwrap_or(at);
            let message = format!(
                "{endpoints} endpoints in all are more than {MOST_ENDPOINTS}, the pods that Kubernetes supports in a cluster"
            );
            return Err(self.tree.error(at, &message));
        }
        Ok(())
    }

    /// Warns of each key that the pattern has left untouched.
    fn unused(&mut self, section: &ChurnSection) {
        fn at<T>(key: &Key<T>) -> Option<usize> {
            key.as_ref().map(|placed| placed.at)
        }
        let left = [
            at(&section.service_prefix),
            at(&section.endpoints),
            at(&section.min_endpoints),
            at(&section.max_endpoints),
            at(&section.min_hold),
            at(&section.max_hold),
            at(&section.jitter),
            at(&section.scale_from),
            at(&section.scale_to),
            at(&section.scale_duration),
            at(&section.max_surge),
            at(&section.max_unavailable),
            at(&section.batch_size),
            at(&section.batch_interval),
        ];
        for at in left.into_iter().flatten() {
            self.warn(at, "is ignored: the pattern does not use it");
        }
    }
}

/// Services counted from 0.
fn numbered(prefix: &str, count: u32, pattern: Pattern) -> ServiceGroup {
    ServiceGroup {
        prefix: prefix.to_owned(),
        first: 0,
        count,
        pattern,
    }
}
