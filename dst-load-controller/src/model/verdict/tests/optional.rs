//! Claims about criteria that may stay unjudged, and about those that may not.

use super::*;

/// A limit of what nobody has measured.
fn unmeasured() -> Criteria {
    Criteria {
        send_timeout_rate: Some(0.0),
        ..on_target(TargetLimits {
            memory_max: Some(1),
            cpu_max: Some(0.001),
            views_active: Some(999),
            restarts: Some(0),
            ..TargetLimits::default()
        })
    }
}

/// A run without the target's metrics.
fn without_metrics() -> Summary {
    let mut seen = summary();
    seen.target = Target::default();
    // Less than that is proof enough that nothing timed out.
    seen.streams.unexpected_resets = 1;
    seen
}

fn optional(keys: &[&str], mut criteria: Criteria) -> Criteria {
    criteria.optional = keys.iter().map(|&key| key.to_owned()).collect();
    criteria
}

#[test]
fn what_was_asked_for_and_not_judged_makes_a_run_invalid_and_says_what_to_do() {
    let judged = judge(&unmeasured(), &without_metrics(), REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert_eq!(
        judged.reasons,
        [
            "sendTimeoutRate was not judged: the target's counters were not read; name where the \
             controller serves its metrics, with --destination-metrics, or list sendTimeoutRate \
             under criteria.optional",
            "target.memoryMax, target.cpuMax, target.viewsActive and target.restarts were not \
             judged: the target's metrics were not read; name where the controller serves its \
             metrics, with --destination-metrics, or list target.memoryMax, target.cpuMax, \
             target.viewsActive and target.restarts under criteria.optional",
        ]
    );
}

#[test]
fn what_may_stay_unjudged_makes_nothing_invalid_and_is_counted() {
    let keys = [
        "sendTimeoutRate",
        "target.memoryMax",
        "target.cpuMax",
        "target.viewsActive",
        "target.restarts",
    ];
    let unjudged = |judged: &Judgement| {
        (judged.criteria.iter())
            .filter(|it| it.optional && it.held.is_none())
            .count()
    };
    let judged = judge(&optional(&keys, unmeasured()), &without_metrics(), REAL);
    assert_eq!((judged.verdict, unjudged(&judged)), (Verdict::Pass, 5));
    assert!(judged.reasons.is_empty());
    // All but one are not all.
    let judged = judge(
        &optional(&keys[1..], unmeasured()),
        &without_metrics(),
        REAL,
    );
    assert_eq!((judged.verdict, unjudged(&judged)), (Verdict::Invalid, 4));
}

#[test]
fn what_may_stay_unjudged_may_not_be_violated() {
    let mut seen = summary();
    seen.target.peak_rss_bytes = Some(2);
    let criteria = on_target(TargetLimits {
        memory_max: Some(1),
        ..TargetLimits::default()
    });
    let criteria = optional(&["target.memoryMax"], criteria);
    assert_eq!(verdict(&criteria, &seen), Verdict::Fail);
}

#[test]
fn a_key_names_both_directions() {
    let mut seen = summary();
    seen.latency.destination = Default::default();
    let criteria = optional(&["updateLatency.p99", "never"], p99(millis(500)));
    assert_eq!(verdict(&criteria, &seen), Verdict::Pass);
    let other = optional(&["updateLatency.p95", "never"], p99(millis(500)));
    assert_eq!(verdict(&other, &seen), Verdict::Invalid);
}

#[test]
fn latency_through_a_forward_and_the_references_cost_are_optional_by_themselves() {
    let forwarded = Circumstances {
        latency_is_judged: false,
        ..REAL
    };
    let judged = judge(&p99(millis(1)), &summary(), forwarded);
    assert_eq!(judged.verdict, Verdict::Pass);
    let latency = find(&judged, "updateLatency.p99 (add)");
    assert_eq!((latency.optional, latency.held), (true, None));

    let mut seen = without_metrics();
    seen.streams.unexpected_resets = 0;
    assert_eq!(
        judge(&unmeasured(), &seen, REFERENCE).verdict,
        Verdict::Pass
    );
    assert_eq!(judge(&unmeasured(), &seen, REAL).verdict, Verdict::Invalid);
}

#[test]
fn a_direction_that_the_plan_does_not_change_is_no_criterion_unless_it_changed() {
    let up_only = Circumstances {
        planned: Planned {
            adds: true,
            removes: false,
        },
        ..REAL
    };
    assert!(up_only.plans(Direction::Add) && !up_only.plans(Direction::Remove));
    let mut seen = summary();
    seen.latency.destination.remove = LatencySummary::default();
    let judged = judge(&p99(millis(500)), &seen, up_only);
    assert_eq!(judged.verdict, Verdict::Pass);
    let directions: Vec<_> = (judged.criteria.iter())
        .filter_map(Judged::direction)
        .collect();
    assert_eq!(directions, [Direction::Add]);
    // What was slow though nobody planned it was slow.
    seen.latency.destination.remove = latency(0.6);
    let judged = judge(&p99(millis(500)), &seen, up_only);
    assert_eq!(judged.verdict, Verdict::Fail);
}

#[test]
fn no_stream_that_ended_is_proof_that_none_timed_out() {
    let criteria = Criteria {
        send_timeout_rate: Some(0.01),
        ..Criteria::default()
    };
    let mut seen = without_metrics();
    for (resets, expected) in [
        (0, Verdict::Pass),
        (1, Verdict::Pass),
        (2, Verdict::Invalid),
    ] {
        seen.streams.unexpected_resets = resets;
        assert_eq!(verdict(&criteria, &seen), expected, "{resets}");
    }
}

#[test]
fn what_is_no_number_is_not_observed() {
    let mut seen = summary();
    seen.target.cpu_max_cores = Some(f64::NAN);
    seen.target.heap_growth.per_hour = Some(f64::NAN);
    seen.target.heap_growth.low_per_hour = Some(f64::NAN);
    seen.target.heap_growth.high_per_hour = Some(f64::NAN);
    let criteria = on_target(TargetLimits {
        cpu_max: Some(1.0),
        memory_growth_per_hour: Some(0.1),
        ..TargetLimits::default()
    });
    let judged = judge(&criteria, &seen, REAL);
    let target = |it: &&Judged| it.name.starts_with("target.");
    let mut target = judged.criteria.iter().filter(target);
    assert!(target.clone().count() == 2 && target.all(|it| it.held.is_none()));
    assert_eq!(judged.verdict, Verdict::Invalid);
}
