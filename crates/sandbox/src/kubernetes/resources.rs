//! The kinds of object that the embedded API knows, as discovery describes them.

/// One kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    Quotas,
}

/// What discovery says about a [`Resource`].
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) resource: Resource,
    /// Empty for the core group.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    /// As in the path.
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) short: &'static [&'static str],
    pub(crate) namespaced: bool,
    /// Has a `status` that only the subresource changes.
    pub(crate) status: bool,
    pub(crate) scale: bool,
}

/// Core, without status.
const fn core(
    resource: Resource,
    plural: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
) -> Description {
    Description {
        resource,
        group: "",
        version: "v1",
        plural,
        kind,
        short,
        namespaced: true,
        status: false,
        scale: false,
    }
}

const fn grouped(
    group: &'static str,
    version: &'static str,
    description: Description,
) -> Description {
    Description {
        group,
        version,
        ..description
    }
}

const fn with_status(description: Description) -> Description {
    Description {
        status: true,
        ..description
    }
}

const fn with_scale(description: Description) -> Description {
    Description {
        scale: true,
        ..with_status(description)
    }
}

const fn cluster_wide(description: Description) -> Description {
    Description {
        namespaced: false,
        ..description
    }
}

/// In the order of [`Resource`], which is also the order in which a namespace is emptied.
static DESCRIPTIONS: [Description; Resource::COUNT] = [
    cluster_wide(with_status(core(
        Resource::Namespaces,
        "namespaces",
        "Namespace",
        &["ns"],
    ))),
    cluster_wide(with_status(core(Resource::Nodes, "nodes", "Node", &["no"]))),
    with_status(core(Resource::Pods, "pods", "Pod", &["po"])),
    with_status(core(Resource::Services, "services", "Service", &["svc"])),
    core(Resource::Endpoints, "endpoints", "Endpoints", &["ep"]),
    core(Resource::Secrets, "secrets", "Secret", &[]),
    core(Resource::ConfigMaps, "configmaps", "ConfigMap", &["cm"]),
    core(Resource::Events, "events", "Event", &["ev"]),
    core(
        Resource::ServiceAccounts,
        "serviceaccounts",
        "ServiceAccount",
        &["sa"],
    ),
    grouped(
        "apps",
        "v1",
        with_scale(core(
            Resource::Deployments,
            "deployments",
            "Deployment",
            &["deploy"],
        )),
    ),
    grouped(
        "apps",
        "v1",
        with_scale(core(
            Resource::ReplicaSets,
            "replicasets",
            "ReplicaSet",
            &["rs"],
        )),
    ),
    grouped(
        "batch",
        "v1",
        with_status(core(Resource::Jobs, "jobs", "Job", &[])),
    ),
    grouped(
        "coordination.k8s.io",
        "v1",
        core(Resource::Leases, "leases", "Lease", &[]),
    ),
    grouped(
        "discovery.k8s.io",
        "v1",
        core(
            Resource::EndpointSlices,
            "endpointslices",
            "EndpointSlice",
            &[],
        ),
    ),
    grouped(
        "linkerd.io",
        "v1alpha2",
        core(
            Resource::ServiceProfiles,
            "serviceprofiles",
            "ServiceProfile",
            &["sp"],
        ),
    ),
    grouped(
        "policy.linkerd.io",
        "v1beta3",
        core(Resource::Servers, "servers", "Server", &["srv"]),
    ),
    grouped(
        "workload.linkerd.io",
        "v1beta1",
        with_status(core(
            Resource::ExternalWorkloads,
            "externalworkloads",
            "ExternalWorkload",
            &[],
        )),
    ),
    with_status(core(
        Resource::Quotas,
        "resourcequotas",
        "ResourceQuota",
        &["quota"],
    )),
];

// === impl Resource ===

impl Resource {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Quotas as usize + 1;

    /// Its position in tables that hold something for each resource.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// What discovery says about it.
    pub(crate) fn description(self) -> &'static Description {
        &DESCRIPTIONS[self.index()]
    }

    /// All of them, in their order.
    pub(crate) fn all() -> impl Iterator<Item = &'static Description> {
        DESCRIPTIONS.iter()
    }

    /// The one that a path names.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::all()
            .find(|it| it.group == group && it.version == version && it.plural == plural)
            .map(|it| it.resource)
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

// === impl Description ===

impl Description {
    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `services` or `deployments.apps`, as messages name it.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `Service` or `Deployment.apps`, as other messages name it.
    pub(crate) fn qualified_kind(&self) -> String {
        if self.group.is_empty() {
            self.kind.to_owned()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// Whether `kubectl get all` shows it.
    pub(crate) fn is_in_all(&self) -> bool {
        matches!(
            self.resource,
            Resource::Pods
                | Resource::Services
                | Resource::Deployments
                | Resource::ReplicaSets
                | Resource::Jobs
        )
    }

    /// The kind in lower case.
    pub(crate) fn singular(&self) -> String {
        self.kind.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_stands_at_its_own_index() {
        for (index, description) in Resource::all().enumerate() {
            assert_eq!(description.resource.index(), index);
        }
    }
}
