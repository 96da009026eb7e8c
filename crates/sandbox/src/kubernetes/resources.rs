//! The kinds of object that the embedded API knows, as discovery describes them.

use strum::{EnumCount, EnumIter, IntoEnumIterator as _, IntoStaticStr};

/// One kind of object, by its plural. Their order is also that in which a namespace is emptied.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumCount, EnumIter, IntoStaticStr,
)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Resource {
    Namespaces,
    Nodes,
    Pods,
    Services,
    Endpoints,
    Secrets,
    ConfigMaps,
    Events,
    ServiceAccounts,
    Deployments,
    ReplicaSets,
    Jobs,
    Leases,
    EndpointSlices,
    ServiceProfiles,
    Servers,
    ExternalWorkloads,
    #[strum(serialize = "resourcequotas")]
    Quotas,
}

/// Of each [`Resource`], in their order: its kind, its short name if it has one, and `apiVersion`.
const KINDS: [(&str, &str, &str); Resource::COUNT] = [
    ("Namespace", "ns", "v1"),
    ("Node", "no", "v1"),
    ("Pod", "po", "v1"),
    ("Service", "svc", "v1"),
    ("Endpoints", "ep", "v1"),
    ("Secret", "", "v1"),
    ("ConfigMap", "cm", "v1"),
    ("Event", "ev", "v1"),
    ("ServiceAccount", "sa", "v1"),
    ("Deployment", "deploy", "apps/v1"),
    ("ReplicaSet", "rs", "apps/v1"),
    ("Job", "", "batch/v1"),
    ("Lease", "", "coordination.k8s.io/v1"),
    ("EndpointSlice", "", "discovery.k8s.io/v1"),
    ("ServiceProfile", "sp", "linkerd.io/v1alpha2"),
    ("Server", "srv", "policy.linkerd.io/v1beta3"),
    ("ExternalWorkload", "", "workload.linkerd.io/v1beta1"),
    ("ResourceQuota", "quota", "v1"),
];

// === impl Resource ===

impl Resource {
    /// All of them, in their order.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }

    /// The one that a path names.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::of_group(group, version).find(|it| it.plural() == plural)
    }

    /// Those of one version of an API group.
    pub(crate) fn of_group(group: &str, version: &str) -> impl Iterator<Item = Self> {
        Self::all().filter(move |it| it.group() == group && it.version() == version)
    }

    /// Its position in tables that hold something for each resource.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// As in the path.
    pub(crate) fn plural(self) -> &'static str {
        self.into()
    }

    /// As its objects name it.
    pub(crate) const fn kind(self) -> &'static str {
        KINDS[self.index()].0
    }

    /// The kind in lower case.
    pub(crate) fn singular(self) -> String {
        self.kind().to_lowercase()
    }

    /// As kubectl takes it too.
    pub(crate) fn short(self) -> Option<&'static str> {
        Some(KINDS[self.index()].1).filter(|it| !it.is_empty())
    }

    /// `v1` or `apps/v1`.
    pub(crate) const fn api_version(self) -> &'static str {
        KINDS[self.index()].2
    }

    /// Empty for the core group.
    pub(crate) fn group(self) -> &'static str {
        self.api_version().split_once('/').map_or("", |it| it.0)
    }

    /// The version of its group.
    pub(crate) fn version(self) -> &'static str {
        let version = self.api_version();
        version.split_once('/').map_or(version, |it| it.1)
    }

    /// `services` or `deployments.apps`, as messages name it.
    pub(crate) fn qualified(self) -> String {
        self.with_group(self.plural())
    }

    /// `Service` or `Deployment.apps`, as other messages name it.
    pub(crate) fn qualified_kind(self) -> String {
        self.with_group(self.kind())
    }

    fn with_group(self, name: &str) -> String {
        match self.group() {
            "" => name.to_owned(),
            group => format!("{name}.{group}"),
        }
    }

    /// Whether its objects are in namespaces.
    pub(crate) const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespaces | Self::Nodes)
    }

    /// Whether it has a `status` that only the subresource changes.
    pub(crate) const fn has_status(self) -> bool {
        matches!(
            self,
            Self::Namespaces
                | Self::Nodes
                | Self::Pods
                | Self::Services
                | Self::Deployments
                | Self::ReplicaSets
                | Self::Jobs
                | Self::ExternalWorkloads
                | Self::Quotas
        )
    }

    /// Whether it has the subresource `scale`.
    pub(crate) const fn has_scale(self) -> bool {
        matches!(self, Self::Deployments | Self::ReplicaSets)
    }

    /// Whether `kubectl get all` shows it.
    pub(crate) const fn is_in_all(self) -> bool {
        matches!(
            self,
            Self::Pods | Self::Services | Self::Deployments | Self::ReplicaSets | Self::Jobs
        )
    }

    /// Whether a controller of the embedded cluster reacts to it.
    pub(crate) const fn is_controlled(self) -> bool {
        matches!(
            self,
            Self::Namespaces
                | Self::Nodes
                | Self::Pods
                | Self::Services
                | Self::Deployments
                | Self::ReplicaSets
                | Self::EndpointSlices
        )
    }

    /// The fields that a field selector may name, beside name and namespace, and where they are.
    pub(crate) const fn selectable_fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Pods => &[
                ("spec.nodeName", "/spec/nodeName"),
                ("status.phase", "/status/phase"),
                ("status.podIP", "/status/podIP"),
            ],
            Self::Secrets => &[("type", "/type")],
            Self::Services => &[
                ("spec.clusterIP", "/spec/clusterIP"),
                ("spec.type", "/spec/type"),
            ],
            Self::Namespaces => &[("status.phase", "/status/phase")],
            Self::Events => &[
                ("involvedObject.name", "/involvedObject/name"),
                ("involvedObject.namespace", "/involvedObject/namespace"),
                ("involvedObject.kind", "/involvedObject/kind"),
                ("involvedObject.uid", "/involvedObject/uid"),
                ("reason", "/reason"),
                ("type", "/type"),
            ],
            _ => &[],
        }
    }

    /// Whether `metadata.generation` counts the changes of its spec.
    pub(crate) const fn counts_generations(self) -> bool {
        !matches!(
            self,
            Self::Namespaces
                | Self::Nodes
                | Self::Services
                | Self::Endpoints
                | Self::Secrets
                | Self::ConfigMaps
                | Self::Events
                | Self::ServiceAccounts
                | Self::Leases
                | Self::Quotas
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_has_its_own_row() {
        for (index, resource) in Resource::all().enumerate() {
            assert_eq!(resource.index(), index);
            let singular = resource.singular();
            assert!(
                resource.plural().starts_with(&singular),
                "{resource:?}: {singular}"
            );
        }
    }
}
