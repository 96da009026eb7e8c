//! For tests: recordings made up, line by line through the same types as real ones.

#![expect(
    clippy::unwrap_used,
    missing_docs,
    reason = "of tests, and each named for what it makes"
)]

use std::{collections::BTreeMap, time::Duration};

use dst_load_oracle::ledger::{Counts, Delivered, KubernetesStage, Outbox, Outcome};
use dst_load_scenario::{
    action::Direction,
    criteria::{Criteria, Criterion},
    time::At,
};

use crate::{
    recording::{
        ChangeLine, End, EndStateLine, GeneratorSample, Header, Identity, Line, Machine, Phase,
        SCHEMA_VERSION, Second, StreamCounts, TargetInfo, TargetKind, TargetSample,
    },
    statistics::Interval,
    warning::{ProfiledChange, Warning},
};

/// Limits that the passing recording keeps.
pub fn criteria() -> Criteria {
    Criteria::from([
        (Criterion::UpdateLatencyP95, 0.5),
        (Criterion::UpdateLatencyP99, 2.0),
        (Criterion::EveryClientWithin, 10.0),
        (Criterion::UnexpectedResets, 0.0),
        (Criterion::TargetMemoryMax, f64::from(512_u32 << 20)),
        (Criterion::TargetMemoryGrowthPerCycle, 0.1),
    ])
}

pub fn header(kind: TargetKind) -> Header {
    Header {
        schema_version: SCHEMA_VERSION,
        tool_version: "0.1.0".into(),
        commit: "0123abc".into(),
        run_id: "quick-5f2a".into(),
        identity: Identity::default(),
        name: "quick".into(),
        seed: 7,
        scenario: serde_json::json!({"scenario": {"name": "quick", "seed": 7}}),
        streams_requested: 1_000,
        clients: None,
        target: TargetInfo {
            kind,
            version: (kind == TargetKind::Linkerd).then(|| "edge-26.8.3".into()),
            forwarded: false,
            flags: None,
        },
        virtual_time: false,
        namespace: "quick-5f2a".into(),
        linked_cluster: None,
        deadline_seconds: 30.0,
        started: Some("2026-09-01T12:00:00Z".into()),
        machine: Some(Machine {
            cpus: 4,
            memory_bytes: 16 << 30,
            system: "linux x86_64".into(),
        }),
        floor_seconds: Some(0.000_31),
        replicas: Vec::new(),
        path: None,
        metrics: Vec::new(),
        metrics_sought: Vec::new(),
    }
}

pub fn phase(at: u64, phase: Phase) -> Line {
    Line::Phase {
        at: At::from_secs(at),
        phase,
    }
}

pub fn cycle(at: u64, cycle: u32) -> Line {
    Line::Cycle {
        at: At::from_secs(at),
        cycle,
    }
}

pub fn target(at: u64, cpu: f64, rss_mib: u32, heap_mib: u32) -> Line {
    Line::Target(TargetSample {
        at: At::from_secs(at),
        cpu_seconds: Some(cpu),
        rss_bytes: Some(f64::from(rss_mib << 20)),
        heap_bytes: Some(f64::from(heap_mib << 20)),
        overflows: Some(0.0),
        start_seconds: Some(1_000.0),
        ..TargetSample::default()
    })
}

pub fn delivered(cycle: u32, direction: Direction, micros: u64, never: bool) -> Delivered {
    let destination = Duration::from_micros(micros);
    Delivered {
        times: 1,
        cycle,
        direction,
        destination,
        end_to_end: Some(destination + Duration::from_millis(800)),
        outcome: if never {
            Outcome::Never
        } else {
            Outcome::Learnt
        },
        replica: None,
        disturbed: false,
    }
}

/// A second of one cycle in which `streams` received 10 endpoints, and `never` of them did not.
pub fn second(at: u64, cycle: u32, direction: Direction, streams: u64, never: u64) -> Line {
    let deliveries = streams * 10;
    let mut outbox = Outbox {
        deliveries: (0..deliveries)
            .map(|n| {
                if n < never {
                    delivered(cycle, direction, 30_000_000, true)
                } else {
                    delivered(cycle, direction, 400 + n * 3, false)
                }
            })
            .collect(),
        kubernetes: vec![KubernetesStage {
            cycle,
            direction,
            latency: Duration::from_millis(800),
            deliveries,
            disturbed: false,
        }],
        ..Outbox::default()
    };
    outbox.counts = Counts {
        messages: streams,
        addresses: deliveries - never,
        ..Counts::default()
    };
    let mut interval = Interval::default();
    interval.bytes = deliveries * 194;
    interval.absorb(&outbox);
    interval
        .loop_lag
        .record(Duration::from_micros(120), deliveries);
    let line = interval.take(At::from_secs(at), streams);
    Line::Second(Box::new(line.unwrap()))
}

pub fn opened(at: u64, streams: u64) -> Line {
    Line::Second(Box::new(Second {
        at: At::from_secs(at),
        streams: StreamCounts {
            opened: streams,
            snapshots: streams,
            ..StreamCounts::default()
        },
        streams_active: streams,
        ..Second::default()
    }))
}

pub fn change(at: u64, cycle: u32, direction: Direction, never: u32) -> Line {
    let micros = At::from_secs(at).as_micros();
    Line::Change(ChangeLine {
        at: At::from_micros(micros + 800_000),
        service: "test-service-1".into(),
        object: format!("slice-{at}"),
        resource_version: format!("{}", 100 + at),
        direction,
        cycle,
        intended: Some(At::from_secs(at)),
        endpoints: 10,
        audience: 1_000,
        known: 1_000 - never,
        never,
        left: 0,
        superseded: 0,
        first_us: Some(400),
        p50_us: Some(1_900),
        p95_us: Some(14_000),
        p99_us: (never < 10).then_some(27_000),
        last_us: Some(30_400),
        times: None,
    })
}

pub fn end_state(at: u64, stale: u64, missing: u64) -> Line {
    Line::EndState(EndStateLine {
        at: At::from_secs(at),
        service: "test-service-1".into(),
        streams_checked: 1_000,
        streams_wrong: stale + missing,
        streams_unchecked: 0,
        missing,
        stale,
        unexpected: 0,
        stale_seconds: 12.5,
        examples: (0..(stale + missing).min(2))
            .map(|n| format!("stale 10.0.0.7:8080 at stream {n} of test-service-1 for 4.125 s"))
            .collect(),
        wrong_by_replica: BTreeMap::new(),
        streams_by_replica: BTreeMap::new(),
        unjudged: None,
        streams_unjudged: 0,
        retained: None,
    })
}

pub fn generator(at: u64) -> Line {
    Line::Generator(GeneratorSample {
        at: At::from_secs(at),
        cpu_seconds: 1.75,
        rss_bytes: 96 << 20,
    })
}

pub fn end(at: u64) -> Line {
    Line::End(End {
        at: At::from_secs(at),
        interrupted: false,
        error: None,
        spared: false,
        totals: None,
    })
}

pub fn whole(at: u64) -> Line {
    Line::LastCycleEnds {
        at: At::from_secs(at),
        whole: true,
    }
}

/// Two cycles against Linkerd in which everything held.
pub fn passed() -> Vec<Line> {
    vec![
        Line::Header(Box::new(header(TargetKind::Linkerd))),
        phase(0, Phase::Preparing),
        phase(1, Phase::Opening),
        opened(2, 1_000),
        target(2, 10.0, 90, 40),
        phase(3, Phase::Churning),
        target(3, 10.1, 90, 40),
        target(8, 10.2, 92, 41),
        cycle(10, 1),
        second(11, 1, Direction::Add, 1_000, 0),
        change(10, 1, Direction::Add, 0),
        target(13, 11.2, 130, 70),
        second(16, 1, Direction::Remove, 1_000, 0),
        change(15, 1, Direction::Remove, 0),
        target(18, 11.7, 128, 42),
        cycle(20, 2),
        second(21, 2, Direction::Add, 1_000, 0),
        change(20, 2, Direction::Add, 0),
        target(23, 12.7, 133, 72),
        second(26, 2, Direction::Remove, 1_000, 0),
        change(25, 2, Direction::Remove, 0),
        target(28, 13.1, 131, 43),
        whole(30),
        phase(30, Phase::Settling),
        target(30, 13.2, 131, 43),
        generator(31),
        end_state(31, 0, 0),
        phase(31, Phase::CleaningUp),
        end(33),
    ]
}

/// A self-test in which some streams never received an addition, and some kept removed endpoints.
pub fn failed() -> Vec<Line> {
    vec![
        Line::Header(Box::new(header(TargetKind::Reference))),
        phase(1, Phase::Opening),
        opened(2, 1_000),
        phase(3, Phase::Churning),
        cycle(10, 1),
        second(11, 1, Direction::Add, 1_000, 0),
        change(10, 1, Direction::Add, 0),
        second(16, 1, Direction::Remove, 1_000, 0),
        change(15, 1, Direction::Remove, 0),
        cycle(20, 2),
        second(21, 2, Direction::Add, 1_000, 370),
        change(20, 2, Direction::Add, 37),
        second(26, 2, Direction::Remove, 1_000, 0),
        change(25, 2, Direction::Remove, 0),
        whole(30),
        phase(30, Phase::Settling),
        Line::Second(Box::new(Second {
            at: At::from_secs(31),
            counts: Counts {
                early: 4,
                late: 3,
                redundant: 12,
                superseded: 5,
                ..Counts::default()
            },
            streams: StreamCounts {
                reopened: 2,
                ended_ok: 1,
                errors: BTreeMap::from([("Unavailable".into(), 1)]),
                ..StreamCounts::default()
            },
            kubernetes_errors: BTreeMap::from([("409".into(), 2), ("429".into(), 3)]),
            ..Second::default()
        })),
        generator(60),
        end_state(61, 3, 37),
        end(62),
    ]
}

/// A run that Kubernetes starved and whose event loop was blocked.
pub fn invalid() -> Vec<Line> {
    let mut lines = passed();
    let mut interval = Interval::default();
    interval.loop_lag.record(Duration::from_millis(450), 40_000);
    interval.absorb(&Outbox {
        counts: Counts {
            starved: 140,
            ..Counts::default()
        },
        ..Outbox::default()
    });
    let second = interval.take(At::from_secs(29), 1_000).unwrap();
    let end = lines.len() - 7;
    lines.insert(end, Line::Second(Box::new(second)));
    lines.push(Line::TargetSilent {
        at: At::from_secs(29),
        error: "connection refused".into(),
    });
    lines
}

/// A virtual day of 288 cycles.
pub fn a_day() -> Vec<Line> {
    let mut header = header(TargetKind::Reference);
    header.virtual_time = true;
    header.started = None;
    header.machine = None;
    header.floor_seconds = None;
    let mut lines = vec![
        Line::Header(Box::new(header)),
        opened(1, 1_000),
        phase(2, Phase::Churning),
    ];
    for n in 1..=288 {
        let at = u64::from(n) * 300;
        lines.push(cycle(at, n));
        lines.push(second(at + 1, n, Direction::Add, 10, 0));
        lines.push(change(at, n, Direction::Add, 0));
        lines.push(second(at + 151, n, Direction::Remove, 10, 0));
        lines.push(change(at + 150, n, Direction::Remove, 0));
    }
    lines.push(Line::LastCycleEnds {
        at: At::from_secs(86_500),
        whole: false,
    });
    lines.push(Line::Warning {
        at: At::from_secs(86_500),
        warning: Warning::Relisted { times: 2 },
    });
    lines.push(end_state(86_530, 0, 0));
    lines.push(end(86_540));
    lines
}

/// One of each kind.
pub fn one_of_each() -> Vec<Line> {
    let mut lines = invalid();
    let mut failed = failed();
    failed.retain(|line| !matches!(line, Line::Header(_) | Line::End(_)));
    lines.extend(failed);
    lines.push(Line::Warning {
        at: At::from_secs(9),
        warning: Warning::CleanupFailed {
            error: "403".into(),
            run_id: "quick-5f2a".into(),
        },
    });
    lines.retain(|line| !matches!(line, Line::End(_)));
    lines.extend(passed().pop());
    lines
}

pub fn every_warning() -> Vec<Warning> {
    vec![
        Warning::LateActions {
            actions: 1,
            worst_seconds: 0.25,
        },
        Warning::Starved { endpoints: 140 },
        Warning::Relisted { times: 2 },
        Warning::KubernetesErrors {
            calls: 3,
            reasons: "3 × 429".into(),
        },
        Warning::TargetSilent {
            times: 1,
            error: "refused".into(),
        },
        Warning::MendedUpdates { updates: 5 },
        Warning::UncheckedStreams { streams: 6 },
        Warning::Unsettled { services: 1 },
        Warning::Scenario {
            message: "so".into(),
        },
        Warning::CutOff,
        Warning::ChurnSilent {
            url: "http://churn:9990".into(),
            error: "refused".into(),
        },
        Warning::Unattributed { changes: 2, of: 9 },
        Warning::ClockUncertain {
            uncertainty_seconds: 0.012,
            median_seconds: 0.004,
        },
        Warning::ForeignStreams { streams: 1_200 },
        Warning::SharedConnections {
            connections: 50,
            at_controller: 1,
        },
        Warning::UnexpectedConnections {
            connections: 1,
            at_controller: 50,
        },
        Warning::WouldRestart {
            times: 1,
            failed: 7,
        },
        Warning::ReplicaRestarted {
            pod: "client-1".into(),
            times: 2,
        },
        Warning::Forwarded,
        Warning::Profiled {
            files: vec!["heap-peak.pb.gz".into(), "cpu-worst-change.pb.gz".into()],
            replicas: 2,
            worst_change: Some(ProfiledChange {
                from_seconds: 12.0,
                to_seconds: 22.0,
                visible_seconds: 14.5,
                last_seconds: 0.75,
            }),
            failed: 1,
            error: Some("500".into()),
        },
        Warning::NoProfiles {
            error: "404".into(),
        },
        Warning::NoHeartbeat {
            error: "403".into(),
        },
        Warning::PodsNotReady {
            pods: 20,
            reasons: "exceeded quota (20 Pods)".into(),
        },
        Warning::FailedActions {
            actions: 2,
            error: "create pods a-1 was answered 403".into(),
        },
        Warning::CleanupFailed {
            error: "403".into(),
            run_id: "r".into(),
        },
    ]
}
