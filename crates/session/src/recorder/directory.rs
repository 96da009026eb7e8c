//! Where a run is saved. Nothing that is there already is ever overwritten by another run.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use dst_load_report::report::{html, json, junit, markdown, page::Page};

use super::RecordError;

/// The recording's name in a run's directory.
pub const RECORDING: &str = "recording.jsonl";

/// Its name if it is compressed with gzip. Runs do not write it.
pub const COMPRESSED_RECORDING: &str = "recording.jsonl.gz";

/// Directories of one name that are tried before giving up.
const ATTEMPTS: u32 = 1_000;

/// The directory of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

/// The recording in a run's directory, if there is one. Of a plain and a compressed one, this is the
/// plain one.
#[must_use]
pub fn recording_in(directory: &Path) -> Option<PathBuf> {
    let names = [RECORDING, COMPRESSED_RECORDING];
    let mut paths = names.iter().map(|name| directory.join(name));
    paths.find(|path| path.exists())
}

// === impl RunDirectory ===

impl RunDirectory {
    /// Makes `<base>/<name>-<suffix>`, or, where that is taken, the same with `-2`, `-3`, …
    ///
    /// The suffix is a date in real time and the run's id in virtual time, which has no date.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(base: &Path, name: &str, suffix: &str) -> Result<Self, RecordError> {
        fs::create_dir_all(base).map_err(RecordError::at("create", base))?;
        let mut path = base.join(format!("{name}-{suffix}"));
        for attempt in 2..=ATTEMPTS {
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    path = base.join(format!("{name}-{suffix}-{attempt}"));
                }
                Err(error) => return Err(RecordError::at("create", &path)(error)),
            }
        }
        Err(RecordError::at("create", &path)(
            ErrorKind::AlreadyExists.into(),
        ))
    }

    /// Uses `path` itself, which is made if need be and must hold no recording.
    ///
    /// # Errors
    /// If it cannot be made, or holds a recording.
    pub fn at(path: &Path) -> Result<Self, RecordError> {
        fs::create_dir_all(path).map_err(RecordError::at("create", path))?;
        if let Some(recording) = recording_in(path) {
            let help = "there is a recording already; name another directory";
            return Err(RecordError::at("create", &recording)(io::Error::new(
                ErrorKind::AlreadyExists,
                help,
            )));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The recording's place in it.
    #[must_use]
    pub fn recording(&self) -> PathBuf {
        self.path.join(RECORDING)
    }

    /// The place of the log of a controller that was started for the run.
    #[must_use]
    pub fn destination_log(&self) -> PathBuf {
        self.path.join("destination.log")
    }

    /// Removes the directory if it says nothing, because the run has not begun.
    pub fn abandon(&self) {
        // What is in it is worth more than tidiness, and so is the error that led here.
        let log = self.destination_log();
        if fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
            let _ = fs::remove_file(&log);
        }
        let _ = fs::remove_dir(&self.path);
    }

    /// Writes `report.json`, `report.md`, `report.xml` and `report.html`, each whole or not at all.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write_reports(&self, page: &Page) -> Result<(), RecordError> {
        let report = &page.report;
        self.write("report.json", &json::render(report))?;
        self.write("report.md", &markdown::render(report))?;
        self.write("report.xml", &junit::render(report))?;
        self.write("report.html", &html::render(page))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), RecordError> {
        write_whole(&self.path.join(name), text)
    }
}

/// Writes a file so that a reader finds either what was there before or all of `text`.
///
/// # Errors
/// If it cannot be written.
pub fn write_whole(path: &Path, text: &str) -> Result<(), RecordError> {
    write_bytes(path, text.as_bytes())
}

/// As [`write_whole`], of what is no text.
///
/// # Errors
/// If it cannot be written.
pub fn write_bytes(path: &Path, content: &[u8]) -> Result<(), RecordError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let written = fs::File::create(&part).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(RecordError::at("write", &part))?;
    fs::rename(&part, path).map_err(RecordError::at("write", path))
}
