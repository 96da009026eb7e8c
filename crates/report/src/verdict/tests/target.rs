//! Claims about the target's own cost.

use super::*;

fn every_target_limit() -> Criteria {
    Criteria::from([
        (Criterion::TargetMemoryMax, 100.0),
        (Criterion::TargetMemorySpike, 10.0),
        (Criterion::TargetMemoryGrowthPerCycle, 0.1),
        (Criterion::TargetMemoryGrowthPerHour, 0.1),
        (Criterion::TargetCpuMax, 1.0),
        (Criterion::TargetViewsActive, 7.0),
        (Criterion::TargetRestarts, 0.0),
    ])
}

/// A trend of this interval.
fn growth(low: f64, high: f64) -> HeapGrowth {
    HeapGrowth {
        per_hour: Some(f64::midpoint(low, high)),
        low_per_hour: Some(low),
        high_per_hour: Some(high),
        windows: 11,
        hours: 2.0,
    }
}

/// A target that keeps none of those limits.
fn greedy() -> Summary {
    let mut seen = summary();
    seen.target = Target {
        peak_rss_bytes: Some(200),
        idle_rss_bytes: Some(50),
        cpu_max_cores: Some(3.0),
        views_active: Some((7, 9)),
        heap_growth: growth(0.4, 0.6),
        restarts: 1,
        samples: 10,
        starts_known: true,
        ..Target::default()
    };
    seen.cycles = [100.0, 150.0, 160.0]
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
        .filter(|j| j.name.criterion.place().0 == "target")
        .map(|j| (j.name.criterion.key(), j.observed, j.met))
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
fn memory_that_is_gone_a_cycle_later_was_garbage_and_is_no_growth() {
    let growth = |floors: &[f64]| {
        let mut seen = greedy();
        seen.cycles = (floors.iter().zip(1..))
            .map(|(&floor, number)| CycleSummary {
                heap_floor_bytes: Some(floor),
                ..cycle(number, true, latency(0.001))
            })
            .collect();
        let judged = judge(&every_target_limit(), &seen, REAL);
        find(&judged, "target.memoryGrowthPerCycle").met
    };
    assert_eq!(growth(&[100.0, 120.0, 101.0]), Some(true));
    assert_eq!(growth(&[100.0, 101.0, 120.0, 125.0, 101.0]), Some(false));
    // Where there is no later cycle nothing can be known to be garbage.
    assert_eq!(growth(&[100.0, 120.0]), Some(false));
    assert_eq!(growth(&[100.0]), None);
}

#[test]
fn the_reference_destinations_cost_is_never_judged() {
    let mut seen = greedy();
    seen.target.silent_judged = 4;
    let judged = judge(&every_target_limit(), &seen, REFERENCE);
    let target = judged
        .criteria
        .iter()
        .filter(|j| j.name.criterion.place().0 == "target");
    assert!(target.clone().count() == 7 && target.clone().all(|j| j.met.is_none()));
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
    // Not zero: nobody could have seen one.
    assert_eq!(why("target.restarts"), "the target has no such metric");
    assert_eq!(
        why("target.memoryGrowthPerCycle"),
        "fewer than two cycles were whole"
    );
    assert_eq!(judged.verdict, Verdict::Invalid);
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
    // One that opens 25,000 streams may be too busy to say what it costs.
    seen.target.silent = 1;
    assert_eq!(
        verdict(&Criteria::from([(Criterion::TargetRestarts, 0.0)]), &seen),
        Verdict::Pass
    );
    seen.target.silent_judged = 1;
    assert_eq!(verdict(&Criteria::default(), &seen), Verdict::Pass);
    let cpu = Criteria::from([(Criterion::TargetCpuMax, 9.0)]);
    assert_eq!(verdict(&cpu, &seen), Verdict::Invalid);
    let rate = Criteria::from([(Criterion::SendTimeoutRate, 1.0)]);
    assert_eq!(verdict(&rate, &seen), Verdict::Invalid);
    assert_eq!(judge(&cpu, &seen, REFERENCE).verdict, Verdict::Pass);
}

#[test]
fn while_a_replica_that_came_is_not_read_nothing_is_met_and_only_what_is_exceeded_is_violated() {
    let within = Criteria::from([
        (Criterion::TargetMemoryMax, 1_000.0),
        (Criterion::TargetCpuMax, 9.0),
    ]);
    let mut seen = greedy();
    seen.target.restarts = 0;
    assert_eq!(verdict(&within, &seen), Verdict::Pass);
    seen.target.replicas_unread = vec!["10.0.0.2:8086".into(), "10.0.0.3:8086".into()];
    let judged = judge(&within, &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert!(
        judged.reasons[0].starts_with(
            "the target's metrics are judged, and were not read of 2 replicas that came during the \
             run: 10.0.0.2:8086, 10.0.0.3:8086; "
        ),
        "{:?}",
        judged.reasons
    );
    let unread = "the metrics of replicas that came were not read";
    assert_eq!(find(&judged, "target.cpuMax").scope, unread);
    // Those that are not judged by it are no less so.
    assert_eq!(verdict(&Criteria::default(), &seen), Verdict::Pass);
    assert_eq!(judge(&within, &seen, REFERENCE).verdict, Verdict::Pass);
    seen.target.restarts = 1;
    let judged = judge(&every_target_limit(), &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Fail);
    let met: Vec<_> = judged
        .criteria
        .iter()
        .filter(|j| j.name.criterion.place().0 == "target")
        .map(|j| (j.name.criterion.key(), j.met))
        .collect();
    assert_eq!(
        met,
        [
            ("target.memoryMax", Some(false)),
            ("target.memorySpike", None),
            ("target.memoryGrowthPerCycle", None),
            ("target.memoryGrowthPerHour", None),
            ("target.cpuMax", Some(false)),
            // Fewer than all are no wrong number.
            ("target.viewsActive", None),
            ("target.restarts", Some(false)),
        ]
    );
}

#[test]
fn nothing_is_met_on_the_metrics_of_some_replicas() {
    let within = Criteria::from([(Criterion::TargetMemoryMax, 1_000.0)]);
    let mut seen = greedy();
    seen.target.restarts = 0;
    seen.target.replicas_unnamed = 1;
    let judged = judge(&within, &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert!(
        judged.reasons[0].contains("were not named of 1 replica; "),
        "{:?}",
        judged.reasons
    );
    let exceeded = Criteria::from([(Criterion::TargetMemoryMax, 100.0)]);
    assert_eq!(verdict(&exceeded, &seen), Verdict::Fail);
}

#[test]
fn a_restart_that_nobody_asked_for_makes_the_run_invalid_unless_restarts_are_judged() {
    let mut seen = summary();
    seen.target.restarts = 1;
    assert_eq!(verdict(&Criteria::default(), &seen), Verdict::Invalid);
    for (limit, expected) in [(0.0, Verdict::Fail), (1.0, Verdict::Pass)] {
        let criteria = Criteria::from([(Criterion::TargetRestarts, limit)]);
        assert_eq!(verdict(&criteria, &seen), expected);
    }
}

#[test]
fn growth_an_hour_is_violated_or_met_by_all_of_its_interval() {
    let criteria = Criteria::from([(Criterion::TargetMemoryGrowthPerHour, 0.1)]);
    let mut seen = summary();
    for (low, high, met, expected) in [
        (0.11, 0.2, Some(false), Verdict::Fail),
        (-0.02, 0.1, Some(true), Verdict::Pass),
        (0.05, 0.15, None, Verdict::Invalid),
    ] {
        seen.target.heap_growth = growth(low, high);
        let judged = judge(&criteria, &seen, REAL);
        let hourly = find(&judged, "target.memoryGrowthPerHour");
        assert_eq!(
            (hourly.met, judged.verdict),
            (met, expected),
            "{low} {high}"
        );
    }
    let judged = judge(&criteria, &seen, REAL);
    assert!(
        judged.reasons[0].starts_with(
            "target.memoryGrowthPerHour was not judged: the interval over 2h, 5 % to 15 %, includes \
             the limit; run for longer"
        ),
        "{:?}",
        judged.reasons
    );
    // 63 % an hour, seen for ten minutes, is not 6.3 %, and nothing else either.
    seen.target.heap_growth = HeapGrowth {
        windows: 1,
        hours: 1.0 / 6.0,
        ..HeapGrowth::default()
    };
    let judged = judge(&criteria, &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert!(
        find(&judged, "target.memoryGrowthPerHour")
            .scope
            .contains("needs an hour"),
        "{:?}",
        judged.reasons
    );
}
