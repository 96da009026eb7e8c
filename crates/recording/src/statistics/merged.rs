//! What recordings a summary is of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    recording::{Header, Line, Totals},
    warning::Warning,
};

/// What recordings a summary is of, and whether they are all and whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Merged {
    /// Recordings that it is of.
    pub recordings: u64,
    /// How many there should be; `null` if that is not known, as of a single run.
    pub expected: Option<u64>,
    /// Clients that restarted, whose earlier recording is lost.
    pub restarted: Vec<String>,
    /// Client replicas that are in it more than once, although each has Services of its own to ask
    /// for.
    pub same_replicas: Vec<u32>,
    /// In what the folded numbers differ from what the recording says of itself; `null` if in
    /// nothing.
    pub difference: Option<String>,
}

// === impl Merged ===

impl Merged {
    /// Takes a line's share in this.
    pub(super) fn line(&mut self, line: &Line, folded: impl FnOnce() -> Totals) {
        match line {
            Line::Header(header) => self.header(header),
            Line::Warning {
                warning: Warning::ReplicaRestarted { pod, .. },
                ..
            } if !self.restarted.contains(pod) => self.restarted.push(pod.clone()),
            Line::End(end) => {
                let difference = end.totals.and_then(|said| said.difference(&folded()));
                self.difference = difference.map(|(what, said, counted)| {
                    format!(
                        "the recording does not add up: it says {said} {what}, and {counted} were \
                         counted"
                    )
                });
            }
            _ => {}
        }
    }

    fn header(&mut self, header: &Header) {
        let identity = &header.identity;
        self.recordings = identity.recordings.len() as u64;
        self.expected = identity.expected.map(u64::from);
        self.restarted = identity.restarted();
        self.same_replicas = identity.same_replicas();
    }
}
