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
    section::sections,
    text::{Commas, OneOrMore, OrEmpty, Pairs, Text, Word},
};

/// A key that the chart alone reads.
pub(super) type ChartKey<T> = Option<Unread<T>>;

/// A value that must be right, and is then forgotten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unread<T>(PhantomData<T>);

/// Labels.
pub(super) type Labels = Pairs<LabelKey, Word<LabelValue>>;
/// Annotations.
pub(super) type Annotations = Pairs<AnnotationKey, Word<Prose>>;

sections! {
    /// The image of churner and clients.
    ImageSection as "Image" {
        /// Registry and name.
        repository: Option<Text<ImageName>>,
        /// The chart's `appVersion` if empty.
        tag: Option<Text<OrEmpty<ImageTag>>>,
        /// `sha256:…`; takes precedence over the tag.
        digest: Option<Text<OrEmpty<ImageDigest>>>,
        /// When it is pulled.
        pull_policy: Option<PullPolicy>,
    }

    /// The destination controller that clients connect to.
    DestinationSection as "Destination" {
        /// HOST:PORT; a list to name each replica.
        address: Option<OneOrMore<Commas<Destination>, Destination>>,
        /// URLs of the controller's metrics.
        metrics: Option<Vec<Text<Url>>>,
        /// HOST:PORT of the policy controller; that of the destination controller if empty.
        policy: Option<Text<OrEmpty<Destination>>>,
        /// The URL of the policy controller's metrics; what it uses is not read if empty.
        policy_metrics: Option<Text<OrEmpty<Url>>>,
    }

    /// Whether clients are part of the mesh.
    MeshSection as "Mesh" {
        /// Injects Linkerd's proxy into the clients' pods: latencies then include it.
        enabled: Option<bool>,
    }

    /// Which nodes are KWOK's.
    KwokSection as "Kwok" {
        /// Puts fake pods on nodes labelled `type=kwok` only.
        require_nodes: Option<bool>,
        /// Keeps the chart's own pods off these Nodes.
        avoid_nodes: Option<bool>,
    }

    /// The ServiceAccounts of churner and clients.
    ServiceAccountSection as "ServiceAccount" {
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
    RbacSection as "Rbac" {
        /// Whether the chart creates Roles and their bindings.
        create: Option<bool>,
        /// Whether the clients may list and watch Nodes, with a ClusterRole.
        nodes: Option<bool>,
    }

    /// Network policies of the pods.
    NetworkPolicySection as "NetworkPolicy" {
        /// Whether the chart creates them.
        enabled: Option<bool>,
        /// The namespace from which Prometheus scrapes; any if empty.
        prometheus_namespace: Option<Text<OrEmpty<DnsLabel>>>,
    }

    /// Monitoring with Prometheus and Grafana.
    MonitoringSection as "Monitoring" {
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
    MonitorSection as "Monitor" {
        /// `auto`: if the cluster has the resource.
        enabled: Option<Switch>,
        /// Labels that a Prometheus selects.
        labels: Option<Labels>,
        /// The scrape interval.
        interval: Option<Text<ScrapeInterval>>,
    }

    /// The alerts.
    RulesSection as "Rules" {
        /// `auto`: if the cluster has the resource.
        enabled: Option<Switch>,
        /// Labels that a Prometheus selects.
        labels: Option<Labels>,
    }

    /// The dashboards.
    DashboardsSection as "Dashboards" {
        /// Whether the chart creates them.
        enabled: Option<bool>,
        /// Labels that Grafana's sidecar selects.
        labels: Option<Labels>,
        /// Annotations, such as the folder.
        annotations: Option<Annotations>,
    }

    /// The cluster whose EndpointSlices the clients observe, where it is another than their own.
    ObserveSection as "Observe" {
        /// A Secret in the release's namespace with a kubeconfig.
        kubeconfig_secret: Option<Text<OrEmpty<ObjectName>>>,
        /// Its key in that Secret.
        key: Option<Text<DataKey>>,
        /// The kubeconfig's context; its current one if empty.
        context: Option<Text<OneLine>>,
    }
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
