//! Lines to and from bytes.

use std::io::{self, BufRead, Write};

use super::{Line, SCHEMA_VERSION};

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is not one of ours.
    #[error("line {number}: {error}")]
    Line {
        /// The line's number, from 1.
        number: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// The first line is no header.
    #[error("line 1: expected the header of a recording")]
    NoHeader,
    /// The recording was written by another version.
    #[error("line 1: schema_version {found} cannot be read, only {SCHEMA_VERSION}")]
    Version {
        /// The version found.
        found: u32,
    },
}

/// What every version's header has.
#[derive(serde::Deserialize)]
struct AnyHeader {
    schema_version: u32,
}

/// Writes one line.
///
/// # Errors
/// If writing fails.
pub fn write_line(line: &Line, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Reads a recording. A last line that is cut off, as a crash leaves it, is passed over.
///
/// # Errors
/// If the file cannot be read, is no recording, or is one of another version.
pub fn read(input: impl BufRead) -> Result<Vec<Line>, ReadError> {
    let mut lines = Vec::new();
    let mut broken = None;
    for (index, text) in input.split(b'\n').enumerate() {
        if let Some(error) = broken.take() {
            return Err(error);
        }
        let text = text?;
        // Another version's lines may have any shape: its header says which it is.
        if index == 0
            && let Ok(AnyHeader { schema_version }) = serde_json::from_slice(&text)
            && schema_version != SCHEMA_VERSION
        {
            return Err(ReadError::Version {
                found: schema_version,
            });
        }
        match serde_json::from_slice(&text) {
            Ok(line) => lines.push(line),
            Err(error) => {
                broken = Some(ReadError::Line {
                    number: index + 1,
                    error,
                });
            }
        }
    }
    match lines.first() {
        Some(Line::Header(_)) => Ok(lines),
        _ => Err(broken.unwrap_or(ReadError::NoHeader)),
    }
}
