//! Claims about recordings in files, plain and compressed, whole and damaged.

use std::{fs, io::Write};

use dst_load_recording::recording::{samples, write};
use dst_load_session::recorder::COMPRESSED_RECORDING;
use flate2::{Compression, write::GzEncoder};

use super::*;

/// A recording's bytes.
fn plain() -> Vec<u8> {
    let mut lines = samples::passed();
    lines.sort_by(Line::compare_places);
    let mut bytes = Vec::new();
    write(&lines, &mut bytes).unwrap();
    bytes
}

/// As `gzip` writes them.
pub(in crate::cli) fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What is read from a file of this name that holds these bytes, or how it is refused.
fn opened(name: &str, bytes: &[u8]) -> Result<Vec<Line>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    open(&path).map_err(|error| {
        let error = format!("{error:#}");
        let place = format!("{}: ", path.display());
        error.strip_prefix(&place).unwrap().to_owned()
    })
}

#[test]
fn a_compressed_recording_reads_as_the_plain_one_whatever_its_name() {
    let plain = plain();
    let lines = opened(RECORDING, &plain).unwrap();
    let compressed = compressed(&plain);
    for name in [RECORDING, COMPRESSED_RECORDING, "kept"] {
        assert_eq!(opened(name, &compressed), Ok(lines.clone()), "{name}");
        assert_eq!(opened(name, &plain), Ok(lines.clone()), "{name}");
    }
}

#[test]
fn parts_that_were_compressed_one_by_one_are_one_recording() {
    let plain = plain();
    let (first, second) = plain.split_at(plain.len() / 2);
    let parts = [compressed(first), compressed(second)].concat();
    assert_eq!(opened("a.gz", &parts), opened("a", &plain));
}

#[test]
fn a_directory_has_its_plain_recording_or_else_the_compressed_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let error = format!("{:#}", open(folder.path()).unwrap_err());
    assert!(error.contains("recording.jsonl: No such file"), "{error}");

    let plain = plain();
    fs::write(at(COMPRESSED_RECORDING), compressed(&plain)).unwrap();
    let lines = open(folder.path()).unwrap();
    assert_eq!(lines, open(&at(COMPRESSED_RECORDING)).unwrap());

    let first_lines = plain.split_inclusive(|byte| *byte == b'\n').take(2);
    fs::write(at(RECORDING), first_lines.collect::<Vec<_>>().concat()).unwrap();
    assert_eq!(open(folder.path()).unwrap(), lines[..2]);
}

#[test]
fn a_compressed_recording_that_was_cut_off_is_refused_wherever_the_cut_is() {
    let compressed = compressed(&plain());
    let length = compressed.len();
    // Within the header, the data, and the checksum and length at the end.
    let cuts = (2..length)
        .step_by(97)
        .chain(2..12)
        .chain(length - 12..length);
    for cut in cuts {
        let error = opened("cut.jsonl", &compressed[..cut]).unwrap_err();
        assert!(
            error.starts_with("the gzip data is damaged or cut off ("),
            "{cut} of {length} bytes: {error}"
        );
    }
}

#[test]
fn a_compressed_recording_that_was_changed_is_refused_or_reads_the_same() {
    let plain = plain();
    let lines = opened(RECORDING, &plain).unwrap();
    let whole = compressed(&plain);
    let mut refused = 0;
    for at in (0..whole.len())
        .step_by(61)
        .chain(whole.len() - 8..whole.len())
    {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        match opened("changed.jsonl.gz", &changed) {
            // Such as the time in gzip's header.
            Ok(read) => assert_eq!(read, lines, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 8, "{refused}");
    let trailing = [whole, b"more".to_vec()].concat();
    assert!(opened("trailing.jsonl.gz", &trailing).is_err());
}

#[test]
fn what_unpacks_to_no_recording_is_refused_without_being_unpacked_in_whole() {
    // 4 GiB.
    let zeros = compressed(&vec![0; 1 << 20]).repeat(4_096);
    let error = opened("zeros.gz", &zeros).unwrap_err();
    assert!(error.starts_with("line 1: it has more than"), "{error}");
    let error = opened("nothing.gz", &compressed(b"")).unwrap_err();
    assert!(error.starts_with("line 1: the file is empty"), "{error}");
}
