//! Which warnings a report carries: those of the recording, and those its numbers call for.

use std::mem::discriminant;

use super::Ending;
use crate::model::{statistics::Summary, warning::Warning};

/// All warnings, each once. Where the numbers call for a warning of the same kind as a recorded
/// one, they speak for the whole run and the recorded one only for a part of it: theirs stays.
pub(super) fn gather(recorded: &[Warning], summary: &Summary, ending: &Ending) -> Vec<Warning> {
    let derived = derived(summary, ending);
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

fn derived(summary: &Summary, ending: &Ending) -> Vec<Warning> {
    let kubernetes = &summary.kubernetes;
    let correctness = &summary.correctness;
    let destination = &summary.latency.destination;
    let calls: u64 = kubernetes.errors.values().sum();
    let reasons: Vec<_> = kubernetes
        .errors
        .iter()
        .map(|(reason, times)| format!("{times} × {reason}"))
        .collect();
    let candidates = [
        (*ending == Ending::CutOff, Warning::CutOff),
        (
            kubernetes.starved > 0,
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
            correctness.early > 0,
            Warning::EarlyUpdates {
                deliveries: correctness.early,
                of: destination.add.count + destination.remove.count,
            },
        ),
        (
            correctness.unexpected_mended > 0,
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
        .filter_map(|(applies, warning)| applies.then_some(warning))
        .collect()
}
