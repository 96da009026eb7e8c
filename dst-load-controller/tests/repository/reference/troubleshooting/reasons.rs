//! Reasons of verdicts, of summaries in which something is wrong.

use std::collections::{BTreeMap, BTreeSet};

use dst_load_oracle::promise::Unjudged;
use dst_load_recording::{
    recording::{OWN_LIMIT, OWN_SOCKETS},
    statistics::{
        AtMost, Correctness, CycleSummary, FanOut, HeapGrowth, LatencySummary, Retained, Streams,
        Summary, Target,
    },
};
use dst_load_report::verdict::{Circumstances, Ended, judge};
use dst_load_scenario::{
    criteria::{Criteria, Criterion},
    plan::Planned,
};

use super::{Message, Place};

/// A run, as far as its verdict depends on it.
struct Run {
    criteria: Criteria,
    summary: Summary,
    ended: Ended,
}

pub(super) fn all() -> Vec<Message> {
    let mut reasons = BTreeSet::new();
    assert_eq!(Run::good().reasons(), Vec::<String>::new());
    for change in doubtful().iter().chain(&unjudged()).chain(&violated()) {
        let mut run = Run::good();
        change(&mut run);
        let found = run.reasons();
        assert!(
            !found.is_empty(),
            "a change without a reason: {:?}",
            run.summary
        );
        reasons.extend(found);
    }
    reasons.extend(endings().into_iter().chain(services()));
    let reasons = reasons.into_iter();
    reasons
        .map(|reason| Message::new(Place::Verdict, reason))
        .collect()
}

type Change = fn(&mut Run);

/// What is doubtful.
fn doubtful() -> Vec<Change> {
    vec![
        |run| {
            run.summary.generator.loop_lag_p99_seconds = Some(9.0);
            run.summary.generator.cpu_seconds = Some(0.1);
        },
        |run| run.errors(OWN_LIMIT),
        |run| run.errors(OWN_SOCKETS),
        |run| {
            run.criteria.set(Criterion::UpdateLatencyP99, 0.5);
            run.summary.observer.lag_p99_seconds = Some(0.2);
        },
        |run| {
            run.summary.observer.blind_since_seconds = Some(9.0);
            run.summary.observer.blind_reason = Some("a heartbeat was not seen".into());
        },
        |run| run.summary.observer.differing_objects = 2,
        |run| run.summary.observer.unverified_reason = Some("no answer for 30s".into()),
        |run| run.summary.kubernetes.untimed_changes = 50,
        |run| run.summary.kubernetes.starved = 30,
        |run| {
            run.criteria.set(Criterion::EndToEndP99, 1.0);
            run.summary.latency.kubernetes.add = latency(2.0);
        },
        |run| run.summary.target.restarts = 2,
        |run| {
            run.criteria
                .set(Criterion::TargetMemoryMax, 1_073_741_824.0);
            run.summary.target.peak_rss_bytes = Some(1 << 20);
            run.summary.target.silent_judged = 2;
        },
        |run| {
            run.criteria
                .set(Criterion::TargetMemoryMax, 1_073_741_824.0);
            run.summary.target.peak_rss_bytes = Some(1 << 20);
            run.summary.target.replicas_unread =
                ["10.0.0.2:8086", "10.0.0.3:8086"].map(Into::into).into();
        },
        |run| {
            run.criteria
                .set(Criterion::TargetMemoryMax, 1_073_741_824.0);
            run.summary.target.peak_rss_bytes = Some(1 << 20);
            run.summary.target.replicas_unnamed = 2;
        },
        |run| run.summary.correctness.streams_checked = 0,
        |run| run.summary.fan_out = FanOut::default(),
        |run| {
            run.summary.merged.recordings = 2;
            run.summary.merged.expected = Some(3);
        },
        |run| run.summary.merged.restarted = vec!["dst-client-0".into()],
        |run| run.summary.merged.same_replicas = vec![3],
    ]
}

/// What was asked for and not judged.
fn unjudged() -> Vec<Change> {
    vec![
        |run| {
            run.criteria.set(Criterion::TargetCpuMax, 1.0);
            run.summary.target = Target::default();
        },
        |run| run.criteria.set(Criterion::TargetCpuMax, 1.0),
        |run| {
            run.criteria.set(Criterion::SendTimeoutRate, 0.0);
            run.summary.streams.unexpected_resets = 1;
        },
        |run| {
            run.criteria.set(Criterion::UpdateLatencyP99, 0.5);
            run.summary.latency = Default::default();
        },
        |run| run.criteria.set(Criterion::TargetMemoryGrowthPerCycle, 0.1),
        |run| {
            run.criteria.set(Criterion::TargetMemoryGrowthPerCycle, 0.1);
            run.summary.target.peak_rss_bytes = Some(1 << 20);
            run.summary.cycles = vec![whole(1), whole(2)];
        },
        |run| {
            run.criteria.set(Criterion::TargetMemorySpike, 1_048_576.0);
            run.summary.target.peak_rss_bytes = Some(1 << 20);
        },
        |run| run.criteria.set(Criterion::TargetMemoryGrowthPerHour, 0.1),
        |run| {
            run.criteria.set(Criterion::TargetMemoryGrowthPerHour, 0.1);
            run.summary.target.heap_growth = HeapGrowth {
                per_hour: Some(0.1),
                low_per_hour: Some(0.0),
                high_per_hour: Some(0.2),
                windows: 9,
                hours: 1.5,
            };
        },
        |run| {
            run.criteria.set(Criterion::UpdateLatencyP99, 0.5);
            run.summary.latency.destination.add.at_most = AtMost::default();
        },
        |run| {
            run.criteria.set(Criterion::UpdateLatencyP99, 0.5);
            run.summary.streams.reconnect_gap = LatencySummary {
                censored: 500,
                ..latency(9.0)
            };
        },
        |run| run.criteria.set(Criterion::FirstEndpoint, 9.0),
        |run| {
            run.criteria.set(Criterion::FirstEndpoint, 9.0);
            run.summary.streams.first_endpoint = LatencySummary {
                censored: 500,
                at_most: AtMost::default(),
                ..latency(2.0)
            };
        },
        |run| run.criteria.set(Criterion::Retained, 9.0),
        |run| {
            run.criteria.set(Criterion::Retained, 9.0);
            run.summary.streams.retained = Some(Retained::default());
        },
        |run| {
            run.criteria.set(Criterion::Retained, 9.0);
            run.summary.streams.retained = Some(Retained {
                kept: 5,
                streams_at_end: 5,
                ..Retained::default()
            });
        },
        |run| {
            run.criteria.set(Criterion::UnexpectedResets, 0.0);
            run.errors(OWN_LIMIT);
        },
        |run| run.criteria.set(Criterion::UpdatesPerChangeMax, 1.0),
        |run| {
            run.criteria.set(Criterion::UpdatesPerChangeMax, 1.0);
            run.summary.updates.counted = Some(0);
            run.summary.updates.due = Some(0);
        },
        |run| {
            run.criteria.set(Criterion::UpdatesPerChangeMax, 1.0);
            run.summary.updates.counted = Some(2);
            run.summary.updates.due = Some(1);
            run.summary.updates.repeated = Some(1);
            run.summary.updates.resync = Some(1);
        },
        |run| {
            run.criteria.set(Criterion::UpdatesPerChangeMax, 1.0);
            run.summary.updates.counted = Some(2);
            run.summary.updates.due = Some(1);
            run.summary.updates.repeated = Some(1);
            run.summary.observer.lag_max_seconds = Some(1.0);
        },
    ]
}

/// What is violated.
fn violated() -> Vec<Change> {
    vec![
        |run| {
            run.summary.correctness.streams_wrong = 3;
            run.summary.correctness.examples = vec!["10.0.0.1 is stale".into()];
        },
        |run| run.summary.latency.destination.add.never = 10,
        |run| {
            run.criteria.set(Criterion::UpdateLatencyP99, 0.005);
            run.summary.latency.destination.add.at_most = AtMost::default();
        },
        |run| run.summary.correctness.premature = 3,
        |run| {
            run.criteria.set(Criterion::ErrorRate, 0.0);
            run.summary.streams.errors = 5;
        },
        |run| {
            run.criteria.set(Criterion::ThroughputMin, 100.0);
            run.summary.updates.deliveries_per_second = Some(9.0);
        },
        |run| {
            run.criteria.set(Criterion::TargetViewsActive, 100.0);
            run.summary.target.views_active = Some((90, 100));
        },
    ]
}

/// How a run may end. It matches without a wildcard: what is new does not compile until it is
/// listed here.
fn endings() -> Vec<String> {
    let all = [
        Ended::AsPlanned,
        Ended::Spared,
        Ended::Interrupted,
        Ended::CutOff,
        Ended::NotYet,
    ];
    all.into_iter()
        .flat_map(|ended| {
            match ended {
                Ended::AsPlanned
                | Ended::Spared
                | Ended::Interrupted
                | Ended::CutOff
                | Ended::NotYet => {}
            }
            let run = Run {
                ended,
                ..Run::good()
            };
            run.reasons()
        })
        .collect()
}

/// Why a Service is not judged; all reasons, as above.
fn services() -> Vec<String> {
    let all = [
        Unjudged::EndpointSlicesOff,
        Unjudged::Ipv6Unknown,
        Unjudged::PodNodeUnknown,
        Unjudged::Contradictory,
        Unjudged::Unservable,
        Unjudged::ZoneChanged,
        Unjudged::Changing,
    ];
    all.into_iter()
        .flat_map(|reason| {
            match reason {
                Unjudged::EndpointSlicesOff
                | Unjudged::Ipv6Unknown
                | Unjudged::PodNodeUnknown
                | Unjudged::Contradictory
                | Unjudged::Unservable
                | Unjudged::ZoneChanged
                | Unjudged::Changing => {}
            }
            let of = |services: &[&str]| {
                let mut run = Run::good();
                let services: BTreeSet<_> = services.iter().map(|it| (*it).to_owned()).collect();
                run.summary.correctness.streams_unjudged = 3;
                run.summary.correctness.unjudged = BTreeMap::from([(reason, services)]);
                run.reasons()
            };
            [of(&["web"]), of(&["shop", "web"])].concat()
        })
        .collect()
}

// === impl Run ===

impl Run {
    /// Nothing is wrong, and nothing is asked for but what always is.
    fn good() -> Self {
        let mut summary = Summary {
            duration_seconds: 100.0,
            streams: Streams {
                requested: 100,
                opened: 100,
                ..Streams::default()
            },
            fan_out: FanOut {
                changes: 200,
                completed: 200,
                ..FanOut::default()
            },
            correctness: Correctness {
                streams_checked: 100,
                ..Correctness::default()
            },
            target: Target {
                samples: 10,
                starts_known: true,
                ..Target::default()
            },
            ..Summary::default()
        };
        summary.latency.destination.add = latency(0.01);
        summary.latency.destination.remove = latency(0.01);
        Self {
            criteria: Criteria::default(),
            summary,
            ended: Ended::AsPlanned,
        }
    }

    fn errors(&mut self, code: &str) {
        let streams = &mut self.summary.streams;
        streams.errors_by_code = BTreeMap::from([(code.to_owned(), 5)]);
        streams.unexpected_resets = 5;
    }

    fn reasons(&self) -> Vec<String> {
        let circumstances = Circumstances {
            target_is_judged: true,
            latency_is_judged: true,
            planned: Planned::BOTH,
            ended: self.ended,
        };
        judge(&self.criteria, &self.summary, circumstances).reasons
    }
}

/// 1,000 deliveries, each of which took this long.
fn latency(seconds: f64) -> LatencySummary {
    let took = Some(seconds);
    LatencySummary {
        count: 1_000,
        p50_seconds: took,
        p95_seconds: took,
        p99_seconds: took,
        p999_seconds: took,
        max_seconds: took,
        at_most: AtMost {
            p50_seconds: took,
            p95_seconds: took,
            p99_seconds: took,
            p999_seconds: took,
            max_seconds: took,
        },
        ..LatencySummary::default()
    }
}

fn whole(cycle: u32) -> CycleSummary {
    CycleSummary {
        cycle,
        whole: true,
        ..CycleSummary::default()
    }
}
