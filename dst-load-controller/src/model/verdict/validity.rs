//! Whether a run can say anything about its target.

use super::{Circumstances, Judged, Unit};
use crate::model::{
    criteria::Criteria,
    endpoint::Direction,
    recording::OWN_LIMIT,
    statistics::{Stage, Summary},
    words::counted,
};

/// How the doubts begin that are about this tool and its machine.
pub(in crate::model) const GENERATOR: &str = "the generator was the bottleneck";
/// How those begin that are about Kubernetes.
pub(in crate::model) const STARVED: &str = "Kubernetes starved the plan";
/// The generator may be late by this share of the smallest latency limit.
const LAG_SHARE: f64 = 0.2;
/// The generator may be this late where no latency is judged, seconds.
const LAG_WITHOUT_LIMIT: f64 = 0.1;
/// A generator that used less than this over a run was hardly late by its own work, cores.
const IDLE_CORES: f64 = 0.1;
/// The share of changes that a relist may leave untimed.
const UNTIMED_SHARE: f64 = 0.01;

/// Why the run cannot say; empty if it can.
pub(super) fn doubts(
    criteria: &Criteria,
    summary: &Summary,
    circumstances: Circumstances,
    judged: &[Judged],
) -> Vec<String> {
    let mut doubts = Vec::new();
    if !circumstances.ended {
        doubts.push("the run did not come to its end".to_owned());
    }
    if !summary.correctness.unjudged.is_empty() {
        // That is said beside: `unjudged`.
    } else if summary.streams.requested > 0 && summary.correctness.streams_checked == 0 {
        doubts.push("nothing was observed: no stream was open at the end".to_owned());
    } else if circumstances.changes_planned && summary.fan_out.changes == 0 {
        doubts.push(
            "nothing was observed: no change reached the observer while streams were open"
                .to_owned(),
        );
    }
    if let Some(lag) = summary.generator.loop_lag_p99_seconds {
        let limit = criteria
            .smallest_latency_limit()
            .filter(|_| circumstances.latency_is_judged)
            .map_or(LAG_WITHOUT_LIMIT, |limit| limit.as_secs_f64() * LAG_SHARE);
        if lag > limit {
            doubts.push(format!(
                "{GENERATOR}: its event loop was {} late at p99, more than the {} that these limits allow{}",
                Unit::Seconds.words(lag),
                Unit::Seconds.words(limit),
                busy_otherwise(summary).unwrap_or_default()
            ));
        }
    }
    if let Some(&streams) = summary.streams.errors_by_code.get(OWN_LIMIT) {
        doubts.push(format!(
            "{GENERATOR}: its own HTTP/2 library ended {}, whose connection had too many small frames unread",
            counted(streams, "stream", "streams")
        ));
    }
    let untimed = summary.kubernetes.untimed_changes;
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let share = untimed as f64 / (summary.fan_out.changes + untimed).max(1) as f64;
    if share > UNTIMED_SHARE {
        doubts.push(format!(
            "the observer lost its watch: {} ({}) could not be timed",
            counted(untimed, "change", "changes"),
            Unit::Fraction.words(share)
        ));
    }
    if summary.kubernetes.starved > 0 {
        doubts.push(format!(
            "{STARVED}: {} had not come or gone when the next scaling was due",
            counted(summary.kubernetes.starved, "endpoint", "endpoints")
        ));
    }
    doubts.extend(too_slow_by_itself(criteria, summary));
    if summary.target.restarts > 0 && criteria.target.restarts.is_none() {
        doubts.push(format!(
            "the target restarted {} though nobody asked it to",
            counted(summary.target.restarts, "time", "times")
        ));
    }
    let asks_target = judged
        .iter()
        .any(|j| j.name.starts_with("target.") || j.name == "sendTimeoutRate");
    if circumstances.target_is_judged && asks_target && summary.target.silent_judged > 0 {
        doubts.push(format!(
            "the target's metrics are judged and could not be read {}",
            counted(summary.target.silent_judged, "time", "times")
        ));
    }
    doubts
}

/// Which Services could not be judged, and what helps.
pub(super) fn unjudged(summary: &Summary) -> Vec<String> {
    let by_reason = summary.correctness.unjudged.iter();
    by_reason
        .map(|(reason, services)| {
            let count = services.len() as u64;
            let first = services.first().map(String::as_str).unwrap_or_default();
            let which = match count {
                1 => format!("the Service {first}"),
                _ => format!(
                    "{} (such as {first})",
                    counted(count, "Service", "Services")
                ),
            };
            format!("{which} could not be judged: {reason}; {}", reason.remedy())
        })
        .collect()
}

/// Whose fault it was that the generator was late, if hardly its own.
fn busy_otherwise(summary: &Summary) -> Option<String> {
    let cores = summary.generator.cpu_seconds? / summary.duration_seconds;
    (cores < IDLE_CORES).then(|| {
        format!(
            ", though it used {} itself: something else kept this machine busy; run it again when \
             that is done",
            Unit::Cores.words(cores)
        )
    })
}

/// The first limit from the intended instant that Kubernetes alone has used up: whatever the
/// target did after that, it could not have held it.
fn too_slow_by_itself(criteria: &Criteria, summary: &Summary) -> Option<String> {
    let limits = &criteria.end_to_end;
    let every = [("max", limits.every_client_within)];
    let all = limits.latency.each().into_iter().chain(every);
    let stage = |direction| summary.latency.get(Stage::Kubernetes, direction);
    all.filter_map(|(key, limit)| Some((key, limit?.as_secs_f64())))
        .flat_map(|(key, limit)| Direction::BOTH.map(|direction| (key, limit, direction)))
        .find_map(|(key, limit, direction)| {
            let (took, _) = stage(direction).quantile(key)?;
            (took > limit).then(|| {
                format!(
                    "{STARVED}: it took {} at {key} ({direction}) by itself, more than the {} that endToEnd allows",
                    Unit::Seconds.words(took),
                    Unit::Seconds.words(limit)
                )
            })
        })
}
