//! A distribution of latencies: what each delivery, each second and each line of a recording costs.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, Throughput};
use dst_load_recording::statistics::{Latency, RecordedLatency};

const VALUES: u64 = 1_000;

/// Latencies from 0.4 ms to 1.2 s, in no order.
fn latencies() -> Vec<Duration> {
    // 7,919 is prime: each of the values is there once.
    let nth = |n: u64| n * 7_919 % VALUES;
    let micros = |n| 400 + nth(n) * nth(n) * 12 / 10;
    (0..VALUES)
        .map(|n| Duration::from_micros(micros(n)))
        .collect()
}

fn filled(latencies: &[Duration]) -> Latency {
    let mut latency = Latency::default();
    for &value in latencies {
        latency.record(value, 1);
    }
    latency
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let latencies = latencies();
    let filled = filled(&latencies);
    assert_eq!(filled.count(), VALUES);
    let write = |latency: &Latency| {
        serde_json::to_string(&latency.recorded()).expect("invariant: a latency is JSON")
    };
    let read = |text: &str| {
        let line: RecordedLatency =
            serde_json::from_str(text).expect("invariant: it was written so");
        let mut latency = Latency::default();
        latency.add(&line);
        latency
    };
    let text = write(&filled);
    assert_eq!(read(&text), filled);
    let mut twice = filled.clone();
    twice.merge(&filled);
    assert_eq!(twice.count(), 2 * VALUES);

    let mut group = criterion.benchmark_group("histogram");
    group.throughput(Throughput::Elements(VALUES));
    group.bench_function("record", |bencher| {
        let record = |latency: &mut Latency| {
            for &value in black_box(&latencies) {
                latency.record(value, 1);
            }
        };
        bencher.iter_batched_ref(Latency::default, record, BatchSize::SmallInput);
    });
    group.bench_function("merge", |bencher| {
        let merge = |latency: &mut Latency| latency.merge(black_box(&filled));
        bencher.iter_batched_ref(|| filled.clone(), merge, BatchSize::SmallInput);
    });
    group.bench_function("write", |bencher| {
        bencher.iter(|| write(black_box(&filled)));
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| read(black_box(&text)));
    });
    group.finish();
}
