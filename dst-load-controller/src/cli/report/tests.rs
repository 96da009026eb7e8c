//! Claims about rendering recordings again.

use std::{fs, path::Path};

use dst_load_recording::recording::{Identity, samples, write};
use dst_load_scenario::{criteria::Criterion, scenario::built_in};
use dst_load_session::recorder::{COMPRESSED_RECORDING, RECORDING};
use tempfile::TempDir;

use super::*;
use crate::cli::recording_file::tests::compressed;

/// A run's directory that holds these lines, with the built-in scenario `quick` in the header.
fn saved(mut lines: Vec<Line>, seed: u64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let quick = built_in("quick").unwrap();
    let overrides = [format!("scenario.seed={seed}")];
    let (scenario, _) = Scenario::from_yaml(quick, "quick.yaml", &overrides).unwrap();
    if let Some(Line::Header(header)) = lines.first_mut() {
        header.scenario = scenario.effective().unwrap();
        header.seed = seed;
        if header.identity.is_unknown() {
            header.identity = Identity::new(seed, &folder.path().display().to_string());
        }
    }
    lines.sort_by(Line::compare_places);
    let mut bytes = Vec::new();
    write(&lines, &mut bytes).unwrap();
    fs::write(folder.path().join(RECORDING), bytes).unwrap();
    folder
}

fn args(folders: &[&TempDir]) -> ReportArgs {
    ReportArgs {
        recordings: folders.iter().map(|f| f.path().to_owned()).collect(),
        ..ReportArgs::default()
    }
}

fn printed(args: &ReportArgs, format: Format) -> anyhow::Result<(Exit, String)> {
    let mut out = Vec::new();
    let mut console = Console {
        out: &mut out,
        warnings: &mut io::sink(),
        format,
    };
    let exit = futures::executor::block_on(run(args, &mut console))?;
    Ok((exit, String::from_utf8(out).unwrap()))
}

#[test]
fn a_recording_is_judged_by_the_scenario_it_holds() {
    let folder = saved(samples::failed(), 7);
    let (_, json) = printed(&args(&[&folder]), Format::Json).unwrap();
    let report: Report = serde_json::from_str(&json).unwrap();
    let names: Vec<_> = report.criteria.iter().map(|c| c.name.criterion).collect();
    assert!(
        names.contains(&Criterion::Redundant) && names.contains(&Criterion::ErrorRate),
        "{names:?}"
    );
    assert_eq!(report.verdict, Verdict::Fail);
}

#[test]
fn a_directory_and_its_recording_say_the_same() {
    let folder = saved(samples::passed(), 7);
    let mut file = args(&[&folder]);
    file.recordings[0].push(RECORDING);
    assert_eq!(
        printed(&file, Format::Markdown).unwrap(),
        printed(&args(&[&folder]), Format::Markdown).unwrap()
    );
}

/// Compresses a recording and leaves no other.
fn compress(folder: &Path) {
    let plain = folder.join(RECORDING);
    let bytes = compressed(&fs::read(&plain).unwrap());
    fs::write(folder.join(COMPRESSED_RECORDING), bytes).unwrap();
    fs::remove_file(plain).unwrap();
}

#[test]
fn compressed_recordings_are_reported_and_merged_as_plain_ones_are() {
    let (a, b) = (saved(samples::passed(), 7), saved(samples::passed(), 7));
    let (one, both) = (args(&[&a]), args(&[&a, &b]));
    let reports = || [&one, &both].map(|args| printed(args, Format::Json).unwrap());
    let plain = reports();
    compress(a.path());
    assert_eq!(reports(), plain);
    compress(b.path());
    assert_eq!(reports(), plain);
}

#[test]
fn every_format_is_printed_in_its_own_shape() {
    let folder = saved(samples::passed(), 7);
    for (format, start) in [
        (Format::Text, "LINKERD edge-26.8.3: quick (seed 7)"),
        (Format::Json, "{\n"),
        (Format::Markdown, "## LINKERD edge-26.8.3: quick"),
        (Format::Junit, "<?xml"),
        (Format::Html, "<!DOCTYPE html>\n"),
    ] {
        let (exit, text) = printed(&args(&[&folder]), format).unwrap();
        assert!(text.starts_with(start), "{text}");
        assert_eq!(exit, Exit::Pass);
    }
}

#[test]
fn the_verdict_is_the_exit_code_only_where_it_is_asked_for() {
    for (lines, expected) in [
        (samples::passed(), Exit::Pass),
        (samples::failed(), Exit::Failed),
        (samples::invalid(), Exit::Invalid),
    ] {
        let folder = saved(lines, 7);
        let mut args = args(&[&folder]);
        assert_eq!(printed(&args, Format::Text).unwrap().0, Exit::Pass);
        args.exit_code = true;
        assert_eq!(printed(&args, Format::Text).unwrap().0, expected);
    }
}

#[test]
fn a_report_goes_to_a_file_and_replaces_what_was_there() {
    let folder = saved(samples::passed(), 7);
    let file = folder.path().join("again.md");
    fs::write(&file, "old").unwrap();
    let mut args = args(&[&folder]);
    args.output_file = Some(file.clone());
    let (_, out) = printed(&args, Format::Markdown).unwrap();
    assert_eq!(out, "");
    assert!(fs::read_to_string(&file).unwrap().starts_with("## LINKERD"));
    assert!(!folder.path().join("again.md.part").exists());
}

#[test]
fn clients_of_one_scenario_are_reported_as_one() {
    let (a, b) = (saved(samples::passed(), 7), saved(samples::passed(), 7));
    let (_, json) = printed(&args(&[&a, &b]), Format::Json).unwrap();
    let report: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(report.streams.requested, 2_000);
    assert_eq!(report.latency.destination.add.count, 40_000);
}

#[test]
fn recordings_of_different_seeds_are_a_mistake_of_the_caller() {
    let (a, b) = (saved(samples::passed(), 7), saved(samples::passed(), 8));
    let error = printed(&args(&[&a, &b]), Format::Text).unwrap_err();
    assert!(error.is::<UsageError>());
    assert!(error.to_string().contains("the seed 8, the first has 7"));
}

#[test]
fn what_cannot_be_read_is_named_with_its_path_and_line() {
    let folder = saved(samples::passed(), 7);
    let path = folder.path().join(RECORDING);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen('\n', "\nnonsense\n", 1)).unwrap();
    let error = printed(&args(&[&folder]), Format::Text).unwrap_err();
    let told = format!("{error:#}");
    assert!(
        told.contains("recording.jsonl: line 2, column 2: "),
        "{told}"
    );
    fs::remove_file(&path).unwrap();
    let error = printed(&args(&[&folder]), Format::Text).unwrap_err();
    assert!(format!("{error:#}").contains("recording.jsonl: No such file"));
}

#[test]
fn one_recording_given_twice_is_a_mistake_that_names_both_files() {
    let folder = saved(samples::passed(), 7);
    let copy = folder.path().join("copy.jsonl");
    fs::copy(folder.path().join(RECORDING), &copy).unwrap();
    for second in [folder.path(), &copy] {
        let args = ReportArgs {
            recordings: vec![folder.path().to_owned(), second.to_owned()],
            ..ReportArgs::default()
        };
        let error = printed(&args, Format::Text).unwrap_err();
        assert!(error.is::<UsageError>());
        let told = error.to_string();
        let both = format!(
            "{} and {} hold the same recording (",
            folder.path().display(),
            second.display()
        );
        assert!(told.starts_with(&both), "{told}");
    }
}

#[test]
fn a_recording_that_was_changed_has_no_report() {
    let folder = saved(samples::failed(), 7);
    let path = folder.path().join(RECORDING);
    let whole = fs::read_to_string(&path).unwrap();
    let seconds = |line: &&str| line.starts_with("{\"kind\":\"second\"");
    let without: Vec<_> = whole.lines().filter(|line| !seconds(line)).collect();
    for changed in [
        without.join("\n") + "\n",
        whole.replace("\"histogram\":\"H", "\"histogram\":\"I"),
        whole.replacen("\"never\":", "\"never\":1", 1),
    ] {
        fs::write(&path, changed).unwrap();
        let error = printed(&args(&[&folder]), Format::Text).unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("recording.jsonl: line "), "{told}");
    }
}
