//! The section `federation`: a second cluster, and how its Services are asked for.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Key,
    check::{Checker, Result},
    placed::Placed,
};
use crate::{
    federation::{DiscoveryMode, Federation},
    quantity::{NonZeroSpan, Span},
    scenario::{Churn, Jitter, Pattern, ServiceGroup},
};

/// A second cluster, which is linked with the first as Linkerd's multicluster extension does it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Federation")]
pub(super) struct FederationSection {
    /// The name of the link to the churned cluster; `target` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_NAME), regex(pattern = super::check::LABEL))]
    cluster: Key<String>,
    /// The discovery modes of its Services, each with its own streams; both if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    through: Key<Vec<Placed<DiscoveryMode>>>,
    /// Services of the first cluster, to measure the effect of the churn on them; 0 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    local_services: Key<u32>,
    /// Endpoints of each of these; 10 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    local_endpoints: Key<u32>,
    /// How often an endpoint is added to each of these, or removed again; 2s if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    local_every: Key<Span>,
    /// Whether the chart creates the mirror and federated Services for those of the churned
    /// cluster. Set it to false if linkerd-multicluster's service mirror creates them.
    #[serde(skip_serializing)]
    stand_ins: Option<bool>,
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
        let key = |value| Some(Placed::from(value));
        let mut section = Self {
            cluster: Some(Placed::from(both.cluster.clone())),
            through: Some(Placed::from(
                both.through
                    .iter()
                    .copied()
                    .map(Placed::from)
                    .collect::<Vec<_>>(),
            )),
            ..Self::default()
        };
        if let Some(group) = &both.local {
            section.local_services = key(group.count);
            section.local_endpoints = key(group.pattern.initial());
            if let Pattern::Oscillate { min_hold, .. } = group.pattern {
                section.local_every = Some(Placed::from(Span(min_hold)));
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
        let count = section.local_services.map_or(0, |count| count.value);
        let endpoints = self
            .at_least_one(section.local_endpoints)?
            .unwrap_or(LOCAL_ENDPOINTS);
        let every = self.timer(section.local_every)?.unwrap_or(LOCAL_EVERY);
        let local = (count > 0).then(|| ServiceGroup {
            prefix: LOCAL.to_owned(),
            first: 1,
            count,
            pattern: Pattern::Oscillate {
                min: endpoints,
                max: endpoints + 1,
                min_hold: every,
                max_hold: every,
                jitter: Jitter::UpTo(Duration::ZERO),
            },
        });
        Ok(Federation {
            cluster: cluster.value,
            through,
            local,
        })
    }
}
