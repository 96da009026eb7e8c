//! The parts of Kubernetes objects that the observer reads, and nothing else of them.

use std::net::IpAddr;

use dst_load_oracle::{
    kubernetes::{EndpointTarget, Service, ServicePort, Slice, SliceEndpoint, SlicePort},
    ledger::ClusterIp,
};
use serde::Deserialize;

/// What every object has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) labels: std::collections::HashMap<String, String>,
}

/// An object of one of the three kinds; each reads its own fields.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Object {
    pub(super) metadata: Metadata,
    spec: Spec,
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    ports: Option<Vec<Port>>,
    internal_traffic_policy: Option<String>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Port {
    name: Option<String>,
    /// The API server takes any number in an EndpointSlice, and one that could not be read would
    /// hide all the others of a list.
    port: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Endpoint {
    addresses: Vec<String>,
    conditions: Conditions,
    target_ref: Option<TargetRef>,
    node_name: Option<String>,
    hostname: Option<String>,
    hints: Option<Hints>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TargetRef {
    kind: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Hints {
    for_zones: Option<Vec<Zone>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Zone {
    name: String,
}

// === impl Object ===

impl Object {
    /// One of which nothing else is known.
    #[cfg(test)]
    pub(super) fn of(metadata: Metadata) -> Self {
        Self {
            metadata,
            ..Self::default()
        }
    }

    /// The Service that an EndpointSlice belongs to.
    pub(super) fn service_name(&self) -> Option<&str> {
        self.metadata
            .labels
            .get("kubernetes.io/service-name")
            .map(String::as_str)
    }

    /// The zone of a Node.
    pub(super) fn zone(&self) -> String {
        self.metadata
            .labels
            .get("topology.kubernetes.io/zone")
            .cloned()
            .unwrap_or_default()
    }

    /// The address of a Service. That of a headless one reads `None`.
    pub(super) fn cluster_ip(&self) -> ClusterIp {
        let address = self
            .spec
            .cluster_ip
            .as_deref()
            .and_then(|ip| ip.parse().ok());
        address.map_or(ClusterIp::Absent, ClusterIp::At)
    }

    /// What a Service promises by itself.
    pub(super) fn into_service(self) -> Service {
        let ports = self.spec.ports.unwrap_or_default();
        Service {
            ports: ports
                .into_iter()
                .filter_map(|port| {
                    Some(ServicePort {
                        port: port.number()?,
                        name: port.name.unwrap_or_default(),
                    })
                })
                .collect(),
            local_traffic_only: self.spec.internal_traffic_policy.as_deref() == Some("Local"),
            external_name: self.spec.kind.as_deref() == Some("ExternalName"),
        }
    }

    /// What an EndpointSlice in `namespace` lists. Names in place of addresses are left out.
    pub(super) fn into_slice(self, namespace: &str) -> Slice {
        let ports = self.ports.unwrap_or_default();
        let endpoints = self.endpoints.unwrap_or_default();
        Slice {
            ports: ports
                .into_iter()
                .map(|port| SlicePort {
                    port: port.number(),
                    name: port.name.unwrap_or_default(),
                })
                .collect(),
            endpoints: (endpoints.into_iter())
                .map(|it| it.into_entry(namespace))
                .collect(),
        }
    }
}

// === impl Port ===

impl Port {
    /// Its number, if that is one of a port. The controller takes 0 for none.
    fn number(&self) -> Option<u16> {
        let number = u16::try_from(self.port?).ok()?;
        (number != 0).then_some(number)
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// As an entry of a slice in `namespace`.
    fn into_entry(self, namespace: &str) -> SliceEndpoint {
        let addresses = self.addresses.iter();
        SliceEndpoint {
            addresses: addresses
                .filter_map(|address| address.parse::<IpAddr>().ok())
                .collect(),
            ready: self.conditions.ready.unwrap_or(true),
            target: match self.target_ref {
                None => EndpointTarget::Bare,
                Some(target) => match target.kind.as_str() {
                    // A Pod is looked up by namespace and name.
                    "Pod" if target.namespace == namespace => EndpointTarget::Pod(target.name),
                    "Pod" if !target.namespace.is_empty() => EndpointTarget::PodElsewhere {
                        namespace: target.namespace,
                        name: target.name,
                    },
                    "ExternalWorkload" => EndpointTarget::ExternalWorkload(target.name),
                    _ => EndpointTarget::Other,
                },
            },
            node: self.node_name,
            hostname: self.hostname,
            zones: self
                .hints
                .and_then(|hints| hints.for_zones)
                .unwrap_or_default()
                .into_iter()
                .map(|zone| zone.name)
                .collect(),
        }
    }
}
