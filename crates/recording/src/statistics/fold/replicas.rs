//! What each of several replicas of the destination came to.

use super::Latency;
use crate::{
    recording::{EndStateLine, ReplicaInfo, ReplicaLine},
    statistics::summary::{LatencySummary, Replica},
};

/// The replicas, in the header's order.
#[derive(Debug, Default)]
pub(super) struct Replicas(Vec<Fold>);

#[derive(Debug)]
struct Fold {
    info: ReplicaInfo,
    latency: Latency,
    streams_wrong: u64,
}

// === impl Replicas ===

impl Replicas {
    pub(super) fn new(replicas: &[ReplicaInfo]) -> Self {
        let fold = |info: &ReplicaInfo| Fold {
            info: info.clone(),
            latency: Latency::default(),
            streams_wrong: 0,
        };
        Self(replicas.iter().map(fold).collect())
    }

    pub(super) fn delivered(&mut self, line: &ReplicaLine) {
        if let Some(fold) = self.0.get_mut(line.replica as usize) {
            fold.latency.add(&line.latency);
        }
    }

    pub(super) fn ended(&mut self, end: &EndStateLine) {
        for (&replica, streams) in &end.wrong_by_replica {
            if let Some(fold) = self.0.get_mut(replica as usize) {
                fold.streams_wrong += streams;
            }
        }
    }

    pub(super) fn summaries(&self) -> Vec<Replica> {
        let summary = |fold: &Fold| {
            let latency = LatencySummary::of(&fold.latency);
            Replica {
                address: fold.info.address.clone(),
                streams: fold.info.streams,
                deliveries: latency.count,
                p50_seconds: latency.p50_seconds,
                p99_seconds: latency.p99_seconds,
                never: latency.never,
                censored_from: latency.censored_from,
                streams_wrong: fold.streams_wrong,
            }
        };
        self.0.iter().map(summary).collect()
    }
}

/// The lines of one second's deliveries by replica.
pub(super) fn lines<'a>(
    latencies: impl Iterator<Item = (&'a u32, &'a Latency)>,
) -> Vec<ReplicaLine> {
    latencies
        .map(|(&replica, latency)| ReplicaLine {
            replica,
            latency: latency.recorded(),
        })
        .collect()
}
