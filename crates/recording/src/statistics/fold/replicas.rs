//! What each of several replicas of the destination came to.

use super::Latency;
use crate::{
    recording::{EndStateLine, ReplicaInfo, ReplicaLine},
    statistics::summary::{LatencySummary, Replica},
};

/// The replicas by their numbers: in the header's order, then as they came.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    each: Vec<Fold>,
    /// The addresses of those that are in no sample of the target.
    unsampled: Vec<String>,
}

#[derive(Debug)]
struct Fold {
    address: String,
    streams: Option<u64>,
    latency: Latency,
    streams_wrong: u64,
}

// === impl Replicas ===

impl Replicas {
    pub(super) fn new(replicas: &[ReplicaInfo]) -> Self {
        let fold = |info: &ReplicaInfo| Fold::new(&info.address, info.streams);
        let unsampled = replicas.iter().filter(|it| it.unsampled);
        Self {
            each: replicas.iter().map(fold).collect(),
            unsampled: unsampled.map(|it| it.address.clone()).collect(),
        }
    }

    /// Replicas have come, at these addresses.
    pub(super) fn found(&mut self, addresses: &[String]) {
        let found = addresses.iter().map(|address| Fold::new(address, None));
        self.each.extend(found);
        self.unsampled.extend_from_slice(addresses);
    }

    pub(super) fn delivered(&mut self, line: &ReplicaLine) {
        if let Some(fold) = self.each.get_mut(line.replica as usize) {
            fold.latency.add(&line.latency);
        }
    }

    pub(super) fn ended(&mut self, end: &EndStateLine) {
        for (&replica, streams) in &end.wrong_by_replica {
            if let Some(fold) = self.each.get_mut(replica as usize) {
                fold.streams_wrong += streams;
            }
        }
        if end.streams_by_replica.is_empty() {
            return;
        }
        // The others have none.
        for (number, fold) in (0..).zip(&mut self.each) {
            let streams = end.streams_by_replica.get(&number).copied();
            *fold.streams.get_or_insert_default() += streams.unwrap_or_default();
        }
    }

    /// The addresses of those that are in no sample of the target.
    pub(super) fn unsampled(&self) -> &[String] {
        &self.unsampled
    }

    /// What each came to; nothing where there was one.
    pub(super) fn summaries(&self) -> Vec<Replica> {
        if self.each.len() < 2 {
            return Vec::new();
        }
        let summary = |fold: &Fold| {
            let latency = LatencySummary::of(&fold.latency);
            Replica {
                address: fold.address.clone(),
                streams: fold.streams,
                deliveries: latency.count,
                p50_seconds: latency.p50_seconds,
                p99_seconds: latency.p99_seconds,
                never: latency.never,
                censored_from: latency.censored_from,
                streams_wrong: fold.streams_wrong,
            }
        };
        self.each.iter().map(summary).collect()
    }
}

// === impl Fold ===

impl Fold {
    fn new(address: &str, streams: Option<u64>) -> Self {
        Self {
            address: address.to_owned(),
            streams,
            latency: Latency::default(),
            streams_wrong: 0,
        }
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
