//! What the Helm chart reads and a scenario does not: how its pods look and where they run.
//!
//! `run` knows these keys, so that one file serves both, and refuses a misspelt one as Helm does.
//! Each text has the form that it must have where the chart puts it.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    forms::{
        AnnotationKey, DataKey, Destination, DnsLabel, ImageDigest, ImageName, ImageTag, LabelKey,
        LabelValue, ObjectName, OneLine, Prose, ScrapeInterval, Url,
    },
    text::{Commas, OneOrMore, OrEmpty, Pairs, Text, Word},
};

/// A key that the chart alone reads.
pub(super) type ChartKey<T> = Option<Unread<T>>;

/// A value that must be right, and is then forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unread<T>(PhantomData<T>);

/// Writes a section with the keys that the chart reads of the pods of either half, beside its own.
macro_rules! half {
    ($(#[$meta:meta])* $name:ident { $($(#[$key_meta:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
        #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
        pub(super) struct $name {
            $($(#[$key_meta])* $key: $type,)*
            /// Whether the chart makes this half.
            enabled: super::chart::ChartKey<bool>,
            /// What its container may use.
            resources: super::chart::ChartKey<super::kubernetes::Resources>,
            /// Further arguments.
            extra_args: super::chart::ChartKey<Vec<super::text::Word<super::forms::Prose>>>,
            /// Further environment variables.
            extra_env: super::chart::ChartKey<Vec<super::kubernetes::Variable>>,
            /// Further annotations of its pods.
            pod_annotations: super::chart::ChartKey<super::chart::Annotations>,
            /// Further labels of its pods.
            pod_labels: super::chart::ChartKey<super::chart::Labels>,
            /// The nodes for its pods.
            node_selector: super::chart::ChartKey<super::chart::Labels>,
            /// Further taints that its pods tolerate.
            tolerations: super::chart::ChartKey<Vec<super::kubernetes::Toleration>>,
            /// The affinity of its pods.
            affinity: super::chart::ChartKey<super::kubernetes::Affinity>,
        }
    };
}

pub(super) use half;

/// Labels.
pub(super) type Labels = Pairs<LabelKey, Word<LabelValue>>;
/// Annotations.
pub(super) type Annotations = Pairs<AnnotationKey, Word<Prose>>;

/// The image of both halves.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Image")]
pub(super) struct ImageSection {
    /// Registry and name.
    repository: Option<Text<ImageName>>,
    /// The chart's `appVersion` if empty.
    tag: Option<Text<OrEmpty<ImageTag>>>,
    /// `sha256:…`; wins over the tag.
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

/// The destination controller that clients ask.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Destination")]
pub(super) struct DestinationSection {
    /// HOST:PORT; a list of them where each replica is to be asked.
    address: Option<OneOrMore<Commas<Destination>, Destination>>,
    /// URLs where the controller serves its metrics, if they can be reached.
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
    /// Keeps our own pods off these nodes.
    avoid_nodes: Option<bool>,
}

/// The identities of the two halves.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "ServiceAccount")]
pub(super) struct ServiceAccountSection {
    /// Whether the chart makes them.
    create: Option<bool>,
    /// Their annotations.
    annotations: Option<Annotations>,
    /// The name of churn's.
    churn_name: Option<Text<OrEmpty<ObjectName>>>,
    /// The name of the client's.
    client_name: Option<Text<OrEmpty<ObjectName>>>,
}

/// What the two halves may do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Rbac")]
pub(super) struct RbacSection {
    /// Whether the chart makes Roles and their bindings.
    create: Option<bool>,
    /// Whether the client may list and watch Nodes: a small ClusterRole.
    nodes: Option<bool>,
}

/// Who may reach the pods, and whom they may reach.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "NetworkPolicy")]
pub(super) struct NetworkPolicySection {
    /// Whether the chart makes them.
    enabled: Option<bool>,
    /// The namespace from which Prometheus scrapes; any if empty.
    prometheus_namespace: Option<Text<OrEmpty<DnsLabel>>>,
}

/// What Prometheus and Grafana are told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Monitoring")]
pub(super) struct MonitoringSection {
    /// A `PodMonitor` of both halves.
    pod_monitor: Option<MonitorSection>,
    /// A `ServiceMonitor` of both halves.
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
    /// `auto`: where the cluster knows the resource.
    enabled: Option<Switch>,
    /// Labels by which a Prometheus finds it.
    labels: Option<Labels>,
    /// From one scrape to the next.
    interval: Option<Text<ScrapeInterval>>,
}

/// The alerts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Rules")]
pub(super) struct RulesSection {
    /// `auto`: where the cluster knows the resource.
    enabled: Option<Switch>,
    /// Labels by which a Prometheus finds it.
    labels: Option<Labels>,
}

/// The dashboards.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Dashboards")]
pub(super) struct DashboardsSection {
    /// Whether the chart makes them.
    enabled: Option<bool>,
    /// Labels by which Grafana's sidecar finds them.
    labels: Option<Labels>,
    /// Annotations, such as the folder.
    annotations: Option<Annotations>,
}

/// The cluster whose EndpointSlices the clients observe, where it is another than their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Observe")]
pub(super) struct ObserveSection {
    /// A Secret of the release's namespace with a kubeconfig.
    kubeconfig_secret: Option<Text<OrEmpty<ObjectName>>>,
    /// Its key in that Secret.
    key: Option<Text<DataKey>>,
    /// The kubeconfig's context; its current one if empty.
    context: Option<Text<OneLine>>,
}

/// On, off, or whatever the cluster can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switch;

// === impl Unread ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unread<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|_| Self(PhantomData))
    }
}

impl<T> Serialize for Unread<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl<T: JsonSchema> JsonSchema for Unread<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        schema.insert("writeOnly".to_owned(), true.into());
        schema
    }
}

// === impl Switch ===

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
