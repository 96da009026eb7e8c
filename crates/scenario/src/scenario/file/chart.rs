//! What the Helm chart reads and a scenario does not: how its pods look and where they run.
//!
//! `run` knows these keys, so that one file serves both, and refuses a misspelt one as Helm does.
//! Each text has the form that it must have where the chart puts it.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::{
    forms::{
        AnnotationKey, DataKey, Destination, DnsLabel, ImageDigest, ImageName, ImageTag, LabelKey,
        LabelValue, ObjectName, OneLine, Prose, ScrapeInterval, Url,
    },
    text::{Commas, OneOrMore, OrEmpty, Pairs, Text, Word},
};

/// Labels.
pub(super) type Labels = Pairs<LabelKey, Word<LabelValue>>;
/// Annotations.
pub(super) type Annotations = Pairs<AnnotationKey, Word<Prose>>;

/// The image of churner and clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Image")]
pub(super) struct ImageSection {
    /// Registry and name.
    repository: Option<Text<ImageName>>,
    /// The chart's `appVersion` if empty.
    tag: Option<Text<OrEmpty<ImageTag>>>,
    /// `sha256:…`; takes precedence over the tag.
    digest: Option<Text<OrEmpty<ImageDigest>>>,
    /// When it is pulled.
    pull_policy: Option<PullPolicy>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum PullPolicy {
    /// Always.
    Always,
    /// If the node does not have it.
    IfNotPresent,
    /// Never.
    Never,
}

/// The destination controller that clients connect to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Destination")]
pub(super) struct DestinationSection {
    /// HOST:PORT; a list to name each replica.
    address: Option<OneOrMore<Commas<Destination>, Destination>>,
    /// URLs of the controller's metrics.
    metrics: Option<Vec<Text<Url>>>,
}

/// Whether clients are part of the mesh.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Mesh")]
pub(super) struct MeshSection {
    /// Injects Linkerd's proxy into the clients' pods: latencies then include it.
    enabled: Option<bool>,
}

/// Which nodes are KWOK's.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Kwok")]
pub(super) struct KwokSection {
    /// Puts fake pods on nodes labelled `type=kwok` only.
    require_nodes: Option<bool>,
    /// Keeps the chart's own pods off these Nodes.
    avoid_nodes: Option<bool>,
}

/// The ServiceAccounts of churner and clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "ServiceAccount")]
pub(super) struct ServiceAccountSection {
    /// Whether the chart creates them.
    create: Option<bool>,
    /// Their annotations.
    annotations: Option<Annotations>,
    /// The name of the churner's.
    churn_name: Option<Text<OrEmpty<ObjectName>>>,
    /// The name of the clients'.
    client_name: Option<Text<OrEmpty<ObjectName>>>,
}

/// The permissions of churner and clients.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Rbac")]
pub(super) struct RbacSection {
    /// Whether the chart creates Roles and their bindings.
    create: Option<bool>,
    /// Whether the clients may list and watch Nodes, with a ClusterRole.
    nodes: Option<bool>,
}

/// Network policies of the pods.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "NetworkPolicy")]
pub(super) struct NetworkPolicySection {
    /// Whether the chart creates them.
    enabled: Option<bool>,
    /// The namespace from which Prometheus scrapes; any if empty.
    prometheus_namespace: Option<Text<OrEmpty<DnsLabel>>>,
}

/// Monitoring with Prometheus and Grafana.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Monitoring")]
pub(super) struct MonitoringSection {
    /// A `PodMonitor` for churner and clients.
    pod_monitor: Option<MonitorSection>,
    /// A `ServiceMonitor` for churner and clients.
    service_monitor: Option<MonitorSection>,
    /// A `PrometheusRule` with alerts.
    rules: Option<RulesSection>,
    /// ConfigMaps with Grafana's dashboards.
    dashboards: Option<DashboardsSection>,
}

/// Who scrapes, and how often.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Monitor")]
pub(super) struct MonitorSection {
    /// `auto`: if the cluster has the resource.
    enabled: Option<Switch>,
    /// Labels that a Prometheus selects.
    labels: Option<Labels>,
    /// The scrape interval.
    interval: Option<Text<ScrapeInterval>>,
}

/// The alerts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Rules")]
pub(super) struct RulesSection {
    /// `auto`: if the cluster has the resource.
    enabled: Option<Switch>,
    /// Labels that a Prometheus selects.
    labels: Option<Labels>,
}

/// The dashboards.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Dashboards")]
pub(super) struct DashboardsSection {
    /// Whether the chart creates them.
    enabled: Option<bool>,
    /// Labels that Grafana's sidecar selects.
    labels: Option<Labels>,
    /// Annotations, such as the folder.
    annotations: Option<Annotations>,
}

/// The cluster whose EndpointSlices the clients observe, where it is another than their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Observe")]
pub(super) struct ObserveSection {
    /// A Secret in the release's namespace with a kubeconfig.
    kubeconfig_secret: Option<Text<OrEmpty<ObjectName>>>,
    /// Its key in that Secret.
    key: Option<Text<DataKey>>,
    /// The kubeconfig's context; its current one if empty.
    context: Option<Text<OneLine>>,
}

/// On, off, or whatever the cluster can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switch;

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("auto, true or false")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Switch, E> {
                Ok(Switch)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Switch, E> {
                if text == "auto" {
                    Ok(Switch)
                } else {
                    Err(E::custom(format!("{text} is not auto, true or false")))
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Switch {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Switch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": ["auto", true, false]})
    }
}
