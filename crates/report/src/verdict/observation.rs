//! What is observed for each criterion, what its proof rests on, what would make it judgeable where
//! it could not be judged, and what to try where it is violated.
//!
//! The match of [`observation`] has no wildcard: a criterion without one of them does not compile.

use dst_load_recording::{
    recording::OWN_LIMIT,
    statistics::{Stage, Summary},
};
use dst_load_scenario::{
    action::Direction,
    criteria::{Criterion, Unit},
    words::{self, counted},
};

use super::{Circumstances, Judged, Name, judge::count, latency};

/// What there is to know of a criterion beside its definition.
pub(crate) struct Observation {
    /// How it is observed, and so what its proof rests on.
    pub(super) source: Source,
    /// What makes it judgeable next time.
    pub(super) remedy: Remedy,
    /// What to try where it is violated.
    pub(crate) advice: Advice,
}

/// How a criterion is observed.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// From what streams hold at the end.
    EndState(Observe),
    /// From the order in which events came.
    Order(Observe),
    /// As a quantile, by its key, of a stage's latencies; additions and removals each.
    Latency(Stage, &'static str),
    /// As the longest time that a stream waited.
    Wait(Observe),
    /// As a number over the time that it took.
    Rate(Observe),
    /// From how streams ended.
    Streams(Observe),
    /// From how streams ended, and the target's counters.
    StreamsAndTarget(Observe),
    /// From the target's metrics.
    Target {
        /// What they say.
        observe: Observe,
        /// Whether a value beyond the limit is proof, whatever was not seen.
        violation_stands: bool,
    },
}

/// Judges a criterion; none if there was nothing to judge.
type Observe = fn(&Asked<'_>) -> Option<Judged>;

/// Says what makes a criterion judgeable; of the target's, where its metrics were read.
type Remedy = fn(&Judged, &Summary) -> &'static str;

/// What to try where a criterion is violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// What follows from the streams that were wrong, which is said of every run with some.
    WrongStreams,
    /// What follows from the slowest change and the target's CPU.
    Slow,
    /// What follows from how streams ended.
    Resets,
    /// This, whatever else was found.
    Words(&'static str),
    /// Nothing beyond what the reason says.
    Nothing,
}

/// A criterion, its limit, and the run that it is judged in.
pub(super) struct Asked<'a> {
    pub(super) criterion: Criterion,
    /// In the criterion's unit.
    pub(super) limit: f64,
    pub(super) summary: &'a Summary,
    pub(super) circumstances: Circumstances,
    /// Whether the time until streams had a Service's first endpoint is judged by itself.
    pub(super) first_endpoint_is_judged: bool,
}

/// What is observed for `criterion`.
pub(crate) const fn observation(criterion: Criterion) -> Observation {
    match criterion {
        Criterion::Correctness => Observation {
            source: Source::EndState(wrong_streams),
            remedy: |_, _| "keep streams open until the end",
            advice: Advice::WrongStreams,
        },
        Criterion::Premature => Observation {
            source: Source::Order(|it| Some(it.seen(count(it.summary.correctness.premature)))),
            remedy: more_changes,
            advice: Advice::Nothing,
        },
        Criterion::Never => Observation {
            source: Source::Order(never),
            remedy: more_changes,
            advice: Advice::Nothing,
        },
        Criterion::UpdateLatencyP50 => update_latency("p50"),
        Criterion::UpdateLatencyP95 => update_latency("p95"),
        Criterion::UpdateLatencyP99 => update_latency("p99"),
        Criterion::UpdateLatencyP999 => update_latency("p999"),
        Criterion::UpdateLatencyMax | Criterion::EveryClientWithin => update_latency("max"),
        Criterion::FirstEndpoint => Observation {
            source: Source::Wait(latency::first_endpoint),
            remedy: |judged, _| match judged.observed {
                None => "scale a Service from zero while streams are open",
                Some(_) => "hold endpoints for longer than the limit, also at the end of the plan",
            },
            advice: Advice::Words(
                "Streams were without a Service's first endpoint for longer than asked for. Of those \
                 that were between two tries (*As a proxy*) this is a proxy's backoff, and not the \
                 controller's latency: to a Service without endpoints the controller answers with \
                 silence, and a proxy tries again after 3 s, and then ever later. The other streams' \
                 time is the controller's: updateLatency limits it.",
            ),
        },
        Criterion::Retained => Observation {
            source: Source::Wait(retained),
            remedy: |judged, _| match (judged.observed, judged.scope.as_str()) {
                (Some(_), _) => "end the plan with endpoints in every Service",
                (None, NOTHING_KEPT) => "run until streams that have endpoints are opened again",
                (None, _) => "run again with client.lifecycle: proxy",
            },
            advice: Advice::Words(
                "Streams kept endpoints that were gone while they were opened again. That is a proxy's \
                 rule, and not what the controller sent: to a Service that has become empty the \
                 controller answers with silence, and a proxy keeps what it had until the first add. \
                 Look at why streams ended; a controller that answers with `NoEndpoints` ends it.",
            ),
        },
        Criterion::EndToEndP50 => end_to_end("p50"),
        Criterion::EndToEndP95 => end_to_end("p95"),
        Criterion::EndToEndP99 => end_to_end("p99"),
        Criterion::EndToEndP999 => end_to_end("p999"),
        Criterion::EndToEndMax | Criterion::EndToEndEveryClientWithin => end_to_end("max"),
        Criterion::UnexpectedResets => Observation {
            source: Source::Streams(|it| {
                let resets = it.summary.streams.unexpected_resets;
                Some(it.proven(count(resets), count(resets.saturating_sub(it.own_resets()))))
            }),
            remedy: |_, _| IDLE_MACHINE,
            advice: Advice::Resets,
        },
        Criterion::SendTimeoutRate => Observation {
            source: Source::StreamsAndTarget(send_timeouts),
            remedy: |_, _| OTHER_BUILD,
            advice: Advice::Resets,
        },
        Criterion::ErrorRate => Observation {
            source: Source::Streams(|it| {
                let errors = it.summary.streams.errors;
                let others = errors.saturating_sub(it.own_resets());
                Some(it.proven(it.share(errors), it.share(others)))
            }),
            remedy: |_, _| IDLE_MACHINE,
            advice: Advice::Words(
                "Streams ended with errors: the codes are beside the streams above; look for them in \
                 the controller's log (`kubectl logs -c destination`).",
            ),
        },
        Criterion::Redundant => Observation {
            source: Source::Order(|it| Some(it.seen(count(it.summary.correctness.redundant)))),
            remedy: more_changes,
            advice: Advice::Words(
                "Addresses that changed nothing, and that nothing explains, cost every proxy and the \
                 controller. Compare with a build that sends none, with the same seed.",
            ),
        },
        Criterion::UpdatesPerChangeMax => Observation {
            source: Source::Order(updates_per_change),
            remedy: |judged, seen| match (judged.scope.as_str(), seen.updates.due) {
                (_, None) => "measure changes of endpoints again, with this version",
                (MAY_BE_RESYNC, _) => "run until there are more changes for each ten minutes",
                (OBSERVER_WAS_LATE, _) => IDLE_MACHINE,
                _ => MORE_CHANGES,
            },
            advice: Advice::Words(
                "Streams received more messages than there were changes: each costs the controller \
                 and every proxy. Where redundant addresses were counted too, changes were sent \
                 again; else the controller sends one change in several messages.",
            ),
        },
        Criterion::ThroughputMin => Observation {
            source: Source::Rate(|it| {
                let rate = it.summary.updates.deliveries_per_second;
                Some(it.seen_or(rate, NO_DELIVERY))
            }),
            remedy: more_changes,
            advice: Advice::Words(
                "Fewer deliveries a second than asked for: look whether the controller's CPU was used \
                 up, or the streams' windows were full.",
            ),
        },
        Criterion::TargetMemoryMax => Observation {
            source: reading(|it| Some(it.metric(it.summary.target.peak_rss_bytes.map(count)))),
            remedy: |_, _| OTHER_BUILD,
            advice: TOO_MUCH_MEMORY,
        },
        Criterion::TargetMemorySpike => Observation {
            source: difference(memory_spike),
            remedy: |_, seen| match seen.target.peak_rss_bytes {
                Some(_) => "hold before the first cycle",
                None => OTHER_BUILD,
            },
            advice: TOO_MUCH_MEMORY,
        },
        Criterion::TargetMemoryGrowthPerCycle => Observation {
            source: difference(growth_per_cycle),
            remedy: |_, _| {
                "run two whole cycles or more, whose low holds have a garbage collection (every 2 \
                 minutes in Go)"
            },
            advice: Advice::Words(
                "Memory grew from one cycle to the next: take a heap profile at the end of two holds \
                 and compare them; repeat with more cycles to see whether it goes on.",
            ),
        },
        Criterion::TargetMemoryGrowthPerHour => Observation {
            source: difference(growth_per_hour),
            remedy: |_, _| "run for longer, 80 minutes or more",
            advice: Advice::Words(
                "Memory grew over the run: take two heap profiles at equal load and compare them; \
                 repeat for longer to see whether it goes on.",
            ),
        },
        Criterion::TargetCpuMax => Observation {
            source: reading(|it| Some(it.metric(it.summary.target.cpu_max_cores))),
            remedy: |_, _| OTHER_BUILD,
            advice: Advice::Words(
                "The controller used more CPU than asked for: below its limit latency holds, at it \
                 every change waits. Raise the request, or add a replica.",
            ),
        },
        Criterion::TargetViewsActive => Observation {
            source: reading(views_active),
            remedy: |_, _| OTHER_BUILD,
            advice: Advice::Words(
                "The number of views is not that of the streams: views that stay are a leak, views \
                 that lack are streams that are not served.",
            ),
        },
        Criterion::TargetRestarts => Observation {
            source: reading(|it| {
                let target = &it.summary.target;
                Some(it.metric(target.starts_known.then(|| count(target.restarts))))
            }),
            remedy: |_, _| OTHER_BUILD,
            advice: Advice::Words(
                "The controller restarted: `kubectl logs --previous -c destination` says why, and out \
                 of memory is in `kubectl describe pod`.",
            ),
        },
    }
}

/// Where what is not judged by cycles was seen.
pub(super) const THE_RUN: &str = "the run";
const NOT_AS_A_PROXY: &str = "it is not known what streams keep while they are opened again";
const NOTHING_KEPT: &str = "no stream that had endpoints was opened again";
const NO_DELIVERY: &str = "no delivery was counted";
const MORE_CHANGES: &str = "run until changes of endpoints have reached the streams";
/// Seconds that an event which explains a repetition may come after it, as the ledgers have it.
pub(super) const EXPLAINED_WITHIN: f64 = 1.0;
const MAY_BE_RESYNC: &str = "it is above the limit only with addresses that were sent again, which may be the controller's resync";
const OBSERVER_WAS_LATE: &str = "it is above the limit only with addresses that were sent again, and the observer was too late to \
     explain them";
const NO_METRIC: &str = "the target has no such metric";
const OTHER_BUILD: &str = "measure a build that has the metric";
const IDLE_MACHINE: &str = "use a machine with nothing else to do, or fewer streams";
const TOO_MUCH_MEMORY: Advice = Advice::Words(
    "The controller used more memory than asked for: spread the streams over more replicas, \
     or raise its limit to what this run needed with one replica lost.",
);

fn more_changes(judged: &Judged, _: &Summary) -> &'static str {
    if judged.censored {
        "raise measure.deadline above the limit"
    } else {
        MORE_CHANGES
    }
}

const fn update_latency(quantile: &'static str) -> Observation {
    Observation {
        source: Source::Latency(Stage::Destination, quantile),
        remedy: more_changes,
        advice: Advice::Slow,
    }
}

const fn end_to_end(quantile: &'static str) -> Observation {
    Observation {
        source: Source::Latency(Stage::EndToEnd, quantile),
        remedy: more_changes,
        advice: Advice::Words(
            "End to end broke its limit: compare the Kubernetes stage with the destination stage in the \
             table. What is Kubernetes' needs more of its controllers (their qps), not of Linkerd's.",
        ),
    }
}

/// What was beyond the limit once, whatever it was at other times.
const fn reading(observe: Observe) -> Source {
    Source::Target {
        observe,
        violation_stands: true,
    }
}

/// What compares two lows, either of which may have been missed.
const fn difference(observe: Observe) -> Source {
    Source::Target {
        observe,
        violation_stands: false,
    }
}

/// The longest time for which a stream kept an endpoint that was gone, by a proxy's rule.
fn retained(asked: &Asked<'_>) -> Option<Judged> {
    let Some(seen) = &asked.summary.streams.retained else {
        return Some(asked.unjudged(NOT_AS_A_PROXY));
    };
    if seen.kept == 0 {
        return Some(asked.unjudged(NOTHING_KEPT));
    }
    let judged = asked.seen(seen.longest_seconds);
    // Those that keep some at the end keep them for longer than is known.
    if judged.met == Some(true) && seen.streams_at_end > 0 {
        let streams = counted(seen.streams_at_end, "stream", "streams");
        return Some(Judged {
            met: None,
            censored: true,
            scope: format!("{streams} still kept endpoints that were gone at the end"),
            ..judged
        });
    }
    Some(judged)
}

/// Streams that hold other endpoints at the end than they were promised.
fn wrong_streams(asked: &Asked<'_>) -> Option<Judged> {
    let seen = &asked.summary.correctness;
    if seen.streams_wrong == 0 && seen.streams_unjudged > 0 {
        // What is right elsewhere is no proof for these.
        let unjudged = counted(seen.streams_unjudged, "stream", "streams");
        return Some(Judged {
            met: None,
            scope: format!("{unjudged} could not be judged"),
            ..asked.seen(count(seen.streams_wrong))
        });
    }
    if seen.streams_checked == 0 && asked.summary.streams.requested > 0 {
        return Some(asked.unjudged("no stream was open at the end"));
    }
    Some(asked.seen(count(seen.streams_wrong)))
}

/// What never arrived, over all deliveries; nothing where there are none and none were to be.
fn never(asked: &Asked<'_>) -> Option<Judged> {
    let latency = &asked.summary.latency;
    let both = Direction::BOTH.map(|direction| latency.get(Stage::Destination, direction));
    let deliveries: u64 = both.iter().map(|it| it.count).sum();
    let never: u64 = both.iter().map(|it| it.never).sum();
    if deliveries == 0 {
        let planned = asked.circumstances.planned.any();
        return planned.then(|| asked.unjudged(NO_DELIVERY));
    }
    Some(asked.seen(count(never) / count(deliveries)))
}

/// Messages about changes, over changes, each once for each stream that was to learn of it.
fn updates_per_change(asked: &Asked<'_>) -> Option<Judged> {
    let updates = &asked.summary.updates;
    let (Some(of_changes), Some(due)) = (updates.counted, updates.due) else {
        return Some(
            asked.unjudged("the recording does not say how many messages were about changes"),
        );
    };
    if due == 0 {
        return Some(asked.unjudged("no stream was to learn of a change"));
    }
    // Beside a rounded ratio, so that one a little above its limit differs from it.
    let messages = counted(of_changes, "message", "messages");
    let changes = counted(due, "change", "changes");
    let judged = Judged {
        scope: format!("{THE_RUN} ({messages} for {changes})"),
        ..asked.seen(count(of_changes) / count(due))
    };
    let is_proven_without = |doubtful: Option<u64>| {
        let others = of_changes.saturating_sub(doubtful.unwrap_or_default());
        judged.met != Some(false) || count(others) / count(due) > asked.limit
    };
    let observer = asked.summary.observer.lag_max_seconds;
    let why = if asked.circumstances.target_is_judged && !is_proven_without(updates.resync) {
        MAY_BE_RESYNC
    } else if observer.is_some_and(|lag| lag >= EXPLAINED_WITHIN)
        && !is_proven_without(updates.repeated)
    {
        OBSERVER_WAS_LATE
    } else {
        return Some(judged);
    };
    Some(Judged {
        met: None,
        scope: why.to_owned(),
        ..judged
    })
}

fn send_timeouts(asked: &Asked<'_>) -> Option<Judged> {
    let (streams, target) = (&asked.summary.streams, &asked.summary.target);
    // Every OK that nobody asked for may have been an overflow; the target's counter, where it
    // was read, says how many were at most. It counts other clients' streams too.
    let ended_ok = streams.unexpected_resets.saturating_sub(streams.errors);
    let overflows = target.overflows.map(|it| it.min(ended_ok));
    let uncounted = (!asked.circumstances.target_is_judged).then_some(ended_ok);
    // However the target ends such a stream, there were no more of them than ended streams.
    let at_most = Some(streams.unexpected_resets).filter(|&it| asked.share(it) <= asked.limit);
    // Those of streams that nobody reads are on purpose, and no part of the others' share.
    let at_most_ours = |all: u64| match streams.stalled {
        Some(_) => all.min(streams.unexpected_resets),
        None => all,
    };
    let timeouts = (target.send_timeouts.map(at_most_ours).or(overflows))
        .or(uncounted)
        .or(at_most);
    let share = timeouts.map(|it| asked.share(it));
    Some(asked.seen_or(share, "the target's counters were not read"))
}

fn memory_spike(asked: &Asked<'_>) -> Option<Judged> {
    let target = &asked.summary.target;
    let peak = target.peak_rss_bytes;
    let spike = peak.zip(target.idle_rss_bytes);
    let spike = spike.map(|(peak, idle)| count(peak.saturating_sub(idle)));
    let why = match peak {
        Some(_) => "there was no idle baseline before the first cycle",
        None => NO_METRIC,
    };
    Some(asked.seen_or(spike, why))
}

fn growth_per_cycle(asked: &Asked<'_>) -> Option<Judged> {
    let whole = || asked.summary.cycles.iter().filter(|cycle| cycle.whole);
    let growth = || {
        let floors: Vec<f64> = whole().filter_map(|it| it.heap_floor_bytes).collect();
        let (first, later) = floors.split_first()?;
        // What is gone a cycle later was garbage: one collection in a low hold need not come late
        // enough to take all of it. So two cycles in a row must show a growth, if there are two.
        let kept = later.windows(later.len().clamp(1, 2)).map(|pair| {
            let least = pair.iter().copied().min_by(f64::total_cmp);
            least.unwrap_or(*first) / first - 1.0
        });
        kept.max_by(f64::total_cmp)
    };
    let why = if whole().count() < 2 {
        "fewer than two cycles were whole"
    } else if asked.summary.target.peak_rss_bytes.is_some() {
        "the target collected no garbage in the low holds of two cycles: use longer ones"
    } else {
        NO_METRIC
    };
    Some(asked.seen_or(growth(), why))
}

/// The trend of the live heap: violated if all of its confidence interval is above the limit, met
/// if none of it is.
fn growth_per_hour(asked: &Asked<'_>) -> Option<Judged> {
    let growth = &asked.summary.target.heap_growth;
    let windows = counted(u64::from(growth.windows), "window", "windows");
    let hours = words::span(growth.hours * 3_600.0);
    let per_hour = growth.per_hour.filter(|it| it.is_finite());
    let (Some(trend), Some(low), Some(high)) =
        (per_hour, growth.low_per_hour, growth.high_per_hour)
    else {
        return Some(asked.unjudged(&format!(
            "a trend needs an hour of equal load, from ten minutes after all streams are open, and \
             the target's memory was seen for {hours} of it in {windows}"
        )));
    };
    let met = if high <= asked.limit {
        Some(true)
    } else if low > asked.limit {
        Some(false)
    } else {
        None
    };
    let words = |share| Unit::Fraction.words(share);
    let interval = format!("{} to {}", words(low), words(high));
    let scope = match met {
        Some(_) => format!("{windows} over {hours} ({interval})"),
        None => format!("the interval over {hours}, {interval}, includes the limit"),
    };
    Some(Judged {
        met,
        scope,
        ..asked.seen(trend)
    })
}

/// Of the fewest and the most views, that which is not the limit, if one is not.
fn views_active(asked: &Asked<'_>) -> Option<Judged> {
    let bound = asked.criterion.bound();
    let views = asked.summary.target.views_active.map(|(low, high)| {
        let (low, high) = (count(low), count(high));
        if bound.admits(asked.limit, low) {
            high
        } else {
            low
        }
    });
    Some(asked.metric(views))
}

// === impl Observation ===

impl Observation {
    /// Whether it is of the target's metrics.
    pub(super) const fn is_of_target(&self) -> bool {
        matches!(
            self.source,
            Source::Target { .. } | Source::StreamsAndTarget(_)
        )
    }

    /// Whether it is judged by when updates arrive.
    pub(super) const fn is_timed(&self) -> bool {
        matches!(
            self.source,
            Source::Latency(..) | Source::Wait(_) | Source::Rate(_)
        )
    }

    /// Whether it rests on the order of events.
    pub(super) const fn is_of_order(&self) -> bool {
        self.is_timed() || matches!(self.source, Source::Order(_))
    }

    /// Whether it rests on what the observer saw.
    pub(super) const fn is_observed(&self) -> bool {
        self.is_of_order() || matches!(self.source, Source::EndState(_))
    }

    /// Whether a value beyond the limit is proof, whatever was not seen.
    pub(super) const fn violation_stands(&self) -> bool {
        !matches!(
            self.source,
            Source::Target {
                violation_stands: false,
                ..
            }
        )
    }

    /// Whether it is never judged under these circumstances.
    pub(super) const fn is_excused(&self, circumstances: Circumstances) -> bool {
        match self.source {
            Source::Latency(..) | Source::Wait(_) => !circumstances.latency_is_judged,
            Source::Target { .. } => !circumstances.target_is_judged,
            _ => false,
        }
    }
}

// === impl Asked ===

impl Asked<'_> {
    /// Judges the criterion.
    pub(super) fn judge(&self) -> Vec<Judged> {
        match observation(self.criterion).source {
            Source::Latency(stage, quantile) => latency::judge(self, stage, quantile),
            Source::Wait(_) if !self.circumstances.latency_is_judged => {
                vec![self.unjudged(latency::FORWARDED)]
            }
            Source::Wait(observe)
            | Source::EndState(observe)
            | Source::Order(observe)
            | Source::Rate(observe)
            | Source::Streams(observe)
            | Source::StreamsAndTarget(observe) => observe(self).into_iter().collect(),
            Source::Target { observe, .. } => self.of_target(observe).into_iter().collect(),
        }
    }

    /// What the target's metrics say, where they count and were read.
    fn of_target(&self, observe: Observe) -> Option<Judged> {
        if !self.circumstances.target_is_judged {
            return Some(self.unjudged(
                "the target's cost is not judged in virtual time or on the reference destination",
            ));
        }
        let judged = observe(self)?;
        let was_read = judged.observed.is_some() || self.summary.target.samples > 0;
        Some(if was_read {
            judged
        } else {
            self.unjudged("the target's metrics were not read")
        })
    }

    /// Its name, of this direction if it is judged apart.
    pub(super) fn name(&self, direction: Option<Direction>) -> Name {
        Name {
            criterion: self.criterion,
            direction,
        }
    }

    /// The criterion against what was observed of it.
    pub(super) fn seen(&self, observed: f64) -> Judged {
        self.seen_or(Some(observed), THE_RUN)
    }

    /// The criterion against what was observed of it, or why nothing was. What is no number was not
    /// observed.
    pub(super) fn seen_or(&self, observed: Option<f64>, why: &str) -> Judged {
        let observed = observed.filter(|it| it.is_finite());
        let met = observed.map(|it| self.criterion.bound().admits(self.limit, it));
        Judged {
            name: self.criterion.into(),
            unit: self.criterion.unit(),
            limit: self.limit,
            observed,
            censored: false,
            met,
            scope: if met.is_some() { THE_RUN } else { why }.to_owned(),
            optional: false,
        }
    }

    /// The criterion against a metric of the target's.
    fn metric(&self, observed: Option<f64>) -> Judged {
        self.seen_or(observed, NO_METRIC)
    }

    /// The criterion, of which nothing was observed.
    pub(super) fn unjudged(&self, why: &str) -> Judged {
        self.seen_or(None, why)
    }

    /// What was observed includes what this tool may have caused itself: it is violated only if what
    /// others caused alone is above the limit.
    fn proven(&self, observed: f64, others: f64) -> Judged {
        let judged = self.seen(observed);
        if judged.met != Some(false) || others > self.limit {
            return judged;
        }
        Judged {
            met: None,
            scope: "this tool's own HTTP/2 library ended some of these streams".to_owned(),
            ..judged
        }
    }

    /// The streams that this tool's own library ended, which are among the resets and the errors.
    fn own_resets(&self) -> u64 {
        let errors = &self.summary.streams.errors_by_code;
        errors.get(OWN_LIMIT).copied().unwrap_or_default()
    }

    /// So many streams over those that were requested.
    fn share(&self, streams: u64) -> f64 {
        count(streams) / count(self.summary.streams.requested.max(1))
    }
}
