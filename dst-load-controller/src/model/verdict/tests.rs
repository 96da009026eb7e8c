//! Claims about judgements.

use std::time::Duration;

use super::*;
use crate::model::{
    criteria::{EndToEnd, QuantileLimits, TargetLimits},
    statistics::{CycleSummary, LatencySummary},
};

/// A run in which 100 changes reached 10 streams, without any fault.
fn summary() -> Summary {
    let mut summary = Summary::default();
    summary.streams.requested = 10;
    summary.streams.opened = 10;
    summary.correctness.streams_checked = 10;
    summary.fan_out.changes = 100;
    summary.fan_out.completed = 100;
    summary.latency.destination.add = took(0.1);
    summary.latency.destination.remove = took(0.1);
    summary
}

/// A distribution of which every value is this many seconds.
fn took(seconds: f64) -> LatencySummary {
    LatencySummary {
        count: 1_000,
        p50_seconds: Some(seconds),
        p95_seconds: Some(seconds),
        p99_seconds: Some(seconds),
        p999_seconds: Some(seconds),
        max_seconds: Some(seconds),
        ..LatencySummary::default()
    }
}

const REAL: Circumstances = Circumstances {
    target_is_judged: true,
    changes_planned: true,
    ended: true,
};

const REFERENCE: Circumstances = Circumstances {
    target_is_judged: false,
    ..REAL
};

fn p95(limit: Duration) -> QuantileLimits {
    QuantileLimits {
        p95: Some(limit),
        ..QuantileLimits::default()
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn criterion<'a>(judgement: &'a Judgement, name: &str) -> &'a Judged {
    let found = judgement.criteria.iter().find(|it| it.name == name);
    found.unwrap_or_else(|| panic!("{name} among {:?}", judgement.criteria))
}

fn assert_invalid(judgement: &Judgement, why: &str) {
    assert_eq!(judgement.verdict, Verdict::Invalid, "{judgement:?}");
    let named = judgement.reasons[0].contains(why);
    assert!(named, "{why} in {:?}", judgement.reasons);
}

#[test]
fn correctness_is_judged_even_if_nothing_else_is() {
    let criteria = Criteria::default();
    let mut summary = summary();
    assert_eq!(judge(&criteria, &summary, REAL).verdict, Verdict::Pass);
    summary.correctness.streams_wrong = 1;
    summary.correctness.stale = 2;
    summary.correctness.examples = vec!["stale 10.0.0.1:80".into()];
    let judgement = judge(&criteria, &summary, REAL);
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(
        judgement.reasons,
        [
            "correctness: 1 of 10 streams hold other than they were promised \
          (0 missing, 2 stale, 0 unexpected); for example stale 10.0.0.1:80"
        ]
    );
}

#[test]
fn redundant_updates_are_judged_only_when_asked() {
    let mut summary = summary();
    summary.correctness.redundant = 3;
    let mut criteria = Criteria::default();
    assert_eq!(judge(&criteria, &summary, REAL).verdict, Verdict::Pass);
    criteria.redundant = Some(0);
    assert_eq!(judge(&criteria, &summary, REAL).verdict, Verdict::Fail);
}

#[test]
fn a_limit_is_held_by_values_up_to_and_including_it() {
    let judged_at = |limit| {
        let criteria = Criteria {
            update_latency: p95(limit),
            ..Criteria::default()
        };
        judge(&criteria, &summary(), REAL).verdict
    };
    assert_eq!(judged_at(Duration::from_millis(100)), Verdict::Pass);
    assert_eq!(judged_at(Duration::from_millis(99)), Verdict::Fail);
}

#[test]
fn additions_and_removals_are_judged_each() {
    let criteria = Criteria {
        update_latency: p95(secs(1)),
        every_client_within: Some(secs(1)),
        ..Criteria::default()
    };
    let mut summary = summary();
    summary.latency.destination.remove = took(2.0);
    let judgement = judge(&criteria, &summary, REAL);
    let held = |name| criterion(&judgement, name).held;
    assert_eq!(held("updateLatency.p95 (add)"), Some(true));
    assert_eq!(held("updateLatency.p95 (remove)"), Some(false));
    assert_eq!(held("everyClientWithin (add)"), Some(true));
    assert_eq!(held("everyClientWithin (remove)"), Some(false));
}

#[test]
fn the_worst_whole_cycle_counts_and_a_partial_one_does_not() {
    let criteria = Criteria {
        update_latency: p95(secs(1)),
        ..Criteria::default()
    };
    let mut cycle = CycleSummary {
        cycle: 2,
        whole: true,
        ..CycleSummary::default()
    };
    cycle.latency.destination.add = took(3.0);
    let mut summary = summary();
    summary.cycles = vec![cycle];
    let judgement = judge(&criteria, &summary, REAL);
    assert_eq!(judgement.verdict, Verdict::Fail);
    let worst = criterion(&judgement, "updateLatency.p95 (add)");
    assert_eq!(
        (worst.scope.as_str(), worst.observed),
        ("cycle 2", Some(3.0))
    );

    summary.cycles[0].whole = false;
    assert_eq!(judge(&criteria, &summary, REAL).verdict, Verdict::Pass);
}

#[test]
fn a_censored_quantile_fails_any_limit_up_to_the_deadline() {
    let mut summary = summary();
    summary.latency.destination.add = LatencySummary {
        never: 100,
        censored_from: Some("p95".into()),
        ..took(30.0)
    };
    let judged_at = |limit| {
        let criteria = Criteria {
            update_latency: p95(limit),
            ..Criteria::default()
        };
        judge(&criteria, &summary, REAL)
    };
    let judgement = judged_at(secs(30));
    assert_eq!(judgement.verdict, Verdict::Fail);
    let reason = "updateLatency.p95 (add): at least 30 s in the run is above the limit of 30 s";
    assert_eq!(judgement.reasons, [reason]);
}

#[test]
fn send_timeouts_are_streams_that_ended_ok_while_the_overflow_counter_rose() {
    let criteria = Criteria {
        send_timeout_rate: Some(0.05),
        ..Criteria::default()
    };
    let rate = |ended_ok, overflows, send_timeouts, circumstances| {
        let mut summary = summary();
        summary.streams.unexpected_resets = ended_ok + 1;
        summary.streams.errors = 1;
        summary.target.overflows = overflows;
        summary.target.send_timeouts = send_timeouts;
        let judgement = judge(&criteria, &summary, circumstances);
        criterion(&judgement, "sendTimeoutRate").observed
    };
    // Streams of other clients overflow too.
    assert_eq!(rate(2, Some(7), None, REAL), Some(0.2));
    // A stream may end OK for another reason.
    assert_eq!(rate(2, Some(1), None, REAL), Some(0.1));
    assert_eq!(
        rate(2, Some(1), Some(4), REAL),
        Some(0.4),
        "the target's own counter"
    );
    assert_eq!(rate(2, None, None, REAL), None);
    assert_eq!(rate(2, None, None, REFERENCE), Some(0.2));
}

#[test]
fn target_criteria_are_not_judged_on_the_reference() {
    let criteria = Criteria {
        target: TargetLimits {
            memory_max: Some(1),
            ..TargetLimits::default()
        },
        ..Criteria::default()
    };
    let mut summary = summary();
    summary.target.peak_rss_bytes = Some(2);
    let judgement = judge(&criteria, &summary, REFERENCE);
    assert_eq!(criterion(&judgement, "target.memoryMax").held, None);
    assert_eq!(judgement.verdict, Verdict::Pass);
    assert_eq!(judge(&criteria, &summary, REAL).verdict, Verdict::Fail);
    summary.target.peak_rss_bytes = None;
    assert_eq!(judge(&criteria, &summary, REAL).verdict, Verdict::Pass);
}

#[test]
fn a_scrape_that_failed_makes_a_run_invalid_only_if_the_target_is_judged() {
    let mut summary = summary();
    summary.target.silent = 1;
    let mut criteria = Criteria::default();
    assert_eq!(judge(&criteria, &summary, REAL).verdict, Verdict::Pass);
    criteria.target.restarts = Some(0);
    assert_eq!(judge(&criteria, &summary, REFERENCE).verdict, Verdict::Pass);
    assert_invalid(&judge(&criteria, &summary, REAL), "could not be read");
}

#[test]
fn invalid_wins_over_fail() {
    let mut summary = summary();
    summary.correctness.streams_wrong = 1;
    summary.generator.loop_lag_p99_seconds = Some(0.2);
    let judgement = judge(&Criteria::default(), &summary, REAL);
    assert_invalid(&judgement, "the generator was the bottleneck");
    assert_eq!(judgement.reasons.len(), 2, "what failed is still said");
}

#[test]
fn the_generator_may_be_late_by_a_fifth_of_the_smallest_limit() {
    let verdict = |lag, limit: Option<Duration>| {
        let mut summary = summary();
        summary.generator.loop_lag_p99_seconds = Some(lag);
        let criteria = Criteria {
            every_client_within: limit,
            ..Criteria::default()
        };
        judge(&criteria, &summary, REAL).verdict
    };
    assert_eq!(verdict(0.2, Some(secs(1))), Verdict::Pass);
    assert_eq!(verdict(0.21, Some(secs(1))), Verdict::Invalid);
    assert_eq!(verdict(0.1, None), Verdict::Pass);
    assert_eq!(verdict(0.11, None), Verdict::Invalid);
}

#[test]
fn nothing_observed_never_passes() {
    let mut summary = summary();
    summary.fan_out.changes = 0;
    assert_invalid(
        &judge(&Criteria::default(), &summary, REAL),
        "nothing was observed",
    );
    let still = Circumstances {
        changes_planned: false,
        ..REAL
    };
    assert_eq!(
        judge(&Criteria::default(), &summary, still).verdict,
        Verdict::Pass
    );
    summary.correctness.streams_checked = 0;
    assert_invalid(
        &judge(&Criteria::default(), &summary, still),
        "no stream was open",
    );
    let cut_off = Circumstances {
        ended: false,
        ..REAL
    };
    assert_invalid(
        &judge(&Criteria::default(), &summary, cut_off),
        "did not come to its end",
    );
}

#[test]
fn a_lost_watch_makes_a_run_invalid_beyond_one_change_in_a_hundred() {
    let verdict = |untimed| {
        let mut summary = summary();
        summary.kubernetes.untimed_changes = untimed;
        judge(&Criteria::default(), &summary, REAL).verdict
    };
    assert_eq!(verdict(1), Verdict::Pass);
    assert_eq!(verdict(2), Verdict::Invalid);
}

#[test]
fn kubernetes_is_to_blame_where_a_hold_ended_early_or_it_used_up_the_limit_itself() {
    let mut slow = summary();
    slow.latency.kubernetes.add = took(5.0);
    slow.latency.end_to_end.add = took(5.1);
    let mut criteria = Criteria::default();
    assert_eq!(judge(&criteria, &slow, REAL).verdict, Verdict::Pass);
    criteria.end_to_end = EndToEnd {
        latency: p95(secs(3)),
        every_client_within: None,
    };
    assert_invalid(
        &judge(&criteria, &slow, REAL),
        "it took 5 s at p95 (add) by itself",
    );
    slow.latency.kubernetes.add = took(2.0);
    assert_eq!(judge(&criteria, &slow, REAL).verdict, Verdict::Fail);

    let mut starved = summary();
    starved.kubernetes.starved = 1;
    assert_invalid(
        &judge(&Criteria::default(), &starved, REAL),
        "had not come or gone",
    );
}

#[test]
fn a_restart_that_nobody_asked_about_makes_a_run_invalid_and_one_that_is_judged_fails_it() {
    let mut summary = summary();
    summary.target.samples = 5;
    summary.target.restarts = 1;
    let mut criteria = Criteria::default();
    assert_invalid(&judge(&criteria, &summary, REAL), "restarted 1 time");
    criteria.target.restarts = Some(0);
    assert_eq!(judge(&criteria, &summary, REAL).verdict, Verdict::Fail);
}
