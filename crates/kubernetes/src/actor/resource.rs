//! The kinds that we make or leave behind, and where the API serves them.

use k8s_openapi::{
    Resource as Kind,
    api::{
        apps::v1::Deployment,
        coordination::v1::Lease,
        core::v1::{Event, Namespace, Node, Pod, ResourceQuota, Secret, Service},
        discovery::v1::EndpointSlice,
    },
};
use kube::{
    Resource as _,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};

/// A kind of object and its place in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// For example `Deployment`.
    pub(super) kind: &'static str,
    /// The plural, as in URLs and in RBAC rules.
    pub(super) plural: &'static str,
    /// Its API group; empty for the core.
    pub(super) group: &'static str,
    /// The version of the group.
    version: &'static str,
}

pub(super) const NAMESPACES: Resource = Resource::of::<Namespace>();
pub(super) const NODES: Resource = Resource::of::<Node>();
pub(super) const SERVICES: Resource = Resource::of::<Service>();
pub(super) const SECRETS: Resource = Resource::of::<Secret>();
pub(super) const EVENTS: Resource = Resource::of::<Event>();
pub(super) const QUOTAS: Resource = Resource::of::<ResourceQuota>();
pub(super) const PODS: Resource = Resource::of::<Pod>();
pub(super) const DEPLOYMENTS: Resource = Resource::of::<Deployment>();
pub(super) const SLICES: Resource = Resource::of::<EndpointSlice>();
pub(super) const LEASES: Resource = Resource::of::<Lease>();

// === impl Resource ===

impl Resource {
    const fn of<K: Kind>() -> Self {
        Self {
            kind: K::KIND,
            plural: K::URL_PATH_SEGMENT,
            group: K::GROUP,
            version: K::VERSION,
        }
    }

    /// As kube's `Api` of dynamic objects takes it.
    pub(super) fn api(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&kind, self.plural)
    }

    /// The collection's path: of one namespace, or of the whole cluster.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        DynamicObject::url_path(&self.api(), namespace)
    }
}
