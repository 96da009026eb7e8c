//! Reads the recording in a file or in a run's directory, which may be compressed with gzip.

use std::{
    fs::File,
    io::{BufReader, Cursor, Read},
    path::Path,
};

use anyhow::{Context, anyhow};
use dst_load_recording::recording::{Line, ReadError, read};
use dst_load_session::recorder::{RECORDING, recording_in};
use flate2::read::MultiGzDecoder;

/// How gzip's data starts (RFC 1952). A recording starts with `{`.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The lines of the recording at this path, or in this directory of a run. Whether it is compressed
/// is read from its first bytes, and not from its name.
///
/// # Errors
/// If it cannot be read, or is no recording. A plain one that was cut off, as a crash leaves it, is
/// read as far as it goes; a compressed one was whole once, and an undamaged copy has more.
pub(super) fn open(path: &Path) -> anyhow::Result<Vec<Line>> {
    let path = if path.is_dir() {
        recording_in(path).unwrap_or_else(|| path.join(RECORDING))
    } else {
        path.to_owned()
    };
    let place = || path.display().to_string();
    let mut file = File::open(&path).with_context(place)?;
    // A pipe cannot be rewound, and its buffer may have a single byte.
    let mut start = Vec::new();
    let mut first = file.by_ref().take(GZIP.len() as u64);
    first.read_to_end(&mut start).with_context(place)?;
    let is_compressed = start == GZIP;
    let whole = Cursor::new(start).chain(file);
    let input: Box<dyn Read> = if is_compressed {
        Box::new(MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    };
    let lines = read(BufReader::new(input)).map_err(|error| match error {
        // The system's errors have a number, those of gzip's data have none.
        ReadError::Io(cause) if is_compressed && cause.raw_os_error().is_none() => anyhow!(
            "the gzip data is damaged or cut off ({cause}): use an undamaged copy of the recording"
        ),
        error => error.into(),
    });
    lines.with_context(place)
}

#[cfg(test)]
pub(super) mod tests;
