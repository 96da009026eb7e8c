//! What the controllers must know of an object, taken from its JSON once, when it is written.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::resources::Resource;

/// The scheduler of pods that name none.
pub(crate) const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// The typed part of an object.
#[derive(Clone, Debug)]
pub(crate) enum Facts {
    /// No controller asks anything of it.
    Nothing,
    Pod(Arc<PodFacts>),
    Service(Arc<ServiceFacts>),
    Deployment(Arc<DeploymentFacts>),
    ReplicaSet(Arc<SetFacts>),
    Node(NodeFacts),
}

/// Of a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeFacts {
    /// Whether it has a kubelet: pods are put on no other Node, and on no other do they start or
    /// stop.
    pub(crate) ready: bool,
    pub(crate) zone: Option<String>,
}

/// Of a Pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PodFacts {
    pub(crate) node: Option<String>,
    /// A scheduler that is none of ours is to find it a Node.
    pub(crate) scheduled_elsewhere: bool,
    pub(crate) ip: Option<String>,
    pub(crate) phase: String,
    pub(crate) ready: bool,
    /// It has been told to stop.
    pub(crate) terminating: bool,
    /// The named ports of its containers.
    pub(crate) ports: Vec<(String, u16)>,
}

/// Of a Service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServiceFacts {
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) headless: bool,
    /// An alias of a DNS name has no endpoints.
    pub(crate) external: bool,
    pub(crate) publish_not_ready: bool,
    /// Whether each endpoint is hinted to its own zone.
    pub(crate) prefers_close: bool,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServicePort {
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) app_protocol: Option<String>,
    pub(crate) target: Target,
}

/// Where a Service's port leads to in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Number(u16),
    Name(String),
}

/// Of a Deployment; all of it comes from its spec.
#[derive(Debug, Default)]
pub(crate) struct DeploymentFacts {
    pub(crate) replicas: u32,
    pub(crate) surge: Portion,
    pub(crate) unavailable: Portion,
    pub(crate) recreate: bool,
    pub(crate) paused: bool,
    pub(crate) history: u32,
    /// Kubernetes' `pod-template-hash`.
    pub(crate) hash: String,
}

/// Of a ReplicaSet; all of it comes from its spec.
#[derive(Debug, Default)]
pub(crate) struct SetFacts {
    pub(crate) replicas: u32,
    /// The pod template.
    pub(crate) template: Value,
}

/// A count, or a percentage of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Portion {
    Count(u32),
    Percent(u32),
}

/// What Kubernetes takes where nothing is said.
impl Default for Portion {
    fn default() -> Self {
        Self::Percent(25)
    }
}

// === impl Facts ===

impl Facts {
    /// Takes them from an object's JSON. `previous` are those of its last version, if its spec is
    /// unchanged since.
    pub(crate) fn of(resource: Resource, object: &Value, previous: Option<&Self>) -> Self {
        match (resource, previous) {
            (Resource::Deployments, Some(same @ Self::Deployment(_)))
            | (Resource::ReplicaSets, Some(same @ Self::ReplicaSet(_))) => same.clone(),
            (Resource::Pods, _) => Self::Pod(Arc::new(PodFacts::of(object))),
            (Resource::Nodes, _) => Self::Node(NodeFacts::of(object)),
            (Resource::Services, _) => Self::Service(Arc::new(ServiceFacts::of(object))),
            (Resource::Deployments, _) => Self::Deployment(Arc::new(DeploymentFacts::of(object))),
            (Resource::ReplicaSets, _) => Self::ReplicaSet(Arc::new(SetFacts {
                replicas: count(&object["spec"]["replicas"]).unwrap_or(1),
                template: object["spec"]["template"].clone(),
            })),
            _ => Self::Nothing,
        }
    }
}

// === impl PodFacts ===

impl PodFacts {
    fn of(pod: &Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let ports = array(&spec["containers"])
            .flat_map(|container| array(&container["ports"]))
            .filter_map(|port| Some((text(&port["name"])?, number(&port["containerPort"])?)));
        Self {
            node: text(&spec["nodeName"]),
            scheduled_elsewhere: (spec["schedulerName"].as_str())
                .is_some_and(|it| it != DEFAULT_SCHEDULER),
            ip: text(&status["podIP"]),
            phase: text(&status["phase"]).unwrap_or_default(),
            ready: is_ready(status),
            terminating: !pod["metadata"]["deletionTimestamp"].is_null(),
            ports: ports.collect(),
        }
    }

    /// Its address, if it is one that pods are given here.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        self.ip.as_deref()?.parse().ok()
    }

    /// Whether it has ended, for good or ill.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }
}

// === impl NodeFacts ===

impl NodeFacts {
    fn of(node: &Value) -> Self {
        Self {
            ready: is_ready(&node["status"]),
            zone: text(&node["metadata"]["labels"]["topology.kubernetes.io/zone"]),
        }
    }
}

// === impl ServiceFacts ===

impl ServiceFacts {
    fn of(service: &Value) -> Self {
        let spec = &service["spec"];
        let selector = spec["selector"].as_object().into_iter().flatten();
        Self {
            selector: selector
                .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
                .collect(),
            ports: array(&spec["ports"]).filter_map(ServicePort::of).collect(),
            headless: spec["clusterIP"] == "None",
            external: spec["type"] == "ExternalName",
            publish_not_ready: spec["publishNotReadyAddresses"] == true,
            prefers_close: spec["trafficDistribution"]
                .as_str()
                .is_some_and(|it| it == "PreferClose" || it == "PreferSameZone"),
        }
    }
}

// === impl ServicePort ===

impl ServicePort {
    fn of(port: &Value) -> Option<Self> {
        let target = &port["targetPort"];
        let target = match number(target) {
            Some(number) => Target::Number(number),
            None => match text(target).filter(|name| !name.is_empty()) {
                Some(name) => Target::Name(name),
                None => Target::Number(number(&port["port"])?),
            },
        };
        Some(Self {
            name: text(&port["name"]).unwrap_or_default(),
            protocol: text(&port["protocol"]).unwrap_or_else(|| "TCP".to_owned()),
            app_protocol: text(&port["appProtocol"]),
            target,
        })
    }
}

// === impl DeploymentFacts ===

impl DeploymentFacts {
    fn of(deployment: &Value) -> Self {
        let spec = &deployment["spec"];
        let rolling = &spec["strategy"]["rollingUpdate"];
        let digest = Sha256::digest(spec["template"].to_string());
        Self {
            replicas: count(&spec["replicas"]).unwrap_or(1),
            surge: Portion::of(&rolling["maxSurge"]),
            unavailable: Portion::of(&rolling["maxUnavailable"]),
            recreate: spec["strategy"]["type"] == "Recreate",
            paused: spec["paused"] == true,
            history: count(&spec["revisionHistoryLimit"]).unwrap_or(10),
            hash: digest[..5].iter().map(|it| format!("{it:02x}")).collect(),
        }
    }
}

// === impl Portion ===

impl Portion {
    fn of(value: &Value) -> Self {
        let percent = value.as_str().and_then(|it| it.strip_suffix('%'));
        match percent.and_then(|it| it.parse().ok()) {
            Some(percent) => Self::Percent(percent),
            None => count(value).map_or_else(Self::default, Self::Count),
        }
    }

    /// Of `whole`, rounded up.
    pub(crate) fn rounded_up(self, whole: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (whole * percent).div_ceil(100),
        }
    }

    /// Of `whole`, rounded down.
    pub(crate) fn rounded_down(self, whole: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => whole * percent / 100,
        }
    }
}

/// The members of a list; none of what is no list.
pub(crate) fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Whether a status has the condition `Ready`.
pub(crate) fn is_ready(status: &Value) -> bool {
    array(&status["conditions"]).any(|it| it["type"] == "Ready" && it["status"] == "True")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn number(value: &Value) -> Option<u16> {
    u16::try_from(value.as_u64()?).ok()
}

fn count(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}
