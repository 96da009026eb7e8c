//! What a run is judged by. Absent means not judged: there are no arbitrary defaults.

use std::{collections::BTreeSet, time::Duration};

/// The limits of a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Criteria {
    /// The destination stage's quantiles, additions and removals each.
    pub update_latency: QuantileLimits,
    /// Every client holds the whole of every change this long after it became visible.
    pub every_client_within: Option<Duration>,
    /// Deliveries that never arrived, over all (0 to 1); none where it is absent.
    pub never: Option<f64>,
    /// The same two, from the intended instant.
    pub end_to_end: EndToEnd,
    /// Streams that ended although nobody asked for it.
    pub unexpected_resets: Option<u64>,
    /// Streams that the target ended for a full queue, over streams (0 to 1).
    pub send_timeout_rate: Option<f64>,
    /// Streams that ended with an error, over streams (0 to 1).
    pub error_rate: Option<f64>,
    /// Updates that changed nothing.
    pub redundant: Option<u64>,
    /// What the target may use.
    pub target: TargetLimits,
    /// Deliveries a second, at least, while changes are open.
    pub throughput_min: Option<f64>,
    /// Keys, of [`Criteria::KEYS`], that may stay unjudged without making the run invalid.
    pub optional: BTreeSet<String>,
}

/// Upper limits of a latency distribution's quantiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuantileLimits {
    /// The median.
    pub p50: Option<Duration>,
    /// The 95th percentile.
    pub p95: Option<Duration>,
    /// The 99th percentile.
    pub p99: Option<Duration>,
    /// The 99.9th percentile.
    pub p999: Option<Duration>,
    /// The largest value.
    pub max: Option<Duration>,
}

/// Limits from the intended instant to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndToEnd {
    /// Quantiles over deliveries.
    pub latency: QuantileLimits,
    /// Every client holds the whole of every change this long after it was intended.
    pub every_client_within: Option<Duration>,
}

/// Limits of the target's own cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TargetLimits {
    /// Resident memory, bytes.
    pub memory_max: Option<u64>,
    /// Resident memory above the idle baseline, bytes.
    pub memory_spike: Option<u64>,
    /// Growth of live heap from the end of cycle 1, as a fraction a cycle.
    pub memory_growth_per_cycle: Option<f64>,
    /// Growth of live heap as a fraction an hour.
    pub memory_growth_per_hour: Option<f64>,
    /// CPU, cores on average over any sampling interval.
    pub cpu_max: Option<f64>,
    /// The exact value of the target's `destination_endpoint_views_active`.
    pub views_active: Option<u64>,
    /// Restarts of the target.
    pub restarts: Option<u64>,
}

// === impl Criteria ===

impl Criteria {
    /// The dotted key of every limit, as a scenario file has it.
    pub const KEYS: [&str; 25] = [
        "never",
        "updateLatency.p50",
        "updateLatency.p95",
        "updateLatency.p99",
        "updateLatency.p999",
        "updateLatency.max",
        "everyClientWithin",
        "endToEnd.p50",
        "endToEnd.p95",
        "endToEnd.p99",
        "endToEnd.p999",
        "endToEnd.max",
        "endToEnd.everyClientWithin",
        "unexpectedResets",
        "sendTimeoutRate",
        "errorRate",
        "redundant",
        "throughputMin",
        "target.memoryMax",
        "target.memorySpike",
        "target.memoryGrowthPerCycle",
        "target.memoryGrowthPerHour",
        "target.cpuMax",
        "target.viewsActive",
        "target.restarts",
    ];

    /// The largest latency limit that is judged.
    #[must_use]
    pub fn largest_latency_limit(&self) -> Option<Duration> {
        self.latency_limits().max()
    }

    /// The smallest latency limit that is judged.
    #[must_use]
    pub fn smallest_latency_limit(&self) -> Option<Duration> {
        self.latency_limits().min()
    }

    /// Whether anything is judged from the intended instant.
    #[must_use]
    pub fn judges_end_to_end(&self) -> bool {
        self.end_to_end != EndToEnd::default()
    }

    fn latency_limits(&self) -> impl Iterator<Item = Duration> {
        let quantiles = |limits: &QuantileLimits| limits.each().map(|(_, limit)| limit);
        quantiles(&self.update_latency)
            .into_iter()
            .chain(quantiles(&self.end_to_end.latency))
            .chain([
                self.every_client_within,
                self.end_to_end.every_client_within,
            ])
            .flatten()
    }
}

// === impl QuantileLimits ===

impl QuantileLimits {
    /// Each quantile's key with its limit, from the median to the largest.
    #[must_use]
    pub fn each(&self) -> [(&'static str, Option<Duration>); 5] {
        [
            ("p50", self.p50),
            ("p95", self.p95),
            ("p99", self.p99),
            ("p999", self.p999),
            ("max", self.max),
        ]
    }
}
