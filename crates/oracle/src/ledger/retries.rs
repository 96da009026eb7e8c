//! Retries of closed streams: when each is due, and who ended the stream.

use std::collections::BTreeMap;

use dst_load_scenario::time::At;

use super::{EndedBy, ServiceLedger, StreamId};

/// The streams that are closed now, after having been sent.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<StreamId, Retry>);

/// A closed stream.
#[derive(Clone, Copy, Debug)]
struct Retry {
    ended_by: EndedBy,
    /// When its next try is sent; `None` if there is none, or it is not known yet.
    due: Option<At>,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Registers that the closed stream is sent again at `at`.
    pub fn stream_retries(&mut self, stream: StreamId, at: At) {
        if let Some(retry) = self.retries.0.get_mut(&stream) {
            retry.due = Some(at);
        }
    }

    /// When a closed stream is sent again, and who ended it; `None` while it is open, before it is
    /// sent for the first time, and if it is not sent again.
    #[must_use]
    pub fn retry_due(&self, stream: StreamId) -> Option<(At, EndedBy)> {
        let retry = self.retries.0.get(&stream)?;
        Some((retry.due?, retry.ended_by))
    }

    /// Whether the stream is closed because we ended it, and is not to be sent again.
    pub(super) fn is_given_back(&self, stream: StreamId) -> bool {
        let retry = self.retries.0.get(&stream);
        retry.is_some_and(|it| it.ended_by == EndedBy::Us && it.due.is_none())
    }
}

// === impl Retries ===

impl Retries {
    pub(super) fn closed(&mut self, stream: StreamId, ended_by: EndedBy) {
        let retry = Retry {
            ended_by,
            due: None,
        };
        self.0.insert(stream, retry);
    }

    pub(super) fn sent(&mut self, stream: StreamId) {
        self.0.remove(&stream);
    }
}
