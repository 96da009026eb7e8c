//! Writes the recording as the run goes, and folds every line that it writes.
//!
//! Writing is synchronous: virtual time forbids a thread for it, and a line a second a kind is
//! little. What is not flushed is lost in a crash, so flush every second. Memory does not grow
//! with the run: lines are forgotten once they are written and folded.

mod directory;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

pub use self::directory::{RECORDING, RunDirectory, write_bytes, write_whole};
use crate::model::{
    criteria::Criteria,
    plan::Planned,
    recording::{Header, Line, write_line},
    report::{
        Report,
        page::{Page, PageFold},
    },
    statistics::Statistics,
    time::At,
    warning::Warning,
};

/// Why something of a run could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct RecordError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Writes lines and folds them.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    out: W,
    path: PathBuf,
    waiting: Vec<(Line, Vec<u8>)>,
    statistics: Statistics,
    page: PageFold,
    header: Option<Box<Header>>,
    warnings: Vec<Warning>,
}

/// Different warnings kept for the report. The kinds are few; only their numbers may differ, and
/// a report that lists more is read by nobody. All are in the recording.
const WARNINGS: usize = 50;

// === impl Recorder ===

impl Recorder<BufWriter<File>> {
    /// A recorder over a new file.
    ///
    /// # Errors
    /// If the file exists or cannot be made.
    pub fn create(path: &Path) -> Result<Self, RecordError> {
        let file = File::create_new(path).map_err(RecordError::at("create", path))?;
        Ok(Self::new(BufWriter::new(file), path))
    }
}

impl<W: Write> Recorder<W> {
    /// A recorder over `out`, which errors call `path`.
    #[must_use]
    pub fn new(out: W, path: &Path) -> Self {
        Self {
            out,
            path: path.to_owned(),
            waiting: Vec::new(),
            statistics: Statistics::default(),
            page: PageFold::default(),
            header: None,
            warnings: Vec::new(),
        }
    }

    /// Takes a line. It is written by the first flush at or after its instant.
    pub fn push(&mut self, line: Line) {
        let mut text = Vec::new();
        write_line(&line, &mut text)
            .expect("invariant: writing to memory does not fail, and all keys are text");
        self.waiting.push((line, text));
    }

    /// Writes the lines up to and including `now`, in one order whatever the order of pushing:
    /// by instant, kind, Service and, among equals, their text.
    ///
    /// # Errors
    /// If writing fails.
    pub fn flush(&mut self, now: At) -> Result<(), RecordError> {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(line, _)| line.order().0 <= now);
        self.waiting = later;
        self.write(due)
    }

    /// Writes all lines.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(&mut self) -> Result<(), RecordError> {
        let all = std::mem::take(&mut self.waiting);
        self.write(all)
    }

    /// What the lines written so far add up to.
    #[must_use]
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The report of the lines written so far; `None` before the header is.
    #[must_use]
    pub fn report(&self, criteria: &Criteria, planned: impl Into<Planned>) -> Option<Report> {
        let header = self.header.as_deref()?;
        Some(Report::new(
            header,
            &self.statistics,
            &self.warnings,
            criteria,
            planned,
        ))
    }

    /// As [`Self::report`], of a run that goes on.
    #[must_use]
    pub fn report_so_far(
        &self,
        criteria: &Criteria,
        planned: impl Into<Planned>,
    ) -> Option<Report> {
        let header = self.header.as_deref()?;
        let (statistics, warnings) = (&self.statistics, &self.warnings);
        Some(Report::so_far(
            header, statistics, warnings, criteria, planned,
        ))
    }

    /// The page with this report, which is of the lines written so far; `None` before the header
    /// is.
    #[must_use]
    pub fn page(&self, report: Report) -> Option<Page> {
        self.page.page(report)
    }

    fn write(&mut self, mut lines: Vec<(Line, Vec<u8>)>) -> Result<(), RecordError> {
        lines.sort_by(|(a, a_text), (b, b_text)| {
            a.order().cmp(&b.order()).then_with(|| a_text.cmp(b_text))
        });
        let result = lines
            .iter()
            .try_for_each(|(_, text)| self.out.write_all(text))
            .and_then(|()| self.out.flush());
        for (line, _) in lines {
            self.statistics.absorb(&line);
            self.page.absorb(&line);
            match line {
                Line::Header(header) => self.header = Some(header),
                Line::Warning { warning, .. }
                    if self.warnings.len() < WARNINGS && !self.warnings.contains(&warning) =>
                {
                    self.warnings.push(warning);
                }
                _ => {}
            }
        }
        result.map_err(RecordError::at("write", &self.path))
    }
}

// === impl RecordError ===

impl RecordError {
    fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { what, path, source }
    }
}
