//! The section `federation`: a second cluster, and how its Services are asked for.

use std::{num::NonZeroU32, time::Duration};

use super::{
    chart::ChartKey,
    check::{Checker, Result},
    placed::{Key, Placed, count, key, number, span, value},
    section::sections,
};
use crate::{
    federation::{DiscoveryMode, Federation},
    pattern::{Jitter, Pattern, Wave},
    quantity::NonZeroSpan,
    scenario::{Churn, ServiceGroup},
};

sections! {
    /// A second cluster, which is linked with the first as Linkerd's multicluster extension does it.
    FederationSection as "Federation": Serialize {
        /// The name of the link to the churned cluster; `target` if absent.
        #[schemars(length(max = LONGEST_NAME), regex(pattern = super::check::LABEL))]
        cluster: Key<String>,
        /// The discovery modes of its Services, each with its own streams; both if absent.
        #[schemars(length(min = 1), extend("uniqueItems" = true))]
        through: Key<Vec<Placed<DiscoveryMode>>>,
        /// Services of the first cluster, to measure the effect of the churn on them; 0 if absent.
        local_services: Key<u32>,
        /// Endpoints of each of these; 10 if absent.
        local_endpoints: Key<NonZeroU32>,
        /// How often an endpoint is added to each of these, or removed again; 2s if absent.
        local_every: Key<NonZeroSpan>,
        /// Whether the chart creates the mirror and federated Services for those of the churned
        /// cluster. Set it to false if linkerd-multicluster's service mirror creates them.
        stand_ins: ChartKey<bool>,
    }
}

/// The names of the first cluster's Services before the number.
pub(super) const LOCAL: &str = "local-service";
const LOCAL_ENDPOINTS: u32 = 10;
const LOCAL_EVERY: Duration = Duration::from_secs(2);

/// A name of the target cluster is part of Services' names, which are DNS labels.
const LONGEST_NAME: usize = 20;

// === impl FederationSection ===

impl FederationSection {
    /// How many Services the first cluster has of its own.
    pub(super) fn local(&self) -> usize {
        self.local_services.map_or(0, |count| count.value as usize)
    }

    /// The section that says the same as `both`.
    pub(super) fn of(both: &Federation) -> Self {
        let through = both.through.iter().copied().map(Placed::from);
        let mut section = Self {
            cluster: key(both.cluster.clone()),
            through: key(through.collect()),
            ..Self::default()
        };
        if let Some(group) = &both.local {
            section.local_services = key(group.count);
            section.local_endpoints = count(group.pattern.initial());
            if let Pattern::Oscillate { wave, .. } = group.pattern {
                section.local_every = key(NonZeroSpan(wave.min_hold));
            }
        }
        section
    }
}

// === impl Checker ===

impl Checker<'_> {
    /// The `federation` section, beside what is churned.
    pub(super) fn federation(
        &self,
        section: FederationSection,
        churn: &Churn,
    ) -> Result<Federation> {
        let default = Federation::default();
        let cluster = section.cluster.unwrap_or_else(|| default.cluster.into());
        if let Some(problem) = super::check::label_problem(&cluster.value, LONGEST_NAME) {
            let message = format!(
                "{:?} {problem}, because it is part of Services' names",
                cluster.value
            );
            return Err(self.error(Some(cluster), &message));
        }
        let mut through = Vec::new();
        match section.through {
            None => through = default.through,
            Some(given) if given.value.is_empty() => {
                let message = "names no way to ask; write [remoteDiscovery, federated]";
                return Err(self.error(Some(given), message));
            }
            Some(given) => {
                for way in given.value {
                    if through.contains(&way.value) {
                        return Err(self.error(Some(way), "is given twice"));
                    }
                    through.push(way.value);
                }
            }
        }
        if let Some(group) = (churn.groups.iter()).find(|group| group.prefix == LOCAL) {
            let message = format!(
                "the Services {} are churned: local ones need another name than {LOCAL}",
                group.prefix
            );
            return Err(self.error(section.local_services, &message));
        }
        let services = value(section.local_services).unwrap_or_default();
        let endpoints = number(section.local_endpoints).unwrap_or(LOCAL_ENDPOINTS);
        let every = span(section.local_every).unwrap_or(LOCAL_EVERY);
        let local = (services > 0).then(|| ServiceGroup {
            prefix: LOCAL.to_owned(),
            first: 1,
            count: services,
            pattern: Pattern::Oscillate {
                wave: Wave {
                    min: endpoints,
                    max: endpoints + 1,
                    min_hold: every,
                    max_hold: every,
                },
                jitter: Jitter::NONE,
            },
        });
        Ok(Federation {
            cluster: cluster.value,
            through,
            local,
        })
    }
}
