//! Writes a run's lines down as they come, in an order that does not depend on scheduling.

use std::io;

use crate::model::{
    recording::{Line, write_line},
    statistics::Statistics,
};

/// A recording under way, with what it adds up to so far.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    pending: Vec<Line>,
    statistics: Statistics,
}

// === impl Recorder ===

impl<W: io::Write> Recorder<W> {
    /// Records to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            pending: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    /// Takes a line in; it is written at the next flush.
    pub fn push(&mut self, line: Line) {
        self.pending.push(line);
    }

    /// Writes what has gathered.
    ///
    /// # Errors
    /// If that fails.
    pub fn flush(&mut self) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.pending);
        lines.sort_by(|a, b| a.order().cmp(&b.order()));
        for line in lines {
            write_line(&line, &mut self.out)?;
            self.statistics.absorb(&line);
        }
        self.out.flush()
    }

    /// What all written lines add up to.
    #[must_use]
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }
}
