//! Whose controller each replica of the destination is, as its responses say.

use std::collections::BTreeSet;

use dst_load_recording::recording::IdentifiedLine;
use dst_load_scenario::{printable::line_of, time::At};
use dst_load_transport::world::REFERENCE_HEADER;

use super::StreamCounters;

/// What replicas have answered, each kind of answer once.
#[derive(Debug, Default)]
pub(super) struct Answers {
    seen: BTreeSet<(u32, bool)>,
    /// Not in the recording yet.
    lines: Vec<IdentifiedLine>,
}

// === impl StreamCounters ===

impl StreamCounters {
    /// A replica, numbered from 0, has sent a gRPC response with these headers at `at`.
    pub fn identify(&self, replica: u32, headers: &http::HeaderMap, at: At) {
        let version = headers.get(REFERENCE_HEADER);
        let mut answers = self.identities.lock();
        if answers.seen.insert((replica, version.is_some())) {
            let reference = version.map(|it| line_of(it.as_bytes()));
            answers.lines.push(IdentifiedLine {
                at,
                replica,
                reference,
            });
        }
    }

    /// Takes what has been answered since the last call.
    #[must_use]
    pub fn take_identities(&self) -> Vec<IdentifiedLine> {
        std::mem::take(&mut self.identities.lock().lines)
    }
}
