//! Whose controller each replica of the destination is, as its responses say.

use std::collections::BTreeSet;

use super::Books;
use crate::{
    model::{printable::line_of, recording::IdentifiedLine, time::At},
    world::REFERENCE_HEADER,
};

/// What replicas have answered, each kind of answer once.
#[derive(Debug, Default)]
pub(super) struct Answers {
    seen: BTreeSet<(u32, bool)>,
    /// Not in the recording yet.
    lines: Vec<IdentifiedLine>,
}

// === impl Books ===

impl Books {
    /// A replica, numbered from 0, has sent a gRPC response with these headers.
    pub(in crate::live) fn identify(&self, replica: u32, headers: &http::HeaderMap) {
        let version = headers.get(REFERENCE_HEADER);
        let mut answers = self.identities.lock();
        if answers.seen.insert((replica, version.is_some())) {
            let reference = version.map(|it| line_of(it.as_bytes()));
            answers.lines.push(IdentifiedLine {
                at: self.clock.now(),
                replica,
                reference,
            });
        }
    }

    /// Takes what has been answered since the last call.
    pub(in crate::live) fn take_identities(&self) -> Vec<IdentifiedLine> {
        std::mem::take(&mut self.identities.lock().lines)
    }

    /// The peer has left a connection that was made at `since`, as it had announced.
    pub(in crate::live) fn left(&self, since: At) {
        self.connections.lock().end(since, self.clock.now());
    }
}
