//! Plans: each pattern's timeline, and what holds for every plan.

use std::{collections::BTreeSet, time::Duration};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::*;
use crate::{
    pattern::{Pattern, Wave},
    scenario::{Jitter, built_in, schema},
    stale_state::StaleStateCase,
};

fn scenario(overrides: &[&str]) -> Scenario {
    let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
    let text = built_in("quick").unwrap();
    Scenario::from_yaml(text, "quick.yaml", &overrides)
        .unwrap()
        .0
}

fn with(pattern: Pattern) -> Scenario {
    let mut scenario = scenario(&[]);
    scenario.churn.cycles = None;
    scenario.churn.groups[0].pattern = pattern;
    scenario
}

fn oscillate(jitter: Jitter) -> Pattern {
    let wave = wave(10, 200, 120, 300);
    Pattern::Oscillate { wave, jitter }
}

/// Two sizes, and seconds at each.
fn wave(min: u32, max: u32, min_hold: u64, max_hold: u64) -> Wave {
    Wave {
        min,
        max,
        min_hold: Duration::from_secs(min_hold),
        max_hold: Duration::from_secs(max_hold),
    }
}

/// The scalings of one Service: seconds, from, to.
fn scalings(scenario: &Scenario, service: usize, count: usize) -> Vec<(f64, u32, u32)> {
    Plan::new(scenario)
        .filter_map(|step| match step {
            Step::Act(action) if action.service == service => match action.verb {
                Verb::Scale { from, to } => Some((action.intended.as_secs_f64(), from, to)),
                _ => None,
            },
            _ => None,
        })
        .take(count)
        .collect()
}

fn cycle_starts(scenario: &Scenario, count: usize) -> Vec<(u32, f64)> {
    Plan::new(scenario)
        .filter_map(|step| match step {
            Step::Cycle(start) => Some((start.cycle, start.at.as_secs_f64())),
            _ => None,
        })
        .take(count)
        .collect()
}

#[test]
fn every_service_is_created_first_and_at_zero() {
    let steps: Vec<_> = Plan::new(&scenario(&[])).take(6).collect();
    for (service, step) in steps[..5].iter().enumerate() {
        assert_eq!(
            *step,
            Step::Act(Action {
                intended: At::ZERO,
                service,
                cycle: 0,
                verb: Verb::Create { endpoints: 5 },
            })
        );
    }
    assert!(matches!(steps[5], Step::Cycle(_)));
}

#[test]
fn an_oscillation_holds_at_each_end_and_counts_its_cycles() {
    let scenario = with(oscillate(Jitter::UpTo(Duration::ZERO)));
    assert_eq!(
        scalings(&scenario, 3, 4),
        [
            (120.0, 10, 200),
            (420.0, 200, 10),
            (540.0, 10, 200),
            (840.0, 200, 10)
        ]
    );
    assert_eq!(cycle_starts(&scenario, 2), [(1, 120.0), (2, 540.0)]);
    assert_eq!(Plan::new(&scenario).end(), None);
}

#[test]
fn cycles_end_at_the_end_of_the_last_low_hold() {
    let mut scenario = with(oscillate(Jitter::UpTo(Duration::from_secs(5))));
    scenario.churn.cycles = Some(3);
    let steps: Vec<_> = Plan::new(&scenario).collect();
    assert_eq!(steps.last(), Some(&Step::End(At::from_secs(3 * 420 + 120))));
    let cycles = steps.iter().filter(|s| matches!(s, Step::Cycle(_))).count();
    assert_eq!(cycles, 3);
    let acts = steps.iter().filter(|s| matches!(s, Step::Act(_))).count();
    assert_eq!(acts, 5 + 3 * 5 * 2);
}

#[test]
fn the_earlier_of_duration_and_cycles_ends_the_run() {
    let mut scenario = with(oscillate(Jitter::UpTo(Duration::ZERO)));
    scenario.churn.cycles = Some(3);
    scenario.churn.duration = Some(Duration::from_secs(540));
    let steps: Vec<_> = Plan::new(&scenario).collect();
    assert_eq!(steps.last(), Some(&Step::End(At::from_secs(540))));
    // What would start at the very end is left out.
    let starts = steps.iter().filter(|s| matches!(s, Step::Cycle(_)));
    assert_eq!(starts.count(), 1);
}

#[test]
fn a_stable_plan_has_creations_and_an_end_at_most() {
    let mut scenario = with(Pattern::Stable { endpoints: 7 });
    assert_eq!(Plan::new(&scenario).count(), 5);
    scenario.churn.duration = Some(Duration::from_secs(60));
    let steps: Vec<_> = Plan::new(&scenario).collect();
    assert_eq!(steps[5..], [Step::End(At::from_secs(60))]);
}

#[test]
fn a_ramp_climbs_in_even_steps_no_faster_than_ten_a_second() {
    let ramp = |from, to, millis| {
        with(Pattern::ScaleUp {
            from,
            to,
            over: Duration::from_millis(millis),
        })
    };
    let coarse = scalings(&ramp(10, 14, 2_000), 0, 99);
    assert_eq!(
        coarse,
        [(0.0, 10, 11), (0.5, 11, 12), (1.0, 12, 13), (1.5, 13, 14)]
    );
    let fine = scalings(&ramp(10, 200, 1_000), 0, 99);
    assert_eq!(fine.len(), 10);
    assert_eq!(fine[9], (0.9, 181, 200));
    let down = scalings(&ramp(9, 0, 300), 0, 99);
    assert_eq!(down, [(0.0, 9, 6), (0.1, 6, 3), (0.2, 3, 0)]);
    assert_eq!(cycle_starts(&ramp(10, 14, 2_000), 9), [(1, 0.0)]);
}

#[test]
fn a_sawtooth_climbs_in_steps_drops_at_once_and_begins_again() {
    let mut scenario = with(Pattern::Sawtooth {
        wave: wave(10, 14, 60, 5),
        over: Duration::from_secs(2),
        jitter: Jitter::NONE,
    });
    let cycle = [
        (60.0, 10, 11),
        (60.5, 11, 12),
        (61.0, 12, 13),
        (61.5, 13, 14),
        (67.0, 14, 10),
    ];
    // 2 s up, 5 s there and 60 s at rest.
    let next = cycle.map(|(at, from, to)| (at + 67.0, from, to));
    assert_eq!(scalings(&scenario, 3, 10), [cycle, next].concat());
    assert_eq!(cycle_starts(&scenario, 2), [(1, 60.0), (2, 127.0)]);
    assert_eq!(Plan::new(&scenario).end(), None);

    scenario.churn.cycles = Some(2);
    let plan = Plan::new(&scenario);
    assert_eq!(plan.end(), Some(At::from_secs(194)));
    let second = (At::from_secs(127), At::from_secs(194));
    assert_eq!(plan.cycle_bounds(2), Some(second));
    assert_eq!(scalings(&scenario, 3, 99).len(), 10);
    assert!(Plan::ends_with_a_cycle(&scenario));
    scenario.churn.duration = Some(Duration::from_secs(193));
    assert!(!Plan::ends_with_a_cycle(&scenario));
}

#[test]
fn a_late_sawtooth_is_late_as_a_whole() {
    let scenario = with(Pattern::Sawtooth {
        wave: wave(0, 4, 60, 30),
        over: Duration::from_secs(2),
        jitter: Jitter::UpTo(Duration::from_secs(9)),
    });
    let late = |service: usize| {
        let moves = scalings(&scenario, service, 5);
        let up = moves[0].0 - 60.0;
        assert!((0.0..=9.0).contains(&up), "{up}");
        for (nth, step) in (0..4_u32).zip(&moves) {
            let even = moves[0].0 + f64::from(nth) * 0.5;
            assert!((step.0 - even).abs() < 1e-6, "{moves:?}");
        }
        let down = moves[4].0 - 92.0;
        assert!((0.0..=9.0).contains(&down), "{down}");
        assert_eq!((moves[4].1, moves[4].2), (4, 0));
        [up, down]
    };
    let [first, second] = [late(0), late(1)];
    assert_ne!(first[0], first[1]);
    assert_ne!(first, second);
}

#[test]
fn batches_follow_one_another_and_the_holds_count_from_the_last() {
    let scenario = with(Pattern::Batch {
        wave: wave(1, 3, 60, 100),
        size: 2,
        interval: Duration::from_secs(10),
    });
    assert_eq!(scalings(&scenario, 1, 2), [(60.0, 1, 3), (180.0, 3, 1)]);
    assert_eq!(scalings(&scenario, 4, 2), [(80.0, 1, 3), (200.0, 3, 1)]);
    assert_eq!(cycle_starts(&scenario, 2), [(1, 60.0), (2, 260.0)]);
}

#[test]
fn a_spike_is_short_and_a_rollout_returns() {
    let spike = with(Pattern::Spike {
        wave: wave(2, 50, 60, 5),
        jitter: Jitter::UpTo(Duration::ZERO),
    });
    assert_eq!(scalings(&spike, 0, 2), [(60.0, 2, 50), (65.0, 50, 2)]);

    let rollout = with(Pattern::RollingUpdate {
        endpoints: 8,
        every: Duration::from_secs(30),
        max_surge: 2,
        max_unavailable: 2,
    });
    let restarts: Vec<_> = Plan::new(&rollout)
        .filter_map(|step| match step {
            Step::Act(a) if a.verb == (Verb::Restart { endpoints: 8 }) => {
                Some((a.intended, a.service, a.cycle))
            }
            _ => None,
        })
        .skip(4)
        .take(2)
        .collect();
    assert_eq!(
        restarts,
        [(At::from_secs(30), 4, 1), (At::from_secs(60), 0, 2)]
    );
}

#[test]
fn a_mix_has_the_cycles_of_its_first_cycling_group() {
    let mut scenario = with(Pattern::Stable { endpoints: 4 });
    let mut second = scenario.churn.groups[0].clone();
    second.prefix = "up-and-down".to_owned();
    second.pattern = oscillate(Jitter::PercentOfHold(5.0));
    scenario.churn.groups.push(second);
    assert_eq!(cycle_starts(&scenario, 2), [(1, 120.0), (2, 540.0)]);
    assert!(
        scalings(
            &{
                let mut ended = scenario.clone();
                ended.churn.cycles = Some(2);
                ended
            },
            0,
            1
        )
        .is_empty()
    );
    let moves = scalings(&scenario, 5, 2);
    assert!((120.0..=126.0).contains(&moves[0].0), "5% of 2 m is 6 s");
    assert!((420.0..=435.0).contains(&moves[1].0), "5% of 5 m is 15 s");
}

fn patterns() -> impl Strategy<Value = Pattern> {
    let hold = || (1_u64..5_000).prop_map(Duration::from_millis);
    let waves = || {
        (0_u32..50, 1_u32..50, hold(), hold()).prop_map(|(min, more, min_hold, max_hold)| Wave {
            min,
            max: min + more,
            min_hold,
            max_hold,
        })
    };
    prop_oneof![
        (0_u32..50).prop_map(|endpoints| Pattern::Stable { endpoints }),
        (waves(), 0_u64..9_000).prop_map(|(wave, jitter)| Pattern::Oscillate {
            wave,
            jitter: Jitter::UpTo(Duration::from_millis(jitter)),
        }),
        (waves(), 0.0..100.0).prop_map(|(wave, percent)| Pattern::Spike {
            wave,
            jitter: Jitter::PercentOfHold(percent),
        }),
        (0_u32..50, 0_u32..50, hold()).prop_map(|(from, to, over)| Pattern::ScaleUp {
            from,
            to,
            over
        }),
        (waves(), hold(), 0_u64..9_000).prop_map(|(wave, over, jitter)| Pattern::Sawtooth {
            wave,
            over,
            jitter: Jitter::UpTo(Duration::from_millis(jitter)),
        }),
        (1_u32..50, hold()).prop_map(|(endpoints, every)| Pattern::RollingUpdate {
            endpoints,
            every,
            max_surge: 1,
            max_unavailable: 0,
        }),
        (waves(), 1_u32..9, hold()).prop_map(|(wave, size, interval)| Pattern::Batch {
            wave,
            size,
            interval,
        }),
    ]
}

#[test]
fn what_holds_for_every_plan_is_tried_with_each_pattern() {
    let mut runner = TestRunner::deterministic();
    let tried: BTreeSet<_> = (0..200)
        .map(|_| patterns().new_tree(&mut runner).unwrap().current().key())
        .collect();
    let all = schema()["definitions"]["Pattern"]["enum"].clone();
    let all: BTreeSet<String> = serde_json::from_value(all).unwrap();
    assert_eq!(tried, all.iter().map(String::as_str).collect());
}

fn mixes() -> impl Strategy<Value = Scenario> {
    let groups = prop::collection::vec((patterns(), 1_u32..6), 1..4);
    (groups, any::<u64>()).prop_map(|(groups, seed)| {
        let mut scenario = scenario(&[]);
        scenario.seed = seed;
        scenario.churn.cycles = None;
        let template = scenario.churn.groups.remove(0);
        for (index, (pattern, count)) in groups.into_iter().enumerate() {
            let mut group = template.clone();
            group.prefix = format!("group-{index}");
            group.count = count;
            group.pattern = pattern;
            scenario.churn.groups.push(group);
        }
        scenario
    })
}

/// Each named Service's actions within the first `span`, without their cycle numbers.
fn timelines(scenario: &Scenario, span: Duration) -> Vec<(String, Vec<(At, Verb)>)> {
    let mut bounded = scenario.clone();
    bounded.churn.duration = Some(span);
    let mut lines: Vec<_> = bounded.services().map(|name| (name, Vec::new())).collect();
    for step in Plan::new(&bounded) {
        if let Step::Act(action) = step {
            lines[action.service].1.push((action.intended, action.verb));
        }
    }
    lines
}

#[test]
fn a_stale_state_case_comes_back_every_hold_and_counts_its_rounds() {
    let mut scenario = with(Pattern::Provoke {
        case: StaleStateCase::SliceBeforePods,
        endpoints: 5,
        every: Duration::from_secs(7),
    });
    scenario.churn.cycles = Some(2);
    let steps: Vec<_> = Plan::new(&scenario)
        .filter_map(|step| match step {
            Step::Act(Action {
                intended,
                service: 0,
                verb,
                ..
            }) => Some((intended, verb.expects())),
            Step::End(at) => Some((at, (0, 0))),
            _ => None,
        })
        .collect();
    let at = At::from_secs;
    let expected = [
        (at(0), (5, 0)),
        (at(7), (5, 0)),
        (at(14), (5, 5)),
        (at(21), (0, 0)),
    ];
    assert_eq!(steps, expected);
    assert_eq!(cycle_starts(&scenario, 9), [(1, 7.0), (2, 14.0)]);
}

proptest! {
    #[test]
    fn steps_are_ordered_and_sizes_stay_within_the_pattern(scenario in mixes()) {
        let services: Vec<_> = scenario
            .churn
            .groups
            .iter()
            .flat_map(|g| std::iter::repeat_n(&g.pattern, g.count as usize))
            .collect();
        let rank = |step: &Step| match step {
            Step::Cycle(_) => (1, 0),
            Step::Act(a) => (if a.cycle == 0 && matches!(a.verb, Verb::Create { .. }) { 0 } else { 2 }, a.service),
            Step::End(_) => (3, 0),
        };
        let mut sizes = vec![0; services.len()];
        let mut before = (At::ZERO, (0, 0));
        for step in Plan::new(&scenario).take(400) {
            let now = (step.at(), rank(&step));
            prop_assert!(before.0 <= now.0, "{before:?} then {now:?}");
            prop_assert_eq!(step.at().as_micros() % 1_000, 0);
            before = now;
            let Step::Act(action) = step else { continue };
            let size = &mut sizes[action.service];
            match action.verb {
                Verb::Create { endpoints } => *size = endpoints,
                Verb::Scale { from, to } => {
                    prop_assert_eq!(*size, from);
                    prop_assert!(to <= services[action.service].peak());
                    *size = to;
                }
                Verb::Restart { endpoints } | Verb::Provoke { endpoints, .. } => {
                    prop_assert_eq!(*size, endpoints);
                }
            }
        }
    }

    #[test]
    fn adding_a_group_moves_no_other_service(scenario in mixes(), added in patterns()) {
        let span = Duration::from_secs(20);
        let before = timelines(&scenario, span);
        let mut more = scenario.clone();
        let mut group = more.churn.groups[0].clone();
        group.prefix = "added".to_owned();
        group.pattern = added;
        more.churn.groups.insert(0, group);
        let after = timelines(&more, span);
        for line in before {
            prop_assert!(after.contains(&line), "{} moved", line.0);
        }
    }

    #[test]
    fn adding_a_service_moves_no_other(scenario in mixes()) {
        // A batch waits for its last Service, so there the number of Services counts.
        let batch = |g: &crate::scenario::ServiceGroup| matches!(g.pattern, Pattern::Batch { .. });
        prop_assume!(!scenario.churn.groups.iter().any(batch));
        let span = Duration::from_secs(20);
        let before = timelines(&scenario, span);
        let mut more = scenario.clone();
        more.churn.groups[0].count += 1;
        let after = timelines(&more, span);
        for line in before {
            prop_assert!(after.contains(&line), "{} moved", line.0);
        }
    }

    #[test]
    fn a_plan_of_cycles_has_so_many_and_ends(scenario in mixes(), cycles in 1_u32..4) {
        let mut scenario = scenario;
        scenario.churn.cycles = Some(cycles);
        let plan = Plan::new(&scenario);
        let Some(end) = plan.end() else { return Ok(()) };
        let bounds = plan.cycle_bounds(cycles);
        let steps: Vec<_> = plan.collect();
        prop_assert_eq!(steps.last(), Some(&Step::End(end)));
        prop_assert_eq!(bounds.map(|(_, end)| end), Some(end));
        let starts = steps.iter().filter(|s| matches!(s, Step::Cycle(_))).count();
        prop_assert_eq!(starts, cycles as usize);
    }
}
