//! Claims about what lines add up to.

mod proxies;

use std::time::Duration;

use dst_load_oracle::ledger::{Counts, Delivered, Outbox, Outcome, UpdateCounts};
use dst_load_scenario::{action::Direction, time::At};
use proptest::prelude::*;

use super::*;
use crate::recording::{End, GeneratorSample, Line, Phase, StreamCounts, TargetSample, samples};

fn at(seconds: u64) -> At {
    At::from_secs(seconds)
}

fn header() -> Line {
    Line::Header(Box::new(samples::header(
        crate::recording::TargetKind::Linkerd,
    )))
}

fn second_with(at: At, outbox: Outbox) -> Option<Line> {
    let mut interval = Interval::default();
    interval.absorb(&outbox);
    interval
        .take(at, 1)
        .map(|second| Line::Second(Box::new(second)))
}

// Intervals.

#[test]
fn a_second_in_which_nothing_happened_has_no_line() {
    let mut interval = Interval::default();
    assert_eq!(interval.take(at(1), 100), None);
    interval.streams.opened = 1;
    assert!(interval.take(at(2), 100).is_some());
    assert_eq!(interval.take(at(3), 100), None, "taking starts afresh");
}

#[test]
fn an_interval_counts_deliveries_and_not_what_never_came() {
    let delivered = |never| samples::delivered(1, Direction::Add, 500, never);
    let outbox = Outbox {
        deliveries: vec![delivered(false), delivered(true), delivered(false)],
        ..Outbox::default()
    };
    assert_eq!(Interval::default().absorb(&outbox), 2);
}

#[test]
fn deliveries_without_an_action_have_a_destination_stage_only() {
    let outbox = Outbox {
        deliveries: vec![Delivered {
            end_to_end: None,
            ..samples::delivered(0, Direction::Add, 500, false)
        }],
        ..Outbox::default()
    };
    let lines = [second_with(at(1), outbox).unwrap()];
    let latency = Statistics::of(&lines).summary().latency;
    assert_eq!(latency.destination.add.count, 1);
    assert_eq!(latency.end_to_end.add.count, 0);
}

// Runs.

#[test]
fn every_count_adds_up_over_the_seconds() {
    let second = |at: At| {
        let mut interval = Interval::default();
        interval.bytes = 10;
        interval.streams = StreamCounts {
            opened: 1,
            reopened: 2,
            snapshots: 3,
            closed: 4,
            ended_ok: 5,
            errors: [("Unavailable".to_owned(), 6)].into(),
            not_found: 7,
            connection_errors: [("refused".to_owned(), 8)].into(),
            ..StreamCounts::default()
        };
        interval.kubernetes_errors = [("429".to_owned(), 9)].into();
        interval.absorb(&Outbox {
            counts: Counts {
                messages: 1,
                addresses: 2,
                redundant: 3,
                repeated: 12,
                superseded: 4,
                excluded: 13,
                premature: 14,
                early: 5,
                late: 6,
                left: 7,
                unexpected: 8,
                unexpected_mended: 9,
                untimed_changes: 10,
                starved: 11,
                stale_seconds: 0.5,
            },
            ..Outbox::default()
        });
        Line::Second(Box::new(interval.take(at, 1).unwrap()))
    };
    let summary = Statistics::of(&[header(), second(at(1)), second(at(2))]).summary();
    let s = &summary.streams;
    assert_eq!(
        [s.requested, s.opened, s.reopened, s.snapshots, s.not_found],
        [1_000, 2, 4, 6, 14]
    );
    assert_eq!((s.unexpected_resets, s.errors), (22, 12));
    assert_eq!(s.connection_errors["refused"], 16);
    let c = &summary.correctness;
    assert_eq!(
        [
            c.redundant,
            c.repeated,
            c.superseded,
            c.early,
            c.late,
            c.unexpected_mended
        ],
        [6, 24, 8, 10, 12, 18]
    );
    assert!((c.stale_endpoint_seconds - 1.0).abs() < f64::EPSILON);
    let u = &summary.updates;
    assert_eq!([u.messages, u.addresses, u.bytes], [2, 4, 20]);
    let k = &summary.kubernetes;
    assert_eq!(
        (k.errors["429"], k.starved, k.untimed_changes),
        (18, 22, 20)
    );
}

#[test]
fn messages_for_changes_add_up_and_are_not_known_where_a_second_does_not_say_them() {
    let updates = UpdateCounts {
        counted: 5,
        due: 4,
        repeated: 3,
        resync: 2,
    };
    let outbox = || Outbox {
        updates,
        ..Outbox::default()
    };
    let mut lines = vec![
        second_with(at(1), outbox()).unwrap(),
        second_with(at(2), outbox()).unwrap(),
    ];
    let of = |lines: &[Line]| {
        let updates = Statistics::of(lines).summary().updates;
        let counts = [updates.counted, updates.due];
        (counts, [updates.repeated, updates.resync])
    };
    assert_eq!(of(&lines), ([Some(10), Some(8)], [Some(6), Some(4)]));
    // As versions wrote it that did not count them.
    if let Line::Second(second) = &mut lines[1] {
        second.updates = None;
    }
    let json = serde_json::to_string(&lines[1]).unwrap();
    assert!(!json.contains("updates"), "{json}");
    lines[1] = serde_json::from_str(&json).unwrap();
    assert_eq!(of(&lines), ([None; 2], [None; 2]));
}

#[test]
fn throughput_counts_the_seconds_that_had_deliveries() {
    let lines = [
        samples::second(5, 1, Direction::Add, 10, 0),
        samples::opened(6, 10),
        samples::second(9, 1, Direction::Remove, 30, 0),
    ];
    let rate = Statistics::of(&lines)
        .summary()
        .updates
        .deliveries_per_second;
    assert_eq!(rate, Some(200.0));
}

#[test]
fn a_duration_counts_from_the_start_of_churn() {
    let lines = [
        header(),
        samples::phase(7, Phase::Churning),
        samples::end(19),
    ];
    let statistics = Statistics::of(&lines);
    assert!((statistics.summary().duration_seconds - 12.0).abs() < 1e-9);
    let end = End {
        at: at(19),
        interrupted: false,
        error: None,
        spared: false,
        totals: None,
    };
    assert_eq!(statistics.ended(), Some(&end));
    assert_eq!(Statistics::of(&lines[..2]).ended(), None);
}

#[test]
fn the_last_stream_counts_from_the_intended_instant_too() {
    let lines = [samples::change(10, 1, Direction::Add, 0)];
    let fan_out = Statistics::of(&lines).summary().fan_out;
    assert_eq!(fan_out.last_seconds_max, Some(0.030_4));
    assert_eq!(fan_out.last_end_to_end_seconds_max, Some(0.830_4));
}

#[test]
fn a_change_without_an_audience_is_no_change() {
    let mut line = samples::change(10, 1, Direction::Add, 0);
    if let Line::Change(change) = &mut line {
        change.audience = 0;
    }
    assert_eq!(Statistics::of(&[line]).summary().fan_out.changes, 0);
}

#[test]
fn wrong_holdings_of_all_services_add_up_and_a_few_are_quoted() {
    let lines: Vec<_> = (0..8).map(|_| samples::end_state(9, 2, 1)).collect();
    let correctness = Statistics::of(&lines).summary().correctness;
    assert_eq!(correctness.streams_checked, 8_000);
    assert_eq!((correctness.stale, correctness.missing), (16, 8));
    assert_eq!(correctness.examples.len(), 10);
}

#[test]
fn the_generators_last_cpu_and_largest_memory_are_stated() {
    let sample = |s, cpu_seconds, rss_bytes| {
        Line::Generator(GeneratorSample {
            at: at(s),
            cpu_seconds,
            rss_bytes,
        })
    };
    let lines = [sample(1, 1.0, 90), sample(2, 2.0, 50)];
    let generator = Statistics::of(&lines).summary().generator;
    assert_eq!(
        (generator.cpu_seconds, generator.peak_rss_bytes),
        (Some(2.0), Some(90))
    );
}

// Cycles.

#[test]
fn deliveries_and_changes_belong_to_the_cycle_they_name() {
    let summary = Statistics::of(&samples::failed()).summary();
    let never: Vec<_> = summary
        .cycles
        .iter()
        .map(|c| {
            (
                c.cycle,
                c.latency.destination.add.never,
                c.fan_out.completed,
            )
        })
        .collect();
    assert_eq!(never, [(1, 0, 2), (2, 370, 1)]);
    assert!(summary.cycles.iter().all(|cycle| cycle.whole));
    let bounds: Vec<_> = summary
        .cycles
        .iter()
        .map(|c| (c.from_seconds, c.to_seconds))
        .collect();
    assert_eq!(bounds, [(10.0, 20.0), (20.0, 30.0)]);
}

#[test]
fn a_cycle_that_is_under_way_is_partial() {
    let lines = [samples::cycle(10, 1), samples::cycle(20, 2)];
    let whole = |lines: &[Line]| -> Vec<bool> {
        let summary = Statistics::of(lines).summary();
        summary.cycles.iter().map(|cycle| cycle.whole).collect()
    };
    assert_eq!(whole(&lines), [true, false]);
    let ended = [&lines[..], &[samples::whole(30)]].concat();
    assert_eq!(whole(&ended), [true, true]);
}

#[test]
fn old_cycles_are_forgotten_and_their_numbers_stay() {
    let lines = samples::a_day();
    let statistics = Statistics::of(&lines);
    let summary = statistics.summary();
    assert_eq!(summary.cycles.len(), 288);
    let debug = format!("{statistics:?}");
    assert!(
        debug.matches("OpenCycle").count() <= 3,
        "cycles stay open: {}",
        debug.matches("OpenCycle").count()
    );
    // With a deadline of a day, none is closed: the numbers must be the same.
    let mut kept = lines;
    if let Line::Header(header) = &mut kept[0] {
        header.deadline_seconds = 86_400.0;
    }
    assert_eq!(Statistics::of(&kept).summary().cycles, summary.cycles);
}

#[test]
fn what_comes_late_still_belongs_to_its_cycle() {
    let lines = [
        header(),
        samples::cycle(10, 1),
        samples::cycle(20, 2),
        samples::cycle(30, 3),
        samples::second(49, 1, Direction::Add, 1, 10),
    ];
    let cycles = Statistics::of(&lines).summary().cycles;
    assert_eq!(cycles[0].latency.destination.add.never, 10);
}

// The target.

fn target(lines: &[Line]) -> Target {
    Statistics::of(lines).summary().target
}

#[test]
fn idle_is_what_comes_before_the_first_cycle_with_all_streams_open() {
    let summary = target(&samples::passed());
    assert_eq!(summary.idle_rss_bytes, Some(92 << 20));
    assert_eq!(summary.peak_rss_bytes, Some(133 << 20));
    let idle = summary.idle_cpu_cores.unwrap();
    assert!((idle - 0.02).abs() < 1e-9, "{idle}");
    let max = summary.cpu_max_cores.unwrap();
    assert!((max - 0.2).abs() < 1e-9, "{max}");
    assert!((summary.cpu_seconds.unwrap() - 3.2).abs() < 1e-9);
    assert_eq!((summary.samples, summary.restarts), (8, 0));
}

#[test]
fn what_the_target_used_to_let_its_streams_go_is_for_no_change() {
    let mut lines = samples::passed();
    let before = target(&lines).cpu_above_idle_seconds;
    let left = samples::target(32, 50.0, 131, 20);
    let Line::Target(mut sample) = left else {
        panic!("{left:?}")
    };
    sample.our_streams = Some(0);
    let settled = lines
        .iter()
        .position(|line| matches!(line, Line::EndState(_)));
    lines.insert(settled.unwrap(), Line::Target(sample));
    assert_eq!(target(&lines).cpu_above_idle_seconds, before);
}

#[test]
fn a_restart_is_seen_and_counters_count_again_from_zero() {
    let mut lines = samples::passed();
    let mut seen = 0;
    for line in &mut lines {
        if let Line::Target(sample) = line {
            seen += 1;
            if seen > 5 {
                sample.start_seconds = Some(2_000.0);
                sample.cpu_seconds = Some(0.5);
            }
        }
    }
    let summary = target(&lines);
    assert_eq!((summary.restarts, summary.cpu_seconds), (1, Some(0.5)));
    assert_eq!(summary.cpu_above_idle_seconds, None);
}

#[test]
fn heap_is_taken_at_its_lowest_in_the_low_hold_and_residence_where_there_is_none() {
    let floors = |lines: &[Line]| -> Vec<Option<f64>> {
        let summary = Statistics::of(lines).summary();
        summary.cycles.iter().map(|c| c.heap_floor_bytes).collect()
    };
    let mib = |n: u32| Some(f64::from(n << 20));
    let mut lines = samples::passed();
    assert_eq!(floors(&lines), [mib(42), mib(43)]);
    for line in &mut lines {
        if let Line::Target(sample) = line {
            sample.heap_bytes = None;
        }
    }
    assert_eq!(floors(&lines), [mib(128), mib(131)]);
}

#[test]
fn a_low_hold_without_a_garbage_collection_has_no_floor() {
    let floors = |collections: fn(u64) -> f64| -> Vec<Option<f64>> {
        let mut lines = samples::passed();
        for line in &mut lines {
            if let Line::Target(sample) = line {
                sample.collected_seconds = Some(collections(sample.at.since_start().as_secs()));
            }
        }
        let summary = Statistics::of(&lines).summary();
        summary.cycles.iter().map(|c| c.heap_floor_bytes).collect()
    };
    let mib = |n: u32| Some(f64::from(n << 20));
    assert_eq!(floors(|_| 7.0), [None, None]);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a short recording")]
    let always = floors(|second| second as f64);
    assert_eq!(always, [mib(42), mib(43)]);
}

#[test]
fn growth_an_hour_is_a_trend_of_the_lowest_heaps() {
    let mut lines = vec![header(), samples::phase(0, Phase::Churning)];
    let mut s = 0_u32;
    while s <= 7_200 {
        // From 40 MiB, 10 % an hour, with garbage on top of every other sample.
        let heap = 40.0 * (1.0 + 0.1 * f64::from(s) / 3_600.0);
        let garbage = if s.is_multiple_of(10) { 0.0 } else { 30.0 };
        lines.push(Line::Target(TargetSample {
            at: at(u64::from(s)),
            heap_bytes: Some((heap + garbage) * 1_048_576.0),
            ..TargetSample::default()
        }));
        s += 5;
    }
    let growth = target(&lines).heap_growth;
    let per_hour = growth.per_hour.unwrap();
    assert!((per_hour - 0.1).abs() < 0.01, "{growth:?}");
    assert_eq!(growth.windows, 11);
}

#[test]
fn views_are_watched_while_churning_only() {
    let sample = |s, views: f64| {
        Line::Target(TargetSample {
            at: at(s),
            views_active: Some(views),
            ..TargetSample::default()
        })
    };
    let lines = [
        sample(1, 0.0),
        samples::phase(2, Phase::Churning),
        sample(3, 10.0),
        sample(4, 12.0),
        samples::phase(5, Phase::Settling),
        sample(6, 99.0),
    ];
    assert_eq!(target(&lines).views_active, Some((10, 12)));
}

#[test]
fn silence_is_counted_with_its_last_reason() {
    let silent = |s, error: &str| Line::TargetSilent {
        at: at(s),
        error: error.to_owned(),
    };
    let summary = target(&[silent(1, "refused"), silent(2, "timed out")]);
    assert_eq!(summary.silent, 2);
    assert_eq!(summary.silent_reason.as_deref(), Some("timed out"));
}

// Quantiles.

#[test]
fn a_quantile_whose_bounds_agree_is_certain_though_one_below_is_not() {
    let mut latency = Latency::default();
    for number in 1..=100 {
        latency.record(Duration::from_millis(number.min(90)), 1);
    }
    latency.record_never(Duration::ZERO, 1);
    let summary = LatencySummary::of(&latency);
    let is_censored = |key| summary.quantile(key).unwrap().1;
    assert!(is_censored("p50") && !is_censored("p95") && is_censored("max"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// What went through lines, cut into seconds anywhere, is what was measured.
    #[test]
    fn quantiles_survive_the_recording(
        deliveries in prop::collection::vec((0_u64..60_000_000, prop::bool::weighted(0.1)), 1..60),
        cut in 1_usize..10,
    ) {
        let mut direct = Latency::default();
        let mut lines = vec![header(), samples::cycle(1, 1)];
        for (number, part) in deliveries.chunks(cut).enumerate() {
            let outbox = Outbox {
                deliveries: part
                    .iter()
                    .map(|&(micros, never)| {
                        samples::delivered(1, Direction::Remove, micros, never)
                    })
                    .collect(),
                ..Outbox::default()
            };
            for delivered in &outbox.deliveries {
                if delivered.outcome == Outcome::Never {
                    direct.record_never(delivered.destination, delivered.times);
                } else {
                    direct.record(delivered.destination, 1);
                }
            }
            lines.extend(second_with(at(number as u64 + 1), outbox));
        }
        let mut bytes = Vec::new();
        crate::recording::write(&lines, &mut bytes).unwrap();
        let read = crate::recording::read(bytes.as_slice()).unwrap();
        let summary = Statistics::of(&read).summary();
        let remove = &summary.latency.destination.remove;
        prop_assert_eq!((remove.count, remove.never), (direct.count(), direct.never()));
        for (key, q) in LatencySummary::QUANTILES {
            let expected = direct.quantile(q).map(|q| (q.value.as_secs_f64(), q.is_censored()));
            prop_assert_eq!(remove.quantile(key), expected, "{}", key);
        }
        prop_assert_eq!(&summary.cycles[0].latency, &summary.latency);
        let sums: Duration = deliveries.iter().map(|&(us, _)| Duration::from_micros(us)).sum();
        prop_assert!((direct.sum_seconds() - sums.as_secs_f64()).abs() <= sums.as_secs_f64() / 500.0);
    }
}
