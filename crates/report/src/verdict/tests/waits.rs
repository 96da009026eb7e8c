//! How long streams wait for a Service's first endpoint, and keep endpoints that are gone.

use dst_load_recording::statistics::Retained;

use super::*;

const FIRST: Criterion = Criterion::FirstEndpoint;
const EVERY: Criterion = Criterion::EveryClientWithin;

/// Ten streams that waited this long, some of which never had an endpoint.
fn waited(seconds: f64, never: u64) -> LatencySummary {
    let at_most = AtMost {
        max_seconds: (never == 0).then_some(seconds),
        ..latency(seconds).at_most
    };
    LatencySummary {
        count: 10,
        censored: never,
        never,
        at_most,
        ..latency(seconds)
    }
}

/// A run in which streams waited between two tries, with this as the time.
fn between(waited: LatencySummary) -> Summary {
    let mut seen = summary();
    seen.streams.first_endpoint = waited.clone();
    seen.streams.reconnect_gap = waited;
    seen
}

fn within(limits: &[(Criterion, f64)]) -> Criteria {
    let mut criteria = Criteria::default();
    for &(criterion, limit) in limits {
        criteria.set(criterion, limit);
    }
    criteria
}

#[test]
fn a_first_endpoint_is_in_time_at_the_limit_and_not_above_it() {
    let of = |seconds, never| {
        let judgement = judge(
            &within(&[(FIRST, 10.0)]),
            &between(waited(seconds, never)),
            REAL,
        );
        (judgement.verdict, find(&judgement, "firstEndpoint").met)
    };
    assert_eq!(of(10.0, 0), (Verdict::Pass, Some(true)));
    assert_eq!(of(10.1, 0), (Verdict::Fail, Some(false)));
    // One that never had any waited longer than is known.
    assert_eq!(of(9.0, 1), (Verdict::Invalid, None));
    assert_eq!(of(10.1, 1), (Verdict::Fail, Some(false)));
}

#[test]
fn a_run_in_which_no_stream_was_without_endpoints_says_nothing_of_the_first() {
    let judgement = judge(&within(&[(FIRST, 10.0)]), &summary(), REAL);
    assert_eq!(judgement.verdict, Verdict::Invalid);
    let [reason] = &judgement.reasons[..] else {
        panic!("{judgement:?}")
    };
    assert!(reason.contains("scale a Service from zero"), "{reason}");
}

#[test]
fn what_waited_between_two_tries_is_met_by_no_latency_unless_it_is_judged() {
    let slow = between(waited(19.9, 0));
    let of = |limits: &[(Criterion, f64)]| {
        let judgement = judge(&within(limits), &slow, REAL);
        (judgement.verdict, judgement)
    };
    let (verdict, alone) = of(&[(EVERY, 2.0)]);
    assert_eq!(verdict, Verdict::Invalid);
    assert_eq!(find(&alone, "everyClientWithin (add)").met, None);
    assert_eq!(find(&alone, "everyClientWithin (remove)").met, Some(true));
    assert!(
        alone.reasons[0].contains("criteria.firstEndpoint"),
        "{alone:?}"
    );
    for (limit, met) in [(30.0, Verdict::Pass), (10.0, Verdict::Fail)] {
        let (verdict, both) = of(&[(EVERY, 2.0), (FIRST, limit)]);
        assert_eq!(verdict, met);
        assert_eq!(find(&both, "everyClientWithin (add)").met, Some(true));
    }
    // A limit that is above all waits is met by them.
    assert_eq!(of(&[(EVERY, 20.0)]).0, Verdict::Pass);
}

#[test]
fn what_could_not_be_judged_by_itself_is_met_by_no_latency_although_it_may_stay_unjudged() {
    let mut criteria = within(&[(EVERY, 2.0), (FIRST, 30.0)]);
    criteria.optional.insert(FIRST);
    let judgement = judge(&criteria, &between(waited(19.9, 1)), REAL);
    assert_eq!(judgement.verdict, Verdict::Invalid);
    assert_eq!(find(&judgement, "firstEndpoint").met, None);
    assert_eq!(find(&judgement, "everyClientWithin (add)").met, None);
}

#[test]
fn in_which_cycle_streams_waited_is_not_known() {
    let p99 = |cycles: Vec<CycleSummary>| {
        let mut seen = between(waited(19.9, 0));
        seen.latency.destination.add.count = 10_000;
        seen.cycles = cycles;
        find(
            &judge(&p99(millis(500)), &seen, REAL),
            "updateLatency.p99 (add)",
        )
        .met
    };
    // Ten of 10,000 are less than a hundredth, and of the 100 of one cycle more.
    let few = LatencySummary {
        count: 100,
        ..latency(0.010)
    };
    assert_eq!(p99(Vec::new()), Some(true));
    assert_eq!(p99(vec![cycle(1, true, few.clone())]), None);
    assert_eq!(p99(vec![cycle(1, false, few)]), Some(true));
}

#[test]
fn from_the_intended_instant_streams_waited_for_kubernetes_too() {
    let mut seen = between(waited(1.5, 0));
    seen.latency.end_to_end.add = latency(1.0);
    seen.latency.end_to_end.remove = latency(1.0);
    let limits = within(&[(Criterion::EndToEndMax, 2.0)]);
    assert_eq!(verdict(&limits, &seen), Verdict::Pass);
    seen.latency.kubernetes.add = latency(0.6);
    assert_eq!(verdict(&limits, &seen), Verdict::Invalid);
}

#[test]
fn the_time_until_the_first_endpoint_lets_no_delivery_take_longer() {
    let criteria = within(&[(FIRST, 60.0), (Criterion::UpdateLatencyP99, 1.0)]);
    let second = Duration::from_secs(1);
    assert_eq!(criteria.delivery_limits(), Some((second, second)));
    assert_eq!(within(&[(FIRST, 60.0)]).delivery_limits(), None);
}

fn kept(kept: u64, longest: f64, at_end: u64) -> Summary {
    let mut seen = summary();
    seen.streams.retained = Some(Retained {
        kept,
        streams: kept,
        streams_at_end: at_end,
        stale_endpoint_seconds: longest,
        longest_seconds: longest,
    });
    seen
}

#[test]
fn endpoints_are_kept_for_the_limit_and_not_for_longer() {
    let of = |seen: &Summary| {
        let judgement = judge(&within(&[(Criterion::Retained, 5.0)]), seen, REAL);
        (judgement.verdict, find(&judgement, "retained").met)
    };
    assert_eq!(of(&kept(3, 5.0, 0)), (Verdict::Pass, Some(true)));
    assert_eq!(of(&kept(3, 5.1, 0)), (Verdict::Fail, Some(false)));
    // What is kept at the end is kept for longer than is known.
    assert_eq!(of(&kept(3, 4.0, 1)), (Verdict::Invalid, None));
    assert_eq!(of(&kept(3, 5.1, 1)), (Verdict::Fail, Some(false)));
    // Nothing was to be seen.
    assert_eq!(of(&kept(0, 0.0, 0)), (Verdict::Invalid, None));
    assert_eq!(of(&summary()), (Verdict::Invalid, None));
}

#[test]
fn a_late_observer_or_generator_voids_both() {
    for criterion in [FIRST, Criterion::Retained] {
        let mut seen = between(waited(3.0, 0));
        seen.streams.retained = kept(3, 3.0, 0).streams.retained;
        for limit in [2.0, 5.0] {
            let limits = within(&[(criterion, limit)]);
            seen.observer.lag_p99_seconds = None;
            assert_ne!(verdict(&limits, &seen), Verdict::Invalid);
            seen.observer.lag_p99_seconds = Some(1.1);
            assert_eq!(verdict(&limits, &seen), Verdict::Invalid, "{criterion}");
        }
        let forwarded = Circumstances {
            latency_is_judged: false,
            ..REAL
        };
        let judgement = judge(&within(&[(criterion, 2.0)]), &seen, forwarded);
        assert_eq!(find(&judgement, criterion.key()).met, None);
        assert_eq!(judgement.verdict, Verdict::Pass);
    }
}
