//! What is doubtful about a run.

use dst_load_recording::{
    recording::{OWN_LIMIT, OWN_SOCKETS},
    statistics::{Stage, Summary},
};
use dst_load_scenario::{
    criteria::{Criteria, Criterion, Unit},
    words::counted,
};

use super::{
    Circumstances, Ended, Judged,
    doubt::{Doubt, Voids},
    merged,
    observation::Source,
    observer,
};

/// How the doubts begin that are about this tool and its machine.
pub(crate) const GENERATOR: &str = "the generator was the bottleneck";
/// How those begin that are about Kubernetes.
pub(crate) const STARVED: &str = "Kubernetes starved the plan";
/// Generator and observer may be late by this share of the smallest latency limit.
pub(super) const LAG_SHARE: f64 = 0.2;
/// The generator may be this late where no latency is judged, seconds.
const LAG_WITHOUT_LIMIT: f64 = 0.1;
/// A generator that used less than this over a run was hardly late by its own work, cores.
const IDLE_CORES: f64 = 0.1;
/// The share of changes that a relist may leave untimed.
const UNTIMED_SHARE: f64 = 0.01;

/// What is doubtful about the run, most important first; empty if nothing is.
pub(super) fn doubts(
    criteria: &Criteria,
    summary: &Summary,
    circumstances: Circumstances,
    judged: &[Judged],
) -> Vec<Doubt> {
    let mut doubts: Vec<_> = unfinished(circumstances.ended).into_iter().collect();
    doubts.extend(unobserved(summary, circumstances));
    doubts.extend(late_generator(criteria, summary, circumstances));
    if let Some(&streams) = summary.streams.errors_by_code.get(OWN_LIMIT) {
        doubts.push(Doubt {
            voids: Voids::Timing,
            short: "the generator's own HTTP/2 library ended streams",
            words: format!(
                "{GENERATOR}: its own HTTP/2 library ended {}, whose connection had too many small frames unread",
                counted(streams, "stream", "streams")
            ),
        });
    }
    if let Some(&streams) = summary.streams.errors_by_code.get(OWN_SOCKETS) {
        doubts.push(Doubt {
            voids: Voids::Timing,
            short: "this machine had no sockets for streams",
            words: format!(
                "{GENERATOR}: this machine had no socket for {}; raise its \
                 limits (open files, local ports)",
                counted(streams, "stream", "streams")
            ),
        });
    }
    doubts.extend(observer::doubts(criteria, summary, circumstances));
    let untimed = summary.kubernetes.untimed_changes;
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let share = untimed as f64 / (summary.fan_out.changes + untimed).max(1) as f64;
    if share > UNTIMED_SHARE {
        doubts.push(Doubt {
            voids: Voids::Timing,
            short: "the observer lost its watch",
            words: format!(
                "the observer lost its watch: {} ({}) could not be timed",
                counted(untimed, "change", "changes"),
                Unit::Fraction.words(share)
            ),
        });
    }
    // What a blind observer did not see is no sign of Kubernetes being late.
    if summary.kubernetes.starved > 0 && !summary.observer.is_blind() {
        doubts.push(Doubt::of_a_pass(format!(
            "{STARVED}: {} had not been added or removed when the next scaling was due",
            counted(summary.kubernetes.starved, "endpoint", "endpoints")
        )));
    }
    doubts.extend(merged::doubts(summary).into_iter().map(Doubt::of_a_pass));
    doubts.extend(too_slow_by_itself(summary, judged));
    if summary.target.restarts > 0 && criteria.limit(Criterion::TargetRestarts).is_none() {
        doubts.push(Doubt::of_a_pass(format!(
            "the target restarted {} unexpectedly",
            counted(summary.target.restarts, "time", "times")
        )));
    }
    if circumstances.target_is_judged && asks_target(judged) {
        doubts.extend(unread_metrics(summary));
        doubts.extend(unread_replicas(summary));
        doubts.extend(unnamed_replicas(summary));
    }
    doubts.extend(unjudged(summary));
    doubts
}

/// Which Services could not be judged, and what helps.
fn unjudged(summary: &Summary) -> impl Iterator<Item = Doubt> {
    summary
        .correctness
        .unjudged
        .iter()
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
            Doubt::of_a_pass(format!(
                "{which} could not be judged: {reason}; {}",
                reason.remedy()
            ))
        })
}

/// That the run has not come to its end.
fn unfinished(ended: Ended) -> Option<Doubt> {
    let (voids, words) = match ended {
        // The report says why it spared its target.
        Ended::AsPlanned => return None,
        Ended::Spared => (Voids::Nothing, "the run did not come to its end"),
        Ended::Interrupted => (
            Voids::Everything,
            "the run was interrupted before its plan ended",
        ),
        Ended::CutOff => (Voids::Everything, "the run did not come to its end"),
        Ended::NotYet => (Voids::Nothing, "the run has not ended yet"),
    };
    Some(Doubt {
        voids,
        short: words,
        words: words.to_owned(),
    })
}

/// That streams or changes were to be seen and none was.
fn unobserved(summary: &Summary, circumstances: Circumstances) -> Option<Doubt> {
    if !summary.correctness.unjudged.is_empty() {
        // That is said by itself.
        return None;
    }
    let streams = &summary.streams;
    // A stream of a Service without endpoints is right without a message, if it stays open.
    let refused = streams.errors > 0 || !streams.connection_errors.is_empty();
    let what = if streams.requested > 0 && summary.correctness.streams_checked == 0 {
        "no stream was open at the end"
    } else if streams.requested > 0 && summary.updates.messages == 0 && refused {
        "no stream received anything, and attempts to open them failed"
    } else if circumstances.planned.any() && summary.fan_out.changes == 0 {
        "no change reached the observer while streams were open"
    } else {
        return None;
    };
    Some(Doubt::of_a_pass(format!("nothing was observed: {what}")))
}

/// That the generator read late what came in time.
fn late_generator(
    criteria: &Criteria,
    summary: &Summary,
    circumstances: Circumstances,
) -> Option<Doubt> {
    let lag = summary.generator.loop_lag_p99_seconds?;
    let limit = criteria
        .smallest_latency_limit()
        .filter(|_| circumstances.latency_is_judged)
        .map_or(LAG_WITHOUT_LIMIT, |limit| limit.as_secs_f64() * LAG_SHARE);
    (lag > limit).then(|| Doubt {
        voids: Voids::Timing,
        short: "the generator was late",
        words: format!(
            "{GENERATOR}: its event loop was {} late at p99, more than the {} that these limits allow{}",
            Unit::Seconds.words(lag),
            Unit::Seconds.words(limit),
            busy_otherwise(summary).unwrap_or_default()
        ),
    })
}

/// Whether something that has to be judged rests on the target's metrics.
fn asks_target(judged: &[Judged]) -> bool {
    (judged.iter()).any(|it| it.observation().is_of_target() && !it.optional)
}

/// That the target's metrics could not always be read.
fn unread_metrics(summary: &Summary) -> Option<Doubt> {
    let times = summary.target.silent_judged;
    (times > 0).then(|| Doubt {
        voids: Voids::Target,
        short: "the target's metrics could not always be read",
        words: format!(
            "the target's metrics are judged and could not be read {}",
            counted(times, "time", "times")
        ),
    })
}

/// That replicas came whose metrics were not read.
fn unread_replicas(summary: &Summary) -> Option<Doubt> {
    let unread = &summary.target.replicas_unread;
    let count = unread.len() as u64;
    (count > 0).then(|| Doubt {
        voids: Voids::TargetInPart,
        short: "the metrics of replicas that came were not read",
        words: format!(
            "the target's metrics are judged, and were not read of {} that came during the run: {}; \
             start the run when all replicas are there",
            counted(count, "replica", "replicas"),
            unread.join(", ")
        ),
    })
}

/// That fewer metrics were named than there are replicas.
fn unnamed_replicas(summary: &Summary) -> Option<Doubt> {
    let count = summary.target.replicas_unnamed;
    (count > 0).then(|| Doubt {
        voids: Voids::TargetInPart,
        short: "the metrics of some replicas were not named",
        words: format!(
            "the target's metrics are judged, and were not named of {}; give --destination-metrics for \
             each",
            counted(count, "replica", "replicas")
        ),
    })
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

/// The limits from the intended instant that Kubernetes alone has used up: whatever the target did
/// after that, it could not have held them.
fn too_slow_by_itself(summary: &Summary, judged: &[Judged]) -> Option<Doubt> {
    let used_up = judged.iter().filter_map(|judged| {
        let Source::Latency(Stage::EndToEnd, quantile) = judged.observation().source else {
            return None;
        };
        let direction = judged.name.direction?;
        let stage = summary.latency.get(Stage::Kubernetes, direction);
        let (took, _) = stage.quantile(quantile)?;
        (took > judged.limit).then(|| {
            let words = format!(
                "{STARVED}: it took {} at {quantile} ({direction}) by itself, more than the {} that endToEnd allows",
                Unit::Seconds.words(took),
                Unit::Seconds.words(judged.limit)
            );
            (judged.name, words)
        })
    });
    let (names, words): (Vec<_>, Vec<_>) = used_up.unzip();
    Some(Doubt {
        voids: Voids::Named(names),
        short: "Kubernetes used up the limit by itself",
        words: words.into_iter().next()?,
    })
}
