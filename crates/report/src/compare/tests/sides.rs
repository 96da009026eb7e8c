//! Recordings made up for comparisons: the same run with other costs and other luck.

use dst_load_recording::recording::{
    Line, Phase, TargetKind, TargetSample,
    samples::{change, criteria, cycle, end, end_state, header, opened, phase, second, whole},
};
use dst_load_scenario::{action::Direction, time::At};

use crate::compare::Run;

/// What tells one side from the other.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) kind: TargetKind,
    pub(super) build: String,
    pub(super) seed: u64,
    pub(super) services: u32,
    /// Services that each client asks for, if not all.
    pub(super) targets: Option<u32>,
    pub(super) limit: String,
    /// Factors on what a run costs and takes.
    pub(super) cpu: f64,
    pub(super) allocated: f64,
    pub(super) last: f64,
    /// Streams that are wrong at the end.
    pub(super) wrong: u64,
    /// Streams that never learn of the first addition.
    pub(super) never: u32,
    /// Whether the target has Go's metrics.
    pub(super) go: bool,
    /// Whether it is sampled before streams come and after they have left, and what it allocates.
    pub(super) edges: bool,
    pub(super) restarts: bool,
    /// Whether another replica of the target comes.
    pub(super) is_joined: bool,
    pub(super) collected_at_the_end: bool,
    pub(super) cut_off: bool,
    /// Goroutines after all streams have left; there were 200 before.
    pub(super) routines_left: f64,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            kind: TargetKind::Linkerd,
            build: "main-0a1b2c".into(),
            seed: 7,
            services: 10,
            targets: None,
            limit: "500ms".into(),
            cpu: 1.0,
            allocated: 1.0,
            last: 1.0,
            wrong: 0,
            never: 0,
            go: true,
            edges: true,
            restarts: false,
            is_joined: false,
            collected_at_the_end: true,
            cut_off: false,
            routines_left: 203.0,
        }
    }
}

/// `n` runs, each with a luck of its own: the first has none, and the others are up to 2 % off.
pub(super) fn runs(side: &Side, n: u32) -> Vec<Run> {
    let luck = [0.0, 0.01, -0.01, 0.02, -0.02];
    (0..n)
        .map(|number| {
            let luck = 1.0 + luck[number as usize % luck.len()];
            let mut lines = lines(side, luck);
            if let Some(Line::Header(header)) = lines.first_mut() {
                header.run_id = format!("{}-{number}", side.build);
            }
            let place = format!("{}/run-{number}", side.build);
            Run::of(place, &lines, &criteria(), true).unwrap()
        })
        .collect()
}

fn lines(side: &Side, luck: f64) -> Vec<Line> {
    let mut first = header(side.kind);
    first.seed = side.seed;
    first.target.version = Some(side.build.clone());
    first.scenario = serde_json::json!({
        "churn": {"services": side.services},
        "criteria": {"updateLatency": {"p95": side.limit}},
    });
    if let Some(count) = side.targets {
        first.scenario["client"] = serde_json::json!({"targets": {"count": count}});
    }
    let sample = |at, cpu, mb, heap, routines, collected, ours: Option<u64>| {
        let mega = |it: f64| it * 1e6;
        let at_edge = ours.filter(|_| side.edges);
        Line::Target(TargetSample {
            at: At::from_secs(at),
            cpu_seconds: Some(cpu * side.cpu * luck),
            rss_bytes: Some(mega(120.0 * luck)),
            heap_bytes: side.go.then(|| mega(heap)),
            collected_seconds: side.go.then_some(collected),
            start_seconds: Some(if side.restarts && at > 12 {
                2_000.0
            } else {
                1_000.0
            }),
            allocated_bytes: (side.go && side.edges).then(|| mega(mb * side.allocated * luck)),
            allocations: (side.go && side.edges).then_some(1e4 * mb * luck),
            goroutines: side.go.then_some(routines),
            our_streams: at_edge,
            ..TargetSample::default()
        })
    };
    let mut lines = vec![
        Line::Header(Box::new(first)),
        phase(0, Phase::Preparing),
        phase(1, Phase::Opening),
    ];
    if side.is_joined {
        lines.push(Line::Replicas {
            at: At::from_secs(1),
            addresses: vec!["10.0.0.2:8086".into()],
        });
    }
    if side.edges {
        lines.push(sample(1, 0.0, 0.0, 20.0, 200.0, 1.0, Some(0)));
    }
    let late = if side.collected_at_the_end { 6.0 } else { 5.0 };
    lines.extend([
        opened(2, 1_000),
        sample(3, 1.0, 64.0, 62.0, 4_200.0, 1.0, Some(1_000)),
        phase(3, Phase::Churning),
        sample(8, 1.02, 65.0, 62.0, 4_200.0, 2.0, None),
        cycle(10, 1),
        second(11, 1, Direction::Add, 1_000, u64::from(side.never)),
        change(10, 1, Direction::Add, side.never),
        sample(13, 2.0, 164.0, 90.0, 4_200.0, 3.0, None),
        second(16, 1, Direction::Remove, 1_000, 0),
        change(15, 1, Direction::Remove, 0),
        sample(18, 3.0, 264.0, 60.0, 4_200.0, 4.0, None),
        cycle(20, 2),
        second(21, 2, Direction::Add, 1_000, 0),
        change(20, 2, Direction::Add, 0),
        // Of the same event as the addition.
        change(20, 2, Direction::Remove, 0),
        sample(23, 4.0, 364.0, 90.0, 4_200.0, 4.0, None),
        second(26, 2, Direction::Remove, 1_000, 0),
        sample(28, 4.9, 460.0, 60.0, 4_200.0, 5.0, None),
        whole(30),
        phase(30, Phase::Settling),
        sample(30, 5.0, 464.0, 61.0, 4_200.0, 5.0, Some(1_000)),
        end_state(31, side.wrong, 0),
    ]);
    if side.edges {
        lines.push(sample(
            32,
            5.0,
            465.0,
            22.0,
            side.routines_left,
            late,
            Some(0),
        ));
    }
    if !side.cut_off {
        lines.push(end(33));
    }
    for line in &mut lines {
        match line {
            Line::Change(change) => {
                change.last_us = change.last_us.map(|us| scaled(us, side.last * luck))
            }
            // Its own snapshots are no updates.
            Line::Second(second) if second.streams.snapshots > 0 => second.counts.messages += 1_000,
            _ => {}
        }
    }
    lines
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "microseconds of a test"
)]
fn scaled(us: u64, factor: f64) -> u64 {
    (us as f64 * factor).round() as u64
}
