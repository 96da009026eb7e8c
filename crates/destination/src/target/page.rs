//! A page of the target's metrics, in Prometheus' text format.

use std::collections::BTreeMap;

use dst_load_recording::recording::{TargetSample, implausible};
use dst_load_scenario::time::At;

/// When garbage was last collected.
pub(crate) const COLLECTED: &str = "go_memstats_last_gc_time_seconds";
/// Updates that found a full queue, by the path that streams had asked for.
const OVERFLOWS: &str = "endpoint_updates_queue_overflow";
const SEND_TIMEOUTS: &str = "destination_stream_send_timeouts_total";
/// Calls that were begun, and those that have ended.
const BEGUN: &str = "grpc_server_started_total";
const ENDED: &str = "grpc_server_handled_total";

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its cost and counters, as the recording has them.
    pub sample: TargetSample,
    /// `Get` streams that are open, whoever's: those begun less those ended.
    pub streams: Option<f64>,
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
        for line in text.lines() {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            // After the labels, whose values may hold spaces: the value, and perhaps a timestamp.
            let (labels, rest) = line.rsplit_once('}').unwrap_or(("", &line[name.len()..]));
            let value = rest.split_whitespace().next().unwrap_or_default();
            let Some(number) = page.number(name, labels) else {
                continue;
            };
            let parsed: f64 =
                (value.parse()).map_err(|_| format!("{name} is {value:?}, which is no number"))?;
            if let Some(fault) = implausible(name, parsed) {
                return Err(fault);
            }
            let added = if name == ENDED { -parsed } else { parsed };
            *number.get_or_insert(0.0) += added;
            if name == OVERFLOWS
                && let Some(service) = label(labels, "service")
            {
                *page.overflows.entry(service.to_owned()).or_default() += parsed;
            }
        }
        match page.sample.fault() {
            Some(fault) => Err(fault),
            None => Ok(page),
        }
    }

    /// What a series is a part of, if it is one of those that a page is made of.
    fn number(&mut self, name: &str, labels: &str) -> Option<&mut Option<f64>> {
        if [BEGUN, ENDED].contains(&name) {
            let get = label(labels, "grpc_method") == Some("Get");
            return get.then_some(&mut self.streams);
        }
        let mut all = numbers(&mut self.sample).into_iter();
        all.find(|(series, _)| *series == name).map(|(_, it)| it)
    }

    /// Adds what another replica's page says.
    pub(super) fn absorb(&mut self, other: Self) {
        add(&mut self.sample, other.sample);
        if let Some(streams) = other.streams {
            *self.streams.get_or_insert(0.0) += streams;
        }
        for (service, times) in other.overflows {
            *self.overflows.entry(service).or_default() += times;
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

/// The numbers of a sample, with the series that each is of.
pub(crate) fn numbers(of: &mut TargetSample) -> [(&'static str, &mut Option<f64>); 11] {
    [
        ("process_cpu_seconds_total", &mut of.cpu_seconds),
        ("process_resident_memory_bytes", &mut of.rss_bytes),
        ("go_memstats_heap_inuse_bytes", &mut of.heap_bytes),
        (COLLECTED, &mut of.collected_seconds),
        ("go_memstats_alloc_bytes_total", &mut of.allocated_bytes),
        ("go_memstats_mallocs_total", &mut of.allocations),
        ("go_goroutines", &mut of.goroutines),
        ("process_start_time_seconds", &mut of.start_seconds),
        (OVERFLOWS, &mut of.overflows),
        (SEND_TIMEOUTS, &mut of.send_timeouts),
        ("destination_endpoint_views_active", &mut of.views_active),
    ]
}

/// Adds a replica's sample to those of others. A counter that only some have begun is their sum; a
/// cost that only some tell is not known of all.
///
/// Start times are added too: the sum changes when any replica restarts, which is all that is
/// asked of them. Garbage counts as collected once all have collected theirs.
fn add(all: &mut TargetSample, mut one: TargetSample) {
    let both = |all: Option<f64>, one| all.zip(one).map(|(all, one)| all + one);
    all.memory_limit_bytes = both(all.memory_limit_bytes, one.memory_limit_bytes);
    for ((series, all), (_, one)) in numbers(all).into_iter().zip(numbers(&mut one)) {
        *all = match (series, *all, *one) {
            (COLLECTED, Some(all), Some(one)) => Some(all.min(one)),
            (COLLECTED | OVERFLOWS | SEND_TIMEOUTS, all, None) => all,
            (COLLECTED | OVERFLOWS | SEND_TIMEOUTS, None, one) => one,
            (_, all, one) => both(all, one),
        };
    }
}

/// A label's value among `name{a="x",b="y"`.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("{name}=\"");
    let mut rest = labels;
    while let Some((before, after)) = rest.split_once(&start) {
        // A longer label may end in this one's name.
        if before.ends_with(['{', ',', ' ']) {
            return after.split('"').next();
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replicas_use_is_added_up_and_garbage_is_collected_when_all_have() {
        let sample = |cpu, collected| TargetSample {
            cpu_seconds: Some(cpu),
            collected_seconds: collected,
            start_seconds: Some(100.0),
            ..TargetSample::default()
        };
        let mut all = sample(1.5, Some(7.0));
        add(&mut all, sample(2.0, Some(5.0)));
        add(&mut all, sample(0.5, None));
        assert_eq!(
            (all.cpu_seconds, all.collected_seconds),
            (Some(4.0), Some(5.0))
        );
        assert_eq!((all.start_seconds, all.rss_bytes), (Some(300.0), None));
    }

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
