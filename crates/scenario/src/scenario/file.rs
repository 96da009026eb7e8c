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
        /// What this is.
        scenario: Key<ScenarioSection>,
        /// What is done to Kubernetes.
        churn: Key<ChurnSection>,
        /// Who watches.
        client: Key<ClientSection>,
        /// A second cluster: it is the one that is churned, and clients ask the first one's controller.
        federation: Key<FederationSection>,
        /// How it is measured.
        measure: Key<MeasureSection>,
        /// What a run is judged by; what is absent is not judged.
        criteria: Key<Criteria>,
        /// How the destination controller is set up, where the tool cannot see it.
        target: Key<ControllerSection>,
        /// The embedded sandbox's shape; the chart ignores it.
        sandbox: Key<SandboxSection>,
        /// Helm's own.
        global: ChartKey<BTreeMap<String, serde_json::Value>>,
        /// The image of both halves.
        image: ChartKey<ImageSection>,
        /// Secrets to pull it with.
        image_pull_secrets: ChartKey<Vec<Reference>>,
        /// Replaces the chart's name in the names of objects.
        name_override: ChartKey<Text<OrEmpty<DnsLabel>>>,
        /// Replaces the names of objects altogether.
        fullname_override: ChartKey<Text<OrEmpty<ServiceName>>>,
        /// Labels of every object.
        common_labels: ChartKey<Labels>,
        /// What a container may use.
        resources: ChartKey<Resources>,
        /// Annotations of pods.
        pod_annotations: ChartKey<Annotations>,
        /// Labels of pods.
        pod_labels: ChartKey<Labels>,
        /// The security context of pods.
        pod_security_context: ChartKey<Object>,
        /// The security context of containers.
        security_context: ChartKey<Object>,
        /// The nodes for our own pods.
        node_selector: ChartKey<Labels>,
        /// Taints that our own pods tolerate.
        tolerations: ChartKey<Vec<Toleration>>,
        /// The affinity of our own pods.
        affinity: ChartKey<Affinity>,
        /// The priority class of our own pods.
        priority_class_name: ChartKey<Text<OrEmpty<ObjectName>>>,
        /// The identities of the two halves.
        service_account: ChartKey<ServiceAccountSection>,
        /// What they may do.
        rbac: ChartKey<RbacSection>,
        /// What Prometheus and Grafana are told.
        monitoring: ChartKey<MonitoringSection>,
        /// The destination controller that clients ask.
        destination: ChartKey<DestinationSection>,
        /// Whether clients are part of the mesh.
        mesh: ChartKey<MeshSection>,
        /// Which nodes are KWOK's.
        kwok: ChartKey<KwokSection>,
        /// Who may reach the pods, and whom they may reach.
        network_policy: ChartKey<NetworkPolicySection>,
        /// For how long a pod may clean up, seconds.
        termination_grace_period_seconds: ChartKey<u32>,
    }

    /// What a scenario is called.
    ScenarioSection: Serialize {
        /// A DNS label; the file's name if absent.
        #[schemars(length(max = check::LONGEST_NAME), regex(pattern = check::LABEL))]
        name: Key<String>,
        /// The seed of every random choice; 1 if absent.
        seed: Key<u64>,
    }

    /// How it is measured.
    MeasureSection: Serialize {
        /// How long an update is waited for before it counts as never arrived; if absent, the larger
        /// of 30 s and twice the largest limit judged.
        deadline: Key<NonZeroSpan>,
    }
}

#[cfg(test)]
mod tests;
