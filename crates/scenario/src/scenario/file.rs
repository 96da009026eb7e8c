//! A scenario file: the keys of a Helm values file, as types.
//!
//! The types are the one source of what a file may hold: they read it, they print a recording's
//! effective scenario, and the chart's `values.schema.json` is generated from them. What a value
//! means, and which go together, is judged in `check`.

use std::collections::BTreeMap;

use crate::{criteria::Criteria, quantity::NonZeroSpan};

mod chart;
pub(super) mod check;
pub(super) mod churn;
mod client;
mod controller;
mod decode;
pub(super) mod effective;
mod either;
mod embedded;
mod federation;
mod forms;
mod kubernetes;
mod limits;
mod placed;
mod provoke;
mod schema;
mod section;
mod stalled;
mod text;
pub(super) mod tree;

use chart::{
    Annotations, ChartKey, DestinationSection, ImageSection, KwokSection, Labels, MeshSection,
    MonitoringSection, NetworkPolicySection, RbacSection, ServiceAccountSection,
};
use churn::ChurnSection;
use client::ClientSection;
use controller::ControllerSection;
use embedded::SandboxSection;
use federation::FederationSection;
use forms::{DnsLabel, ObjectName, ServiceName};
use kubernetes::{Affinity, Object, Reference, Resources, Toleration};
use placed::Key;
pub use schema::{chart_schema, schema};
use section::sections;
use text::{OrEmpty, Text};

sections! {
    /// The values of a load test: a scenario for `dst-load-controller run`, and the values of its
    /// Helm chart.
    #[schemars(inline)]
    File: Serialize {
        /// Name and seed.
        scenario: Key<ScenarioSection>,
        /// What the churner does to Kubernetes.
        churn: Key<ChurnSection>,
        /// The clients and their streams.
        client: Key<ClientSection>,
        /// A second cluster, which is churned; clients connect to the first cluster's controller.
        federation: Key<FederationSection>,
        /// How the run is measured.
        measure: Key<MeasureSection>,
        /// The criteria of the verdict; a criterion that is absent is not judged.
        criteria: Key<Criteria>,
        /// The destination controller's flags, if the tool cannot find them.
        target: Key<ControllerSection>,
        /// The size and the faults of the embedded sandbox; the chart ignores it.
        sandbox: Key<SandboxSection>,
        /// Helm's own.
        global: ChartKey<BTreeMap<String, serde_json::Value>>,
        /// The image of churner and clients.
        image: ChartKey<ImageSection>,
        /// Secrets to pull it with.
        image_pull_secrets: ChartKey<Vec<Reference>>,
        /// Replaces the chart's name in the names of objects.
        name_override: ChartKey<Text<OrEmpty<DnsLabel>>>,
        /// Replaces the whole name of objects.
        fullname_override: ChartKey<Text<OrEmpty<ServiceName>>>,
        /// Labels of every object.
        common_labels: ChartKey<Labels>,
        /// Requests and limits of a container.
        resources: ChartKey<Resources>,
        /// Annotations of pods.
        pod_annotations: ChartKey<Annotations>,
        /// Labels of pods.
        pod_labels: ChartKey<Labels>,
        /// The security context of pods.
        pod_security_context: ChartKey<Object>,
        /// The security context of containers.
        security_context: ChartKey<Object>,
        /// Node selector of the chart's own pods.
        node_selector: ChartKey<Labels>,
        /// Tolerations of the chart's own pods.
        tolerations: ChartKey<Vec<Toleration>>,
        /// Affinity of the chart's own pods.
        affinity: ChartKey<Affinity>,
        /// Priority class of the chart's own pods.
        priority_class_name: ChartKey<Text<OrEmpty<ObjectName>>>,
        /// The ServiceAccounts of churner and clients.
        service_account: ChartKey<ServiceAccountSection>,
        /// Their permissions.
        rbac: ChartKey<RbacSection>,
        /// Monitoring with Prometheus and Grafana.
        monitoring: ChartKey<MonitoringSection>,
        /// The destination controller that clients connect to.
        destination: ChartKey<DestinationSection>,
        /// Whether clients are part of the mesh.
        mesh: ChartKey<MeshSection>,
        /// Which nodes are KWOK's.
        kwok: ChartKey<KwokSection>,
        /// Network policies of the pods.
        network_policy: ChartKey<NetworkPolicySection>,
        /// Termination grace period of a pod, in seconds.
        termination_grace_period_seconds: ChartKey<u32>,
    }

    /// The name and the seed of a scenario.
    ScenarioSection: Serialize {
        /// A DNS label; the file's name if absent.
        #[schemars(length(max = check::LONGEST_NAME), regex(pattern = check::LABEL))]
        name: Key<String>,
        /// The seed of every random choice; 1 if absent.
        seed: Key<u64>,
    }

    /// How the run is measured.
    MeasureSection: Serialize {
        /// Time after which an update counts as never delivered; if absent, the larger of 30 s and
        /// twice the largest limit judged.
        deadline: Key<NonZeroSpan>,
    }
}

#[cfg(test)]
mod tests;
