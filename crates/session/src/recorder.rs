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
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use dst_load_recording::{
    recording::{Chain, Line, LineText},
    warning::Warning,
};
use dst_load_report::report::{
    ReportFold,
    page::{Page, PageFold},
};
use dst_load_scenario::{criteria::Criteria, plan::Planned, time::At};

pub use self::directory::{
    COMPRESSED_RECORDING, RECORDING, RunDirectory, recording_in, write_bytes, write_whole,
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
    /// The file that `out` writes to, if it is one: another handle with the same position.
    file: Option<File>,
    path: PathBuf,
    /// The last line, once it is written.
    ended: Option<Ended>,
    waiting: Vec<(Line, LineText)>,
    chain: Chain,
    /// Why the first line that was refused was.
    refused: Option<io::Error>,
    /// Whether writing failed: what follows would not continue what is there.
    broken: bool,
    report: ReportFold,
    page: PageFold,
}

/// What it takes to write the last line again, after another one.
#[derive(Debug)]
struct Ended {
    line: Line,
    /// As it was before that line.
    chain: Chain,
    /// Where in the file that line begins.
    at: Option<u64>,
}

// === impl Recorder ===

impl Recorder<BufWriter<File>> {
    /// A recorder over a new file.
    ///
    /// # Errors
    /// If the file exists or cannot be made.
    pub fn create(path: &Path) -> Result<Self, RecordError> {
        let create = || {
            let file = File::create_new(path)?;
            Ok((file.try_clone()?, file))
        };
        let (handle, file) = create().map_err(RecordError::at("create", path))?;
        Ok(Self {
            file: Some(handle),
            ..Self::new(BufWriter::new(file), path)
        })
    }
}

impl<W: Write> Recorder<W> {
    /// A recorder over `out`, which errors call `path`.
    #[must_use]
    pub fn new(out: W, path: &Path) -> Self {
        Self {
            out,
            file: None,
            path: path.to_owned(),
            ended: None,
            waiting: Vec::new(),
            chain: Chain::default(),
            refused: None,
            broken: false,
            report: ReportFold::default(),
            page: PageFold::default(),
        }
    }

    /// Takes a line. It is written by the first flush at or after its instant; one that holds what
    /// no recording may is that flush's error.
    pub fn push(&mut self, line: Line) {
        match Chain::encode(&line) {
            Ok(text) => self.waiting.push((line, text)),
            Err(error) => drop(self.refused.get_or_insert(error)),
        }
    }

    /// Encodes lines that would end the recording as it is now.
    ///
    /// # Errors
    /// If writing fails.
    pub fn close_with(&self, lines: Vec<Line>) -> Result<Vec<u8>, RecordError> {
        let (mut chain, mut text) = (self.chain.clone(), Vec::new());
        for mut line in lines {
            chain
                .write(&mut line, &mut text)
                .map_err(RecordError::at("write", &self.path))?;
        }
        Ok(text)
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

    /// Adds a warning to a recording that has ended, before its last line. Where that is no file,
    /// only reports have it.
    ///
    /// # Errors
    /// If writing fails.
    pub fn amend(&mut self, warning: Warning) -> Result<(), RecordError> {
        let Some(mut ended) = self.ended.take() else {
            return Ok(());
        };
        let at = ended.line.order().0;
        let mut line = Line::Warning { at, warning };
        let rewritten = self.rewrite(&mut ended, &mut line);
        self.fold(&line);
        self.ended = Some(ended);
        rewritten.map_err(|error| {
            self.broken = true;
            RecordError::at("write", &self.path)(error)
        })
    }

    /// The report of the lines written so far, and what is drawn beside it; `None` before the header
    /// is.
    #[must_use]
    pub fn page(&self, criteria: &Criteria, planned: impl Into<Planned>) -> Option<Page> {
        self.page.page(self.report.report(criteria, planned)?)
    }

    /// As [`Self::page`], of a run that goes on.
    #[must_use]
    pub fn page_so_far(&self, criteria: &Criteria, planned: Planned) -> Option<Page> {
        self.page
            .page(self.report.report_so_far(criteria, planned)?)
    }

    fn write(&mut self, mut lines: Vec<(Line, LineText)>) -> Result<(), RecordError> {
        lines.sort_by(|(a, a_text), (b, b_text)| {
            a.compare_places(b).then_with(|| a_text.cmp(b_text))
        });
        let mut result = self.refused.take().map_or(Ok(()), Err);
        for (mut line, text) in lines {
            if matches!(line, Line::End(_)) {
                self.note_end(&line);
            }
            if self.broken {
                // Folded all the same: the report loses no number.
                self.chain.append(&mut line, &text, &mut io::sink())
            } else {
                self.chain.append(&mut line, &text, &mut self.out)
            }
            .unwrap_or_else(|error| {
                self.broken = true;
                result = Err(error);
            });
            self.fold(&line);
        }
        if !self.broken
            && let Err(error) = self.out.flush()
        {
            self.broken = true;
            result = Err(error);
        }
        result.map_err(RecordError::at("write", &self.path))
    }

    fn fold(&mut self, line: &Line) {
        self.report.absorb(line);
        self.page.absorb(line);
    }

    /// Notes where the last line begins, which is written next.
    fn note_end(&mut self, line: &Line) {
        let flushed = !self.broken && self.out.flush().is_ok();
        let mut file = self.file.as_ref().filter(|_| flushed);
        self.ended = Some(Ended {
            line: line.clone(),
            chain: self.chain.clone(),
            at: file.as_mut().and_then(|file| file.stream_position().ok()),
        });
    }

    /// Replaces the last line by `line` and itself, in the file.
    fn rewrite(&mut self, ended: &mut Ended, line: &mut Line) -> io::Result<()> {
        let (Some(mut file), Some(at), false) = (self.file.as_ref(), ended.at, self.broken) else {
            return Ok(());
        };
        let (mut chain, mut text) = (ended.chain.clone(), Vec::new());
        chain.write(line, &mut text)?;
        let before = (chain.clone(), at + text.len() as u64);
        chain.write(&mut ended.line, &mut text)?;
        file.set_len(at)?;
        file.seek(SeekFrom::Start(at))?;
        self.out.write_all(&text)?;
        self.out.flush()?;
        self.chain = chain;
        ended.chain = before.0;
        ended.at = Some(before.1);
        Ok(())
    }
}

// === impl RecordError ===

impl RecordError {
    fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { what, path, source }
    }
}
