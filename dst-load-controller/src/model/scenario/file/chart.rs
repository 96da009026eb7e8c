//! What the Helm chart reads and a scenario does not: how its pods look and where they run.
//!
//! `run` knows these keys, so that one file serves both, and refuses a misspelt one as Helm does.
//! What Kubernetes itself defines (resources, affinity, …) is left to the API server to judge.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Labels or annotations.
pub(super) type Texts = BTreeMap<String, Word>;
/// A part of a Kubernetes object, in that object's own words.
pub(super) type Object = BTreeMap<String, serde_json::Value>;
/// Several.
pub(super) type Objects = Vec<Object>;

/// The image of both halves.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Image")]
pub(super) struct ImageSection {
    /// Registry and name.
    repository: Option<String>,
    /// The chart's `appVersion` if empty.
    tag: Option<String>,
    /// `sha256:…`; wins over the tag.
    digest: Option<String>,
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
    address: Option<OneOrMore>,
    /// URLs where the controller serves its metrics, if they can be reached.
    metrics: Option<Vec<String>>,
}

/// One text, or a list of them.
#[derive(Clone, Debug)]
pub(super) struct OneOrMore;

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
    annotations: Option<Texts>,
    /// The name of churn's.
    churn_name: Option<String>,
    /// The name of the client's.
    client_name: Option<String>,
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
    prometheus_namespace: Option<String>,
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
    labels: Option<Texts>,
    /// From one scrape to the next.
    interval: Option<String>,
}

/// The alerts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Rules")]
pub(super) struct RulesSection {
    /// `auto`: where the cluster knows the resource.
    enabled: Option<Switch>,
    /// Labels by which a Prometheus finds it.
    labels: Option<Texts>,
}

/// The dashboards.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Dashboards")]
pub(super) struct DashboardsSection {
    /// Whether the chart makes them.
    enabled: Option<bool>,
    /// Labels by which Grafana's sidecar finds them.
    labels: Option<Texts>,
    /// Annotations, such as the folder.
    annotations: Option<Texts>,
}

/// The cluster whose EndpointSlices the clients observe, where it is another than their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Observe")]
pub(super) struct ObserveSection {
    /// A Secret of the release's namespace with a kubeconfig.
    kubeconfig_secret: Option<String>,
    /// Its key in that Secret.
    key: Option<String>,
    /// The kubeconfig's context; its current one if empty.
    context: Option<String>,
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

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("HOST:PORT, or a list of them")
            }

            fn visit_str<E>(self, _: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                while list.next_element::<String>()?.is_some() {}
                Ok(OneOrMore)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for OneOrMore {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMore".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "array"], "items": {"type": "string"}})
    }
}

/// A label, an annotation or an argument, which YAML may have taken for a number or a boolean.
#[derive(Clone, Debug)]
pub(super) struct Word;

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, _: &str) -> Result<Word, E> {
                Ok(Word)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Word, E> {
                Ok(Word)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Word, E> {
                Ok(Word)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Word, E> {
                Ok(Word)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Word, E> {
                Ok(Word)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Word {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["boolean", "number", "string"]})
    }
}
