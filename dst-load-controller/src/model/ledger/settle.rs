//! The check at the end: what each stream holds, against what it was promised.

use std::{collections::BTreeMap, time::Duration};

use super::{Deviation, ServiceLedger, StreamId, streams::StreamPhase};
use crate::model::{endpoint::Endpoint, promise::Unjudged, time::At};

/// What the streams of a Service hold at the settled end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndState {
    /// Streams that were open, and so could be checked, and those between two tries on a Service
    /// that promises nothing.
    pub streams_checked: u64,
    /// Streams among them that hold other than they were promised.
    pub streams_wrong: u64,
    /// Streams that were closed at the end.
    pub streams_unchecked: u64,
    /// (stream, endpoint) pairs promised and not held.
    pub missing: u64,
    /// (stream, endpoint) pairs held, and no longer promised.
    pub stale: u64,
    /// (stream, endpoint) pairs held that were never promised.
    pub unexpected: u64,
    /// Time that stale endpoints have been held beyond what was counted before, seconds.
    pub stale_seconds: f64,
    /// The first few wrong holdings, to say where to look.
    pub examples: Vec<Wrong>,
    /// Wrong streams by replica, where there are several.
    pub wrong_by_replica: BTreeMap<u32, u64>,
    /// Why streams of the Service could not be judged, if some could not.
    pub unjudged: Option<Unjudged>,
    /// Streams that could not be judged; they are not among those checked.
    pub streams_unjudged: u64,
}

/// One wrong holding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The stream's number within its Service.
    pub stream: u32,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What is wrong: `missing`, `stale` or `unexpected`.
    pub kind: &'static str,
    /// For how long it has been so, where that is known.
    pub since: Option<Duration>,
}

/// How many endpoints there are, as Kubernetes and as the streams have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointCounts {
    /// Endpoints that some stream is promised.
    pub promised: u64,
    /// Endpoints held, summed over open streams.
    pub held: u64,
    /// Open streams.
    pub streams: u64,
}

/// Examples kept for each Service: enough to find a pattern, too few to fill a recording.
const EXAMPLES: usize = 5;

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Counts endpoints as they stand.
    #[must_use]
    pub fn endpoint_counts(&self) -> EndpointCounts {
        let open = |stream: &StreamId| self.streams.phase(*stream) != StreamPhase::Closed;
        let promised = self.slots.iter().filter(|(_, slot)| !slot.is_unwanted());
        let mut counts = EndpointCounts {
            promised: promised.count() as u64,
            ..EndpointCounts::default()
        };
        for stream in self.streams.ids().filter(open) {
            counts.streams += 1;
            counts.held += self.slots.count_held_by(stream) as u64;
        }
        counts
    }

    /// Checks every open stream. Changes nothing: what is still waited for is judged as it stands,
    /// save what changed so recently that its update may be on its way.
    #[must_use]
    pub fn end_state(&self, at: At) -> EndState {
        if self.unjudged().is_some() {
            return EndState {
                unjudged: self.unjudged(),
                streams_unjudged: self.streams.len() as u64,
                ..EndState::default()
            };
        }
        let mut end = EndState::default();
        let mut wrong = vec![false; self.streams.len()];
        let mut moving = vec![false; self.streams.len()];
        for (id, slot) in self.slots.iter() {
            for stream in self.streams.ids() {
                if self.streams.phase(stream) == StreamPhase::Closed {
                    continue;
                }
                let held = self.slots.holds(stream, id);
                let wanted = slot.is_wanted(self.streams.class(stream));
                if held == wanted {
                    continue;
                }
                if self.is_on_its_way(id, stream, at) {
                    moving[stream as usize] = true;
                    continue;
                }
                wrong[stream as usize] = true;
                let (kind, since) = if wanted {
                    end.missing += 1;
                    ("missing", None)
                } else if slot.ever_wanted {
                    let since = at.since(slot.gone_since);
                    end.stale += 1;
                    end.stale_seconds += since.as_secs_f64();
                    ("stale", Some(since))
                } else {
                    end.unexpected += 1;
                    let since = match self.deviations.since.get(&(id, stream)) {
                        Some(Deviation::Since(since)) => Some(at.since(*since)),
                        _ => None,
                    };
                    ("unexpected", since)
                };
                if end.examples.len() < EXAMPLES {
                    end.examples.push(Wrong {
                        stream,
                        endpoint: slot.endpoint,
                        kind,
                        since,
                    });
                }
            }
        }
        for stream in self.streams.ids() {
            match self.streams.phase(stream) {
                StreamPhase::Closed if self.is_rightly_without(stream) => end.streams_checked += 1,
                StreamPhase::Closed => end.streams_unchecked += 1,
                StreamPhase::Sent(_) | StreamPhase::Held
                    if moving[stream as usize] && !wrong[stream as usize] =>
                {
                    end.streams_unjudged += 1;
                    end.unjudged = Some(Unjudged::Changing);
                }
                StreamPhase::Sent(_) | StreamPhase::Held => {
                    end.streams_checked += 1;
                    if wrong[stream as usize] {
                        end.streams_wrong += 1;
                        if let Some(replica) = self.streams.replica(stream) {
                            *end.wrong_by_replica.entry(replica).or_default() += 1;
                        }
                    }
                }
            }
        }
        end
    }
}
