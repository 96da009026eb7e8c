//! A scenario file: the keys of a Helm values file, as types.
//!
//! The types are the one source of what a file may hold: they read it, they print a recording's
//! effective scenario, and the chart's `values.schema.json` is generated from them. What a value
//! means, and which go together, is judged in `check`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    criteria::Criteria,
    quantity::{AddressRange, NonZeroSpan, Span},
    scenario::Lifecycle,
};

mod chart;
pub(super) mod check;
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
mod text;
pub(super) mod tree;

use chart::{
    Annotations, DestinationSection, ImageSection, KwokSection, Labels, MeshSection,
    MonitoringSection, NetworkPolicySection, ObserveSection, RbacSection, ServiceAccountSection,
};
use controller::ControllerSection;
use either::{Amount, JitterBound, Percent};
use embedded::SandboxSection;
use federation::FederationSection;
use forms::{DnsLabel, ObjectName, Prose, Quantity, ServiceName, Url};
use kubernetes::{Affinity, Object, Reference, Resources, Toleration, Variable};
use placed::Placed;
use provoke::ProvokeGroup;
pub(super) use schema::violations;
pub use schema::{chart_schema, schema};
use text::{OrEmpty, Text, Word};

type Key<T> = Option<Placed<T>>;

/// The values of a load test: a scenario for `dst-load-controller run`, and the values of its
/// Helm chart.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(inline)]
struct File {
    /// Name and seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Key<ScenarioSection>,
    /// What the churner does to Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    churn: Key<ChurnSection>,
    /// The clients and their streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Key<ClientSection>,
    /// A second cluster, which is churned; clients connect to the first cluster's controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    federation: Key<FederationSection>,
    /// How the run is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    measure: Key<MeasureSection>,
    /// The criteria of the verdict; a criterion that is absent is not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    criteria: Key<Criteria>,
    /// The destination controller's flags, if the tool cannot find them.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Key<ControllerSection>,
    /// The size and the faults of the embedded sandbox; the chart ignores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Key<SandboxSection>,
    /// Helm's own.
    #[serde(skip_serializing)]
    global: Option<BTreeMap<String, serde_json::Value>>,
    /// The image of churner and clients.
    #[serde(skip_serializing)]
    image: Option<ImageSection>,
    /// Secrets to pull it with.
    #[serde(skip_serializing)]
    image_pull_secrets: Option<Vec<Reference>>,
    /// Replaces the chart's name in the names of objects.
    #[serde(skip_serializing)]
    name_override: Option<Text<OrEmpty<DnsLabel>>>,
    /// Replaces the whole name of objects.
    #[serde(skip_serializing)]
    fullname_override: Option<Text<OrEmpty<ServiceName>>>,
    /// Labels of every object.
    #[serde(skip_serializing)]
    common_labels: Option<Labels>,
    /// Requests and limits of a container.
    #[serde(skip_serializing)]
    resources: Option<Resources>,
    /// Annotations of pods.
    #[serde(skip_serializing)]
    pod_annotations: Option<Annotations>,
    /// Labels of pods.
    #[serde(skip_serializing)]
    pod_labels: Option<Labels>,
    /// The security context of pods.
    #[serde(skip_serializing)]
    pod_security_context: Option<Object>,
    /// The security context of containers.
    #[serde(skip_serializing)]
    security_context: Option<Object>,
    /// Node selector of the chart's own pods.
    #[serde(skip_serializing)]
    node_selector: Option<Labels>,
    /// Tolerations of the chart's own pods.
    #[serde(skip_serializing)]
    tolerations: Option<Vec<Toleration>>,
    /// Affinity of the chart's own pods.
    #[serde(skip_serializing)]
    affinity: Option<Affinity>,
    /// Priority class of the chart's own pods.
    #[serde(skip_serializing)]
    priority_class_name: Option<Text<OrEmpty<ObjectName>>>,
    /// The ServiceAccounts of churner and clients.
    #[serde(skip_serializing)]
    service_account: Option<ServiceAccountSection>,
    /// Their permissions.
    #[serde(skip_serializing)]
    rbac: Option<RbacSection>,
    /// Monitoring with Prometheus and Grafana.
    #[serde(skip_serializing)]
    monitoring: Option<MonitoringSection>,
    /// The destination controller that clients connect to.
    #[serde(skip_serializing)]
    destination: Option<DestinationSection>,
    /// Whether clients are part of the mesh.
    #[serde(skip_serializing)]
    mesh: Option<MeshSection>,
    /// Which nodes are KWOK's.
    #[serde(skip_serializing)]
    kwok: Option<KwokSection>,
    /// Network policies of the pods.
    #[serde(skip_serializing)]
    network_policy: Option<NetworkPolicySection>,
    /// Termination grace period of a pod, in seconds.
    #[serde(skip_serializing)]
    termination_grace_period_seconds: Option<u32>,
}

/// The name and the seed of a scenario.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ScenarioSection {
    /// A DNS label; the file's name if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = check::LONGEST_NAME), regex(pattern = check::LABEL))]
    name: Key<String>,
    /// The seed of every random choice; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Key<u64>,
}

/// What the churner does to Kubernetes: either `services` that all follow one `pattern`, or a mix
/// of `stable`, `oscillate` and `provoke` Services.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ChurnSection {
    /// The number of Services, named `<servicePrefix>-1` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = check::churn::MOST_SERVICES))]
    services: Key<u32>,
    /// The Services' names before the number; `test-service` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = check::churn::LONGEST_LABEL - 2), regex(pattern = check::churn::PREFIX))]
    service_prefix: Key<String>,
    /// The objects that provide the endpoints; `deployments` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Key<BackendWord>,
    /// Whether the Pods of the backend `pods` look meshed, as if Linkerd's proxy had been injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    meshed: Key<bool>,
    /// The address range of the endpoints of the backends `pods` and `slices`; 240.0.0.0/4, which
    /// is reserved, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Key<AddressRange>,
    /// How the endpoints change; `stable` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Key<PatternWord>,
    /// Endpoints a Service (`stable`, `rolling-update`; the initial size of `scale-up`).
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Key<u32>,
    /// Endpoints a Service at the low end (`oscillate`, `batch`, `spike`); also the initial size.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_endpoints: Key<u32>,
    /// Endpoints a Service at the high end (`oscillate`, `batch`, `spike`).
    #[serde(skip_serializing_if = "Option::is_none")]
    max_endpoints: Key<u32>,
    /// Time at the low end; for `rolling-update`, from one rollout to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    min_hold: Key<Span>,
    /// Time at the high end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    max_hold: Key<Span>,
    /// The largest random delay of a Service before each scaling, or a percentage of the hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Key<JitterBound>,
    /// The first size of `scale-up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_from: Key<u32>,
    /// The last size of `scale-up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_to: Key<u32>,
    /// The duration of `scale-up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    scale_duration: Key<Span>,
    /// Pods above `endpoints` during a `rolling-update`; 25% if absent, as in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_surge: Key<Amount>,
    /// Pods below `endpoints` during a `rolling-update`; 25% if absent, as in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_unavailable: Key<Amount>,
    /// Services that scale together in a `batch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    batch_size: Key<u32>,
    /// Time from one batch to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    batch_interval: Key<Span>,
    /// The mixed form: Services that never change, named `stable-svc-0` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    stable: Key<StableGroup>,
    /// The mixed form: Services that oscillate, named `oscillate-svc-0` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    oscillate: Key<OscillateGroup>,
    /// The mixed form: Services with changes that Linkerd is known to mishandle. Needs the backend
    /// `pods`.
    #[serde(skip_serializing_if = "Option::is_none")]
    provoke: Key<ProvokeGroup>,
    /// Ends the run after this many cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    cycles: Key<u32>,
    /// Ends the run after this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    duration: Key<Span>,
    /// The port of the Services and of their endpoints; 8080 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    port: Key<u16>,
    /// Whether the chart installs it.
    #[serde(skip_serializing)]
    enabled: Option<bool>,
    /// Requests and limits of its container.
    #[serde(skip_serializing)]
    resources: Option<Resources>,
    /// Additional arguments.
    #[serde(skip_serializing)]
    extra_args: Option<Vec<Word<Prose>>>,
    /// Additional environment variables.
    #[serde(skip_serializing)]
    extra_env: Option<Vec<Variable>>,
    /// Additional annotations of its pods.
    #[serde(skip_serializing)]
    pod_annotations: Option<Annotations>,
    /// Additional labels of its pods.
    #[serde(skip_serializing)]
    pod_labels: Option<Labels>,
    /// Node selector of its pods.
    #[serde(skip_serializing)]
    node_selector: Option<Labels>,
    /// Additional tolerations of its pods.
    #[serde(skip_serializing)]
    tolerations: Option<Vec<Toleration>>,
    /// Affinity of its pods.
    #[serde(skip_serializing)]
    affinity: Option<Affinity>,
    /// Time between creating the Services and starting the plan, so that clients can open their
    /// streams.
    #[serde(skip_serializing)]
    start_delay: Option<Span>,
    /// Requests a second to the API server; 0 for the tool's default.
    #[serde(skip_serializing)]
    qps: Option<u32>,
    /// Burst of requests; 0 for the tool's default.
    #[serde(skip_serializing)]
    burst: Option<u32>,
}

/// How endpoints change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Pattern")]
enum PatternWord {
    /// Nothing changes.
    Stable,
    /// Up and down repeatedly, with a hold at each end.
    Oscillate,
    /// From one size to another in even steps, once.
    ScaleUp,
    /// All pods replaced a few at a time, repeatedly.
    RollingUpdate,
    /// Up and down, a few Services at a time.
    Batch,
    /// Up at once, a short hold, down at once, a long rest.
    Spike,
}

/// The objects that provide the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Backend")]
enum BackendWord {
    /// Deployments: the cluster's controllers, and KWOK, create pods and EndpointSlices.
    Deployments,
    /// Pods with their status, and EndpointSlices that name them, written by this tool.
    Pods,
    /// EndpointSlices of bare addresses, written by this tool: the highest rates.
    Slices,
}

/// Services of a mix that never change.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct StableGroup {
    /// The number of Services.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = check::churn::MOST_SERVICES))]
    services: Key<u32>,
    /// Endpoints a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Key<u32>,
}

/// Services of a mix that are scaled up and down.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct OscillateGroup {
    /// The number of Services.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = check::churn::MOST_SERVICES))]
    services: Key<u32>,
    /// Endpoints a Service at the low end; also the initial size.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_endpoints: Key<u32>,
    /// Endpoints a Service at the high end.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_endpoints: Key<u32>,
    /// Time at either end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    hold: Key<Span>,
    /// The largest random delay of a Service before each scaling, in percent of the hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter_percent: Key<Percent>,
}

/// The clients and their streams.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ClientSection {
    /// Pods of the client Deployment; `run` has all their clients in its one process. 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    replicas: Key<u32>,
    /// Virtual clients a replica, each with its own connection. 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    clients: Key<u32>,
    /// Streams that each virtual client opens for each Service. 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    streams_per_service: Key<u32>,
    /// Closes and reopens each stream after at most this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    stream_max_lifetime: Key<Span>,
    /// Closes and reopens all streams at this interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    stream_reset_interval: Key<Span>,
    /// Streams opened a second, at most, over all clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    open_rate: Key<u32>,
    /// When the client closes streams; `eternal` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Key<Lifecycle>,
    /// Whether `GetProfile` streams are opened too; only with the lifecycle `proxy` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    profiles: Key<bool>,
    /// The largest number of connections, which virtual clients share. Each has its own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    connections: Key<u32>,
    /// Whether the chart installs it.
    #[serde(skip_serializing)]
    enabled: Option<bool>,
    /// Requests and limits of its container.
    #[serde(skip_serializing)]
    resources: Option<Resources>,
    /// Additional arguments.
    #[serde(skip_serializing)]
    extra_args: Option<Vec<Word<Prose>>>,
    /// Additional environment variables.
    #[serde(skip_serializing)]
    extra_env: Option<Vec<Variable>>,
    /// Additional annotations of its pods.
    #[serde(skip_serializing)]
    pod_annotations: Option<Annotations>,
    /// Additional labels of its pods.
    #[serde(skip_serializing)]
    pod_labels: Option<Labels>,
    /// Node selector of its pods.
    #[serde(skip_serializing)]
    node_selector: Option<Labels>,
    /// Additional tolerations of its pods.
    #[serde(skip_serializing)]
    tolerations: Option<Vec<Toleration>>,
    /// Affinity of its pods.
    #[serde(skip_serializing)]
    affinity: Option<Affinity>,
    /// URL of the churner's events and metrics; that of the same release if empty.
    #[serde(skip_serializing)]
    churn_url: Option<Text<OrEmpty<Url>>>,
    /// The cluster whose EndpointSlices are observed, if it is another.
    #[serde(skip_serializing)]
    observe: Option<ObserveSection>,
    /// Size limit of a pod's recording.
    #[serde(skip_serializing)]
    snapshot_size: Option<Text<Quantity>>,
}

/// How the run is measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct MeasureSection {
    /// Time after which an update counts as never delivered; if absent, the larger of 30 s and
    /// twice the largest limit judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<NonZeroSpan>")]
    deadline: Key<Span>,
}

#[cfg(test)]
mod tests;
