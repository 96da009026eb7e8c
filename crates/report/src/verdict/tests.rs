//! Claims about judgements.

mod merged;
mod optional;
mod rules;
mod target;
mod unjudged;
mod validity;
mod waits;

use std::time::Duration;

use dst_load_recording::statistics::{
    AtMost, Correctness, CycleSummary, FanOut, HeapGrowth, LatencySummary, Observer, StageSummary,
    StalledStreams, Streams, Target,
};

use super::*;

pub(super) const REAL: Circumstances = Circumstances {
    target_is_judged: true,
    latency_is_judged: true,
    planned: Planned::BOTH,
    ended: Ended::AsPlanned,
};

const REFERENCE: Circumstances = Circumstances {
    target_is_judged: false,
    ..REAL
};

/// A summary in which nothing is wrong.
fn summary() -> Summary {
    Summary {
        streams: Streams {
            requested: 100,
            opened: 100,
            ..Streams::default()
        },
        fan_out: FanOut {
            changes: 200,
            completed: 200,
            ..FanOut::default()
        },
        correctness: Correctness {
            streams_checked: 100,
            ..Correctness::default()
        },
        latency: stages(latency(0.010)),
        target: Target {
            samples: 10,
            starts_known: true,
            ..Target::default()
        },
        ..Summary::default()
    }
}

/// 1,000 deliveries, each of which took this long.
fn latency(seconds: f64) -> LatencySummary {
    LatencySummary {
        count: 1_000,
        censored: 0,
        never: 0,
        p50_seconds: Some(seconds),
        p95_seconds: Some(seconds),
        p99_seconds: Some(seconds),
        p999_seconds: Some(seconds),
        max_seconds: Some(seconds),
        censored_from: None,
        at_most: AtMost {
            p50_seconds: Some(seconds),
            p95_seconds: Some(seconds),
            p99_seconds: Some(seconds),
            p999_seconds: Some(seconds),
            max_seconds: Some(seconds),
        },
    }
}

/// 1,000 deliveries, of which so many had not arrived after 30 s.
fn with_never(never: u64, censored_from: &str) -> LatencySummary {
    LatencySummary {
        never,
        censored: never,
        p99_seconds: Some(30.0),
        p999_seconds: Some(30.0),
        max_seconds: Some(30.0),
        censored_from: Some(censored_from.to_owned()),
        at_most: AtMost {
            p50_seconds: Some(0.010),
            p95_seconds: Some(0.010),
            p99_seconds: (censored_from != "p99").then_some(0.010),
            ..AtMost::default()
        },
        ..latency(0.010)
    }
}

/// Stages whose additions in the destination stage are `add`.
fn stages(add: LatencySummary) -> StageSummary {
    let mut stages = StageSummary::default();
    stages.destination.add = add;
    stages.destination.remove = latency(0.001);
    stages
}

fn cycle(number: u32, whole: bool, add: LatencySummary) -> CycleSummary {
    CycleSummary {
        cycle: number,
        whole,
        latency: stages(add),
        ..CycleSummary::default()
    }
}

fn millis(ms: u64) -> Option<Duration> {
    Some(Duration::from_millis(ms))
}

fn p99(limit: Option<Duration>) -> Criteria {
    let mut criteria = Criteria::default();
    if let Some(limit) = limit {
        criteria.set(Criterion::UpdateLatencyP99, limit.as_secs_f64());
    }
    criteria
}

fn find(judgement: &Judgement, name: &str) -> Judged {
    let found = judgement
        .criteria
        .iter()
        .find(|j| j.name.to_string() == name);
    found
        .unwrap_or_else(|| panic!("{name} in {judgement:#?}"))
        .clone()
}

fn verdict(criteria: &Criteria, summary: &Summary) -> Verdict {
    judge(criteria, summary, REAL).verdict
}

// Limits.

#[test]
fn a_limit_holds_up_to_and_including_itself() {
    let mut seen = summary();
    // 500 ms are stated as 500.223 ms: what cannot be told apart from the limit holds it.
    for (observed, met) in [
        (0.499, true),
        (0.5, true),
        (0.500_223, true),
        (0.501, false),
    ] {
        seen.latency = stages(latency(observed));
        let judged = judge(&p99(millis(500)), &seen, REAL);
        assert_eq!(
            find(&judged, "updateLatency.p99 (add)").met,
            Some(met),
            "{observed}"
        );
    }
}

#[test]
fn additions_and_removals_are_judged_apart() {
    let mut seen = summary();
    seen.latency.destination.remove = latency(3.0);
    let judged = judge(&p99(millis(500)), &seen, REAL);
    assert_eq!(find(&judged, "updateLatency.p99 (add)").met, Some(true));
    assert_eq!(find(&judged, "updateLatency.p99 (remove)").met, Some(false));
    assert_eq!(judged.verdict, Verdict::Fail);
    assert_eq!(
        judged.reasons,
        ["updateLatency.p99 (remove): 3 s in the run is above the limit of 500 ms"]
    );
}

#[test]
fn a_quantile_among_what_never_arrived_fails_any_limit_up_to_the_deadline() {
    let mut seen = summary();
    seen.latency = stages(with_never(37, "p99"));
    for limit in [500, 29_000] {
        let judged = judge(&p99(millis(limit)), &seen, REAL);
        let p99 = find(&judged, "updateLatency.p99 (add)");
        assert_eq!((p99.met, p99.censored), (Some(false), true), "{limit}");
        let said = |it: &String| it.contains("at least 30 s");
        assert!(judged.reasons.iter().any(said), "{:?}", judged.reasons);
    }
    let beyond = judge(&p99(millis(60_000)), &seen, REAL);
    let p99 = find(&beyond, "updateLatency.p99 (add)");
    assert_eq!(p99.met, None);
    assert!(p99.scope.contains("it may be more"), "{}", p99.scope);
    // That some never arrived is a finding of its own.
    assert_eq!(find(&beyond, "never").met, Some(false));
    assert_eq!(beyond.verdict, Verdict::Fail);
}

#[test]
fn what_never_arrived_above_the_judged_quantile_does_not_fail_it() {
    let mut seen = summary();
    seen.latency = stages(LatencySummary {
        p99_seconds: Some(0.010),
        ..with_never(1, "p999")
    });
    let judged = judge(&p99(millis(500)), &seen, REAL);
    assert_eq!(find(&judged, "updateLatency.p99 (add)").met, Some(true));
    // That it never arrived is a finding of its own, unless the scenario lets a share of them.
    assert_eq!(judged.verdict, Verdict::Fail);
    let allowed = p99(millis(500)).with(Criterion::Never, 0.01);
    assert_eq!(verdict(&allowed, &seen), Verdict::Pass);
}

#[test]
fn one_client_that_never_heard_fails_every_client_within() {
    let criteria = Criteria::from([(Criterion::EveryClientWithin, 10.0)]);
    let mut seen = summary();
    assert_eq!(verdict(&criteria, &seen), Verdict::Pass);
    seen.latency = stages(with_never(1, "max"));
    assert_eq!(verdict(&criteria, &seen), Verdict::Fail);
}

#[test]
fn a_slow_kubernetes_leaves_end_to_end_unjudged_and_never_fails_update_latency() {
    let mut seen = summary();
    for stage in [&mut seen.latency.kubernetes, &mut seen.latency.end_to_end] {
        stage.add = latency(20.0);
        stage.remove = latency(20.0);
    }
    assert_eq!(verdict(&p99(millis(500)), &seen), Verdict::Pass);
    let criteria = p99(millis(500))
        .with(Criterion::EndToEndP99, 0.5)
        .with(Criterion::EndToEndEveryClientWithin, 30.0);
    let judged = judge(&criteria, &seen, REAL);
    // Kubernetes alone used up this limit, and not that one.
    assert_eq!(find(&judged, "endToEnd.p99 (add)").met, None);
    assert_eq!(
        find(&judged, "endToEnd.everyClientWithin (remove)").met,
        Some(true)
    );
    assert_eq!(find(&judged, "updateLatency.p99 (add)").met, Some(true));
}

#[test]
fn the_worst_cycle_is_named_and_a_partial_one_is_not_judged() {
    let mut seen = summary();
    seen.cycles = vec![
        cycle(1, true, latency(0.010)),
        cycle(2, true, latency(0.900)),
        cycle(3, true, latency(0.700)),
        cycle(4, false, latency(9.0)),
    ];
    let judged = judge(&p99(millis(500)), &seen, REAL);
    let worst = find(&judged, "updateLatency.p99 (add)");
    assert_eq!(
        (worst.scope.as_str(), worst.observed, worst.met),
        ("cycle 2", Some(0.9), Some(false))
    );
    seen.cycles.remove(1);
    seen.cycles.remove(1);
    assert_eq!(verdict(&p99(millis(500)), &seen), Verdict::Pass);
}

#[test]
fn what_never_arrived_in_one_cycle_is_worse_than_any_number() {
    let mut seen = summary();
    seen.latency = stages(latency(29.0));
    seen.cycles = vec![cycle(1, true, with_never(20, "p99"))];
    let judged = judge(&p99(millis(500)), &seen, REAL);
    let worst = find(&judged, "updateLatency.p99 (add)");
    assert_eq!((worst.scope.as_str(), worst.censored), ("cycle 1", true));
}

#[test]
fn the_run_is_named_where_no_cycle_is_worse() {
    let mut seen = summary();
    seen.cycles = vec![cycle(1, true, latency(0.010))];
    let judged = judge(&p99(millis(500)), &seen, REAL);
    assert_eq!(find(&judged, "updateLatency.p99 (add)").scope, "the run");
}

#[test]
fn a_planned_direction_without_deliveries_is_unjudged_and_makes_the_run_invalid() {
    let mut seen = summary();
    seen.latency.destination.remove = LatencySummary::default();
    for circumstances in [REAL, REFERENCE] {
        let judged = judge(&p99(millis(500)), &seen, circumstances);
        assert_eq!(find(&judged, "updateLatency.p99 (remove)").met, None);
        assert_eq!(judged.verdict, Verdict::Invalid);
    }
}

// Correctness.

#[test]
fn correctness_is_judged_though_nobody_asked() {
    let mut seen = summary();
    seen.correctness.streams_wrong = 2;
    seen.correctness.missing = 5;
    seen.correctness.stale = 3;
    seen.correctness.examples = vec!["missing 10.0.0.1:80 at stream 4 of a".to_owned()];
    let judged = judge(&Criteria::default(), &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Fail);
    assert_eq!(
        judged.reasons,
        [
            "correctness: 2 of 100 streams hold other than they were promised \
             (5 missing, 3 stale, 0 unexpected); for example missing 10.0.0.1:80 at stream 4 of a"
        ]
    );
}

#[test]
fn redundant_updates_are_legal_unless_they_are_judged() {
    let mut seen = summary();
    seen.correctness.redundant = 7;
    assert_eq!(verdict(&Criteria::default(), &seen), Verdict::Pass);
    let criteria = Criteria::from([(Criterion::Redundant, 0.0)]);
    assert_eq!(verdict(&criteria, &seen), Verdict::Fail);
}

#[test]
fn messages_for_each_change_are_met_at_the_limit_and_violated_above_it() {
    let criteria = Criteria::from([(Criterion::UpdatesPerChangeMax, 1.5)]);
    let mut seen = summary();
    seen.updates.due = Some(2_000);
    for (counted, met) in [(0, true), (3_000, true), (3_001, false)] {
        seen.updates.counted = Some(counted);
        let judged = judge(&criteria, &seen, REAL);
        let found = find(&judged, "updates.perChangeMax");
        assert_eq!(found.met, Some(met), "{counted}");
        assert_eq!(found.observed, Some(counted as f64 / 2_000.0));
    }
    let judged = judge(&criteria, &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Fail);
    assert_eq!(
        judged.reasons,
        [
            "updates.perChangeMax: 1.5 in the run (3,001 messages for 2,000 changes) is above the \
             limit of 1.5"
        ]
    );
}

#[test]
fn messages_for_each_change_are_unjudged_without_changes_and_in_older_recordings() {
    let criteria = Criteria::from([(Criterion::UpdatesPerChangeMax, 1.0)]);
    for (counted, due, why) in [
        (Some(3), Some(0), "no stream was to learn of a change"),
        (None, None, "the recording does not say how many messages"),
    ] {
        let mut seen = summary();
        (seen.updates.counted, seen.updates.due) = (counted, due);
        let judged = judge(&criteria, &seen, REAL);
        assert_eq!(judged.verdict, Verdict::Invalid);
        let found = find(&judged, "updates.perChangeMax");
        assert_eq!((found.met, found.observed), (None, None));
        assert!(judged.reasons[0].contains(why), "{:?}", judged.reasons);
        assert_eq!(verdict(&Criteria::default(), &seen), Verdict::Pass);
    }
}

#[test]
fn what_may_be_a_resync_of_linkerd_is_not_held_against_it() {
    let criteria = Criteria::from([(Criterion::UpdatesPerChangeMax, 1.0)]);
    let name = "updates.perChangeMax";
    let mut seen = summary();
    seen.updates.due = Some(100);
    seen.updates.repeated = Some(60);
    seen.updates.resync = Some(40);
    for (counted, circumstances, met) in [
        (100, REAL, Some(true)),
        (101, REAL, None),
        (140, REAL, None),
        (141, REAL, Some(false)),
        // The reference has no resync.
        (101, REFERENCE, Some(false)),
        (100, REFERENCE, Some(true)),
    ] {
        seen.updates.counted = Some(counted);
        let judged = judge(&criteria, &seen, circumstances);
        assert_eq!(find(&judged, name).met, met, "{counted}");
        let is_invalid = judged.verdict == Verdict::Invalid;
        assert_eq!(is_invalid, met.is_none(), "{counted}");
    }
    seen.updates.counted = Some(120);
    let judged = judge(&criteria, &seen, REAL);
    assert_eq!(
        judged.reasons,
        [
            "updates.perChangeMax was not judged: it is above the limit only with addresses that were \
             sent again, which may be the controller's resync; run until there are more changes for \
             each ten minutes, or list updates.perChangeMax under criteria.optional"
        ]
    );
}

#[test]
fn repetitions_are_not_judged_where_the_observer_was_too_late_to_explain_them() {
    let ledgers = dst_load_oracle::ledger::BEHIND.as_secs_f64();
    assert!((observation::EXPLAINED_WITHIN - ledgers).abs() < f64::EPSILON);
    let criteria = Criteria::from([(Criterion::UpdatesPerChangeMax, 1.0)]);
    let name = "updates.perChangeMax";
    let mut seen = summary();
    seen.updates.due = Some(100);
    seen.updates.repeated = Some(60);
    seen.updates.resync = Some(0);
    for (counted, lag, met) in [
        (160, None, Some(false)),
        (160, Some(0.999), Some(false)),
        (160, Some(1.0), None),
        (161, Some(1.0), Some(false)),
        (100, Some(1.0), Some(true)),
    ] {
        seen.updates.counted = Some(counted);
        seen.observer.lag_max_seconds = lag;
        let judged = judge(&criteria, &seen, REFERENCE);
        assert_eq!(find(&judged, name).met, met, "{counted} {lag:?}");
    }
    seen.updates.counted = Some(160);
    let judged = judge(&criteria, &seen, REFERENCE);
    let why = "the observer was too late to explain them; use a machine with nothing else to do";
    assert!(judged.reasons[0].contains(why), "{:?}", judged.reasons);
}

// Counts.

#[test]
fn resets_and_errors_are_judged_over_the_streams_requested() {
    let mut seen = summary();
    seen.streams.unexpected_resets = 3;
    seen.streams.errors = 2;
    let criteria = Criteria::from([
        (Criterion::UnexpectedResets, 2.0),
        (Criterion::ErrorRate, 0.02),
    ]);
    let judged = judge(&criteria, &seen, REAL);
    assert_eq!(find(&judged, "unexpectedResets").met, Some(false));
    let errors = find(&judged, "errorRate");
    assert_eq!((errors.observed, errors.met), (Some(0.02), Some(true)));
}

#[test]
fn send_timeouts_are_streams_that_ended_ok_while_the_overflow_counter_rose() {
    let criteria = Criteria::from([(Criterion::SendTimeoutRate, 0.01)]);
    let rate = |ended_ok: u64, overflows, send_timeouts, circumstances| {
        let mut seen = summary();
        // Another stream ended in an error, which is no overflow.
        seen.streams.unexpected_resets = ended_ok + 1;
        seen.streams.errors = 1;
        seen.target.overflows = overflows;
        seen.target.send_timeouts = send_timeouts;
        let judged = find(&judge(&criteria, &seen, circumstances), "sendTimeoutRate");
        (judged.observed, judged.met)
    };
    // Streams of other clients overflow too.
    assert_eq!(rate(2, Some(7), None, REAL), (Some(0.02), Some(false)));
    assert_eq!(rate(0, Some(7), None, REAL), (Some(0.0), Some(true)));
    // A stream may end OK for another reason.
    assert_eq!(rate(2, Some(1), None, REAL), (Some(0.01), Some(true)));
    // The target's own counter says it best.
    assert_eq!(rate(2, Some(1), Some(4), REAL), (Some(0.04), Some(false)));
    assert_eq!(rate(2, None, None, REAL), (None, None));
    // Without a counter, every OK that nobody asked for may have been one.
    assert_eq!(rate(2, None, None, REFERENCE), (Some(0.02), Some(false)));
}

#[test]
fn send_timeouts_of_streams_that_nobody_reads_are_not_the_others() {
    let criteria = Criteria::from([(Criterion::SendTimeoutRate, 0.01)]);
    let rate = |resets: u64, stalled| {
        let mut seen = summary();
        seen.streams.unexpected_resets = resets;
        seen.streams.stalled = stalled;
        seen.target.send_timeouts = Some(40);
        seen.target.overflows = Some(40);
        find(&judge(&criteria, &seen, REAL), "sendTimeoutRate").observed
    };
    let stalled = || Some(StalledStreams::default());
    assert_eq!(rate(0, None), Some(0.4));
    assert_eq!(rate(0, stalled()), Some(0.0));
    assert_eq!(rate(2, stalled()), Some(0.02));
}

#[test]
fn throughput_is_a_lower_limit() {
    let criteria = Criteria::from([(Criterion::ThroughputMin, 1_000.0)]);
    let mut seen = summary();
    assert_eq!(verdict(&criteria, &seen), Verdict::Invalid);
    for (rate, expected) in [(1_000.0, Verdict::Pass), (999.0, Verdict::Fail)] {
        seen.updates.deliveries_per_second = Some(rate);
        assert_eq!(verdict(&criteria, &seen), expected);
    }
    let judged = judge(&criteria, &seen, REAL);
    assert_eq!(
        judged.reasons,
        ["throughputMin: 999/s in the run is below the limit of 1,000/s"]
    );
}
