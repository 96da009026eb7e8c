//! A page of the target's metrics, in Prometheus' text format.

use std::collections::BTreeMap;

use dst_load_recording::recording::{Series, TargetSample, implausible_count};
use dst_load_scenario::time::At;

use super::exposition::{Sample, samples};

/// Queue overflows, a series for each path that streams had asked for.
const OVERFLOWS: &str = "endpoint_updates_queue_overflow";
/// Streams begun, and streams ended.
pub(super) const BEGUN: &str = "grpc_server_started_total";
pub(super) const ENDED: &str = "grpc_server_handled_total";

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its cost and counters, as the recording has them.
    pub sample: TargetSample,
    /// `Get` streams that are open, whoever's: those begun less those ended.
    pub streams: Option<f64>,
    /// `Get` streams that were begun so far.
    pub begun: Option<f64>,
    /// Queue overflows so far, by the path that streams had asked for.
    pub overflows: BTreeMap<String, f64>,
}

// === impl Page ===

impl Page {
    /// What `text` says; it was asked for at `at`. Series of one name are added up.
    ///
    /// # Errors
    /// A series that is used, and has a value that it cannot have.
    pub(super) fn read(text: &str, at: At) -> Result<Self, String> {
        let mut page = Self {
            sample: TargetSample {
                at,
                ..TargetSample::default()
            },
            ..Self::default()
        };
        for sample in samples(text) {
            let series = Series::of_name(sample.name);
            if series.is_none() && !counts_streams(sample) {
                continue;
            }
            let parsed = sample.number()?;
            let fault = series.map_or_else(
                || implausible_count(sample.name, parsed),
                |series| series.fault(parsed),
            );
            if let Some(fault) = fault {
                return Err(fault);
            }
            page.take(series, sample, parsed);
        }
        match page.sample.fault() {
            Some(fault) => Err(fault),
            None => Ok(page),
        }
    }

    fn take(&mut self, series: Option<&Series>, sample: Sample<'_>, value: f64) {
        let name = sample.name;
        if let Some(service) = sample.label("service").filter(|_| name == OVERFLOWS) {
            *self.overflows.entry(service.to_owned()).or_default() += value;
        }
        if name == BEGUN {
            *self.begun.get_or_insert(0.0) += value;
        }
        let number = series.map_or(&mut self.streams, |it| (it.slot)(&mut self.sample));
        *number.get_or_insert(0.0) += if name == ENDED { -value } else { value };
    }

    /// Adds what another replica's page says.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.sample.absorb(&other.sample);
        for (number, theirs) in [
            (&mut self.streams, other.streams),
            (&mut self.begun, other.begun),
        ] {
            if let Some(theirs) = theirs {
                *number.get_or_insert(0.0) += theirs;
            }
        }
        for (service, times) in &other.overflows {
            *self.overflows.entry(service.clone()).or_default() += times;
        }
    }

    /// Streams that are others', where `ours` are open; `None` if the target does not count them.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of streams is far below 2^52, and a negative one saturates at none"
    )]
    pub fn foreign(&self, ours: u64) -> Option<u64> {
        self.streams.map(|all| (all as u64).saturating_sub(ours))
    }
}

/// Whether a series counts `Get` streams.
fn counts_streams(sample: Sample<'_>) -> bool {
    [BEGUN, ENDED].contains(&sample.name) && sample.label("grpc_method") == Some("Get")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_linkerds_metrics_is_read() {
        let page = "# HELP process_cpu_seconds_total Total.\n\
            process_cpu_seconds_total 12.5\n\
            process_resident_memory_bytes 9.5e+07\n\
            go_memstats_heap_inuse_bytes 4.2e+07 1700000000000\n\
            go_memstats_last_gc_time_seconds 1.8e+09\n\
            go_memstats_alloc_bytes_total 7.5e+09\n\
            go_memstats_mallocs_total 6.5e+07\n\
            go_goroutines 431\n\
            endpoint_updates_queue_overflow{service=\"a b:80\"} 2\n\
            endpoint_updates_queue_overflow{service=\"c{}:80\"} 3\n\
            process_start_time_seconds 1.7e9\n\
            something_else 1\n";
        let page = Page::read(page, At::from_secs(3)).unwrap();
        assert_eq!(
            page.sample,
            TargetSample {
                at: At::from_secs(3),
                cpu_seconds: Some(12.5),
                rss_bytes: Some(9.5e7),
                heap_bytes: Some(4.2e7),
                collected_seconds: Some(1.8e9),
                allocated_bytes: Some(7.5e9),
                allocations: Some(6.5e7),
                goroutines: Some(431.0),
                overflows: Some(5.0),
                start_seconds: Some(1.7e9),
                ..TargetSample::default()
            }
        );
        assert_eq!(page.overflows["a b:80"], 2.0);
        assert_eq!(page.overflows["c{}:80"], 3.0);
        assert_eq!(page.foreign(0), None);
    }

    #[test]
    fn a_value_that_a_used_series_cannot_have_spoils_the_page_and_is_named() {
        let refused = |line: &str| {
            let page = format!("process_resident_memory_bytes 9.5e+07\n{line}\n");
            Page::read(&page, At::ZERO).unwrap_err()
        };
        for (line, reason) in [
            (
                "process_cpu_seconds_total NaN",
                "process_cpu_seconds_total is NaN",
            ),
            ("go_goroutines +Inf", "go_goroutines is inf"),
            (
                "go_memstats_heap_inuse_bytes -5",
                "go_memstats_heap_inuse_bytes is -5",
            ),
            (
                "process_start_time_seconds 0",
                "process_start_time_seconds is 0",
            ),
            (
                "destination_endpoint_views_active 3.5",
                "destination_endpoint_views_active is 3.5",
            ),
            // The sum would hide it.
            (
                "endpoint_updates_queue_overflow{service=\"a\"} 7\n\
                 endpoint_updates_queue_overflow{service=\"b\"} -2",
                "endpoint_updates_queue_overflow is -2",
            ),
            (
                "go_goroutines many",
                "go_goroutines is \"many\", which is no number",
            ),
            ("go_goroutines", "go_goroutines is \"\", which is no number"),
            (
                "grpc_server_started_total{grpc_method=\"Get\"} NaN",
                "grpc_server_started_total is NaN",
            ),
        ] {
            assert_eq!(refused(line), reason);
        }
        // What is not used is nobody's business.
        let others = "go_gc_duration_seconds{quantile=\"0.5\"} NaN\n\
            grpc_server_started_total{grpc_method=\"GetProfile\"} NaN\n\
            # TYPE go_goroutines gauge\n";
        assert!(Page::read(others, At::ZERO).is_ok());
    }

    #[test]
    fn streams_of_others_are_those_that_are_open_less_ours() {
        let of = |method: &str| {
            format!(
                "grpc_method=\"{method}\",grpc_service=\"io.linkerd.proxy.destination.Destination\",\
                 grpc_type=\"server_stream\""
            )
        };
        let (get, profile) = (of("Get"), of("GetProfile"));
        let page = format!(
            "grpc_server_handled_total{{grpc_code=\"OK\",{get}}} 30\n\
             grpc_server_handled_total{{grpc_code=\"NotFound\",{get}}} 5\n\
             grpc_server_started_total{{{get}}} 147\n\
             grpc_server_started_total{{{profile}}} 900\n"
        );
        let page = Page::read(&page, At::ZERO).unwrap();
        assert_eq!(page.streams, Some(112.0));
        assert_eq!(page.foreign(100), Some(12));
        // A stream that we hold for open, and that has not arrived there yet.
        assert_eq!(page.foreign(113), Some(0));
    }
}
