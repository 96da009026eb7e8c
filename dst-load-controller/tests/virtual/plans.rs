//! Whole scenarios in virtual time: the five of the plan, every pattern over many seeds, and the
//! exact instants that a known cluster must give.

use dst_load_recording::statistics::StageSummary;
use dst_load_report::{report::Report, verdict::Verdict};
use dst_load_scenario::{
    action::Direction,
    scenario::{Scenario, built_in},
};

use crate::virtually::{Ran, assert_every_pattern, scenario, simulate};

/// A scenario of `values/scenarios`, with `--set` overrides.
fn shipped(name: &str, overrides: &[&str]) -> Scenario {
    scenario(built_in(name).unwrap(), overrides)
}

/// What a scenario asks for, a cycle.
struct Asked {
    streams: u64,
    /// Endpoints that appear and go, at each of the streams' Services.
    endpoints: u64,
    cycles: u64,
}

fn counts(latency: &StageSummary) -> [u64; 6] {
    let stages = [
        &latency.kubernetes,
        &latency.destination,
        &latency.end_to_end,
    ];
    let counts = stages.map(|stage| [stage.add.count, stage.remove.count]);
    counts.concat().try_into().unwrap()
}

/// Nothing is wrong, late, redundant or unexplained.
fn assert_flawless(report: &Report, replay: &str) {
    let replay = format!("{replay}: {:?}", report.reasons);
    assert_eq!(report.verdict, Verdict::Pass, "{replay}");
    let correct = &report.correctness;
    assert_eq!(
        correct.streams_checked, report.streams.requested,
        "{replay}"
    );
    assert_eq!(report.streams.opened, report.streams.requested, "{replay}");
    let wrong = [
        correct.streams_wrong,
        correct.streams_unchecked,
        correct.redundant,
        correct.unexpected_mended,
        correct.late,
        report.streams.unexpected_resets,
        report.streams.not_found,
        report.kubernetes.starved,
        report.kubernetes.untimed_changes,
        report.fan_out.changes - report.fan_out.completed,
    ];
    assert_eq!(wrong, [0; 10], "{replay}");
    assert!(report.kubernetes.errors.is_empty(), "{replay}");
    for direction in Direction::BOTH {
        let stages = &report.latency;
        for stage in [&stages.kubernetes, &stages.destination, &stages.end_to_end] {
            let latency = match direction {
                Direction::Add => &stage.add,
                Direction::Remove => &stage.remove,
            };
            assert_eq!(latency.never, 0, "{replay}");
        }
    }
}

/// The run is flawless, and its deliveries are those that the plan asks for: every stage knows of
/// each, in each cycle.
fn assert_as_planned(ran: &Ran, asked: &Asked) {
    let report = &ran.report;
    assert_flawless(report, &report.scenario.name);
    assert_eq!(report.streams.requested, asked.streams);
    assert_eq!(report.streams.reopened, 0);
    assert_eq!(report.correctness.superseded, 0);
    let a_cycle = asked.streams * asked.endpoints;
    assert_eq!(counts(&report.latency), [a_cycle * asked.cycles; 6]);
    assert_eq!(report.cycles.len() as u64, asked.cycles);
    for cycle in &report.cycles {
        assert!(cycle.whole, "cycle {}", cycle.cycle);
        assert_eq!(
            counts(&cycle.latency),
            [a_cycle; 6],
            "cycle {}",
            cycle.cycle
        );
        assert!(cycle.fan_out.changes > 0);
    }
    let changes = ran.changes();
    assert_eq!(changes.len() as u64, report.fan_out.changes);
    let endpoints: u64 = changes.iter().map(|it| u64::from(it.endpoints)).sum();
    let audience = changes[0].audience;
    assert!(
        changes
            .iter()
            .all(|it| it.audience == audience && it.known == audience)
    );
    assert_eq!(endpoints * u64::from(audience), 2 * a_cycle * asked.cycles);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_the_baseline_changes_nothing_and_loses_nothing() {
    let ran = simulate(shipped("baseline", &["churn.duration=24h"])).await;
    assert_flawless(&ran.report, "baseline");
    assert!(ran.report.duration_seconds >= 86_400.0);
    assert_eq!(ran.report.streams.requested, 1_000);
    assert_eq!(ran.report.updates.addresses, 100_000);
    assert_eq!(ran.report.updates.messages, 1_000);
    assert!(ran.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn small_oscillation_delivers_what_it_plans() {
    let ran = simulate(shipped("small-oscillation", &[])).await;
    let asked = Asked {
        streams: 1_000,
        endpoints: 190,
        cycles: 3,
    };
    assert_as_planned(&ran, &asked);
}

#[tokio::test(start_paused = true)]
async fn large_rollout_delivers_what_it_plans() {
    let ran = simulate(shipped("large-rollout", &["churn.cycles=2"])).await;
    let asked = Asked {
        streams: 1_000,
        endpoints: 500,
        cycles: 2,
    };
    assert_as_planned(&ran, &asked);
}

#[tokio::test(start_paused = true)]
async fn many_services_delivers_what_it_plans() {
    let ran = simulate(shipped("many-services", &["churn.cycles=2"])).await;
    let asked = Asked {
        streams: 10_000,
        endpoints: 50,
        cycles: 2,
    };
    assert_as_planned(&ran, &asked);
}

#[tokio::test(start_paused = true)]
async fn red_line_delivers_what_it_plans() {
    let ran = simulate(shipped("red-line", &["churn.cycles=1"])).await;
    let asked = Asked {
        streams: 25_000,
        endpoints: 100,
        cycles: 1,
    };
    assert_as_planned(&ran, &asked);
}

#[tokio::test(start_paused = true)]
async fn a_sawtooth_delivers_what_it_plans() {
    // Each step is visible after 400 ms, and the next one is due after 500 ms.
    let text = KNOWN.replace(
        "oscillate, minEndpoints: 5, maxEndpoints: 25, minHold: 10s, maxHold: 10s, cycles: 2",
        "sawtooth, minEndpoints: 5, maxEndpoints: 25, scaleDuration: 10s, minHold: 10s, maxHold: 5s, cycles: 3",
    );
    let ran = simulate(scenario(&text, &[])).await;
    let asked = Asked {
        streams: 2 * 10,
        endpoints: 20,
        cycles: 3,
    };
    assert_as_planned(&ran, &asked);
    // Each cycle of each Service: 20 steps up, and all 20 endpoints at once.
    for (direction, endpoints, changes) in [(Direction::Add, 1, 20), (Direction::Remove, 20, 1)] {
        let of = ran
            .changes()
            .into_iter()
            .filter(|it| it.direction == direction);
        let sizes: Vec<_> = of.map(|it| it.endpoints).collect();
        assert_eq!(sizes, vec![endpoints; 2 * 3 * changes], "{direction:?}");
    }
    for pair in ran.report.cycles.windows(2) {
        // 10 s up, 5 s there, 10 s at rest.
        let length = pair[1].from_seconds - pair[0].from_seconds;
        assert!((length - 25.0).abs() < 1e-6, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_duration_that_cuts_a_cycle_leaves_it_unjudged() {
    let ran = simulate(shipped("quick", &["churn.duration=12s"])).await;
    let cycles = &ran.report.cycles;
    let whole: Vec<_> = cycles.iter().map(|cycle| cycle.whole).collect();
    assert_eq!(whole, [true, false]);
    assert_eq!(ran.report.verdict, Verdict::Pass);
}

/// Every pattern, in little: each must be flawless whatever the seed.
const PATTERNS: [(&str, &str); 7] = [
    (
        "oscillate",
        "services: 3, pattern: oscillate, minEndpoints: 0, maxEndpoints: 130, minHold: 5s, maxHold: 5s, jitter: 2s, cycles: 2",
    ),
    (
        "sawtooth",
        "services: 3, pattern: sawtooth, minEndpoints: 0, maxEndpoints: 40, scaleDuration: 6s, minHold: 6s, maxHold: 3s, jitter: 1s, cycles: 2",
    ),
    (
        "rolling-update",
        "services: 2, pattern: rolling-update, endpoints: 12, minHold: 20s, maxSurge: 3, maxUnavailable: 2, cycles: 2",
    ),
    (
        "spike",
        "services: 3, pattern: spike, minEndpoints: 2, maxEndpoints: 40, minHold: 6s, maxHold: 3s, jitter: 1s, cycles: 2",
    ),
    (
        "batch",
        "services: 5, pattern: batch, minEndpoints: 2, maxEndpoints: 20, minHold: 5s, maxHold: 5s, batchSize: 2, batchInterval: 700ms, cycles: 2",
    ),
    (
        "scale-up",
        "services: 2, pattern: scale-up, scaleFrom: 3, scaleTo: 60, scaleDuration: 10s, duration: 15s",
    ),
    (
        "mixed",
        "stable: {services: 2, endpoints: 5}, oscillate: {services: 3, minEndpoints: 1, maxEndpoints: 20, hold: 5s, jitterPercent: 30}, cycles: 2",
    ),
];

fn patterned(name: &str, churn: &str, seed: u64) -> Scenario {
    let text = format!(
        "scenario: {{name: {name}, seed: {seed}}}
churn: {{{churn}}}
client: {{clients: 6, streamsPerService: 2}}
criteria:
  updateLatency: {{p95: 500ms, p99: 1s}}
  everyClientWithin: 2s
  unexpectedResets: 0
  errorRate: 0%
  redundant: 0
measure: {{deadline: 5s}}
"
    );
    scenario(&text, &[])
}

#[tokio::test(start_paused = true)]
async fn no_pattern_raises_a_false_alarm_whatever_the_seed() {
    assert_every_pattern(PATTERNS.map(|(name, churn)| patterned(name, churn, 0)));
    for (name, churn) in PATTERNS {
        for seed in 0..20 {
            let ran = simulate(patterned(name, churn, seed)).await;
            assert_flawless(&ran.report, &format!("{name} with seed {seed}"));
            assert!(ran.report.fan_out.changes > 0, "{name} with seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_come_and_go_raise_no_false_alarm_whatever_the_seed() {
    for seed in 0..20 {
        for client in [
            "{clients: 6, streamMaxLifetime: 3s}",
            "{clients: 6, streamResetInterval: 2s}",
            "{clients: 6, streamMaxLifetime: 5s, streamResetInterval: 3s}",
        ] {
            let text = format!(
                "scenario: {{name: restless, seed: {seed}}}
churn: {{services: 3, pattern: oscillate, minEndpoints: 0, maxEndpoints: 30, minHold: 5s, maxHold: 5s, jitter: 2s, cycles: 2}}
client: {client}
criteria: {{updateLatency: {{p99: 1s}}, unexpectedResets: 0, errorRate: 0%, redundant: 0}}
measure: {{deadline: 5s}}
"
            );
            let report = simulate(scenario(&text, &[])).await.report;
            let replay = format!("seed {seed}, {client}");
            assert_flawless(&report, &replay);
            assert!(report.streams.reopened > 0, "{replay}");
        }
    }
}

/// Two Services with a start of pods and a sync of slices that leave nothing to chance.
const KNOWN: &str = "
scenario: {name: known, seed: 1}
churn: {services: 2, pattern: oscillate, minEndpoints: 5, maxEndpoints: 25, minHold: 10s, maxHold: 10s, cycles: 2}
client: {clients: 10}
criteria: {updateLatency: {p95: 1s, p99: 1s}, everyClientWithin: 1s, redundant: 0}
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
  sliceSync: 100ms
";

/// Microseconds of every stage of every change, checked line by line.
fn assert_exact(ran: &Ran, destination: u64) {
    let changes = ran.changes();
    assert_eq!(changes.len(), 8, "two Services, up and down, twice");
    for change in &changes {
        // 300 ms until pods are ready and 100 ms until slices are written; pods go at once.
        let kubernetes = match change.direction {
            Direction::Add => 400_000,
            Direction::Remove => 100_000,
        };
        let intended = change.intended.unwrap();
        assert_eq!(change.at.since(intended).as_micros(), kubernetes);
        assert_eq!(
            (change.endpoints, change.audience, change.known),
            (20, 10, 10)
        );
        let spread = [
            change.first_us,
            change.p50_us,
            change.p95_us,
            change.p99_us,
            change.last_us,
        ];
        assert_eq!(spread, [Some(destination); 5]);
    }
    // Histograms keep three digits.
    let near = |seconds: Option<f64>, micros: u64| {
        let wanted = micros as f64 * 1e-6;
        let seconds = seconds.unwrap();
        assert!(
            (seconds - wanted).abs() <= wanted * 1e-3,
            "{seconds} s for {wanted} s"
        );
    };
    let latency = &ran.report.latency;
    let [k, d, e] = [
        &latency.kubernetes,
        &latency.destination,
        &latency.end_to_end,
    ];
    for (summary, micros) in [
        (&k.add, 400_000),
        (&k.remove, 100_000),
        (&d.add, destination),
        (&d.remove, destination),
        (&e.add, 400_000 + destination),
        (&e.remove, 100_000 + destination),
    ] {
        assert_eq!(summary.count, 2 * 2 * 20 * 10);
        near(summary.p50_seconds, micros);
        near(summary.max_seconds, micros);
    }
    let fan_out = &ran.report.fan_out;
    near(fan_out.first_seconds, destination);
    near(fan_out.p50_seconds, destination);
    near(fan_out.last_seconds_max, destination);
    near(fan_out.last_end_to_end_seconds_max, 400_000 + destination);
}

#[tokio::test(start_paused = true)]
async fn every_stage_is_timed_exactly() {
    let ran = simulate(scenario(KNOWN, &[])).await;
    assert_flawless(&ran.report, "known");
    assert_exact(&ran, 0);
}

#[tokio::test(start_paused = true)]
async fn a_delay_of_the_destination_is_found_to_the_microsecond() {
    for millis in [1, 750] {
        let late = format!("{KNOWN}  faults: [{{kind: lateUpdate, delay: {millis}ms}}]\n");
        let ran = simulate(scenario(&late, &[])).await;
        assert_flawless(&ran.report, "late");
        assert_exact(&ran, millis * 1_000);
    }
}
