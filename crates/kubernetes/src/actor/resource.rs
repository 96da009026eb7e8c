//! The kinds that we make or leave behind, and where the API serves them.

use kube::core::{ApiResource, GroupVersionKind};

/// A kind of object and its place in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// For example `Deployment`.
    pub(super) kind: &'static str,
    /// The plural, as in URLs and in RBAC rules.
    pub(super) plural: &'static str,
    /// Its API group; empty for the core.
    group: &'static str,
    /// The version of the group.
    version: &'static str,
}

pub(super) const NAMESPACES: Resource = Resource::new("Namespace", "namespaces", "", "v1");
pub(super) const SERVICES: Resource = Resource::new("Service", "services", "", "v1");
pub(super) const SECRETS: Resource = Resource::new("Secret", "secrets", "", "v1");
pub(super) const EVENTS: Resource = Resource::new("Event", "events", "", "v1");
pub(super) const PODS: Resource = Resource::new("Pod", "pods", "", "v1");
pub(super) const DEPLOYMENTS: Resource = Resource::new("Deployment", "deployments", "apps", "v1");
pub(super) const SLICES: Resource =
    Resource::new("EndpointSlice", "endpointslices", "discovery.k8s.io", "v1");
pub(super) const LEASES: Resource = Resource::new("Lease", "leases", "coordination.k8s.io", "v1");

// === impl Resource ===

impl Resource {
    const fn new(
        kind: &'static str,
        plural: &'static str,
        group: &'static str,
        version: &'static str,
    ) -> Self {
        Self {
            kind,
            plural,
            group,
            version,
        }
    }

    /// As kube's `Api` of dynamic objects takes it.
    pub(super) fn api(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&kind, self.plural)
    }

    /// The collection's path: of one namespace, or of the whole cluster.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let Self {
            plural,
            group,
            version,
            ..
        } = self;
        let base = match *group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        match namespace {
            Some(namespace) => format!("{base}/namespaces/{namespace}/{plural}"),
            None => format!("{base}/{plural}"),
        }
    }
}
