//! Each criterion against what was observed. A limit is held by values up to and including it.

use super::{Bound, Circumstances, Judged, Unit, latency};
use crate::model::{
    action::Direction,
    criteria::Criteria,
    recording::OWN_LIMIT,
    statistics::{HeapGrowth, Stage, Summary},
    words::{self, counted},
};

/// All criteria, in the order in which a reader cares.
pub(super) fn all(
    criteria: &Criteria,
    summary: &Summary,
    circumstances: Circumstances,
) -> Vec<Judged> {
    let mut judged = correctness(summary);
    judged.extend(latency::never(criteria, summary, circumstances));
    judged.extend(latency::latency(
        "updateLatency",
        Stage::Destination,
        &criteria.update_latency,
        criteria
            .every_client_within
            .map(|limit| ("everyClientWithin", limit)),
        summary,
        circumstances,
    ));
    judged.extend(latency::latency(
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
    // A direction in which nothing was planned is no criterion. What was seen of it all the same is.
    judged.retain(|it| {
        it.observed.is_some()
            || it
                .direction()
                .is_none_or(|direction| circumstances.plans(direction))
    });
    for it in &mut judged {
        it.optional = criteria.optional.contains(it.key())
            || it.is_latency() && !circumstances.latency_is_judged
            || it.name.starts_with("target.") && !circumstances.target_is_judged;
    }
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
    if judged.name == "never" {
        let both = Direction::BOTH.map(|it| summary.latency.get(Stage::Destination, it));
        return format!(
            "never: {} of {} never arrived ({}), more than the {} allowed",
            crate::model::words::count(both.iter().map(|it| it.never).sum()),
            counted(
                both.iter().map(|it| it.count).sum(),
                "delivery",
                "deliveries"
            ),
            judged.words(judged.observed.unwrap_or_default()),
            judged.words(judged.limit),
        );
    }
    if judged.name == "premature" {
        return format!(
            "premature: {} of an endpoint that Kubernetes had not changed",
            counted(summary.correctness.premature, "update", "updates")
        );
    }
    let observed = judged
        .observed
        .map_or_else(|| "nothing".to_owned(), |observed| judged.words(observed));
    let bound = if judged.censored { "at least " } else { "" };
    let relation = match judged.bound() {
        Bound::AtMost => "above the limit of",
        Bound::AtLeast => "below the limit of",
        Bound::Exactly => "not the wanted",
    };
    format!(
        "{}: {bound}{observed} in {} is {relation} {}",
        judged.name,
        judged.scope,
        judged.words(judged.limit)
    )
}

/// What streams hold at the end, and whether updates came before what they say.
fn correctness(summary: &Summary) -> Vec<Judged> {
    let seen = &summary.correctness;
    let premature = judged("premature", Unit::Count, 0.0, Some(count(seen.premature)));
    let mut wrong = judged(
        "correctness",
        Unit::Count,
        0.0,
        Some(count(seen.streams_wrong)),
    );
    if seen.streams_wrong == 0 && seen.streams_unjudged > 0 {
        // What is right elsewhere is no proof for these.
        wrong.held = None;
        wrong.scope = format!(
            "{} could not be judged",
            counted(seen.streams_unjudged, "stream", "streams")
        );
    } else if seen.streams_checked == 0 && summary.streams.requested > 0 {
        wrong = unjudged(
            "correctness",
            Unit::Count,
            0.0,
            "no stream was open at the end",
        );
    }
    vec![wrong, premature]
}

fn counts(criteria: &Criteria, summary: &Summary, circumstances: Circumstances) -> Vec<Judged> {
    let streams = summary.streams.requested.max(1);
    let share = |n: u64| count(n) / count(streams);
    let mut all = Vec::new();
    // Streams that this tool's own library ended are among them.
    let own = summary.streams.errors_by_code.get(OWN_LIMIT);
    let own = own.copied().unwrap_or_default();
    if let Some(limit) = criteria.unexpected_resets {
        let all_resets = summary.streams.unexpected_resets;
        let others = count(all_resets.saturating_sub(own));
        let resets = judged(
            "unexpectedResets",
            Unit::Count,
            count(limit),
            Some(count(all_resets)),
        );
        all.push(proven(resets, others));
    }
    if let Some(limit) = criteria.send_timeout_rate {
        // Every OK that nobody asked for may have been an overflow; the target's counter, where it
        // was read, says how many were at most. It counts other clients' streams too.
        let ended_ok = (summary.streams.unexpected_resets).saturating_sub(summary.streams.errors);
        let overflows = summary.target.overflows.map(|it| it.min(ended_ok));
        let uncounted = (!circumstances.target_is_judged).then_some(ended_ok);
        // However the target ends such a stream, there were no more of them than ended streams.
        let at_most = Some(summary.streams.unexpected_resets).filter(|&it| share(it) <= limit);
        let timeouts = (summary.target.send_timeouts.or(overflows))
            .or(uncounted)
            .or(at_most);
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
        let errors = judged("errorRate", Unit::Fraction, limit, observed);
        let others = share(summary.streams.errors.saturating_sub(own));
        all.push(proven(errors, others));
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
        limits
            .memory_growth_per_hour
            .map(|limit| growth_per_hour(limit, &seen.heap_growth)),
        limits
            .cpu_max
            .map(|limit| judged("target.cpuMax", Unit::Cores, limit, seen.cpu_max_cores)),
        views,
        limits.restarts.map(|limit| {
            let observed = seen.starts_known.then(|| count(seen.restarts));
            judged("target.restarts", Unit::Count, count(limit), observed)
        }),
    ];
    let whole = summary.cycles.iter().filter(|cycle| cycle.whole).count();
    all.into_iter()
        .flatten()
        .map(|judged| {
            let why = if !circumstances.target_is_judged {
                "the target's cost is not judged in virtual time or on the reference destination"
            } else if judged.observed.is_some() || judged.name == GROWTH_PER_HOUR && seen.samples > 0 {
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

/// The key of the limit of the heap's trend.
const GROWTH_PER_HOUR: &str = "target.memoryGrowthPerHour";

/// The trend of the live heap: violated if all of its confidence interval is above the limit, met
/// if none of it is.
fn growth_per_hour(limit: f64, growth: &HeapGrowth) -> Judged {
    let trend = judged(GROWTH_PER_HOUR, Unit::Fraction, limit, growth.per_hour);
    let windows = counted(u64::from(growth.windows), "window", "windows");
    let hours = words::span(growth.hours * 3_600.0);
    match (growth.low_per_hour, growth.high_per_hour) {
        (Some(low), Some(high)) if trend.observed.is_some() => {
            let held = if high <= limit {
                Some(true)
            } else if low > limit {
                Some(false)
            } else {
                None
            };
            let interval = format!(
                "{} to {}",
                Unit::Fraction.words(low),
                Unit::Fraction.words(high)
            );
            let scope = match held {
                Some(_) => format!("{windows} over {hours} ({interval})"),
                None => format!("the interval over {hours}, {interval}, includes the limit"),
            };
            Judged {
                held,
                scope,
                ..trend
            }
        }
        _ => unjudged(
            GROWTH_PER_HOUR,
            Unit::Fraction,
            limit,
            &format!(
                "a trend needs an hour of equal load, from ten minutes after all streams are open, and \
                 the target's memory was seen for {hours} of it in {windows}"
            ),
        ),
    }
}

/// What was observed includes what this tool may have caused itself: it is violated only if what
/// others caused alone is above the limit.
fn proven(judged: Judged, others: f64) -> Judged {
    if judged.held != Some(false) || others > judged.limit {
        return judged;
    }
    Judged {
        held: None,
        scope: "this tool's own HTTP/2 library ended some of these streams".to_owned(),
        ..judged
    }
}

/// A limit that is held by values up to and including it. What is no number was not observed.
pub(super) fn judged(name: &str, unit: Unit, limit: f64, observed: Option<f64>) -> Judged {
    let observed = observed.filter(|observed| observed.is_finite());
    Judged {
        name: name.to_owned(),
        unit,
        limit,
        observed,
        censored: false,
        held: observed.map(|observed| observed <= limit),
        scope: "the run".to_owned(),
        optional: false,
    }
}

pub(super) fn unjudged(name: &str, unit: Unit, limit: f64, why: &str) -> Judged {
    Judged {
        held: None,
        scope: why.to_owned(),
        ..judged(name, unit, limit, None)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(super) const fn count(n: u64) -> f64 {
    n as f64
}
