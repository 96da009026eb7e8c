//! Streams that were asked for and have no snapshot, and how much time each has for that.
//!
//! A stream that the destination ended has the time of an update. One that we ended, or that waits
//! on a Service which has just got its first endpoints, has its next try and the time of a first
//! item: that it is then tried again, and again, gives it no more.

use std::collections::BTreeMap;

use dst_load_scenario::time::At;

use super::{
    EndedBy, ServiceLedger, StreamId,
    limits::FIRST_ITEM,
    streams::{StreamPhase, Streams},
};

/// Since when streams are unserved.
#[derive(Debug, Default)]
pub(super) struct Unserved(BTreeMap<StreamId, Since>);

/// What happened to a stream since it was last served, or since there was nothing to serve.
#[derive(Clone, Copy, Debug, Default)]
struct Since {
    /// When the destination ended it, if that is how it came to be unserved.
    ended_by_destination: Option<At>,
    /// When it was first sent since then.
    tried: Option<At>,
}

// === impl Unserved ===

impl Unserved {
    /// A stream that was served has ended.
    pub(super) fn lost(&mut self, stream: StreamId, at: At, by: EndedBy) {
        let since = Since {
            ended_by_destination: (by == EndedBy::Destination).then_some(at),
            tried: None,
        };
        self.0.insert(stream, since);
    }

    pub(super) fn sent(&mut self, stream: StreamId, at: At) {
        self.0.entry(stream).or_default().tried.get_or_insert(at);
    }

    pub(super) fn served(&mut self, stream: StreamId) {
        self.0.remove(&stream);
    }

    /// There is something to serve from `at` on, where there was nothing.
    pub(super) fn promised(
        &mut self,
        members: impl Iterator<Item = usize>,
        streams: &Streams,
        at: At,
    ) {
        for bit in members {
            let stream = StreamId::try_from(bit).expect("invariant: streams are numbered by u32");
            let tried = match streams.phase(stream) {
                StreamPhase::Held => continue,
                StreamPhase::Sent(_) => Some(at),
                StreamPhase::Closed => None,
            };
            let since = self.0.entry(stream).or_default();
            if since.ended_by_destination.is_none() {
                since.tried = tried;
            }
        }
    }
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// The latest deadline of the streams that are promised something and have not been served;
    /// `None` if there is none.
    #[must_use]
    pub fn unserved_until(&self) -> Option<At> {
        let unserved = self.streams.ids().filter(|&stream| {
            !self.is_given_back(stream)
                && !self.streams.is_held(stream)
                && self.slots.promised(self.streams.class(stream)) > 0
        });
        unserved.filter_map(|stream| self.grace(stream)).max()
    }

    /// Until when a stream that is not served has time to be; `None` if it was never sent.
    pub(super) fn grace(&self, stream: StreamId) -> Option<At> {
        let since = self.unserved.0.get(&stream)?;
        if let Some(ended) = since.ended_by_destination {
            return Some(ended + self.limits.deadline);
        }
        let next = || self.retry_due(stream).map(|(due, _)| due);
        since.tried.or_else(next).map(|sent| sent + FIRST_ITEM)
    }

    /// Since when the stream has been without the snapshot that the destination owes it.
    pub(super) fn unserved_since(&self, stream: StreamId) -> Option<At> {
        let since = self.unserved.0.get(&stream)?;
        since.ended_by_destination.or(since.tried)
    }
}
