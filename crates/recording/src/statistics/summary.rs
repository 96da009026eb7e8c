//! The numbers of a run, in the shape of `report.json`. All durations are seconds.

mod path;
mod proxies;

use std::collections::{BTreeMap, BTreeSet};

use dst_load_oracle::promise::Unjudged;
use dst_load_scenario::{action::Direction, federation::Via};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    path::{PathTaken, Sharing, StalledStreams, WINDOWS},
    proxies::{HeldStreams, PolicyController, Replica, Retained},
};
use super::{
    clock::OtherClock,
    fold::Target,
    latency::{Latency, Quantile, Stage},
    merged::Merged,
    observer::Observer,
    slowest::SlowestChange,
};
use crate::recording::ProxyCounts;

/// The numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// From the start of churn to the last line.
    pub duration_seconds: f64,
    /// Counts of `Get` streams.
    pub streams: Streams,
    /// What `GetProfile` streams did; `None` if none was to be held.
    pub profiles: Option<HeldStreams>,
    /// What streams of the policy API did; `None` if none was to be held.
    pub policies: Option<HeldStreams>,
    /// What the policy controller used, if its metrics were read.
    pub policy_controller: Option<PolicyController>,
    /// Each replica of the destination, where there are several.
    pub replicas: Vec<Replica>,
    /// The stages' latencies over the run.
    pub latency: StageSummary,
    /// The same by the way in which endpoints are asked for; empty where there is one cluster.
    pub ways: Vec<Way>,
    /// How changes spread over the run.
    pub fan_out: FanOut,
    /// The change that took longest.
    pub slowest: Option<SlowestChange>,
    /// The endpoints of streams, compared with what they were promised.
    pub correctness: Correctness,
    /// Messages that were received.
    pub updates: Updates,
    /// CPU and memory of this process.
    pub generator: Generator,
    /// Whether the reference observer can be relied on.
    pub observer: Observer,
    /// What the target used.
    pub target: Target,
    /// Errors and delays of the Kubernetes API.
    pub kubernetes: KubernetesApi,
    /// Each cycle.
    pub cycles: Vec<CycleSummary>,
    /// The clock of a churner in another process, if there was one.
    pub clock: Option<OtherClock>,
    /// The recordings that this is of.
    #[serde(default)]
    pub merged: Merged,
}

/// Counts of `Get` streams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Streams {
    /// Streams of the scenario.
    pub requested: u64,
    /// Streams that were opened.
    pub opened: u64,
    /// Streams that were reopened.
    pub reopened: u64,
    /// Snapshots received.
    pub snapshots: u64,
    /// Streams that were unexpectedly closed.
    pub unexpected_resets: u64,
    /// Streams that the target ended because of a full queue, by its counter.
    pub overflows: u64,
    /// Streams that the target ended on a connection for which it had sent GOAWAY(NO_ERROR): with
    /// status OK, or without having processed the request. They are not resets.
    #[serde(default)]
    pub drained: u64,
    /// Streams that ended with an error that is not this tool's.
    pub errors: u64,
    /// All errors, by the gRPC code that the target sent, or by what happened on the wire.
    pub errors_by_code: BTreeMap<String, u64>,
    /// `NotFound` answers that were retried.
    pub not_found: u64,
    /// Connections that failed.
    pub connection_errors: BTreeMap<String, u64>,
    /// Streams that this tool ended, because of the scenario or a proxy's limit.
    #[serde(default)]
    pub closed: u64,
    /// Events of a proxy's own rules.
    #[serde(default)]
    pub proxy: ProxyCounts,
    /// By which way the clients reached the controller; `null` in recordings that do not say it.
    #[serde(default)]
    pub path: Option<PathTaken>,
    /// Streams of stalled clients, which are in no other number; `null` if there were none.
    #[serde(default)]
    pub stalled: Option<StalledStreams>,
    /// Streams that had none of the endpoints of a Service when it got its first: the time until
    /// each had one.
    #[serde(default)]
    pub first_endpoint: LatencySummary,
    /// Those of them that were between two attempts. They are in no stage's latency.
    #[serde(default, rename = "between_tries")]
    pub reconnect_gap: LatencySummary,
    /// Endpoints that streams kept while they were opened again, as a proxy's do; `null` if they kept
    /// none (`client.lifecycle: eternal`), or if the recording does not say.
    #[serde(default)]
    pub retained: Option<Retained>,
}

/// Latencies of one discovery mode, in a run over two clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Way {
    /// The discovery mode.
    pub via: Via,
    /// Latencies by stage.
    pub latency: StageSummary,
}

/// Latencies by stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageSummary {
    /// Intended to visible.
    pub kubernetes: DirectionSummary,
    /// Visible to seen.
    pub destination: DirectionSummary,
    /// Intended to seen.
    pub end_to_end: DirectionSummary,
}

/// Latencies by direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionSummary {
    /// Of endpoints that were added.
    pub add: LatencySummary,
    /// Of endpoints that were removed.
    pub remove: LatencySummary,
}

/// A distribution of latencies over deliveries. Quantiles are by nearest rank; absent if nothing
/// was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencySummary {
    /// Deliveries, including those that are censored or were never delivered.
    pub count: u64,
    /// Deliveries that are only known to have taken longer than some time, because the state ended
    /// before the stream received it; includes those never delivered.
    #[serde(default)]
    pub censored: u64,
    /// Deliveries that never arrived: the state lasted longer than the largest limit (or the
    /// deadline).
    pub never: u64,
    /// The median.
    pub p50_seconds: Option<f64>,
    /// The 95th percentile.
    pub p95_seconds: Option<f64>,
    /// The 99th percentile.
    pub p99_seconds: Option<f64>,
    /// The 99.9th percentile.
    pub p999_seconds: Option<f64>,
    /// The largest.
    pub max_seconds: Option<f64>,
    /// The smallest quantile that censored deliveries reach: it and all above are lower bounds,
    /// except those whose upper bound is equal.
    pub censored_from: Option<String>,
    /// Upper bounds of those quantiles.
    #[serde(default)]
    pub at_most: AtMost,
}

/// Upper bounds of the quantiles of a distribution, if censored deliveries make them uncertain;
/// absent if there is no upper bound, or nothing was counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AtMost {
    /// The median.
    pub p50_seconds: Option<f64>,
    /// The 95th percentile.
    pub p95_seconds: Option<f64>,
    /// The 99th percentile.
    pub p99_seconds: Option<f64>,
    /// The 99.9th percentile.
    pub p999_seconds: Option<f64>,
    /// The largest.
    pub max_seconds: Option<f64>,
}

/// What is known of a quantile, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// It is at least this.
    pub at_least: f64,
    /// It is at most this; `None` if it may be anything.
    pub at_most: Option<f64>,
}

/// How changes spread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FanOut {
    /// Changes with an audience that were closed.
    pub changes: u64,
    /// Changes among them that were fully propagated by the deadline.
    pub completed: u64,
    /// Changes among them without a known action: they have no Kubernetes and no end-to-end stage.
    #[serde(default)]
    pub unattributed: u64,
    /// The median over changes of the time until the first stream received it.
    pub first_seconds: Option<f64>,
    /// The median over changes of the time until half of the streams received it.
    pub p50_seconds: Option<f64>,
    /// The largest over changes of the time until the last stream received it; a lower bound if not
    /// all changes completed.
    pub last_seconds_max: Option<f64>,
    /// The largest over changes of the time from the intended instant until the last stream
    /// received it.
    pub last_end_to_end_seconds_max: Option<f64>,
}

// === impl FanOut ===

impl FanOut {
    /// Whether some stream that stayed did not receive some change by the deadline: then the times of
    /// the last stream are lower bounds.
    #[must_use]
    pub const fn is_incomplete(&self) -> bool {
        self.completed < self.changes
    }
}

/// The endpoints of streams, compared with what they were promised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Correctness {
    /// Streams that were open at the settled end.
    pub streams_checked: u64,
    /// Streams among them with other endpoints than promised.
    pub streams_wrong: u64,
    /// Streams that this tool had closed for good by then.
    pub streams_unchecked: u64,
    /// (stream, endpoint) pairs that were promised and missing at the end.
    pub missing: u64,
    /// (stream, endpoint) pairs that were still there and no longer promised at the end.
    pub stale: u64,
    /// (stream, endpoint) pairs that were there at the end and never promised.
    pub unexpected: u64,
    /// Addresses that changed nothing, and that nothing explains.
    pub redundant: u64,
    /// Addresses that were added again after an event of a slice that lists them, as Linkerd does
    /// if a Pod has changed.
    pub repeated: u64,
    /// Time that endpoints were kept after their removal, summed over (stream, endpoint) pairs.
    pub stale_endpoint_seconds: f64,
    /// Updates that were unconfirmed at the deadline and corrected by a later one.
    pub unexpected_mended: u64,
    /// Deliveries that arrived after their deadline.
    pub late: u64,
    /// States that changed nothing for a stream, because it had not received the one before.
    pub superseded: u64,
    /// States that were not received and lasted less than a fifth of the smallest latency limit: a
    /// controller may leave them out.
    #[serde(default)]
    pub excluded: u64,
    /// Updates without an explanation in Kubernetes, confirmed by a consistent read after they
    /// arrived.
    #[serde(default)]
    pub premature: u64,
    /// Deliveries that arrived before the observer saw their change.
    pub early: u64,
    /// The first few wrong endpoints, as text.
    pub examples: Vec<String>,
    /// The Services whose streams were wrong, the first few by name.
    #[serde(default)]
    pub services: Vec<WrongService>,
    /// Streams that could not be judged.
    #[serde(default)]
    pub streams_unjudged: u64,
    /// Their Services, by the reason.
    #[serde(default)]
    pub unjudged: BTreeMap<Unjudged, BTreeSet<String>>,
}

/// A Service with streams that had other endpoints than promised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrongService {
    /// Its name.
    pub service: String,
    /// Its wrong streams.
    pub streams_wrong: u64,
    /// (stream, endpoint) pairs that were promised and missing.
    pub missing: u64,
    /// (stream, endpoint) pairs that were still there and no longer promised.
    pub stale: u64,
    /// (stream, endpoint) pairs that were there and never promised.
    pub unexpected: u64,
}

/// Messages that were received.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Updates {
    /// Messages.
    pub messages: u64,
    /// Addresses in them.
    pub addresses: u64,
    /// Bytes of them, without framing.
    pub bytes: u64,
    /// Messages among them that delivered a change, or repeated what nothing explains: no snapshots;
    /// `null` if the recording does not say.
    #[serde(default)]
    pub counted: Option<u64>,
    /// Changes that were to be delivered, each once for each stream of its audience, and those of a
    /// Service itself once for each of its slices; `null` if the recording does not say.
    #[serde(default)]
    pub due: Option<u64>,
    /// Messages among those counted that only add what the stream had already, without an event of
    /// a slice that explains it; `null` if the recording does not say.
    #[serde(default)]
    pub repeated: Option<u64>,
    /// Messages among those repeated that may be a resync of the controller; `null` if the recording
    /// does not say.
    #[serde(default)]
    pub resync: Option<u64>,
    /// Deliveries a second over the seconds that had any.
    pub deliveries_per_second: Option<f64>,
}

/// CPU and memory of this process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// CPU time.
    pub cpu_seconds: Option<f64>,
    /// The largest resident memory.
    pub peak_rss_bytes: Option<u64>,
    /// The event loop's lateness, weighted by the deliveries it handled meanwhile.
    pub loop_lag_p99_seconds: Option<f64>,
}

/// Errors and delays of the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KubernetesApi {
    /// Calls that were retried, by reason.
    pub errors: BTreeMap<String, u64>,
    /// Endpoints that were not created or removed before the next scaling was due.
    pub starved: u64,
    /// Changes that were found by a relist: they have no time.
    pub untimed_changes: u64,
}

/// One cycle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CycleSummary {
    /// From 1.
    pub cycle: u32,
    /// When it started, from the start of the run.
    pub from_seconds: f64,
    /// When it ended.
    pub to_seconds: f64,
    /// Whether it completed; a partial cycle is not judged.
    pub whole: bool,
    /// The stages' latencies of changes that became visible in it.
    pub latency: StageSummary,
    /// Fan-out of those changes.
    pub fan_out: FanOut,
    /// The smallest live heap in its second half; resident memory if the target has no heap metric.
    pub heap_floor_bytes: Option<f64>,
    /// The largest resident memory.
    pub peak_rss_bytes: Option<u64>,
}

// === impl StageSummary ===

impl StageSummary {
    /// The distribution of a stage and direction.
    #[must_use]
    pub fn get(&self, stage: Stage, direction: Direction) -> &LatencySummary {
        let by_direction = match stage {
            Stage::Kubernetes => &self.kubernetes,
            Stage::Destination => &self.destination,
            Stage::EndToEnd => &self.end_to_end,
        };
        match direction {
            Direction::Add => &by_direction.add,
            Direction::Remove => &by_direction.remove,
        }
    }

    pub(super) fn set(&mut self, stage: Stage, direction: Direction, latency: &Latency) {
        let by_direction = match stage {
            Stage::Kubernetes => &mut self.kubernetes,
            Stage::Destination => &mut self.destination,
            Stage::EndToEnd => &mut self.end_to_end,
        };
        *match direction {
            Direction::Add => &mut by_direction.add,
            Direction::Remove => &mut by_direction.remove,
        } = LatencySummary::of(latency);
    }
}

// === impl LatencySummary ===

impl LatencySummary {
    /// The quantiles that are reported, by key.
    pub const QUANTILES: [(&'static str, f64); 5] = [
        ("p50", 0.5),
        ("p95", 0.95),
        ("p99", 0.99),
        ("p999", 0.999),
        ("max", 1.0),
    ];

    pub(super) fn of(latency: &Latency) -> Self {
        let quantile = |q| latency.quantile(q);
        let seconds = |q| quantile(q).map(|Quantile { value, .. }| value.as_secs_f64());
        let at_most = |q| Some(quantile(q)?.at_most?.as_secs_f64());
        Self {
            count: latency.count(),
            censored: latency.censored_count(),
            never: latency.never(),
            p50_seconds: seconds(0.5),
            p95_seconds: seconds(0.95),
            p99_seconds: seconds(0.99),
            p999_seconds: seconds(0.999),
            max_seconds: seconds(1.0),
            censored_from: Self::QUANTILES
                .into_iter()
                .find(|&(_, q)| quantile(q).is_some_and(|quantile| quantile.is_censored()))
                .map(|(name, _)| name.to_owned()),
            at_most: AtMost {
                p50_seconds: at_most(0.5),
                p95_seconds: at_most(0.95),
                p99_seconds: at_most(0.99),
                p999_seconds: at_most(0.999),
                max_seconds: at_most(1.0),
            },
        }
    }

    /// The value of a quantile by its key, and whether it is only a lower bound.
    #[must_use]
    pub fn quantile(&self, key: &str) -> Option<(f64, bool)> {
        let Bounds { at_least, at_most } = self.bounds(key)?;
        let rank = |key: &str| Self::QUANTILES.iter().position(|&(name, _)| name == key);
        let reached = self
            .censored_from
            .as_deref()
            .is_some_and(|from| rank(from) <= rank(key));
        // One that is reached may still be certain: both bounds are the same.
        Some((at_least, reached && at_most != Some(at_least)))
    }

    /// What is known of a quantile by its key; `None` if nothing was counted.
    #[must_use]
    pub fn bounds(&self, key: &str) -> Option<Bounds> {
        let most = &self.at_most;
        let (at_least, at_most) = match key {
            "p50" => (self.p50_seconds, most.p50_seconds),
            "p95" => (self.p95_seconds, most.p95_seconds),
            "p99" => (self.p99_seconds, most.p99_seconds),
            "p999" => (self.p999_seconds, most.p999_seconds),
            _ => (self.max_seconds, most.max_seconds),
        };
        Some(Bounds {
            at_least: at_least?,
            at_most,
        })
    }
}
