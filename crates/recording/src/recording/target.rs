//! What the target says of itself, from its own metrics.

use dst_load_scenario::time::At;
use serde::{Deserialize, Deserializer, Serialize};

/// What the target says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetSample {
    /// When it was asked.
    pub at: At,
    /// CPU used since the first phase, seconds.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub cpu_seconds: Option<f64>,
    /// Resident memory, bytes.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub rss_bytes: Option<f64>,
    /// Heap in use (`go_memstats_heap_inuse_bytes`), bytes: what is live, and garbage that has not
    /// been collected yet.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub heap_bytes: Option<f64>,
    /// When garbage was last collected, seconds since the epoch of the target's own clock.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub collected_seconds: Option<f64>,
    /// Queue overflows so far.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub overflows: Option<f64>,
    /// Send timeouts so far, where the build counts them.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub send_timeouts: Option<f64>,
    /// `destination_endpoint_views_active`, where the build has it.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub views_active: Option<f64>,
    /// When the process started, seconds since the epoch: it changes with a restart.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub start_seconds: Option<f64>,
    /// `Get` streams that are not this tool's, at a phase's edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_streams: Option<u64>,
    /// `Get` streams of this tool's that were open, at a phase's edge: none before streams are
    /// opened, and none again after all of them have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub our_streams: Option<u64>,
    /// Memory allocated so far, freed or not (`go_memstats_alloc_bytes_total`), bytes.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub allocated_bytes: Option<f64>,
    /// Objects allocated so far, freed or not (`go_memstats_mallocs_total`).
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub allocations: Option<f64>,
    /// Goroutines (`go_goroutines`).
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub goroutines: Option<f64>,
    /// The resident memory at which it is killed, where that is known, bytes.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub memory_limit_bytes: Option<f64>,
}

/// Reads a number that is there: `null`, as JSON has it for one that is not finite, is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    f64::deserialize(deserializer).map(Some)
}

/// What the values of a series can be, besides finite and not negative.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any.
    Amount,
    /// Whole numbers.
    Count,
    /// Not 0.
    Date,
}

/// The target's series that a sample is made of.
const SERIES: [(&str, Kind); 13] = [
    ("process_cpu_seconds_total", Kind::Amount),
    ("process_resident_memory_bytes", Kind::Amount),
    ("go_memstats_heap_inuse_bytes", Kind::Amount),
    ("go_memstats_last_gc_time_seconds", Kind::Amount),
    ("endpoint_updates_queue_overflow", Kind::Count),
    ("destination_stream_send_timeouts_total", Kind::Count),
    ("destination_endpoint_views_active", Kind::Count),
    ("process_start_time_seconds", Kind::Date),
    ("go_memstats_alloc_bytes_total", Kind::Amount),
    ("go_memstats_mallocs_total", Kind::Count),
    ("go_goroutines", Kind::Count),
    ("grpc_server_started_total", Kind::Count),
    ("grpc_server_handled_total", Kind::Count),
];
/// The first number that is too large to be counted; no size and no time of a process comes near.
const LARGEST: f64 = 9.0e18;

/// Why a series of the target cannot have this value; `None` if it can.
#[must_use]
pub fn implausible(series: &str, value: f64) -> Option<String> {
    let kind = SERIES.iter().find(|(name, _)| *name == series);
    let kind = kind.map_or(Kind::Amount, |&(_, kind)| kind);
    let sound = value.is_finite()
        && (0.0..LARGEST).contains(&value)
        && (kind != Kind::Count || value.fract() == 0.0)
        && (kind != Kind::Date || value > 0.0);
    (!sound).then(|| format!("{series} is {value}"))
}

// === impl TargetSample ===

impl TargetSample {
    /// Each number, in the order of [`SERIES`].
    fn numbers(&self) -> [Option<f64>; 11] {
        [
            self.cpu_seconds,
            self.rss_bytes,
            self.heap_bytes,
            self.collected_seconds,
            self.overflows,
            self.send_timeouts,
            self.views_active,
            self.start_seconds,
            self.allocated_bytes,
            self.allocations,
            self.goroutines,
        ]
    }

    /// The first number that its series cannot have.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let limit = self.memory_limit_bytes.unwrap_or_default();
        (SERIES.iter().zip(self.numbers()))
            .find_map(|((series, _), number)| implausible(series, number?))
            .or_else(|| implausible("memory_limit_bytes", limit))
    }

    /// The first counter that is lower than in an earlier sample of the same process, which none
    /// can be.
    #[must_use]
    pub fn fell(&self, earlier: &Self) -> Option<String> {
        let counter = |series: &str| {
            series.ends_with("_total") || series == "endpoint_updates_queue_overflow"
        };
        let both = self.numbers().into_iter().zip(earlier.numbers());
        (SERIES.iter().zip(both)).find_map(|(&(series, _), (now, before))| {
            let (now, before) = (now?, before?);
            // Of several replicas they are sums, whose last digits depend on the order.
            (counter(series) && now < before - before * 1e-9)
                .then(|| format!("{series} fell from {before} to {now} without a restart"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_series_has_a_value_that_is_none() {
        for (series, kind) in SERIES {
            for value in [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -5.0,
                -1e-9,
                1e19,
            ] {
                let said = implausible(series, value);
                assert_eq!(said, Some(format!("{series} is {value}")));
            }
            assert_eq!(implausible(series, 12.0), None);
            assert_eq!(implausible(series, 0.5).is_some(), kind == Kind::Count);
            assert_eq!(implausible(series, 0.0).is_some(), kind == Kind::Date);
        }
    }

    #[test]
    fn every_number_of_a_sample_is_looked_at() {
        let sample = TargetSample {
            cpu_seconds: Some(1.5),
            rss_bytes: Some(2e8),
            start_seconds: Some(1.7e9),
            views_active: Some(0.0),
            ..TargetSample::default()
        };
        assert_eq!(sample.fault(), None);
        for (number, (series, _)) in SERIES.iter().enumerate().take(sample.numbers().len()) {
            let mut bad = serde_json::to_value(&sample).unwrap();
            let keys = [
                "cpu_seconds",
                "rss_bytes",
                "heap_bytes",
                "collected_seconds",
                "overflows",
                "send_timeouts",
                "views_active",
                "start_seconds",
                "allocated_bytes",
                "allocations",
                "goroutines",
            ];
            bad[keys[number]] = serde_json::json!(-1.0);
            let bad: TargetSample = serde_json::from_value(bad).unwrap();
            assert_eq!(bad.fault(), Some(format!("{series} is -1")));
        }
    }

    #[test]
    fn null_is_no_number() {
        let read = serde_json::from_str::<TargetSample>("{\"at\":1,\"rss_bytes\":null}");
        assert!(read.is_err());
    }

    #[test]
    fn counters_of_one_process_only_rise() {
        let sample = |cpu, rss| TargetSample {
            cpu_seconds: Some(cpu),
            rss_bytes: Some(rss),
            ..TargetSample::default()
        };
        let before = sample(12.5, 9.0);
        assert_eq!(sample(12.5, 1.0).fell(&before), None);
        assert_eq!(sample(12.500_000_000_1, 1.0).fell(&before), None);
        assert_eq!(
            sample(3.0, 9.0).fell(&before),
            Some("process_cpu_seconds_total fell from 12.5 to 3 without a restart".to_owned())
        );
    }
}
