//! Claims about judgements.

use std::time::Duration;

use super::*;
use crate::model::{
    criteria::{EndToEnd, QuantileLimits, TargetLimits},
    statistics::{
        Correctness, CycleSummary, FanOut, LatencySummary, StageSummary, Streams, Target,
    },
};

const REAL: Circumstances = Circumstances {
    target_is_judged: true,
    changes_planned: true,
    ended: true,
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
            ..Target::default()
        },
        ..Summary::default()
    }
}

/// 1,000 deliveries, each of which took this long.
fn latency(seconds: f64) -> LatencySummary {
    LatencySummary {
        count: 1_000,
        never: 0,
        p50_seconds: Some(seconds),
        p95_seconds: Some(seconds),
        p99_seconds: Some(seconds),
        p999_seconds: Some(seconds),
        max_seconds: Some(seconds),
        censored_from: None,
    }
}

/// 1,000 deliveries, of which so many had not arrived after 30 s.
fn with_never(never: u64, censored_from: &str) -> LatencySummary {
    LatencySummary {
        never,
        p99_seconds: Some(30.0),
        p999_seconds: Some(30.0),
        max_seconds: Some(30.0),
        censored_from: Some(censored_from.to_owned()),
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
    Criteria {
        update_latency: QuantileLimits {
            p99: limit,
            ..QuantileLimits::default()
        },
        ..Criteria::default()
    }
}

fn on_target(target: TargetLimits) -> Criteria {
    Criteria {
        target,
        ..Criteria::default()
    }
}

fn find(judgement: &Judgement, name: &str) -> Judged {
    let found = judgement.criteria.iter().find(|j| j.name == name);
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
    for (observed, held) in [
        (0.499, true),
        (0.5, true),
        (0.500_223, true),
        (0.501, false),
    ] {
        seen.latency = stages(latency(observed));
        let judged = judge(&p99(millis(500)), &seen, REAL);
        assert_eq!(
            find(&judged, "updateLatency.p99 (add)").held,
            Some(held),
            "{observed}"
        );
    }
}

#[test]
fn additions_and_removals_are_judged_apart() {
    let mut seen = summary();
    seen.latency.destination.remove = latency(3.0);
    let judged = judge(&p99(millis(500)), &seen, REAL);
    assert_eq!(find(&judged, "updateLatency.p99 (add)").held, Some(true));
    assert_eq!(
        find(&judged, "updateLatency.p99 (remove)").held,
        Some(false)
    );
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
    for limit in [500, 29_999, 30_000] {
        let judged = judge(&p99(millis(limit)), &seen, REAL);
        let p99 = find(&judged, "updateLatency.p99 (add)");
        assert_eq!((p99.held, p99.censored), (Some(false), true), "{limit}");
        assert!(judged.reasons[0].contains("at least 30 s"));
    }
    let beyond = judge(&p99(millis(60_000)), &seen, REAL);
    let p99 = find(&beyond, "updateLatency.p99 (add)");
    assert_eq!(p99.held, None);
    assert!(
        p99.scope.contains("the deadline is shorter"),
        "{}",
        p99.scope
    );
}

#[test]
fn what_never_arrived_above_the_judged_quantile_does_not_fail_it() {
    let mut seen = summary();
    seen.latency = stages(LatencySummary {
        p99_seconds: Some(0.010),
        ..with_never(1, "p999")
    });
    assert_eq!(verdict(&p99(millis(500)), &seen), Verdict::Pass);
}

#[test]
fn one_client_that_never_heard_fails_every_client_within() {
    let criteria = Criteria {
        every_client_within: millis(10_000),
        ..Criteria::default()
    };
    let mut seen = summary();
    assert_eq!(verdict(&criteria, &seen), Verdict::Pass);
    seen.latency = stages(with_never(1, "max"));
    assert_eq!(verdict(&criteria, &seen), Verdict::Fail);
}

#[test]
fn a_slow_kubernetes_fails_end_to_end_and_never_update_latency() {
    let mut seen = summary();
    for stage in [&mut seen.latency.kubernetes, &mut seen.latency.end_to_end] {
        stage.add = latency(20.0);
        stage.remove = latency(20.0);
    }
    assert_eq!(verdict(&p99(millis(500)), &seen), Verdict::Pass);
    let criteria = Criteria {
        end_to_end: EndToEnd {
            latency: QuantileLimits {
                p99: millis(500),
                ..QuantileLimits::default()
            },
            every_client_within: millis(30_000),
        },
        ..p99(millis(500))
    };
    let judged = judge(&criteria, &seen, REAL);
    assert_eq!(find(&judged, "endToEnd.p99 (add)").held, Some(false));
    assert_eq!(
        find(&judged, "endToEnd.everyClientWithin (remove)").held,
        Some(true)
    );
    assert_eq!(find(&judged, "updateLatency.p99 (add)").held, Some(true));
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
        (worst.scope.as_str(), worst.observed, worst.held),
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
fn a_direction_without_deliveries_is_not_judged() {
    let mut seen = summary();
    seen.latency.destination.remove = LatencySummary::default();
    let judged = judge(&p99(millis(500)), &seen, REAL);
    assert_eq!(find(&judged, "updateLatency.p99 (remove)").held, None);
    assert_eq!(judged.verdict, Verdict::Pass);
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
    let criteria = Criteria {
        redundant: Some(0),
        ..Criteria::default()
    };
    assert_eq!(verdict(&criteria, &seen), Verdict::Fail);
}

// Counts.

#[test]
fn resets_and_errors_are_judged_over_the_streams_requested() {
    let mut seen = summary();
    seen.streams.unexpected_resets = 3;
    seen.streams.errors = 2;
    let criteria = Criteria {
        unexpected_resets: Some(2),
        error_rate: Some(0.02),
        ..Criteria::default()
    };
    let judged = judge(&criteria, &seen, REAL);
    assert_eq!(find(&judged, "unexpectedResets").held, Some(false));
    let errors = find(&judged, "errorRate");
    assert_eq!((errors.observed, errors.held), (Some(0.02), Some(true)));
}

#[test]
fn send_timeouts_are_counted_by_the_target_where_it_can() {
    let criteria = Criteria {
        send_timeout_rate: Some(0.01),
        ..Criteria::default()
    };
    let mut seen = summary();
    seen.target.overflows = Some(5);
    let observed = |seen: &Summary, circumstances| {
        let judged = find(&judge(&criteria, seen, circumstances), "sendTimeoutRate");
        (judged.observed, judged.held)
    };
    assert_eq!(observed(&seen, REAL), (Some(0.05), Some(false)));
    seen.target.send_timeouts = Some(1);
    assert_eq!(observed(&seen, REAL), (Some(0.01), Some(true)));
    // Without a counter, every OK that nobody asked for may have been one.
    seen.target = Target::default();
    seen.streams.unexpected_resets = 4;
    seen.streams.errors = 1;
    assert_eq!(observed(&seen, REFERENCE), (Some(0.03), Some(false)));
    assert_eq!(observed(&seen, REAL), (None, None));
}

#[test]
fn throughput_is_a_lower_limit() {
    let criteria = Criteria {
        throughput_min: Some(1_000.0),
        ..Criteria::default()
    };
    let mut seen = summary();
    assert_eq!(verdict(&criteria, &seen), Verdict::Pass);
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

// The target.

fn every_target_limit() -> Criteria {
    on_target(TargetLimits {
        memory_max: Some(100),
        memory_spike: Some(10),
        memory_growth_per_cycle: Some(0.1),
        memory_growth_per_hour: Some(0.1),
        cpu_max: Some(1.0),
        views_active: Some(7),
        restarts: Some(0),
    })
}

/// A target that keeps none of those limits.
fn greedy() -> Summary {
    let mut seen = summary();
    seen.target = Target {
        peak_rss_bytes: Some(200),
        idle_rss_bytes: Some(50),
        cpu_max_cores: Some(3.0),
        views_active: Some((7, 9)),
        heap_growth_per_hour: Some(0.5),
        restarts: 1,
        samples: 10,
        ..Target::default()
    };
    seen.cycles = [100.0, 105.0, 150.0]
        .into_iter()
        .zip(1..)
        .map(|(floor, number)| CycleSummary {
            heap_floor_bytes: Some(floor),
            ..cycle(number, true, latency(0.001))
        })
        .collect();
    seen
}

#[test]
fn the_target_is_judged_by_each_of_its_limits() {
    let judged = judge(&every_target_limit(), &greedy(), REAL);
    let target: Vec<_> = judged
        .criteria
        .iter()
        .filter(|j| j.name.starts_with("target."))
        .map(|j| (j.name.as_str(), j.observed, j.held))
        .collect();
    assert_eq!(
        target,
        [
            ("target.memoryMax", Some(200.0), Some(false)),
            ("target.memorySpike", Some(150.0), Some(false)),
            ("target.memoryGrowthPerCycle", Some(0.5), Some(false)),
            ("target.memoryGrowthPerHour", Some(0.5), Some(false)),
            ("target.cpuMax", Some(3.0), Some(false)),
            ("target.viewsActive", Some(9.0), Some(false)),
            ("target.restarts", Some(1.0), Some(false)),
        ]
    );
}

#[test]
fn the_reference_destinations_cost_is_never_judged() {
    let mut seen = greedy();
    seen.target.silent = 4;
    let judged = judge(&every_target_limit(), &seen, REFERENCE);
    let target = judged
        .criteria
        .iter()
        .filter(|j| j.name.starts_with("target."));
    assert!(target.clone().count() == 7 && target.clone().all(|j| j.held.is_none()));
    assert_eq!(judged.verdict, Verdict::Pass);
}

#[test]
fn a_metric_that_the_build_does_not_have_is_not_judged_and_said_so() {
    let mut seen = greedy();
    seen.target = Target {
        samples: 10,
        ..Target::default()
    };
    seen.cycles.truncate(1);
    let judged = judge(&every_target_limit(), &seen, REAL);
    let why = |name: &str| find(&judged, name).scope;
    assert_eq!(why("target.memoryMax"), "the target has no such metric");
    assert_eq!(
        why("target.memoryGrowthPerCycle"),
        "fewer than two cycles were whole"
    );
    assert_eq!(judged.verdict, Verdict::Pass);
    seen.target.samples = 0;
    let judged = judge(&every_target_limit(), &seen, REAL);
    assert_eq!(
        find(&judged, "target.cpuMax").scope,
        "the target's metrics were not read"
    );
}

#[test]
fn a_scrape_that_failed_is_a_doubt_only_where_the_target_is_judged() {
    let mut seen = summary();
    seen.target.silent = 1;
    assert_eq!(verdict(&Criteria::default(), &seen), Verdict::Pass);
    let cpu = on_target(TargetLimits {
        cpu_max: Some(9.0),
        ..TargetLimits::default()
    });
    assert_eq!(verdict(&cpu, &seen), Verdict::Invalid);
    let rate = Criteria {
        send_timeout_rate: Some(1.0),
        ..Criteria::default()
    };
    assert_eq!(verdict(&rate, &seen), Verdict::Invalid);
    assert_eq!(judge(&cpu, &seen, REFERENCE).verdict, Verdict::Pass);
}

#[test]
fn a_restart_that_nobody_asked_for_makes_the_run_invalid_unless_restarts_are_judged() {
    let mut seen = summary();
    seen.target.restarts = 1;
    assert_eq!(verdict(&Criteria::default(), &seen), Verdict::Invalid);
    for (limit, expected) in [(0, Verdict::Fail), (1, Verdict::Pass)] {
        let criteria = on_target(TargetLimits {
            restarts: Some(limit),
            ..TargetLimits::default()
        });
        assert_eq!(verdict(&criteria, &seen), expected);
    }
}

// Validity.

#[test]
fn invalid_wins_over_fail_and_both_reasons_are_given() {
    let mut seen = summary();
    seen.correctness.streams_wrong = 1;
    seen.kubernetes.starved = 10;
    let judged = judge(&Criteria::default(), &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert!(judged.reasons[0].starts_with("Kubernetes starved the plan: 10 endpoints"));
    assert!(judged.reasons[1].starts_with("correctness: "));
}

#[test]
fn the_generator_may_be_late_by_a_fifth_of_the_smallest_limit() {
    let mut seen = summary();
    let with_lag = |seen: &mut Summary, criteria: &Criteria, lag| {
        seen.generator.loop_lag_p99_seconds = Some(lag);
        verdict(criteria, seen)
    };
    let mut criteria = p99(millis(500));
    criteria.every_client_within = millis(10_000);
    assert_eq!(with_lag(&mut seen, &criteria, 0.1), Verdict::Pass);
    assert_eq!(with_lag(&mut seen, &criteria, 0.101), Verdict::Invalid);
    let none = Criteria::default();
    assert_eq!(with_lag(&mut seen, &none, 0.1), Verdict::Pass);
    assert_eq!(with_lag(&mut seen, &none, 0.101), Verdict::Invalid);
}

#[test]
fn a_busy_generator_is_no_reason_for_doubt() {
    let mut seen = summary();
    seen.generator.cpu_seconds = Some(1e9);
    seen.generator.peak_rss_bytes = Some(u64::MAX);
    assert_eq!(verdict(&p99(millis(1)), &seen), Verdict::Fail);
    assert_eq!(verdict(&p99(millis(500)), &seen), Verdict::Pass);
}

#[test]
fn a_run_that_saw_nothing_never_passes() {
    let mut blind = summary();
    blind.correctness.streams_checked = 0;
    let mut still = summary();
    still.fan_out.changes = 0;
    for seen in [&blind, &still] {
        let judged = judge(&Criteria::default(), seen, REAL);
        assert_eq!(judged.verdict, Verdict::Invalid);
        assert!(judged.reasons[0].starts_with("nothing was observed: "));
    }
    let stable = Circumstances {
        changes_planned: false,
        ..REAL
    };
    assert_eq!(
        judge(&Criteria::default(), &still, stable).verdict,
        Verdict::Pass
    );
}

#[test]
fn a_relist_is_a_doubt_only_beyond_one_percent_of_changes() {
    let mut seen = summary();
    seen.fan_out.changes = 198;
    seen.kubernetes.untimed_changes = 2;
    assert_eq!(verdict(&Criteria::default(), &seen), Verdict::Pass);
    seen.kubernetes.untimed_changes = 3;
    let judged = judge(&Criteria::default(), &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert_eq!(
        judged.reasons,
        ["the observer lost its watch: 3 changes (1.49 %) could not be timed"]
    );
}

#[test]
fn a_run_that_did_not_end_is_invalid() {
    let cut_off = Circumstances {
        ended: false,
        ..REAL
    };
    let judged = judge(&Criteria::default(), &summary(), cut_off);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert_eq!(judged.reasons, ["the run did not come to its end"]);
}

#[test]
fn numbers_carry_their_units() {
    let units = [
        (Unit::Seconds, 0.000_4, "400 µs"),
        (Unit::Bytes, 2_147_483_648.0, "2 GiB"),
        (Unit::Count, 1_234.0, "1,234"),
        (Unit::Fraction, 0.01, "1 %"),
        (Unit::Cores, 1.5, "1.5 cores"),
        (Unit::PerSecond, 12_345.0, "12,345/s"),
    ];
    for (unit, number, words) in units {
        assert_eq!(unit.words(number), words);
    }
    let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Invalid];
    assert_eq!(verdicts.map(|v| v.to_string()), ["pass", "fail", "invalid"]);
}
