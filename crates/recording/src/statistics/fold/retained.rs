//! What streams kept while they were opened again, over a run.

use dst_load_oracle::ledger::RetainedCounts;

use crate::statistics::summary::Retained;

#[derive(Debug, Default)]
pub(super) struct RetainedFold {
    over: RetainedCounts,
    at_end: RetainedCounts,
    /// Whether Services' last lines say what streams keep, and whether some do not.
    says: bool,
    lacks: bool,
}

// === impl RetainedFold ===

impl RetainedFold {
    pub(super) fn second(&mut self, counts: Option<RetainedCounts>) {
        self.over.absorb(counts.unwrap_or_default());
    }

    pub(super) fn ended(&mut self, counts: Option<RetainedCounts>) {
        self.says |= counts.is_some();
        self.lacks |= counts.is_none();
        self.at_end.absorb(counts.unwrap_or_default());
    }

    /// What it comes to; `None` if streams kept nothing when they ended, or that is not known.
    pub(super) fn summary(&self) -> Option<Retained> {
        let longest = self.over.longest().max(self.at_end.longest());
        (self.says && !self.lacks).then_some(Retained {
            kept: self.over.kept,
            streams: self.over.streams,
            streams_at_end: self.at_end.streams,
            stale_endpoint_seconds: self.over.stale_seconds + self.at_end.stale_seconds,
            longest_seconds: longest.as_secs_f64(),
        })
    }
}
