//! Which objects make the endpoints, and what goes together with that.

use super::ChurnSection;
use crate::{
    pattern::Pattern,
    quantity::AddressRange,
    roster::Share,
    scenario::{
        Backend, ServiceGroup,
        file::{
            check::{Checker, Result},
            placed::{Placed, value},
        },
    },
};

pub(super) use crate::scenario::BackendKey;

impl Checker<'_> {
    /// The backend of these groups; it takes its keys from the section.
    pub(super) fn backend(
        &mut self,
        section: &mut ChurnSection,
        groups: &[ServiceGroup],
    ) -> Result<Backend> {
        let kind = section.backend.take();
        let (meshed, range) = (section.meshed.take(), section.addresses.take());
        let addresses = value(range).unwrap_or(AddressRange::RESERVED);
        let backend = match value(kind).unwrap_or_default() {
            BackendKey::Deployments => Backend::Deployments {
                meshed: value(meshed).unwrap_or_default(),
            },
            BackendKey::Pods => Backend::Pods {
                meshed: value(meshed).unwrap_or_default(),
                addresses,
            },
            BackendKey::Slices => Backend::Slices { addresses },
        };
        let pods = matches!(backend, Backend::Pods { .. });
        if let (Some(Placed { value: true, at }), Backend::Slices { .. }) = (meshed, backend) {
            let message = "bare addresses have no Pods that could look meshed; say backend: deployments or pods";
            return Err(self.tree.error(at, message));
        }
        let provoked = |group: &ServiceGroup| matches!(group.pattern, Pattern::Provoke { .. });
        if groups.iter().any(provoked) && !pods {
            let place = self.tree.path_place("churn.provoke");
            let at = kind.map(|kind| kind.at).or(place).unwrap_or_default();
            let message =
                "provoke needs backend: pods, since only endpoints with Pods are mishandled";
            return Err(self.tree.error(at, message));
        }
        if backend.is_deployments() {
            if let Some(range) = range {
                let message = "is ignored: the cluster gives Deployments' pods their addresses";
                self.warn(range.at, message);
            }
            return Ok(backend);
        }
        let services: usize = groups.iter().map(|group| group.count as usize).sum();
        let services = services + self.local_services;
        let share = Share::of(addresses, 0, services).count();
        let most = groups.iter().map(|group| group.pattern.peak()).max();
        let most = most.unwrap_or_default();
        if share < most.into() {
            let message = format!(
                "{addresses} has {share} addresses for each of {services} Services, which have up to {most} endpoints"
            );
            return Err(self.error(range, &message));
        }
        Ok(backend)
    }
}
