//! The check at the end: what each stream holds, against what it was promised.

use std::{collections::BTreeMap, time::Duration};

use dst_load_scenario::time::At;

use super::{
    RetainedCounts, ServiceLedger, StreamId, limits::BEHIND, slots::SlotId, streams::StreamPhase,
};
use crate::{endpoint::Endpoint, promise::Unjudged};

/// What the streams of a Service hold at the settled end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndState {
    /// Streams that could be checked.
    pub streams_checked: u64,
    /// Streams among them that hold other than they were promised.
    pub streams_wrong: u64,
    /// Streams that this tool ended for good.
    pub streams_unchecked: u64,
    /// (stream, endpoint) pairs that were promised and missing.
    pub missing: u64,
    /// (stream, endpoint) pairs held, and no longer promised.
    pub stale: u64,
    /// (stream, endpoint) pairs that were there and never promised.
    pub unexpected: u64,
    /// Time that stale endpoints have been held beyond what was counted before, seconds.
    pub stale_seconds: f64,
    /// The first few wrong holdings, to say where to look.
    pub examples: Vec<Wrong>,
    /// Wrong streams by replica, where there are several.
    pub wrong_by_replica: BTreeMap<u32, u64>,
    /// Streams that are open, by replica, where there are several.
    pub streams_by_replica: BTreeMap<u32, u64>,
    /// Why streams of the Service could not be judged, if some could not.
    pub unjudged: Option<Unjudged>,
    /// Streams that could not be judged; they are not among those checked.
    pub streams_unjudged: u64,
    /// What streams keep that are not served; `None` if they keep nothing when they end.
    pub retained: Option<RetainedCounts>,
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

/// The numbers of endpoints, in Kubernetes and at the streams.
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
    /// Counts the endpoints at present.
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

    /// Checks every stream, and changes nothing.
    ///
    /// A stream that was asked for and is not served misses everything that it is promised, once the
    /// time that it has for that is over. Before that, and where all that differs is on its way for
    /// less than the deadline, a stream is left unchecked.
    #[must_use]
    pub fn end_state(&self, at: At) -> EndState {
        if self.unjudged().is_some() {
            return EndState {
                unjudged: self.unjudged(),
                streams_unjudged: self.streams.len() as u64,
                streams_by_replica: self.streams_by_replica(),
                retained: self.retained_at(at),
                ..EndState::default()
            };
        }
        let mut end = EndState {
            streams_by_replica: self.streams_by_replica(),
            retained: self.retained_at(at),
            ..EndState::default()
        };
        for stream in self.streams.ids() {
            if self.is_given_back(stream) {
                end.streams_unchecked += 1;
                continue;
            }
            let wrong = if self.streams.is_held(stream) {
                self.check_held(stream, at, &mut end)
            } else {
                self.check_unserved(stream, at, &mut end)
            };
            let Some(wrong) = wrong else {
                end.streams_unjudged += 1;
                end.unjudged = Some(Unjudged::Changing);
                continue;
            };
            end.streams_checked += 1;
            if wrong {
                end.streams_wrong += 1;
                if let Some(replica) = self.streams.replica(stream) {
                    *end.wrong_by_replica.entry(replica).or_default() += 1;
                }
            }
        }
        end
    }

    /// Streams that are open, by replica.
    fn streams_by_replica(&self) -> BTreeMap<u32, u64> {
        let mut streams = BTreeMap::new();
        let open = |stream: &StreamId| self.streams.phase(*stream) != StreamPhase::Closed;
        for replica in (self.streams.ids().filter(open)).filter_map(|it| self.streams.replica(it)) {
            *streams.entry(replica).or_default() += 1;
        }
        streams
    }

    /// Whether a stream that is not served is wrong; `None` if it has time yet.
    fn check_unserved(&self, stream: StreamId, at: At, end: &mut EndState) -> Option<bool> {
        let class = self.streams.class(stream);
        let promised = self.slots.promised(class);
        if promised == 0 {
            return Some(false);
        }
        // One that was never sent was not asked for.
        if self.grace(stream).is_none_or(|until| at < until) {
            return None;
        }
        end.missing += promised as u64;
        let mut wanted = self.slots.iter().filter(|(_, slot)| slot.is_wanted(class));
        if let Some((_, slot)) = wanted.next() {
            let since = self.unserved_since(stream).map(|since| at.since(since));
            end.example(stream, slot.endpoint, "missing", since);
        }
        Some(true)
    }

    /// Whether a stream holds other than it is promised; `None` if that may be on its way.
    fn check_held(&self, stream: StreamId, at: At, end: &mut EndState) -> Option<bool> {
        let class = self.streams.class(stream);
        let (mut wrong, mut on_its_way) = (false, false);
        for (id, slot) in self.slots.iter() {
            let held = self.slots.holds(stream, id);
            let wanted = slot.is_wanted(class);
            if held == wanted {
                continue;
            }
            let deviates = self.unexplained.since(id, stream);
            if self.is_on_its_way(stream, id, at) || deviates.is_some_and(|it| at < it + BEHIND) {
                on_its_way = true;
                continue;
            }
            wrong = true;
            let (kind, since) = if wanted {
                end.missing += 1;
                ("missing", None)
            } else if slot.ever_wanted {
                let since = at.since(self.stale_since(stream, id));
                end.stale += 1;
                end.stale_seconds += since.as_secs_f64();
                ("stale", Some(since))
            } else {
                end.unexpected += 1;
                ("unexpected", deviates.map(|since| at.since(since)))
            };
            end.example(stream, slot.endpoint, kind, since);
        }
        (wrong || !on_its_way).then_some(wrong)
    }

    /// Whether the stream still has time to learn the state of the endpoint.
    fn is_on_its_way(&self, stream: StreamId, id: SlotId, at: At) -> bool {
        if !self.slots.get(id).is_pending(stream as usize) {
            return false;
        }
        let (_, since) = self.to_learn(stream, id);
        since.is_some_and(|since| at < since + self.limits.deadline)
    }
}

// === impl EndState ===

impl EndState {
    fn example(
        &mut self,
        stream: StreamId,
        endpoint: Endpoint,
        kind: &'static str,
        since: Option<Duration>,
    ) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(Wrong {
                stream,
                endpoint,
                kind,
                since,
            });
        }
    }
}
