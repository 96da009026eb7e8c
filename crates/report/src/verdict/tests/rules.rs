//! Which doubt voids which proof: every doubt with every way to fail.

use super::*;

/// One of the ways in which a run can mislead.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Misled {
    LateGenerator,
    OwnLimit,
    Untimed,
    SlowKubernetes,
    Starved,
    Unasked,
    Unread,
    Unobserved,
    Spared,
    Interrupted,
    CutOff,
}

/// One of the ways in which a target can fail.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sick {
    WrongEnd,
    Slow,
    SlowEndToEnd,
    Throughput,
    Resets,
    Errors,
    Memory,
    Spike,
    GrowthPerCycle,
    Views,
    Restarts,
    SendTimeouts,
}

const MISLED: [Misled; 11] = [
    Misled::LateGenerator,
    Misled::OwnLimit,
    Misled::Untimed,
    Misled::SlowKubernetes,
    Misled::Starved,
    Misled::Unasked,
    Misled::Unread,
    Misled::Unobserved,
    Misled::Spared,
    Misled::Interrupted,
    Misled::CutOff,
];

const SICK: [Sick; 12] = [
    Sick::WrongEnd,
    Sick::Slow,
    Sick::SlowEndToEnd,
    Sick::Throughput,
    Sick::Resets,
    Sick::Errors,
    Sick::Memory,
    Sick::Spike,
    Sick::GrowthPerCycle,
    Sick::Views,
    Sick::Restarts,
    Sick::SendTimeouts,
];

/// Every kind of criterion.
fn all_limits() -> Criteria {
    Criteria::from([
        (Criterion::UpdateLatencyP99, 0.5),
        (Criterion::EndToEndP99, 3.0),
        (Criterion::UnexpectedResets, 0.0),
        (Criterion::ErrorRate, 0.0),
        (Criterion::SendTimeoutRate, 0.0),
        (Criterion::ThroughputMin, 100.0),
        (Criterion::TargetMemoryMax, 1_000.0),
        (Criterion::TargetMemorySpike, 900.0),
        (Criterion::TargetMemoryGrowthPerCycle, 0.1),
        (Criterion::TargetViewsActive, 7.0),
        (Criterion::TargetRestarts, 0.0),
    ])
}

/// A run in which all of them are met.
fn healthy() -> Summary {
    let mut seen = summary();
    for stage in [&mut seen.latency.kubernetes, &mut seen.latency.end_to_end] {
        stage.add = latency(0.1);
        stage.remove = latency(0.1);
    }
    seen.updates.deliveries_per_second = Some(1_000.0);
    seen.target = Target {
        peak_rss_bytes: Some(200),
        idle_rss_bytes: Some(100),
        views_active: Some((7, 7)),
        overflows: Some(0),
        samples: 10,
        starts_known: true,
        ..Target::default()
    };
    seen.cycles = floors(&[100.0, 100.0]);
    seen
}

fn floors(floors: &[f64]) -> Vec<CycleSummary> {
    let floor = |(&floor, number)| CycleSummary {
        heap_floor_bytes: Some(floor),
        ..cycle(number, true, latency(0.010))
    };
    floors.iter().zip(1..).map(floor).collect()
}

impl Sick {
    fn strike(self, seen: &mut Summary) {
        match self {
            Self::WrongEnd => seen.correctness.streams_wrong = 1,
            Self::Slow => seen.latency.destination.add = latency(0.9),
            Self::SlowEndToEnd => seen.latency.end_to_end.add = latency(9.0),
            Self::Throughput => seen.updates.deliveries_per_second = Some(1.0),
            Self::Resets => seen.streams.unexpected_resets += 1,
            Self::Errors => {
                seen.streams.unexpected_resets += 1;
                seen.streams.errors += 1;
                seen.streams.errors_by_code.insert("Unavailable".into(), 1);
            }
            Self::Memory => {
                seen.target.peak_rss_bytes = Some(1_001);
                seen.target.idle_rss_bytes = Some(1_001);
            }
            Self::Spike => {
                seen.target.peak_rss_bytes = Some(1_000);
                seen.target.idle_rss_bytes = Some(10);
            }
            Self::GrowthPerCycle => seen.cycles = floors(&[100.0, 150.0]),
            Self::Views => seen.target.views_active = Some((7, 9)),
            Self::Restarts => seen.target.restarts = 1,
            Self::SendTimeouts => seen.target.send_timeouts = Some(1),
        }
    }

    /// The criterion that is violated.
    fn criterion(self) -> &'static str {
        match self {
            Self::WrongEnd => "correctness",
            Self::Slow => "updateLatency.p99 (add)",
            Self::SlowEndToEnd => "endToEnd.p99 (add)",
            Self::Throughput => "throughputMin",
            Self::Resets => "unexpectedResets",
            Self::Errors => "errorRate",
            Self::Memory => "target.memoryMax",
            Self::Spike => "target.memorySpike",
            Self::GrowthPerCycle => "target.memoryGrowthPerCycle",
            Self::Views => "target.viewsActive",
            Self::Restarts => "target.restarts",
            Self::SendTimeouts => "sendTimeoutRate",
        }
    }
}

impl Misled {
    fn strike(self, seen: &mut Summary, circumstances: &mut Circumstances) {
        match self {
            Self::LateGenerator => seen.generator.loop_lag_p99_seconds = Some(0.2),
            Self::OwnLimit => {
                seen.streams.errors += 3;
                seen.streams.unexpected_resets += 3;
                seen.streams
                    .errors_by_code
                    .insert(dst_load_recording::recording::OWN_LIMIT.to_owned(), 3);
            }
            Self::Untimed => seen.kubernetes.untimed_changes = 100,
            Self::SlowKubernetes => {
                seen.latency.kubernetes.add = latency(5.0);
                seen.latency.end_to_end.add = latency(9.0);
            }
            Self::Starved => seen.kubernetes.starved = 10,
            // A restart is a doubt where it is not judged.
            Self::Unasked => seen.target.restarts = 1,
            Self::Unread => seen.target.silent_judged = 1,
            Self::Unobserved => seen.fan_out.changes = 0,
            Self::Spared => circumstances.ended = Ended::Spared,
            Self::Interrupted => circumstances.ended = Ended::Interrupted,
            Self::CutOff => circumstances.ended = Ended::CutOff,
        }
    }

    /// Whether the proof that the target is sick rests on what is doubtful.
    fn voids(self, sick: Sick) -> bool {
        use Sick::{GrowthPerCycle, Slow, SlowEndToEnd, Spike, Throughput};
        match self {
            Self::LateGenerator | Self::OwnLimit | Self::Untimed => {
                matches!(sick, Slow | SlowEndToEnd | Throughput)
            }
            Self::SlowKubernetes => sick == SlowEndToEnd,
            // What was not seen could only have been more, save where a low was compared.
            Self::Unread => matches!(sick, Spike | GrowthPerCycle),
            Self::Starved | Self::Unasked | Self::Unobserved | Self::Spared => false,
            Self::Interrupted | Self::CutOff => true,
        }
    }
}

/// The criteria; a restart that is not judged is what makes it a doubt.
fn limits(misled: Option<Misled>) -> Criteria {
    let mut criteria = all_limits();
    if misled == Some(Misled::Unasked) {
        criteria.remove(Criterion::TargetRestarts);
    }
    criteria
}

fn judgement(misled: Option<Misled>, sick: Option<Sick>) -> Judgement {
    let (mut seen, mut circumstances) = (healthy(), REAL);
    if let Some(sick) = sick {
        sick.strike(&mut seen);
    }
    if let Some(misled) = misled {
        misled.strike(&mut seen, &mut circumstances);
    }
    judge(&limits(misled), &seen, circumstances)
}

#[test]
fn the_healthy_pass_the_sick_fail_and_the_doubtful_are_invalid() {
    let healthy = judgement(None, None);
    assert_eq!(healthy.verdict, Verdict::Pass, "{healthy:#?}");
    assert!(healthy.criteria.iter().all(|it| it.met == Some(true)));
    for sick in SICK {
        let judged = judgement(None, Some(sick));
        assert_eq!(judged.verdict, Verdict::Fail, "{sick:?}");
        assert_eq!(find(&judged, sick.criterion()).met, Some(false), "{sick:?}");
        let first = &judged.reasons[0];
        assert!(
            judged
                .reasons
                .iter()
                .any(|it| it.starts_with(sick.criterion())),
            "{sick:?}: {first}"
        );
    }
    for misled in MISLED {
        let judged = judgement(Some(misled), None);
        assert_eq!(judged.verdict, Verdict::Invalid, "{misled:?}: {judged:#?}");
        assert!(!judged.reasons.is_empty());
        assert!(judged.criteria.iter().all(|it| it.met != Some(false)));
    }
}

#[test]
fn a_doubt_voids_the_proof_that_rests_on_it_and_no_other() {
    for misled in MISLED {
        for sick in SICK {
            if (misled, sick) == (Misled::Unasked, Sick::Restarts) {
                // Nobody judges it: that is the doubt itself.
                continue;
            }
            let judged = judgement(Some(misled), Some(sick));
            let expected = if misled.voids(sick) {
                Verdict::Invalid
            } else {
                Verdict::Fail
            };
            let pair = format!("{misled:?} and {sick:?}: {judged:#?}");
            assert_eq!(judged.verdict, expected, "{pair}");
            let violated = find(&judged, sick.criterion());
            let met = (!misled.voids(sick)).then_some(false);
            assert_eq!(violated.met, met, "{pair}");
            // What was seen stays seen.
            assert!(violated.observed.is_some(), "{pair}");
        }
    }
}

#[test]
fn two_doubts_void_what_either_voids() {
    for one in MISLED {
        for other in MISLED {
            for sick in SICK {
                if [one, other].contains(&Misled::Unasked) && sick == Sick::Restarts {
                    continue;
                }
                let (mut seen, mut circumstances) = (healthy(), REAL);
                sick.strike(&mut seen);
                for misled in [one, other] {
                    // The second ending replaces the first, as it would.
                    misled.strike(&mut seen, &mut circumstances);
                }
                let doubles = one == Misled::OwnLimit && other == Misled::OwnLimit;
                let ends = |it| matches!(it, Misled::Spared | Misled::Interrupted | Misled::CutOff);
                if doubles || ends(one) && ends(other) {
                    continue;
                }
                let criteria = limits([one, other].into_iter().find(|it| *it == Misled::Unasked));
                let judged = judge(&criteria, &seen, circumstances);
                let expected = if one.voids(sick) || other.voids(sick) {
                    Verdict::Invalid
                } else {
                    Verdict::Fail
                };
                assert_eq!(judged.verdict, expected, "{one:?}, {other:?} and {sick:?}");
            }
        }
    }
}

#[test]
fn streams_that_this_tool_ended_itself_are_no_proof_and_excuse_no_others() {
    let criteria = all_limits()
        .with(Criterion::UnexpectedResets, 2.0)
        .with(Criterion::ErrorRate, 0.02);
    let judged = |others: u64| {
        let mut seen = healthy();
        seen.streams.unexpected_resets = others;
        seen.streams.errors = others;
        Misled::OwnLimit.strike(&mut seen, &mut REAL.clone());
        judge(&criteria, &seen, REAL)
    };
    // Two of the five are within the limit, three are not: of five with three of ours nobody knows.
    let few = judged(2);
    assert_eq!(find(&few, "unexpectedResets").met, None);
    assert_eq!(find(&few, "errorRate").met, None);
    assert_eq!(few.verdict, Verdict::Invalid);
    let many = judged(3);
    assert_eq!(find(&many, "unexpectedResets").met, Some(false));
    assert_eq!(many.verdict, Verdict::Fail);
}

#[test]
fn what_a_doubt_voids_says_why_in_its_own_place() {
    let judged = judgement(Some(Misled::LateGenerator), Some(Sick::Slow));
    let latency = find(&judged, "updateLatency.p99 (add)");
    assert_eq!(latency.scope, "the generator was late");
    assert_eq!(latency.observed, Some(0.9));
    assert_eq!(judged.reasons.len(), 1, "{:?}", judged.reasons);
    let interrupted = judgement(Some(Misled::Interrupted), Some(Sick::WrongEnd));
    assert!(interrupted.criteria.iter().all(|it| it.met.is_none()));
    assert_eq!(
        interrupted.reasons,
        ["the run was interrupted before its plan ended"]
    );
}
