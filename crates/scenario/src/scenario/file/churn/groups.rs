//! What goes together under `churn`: one pattern or a mix, and what no cluster could hold.

use super::{ChurnSection, backend::BackendKey};
use crate::{
    pattern::{Jitter, Pattern, Wave},
    quantity::NonZeroSpan,
    scenario::{
        Backend, Churn, ServiceGroup,
        file::{
            check::{Checker, Result, label_problem},
            effective::Inexpressible,
            either::Percent,
            placed::{Key, Placed, count, key, number, span, value},
            provoke::ProvokeGroup,
            section::sections,
        },
    },
};

/// Kubernetes supports this many Services in a namespace.
pub(crate) const MOST_SERVICES: u32 = 5_000;

/// Kubernetes supports this many pods in a cluster.
pub(crate) const MOST_ENDPOINTS: u64 = 150_000;

/// A Service's name is a DNS label.
pub(in crate::scenario::file) const LONGEST_LABEL: usize = 63;

/// What comes before the dash and the number in a Service's name, as a regular expression.
pub(super) const PREFIX: &str = "^[a-z][a-z0-9-]*$";

/// The names of a mix's Services before the number.
const STABLE: &str = "stable-svc";
const OSCILLATE: &str = "oscillate-svc";

sections! {
    /// Services of a mix that never change.
    StableGroup: Serialize {
        /// The number of Services.
        #[schemars(range(max = MOST_SERVICES))]
        services: Key<u32>,
        /// Endpoints a Service.
        endpoints: Key<u32>,
    }

    /// Services of a mix that are scaled up and down.
    OscillateGroup: Serialize {
        /// The number of Services.
        #[schemars(range(max = MOST_SERVICES))]
        services: Key<u32>,
        /// Endpoints a Service at the low end; also the initial size.
        min_endpoints: Key<u32>,
        /// Endpoints a Service at the high end.
        max_endpoints: Key<u32>,
        /// Time at either end.
        hold: Key<NonZeroSpan>,
        /// The largest random delay of a Service before each scaling, in percent of the hold.
        jitter_percent: Key<Percent>,
    }
}

// === impl Checker ===

impl Checker<'_> {
    /// The `churn` section, written at `at`.
    pub(in crate::scenario::file) fn churn(
        &mut self,
        mut section: ChurnSection,
        at: usize,
    ) -> Result<Churn> {
        let prefix = section.service_prefix.as_ref();
        if let Some(Placed { value, at }) = prefix.filter(|_| section.services.is_none()) {
            // Also where no Service is named by it: so says the schema, which cannot know.
            self.service_name(value, 1, *at)?;
        }
        let mixed =
            section.stable.is_some() || section.oscillate.is_some() || section.provoke.is_some();
        let groups = if mixed {
            self.mixed(&mut section)?
        } else {
            vec![self.group(&mut section, at)?]
        };
        self.totals(&groups, at)?;
        let backend = self.backend(&mut section, &groups)?;
        self.cycles(&section, &groups)?;
        if let Some(Placed { value: 0, at }) = section.port {
            return Err(self.tree.error(at, "0 is no port; it is 1 to 65535"));
        }
        self.unused(&section);
        Ok(Churn {
            groups,
            duration: span(section.duration),
            cycles: number(section.cycles),
            backend,
            port: value(section.port).unwrap_or(8080),
        })
    }

    /// Refuses more cycles than there will be.
    fn cycles(&self, section: &ChurnSection, groups: &[ServiceGroup]) -> Result<()> {
        let Some(cycles) = section.cycles else {
            return Ok(());
        };
        let mut patterns = groups.iter().map(|group| &group.pattern);
        let message = match patterns.find(|pattern| pattern.most_cycles() > 0) {
            Some(pattern) if cycles.value.get() <= pattern.most_cycles() => return Ok(()),
            Some(pattern) => format!(
                "the pattern {} has one cycle; end the run with churn.duration",
                pattern.key()
            ),
            None => "the pattern stable has no cycles; end the run with churn.duration".to_owned(),
        };
        Err(self.tree.error(cycles.at, &message))
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
        let prefix = section.service_prefix.take();
        let prefix = prefix.unwrap_or_else(|| "test-service".to_owned().into());
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
        for (key, at) in [
            ("services", section.services.map(|it| it.at)),
            ("pattern", section.pattern.map(|it| it.at)),
        ] {
            if let Some(at) = at {
                let message = format!(
                    "churn.{key} and the mixed form (churn.stable, churn.oscillate, churn.provoke) exclude each other"
                );
                return Err(self.tree.error(at, &message));
            }
        }
        let mut groups = Vec::new();
        let mut empty = 0;
        if let Some(Placed { value, at }) = section.stable.take() {
            let services = self.required(value.services, at, "services")?;
            empty = services.at;
            let endpoints = self.required(value.endpoints, at, "endpoints")?.value;
            groups.push(numbered(
                STABLE,
                services.value,
                Pattern::Stable { endpoints },
            ));
        }
        if let Some(Placed { value, at }) = section.oscillate.take() {
            let services = self.required(value.services, at, "services")?;
            empty = services.at;
            let pattern = self.oscillating(&value, at)?;
            groups.push(numbered(OSCILLATE, services.value, pattern));
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
        Ok(Pattern::Oscillate {
            wave: Wave {
                min,
                max,
                min_hold: hold,
                max_hold: hold,
            },
            jitter: match group.jitter_percent {
                Some(percent) if percent.value.0 > 0.0 => Jitter::PercentOfHold(percent.value.0),
                _ => Jitter::NONE,
            },
        })
    }

    /// Two sizes, of which the second is larger.
    pub(super) fn range(&self, min: Key<u32>, max: Key<u32>, at: usize) -> Result<(u32, u32)> {
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

    /// What no cluster could hold.
    fn totals(&self, groups: &[ServiceGroup], at: usize) -> Result<()> {
        let services: u64 = groups.iter().map(|group| u64::from(group.count)).sum();
        let endpoints: u64 = groups.iter().map(ServiceGroup::endpoints_at_most).sum();
        let (keys, message): (&[&str], _) = if services > u64::from(MOST_SERVICES) {
            let message = format!(
                "{services} Services are more than {MOST_SERVICES}, what Kubernetes supports in a namespace"
            );
            (&["services"], message)
        } else if endpoints > MOST_ENDPOINTS {
            let message = format!(
                "{endpoints} endpoints in all are more than {MOST_ENDPOINTS}, the pods that Kubernetes supports in a cluster"
            );
            (
                &["maxEndpoints", "scaleTo", "endpoints", "services"],
                message,
            )
        } else {
            return Ok(());
        };
        let mut places = keys
            .iter()
            .map(|key| self.tree.path_place(&format!("churn.{key}")));
        let at = places.find_map(|place| place).unwrap_or(at);
        Err(self.tree.error(at, &message))
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

// === impl ChurnSection ===

impl ChurnSection {
    /// The section that says this.
    pub(in crate::scenario::file) fn of(churn: &Churn) -> std::result::Result<Self, Inexpressible> {
        let mut section = Self {
            backend: key(BackendKey::from(&churn.backend)),
            port: key(churn.port),
            cycles: churn.cycles.and_then(count),
            duration: churn.duration.and_then(|it| key(NonZeroSpan(it))),
            ..Self::default()
        };
        match churn.backend {
            Backend::Pods { meshed, addresses } => {
                (section.meshed, section.addresses) = (key(meshed), key(addresses));
            }
            Backend::Slices { addresses } => section.addresses = key(addresses),
            // Recordings from before Deployments could be meshed have no such key.
            Backend::Deployments { meshed } => section.meshed = key(meshed).filter(|_| meshed),
        }
        if let [group] = churn.groups.as_slice()
            && group.first == 1
            && ProvokeGroup::of(group).is_none()
        {
            section.services = key(group.count);
            section.service_prefix = key(group.prefix.clone());
            return if section.write(&group.pattern) {
                Ok(section)
            } else {
                Err(group.into())
            };
        }
        for group in &churn.groups {
            section
                .mix(group)
                .ok_or_else(|| Inexpressible::from(group))?;
        }
        Ok(section)
    }

    /// Adds a group of the mixed form; `None` if it is in none.
    fn mix(&mut self, group: &ServiceGroup) -> Option<()> {
        match (group.prefix.as_str(), group.first, &group.pattern) {
            (STABLE, 0, Pattern::Stable { endpoints }) if self.stable.is_none() => {
                self.stable = key(StableGroup {
                    services: key(group.count),
                    endpoints: key(*endpoints),
                });
            }
            (OSCILLATE, 0, Pattern::Oscillate { wave, jitter })
                if self.oscillate.is_none() && wave.min_hold == wave.max_hold =>
            {
                self.oscillate = key(OscillateGroup {
                    services: key(group.count),
                    min_endpoints: key(wave.min),
                    max_endpoints: key(wave.max),
                    hold: key(NonZeroSpan(wave.min_hold)),
                    jitter_percent: match *jitter {
                        Jitter::PercentOfHold(percent) => key(Percent(percent)),
                        Jitter::NONE => None,
                        Jitter::UpTo(_) => return None,
                    },
                });
            }
            _ => {
                let this = ProvokeGroup::of(group)?;
                match &mut self.provoke {
                    Some(all) => return all.value.absorb(this).then_some(()),
                    nothing => *nothing = key(this),
                }
            }
        }
        Some(())
    }
}
