//! Claims about runs that cannot say.

use super::*;

#[test]
fn proof_wins_over_doubt_and_both_reasons_are_given() {
    let mut seen = summary();
    seen.correctness.streams_wrong = 1;
    seen.kubernetes.starved = 10;
    let judged = judge(&Criteria::default(), &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Fail);
    assert!(judged.reasons[0].starts_with("correctness: "));
    assert!(judged.reasons[1].starts_with("Kubernetes starved the plan: 10 endpoints"));
}

#[test]
fn the_generator_may_be_late_by_a_fifth_of_the_smallest_limit() {
    let mut seen = summary();
    let with_lag = |seen: &mut Summary, criteria: &Criteria, lag| {
        seen.generator.loop_lag_p99_seconds = Some(lag);
        verdict(criteria, seen)
    };
    let criteria = p99(millis(500)).with(Criterion::EveryClientWithin, 10.0);
    assert_eq!(with_lag(&mut seen, &criteria, 0.1), Verdict::Pass);
    assert_eq!(with_lag(&mut seen, &criteria, 0.101), Verdict::Invalid);
    let none = Criteria::default();
    assert_eq!(with_lag(&mut seen, &none, 0.1), Verdict::Pass);
    assert_eq!(with_lag(&mut seen, &none, 0.101), Verdict::Invalid);
}

#[test]
fn streams_that_our_own_library_ended_say_nothing_of_the_destination() {
    let mut seen = summary();
    let errors = &mut seen.streams.errors_by_code;
    errors.insert("Unavailable".to_owned(), 3);
    let without = judge(&Criteria::default(), &seen, REAL);
    assert_ne!(without.verdict, Verdict::Invalid);
    let errors = &mut seen.streams.errors_by_code;
    errors.insert(dst_load_recording::recording::OWN_LIMIT.to_owned(), 50);
    let judged = judge(&Criteria::default(), &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert!(judged.reasons[0].contains("its own HTTP/2 library ended 50 streams"));
}

#[test]
fn a_machine_without_sockets_says_nothing_of_the_destination() {
    let mut seen = summary();
    let errors = &mut seen.streams.errors_by_code;
    errors.insert(dst_load_recording::recording::OWN_SOCKETS.to_owned(), 7);
    let judged = judge(&Criteria::default(), &seen, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert!(judged.reasons[0].contains("no socket for 7 streams"));
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
fn an_idle_generator_was_kept_from_its_work_by_others() {
    let mut seen = summary();
    seen.generator.loop_lag_p99_seconds = Some(0.14);
    let told = |seen: &Summary| {
        let judged = judge(&p99(millis(500)), seen, REAL);
        assert_eq!(judged.verdict, Verdict::Invalid);
        judged.reasons[0].clone()
    };
    // Of 16 s, and in virtual time not known.
    seen.duration_seconds = 16.0;
    for (cpu_seconds, others) in [(Some(0.22), true), (Some(4.0), false), (None, false)] {
        seen.generator.cpu_seconds = cpu_seconds;
        let said = told(&seen).contains("0.01 cores itself: something else kept this machine busy");
        assert_eq!(said, others, "{}", told(&seen));
    }
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
        planned: Planned::NONE,
        ..REAL
    };
    assert_eq!(
        judge(&Criteria::default(), &still, stable).verdict,
        Verdict::Pass
    );
    // Services without endpoints: streams that stay open are right, and those that fail prove nothing.
    let mut empty = still.clone();
    empty.updates.messages = 0;
    assert_eq!(
        judge(&Criteria::default(), &empty, stable).verdict,
        Verdict::Pass
    );
    let mut refused = empty.clone();
    refused.streams.errors = 39_999;
    let mut unconnected = empty;
    let reset = ("connection reset".to_owned(), 7);
    unconnected.streams.connection_errors.extend([reset]);
    for seen in [&refused, &unconnected] {
        let judged = judge(&Criteria::default(), seen, stable);
        assert_eq!(judged.verdict, Verdict::Invalid);
        let why = "nothing was observed: no stream received anything";
        assert!(judged.reasons[0].starts_with(why), "{:?}", judged.reasons);
    }
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
fn what_a_blind_observer_did_not_see_is_no_sign_of_a_slow_kubernetes() {
    let mut seen = summary();
    seen.kubernetes.starved = 10;
    let starved = |seen: &Summary| {
        let judged = judge(&p99(millis(500)), seen, REAL);
        assert_eq!(judged.verdict, Verdict::Invalid);
        judged.reasons.iter().any(|it| it.contains("starved"))
    };
    assert!(starved(&seen));
    seen.observer.blind_since_seconds = Some(9.0);
    assert!(!starved(&seen));
}

#[test]
fn an_observer_that_is_late_blind_or_unverified_makes_a_run_invalid_that_asks_for_it() {
    type Spoil = fn(&mut Observer);
    let cases: [(Spoil, Verdict); 4] = [
        (|it| it.lag_p99_seconds = Some(0.2), Verdict::Pass),
        (|it| it.blind_since_seconds = Some(9.0), Verdict::Invalid),
        (|it| it.differing_objects = 1, Verdict::Invalid),
        (
            |it| it.unverified_reason = Some("no answer".to_owned()),
            Verdict::Invalid,
        ),
    ];
    for (spoil, without_latency) in cases {
        let mut seen = summary();
        spoil(&mut seen.observer);
        assert_eq!(verdict(&p99(millis(500)), &seen), Verdict::Invalid);
        assert_eq!(verdict(&Criteria::default(), &seen), without_latency);
    }
    assert_eq!(verdict(&p99(millis(500)), &summary()), Verdict::Pass);
}

#[test]
fn kubernetes_is_to_blame_where_it_used_up_the_limit_by_itself() {
    let mut slow = summary();
    slow.latency.kubernetes.add = latency(5.0);
    slow.latency.end_to_end.add = latency(5.1);
    let mut criteria = Criteria::default();
    assert_eq!(verdict(&criteria, &slow), Verdict::Pass);
    criteria.set(Criterion::EndToEndP95, 3.0);
    let judged = judge(&criteria, &slow, REAL);
    assert_eq!(judged.verdict, Verdict::Invalid);
    assert!(judged.reasons[0].contains("it took 5 s at p95 (add) by itself"));
    slow.latency.kubernetes.add = latency(2.0);
    assert_eq!(verdict(&criteria, &slow), Verdict::Fail);
}

#[test]
fn a_run_that_did_not_end_is_invalid() {
    let cut_off = Circumstances {
        ended: Ended::CutOff,
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
        (Unit::Ratio, 1.25, "1.25"),
        (Unit::PerSecond, 12_345.0, "12,345/s"),
    ];
    for (unit, number, words) in units {
        assert_eq!(unit.words(number), words);
    }
    let verdicts = [Verdict::Pass, Verdict::Fail, Verdict::Invalid];
    assert_eq!(verdicts.map(|v| v.to_string()), ["pass", "fail", "invalid"]);
}
