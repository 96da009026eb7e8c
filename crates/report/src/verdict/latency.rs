//! Latency limits against what is known of quantiles, which are bounds where deliveries are censored.

use std::time::Duration;

use dst_load_recording::statistics::{
    Bounds, Latency, LatencySummary, Stage, StageSummary, Summary,
};
use dst_load_scenario::{action::Direction, criteria::Unit, words::counted};

use super::{
    Judged,
    judge::count,
    observation::{Asked, THE_RUN},
};

/// Why a limit is not met though all deliveries were within it.
pub(super) const BETWEEN_TRIES: &str =
    "streams that were between two tries waited longer for a Service's first endpoints";

/// Why no time is judged through a port-forward.
pub(super) const FORWARDED: &str = "latency through a port-forward is the forward's too";

/// A quantile of one stage, for additions and removals each.
pub(super) fn judge(asked: &Asked<'_>, stage: Stage, quantile: &str) -> Vec<Judged> {
    let limit = Duration::from_secs_f64(asked.limit);
    let judged = Direction::BOTH.map(|direction| {
        let pick = |stages: &StageSummary| stages.get(stage, direction).clone();
        let mut judged = Judged {
            name: asked.name(Some(direction)),
            ..worst(asked, quantile, limit, pick)
        };
        if !asked.circumstances.latency_is_judged {
            judged.met = None;
            FORWARDED.clone_into(&mut judged.scope);
        } else if direction == Direction::Add
            && judged.met == Some(true)
            && !asked.first_endpoint_is_judged
            && missed_first_endpoints(quantile, limit, asked.summary, stage)
        {
            judged.met = None;
            BETWEEN_TRIES.clone_into(&mut judged.scope);
        }
        judged
    });
    judged.into()
}

/// The longest time that a stream was without a Service's first endpoint. One that never had one was
/// without for longer than is known.
pub(super) fn first_endpoint(asked: &Asked<'_>) -> Option<Judged> {
    let waited = &asked.summary.streams.first_endpoint;
    let Some(Bounds { at_least, at_most }) = waited.bounds("max") else {
        return Some(asked.unjudged("no Service got its first endpoint while streams had none"));
    };
    let highest = Latency::resolved(Duration::from_secs_f64(asked.limit)).as_secs_f64();
    let met = if at_least > highest {
        Some(false)
    } else {
        at_most.is_some_and(|most| most <= highest).then_some(true)
    };
    let scope = match met {
        Some(_) => THE_RUN.to_owned(),
        None => format!(
            "{} had none before the endpoints were gone again, or the run ended",
            counted(waited.censored, "stream", "streams")
        ),
    };
    Some(Judged {
        met,
        censored: at_most.is_none(),
        scope,
        ..asked.seen(at_least)
    })
}

/// Whether so many streams waited longer than the limit for a Service's first endpoints, between
/// two tries, that the quantile over them too may not be within it, in the run or in a cycle.
fn missed_first_endpoints(
    quantile: &str,
    limit: Duration,
    summary: &Summary,
    stage: Stage,
) -> bool {
    let waited = &summary.streams.reconnect_gap;
    let limit = Latency::resolved(limit).as_secs_f64();
    // They waited from when it was visible.
    let before = match stage {
        Stage::EndToEnd => summary.latency.kubernetes.add.max_seconds,
        _ => None,
    };
    let longest = |max: f64| max + before.unwrap_or_default();
    let longer = waited.censored > 0 || waited.max_seconds.is_some_and(|max| longest(max) > limit);
    if !longer || stage == Stage::Kubernetes {
        return false;
    }
    // In which cycle they waited is not known: it may have been any.
    let cycles = summary.cycles.iter().filter(|cycle| cycle.whole);
    let mut stages = cycles.map(|it| &it.latency).chain([&summary.latency]);
    stages.any(|stages| {
        let added = stages.get(stage, Direction::Add);
        may_exceed(quantile, limit, added, waited.count)
    })
}

/// Whether the quantile over these deliveries and so many more may be beyond the limit.
fn may_exceed(quantile: &str, limit: f64, added: &LatencySummary, more: u64) -> bool {
    let within = |key: &str| {
        let bounds = added.bounds(key);
        bounds.is_some_and(|it| it.at_most.is_some_and(|most| most <= limit))
    };
    let share = |key: &str| {
        let quantiles = LatencySummary::QUANTILES.into_iter();
        quantiles
            .rev()
            .find(|&(name, _)| name == key)
            .map_or(1.0, |(_, q)| q)
    };
    // What is known to be within the limit of those that stood, and what that leaves.
    let best = LatencySummary::QUANTILES.into_iter().rev();
    let best = best.filter(|&(key, _)| within(key)).map(|(_, q)| q).next();
    let (stood, all) = (count(added.count), count(added.count + more));
    let beyond = stood * (1.0 - best.unwrap_or_default()) + count(more);
    beyond > all * (1.0 - share(quantile))
}

/// The worst of a quantile over the run and each whole cycle: above the limit if it is in one of
/// them, within it if it is in all.
fn worst(
    asked: &Asked<'_>,
    quantile: &str,
    limit: Duration,
    pick: impl Fn(&StageSummary) -> LatencySummary,
) -> Judged {
    // What cannot be told apart from the limit holds it.
    let highest = Latency::resolved(limit).as_secs_f64();
    let summary = asked.summary;
    let cycles = summary
        .cycles
        .iter()
        .filter(|cycle| cycle.whole)
        .map(|cycle| (format!("cycle {}", cycle.cycle), &cycle.latency));
    let seen: Vec<_> = std::iter::once(("the run".to_owned(), &summary.latency))
        .chain(cycles)
        .filter_map(|(scope, stages)| Some((scope, pick(stages).bounds(quantile)?)))
        .collect();
    let is_exact = |bounds: &Bounds| bounds.at_most == Some(bounds.at_least);
    let met = if seen.iter().any(|(_, it)| it.at_least > highest) {
        Some(false)
    } else if seen
        .iter()
        .all(|(_, it)| it.at_most.is_some_and(|most| most <= highest))
    {
        Some(true)
    } else {
        None
    };
    // The last of equals would be a cycle; the run comes first and stays.
    let rank = |bounds: &Bounds| match met {
        // What is uncertain is what keeps it from being judged.
        None => (bounds.at_most.unwrap_or(f64::INFINITY), bounds.at_least),
        Some(_) => (bounds.at_least, bounds.at_most.unwrap_or(f64::INFINITY)),
    };
    let worst = seen.into_iter().reduce(|worst, next| {
        let beats = rank(&next.1) > rank(&worst.1);
        if beats { next } else { worst }
    });
    let Some((scope, bounds)) = worst else {
        return asked.unjudged("no delivery was counted");
    };
    let judged = Judged {
        met,
        censored: !is_exact(&bounds),
        scope,
        ..asked.seen(bounds.at_least)
    };
    if met.is_some() {
        return judged;
    }
    Judged {
        scope: format!(
            "in {} some states ended before they were received, and it may be {}",
            judged.scope,
            bounds
                .at_most
                .map_or_else(|| "more".to_owned(), |most| Unit::Seconds.words(most))
        ),
        ..judged
    }
}
