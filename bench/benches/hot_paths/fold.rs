//! From deliveries to a second's line, and from the lines of a recording to what it adds up to.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput};
use dst_load_oracle::ledger::{Delivered, KubernetesStage, Outbox, Outcome};
use dst_load_recording::{
    recording::{ChangeLine, Line, Phase, Second},
    statistics::{Interval, Statistics},
};
use dst_load_scenario::{action::Direction, time::At};

const SERVICES: u64 = 10;
/// Streams of each Service, and so deliveries of each of its changes.
const STREAMS: u64 = 250;
/// How long the recording is, seconds.
const LENGTH: u64 = 600;

/// What the ledger of a Service hands on when a change was made and all streams know it.
fn outbox(service: u64) -> Outbox {
    let direction = Direction::BOTH[usize::from(service % 2 == 1)];
    let delivered = |stream| Delivered {
        times: 1,
        cycle: 1,
        direction,
        destination: Duration::from_micros(400 + 37 * service + 11 * stream),
        end_to_end: Some(Duration::from_micros(900_000 + 37 * service + 11 * stream)),
        outcome: Outcome::Learnt,
        replica: None,
        disturbed: false,
    };
    Outbox {
        deliveries: (0..STREAMS).map(delivered).collect(),
        kubernetes: vec![KubernetesStage {
            cycle: 1,
            direction,
            latency: Duration::from_millis(900),
            deliveries: STREAMS,
            disturbed: false,
        }],
        ..Outbox::default()
    }
}

/// A second in which each Service changed once.
fn second(outboxes: &[Outbox], at: At) -> Option<Second> {
    let mut interval = Interval::default();
    for outbox in outboxes {
        interval.absorb(outbox);
    }
    interval.take(at, SERVICES * STREAMS)
}

fn change(service: u64, at: At) -> Line {
    Line::Change(ChangeLine {
        at,
        service: format!("test-service-{service}"),
        object: format!("slice-{service}"),
        resource_version: at.as_micros().to_string(),
        direction: Direction::Add,
        cycle: 1,
        intended: Some(at),
        endpoints: 1,
        audience: 250,
        known: 250,
        never: 0,
        left: 0,
        superseded: 0,
        first_us: Some(400 + service),
        p50_us: Some(1_800),
        p95_us: Some(3_000),
        p99_us: Some(3_100),
        last_us: Some(3_150 + service),
        times: None,
    })
}

/// A recording in which every second is like that.
fn recording(outboxes: &[Outbox]) -> Vec<Line> {
    let mut lines = vec![
        Line::Phase {
            at: At::ZERO,
            phase: Phase::Churning,
        },
        Line::Cycle {
            at: At::ZERO,
            cycle: 1,
        },
    ];
    for at in (1..=LENGTH).map(At::from_secs) {
        lines.extend((0..SERVICES).map(|service| change(service, at)));
        lines.extend(second(outboxes, at).map(|second| Line::Second(Box::new(second))));
    }
    lines
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let outboxes: Vec<_> = (0..SERVICES).map(outbox).collect();
    let lines = recording(&outboxes);
    let folded = Statistics::of(&lines).summary().latency.destination;
    assert_eq!(
        folded.add.count + folded.remove.count,
        LENGTH * SERVICES * STREAMS
    );

    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(SERVICES * STREAMS));
    group.bench_function("deliveries of a second into its line", |bencher| {
        bencher.iter(|| second(black_box(&outboxes), At::from_secs(1)));
    });
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("lines of ten minutes", |bencher| {
        bencher.iter(|| Statistics::of(black_box(&lines)));
    });
    group.finish();
}
