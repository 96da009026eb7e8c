//! Claims about what is written.

use std::fs;

use dst_load_recording::recording::{Phase, read};
use dst_load_report::report::Report;

use super::*;

fn phase(at: u64, phase: Phase) -> Line {
    Line::Phase {
        at: At::from_secs(at),
        phase,
    }
}

fn relisted(at: u64, times: u64) -> Line {
    Line::Warning {
        at: At::from_secs(at),
        warning: Warning::Relisted { times },
    }
}

fn recorded(lines: Vec<Line>) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new(), Path::new("memory"));
    for line in lines {
        recorder.push(line);
    }
    recorder.finish().unwrap();
    recorder.out
}

#[test]
fn the_order_of_pushing_leaves_no_trace() {
    let lines = vec![
        phase(2, Phase::Settling),
        relisted(2, 7),
        relisted(2, 3),
        phase(1, Phase::Churning),
    ];
    let backwards = lines.iter().rev().cloned().collect();
    assert_eq!(recorded(lines), recorded(backwards));
}

#[test]
fn a_line_waits_for_its_instant() {
    let mut recorder = Recorder::new(Vec::new(), Path::new("memory"));
    recorder.push(phase(9, Phase::Settling));
    recorder.push(phase(1, Phase::Churning));
    recorder.flush(At::from_secs(1)).unwrap();
    assert_eq!(recorder.out.iter().filter(|&&b| b == b'\n').count(), 1);
    recorder.finish().unwrap();
    assert_eq!(recorder.out.iter().filter(|&&b| b == b'\n').count(), 2);
}

#[test]
fn what_is_folded_while_writing_is_what_is_folded_from_the_file() {
    let lines = dst_load_recording::recording::samples::failed();
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(folder.path(), "quick", "1").unwrap();
    let mut recorder = Recorder::create(&directory.recording()).unwrap();
    for line in &lines {
        recorder.push(line.clone());
        recorder.flush(line.order().0).unwrap();
    }
    recorder.finish().unwrap();
    let criteria = dst_load_recording::recording::samples::criteria();
    let live = recorder.page(&criteria, true).unwrap();
    let file = fs::read(directory.recording()).unwrap();
    let read = read(file.as_slice()).unwrap();
    assert_eq!(
        Report::of(&read, &criteria, true),
        Some(live.report.clone())
    );
    assert_eq!(Page::of(&read, live.report.clone()).as_ref(), Some(&live));

    directory.write_reports(&live).unwrap();
    let mut names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "recording.jsonl",
            "report.html",
            "report.json",
            "report.md",
            "report.xml"
        ]
    );
}

#[test]
fn no_run_overwrites_another() {
    let folder = tempfile::tempdir().unwrap();
    let first = RunDirectory::create(folder.path(), "quick", "abc").unwrap();
    let second = RunDirectory::create(folder.path(), "quick", "abc").unwrap();
    assert!(first.path().ends_with("quick-abc") && second.path().ends_with("quick-abc-2"));
    Recorder::create(&first.recording()).unwrap();
    let taken = Recorder::create(&first.recording()).unwrap_err();
    assert!(taken.to_string().contains("quick-abc/recording.jsonl"));
    let error = RunDirectory::at(first.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("there is a recording already; name another directory"),
        "{error}"
    );
    assert!(RunDirectory::at(second.path()).is_ok());
    let compressed = second.path().join(COMPRESSED_RECORDING);
    fs::write(&compressed, "").unwrap();
    let error = RunDirectory::at(second.path()).unwrap_err().to_string();
    let named = format!("cannot create {}: there is", compressed.display());
    assert!(error.starts_with(&named), "{error}");
}

#[test]
fn a_failing_disk_is_named_and_loses_no_number() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut recorder = Recorder::new(Full, Path::new("runs/x/recording.jsonl"));
    for line in dst_load_recording::recording::samples::passed() {
        recorder.push(line);
    }
    let error = recorder.finish().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot write runs/x/recording.jsonl: ")
    );
    let criteria = dst_load_recording::recording::samples::criteria();
    assert!(recorder.page(&criteria, true).is_some());
}

#[test]
fn after_a_write_that_failed_nothing_is_written_that_would_not_continue_it() {
    /// Fails once, in the middle of a line.
    struct Flaky {
        written: Vec<u8>,
        room: usize,
    }
    impl Write for Flaky {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                self.room = usize::MAX;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let some = bytes.len().min(self.room);
            self.room -= some;
            self.written.extend_from_slice(&bytes[..some]);
            Ok(some)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = dst_load_recording::recording::samples::passed();
    let whole = recorded(lines.clone());
    let flaky = Flaky {
        written: Vec::new(),
        room: whole.len() / 2,
    };
    let mut recorder = Recorder::new(flaky, Path::new("memory"));
    for line in lines {
        recorder.push(line);
    }
    assert!(recorder.finish().is_err());
    recorder.push(phase(99, Phase::CleaningUp));
    recorder.finish().unwrap();
    assert_eq!(recorder.out.written, whole[..whole.len() / 2]);
    // It ends early, and is read up to there.
    assert!(read(recorder.out.written.as_slice()).unwrap().len() > 2);
}

#[test]
fn a_recording_that_is_closed_goes_on_and_both_prove_themselves() {
    let mut lines = dst_load_recording::recording::samples::passed();
    let end = lines.pop().unwrap();
    let mut recorder = Recorder::new(Vec::new(), Path::new("memory"));
    let (early, late) = lines.split_at(8);
    early.iter().for_each(|line| recorder.push(line.clone()));
    recorder.finish().unwrap();
    let closing = recorder.close_with(vec![end.clone()]).unwrap();
    let snapshot = [recorder.out.as_slice(), &closing].concat();
    let read_back = read(snapshot.as_slice()).unwrap();
    assert_eq!(read_back.len(), 9);
    assert!(matches!(&read_back[8], Line::End(end) if end.totals.unwrap().lines == 8));
    late.iter().for_each(|line| recorder.push(line.clone()));
    recorder.push(end);
    recorder.finish().unwrap();
    assert_eq!(
        read(recorder.out.as_slice()).unwrap().len(),
        lines.len() + 1
    );
    // The closing lines continue that state alone.
    let other = [recorder.out.as_slice(), &closing].concat();
    assert!(read(other.as_slice()).is_err());
}

#[test]
fn a_number_that_is_none_is_not_written_and_said() {
    let mut recorder = Recorder::new(Vec::new(), Path::new("memory"));
    recorder.push(Line::Target(dst_load_recording::recording::TargetSample {
        rss_bytes: Some(f64::NAN),
        ..Default::default()
    }));
    assert_eq!(
        recorder.finish().unwrap_err().to_string(),
        "cannot write memory: process_resident_memory_bytes is NaN"
    );
    assert!(recorder.out.is_empty());
}

/// What goes wrong after the last line was written is in the recording as if it had been known.
#[test]
fn a_warning_is_added_before_the_last_line() {
    let lines = dst_load_recording::recording::samples::failed();
    let criteria = dst_load_recording::recording::samples::criteria();
    let (end, before) = lines.split_last().unwrap();
    let late = |number| Warning::CleanupFailed {
        error: format!("still there: {number} Pods in ns"),
        run_id: "r1".to_owned(),
    };
    let write = |path: &Path, warnings: &[Warning], amended: &[Warning]| {
        let mut recorder = Recorder::create(path).unwrap();
        for line in before {
            recorder.push(line.clone());
        }
        for warning in warnings.iter().cloned() {
            let at = end.order().0;
            recorder.push(Line::Warning { at, warning });
        }
        recorder.push(end.clone());
        recorder.finish().unwrap();
        for warning in amended.iter().cloned() {
            recorder.amend(warning).unwrap();
        }
        recorder.page(&criteria, true).unwrap().report
    };
    let folder = tempfile::tempdir().unwrap();
    let [known, amended] = ["known", "amended"].map(|name| folder.path().join(name));
    let warnings = [late(1), late(2)];
    let report = write(&known, &warnings, &[]);
    assert_eq!(write(&amended, &[], &warnings), report);
    assert_eq!(fs::read(&amended).unwrap(), fs::read(&known).unwrap());
    let file = fs::read(&amended).unwrap();
    let reread = read(file.as_slice()).unwrap();
    assert_eq!(Report::of(&reread, &criteria, true), Some(report));
}
