//! Claims about criteria that may stay unjudged, and about those that may not.

use super::{
    observation::{Asked, Source},
    *,
};

/// A limit of what nobody has measured.
fn unmeasured() -> Criteria {
    Criteria::from([
        (Criterion::SendTimeoutRate, 0.0),
        (Criterion::TargetMemoryMax, 1.0),
        (Criterion::TargetCpuMax, 0.001),
        (Criterion::TargetViewsActive, 999.0),
        (Criterion::TargetRestarts, 0.0),
    ])
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
    criteria.optional = (keys.iter().map(|key| Criterion::of_scenario(key).unwrap())).collect();
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

/// The only reason, of a run in which the criterion with this limit is not judged.
fn unjudged_for(criteria: &Criteria, seen: &Summary) -> String {
    let judged = judge(criteria, seen, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    let mut reasons = judged.reasons.into_iter();
    reasons.find(|it| it.contains("was not judged")).unwrap()
}

#[test]
fn what_would_make_it_judgeable_follows_from_the_criterion_and_not_from_its_name() {
    let rate = Criteria::from([(Criterion::SendTimeoutRate, 0.0)]);
    let mut seen = summary();
    seen.streams.unexpected_resets = 1;
    // The target's metrics were read, and its counters are not among them.
    assert_eq!(
        unjudged_for(&rate, &seen),
        "sendTimeoutRate was not judged: the target's counters were not read; measure a build that \
         has the metric, or list sendTimeoutRate under criteria.optional"
    );
    let own = dst_load_recording::recording::OWN_LIMIT.to_owned();
    seen.streams.errors = 1;
    seen.streams.errors_by_code.insert(own, 1);
    for (criterion, limit) in [
        (Criterion::UnexpectedResets, 0.0),
        (Criterion::ErrorRate, 0.0),
    ] {
        let criteria = Criteria::from([(criterion, limit)]);
        assert_eq!(
            unjudged_for(&criteria, &seen),
            format!(
                "{criterion} was not judged: this tool's own HTTP/2 library ended some of these \
                 streams; use a machine with nothing else to do, or fewer streams, or list \
                 {criterion} under criteria.optional"
            )
        );
    }
}

#[test]
fn only_what_is_observed_of_changes_needs_more_of_them() {
    for criterion in Criterion::all() {
        let observation = observation(criterion);
        let asked = Asked {
            first_endpoint_is_judged: false,
            criterion,
            limit: 0.0,
            summary: &summary(),
            circumstances: REAL,
        };
        let said = (observation.remedy)(&asked.unjudged("nobody knows"), &summary());
        let changes = said.contains("changes of endpoints");
        // Those who wait need changes of a kind, which the criterion names.
        let waits = matches!(observation.source, Source::Wait(_));
        let of_order = observation.is_of_order() && !waits;
        assert_eq!(changes, of_order, "{criterion}: {said}");
    }
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
            .filter(|it| it.optional && it.met.is_none())
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
    let criteria = Criteria::from([(Criterion::TargetMemoryMax, 1.0)]);
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
    assert_eq!((latency.optional, latency.met), (true, None));

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
        .filter_map(|it| it.name.direction)
        .collect();
    assert_eq!(directions, [Direction::Add]);
    // What was slow though nobody planned it was slow.
    seen.latency.destination.remove = latency(0.6);
    let judged = judge(&p99(millis(500)), &seen, up_only);
    assert_eq!(judged.verdict, Verdict::Fail);
}

#[test]
fn no_stream_that_ended_is_proof_that_none_timed_out() {
    let criteria = Criteria::from([(Criterion::SendTimeoutRate, 0.01)]);
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
    let criteria = Criteria::from([
        (Criterion::TargetCpuMax, 1.0),
        (Criterion::TargetMemoryGrowthPerHour, 0.1),
    ]);
    let judged = judge(&criteria, &seen, REAL);
    let target = |it: &&Judged| it.name.criterion.place().0 == "target";
    let mut target = judged.criteria.iter().filter(target);
    assert!(target.clone().count() == 2 && target.all(|it| it.met.is_none()));
    assert_eq!(judged.verdict, Verdict::Invalid);
}
