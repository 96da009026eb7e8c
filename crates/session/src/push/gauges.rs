//! The report as gauges, for a Prometheus Pushgateway: what a run came to, once it is over.
//!
//! What was not measured has no series: a gauge of 0 would be a number.

use std::sync::atomic::AtomicU64;

use dst_load_recording::statistics::Stage;
use dst_load_report::{
    report::Report,
    verdict::{Judged, Verdict},
};
use dst_load_scenario::action::Direction;
use prometheus_client::{
    encoding::text,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

type Labels = Vec<(&'static str, String)>;

/// What the gauges' names begin with.
const PREFIX: &str = "dst_load_run";
/// Quantiles as [`dst_load_recording::statistics::LatencySummary::quantile`] calls them, and as
/// Prometheus does.
const QUANTILES: [(&str, &str); 5] = [
    ("p50", "0.5"),
    ("p95", "0.95"),
    ("p99", "0.99"),
    ("p999", "0.999"),
    ("max", "1"),
];

/// The report in Prometheus' text format.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut gauges = Gauges(Registry::with_prefix(PREFIX));
    about(report, &mut gauges);
    criteria(report, &mut gauges);
    latency(report, &mut gauges);
    streams(report, &mut gauges);
    target(report, &mut gauges);
    let mut rendered = String::new();
    text::encode(&mut rendered, &gauges.0).expect("invariant: writing to memory does not fail");
    rendered
}

fn about(report: &Report, gauges: &mut Gauges) {
    let version = report.target.version.clone().unwrap_or_default();
    gauges.family(
        "info",
        "The run, its target and the build of the tool; always 1",
        [(
            vec![
                ("run_id", report.run_id.clone()),
                ("seed", report.scenario.seed.to_string()),
                (
                    "target",
                    if report.is_self_test() {
                        "reference"
                    } else {
                        "linkerd"
                    }
                    .to_owned(),
                ),
                ("target_version", version),
                ("tool_version", report.tool.version.clone()),
            ],
            Some(1.0),
        )],
    );
    gauges.family(
        "verdict",
        "1 for the verdict of the run, 0 for the others",
        [Verdict::Pass, Verdict::Fail, Verdict::Invalid].map(|verdict| {
            let label = vec![("verdict", verdict.to_string())];
            (label, Some(f64::from(u8::from(verdict == report.verdict))))
        }),
    );
    let ending: &str = (&report.ending).into();
    gauges.family(
        "ending",
        "How the run ended; always 1",
        [(vec![("ending", ending.to_owned())], Some(1.0))],
    );
    gauges.one(
        "duration_seconds",
        "From the start of churn to the last line",
        Some(report.duration_seconds),
    );
}

fn criteria(report: &Report, gauges: &mut Gauges) {
    let each = |value: fn(&Judged) -> Option<f64>| {
        report.criteria.iter().map(move |judged| {
            let label = vec![("criterion", judged.name.to_string())];
            (label, value(judged))
        })
    };
    gauges.family(
        "criterion_met",
        "Whether a criterion is met; absent if it is unjudged",
        each(|judged| judged.met.map(|met| f64::from(u8::from(met)))),
    );
    gauges.family(
        "criterion_unjudged",
        "1 for a criterion that could not be judged, by whether it may stay so",
        (report.criteria.iter())
            .filter(|judged| judged.met.is_none())
            .map(|judged| {
                let label = vec![
                    ("criterion", judged.name.to_string()),
                    ("optional", judged.optional.to_string()),
                ];
                (label, Some(1.0))
            }),
    );
    gauges.family(
        "criterion_limit",
        "The limit of a criterion: seconds, bytes, cores, a count or a fraction of 1",
        each(|judged| Some(judged.limit)),
    );
    gauges.family(
        "criterion_observed",
        "The worst observed value, in the unit of the limit; absent if it was not observed",
        each(|judged| judged.observed),
    );
}

fn latency(report: &Report, gauges: &mut Gauges) {
    let each = || {
        Stage::ALL
            .into_iter()
            .flat_map(|stage| Direction::BOTH.map(|direction| (stage, direction)))
            .map(|(stage, direction)| {
                let labels: Labels = vec![
                    ("stage", stage.key().to_owned()),
                    ("direction", direction.to_string()),
                ];
                (labels, report.latency.get(stage, direction))
            })
            .filter(|(_, latency)| latency.count > 0)
    };
    gauges.family(
        "latency_seconds",
        "Quantiles of a stage over deliveries; a lower bound if some never arrived",
        each().flat_map(|(labels, latency)| {
            QUANTILES.map(|(key, quantile)| {
                let mut labels = labels.clone();
                labels.push(("quantile", quantile.to_owned()));
                (labels, latency.quantile(key).map(|(value, _)| value))
            })
        }),
    );
    gauges.family(
        "deliveries",
        "Deliveries of a stage",
        each().map(|(labels, latency)| (labels, Some(whole(latency.count)))),
    );
    gauges.family(
        "deliveries_never",
        "Deliveries among them that had not arrived by the deadline",
        each().map(|(labels, latency)| (labels, Some(whole(latency.never)))),
    );
    let fan_out = &report.fan_out;
    gauges.one(
        "changes",
        "Changes of endpoints",
        Some(whole(fan_out.changes)),
    );
    gauges.one(
        "changes_completed",
        "Changes fully propagated by the deadline",
        Some(whole(fan_out.completed)),
    );
    let last = if fan_out.is_incomplete() {
        Some(report.deadline_seconds)
    } else {
        fan_out.last_seconds_max
    };
    gauges.one(
        "last_stream_seconds",
        "The largest time from a change's visibility until its last stream received it; the deadline if some stream never did",
        last,
    );
}

fn streams(report: &Report, gauges: &mut Gauges) {
    let right = &report.correctness;
    for (name, help, value) in [
        (
            "streams_checked",
            "Streams checked at the end",
            right.streams_checked,
        ),
        (
            "streams_wrong",
            "Streams with other endpoints than promised at the end",
            right.streams_wrong,
        ),
        (
            "endpoints_missing",
            "Endpoints promised and missing at the end, over streams",
            right.missing,
        ),
        (
            "endpoints_stale",
            "Stale endpoints at the end, over streams",
            right.stale,
        ),
        (
            "endpoints_redundant",
            "Addresses that changed nothing, over streams",
            right.redundant,
        ),
    ] {
        gauges.one(name, help, Some(whole(value)));
    }
}

fn target(report: &Report, gauges: &mut Gauges) {
    let used = &report.target.used;
    gauges.one(
        "target_cpu_seconds",
        "CPU that the target used",
        used.cpu_seconds,
    );
    gauges.one(
        "target_cpu_cores_max",
        "The most CPU that the target used between two samples",
        used.cpu_max_cores,
    );
    gauges.one(
        "target_resident_memory_bytes_max",
        "The target's largest resident memory",
        used.peak_rss_bytes.map(whole),
    );
}

/// A registry of constant gauges.
struct Gauges(Registry);

// === impl Gauges ===

impl Gauges {
    fn one(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.family(name, help, [(Labels::new(), value)]);
    }

    fn family(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels, Option<f64>)>,
    ) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in series {
            if let Some(value) = value {
                family.get_or_create(&labels).set(value);
            }
        }
        self.0.register(name, help, family);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and bytes are far below 2^52"
)]
const fn whole(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst_load_recording::recording::samples;

    fn report() -> Report {
        Report::of(&samples::failed(), &samples::criteria(), true).unwrap()
    }

    #[test]
    fn a_fail_as_gauges() {
        // Series of a family come in no order.
        let text = render(&report());
        let mut families: Vec<String> = Vec::new();
        for line in text.lines() {
            match families.last_mut() {
                Some(last) if !line.starts_with("# HELP") => *last += &format!("\n{line}"),
                _ => families.push(line.to_owned()),
            }
        }
        let sorted = families.iter().map(|family| {
            let (heads, mut series): (Vec<_>, Vec<_>) =
                family.lines().partition(|line| line.starts_with('#'));
            series.sort_unstable();
            [heads, series].concat().join("\n")
        });
        insta::assert_snapshot!(sorted.collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn an_interrupted_run_is_invalid_and_says_that_it_was_interrupted() {
        let mut lines = samples::passed();
        for line in &mut lines {
            if let dst_load_recording::recording::Line::End(end) = line {
                end.interrupted = true;
            }
        }
        let report = Report::of(&lines, &samples::criteria(), true).unwrap();
        let text = render(&report);
        for series in [
            "dst_load_run_verdict{verdict=\"invalid\"} 1.0",
            "dst_load_run_verdict{verdict=\"pass\"} 0.0",
            "dst_load_run_ending{ending=\"interrupted\"} 1.0",
        ] {
            assert!(text.contains(series), "{series}: {text}");
        }
        assert!(!text.contains("dst_load_run_criterion_met{"), "{text}");
    }

    #[test]
    fn what_was_not_measured_has_no_series() {
        let mut report = report();
        report.target.used.cpu_seconds = None;
        report.fan_out.completed = report.fan_out.changes;
        report.fan_out.last_seconds_max = None;
        for judged in &mut report.criteria {
            (judged.met, judged.observed) = (None, None);
        }
        let text = render(&report);
        for name in [
            "target_cpu_seconds",
            "last_stream_seconds",
            "criterion_met",
            "criterion_observed",
        ] {
            let series = format!("\n{PREFIX}_{name}");
            let followed = |by: char| text.contains(&format!("{series}{by}"));
            assert!(!followed(' ') && !followed('{'), "{name}: {text}");
        }
        assert!(text.contains("\ndst_load_run_criterion_limit{"), "{text}");
    }
}
