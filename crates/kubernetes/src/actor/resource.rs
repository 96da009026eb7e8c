//! The kinds that we make or leave behind, and where the API serves them.

/// A kind of object and its place in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// For example `Deployment`.
    pub(super) kind: &'static str,
    /// The plural, as in URLs and in RBAC rules.
    pub(super) plural: &'static str,
    /// The path of its group and version.
    base: &'static str,
}

pub(super) const NAMESPACES: Resource = Resource::new("Namespace", "namespaces", "/api/v1");
pub(super) const SERVICES: Resource = Resource::new("Service", "services", "/api/v1");
pub(super) const SECRETS: Resource = Resource::new("Secret", "secrets", "/api/v1");
pub(super) const EVENTS: Resource = Resource::new("Event", "events", "/api/v1");
pub(super) const PODS: Resource = Resource::new("Pod", "pods", "/api/v1");
pub(super) const DEPLOYMENTS: Resource =
    Resource::new("Deployment", "deployments", "/apis/apps/v1");
pub(super) const SLICES: Resource = Resource::new(
    "EndpointSlice",
    "endpointslices",
    "/apis/discovery.k8s.io/v1",
);
pub(super) const LEASES: Resource =
    Resource::new("Lease", "leases", "/apis/coordination.k8s.io/v1");

// === impl Resource ===

impl Resource {
    const fn new(kind: &'static str, plural: &'static str, base: &'static str) -> Self {
        Self { kind, plural, base }
    }

    /// The collection's path: of one namespace, or of the whole cluster.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let Self { base, plural, .. } = self;
        match namespace {
            Some(namespace) => format!("{base}/namespaces/{namespace}/{plural}"),
            None => format!("{base}/{plural}"),
        }
    }
}
