//! Claims about recordings that are not what was written: none is read, and none but by its line.

use dst_load_scenario::time::At;
use sha2::{Digest, Sha256};

use super::{samples, with_totals, written};
use crate::recording::{Chain, Fault, Line, ReadError, ReplicaInfo, SCHEMA_VERSION, read};

/// The lines of a recording, as text without their ends.
fn text_of(lines: &[Line]) -> Vec<String> {
    let text = String::from_utf8(written(lines)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn lines() -> Vec<String> {
    text_of(&samples::failed())
}

fn refused(lines: &[String]) -> String {
    let text = lines.join("\n") + "\n";
    match read(text.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(lines) => panic!("{} lines were read", lines.len()),
    }
}

fn place(lines: &[String], kind: &str) -> usize {
    let start = format!("{{\"kind\":\"{kind}\"");
    let found = lines.iter().position(|line| line.starts_with(&start));
    found.unwrap_or_else(|| panic!("there is no {kind}"))
}

const CHANGED: &str = ": the checksum does not match: this line was changed, or lines before it \
    were removed, added or moved; use an unchanged copy of the recording";

#[test]
fn what_is_whole_is_read() {
    let text = lines().join("\n") + "\n";
    let expected = with_totals(samples::failed());
    assert_eq!(read(text.as_bytes()).unwrap(), expected);
}

#[test]
fn a_recording_without_its_seconds_is_refused() {
    let mut lines = lines();
    let first = place(&lines, "second");
    lines.retain(|line| !line.starts_with("{\"kind\":\"second\""));
    assert_eq!(refused(&lines), format!("line {}{CHANGED}", first + 1));
}

#[test]
fn no_line_can_be_left_out_but_the_last() {
    for index in 1..lines().len() - 1 {
        let mut lines = lines();
        lines.remove(index);
        assert_eq!(refused(&lines), format!("line {}{CHANGED}", index + 1));
    }
    let mut headless = lines();
    headless.remove(0);
    assert_eq!(
        refused(&headless),
        "line 1: expected the header of a recording"
    );
}

#[test]
fn no_line_can_stand_twice_or_elsewhere() {
    for index in 1..lines().len() - 1 {
        let mut twice = lines();
        twice.insert(index, twice[index].clone());
        assert_eq!(refused(&twice), format!("line {}{CHANGED}", index + 2));
        let mut swapped = lines();
        swapped.swap(index, index + 1);
        let error = refused(&swapped);
        assert!(error.starts_with(&format!("line {}", index + 1)), "{error}");
    }
    let mut again = lines();
    again.extend_from_within(..);
    let error = refused(&again);
    let number = lines().len() + 1;
    assert_eq!(
        error,
        format!("line {number}: it follows the recording's end")
    );
}

/// Places all over a line, and each in its sum.
fn places(line: &str) -> impl Iterator<Item = usize> {
    let sum = line.len() - 28;
    (0..sum).step_by(sum / 7 + 1).chain(sum..line.len())
}

#[test]
fn no_byte_can_change() {
    let lines = lines();
    for (index, line) in lines.iter().enumerate() {
        for at in places(line) {
            let mut damaged = lines.clone();
            let other = if line.as_bytes()[at] == b'0' {
                "1"
            } else {
                "0"
            };
            damaged[index].replace_range(at..=at, other);
            let error = refused(&damaged);
            // A header of another version is one too.
            let named = error.starts_with(&format!("line {}", index + 1));
            assert!(named, "byte {at} of line {}: {error}", index + 1);
        }
    }
}

#[test]
fn no_byte_can_go() {
    let lines = lines();
    for (index, line) in lines.iter().enumerate() {
        for at in places(line) {
            let mut damaged = lines.clone();
            damaged[index].remove(at);
            let error = refused(&damaged);
            assert!(error.starts_with(&format!("line {}", index + 1)), "{error}");
        }
    }
}

#[test]
fn a_cut_in_the_middle_of_the_file_is_no_end() {
    let whole = lines().join("\n") + "\n";
    let middle = whole.len() / 2;
    for length in [1, 40, 700] {
        let cut = format!("{}{}", &whole[..middle], &whole[middle + length..]);
        assert!(read(cut.as_bytes()).is_err());
    }
}

#[test]
fn wherever_a_recording_is_cut_off_it_is_read_up_to_there() {
    let bytes = written(&samples::failed());
    let all = with_totals(samples::failed());
    let header = bytes.iter().position(|&byte| byte == b'\n').unwrap();
    for end in (header..bytes.len()).step_by(97) {
        let read = read(&bytes[..end]).unwrap();
        assert_eq!(read, all[..read.len()]);
        let newlines = bytes[..end].iter().filter(|&&byte| byte == b'\n').count();
        assert!((newlines..=newlines + 1).contains(&read.len()));
    }
}

#[test]
fn a_last_line_that_is_damaged_is_not_one_that_is_cut_off() {
    let mut lines = lines();
    let last = lines.len();
    let end = lines.last_mut().unwrap();
    *end = end.replace("\"interrupted\":false", "\"interrupted\":true");
    let text = lines.join("\n");
    let error = read(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, format!("line {last}{CHANGED}"));
    // With its line's end it was written to the end.
    let mut shorter = self::lines();
    let end = shorter.last_mut().unwrap();
    end.truncate(end.len() - 2);
    let error = refused(&shorter);
    assert!(
        error.starts_with(&format!("line {last}, column ")),
        "{error}"
    );
}

/// The places of a line's histograms, of all kinds.
fn histograms(line: &str) -> Vec<std::ops::Range<usize>> {
    let of = |key: &str| {
        let key = format!("\"{key}\":\"");
        let starts = line.match_indices(&key).map(|(at, key)| at + key.len());
        let ranges = starts.map(|start| {
            let length = line[start..].find('"').unwrap();
            start..start + length
        });
        ranges.collect::<Vec<_>>()
    };
    ["histogram", "censored", "loop_lag"].map(of).concat()
}

/// What a tool wrote whose lines are other than this one's, though their sums are right.
fn refused_with_sums(lines: &[String]) -> String {
    let (mut chain, mut bytes) = (Chain::default(), Vec::new());
    for line in lines {
        let body = &line[..line.len() - ",\"sum\":\"0123456789abcdef\"}".len()];
        let mut other = Line::Phase {
            at: At::ZERO,
            phase: crate::recording::Phase::Opening,
        };
        let text = format!("{body}}}");
        chain
            .append(&mut other, text.as_bytes(), &mut bytes)
            .unwrap();
    }
    match read(bytes.as_slice()) {
        Err(error) => error.to_string(),
        Ok(_) => "read".to_owned(),
    }
}

#[test]
fn a_histogram_that_is_damaged_is_named_by_its_line() {
    let lines = text_of(&samples::one_of_each());
    assert_eq!(refused_with_sums(&lines), "read");
    let mut kinds = 0;
    for (index, line) in lines.iter().enumerate() {
        for range in histograms(line) {
            kinds += 1;
            let damages = [
                (range.start..range.start + 1, "I", "cookie"),
                (range.start..range.start + 4, "", "cookie"),
                (range.end - 4..range.end, "", "its counts take "),
                (range.clone(), "", "cut off in its header"),
                (range.start + 5..range.start + 6, "!", "Invalid symbol 33"),
            ];
            for (place, text, expected) in damages {
                let mut damaged = lines.clone();
                damaged[index].replace_range(place.clone(), text);
                let error = refused_with_sums(&damaged);
                let start = format!("line {}: a histogram is damaged: ", index + 1);
                assert!(error.starts_with(&start), "{place:?} {text}: {error}");
                assert!(error.contains(expected), "{place:?} {text}: {error}");
            }
        }
    }
    assert!(kinds >= 6, "{kinds}");
}

#[test]
fn what_is_no_recording_is_refused_by_its_line_and_column() {
    let refused = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_eq!(
        refused(b""),
        "line 1: the file is empty: a recording starts with its header"
    );
    assert_eq!(refused(b"hello"), "line 1, column 1: expected value");
    assert_eq!(
        refused(b"\n"),
        "line 1, column 0: EOF while parsing a value"
    );
    assert!(refused(b"{}\n").starts_with("line 1: missing field `kind`"));
    let mut bytes = written(&samples::passed());
    let second = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    bytes[second + 4] = 0xff;
    assert_eq!(refused(&bytes), "line 2, column 5: invalid UTF-8");
    let mut bytes = written(&samples::passed());
    bytes.splice(second..second, *b"nonsense\n");
    assert_eq!(refused(&bytes), "line 2, column 2: expected ident");
}

#[test]
fn a_line_without_a_checksum_is_refused() {
    let mut lines = lines();
    let sum = lines[0].find(",\"sum\"").unwrap();
    lines[0].replace_range(sum.., "}");
    assert_eq!(
        refused(&lines),
        "line 1: it does not end in its checksum (\"sum\"): the line was cut off or changed"
    );
}

#[test]
fn another_version_is_refused_by_name_with_what_to_do() {
    let mut newer = samples::passed();
    if let Line::Header(header) = &mut newer[0] {
        header.schema_version = SCHEMA_VERSION + 1;
    }
    let unknown = b"{\"kind\":\"header\",\"schema_version\":3,\"shape\":\"unknown\"}\n".to_vec();
    for bytes in [written(&newer), unknown] {
        let error = read(bytes.as_slice()).unwrap_err();
        assert!(
            matches!(error, ReadError::Version { found: 3, .. }),
            "{error}"
        );
    }
    let older = b"{\"kind\":\"header\",\"schema_version\":1,\"tool_version\":\"0.1.0\"}\n";
    assert_eq!(
        read(older.as_slice()).unwrap_err().to_string(),
        "line 1: schema_version 1 cannot be read, only 2: run again with this version, or report \
         it with the version that wrote it (0.1.0)"
    );
}

/// A recording that a tool wrote which counts other than this one.
fn written_with(change: impl Fn(&mut Vec<Line>)) -> ReadError {
    let mut lines = with_totals(samples::passed());
    change(&mut lines);
    let (mut chain, mut bytes) = (Chain::default(), Vec::new());
    for line in &lines {
        // As another kind, so that the end keeps the totals that it has.
        let text = serde_json::to_vec(line).unwrap();
        let mut other = Line::Phase {
            at: At::ZERO,
            phase: crate::recording::Phase::Opening,
        };
        chain.append(&mut other, &text, &mut bytes).unwrap();
    }
    read(bytes.as_slice()).unwrap_err()
}

#[test]
fn totals_that_its_lines_do_not_meet_are_refused() {
    let count = samples::passed().len();
    let error = written_with(|lines| drop(lines.remove(5)));
    assert_eq!(
        error.to_string(),
        format!(
            "line {}: the end says {} lines, and there are {}",
            count - 1,
            count - 1,
            count - 2
        )
    );
    let error = written_with(|lines| {
        for line in lines {
            if let Line::Second(second) = line {
                second.counts.messages += 1;
            }
        }
    });
    assert!(
        error.to_string().contains(" messages, and there are "),
        "{error}"
    );
    let error = written_with(|lines| {
        if let Some(Line::End(end)) = lines.last_mut() {
            end.totals = None;
        }
    });
    assert!(
        matches!(
            error,
            ReadError::Line {
                fault: Fault::NoTotals,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn numbers_that_none_can_be_are_neither_written_nor_read() {
    let with = |cpu: f64| {
        let mut lines = samples::passed();
        for line in &mut lines {
            if let Line::Target(sample) = line {
                sample.cpu_seconds = Some(cpu);
            }
        }
        lines
    };
    for cpu in [f64::NAN, f64::INFINITY, -5.0] {
        let error = super::write(&with(cpu), &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("process_cpu_seconds_total is {cpu}")
        );
        let error = written_with(|lines| *lines = with(cpu));
        let error = error.to_string();
        let expected = if cpu.is_finite() {
            "process_cpu_seconds_total is -5"
        } else {
            "invalid type: null, expected f64"
        };
        assert!(error.ends_with(expected), "{error}");
    }
}

#[test]
fn what_counts_the_same_must_agree() {
    let mut lines = lines();
    let mut all = lines.iter();
    let index = all
        .position(|line| line.contains("\"never\":0,\"histogram\""))
        .unwrap();
    lines[index] =
        lines[index].replacen("\"never\":0,\"histogram\"", "\"never\":1,\"histogram\"", 1);
    assert_eq!(
        refused_with_sums(&lines),
        format!(
            "line {}: 1 never arrived, of 0 that are censored",
            index + 1
        )
    );
}

/// So that anybody can check a recording without this tool.
#[test]
fn a_sum_is_the_start_of_the_sha_256_of_the_sum_before_and_the_line_up_to_its_own() {
    let lines = text_of(&samples::passed());
    let sum = |line: &str| line[line.len() - 18..line.len() - 2].to_owned();
    let body = |line: &str| line[..line.len() - 26].to_owned();
    let mut before = String::new();
    for line in &lines {
        let hash = Sha256::digest(format!("{before}{}", body(line)));
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sum(line), hex[..16]);
        before = sum(line);
    }
}

#[test]
fn a_replica_is_named_before_anything_is_said_of_it() {
    let with = |start: usize, later: usize, replica: u32| {
        let mut lines = samples::failed();
        for line in &mut lines {
            match line {
                Line::Header(header) => {
                    header.replicas = vec![info(); start];
                }
                Line::EndState(end) => end.streams_by_replica = [(replica, 1)].into(),
                _ => {}
            }
        }
        let at = At::ZERO;
        let addresses = vec!["c:1".to_owned(); later];
        lines.insert(1, Line::Replicas { at, addresses });
        lines.sort_by(Line::compare_places);
        text_of(&lines).join("\n") + "\n"
    };
    let refused = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
    read(with(2, 1, 2).as_bytes()).unwrap();
    let unknown = refused(&with(2, 1, 3));
    assert!(
        unknown.contains("replica 3 is not one of the 3 that are known so far"),
        "{unknown}"
    );
    // Others may have joined the one.
    read(with(1, 2, 2).as_bytes()).unwrap();
    // Where none is named, no line says whose a delivery is.
    let joined = refused(&with(0, 2, 1));
    assert!(joined.contains("replicas join one"), "{joined}");
}

fn info() -> ReplicaInfo {
    ReplicaInfo {
        address: "a:1".to_owned(),
        streams: None,
        ..ReplicaInfo::default()
    }
}
