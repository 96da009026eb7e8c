//! Each criterion against what was observed. A limit is held by values up to and including it.

use std::time::Duration;

use super::{Circumstances, Judged, Unit};
use crate::model::{
    criteria::{Criteria, QuantileLimits},
    endpoint::Direction,
    statistics::{Latency, LatencySummary, Stage, StageSummary, Summary},
};

/// All criteria, in the order in which a reader cares.
pub(super) fn all(
    criteria: &Criteria,
    summary: &Summary,
    circumstances: Circumstances,
) -> Vec<Judged> {
    let mut judged = correctness(summary);
    judged.extend(latency(
        "updateLatency",
        Stage::Destination,
        &criteria.update_latency,
        criteria
            .every_client_within
            .map(|limit| ("everyClientWithin", limit)),
        summary,
        circumstances,
    ));
    judged.extend(latency(
        "endToEnd",
        Stage::EndToEnd,
        &criteria.end_to_end.latency,
        criteria
            .end_to_end
            .every_client_within
            .map(|limit| ("endToEnd.everyClientWithin", limit)),
        summary,
        circumstances,
    ));
    judged.extend(counts(criteria, summary, circumstances));
    judged.extend(target(criteria, summary, circumstances));
    judged
}

/// Why a criterion that did not hold did not.
pub(super) fn reason(judged: &Judged, summary: &Summary) -> String {
    if judged.name == "correctness" {
        let c = &summary.correctness;
        let words = crate::model::words::count;
        let example = c
            .examples
            .first()
            .map_or_else(String::new, |example| format!("; for example {example}"));
        return format!(
            "correctness: {} of {} streams hold other than they were promised ({} missing, {} stale, {} unexpected){example}",
            words(c.streams_wrong),
            words(c.streams_checked),
            words(c.missing),
            words(c.stale),
            words(c.unexpected)
        );
    }
    let observed = judged
        .observed
        .map_or_else(|| "nothing".to_owned(), |observed| judged.words(observed));
    let bound = if judged.censored { "at least " } else { "" };
    let relation = if judged.name == "throughputMin" {
        "below"
    } else {
        "above"
    };
    format!(
        "{}: {bound}{observed} in {} is {relation} the limit of {}",
        judged.name,
        judged.scope,
        judged.words(judged.limit)
    )
}

fn correctness(summary: &Summary) -> Vec<Judged> {
    let wrong = summary.correctness.streams_wrong;
    let mut judged = judged("correctness", Unit::Count, 0.0, Some(count(wrong)));
    if wrong == 0 && summary.correctness.streams_unjudged > 0 {
        judged.held = None;
        judged.scope = format!(
            "{} could not be judged",
            crate::model::words::counted(summary.correctness.streams_unjudged, "stream", "streams")
        );
    }
    vec![judged]
}

/// The quantiles of one stage, for additions and removals each, and the time for every client.
fn latency(
    key: &str,
    stage: Stage,
    limits: &QuantileLimits,
    every: Option<(&str, Duration)>,
    summary: &Summary,
    circumstances: Circumstances,
) -> Vec<Judged> {
    let quantiles = limits
        .each()
        .into_iter()
        .filter_map(|(quantile, limit)| Some((format!("{key}.{quantile}"), quantile, limit?)));
    let every = every.map(|(name, limit)| (name.to_owned(), "max", limit));
    let mut judged = Vec::new();
    for (name, quantile, limit) in quantiles.chain(every) {
        for direction in Direction::BOTH {
            judged.push(worst(
                &format!("{name} ({direction})"),
                quantile,
                limit,
                summary,
                |stages| stages.get(stage, direction),
            ));
        }
    }
    if !circumstances.latency_is_judged {
        for judged in &mut judged {
            judged.held = None;
            "latency through a port-forward is the forward's too".clone_into(&mut judged.scope);
        }
    }
    judged
}

/// The worst of a quantile over the run and each whole cycle.
fn worst<'a>(
    name: &str,
    quantile: &str,
    limit: Duration,
    summary: &'a Summary,
    pick: impl Fn(&'a StageSummary) -> &'a LatencySummary,
) -> Judged {
    // What cannot be told apart from the limit holds it.
    let highest = Latency::resolved(limit).as_secs_f64();
    let limit = limit.as_secs_f64();
    let cycles = summary
        .cycles
        .iter()
        .filter(|cycle| cycle.whole)
        .map(|cycle| (format!("cycle {}", cycle.cycle), &cycle.latency));
    let seen = std::iter::once(("the run".to_owned(), &summary.latency))
        .chain(cycles)
        .filter_map(|(scope, stages)| {
            let (value, censored) = pick(stages).quantile(quantile)?;
            Some((scope, value, censored))
        });
    // The last of equals would be a cycle; the run comes first and stays.
    let worst = seen.reduce(|worst, next| {
        let beats = (next.2, next.1) > (worst.2, worst.1);
        if beats { next } else { worst }
    });
    match worst {
        // What lies among deliveries that never arrived fails any limit up to the deadline, and
        // says nothing of a limit beyond.
        Some((scope, value, true)) if value < limit => Judged {
            held: None,
            censored: true,
            scope: format!(
                "the deadline is shorter than the limit, and in {scope} some never arrived"
            ),
            ..self::judged(name, Unit::Seconds, limit, Some(value))
        },
        Some((scope, value, censored)) => Judged {
            held: Some(!censored && value <= highest),
            censored,
            scope,
            ..self::judged(name, Unit::Seconds, limit, Some(value))
        },
        None => unjudged(name, Unit::Seconds, limit, "no delivery was counted"),
    }
}

fn counts(criteria: &Criteria, summary: &Summary, circumstances: Circumstances) -> Vec<Judged> {
    let streams = summary.streams.requested.max(1);
    let share = |n: u64| count(n) / count(streams);
    let mut all = Vec::new();
    if let Some(limit) = criteria.unexpected_resets {
        let observed = Some(count(summary.streams.unexpected_resets));
        all.push(judged(
            "unexpectedResets",
            Unit::Count,
            count(limit),
            observed,
        ));
    }
    if let Some(limit) = criteria.send_timeout_rate {
        // Every OK that nobody asked for may have been an overflow; the target's counter, where it
        // was read, says how many were at most. It counts other clients' streams too.
        let ended_ok = (summary.streams.unexpected_resets).saturating_sub(summary.streams.errors);
        let overflows = summary.target.overflows.map(|it| it.min(ended_ok));
        let uncounted = (!circumstances.target_is_judged).then_some(ended_ok);
        let timeouts = summary.target.send_timeouts.or(overflows).or(uncounted);
        all.push(match timeouts {
            Some(timeouts) => judged(
                "sendTimeoutRate",
                Unit::Fraction,
                limit,
                Some(share(timeouts)),
            ),
            None => unjudged(
                "sendTimeoutRate",
                Unit::Fraction,
                limit,
                "the target's counters were not read",
            ),
        });
    }
    if let Some(limit) = criteria.error_rate {
        let observed = Some(share(summary.streams.errors));
        all.push(judged("errorRate", Unit::Fraction, limit, observed));
    }
    if let Some(limit) = criteria.redundant {
        let observed = Some(count(summary.correctness.redundant));
        all.push(judged("redundant", Unit::Count, count(limit), observed));
    }
    if let Some(limit) = criteria.throughput_min {
        all.push(match summary.updates.deliveries_per_second {
            Some(rate) => Judged {
                held: Some(rate >= limit),
                ..judged("throughputMin", Unit::PerSecond, limit, Some(rate))
            },
            None => unjudged(
                "throughputMin",
                Unit::PerSecond,
                limit,
                "no delivery was counted",
            ),
        });
    }
    all
}

fn target(criteria: &Criteria, summary: &Summary, circumstances: Circumstances) -> Vec<Judged> {
    let limits = &criteria.target;
    let seen = &summary.target;
    let growth = || {
        let floors: Vec<f64> = summary
            .cycles
            .iter()
            .filter(|cycle| cycle.whole)
            .filter_map(|cycle| cycle.heap_floor_bytes)
            .collect();
        let (first, later) = floors.split_first()?;
        // What is gone a cycle later was garbage: one collection in a low hold need not come late
        // enough to take all of it. So two cycles in a row must show a growth, if there are two.
        let kept = later.windows(later.len().clamp(1, 2)).map(|pair| {
            let least = pair.iter().copied().min_by(f64::total_cmp);
            least.unwrap_or(*first) / first - 1.0
        });
        kept.max_by(f64::total_cmp)
    };
    let spike = || {
        Some(count(
            seen.peak_rss_bytes?.saturating_sub(seen.idle_rss_bytes?),
        ))
    };
    let views = limits.views_active.map(|wanted| {
        let observed = seen
            .views_active
            .map(|(low, high)| if low == wanted { high } else { low });
        Judged {
            held: observed.map(|observed| observed == wanted),
            ..judged(
                "target.viewsActive",
                Unit::Count,
                count(wanted),
                observed.map(count),
            )
        }
    });
    let all = [
        limits.memory_max.map(|limit| {
            judged(
                "target.memoryMax",
                Unit::Bytes,
                count(limit),
                seen.peak_rss_bytes.map(count),
            )
        }),
        limits
            .memory_spike
            .map(|limit| judged("target.memorySpike", Unit::Bytes, count(limit), spike())),
        limits.memory_growth_per_cycle.map(|limit| {
            judged(
                "target.memoryGrowthPerCycle",
                Unit::Fraction,
                limit,
                growth(),
            )
        }),
        limits.memory_growth_per_hour.map(|limit| {
            judged(
                "target.memoryGrowthPerHour",
                Unit::Fraction,
                limit,
                seen.heap_growth_per_hour,
            )
        }),
        limits
            .cpu_max
            .map(|limit| judged("target.cpuMax", Unit::Cores, limit, seen.cpu_max_cores)),
        views,
        limits.restarts.map(|limit| {
            let observed = (seen.samples > 0).then(|| count(seen.restarts));
            judged("target.restarts", Unit::Count, count(limit), observed)
        }),
    ];
    let whole = summary.cycles.iter().filter(|cycle| cycle.whole).count();
    all.into_iter()
        .flatten()
        .map(|judged| {
            let why = if !circumstances.target_is_judged {
                "the target's cost is not judged in virtual time or on the reference destination"
            } else if judged.observed.is_some() {
                return judged;
            } else if seen.samples == 0 {
                "the target's metrics were not read"
            } else {
                match judged.name.as_str() {
                    "target.memoryGrowthPerCycle" if whole < 2 => {
                        "fewer than two cycles were whole"
                    }
                    "target.memoryGrowthPerCycle" if seen.peak_rss_bytes.is_some() => {
                        "the target collected no garbage in the low holds of two cycles: use longer ones"
                    }
                    "target.memoryGrowthPerHour" => "the run was too short to see growth",
                    "target.memorySpike" if seen.peak_rss_bytes.is_some() => {
                        "there was no idle baseline before the first cycle"
                    }
                    _ => "the target has no such metric",
                }
            };
            unjudged(&judged.name, judged.unit, judged.limit, why)
        })
        .collect()
}

fn judged(name: &str, unit: Unit, limit: f64, observed: Option<f64>) -> Judged {
    Judged {
        name: name.to_owned(),
        unit,
        limit,
        observed,
        censored: false,
        held: observed.map(|observed| observed <= limit),
        scope: "the run".to_owned(),
    }
}

fn unjudged(name: &str, unit: Unit, limit: f64, why: &str) -> Judged {
    Judged {
        held: None,
        scope: why.to_owned(),
        ..judged(name, unit, limit, None)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
const fn count(n: u64) -> f64 {
    n as f64
}
