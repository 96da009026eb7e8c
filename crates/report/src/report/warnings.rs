//! Which warnings a report carries: those of the recording, and those its numbers call for.

use std::mem::discriminant;

use dst_load_recording::{
    statistics::{PathTaken, Summary},
    warning::Warning,
};

use super::Ending;

/// All warnings, each once. Where the numbers call for a warning of the same kind as a recorded
/// one, they speak for the whole run and the recorded one only for a part of it: theirs stays.
pub(super) fn gather(recorded: &[Warning], summary: &Summary, ending: &Ending) -> Vec<Warning> {
    let derived = derived(recorded, summary, ending);
    let mut all: Vec<Warning> = Vec::new();
    for warning in recorded {
        let told_by_numbers = derived
            .iter()
            .any(|d| discriminant(d) == discriminant(warning));
        if !told_by_numbers && !all.contains(warning) {
            all.push(warning.clone());
        }
    }
    all.extend(derived);
    all
}

fn derived(recorded: &[Warning], summary: &Summary, ending: &Ending) -> Vec<Warning> {
    let kubernetes = &summary.kubernetes;
    let correctness = &summary.correctness;
    let calls: u64 = kubernetes.errors.values().sum();
    let reasons: Vec<_> = kubernetes
        .errors
        .iter()
        .map(|(reason, times)| format!("{times} × {reason}"))
        .collect();
    let candidates = [
        (*ending == Ending::CutOff, Warning::CutOff),
        (
            kubernetes.starved > 0 && !summary.observer.is_blind(),
            Warning::Starved {
                endpoints: kubernetes.starved,
            },
        ),
        (
            calls > 0,
            Warning::KubernetesErrors {
                calls,
                reasons: reasons.join(", "),
            },
        ),
        (
            // What a blind observer did not see may have been so.
            correctness.unexpected_mended > 0 && !summary.observer.is_blind(),
            Warning::MendedUpdates {
                updates: correctness.unexpected_mended,
            },
        ),
        (
            correctness.streams_unchecked > 0,
            Warning::UncheckedStreams {
                streams: correctness.streams_unchecked,
            },
        ),
        (
            summary.target.silent > 0,
            Warning::TargetSilent {
                times: summary.target.silent,
                error: summary
                    .target
                    .silent_reason
                    .clone()
                    .unwrap_or_else(|| "no reason given".to_owned()),
            },
        ),
    ];
    candidates
        .into_iter()
        .chain(about_intents(recorded, summary))
        .chain(about_others(summary))
        .filter_map(|(applies, warning)| applies.then_some(warning))
        .collect()
}

/// The clocks' doubt is worth a warning from this share of a median on.
const DOUBT: f64 = 0.1;

/// Warnings about intended instants from a churner in another process.
fn about_intents(recorded: &[Warning], summary: &Summary) -> Vec<(bool, Warning)> {
    let silent = |warning: &Warning| matches!(warning, Warning::ChurnSilent { .. });
    let elsewhere = summary.clock.is_some() || recorded.iter().any(silent);
    let fan_out = &summary.fan_out;
    let doubt = summary.clock.as_ref().map(|it| it.uncertainty_seconds);
    let latency = &summary.latency;
    // The destination stage is between two instants of one clock.
    let medians = [&latency.kubernetes, &latency.end_to_end]
        .into_iter()
        .flat_map(|stage| [stage.add.p50_seconds, stage.remove.p50_seconds])
        .flatten();
    let smallest = medians.min_by(f64::total_cmp);
    let (doubt, median) = doubt.zip(smallest).unwrap_or_default();
    vec![
        (
            elsewhere && fan_out.unattributed > 0,
            Warning::Unattributed {
                changes: fan_out.unattributed,
                of: fan_out.changes,
            },
        ),
        (
            doubt > median * DOUBT,
            Warning::ClockUncertain {
                uncertainty_seconds: doubt,
                median_seconds: median,
            },
        ),
    ]
}

/// What is to be said of those who share the target, and of a kubelet that would watch over it.
fn about_others(summary: &Summary) -> Vec<(bool, Warning)> {
    let streams = summary.target.foreign_streams.unwrap_or_default();
    // Where others have streams, their connections are in the difference.
    let path = summary.streams.path.as_ref();
    let connections = path.map_or(0, |path| path.connections);
    let shared = (path.filter(|it| !it.sidecar)).and_then(PathTaken::shared_between);
    let unlike = path.and_then(|it| it.unlike_a_sidecar(summary.target.foreign_streams));
    let pings = summary.target.pings.clone().unwrap_or_default();
    vec![
        (streams > 0, Warning::ForeignStreams { streams }),
        (
            shared.is_some(),
            Warning::SharedConnections {
                connections,
                at_controller: shared.unwrap_or_default(),
            },
        ),
        (
            unlike.is_some(),
            Warning::UnexpectedConnections {
                connections,
                at_controller: unlike.unwrap_or_default(),
            },
        ),
        (
            pings.would_have_restarted > 0,
            Warning::WouldRestart {
                times: pings.would_have_restarted,
                failed: pings.failed,
            },
        ),
    ]
}
