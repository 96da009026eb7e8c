//! Warnings of a report.

use dst_load_recording::warning::{ProfiledChange, Warning};
use dst_load_scenario::scenario::Scenario;

use super::{Message, Place};

/// As a report shows it.
pub(super) fn message(warning: &Warning) -> Message {
    let json = serde_json::to_value(warning).unwrap();
    let kind = json["warning"].as_str().unwrap().to_owned();
    Message::new(Place::Warning(kind), warning.to_string())
}

pub(super) fn all() -> Vec<Message> {
    every().iter().map(message).collect()
}

/// One of each kind. It matches without a wildcard: what is new does not compile until it is listed
/// here.
fn every() -> Vec<Warning> {
    use Warning as W;
    let error = || "connection refused".to_owned();
    let mut all: Vec<_> = of_scenarios()
        .map(|message| W::Scenario { message })
        .collect();
    all.extend([
        W::LateActions {
            actions: 3,
            worst_seconds: 0.2,
        },
        W::Starved { endpoints: 30 },
        W::Relisted { times: 2 },
        W::KubernetesErrors {
            calls: 9,
            reasons: "9 too_many_requests".into(),
        },
        W::TargetSilent {
            times: 2,
            error: error(),
        },
        W::MendedUpdates { updates: 2 },
        W::UncheckedStreams { streams: 2 },
        W::Unsettled { services: 2 },
        W::CutOff,
        W::ChurnSilent {
            url: "http://churn:9990".into(),
            error: error(),
        },
        W::Unattributed { changes: 3, of: 40 },
        W::ClockUncertain {
            uncertainty_seconds: 0.01,
            median_seconds: 0.001,
        },
        W::ForeignStreams { streams: 12 },
        W::SharedConnections {
            connections: 50,
            at_controller: 1,
        },
        W::UnexpectedConnections {
            connections: 1,
            at_controller: 50,
        },
        W::UnexpectedConnections {
            connections: 16,
            at_controller: 1,
        },
        W::WouldRestart {
            times: 2,
            failed: 6,
        },
        W::ReplicaRestarted {
            pod: "dst-client-0".into(),
            times: 2,
        },
        W::Forwarded,
        W::Profiled {
            files: vec!["heap-1.pprof".into()],
            replicas: 2,
            worst_change: Some(ProfiledChange {
                from_seconds: 1.0,
                to_seconds: 6.0,
                visible_seconds: 2.0,
                last_seconds: 0.5,
            }),
            failed: 1,
            error: Some(error()),
        },
        W::NoProfiles { error: error() },
        W::NoHeartbeat { error: error() },
        W::PodsNotReady {
            pods: 0,
            reasons: "exceeded quota: small".into(),
        },
        W::PodsNotReady {
            pods: 30,
            reasons: "exceeded quota: small".into(),
        },
        W::FailedActions {
            actions: 3,
            error: error(),
        },
        W::CleanupFailed {
            error: error(),
            run_id: "k2m8".into(),
        },
    ]);
    for warning in &all {
        match warning {
            W::LateActions { .. }
            | W::Starved { .. }
            | W::Relisted { .. }
            | W::KubernetesErrors { .. }
            | W::TargetSilent { .. }
            | W::MendedUpdates { .. }
            | W::UncheckedStreams { .. }
            | W::Unsettled { .. }
            | W::Scenario { .. }
            | W::CutOff
            | W::ChurnSilent { .. }
            | W::Unattributed { .. }
            | W::ClockUncertain { .. }
            | W::ForeignStreams { .. }
            | W::SharedConnections { .. }
            | W::UnexpectedConnections { .. }
            | W::WouldRestart { .. }
            | W::ReplicaRestarted { .. }
            | W::Forwarded
            | W::Profiled { .. }
            | W::NoProfiles { .. }
            | W::NoHeartbeat { .. }
            | W::PodsNotReady { .. }
            | W::FailedActions { .. }
            | W::CleanupFailed { .. } => {}
        }
    }
    all
}

/// What is noticed in scenarios that are understood all the same.
fn of_scenarios() -> impl Iterator<Item = String> {
    let keys = ["maxSurge: 1", "addresses: 10.0.0.0/16"];
    keys.into_iter().flat_map(|key| {
        let text = format!("churn: {{services: 1, endpoints: 1, {key}}}");
        let (_, noticed) = Scenario::from_yaml(&text, "one.yaml", &[]).unwrap();
        noticed
    })
}
