//! Which objects make the endpoints, and what goes together with that.

use super::{Checker, Result};
use crate::{
    quantity::AddressRange,
    roster::Share,
    scenario::{
        Backend, Pattern, ServiceGroup,
        file::{BackendWord, ChurnSection, placed::Placed, provoke::ProvokeGroup},
    },
    stale_state::StaleStateCase,
};

/// Endpoints of a Service that is provoked: what one slice holds, so that all of them are struck
/// at once.
pub(in crate::scenario::file) const MOST_PROVOKED: u32 = 100;

impl Checker<'_> {
    /// The backend of these groups; it takes its keys from the section.
    pub(super) fn backend(
        &mut self,
        section: &mut ChurnSection,
        groups: &[ServiceGroup],
    ) -> Result<Backend> {
        let word = section.backend.take();
        let (meshed, range) = (section.meshed.take(), section.addresses.take());
        let addresses = range.map_or(AddressRange::RESERVED, |range| range.value);
        let backend = match word.map_or(BackendWord::Deployments, |word| word.value) {
            BackendWord::Deployments => Backend::Deployments,
            BackendWord::Pods => Backend::Pods {
                meshed: meshed.is_some_and(|meshed| meshed.value),
                addresses,
            },
            BackendWord::Slices => Backend::Slices { addresses },
        };
        if let (Some(Placed { value: true, at }), false) =
            (meshed, matches!(backend, Backend::Pods { .. }))
        {
            let message = "only Pods of our own can look meshed; say backend: pods";
            return Err(self.tree.error(at, message));
        }
        let provoked = groups
            .iter()
            .any(|group| matches!(group.pattern, Pattern::Provoke { .. }));
        if provoked && !matches!(backend, Backend::Pods { .. }) {
            let place = self.tree.path_place("churn.provoke");
            let at = word.map(|word| word.at).or(place).unwrap_or_default();
            let message =
                "provoke needs backend: pods, since only endpoints with Pods are mishandled";
            return Err(self.tree.error(at, message));
        }
        if backend == Backend::Deployments {
            if let Some(range) = range {
                self.warn(
                    range.at,
                    "is ignored: the cluster gives Deployments' pods their addresses",
                );
            }
            return Ok(backend);
        }
        let services = groups
            .iter()
            .map(|group| group.count as usize)
            .sum::<usize>()
            + self.local_services;
        let share = Share::of(addresses, 0, services).count();
        let most = groups.iter().map(|group| group.pattern.peak()).max();
        let most = u64::from(most.unwrap_or_default());
        if share < most {
            let at = range.map_or(0, |range| range.at);
            let message = format!(
                "{addresses} has {share} addresses for each of {services} Services, which have up to {most} endpoints"
            );
            return Err(self.tree.error(at, &message));
        }
        Ok(backend)
    }

    /// One group for each kind, named after it.
    pub(super) fn provoked(&self, section: Placed<ProvokeGroup>) -> Result<Vec<ServiceGroup>> {
        let Placed { value, at } = section;
        let count = self.at_least_one(value.services)?.unwrap_or(1);
        let endpoints = self.required(value.endpoints, at, "endpoints")?;
        self.at_least_one(Some(endpoints))?;
        if endpoints.value > MOST_PROVOKED {
            let message = format!(
                "{} is more than {MOST_PROVOKED}, what one slice holds",
                endpoints.value
            );
            return Err(self.tree.error(endpoints.at, &message));
        }
        let every = self.hold(value.hold, at, "hold")?;
        let kinds = value.kinds.map_or_else(
            || StaleStateCase::ALL.map(Placed::from).to_vec(),
            |kinds| kinds.value,
        );
        let mut groups: Vec<ServiceGroup> = Vec::new();
        for kind in kinds {
            let prefix = kind.value.name().to_owned();
            if groups.iter().any(|group| group.prefix == prefix) {
                return Err(self.tree.error(kind.at, "is given twice"));
            }
            groups.push(ServiceGroup {
                prefix,
                first: 1,
                count,
                pattern: Pattern::Provoke {
                    case: kind.value,
                    endpoints: endpoints.value,
                    every,
                },
            });
        }
        Ok(groups)
    }
}
