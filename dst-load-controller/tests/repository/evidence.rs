//! The runs of `docs/evidence`: each has its recording, compressed, and the reports that the tool
//! makes of it now. With `UPDATE_DOCS=1` the reports are written anew.

mod comparisons;

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use dst_load_controller::cli::{
    Format,
    report::{load, render},
};
use dst_load_recording::recording::{Line, TargetKind, samples, write};
use dst_load_report::terminal::Style;
use dst_load_session::recorder::{COMPRESSED_RECORDING, RECORDING};
use flate2::{Compression, write::GzEncoder};

/// Directories with a report and no recording, whose runs are still to be made again. A recording
/// that is added there takes its directory off this list, and nothing is put on it.
const WITHOUT_RECORDING: [&str; 0] = [];

/// The most that a compressed recording has, in bytes: the repository keeps each version of it.
const LARGEST: u64 = 5_000_000;

/// The reports beside a recording, and the form of each.
const REPORTS: [(&str, Format); 2] = [
    ("report.json", Format::Json),
    ("report.md", Format::Markdown),
];

/// Runs that are kept as evidence.
struct Evidence<'a> {
    /// With a directory for each run.
    folder: PathBuf,
    /// The directories that have a report and no recording.
    without_recording: &'a [&'a str],
    /// The most that a compressed recording has, in bytes.
    largest: u64,
}

#[test]
fn reports_are_those_of_the_recordings_beside_them() {
    let evidence = Evidence {
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/evidence"),
        without_recording: &WITHOUT_RECORDING,
        largest: LARGEST,
    };
    let faults = evidence.faults(env::var_os("UPDATE_DOCS").is_some());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

// === impl Evidence ===

impl Evidence<'_> {
    /// What is wrong with it. With `update` the reports are written first.
    fn faults(&self, update: bool) -> Vec<String> {
        let runs = self.runs();
        let mut faults = Vec::new();
        if runs.is_empty() {
            faults.push(format!("{}: no run is in it", self.folder.display()));
        }
        for name in self.without_recording {
            if !runs.iter().any(|run| run == name) {
                faults.push(format!(
                    "{name}: it has no report; take it off WITHOUT_RECORDING"
                ));
            }
        }
        for run in &runs {
            let directory = self.folder.join(run);
            let is_listed = self.without_recording.contains(&run.as_str());
            let has_recording = directory.join(COMPRESSED_RECORDING).exists();
            let found = match (is_listed, has_recording) {
                (true, true) => vec!["it has a recording; take it off WITHOUT_RECORDING".into()],
                (true, false) => missing_reports(&directory),
                (false, true) => self.run_faults(&directory, update),
                (false, false) => vec![format!("it has a report and no {COMPRESSED_RECORDING}")],
            };
            faults.extend(found.iter().map(|fault| format!("{run}: {fault}")));
        }
        faults
    }

    /// The directories with a report or a recording, sorted.
    fn runs(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).unwrap();
        let files = [RECORDING, COMPRESSED_RECORDING, REPORTS[0].0, REPORTS[1].0];
        let mut runs: Vec<_> = entries
            .map(|entry| entry.unwrap())
            .filter(|entry| files.iter().any(|file| entry.path().join(file).exists()))
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        runs.sort();
        runs
    }

    /// What is wrong with a run that has a compressed recording.
    fn run_faults(&self, directory: &Path, update: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let recording = directory.join(COMPRESSED_RECORDING);
        let (bytes, largest) = (fs::metadata(&recording).unwrap().len(), self.largest);
        if bytes > largest {
            faults.push(format!(
                "{COMPRESSED_RECORDING} has {bytes} bytes, more than {largest}: make a shorter run"
            ));
        }
        // `report DIR` reads it, and not the one that is checked here.
        if directory.join(RECORDING).exists() {
            faults.push(format!("remove {RECORDING}: it is there compressed"));
        }
        let page = match load(&[recording]) {
            Ok(page) => page,
            Err(error) => {
                faults.push(format!("{error:#}"));
                return faults;
            }
        };
        let target = &page.report.target;
        let version = target.version.as_deref().unwrap_or_default();
        if target.kind != TargetKind::Reference && version.is_empty() {
            faults.push(
                "the report has no target.version: run again with --destination-version".into(),
            );
        }
        for (name, format) in REPORTS {
            let path = directory.join(name);
            let text = render(&page, format, Style::PLAIN);
            if update {
                fs::write(&path, &text).unwrap();
            }
            if fs::read(&path).unwrap_or_default() != text.as_bytes() {
                faults.push(format!(
                    "{name} is not the report of the recording: run this test with UPDATE_DOCS=1"
                ));
            }
        }
        faults
    }
}

/// The reports that are not there.
fn missing_reports(directory: &Path) -> Vec<String> {
    let missing = REPORTS.iter().map(|(name, _)| *name);
    let missing = missing.filter(|name| !directory.join(name).exists());
    missing.map(|name| format!("it has no {name}")).collect()
}

/// Makes a run in `folder`, whose recording is compressed.
fn make_run(folder: &Path, name: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dst-load-controller"));
    command.env_clear().current_dir(folder);
    command.args(["run", "quick", "--virtual", "--output-dir", name]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let recording = folder.join(name).join(RECORDING);
    compress(&fs::read(&recording).unwrap(), &folder.join(name));
    fs::remove_file(recording).unwrap();
}

/// Writes a recording into a run's directory, compressed.
fn compress(recording: &[u8], directory: &Path) {
    let file = File::create(directory.join(COMPRESSED_RECORDING)).unwrap();
    let mut encoder = GzEncoder::new(file, Compression::best());
    encoder.write_all(recording).unwrap();
    encoder.finish().unwrap();
}

#[test]
fn what_is_wrong_with_evidence_is_found() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let faults = |without_recording: &[&str], largest, update| {
        let evidence = Evidence {
            folder: folder.to_owned(),
            without_recording,
            largest,
        };
        evidence.faults(update).join("\n")
    };
    let all = || faults(&[], LARGEST, false);
    let file = |name: &str| folder.join("quick").join(name);
    assert!(all().contains("no run is in it"), "{}", all());

    make_run(folder, "quick");
    // What is no run is no concern of this.
    fs::create_dir_all(folder.join("builds/pointer")).unwrap();
    fs::write(folder.join("README.md"), "").unwrap();
    assert_eq!(all(), "");

    // The list.
    let listed = faults(&["quick"], LARGEST, false);
    assert!(listed.starts_with("quick: it has a recording"), "{listed}");
    let gone = faults(&["gone"], LARGEST, false);
    assert!(gone.starts_with("gone: it has no report"), "{gone}");

    // Reports of something else, or none.
    for (name, _) in REPORTS {
        let text = fs::read_to_string(file(name)).unwrap();
        let damages = [text.replacen("quick", "quack", 1), format!("{text}\n")];
        for damaged in damages {
            assert_ne!(damaged, text);
            fs::write(file(name), damaged).unwrap();
            let wrong = format!("quick: {name} is not the report of the recording: ");
            assert!(all().starts_with(&wrong), "{}", all());
        }
        fs::remove_file(file(name)).unwrap();
        assert!(all().contains(name), "{}", all());
        assert_eq!(faults(&[], LARGEST, true), "");
        assert_eq!(fs::read_to_string(file(name)).unwrap(), text);
    }

    // Recordings that are too large, plain, damaged, or of a controller that has no version.
    assert!(faults(&[], 100, false).contains(" bytes, more than 100"));
    fs::write(file(RECORDING), "").unwrap();
    assert_eq!(
        all(),
        "quick: remove recording.jsonl: it is there compressed"
    );
    fs::remove_file(file(RECORDING)).unwrap();
    let whole = fs::read(file(COMPRESSED_RECORDING)).unwrap();
    fs::write(file(COMPRESSED_RECORDING), &whole[..whole.len() - 1]).unwrap();
    assert!(all().contains("damaged or cut off"), "{}", all());
    let mut lines = samples::passed();
    lines.sort_by(Line::compare_places);
    for (version, wrong) in [
        (None, "quick: the report has no target.version"),
        (Some("edge-26.8.3".to_owned()), ""),
    ] {
        if let Some(Line::Header(header)) = lines.first_mut() {
            header.target.version = version;
        }
        let mut bytes = Vec::new();
        write(&lines, &mut bytes).unwrap();
        compress(&bytes, &folder.join("quick"));
        let found = faults(&[], LARGEST, true);
        assert!(
            found.starts_with(wrong) && found.is_empty() == wrong.is_empty(),
            "{found}"
        );
    }

    // No recording at all.
    fs::remove_file(file(COMPRESSED_RECORDING)).unwrap();
    assert_eq!(all(), "quick: it has a report and no recording.jsonl.gz");
    assert_eq!(faults(&["quick"], LARGEST, false), "");
    fs::remove_file(file("report.json")).unwrap();
    assert_eq!(
        faults(&["quick"], LARGEST, false),
        "quick: it has no report.json"
    );
}
