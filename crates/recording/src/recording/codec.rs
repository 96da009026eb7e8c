//! Lines to and from bytes.

use std::io::{self, BufRead, Read, Write};

use dst_load_scenario::printable::line;

use super::{Chain, Line, SCHEMA_VERSION};

/// The longest line that is read, in bytes: a change has some for each of a million streams.
const LONGEST_LINE: usize = 64 << 20;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file has no lines.
    #[error("line 1: the file is empty: a recording starts with its header")]
    Empty,
    /// The recording was written by another version.
    #[error(
        "line 1: schema_version {found} cannot be read, only {SCHEMA_VERSION}: run again with this \
         version, or report it with the version that wrote it{}",
        .tool.as_ref().map_or_else(String::new, |tool| format!(" ({tool})"))
    )]
    Version {
        /// The version found.
        found: u32,
        /// The version of the tool that wrote it.
        tool: Option<String>,
    },
    /// A line is damaged, or not where it belongs.
    #[error("line {number}{fault}")]
    Line {
        /// The line's number, from 1.
        number: usize,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no text.
    #[error(", column {column}: invalid UTF-8")]
    Utf8 {
        /// The first byte that is none, from 1.
        column: usize,
    },
    /// It is no JSON.
    #[error(", column {column}: {message}")]
    Syntax {
        /// Where, from 1.
        column: usize,
        /// What.
        message: String,
    },
    /// It is JSON, and not the line of a recording.
    #[error(": {0}")]
    Content(String),
    /// It is longer than a line is read.
    #[error(": it has more than {LONGEST_LINE} bytes; is that a recording?")]
    Long,
    /// It does not end in a checksum.
    #[error(": it does not end in its checksum (\"sum\"): the line was cut off or changed")]
    NoSum,
    /// Its checksum is another.
    #[error(
        ": the checksum does not match: this line was changed, or lines before it were removed, \
         added or moved; use an unchanged copy of the recording"
    )]
    Sum,
    /// The first line is no header.
    #[error(": expected the header of a recording")]
    NoHeader,
    /// A header stands elsewhere.
    #[error(": a second header: each recording has a file of its own")]
    SecondHeader,
    /// A line follows the end.
    #[error(": it follows the recording's end")]
    AfterEnd,
    /// The end lacks its totals.
    #[error(": the end has no totals")]
    NoTotals,
    /// The lines do not add up to what the end says.
    #[error(": the end says {said} {what}, and there are {counted}")]
    Totals {
        /// What is counted.
        what: &'static str,
        /// How many the end says there are.
        said: u64,
        /// How many there are.
        counted: u64,
    },
}

/// What every version's header has.
#[derive(serde::Deserialize)]
struct AnyHeader {
    schema_version: u32,
    #[serde(default)]
    tool_version: Option<String>,
}

/// Writes lines as a recording of their own; the end gets its totals.
///
/// # Errors
/// If a line cannot be written.
pub fn write(lines: &[Line], out: &mut impl Write) -> io::Result<()> {
    let mut chain = Chain::default();
    for line in lines {
        chain.write(&mut line.clone(), out)?;
    }
    Ok(())
}

/// Reads a recording, which must prove itself: every line's checksum continues the one before, and
/// the end's totals are what its lines add up to. A last line that is cut off, as a crash leaves
/// it, is passed over.
///
/// # Errors
/// If the file cannot be read, is no recording, is one of another version, or does not add up.
pub fn read(mut input: impl BufRead) -> Result<Vec<Line>, ReadError> {
    let mut lines: Vec<Line> = Vec::new();
    let mut chain = Chain::default();
    let mut replicas = None;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let mut limited = (&mut input).take(LONGEST_LINE as u64 + 1);
        if limited.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        if text.len() > LONGEST_LINE {
            let fault = Fault::Long;
            return Err(ReadError::Line { number, fault });
        }
        let is_whole = text.last() == Some(&b'\n');
        if is_whole {
            text.pop();
        }
        if number == 1 {
            refuse_other_version(&text)?;
        }
        // Before anything else: the sum's place tells a line that was cut off from a damaged one.
        let sum = chain.check(&text);
        if sum.is_none() && !is_whole && number > 1 {
            break;
        }
        let line = decode(&text).and_then(|line| {
            place(&line, &lines)?;
            match sum {
                None => return Err(Fault::NoSum),
                Some(false) => return Err(Fault::Sum),
                Some(true) => {}
            }
            line.validate(replicas).map_err(Fault::Content)?;
            match &line {
                Line::Header(header) => replicas = Some(header.replicas.len()),
                Line::Replicas { addresses, .. } => {
                    replicas = replicas.map(|known| known + addresses.len());
                }
                _ => {}
            }
            if let Line::End(end) = &line {
                let said = end.totals.ok_or(Fault::NoTotals)?;
                if let Some((what, said, counted)) = said.difference(chain.totals()) {
                    return Err(Fault::Totals {
                        what,
                        said,
                        counted,
                    });
                }
            }
            Ok(line)
        });
        let line = line.map_err(|fault| ReadError::Line { number, fault })?;
        chain.count(&line);
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(ReadError::Empty);
    }
    Ok(lines)
}

/// Another version's lines may have any shape: its header says which it is.
fn refuse_other_version(text: &[u8]) -> Result<(), ReadError> {
    match serde_json::from_slice(text) {
        Ok(AnyHeader {
            schema_version: found,
            tool_version: tool,
        }) if found != SCHEMA_VERSION => Err(ReadError::Version { found, tool }),
        _ => Ok(()),
    }
}

fn decode(text: &[u8]) -> Result<Line, Fault> {
    let text = std::str::from_utf8(text).map_err(|error| Fault::Utf8 {
        column: error.valid_up_to() + 1,
    })?;
    serde_json::from_str(text).map_err(|error| {
        // It counts lines too, and knows of one.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = error.to_string();
        let message = line(message.strip_suffix(&place).unwrap_or(&message));
        if error.is_data() {
            Fault::Content(message)
        } else {
            let column = error.column();
            Fault::Syntax { column, message }
        }
    })
}

/// Whether a line may follow these.
fn place(line: &Line, before: &[Line]) -> Result<(), Fault> {
    match (before.last(), line) {
        (None, Line::Header(_)) => Ok(()),
        (None, _) => Err(Fault::NoHeader),
        (Some(Line::End(_)), _) => Err(Fault::AfterEnd),
        (Some(_), Line::Header(_)) => Err(Fault::SecondHeader),
        (Some(_), _) => Ok(()),
    }
}
