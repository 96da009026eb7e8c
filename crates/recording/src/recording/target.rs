//! What the target says of itself, from its own metrics.
//!
//! A series is defined here and nowhere else: the number of a sample that it gives, its name, which
//! values it can have, and how the numbers of several replicas become one. The scrape, the queries to
//! a Prometheus and the checks of a recording read this definition.

use dst_load_scenario::time::At;
use serde::{Deserialize, Deserializer, Serialize};

/// A series of the target's metrics, and the number of a sample that it gives.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// Its name in Prometheus' text format.
    pub name: &'static str,
    /// How the numbers of several replicas become one.
    pub over_replicas: OverReplicas,
    /// Where a sample has its number.
    pub slot: fn(&mut TargetSample) -> &mut Option<f64>,
    /// Its number in a sample.
    pub number: fn(&TargetSample) -> Option<f64>,
    values: Values,
}

/// How the numbers of several replicas become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverReplicas {
    /// They are added up. It is unknown where one replica does not say it.
    Sum,
    /// They are added up. A replica that does not say it has not begun to count.
    SumOfCounted,
    /// The least of those that say it.
    Least,
}

/// What the values of a series can be, besides finite and not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Values {
    /// Any.
    Any,
    /// Whole numbers.
    Whole,
    /// Not 0.
    Date,
}

/// Writes the sample, and the list of the series that give its numbers.
macro_rules! sample {
    ($($(#[$meta:meta])* $field:ident: $type:ty $(= $series:literal $values:ident $over_replicas:ident)?,)*) => {
        /// What the target says of itself.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct TargetSample {$(
            $(#[$meta])*
            $(
                #[doc = concat!("`", $series, "`.")]
                #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
            )?
            pub $field: $type,
        )*}

        /// The target's series that a sample is made of.
        pub const SERIES: &[Series] = &[$($(
            Series {
                name: $series,
                over_replicas: OverReplicas::$over_replicas,
                slot: |sample| &mut sample.$field,
                number: |sample| sample.$field,
                values: Values::$values,
            },
        )?)*];
    };
}

sample! {
    /// When it was asked.
    at: At,
    /// CPU used since the first phase, seconds.
    cpu_seconds: Option<f64> = "process_cpu_seconds_total" Any Sum,
    /// Resident memory, bytes.
    rss_bytes: Option<f64> = "process_resident_memory_bytes" Any Sum,
    /// Heap in use, bytes: what is live, and garbage that has not been collected yet.
    heap_bytes: Option<f64> = "go_memstats_heap_inuse_bytes" Any Sum,
    /// When garbage was last collected, seconds since the epoch of the target's own clock. That of
    /// several replicas is collected once all have collected theirs.
    collected_seconds: Option<f64> = "go_memstats_last_gc_time_seconds" Any Least,
    /// Queue overflows so far.
    overflows: Option<f64> = "endpoint_updates_queue_overflow" Whole SumOfCounted,
    /// Send timeouts so far, where the build counts them.
    send_timeouts: Option<f64> = "destination_stream_send_timeouts_total" Whole SumOfCounted,
    /// Views of a Service that are active, where the build counts them.
    views_active: Option<f64> = "destination_endpoint_views_active" Whole Sum,
    /// When the process started, seconds since the epoch: it changes with a restart, and so does the
    /// sum over several replicas.
    start_seconds: Option<f64> = "process_start_time_seconds" Date Sum,
    /// `Get` streams that are not this tool's, at a phase's edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    foreign_streams: Option<u64>,
    /// `Get` streams of this tool's that were open, at a phase's edge: none before streams are
    /// opened, and none again after all of them have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    our_streams: Option<u64>,
    /// Memory allocated so far, freed or not, bytes.
    allocated_bytes: Option<f64> = "go_memstats_alloc_bytes_total" Any Sum,
    /// Objects allocated so far, freed or not.
    allocations: Option<f64> = "go_memstats_mallocs_total" Whole Sum,
    /// Goroutines.
    goroutines: Option<f64> = "go_goroutines" Whole Sum,
    /// Open file descriptors: among them one for each connection to it.
    open_fds: Option<f64> = "process_open_fds" Whole Sum,
    /// The resident memory at which it is killed, where that is known, bytes.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    memory_limit_bytes: Option<f64>,
}

/// Reads a number that is there: `null`, as JSON has it for one that is not finite, is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    f64::deserialize(deserializer).map(Some)
}

/// The first number that is too large to be counted; no size and no time of a process comes near.
const LARGEST: f64 = 9.0e18;

/// Why the counter of streams called `name` cannot have this value; `None` if it can.
#[must_use]
pub fn implausible_count(name: &str, value: f64) -> Option<String> {
    Values::Whole.fault(name, value)
}

// === impl Values ===

impl Values {
    fn fault(self, name: &str, value: f64) -> Option<String> {
        let sound = value.is_finite()
            && (0.0..LARGEST).contains(&value)
            && (self != Self::Whole || value.fract() == 0.0)
            && (self != Self::Date || value > 0.0);
        (!sound).then(|| format!("{name} is {value}"))
    }
}

// === impl Series ===

impl Series {
    /// The one of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<&'static Self> {
        SERIES.iter().find(|it| it.name == name)
    }

    /// Why it cannot have this value; `None` if it can.
    #[must_use]
    pub fn fault(&self, value: f64) -> Option<String> {
        self.values.fault(self.name, value)
    }

    /// Whether it only rises while a process lives.
    fn is_counter(&self) -> bool {
        self.name.ends_with("_total") || self.name == "endpoint_updates_queue_overflow"
    }
}

// === impl TargetSample ===

impl TargetSample {
    /// The first number that its series cannot have.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let limit = self.memory_limit_bytes.unwrap_or_default();
        SERIES
            .iter()
            .find_map(|series| series.fault((series.number)(self)?))
            .or_else(|| Values::Any.fault("memory_limit_bytes", limit))
    }

    /// The first counter that is lower than in an earlier sample of the same process, which none
    /// can be.
    #[must_use]
    pub fn fell(&self, earlier: &Self) -> Option<String> {
        SERIES.iter().find_map(|series| {
            let (now, before) = ((series.number)(self)?, (series.number)(earlier)?);
            // Of several replicas they are sums, whose last digits depend on the order.
            (series.is_counter() && now < before - before * 1e-9).then(|| {
                format!(
                    "{} fell from {before} to {now} without a restart",
                    series.name
                )
            })
        })
    }

    /// Adds what another replica says.
    pub fn absorb(&mut self, other: &Self) {
        let both = |all: Option<f64>, one: Option<f64>| all.zip(one).map(|(all, one)| all + one);
        for series in SERIES {
            let one = (series.number)(other);
            let all = (series.slot)(self);
            *all = match (series.over_replicas, *all, one) {
                (OverReplicas::Sum, all, one) => both(all, one),
                (OverReplicas::SumOfCounted, Some(all), Some(one)) => Some(all + one),
                (OverReplicas::Least, Some(all), Some(one)) => Some(all.min(one)),
                (_, all, one) => all.or(one),
            };
        }
        self.memory_limit_bytes = both(self.memory_limit_bytes, other.memory_limit_bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_series_has_a_value_that_is_none() {
        for series in SERIES {
            let name = series.name;
            for value in [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -5.0,
                -1e-9,
                1e19,
            ] {
                assert_eq!(series.fault(value), Some(format!("{name} is {value}")));
            }
            assert_eq!(series.fault(12.0), None);
            assert_eq!(series.fault(0.5).is_some(), series.values == Values::Whole);
            assert_eq!(series.fault(0.0).is_some(), series.values == Values::Date);
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
        for series in SERIES {
            let mut bad = sample.clone();
            *(series.slot)(&mut bad) = Some(-1.0);
            assert_eq!((series.number)(&bad), Some(-1.0));
            assert_eq!(bad.fault(), Some(format!("{} is -1", series.name)));
            // And the recording keeps it.
            let written = serde_json::to_value(&bad).unwrap();
            assert_eq!(
                serde_json::from_value::<TargetSample>(written).unwrap(),
                bad
            );
        }
        let names: BTreeSet<_> = SERIES.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), SERIES.len());
    }

    #[test]
    fn what_replicas_use_is_added_up_and_garbage_is_collected_when_all_have() {
        let sample = |cpu, collected, overflows| TargetSample {
            cpu_seconds: Some(cpu),
            collected_seconds: collected,
            overflows,
            start_seconds: Some(100.0),
            memory_limit_bytes: Some(8.0),
            ..TargetSample::default()
        };
        let mut all = sample(1.5, Some(7.0), None);
        all.absorb(&sample(2.0, Some(5.0), Some(3.0)));
        all.absorb(&sample(0.5, None, None));
        let wanted = TargetSample {
            start_seconds: Some(300.0),
            memory_limit_bytes: Some(24.0),
            ..sample(4.0, Some(5.0), Some(3.0))
        };
        assert_eq!(all, wanted);
        // What one does not say of itself is not known of all.
        all.absorb(&TargetSample::default());
        assert_eq!((all.cpu_seconds, all.overflows), (None, Some(3.0)));
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
