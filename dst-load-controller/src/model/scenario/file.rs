//! A scenario file: the keys of a Helm values file, as types.
//!
//! The types are the one source of what a file may hold: they read it, they print a recording's
//! effective scenario, and the chart's `values.schema.json` is generated from them. What a value
//! means, and which go together, is judged in `check`.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

use crate::model::{
    quantity::{AddressRange, Bytes, Cpu, Share, Span},
    scenario::Lifecycle,
};

pub(super) mod check;
mod decode;
pub(super) mod effective;
mod either;
mod embedded;
mod federation;
mod placed;
mod provoke;
pub(super) mod tree;

use either::{Amount, ChartOnly, JitterBound, Percent};
use embedded::SandboxSection;
use federation::FederationSection;
use placed::Placed;
use provoke::ProvokeGroup;

type Key<T> = Option<Placed<T>>;

/// The values of a load test: a scenario for `dst-load-controller run`, and the values of its
/// Helm chart.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(inline)]
struct File {
    /// What this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Key<ScenarioSection>,
    /// What is done to Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    churn: Key<ChurnSection>,
    /// Who watches.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Key<ClientSection>,
    /// A second cluster: it is the one that is churned, and clients ask the first one's controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    federation: Key<FederationSection>,
    /// How it is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    measure: Key<MeasureSection>,
    /// What a run is judged by; what is absent is not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    criteria: Key<CriteriaSection>,
    /// The embedded sandbox's shape; the chart ignores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Key<SandboxSection>,
    #[serde(skip_serializing)]
    global: ChartOnly,
    #[serde(skip_serializing)]
    image: ChartOnly,
    #[serde(skip_serializing)]
    image_pull_secrets: ChartOnly,
    #[serde(skip_serializing)]
    name_override: ChartOnly,
    #[serde(skip_serializing)]
    fullname_override: ChartOnly,
    #[serde(skip_serializing)]
    common_labels: ChartOnly,
    #[serde(skip_serializing)]
    resources: ChartOnly,
    #[serde(skip_serializing)]
    pod_annotations: ChartOnly,
    #[serde(skip_serializing)]
    pod_labels: ChartOnly,
    #[serde(skip_serializing)]
    pod_security_context: ChartOnly,
    #[serde(skip_serializing)]
    security_context: ChartOnly,
    #[serde(skip_serializing)]
    node_selector: ChartOnly,
    #[serde(skip_serializing)]
    tolerations: ChartOnly,
    #[serde(skip_serializing)]
    affinity: ChartOnly,
    #[serde(skip_serializing)]
    priority_class_name: ChartOnly,
    #[serde(skip_serializing)]
    service_account: ChartOnly,
    #[serde(skip_serializing)]
    rbac: ChartOnly,
    #[serde(skip_serializing)]
    monitoring: ChartOnly,
    #[serde(skip_serializing)]
    destination: ChartOnly,
}

/// What a scenario is called.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ScenarioSection {
    /// A DNS label; the file's name if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Key<String>,
    /// The seed of every random choice; 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Key<u64>,
}

/// What is done to Kubernetes: either `services` that all follow one `pattern`, or a mix of
/// `stable`, `oscillate` and `provoke` Services.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ChurnSection {
    /// How many Services, named `<servicePrefix>-1` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Key<u32>,
    /// The Services' names before the number; `test-service` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_prefix: Key<String>,
    /// Which objects make the endpoints; `deployments` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Key<BackendWord>,
    /// Whether the Pods of the backend `pods` look meshed, as if Linkerd's proxy had been injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    meshed: Key<bool>,
    /// Where the endpoints of the backends `pods` and `slices` have their addresses; 240.0.0.0/4,
    /// which is reserved, if absent.
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
    /// How long to stay at the low end; of `rolling-update`, from one rollout to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_hold: Key<Span>,
    /// How long to stay at the high end.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_hold: Key<Span>,
    /// The largest delay a Service adds before each scaling, or a percentage of the hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Key<JitterBound>,
    /// The first size of `scale-up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_from: Key<u32>,
    /// The last size of `scale-up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_to: Key<u32>,
    /// How long `scale-up` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_duration: Key<Span>,
    /// Pods above `endpoints` during a `rolling-update`; 25% if absent, as in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_surge: Key<Amount>,
    /// Pods below `endpoints` during a `rolling-update`; 25% if absent, as in Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_unavailable: Key<Amount>,
    /// Services that scale together in a `batch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Key<u32>,
    /// From one batch to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_interval: Key<Span>,
    /// The mixed form: Services that never change, named `stable-svc-0` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    stable: Key<StableGroup>,
    /// The mixed form: Services that oscillate, named `oscillate-svc-0` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    oscillate: Key<OscillateGroup>,
    /// The mixed form: Services to which is done what Linkerd is known to take in wrongly. Needs
    /// the backend `pods`.
    #[serde(skip_serializing_if = "Option::is_none")]
    provoke: Key<ProvokeGroup>,
    /// Ends the run after this many cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    cycles: Key<u32>,
    /// Ends the run after this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Key<Span>,
    /// The port of the Services and of their endpoints; 8080 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Key<u16>,
    #[serde(skip_serializing)]
    enabled: ChartOnly,
    #[serde(skip_serializing)]
    namespace: ChartOnly,
    #[serde(skip_serializing)]
    image: ChartOnly,
    #[serde(skip_serializing)]
    resources: ChartOnly,
    #[serde(skip_serializing)]
    extra_args: ChartOnly,
    #[serde(skip_serializing)]
    extra_env: ChartOnly,
    #[serde(skip_serializing)]
    pod_annotations: ChartOnly,
    #[serde(skip_serializing)]
    pod_labels: ChartOnly,
    #[serde(skip_serializing)]
    node_selector: ChartOnly,
    #[serde(skip_serializing)]
    tolerations: ChartOnly,
    #[serde(skip_serializing)]
    affinity: ChartOnly,
}

/// How endpoints change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Pattern")]
enum PatternWord {
    /// Nothing changes.
    Stable,
    /// Up and down for ever, with a hold at each end.
    Oscillate,
    /// From one size to another in even steps, once.
    ScaleUp,
    /// All pods replaced a few at a time, again and again.
    RollingUpdate,
    /// Up and down, a few Services at a time.
    Batch,
    /// Up at once, a short hold, down at once, a long rest.
    Spike,
}

/// Which objects make the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Backend")]
enum BackendWord {
    /// Deployments: the cluster's controllers, and KWOK, make pods and EndpointSlices.
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
    /// How many Services.
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Key<u32>,
    /// Endpoints a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoints: Key<u32>,
}

/// Services of a mix that go up and down.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct OscillateGroup {
    /// How many Services.
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Key<u32>,
    /// Endpoints a Service at the low end; also the initial size.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_endpoints: Key<u32>,
    /// Endpoints a Service at the high end.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_endpoints: Key<u32>,
    /// How long to stay at either end.
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Key<Span>,
    /// The largest delay a Service adds before each scaling, in percent of the hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter_percent: Key<Percent>,
}

/// Who watches.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ClientSection {
    /// Pods of the client Deployment; `run` folds them into its one process. 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Key<u32>,
    /// Virtual client pods a replica, each with a connection of its own. 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Key<u32>,
    /// Streams that each virtual client opens for each Service. 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    streams_per_service: Key<u32>,
    /// Closes and reopens each stream after at most this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_max_lifetime: Key<Span>,
    /// Closes and reopens all streams each time this has passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_reset_interval: Key<Span>,
    /// Streams opened a second, at most, over all clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_rate: Key<u32>,
    /// When streams end by themselves; `eternal` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Key<Lifecycle>,
    /// Whether `GetProfile` streams are held beside them; only of the lifecycle `proxy` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    profiles: Key<bool>,
    /// The most connections: virtual clients share them. Each has its own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Key<u32>,
    #[serde(skip_serializing)]
    enabled: ChartOnly,
    #[serde(skip_serializing)]
    image: ChartOnly,
    #[serde(skip_serializing)]
    resources: ChartOnly,
    #[serde(skip_serializing)]
    extra_args: ChartOnly,
    #[serde(skip_serializing)]
    extra_env: ChartOnly,
    #[serde(skip_serializing)]
    pod_annotations: ChartOnly,
    #[serde(skip_serializing)]
    pod_labels: ChartOnly,
    #[serde(skip_serializing)]
    node_selector: ChartOnly,
    #[serde(skip_serializing)]
    tolerations: ChartOnly,
    #[serde(skip_serializing)]
    affinity: ChartOnly,
}

/// How it is measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct MeasureSection {
    /// How long an update is waited for before it counts as never arrived; if absent, the larger
    /// of 30 s and twice the largest limit judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Key<Span>,
}

/// What a run is judged by. Absent means not judged.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct CriteriaSection {
    /// From the change being visible in Kubernetes to the client: additions and removals each.
    #[serde(skip_serializing_if = "Option::is_none")]
    update_latency: Key<QuantileSection>,
    /// Every client holds the whole of every change this long after it became visible.
    #[serde(skip_serializing_if = "Option::is_none")]
    every_client_within: Key<Span>,
    /// From the change's intended instant to the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_to_end: Key<EndToEndSection>,
    /// Streams that ended although nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    unexpected_resets: Key<u64>,
    /// Streams that the target ended for a full queue, over streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    send_timeout_rate: Key<Share>,
    /// Streams that ended with an error, over streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_rate: Key<Share>,
    /// Updates that changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    redundant: Key<u64>,
    /// Deliveries a second, at least, while changes are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    throughput_min: Key<f64>,
    /// What the target may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Key<TargetSection>,
}

/// Upper limits of a distribution's quantiles.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct QuantileSection {
    /// The median.
    #[serde(skip_serializing_if = "Option::is_none")]
    p50: Key<Span>,
    /// The 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    p95: Key<Span>,
    /// The 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Key<Span>,
    /// The 99.9th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    p999: Key<Span>,
    /// The largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Key<Span>,
}

/// Upper limits from the intended instant to the client.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct EndToEndSection {
    /// The median.
    #[serde(skip_serializing_if = "Option::is_none")]
    p50: Key<Span>,
    /// The 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    p95: Key<Span>,
    /// The 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Key<Span>,
    /// The 99.9th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    p999: Key<Span>,
    /// The largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Key<Span>,
    /// Every client holds the whole of every change this long after it was intended.
    #[serde(skip_serializing_if = "Option::is_none")]
    every_client_within: Key<Span>,
}

/// What the target may use.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct TargetSection {
    /// Resident memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_max: Key<Bytes>,
    /// Resident memory above the idle baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_spike: Key<Bytes>,
    /// Growth of live heap from the end of cycle 1, a cycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_growth_per_cycle: Key<Share>,
    /// Growth of live heap, an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_growth_per_hour: Key<Share>,
    /// CPU on average over any sampling interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_max: Key<Cpu>,
    /// The exact value of `destination_endpoint_views_active`.
    #[serde(skip_serializing_if = "Option::is_none")]
    views_active: Key<u64>,
    /// Restarts.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Key<u64>,
}

/// The JSON schema of a scenario file, in the draft that every Helm 3 understands.
#[must_use]
pub fn schema() -> Schema {
    SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<File>()
}

#[cfg(test)]
mod tests;
