//! Claims about which recordings are compared, and how the outcome becomes an exit code.

use std::time::Duration;

use clap::Parser;
use dst_load_recording::recording::{Identity, samples, write};
use dst_load_scenario::scenario::{Scenario, built_in};
use tempfile::TempDir;

use super::*;
use crate::cli::recording_file::tests::compressed;

#[derive(Debug, Parser)]
struct Whole {
    #[command(flatten)]
    args: CompareArgs,
}

fn args(words: &[&str]) -> CompareArgs {
    let all = std::iter::once("compare").chain(words.iter().copied());
    Whole::try_parse_from(all).unwrap().args
}

/// Saves a run of `quick` whose last stream knows after `last`.
fn save(folder: &Path, last: Duration, seed: u64) {
    let quick = built_in("quick").unwrap();
    let overrides = [format!("scenario.seed={seed}")];
    let (scenario, _) = Scenario::from_yaml(quick, "quick.yaml", &overrides).unwrap();
    let mut lines = samples::passed();
    for line in &mut lines {
        match line {
            Line::Header(header) => {
                header.scenario = scenario.effective().unwrap();
                header.seed = seed;
                header.run_id = folder.display().to_string();
                header.identity = Identity::new(seed, &header.run_id);
            }
            Line::Change(change) => {
                change.last_us = Some(u64::try_from(last.as_micros()).unwrap());
            }
            _ => {}
        }
    }
    fs::create_dir_all(folder).unwrap();
    let mut bytes = Vec::new();
    write(&lines, &mut bytes).unwrap();
    fs::write(folder.join(RECORDING), bytes).unwrap();
}

/// A directory `main` and a directory `branch` with as many runs each.
fn two_sides(runs: u32, last: Duration) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for run in 1..=runs {
        let at = |side: &str| folder.path().join(side).join(format!("run-{run}"));
        save(
            &at("main"),
            Duration::from_micros(30_400 + u64::from(run)),
            1,
        );
        save(
            &at("branch"),
            last + Duration::from_micros(u64::from(run)),
            1,
        );
    }
    folder
}

fn printed(args: &CompareArgs, format: Format) -> anyhow::Result<(Exit, String)> {
    let mut out = Vec::new();
    let exit = run(args, format, &mut out)?;
    Ok((exit, String::from_utf8(out).unwrap()))
}

fn of(folder: &TempDir, more: &[&str]) -> CompareArgs {
    let side = |name: &str| folder.path().join(name).display().to_string();
    let (main, branch) = (side("main"), side("branch"));
    args(&[&[main.as_str(), branch.as_str()], more].concat())
}

#[test]
fn a_directory_with_several_runs_counts_as_all_of_them() {
    let folder = two_sides(5, Duration::from_millis(90));
    let (exit, json) = printed(&of(&folder, &[]), Format::Json).unwrap();
    let comparison: Comparison = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (comparison.baseline.runs, comparison.candidate.runs),
        (5, 5)
    );
    assert!(!comparison.weak);
    assert_eq!(
        (exit, comparison.outcome),
        (Exit::Failed, Outcome::Regression)
    );
    let places = comparison.baseline.recordings.iter().map(|it| &it.place);
    assert!(places.is_sorted());
}

/// Writes what a file holds beside it, compressed.
fn compress(path: &Path) {
    let bytes = compressed(&fs::read(path).unwrap());
    fs::write(path.with_extension("jsonl.gz"), bytes).unwrap();
}

#[test]
fn compressed_recordings_are_compared_in_every_place_where_plain_ones_are() {
    let folder = two_sides(2, Duration::from_millis(90));
    let at = |place: &str| folder.path().join(place);
    let measures = |args: &CompareArgs| {
        let (exit, json) = printed(args, Format::Json).unwrap();
        let comparison: Comparison = serde_json::from_str(&json).unwrap();
        let runs = (comparison.baseline.runs, comparison.candidate.runs);
        assert_eq!(runs, (2, 2));
        (exit, comparison.measures)
    };
    let plain = measures(&of(&folder, &[]));
    // Both: the plain one counts, and none counts twice.
    let recordings = ["main/run-1", "main/run-2", "branch/run-1", "branch/run-2"]
        .map(|run| at(run).join(RECORDING));
    recordings.iter().for_each(|path| compress(path));
    assert_eq!(measures(&of(&folder, &[])), plain);
    // Compressed alone, in directories of runs.
    for path in &recordings {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(measures(&of(&folder, &[])), plain);
    // Named itself, which is in a run's directory with what else that has.
    fs::write(at("main/run-1").join(CPU_WORST_CHANGE), "no profile").unwrap();
    let [main, branch] = ["main/run-1", "branch/run-1"].map(|run| {
        let path = at(run).join(COMPRESSED_RECORDING);
        path.display().to_string()
    });
    let (_, json) = printed(&args(&[&main, &branch]), Format::Json).unwrap();
    let told = format!("main/run-1/{CPU_WORST_CHANGE} cannot be read");
    assert!(json.contains(&told), "{json}");
    fs::remove_file(at("main/run-1").join(CPU_WORST_CHANGE)).unwrap();
    // As files of a directory, one of them plain as well; beside what is no recording.
    for side in ["main", "branch"] {
        for run in ["run-1", "run-2"] {
            let name = at(side).join(format!("{run}.jsonl.gz"));
            fs::rename(at(side).join(run).join(COMPRESSED_RECORDING), name).unwrap();
            fs::remove_dir(at(side).join(run)).unwrap();
        }
        fs::write(at(side).join("notes.gz"), "").unwrap();
    }
    assert_eq!(measures(&of(&folder, &[])), plain);
    save(&at("plain"), Duration::ZERO, 1);
    fs::rename(at("plain").join(RECORDING), at("main/run-1.jsonl")).unwrap();
    let json = printed(&of(&folder, &[]), Format::Json).unwrap().1;
    assert!(json.contains("main/run-1.jsonl\""), "{json}");
    assert!(!json.contains("main/run-1.jsonl.gz\""), "{json}");
}

#[test]
fn several_recordings_a_side_are_named_by_flags_or_with_commas() {
    let folder = two_sides(2, Duration::from_millis(30));
    let at = |place: &str| folder.path().join(place).display().to_string();
    let (a, b) = (at("main/run-1"), at("main/run-2"));
    let (c, d) = (at("branch/run-1"), at("branch/run-2"));
    let flags = args(&["--baseline", &a, &b, "--candidate", &c, "--candidate", &d]);
    let commas = args(&[&format!("{a},{b}"), &format!("{c},{d}")]);
    let (_, with_flags) = printed(&flags, Format::Json).unwrap();
    let (_, with_commas) = printed(&commas, Format::Json).unwrap();
    assert_eq!(with_flags, with_commas);
    assert!(with_flags.contains("compare --baseline"), "{with_flags}");
    // The baseline from the environment or a flag, and one candidate.
    let mixed = args(&[c.as_str(), "--baseline", a.as_str()]);
    assert_eq!(
        mixed.sides().unwrap(),
        [vec![PathBuf::from(a)], vec![PathBuf::from(c)]]
    );
}

#[test]
fn the_outcome_is_the_exit_code_and_inconclusive_only_where_asked() {
    let better = two_sides(5, Duration::from_millis(10));
    assert_eq!(
        printed(&of(&better, &[]), Format::Text).unwrap().0,
        Exit::Pass
    );
    let worse = two_sides(5, Duration::from_millis(90));
    let (exit, text) = printed(&of(&worse, &[]), Format::Text).unwrap();
    assert_eq!(exit, Exit::Failed, "{text}");
    let forgiven = ["--threshold", "500%"];
    assert_eq!(
        printed(&of(&worse, &forgiven), Format::Text).unwrap().0,
        Exit::Pass
    );
    let weak = two_sides(1, Duration::from_micros(30_400));
    let (exit, text) = printed(&of(&weak, &[]), Format::Text).unwrap();
    assert!(text.contains("INCONCLUSIVE"), "{text}");
    assert_eq!(exit, Exit::Pass);
    let strict = of(&weak, &["--fail-on-inconclusive"]);
    assert_eq!(printed(&strict, Format::Text).unwrap().0, Exit::Invalid);
}

#[test]
fn every_mistake_is_a_usage_error_that_says_which() {
    let folder = two_sides(1, Duration::from_millis(30));
    save(&folder.path().join("other"), Duration::from_millis(30), 9);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let at = |place: &str| folder.path().join(place).display().to_string();
    let (main, branch) = (at("main"), at("branch"));
    let (main, branch) = (main.as_str(), branch.as_str());
    for (words, said) in [
        (vec![main], "two sides are needed"),
        (vec![], "two sides are needed"),
        (vec![main, &at("gone")], "No such file"),
        (
            vec![main, &at("empty")],
            "there is no recording.jsonl or recording.jsonl.gz in it",
        ),
        (vec![main, &at("other")], "it has the seed 9, that has 1"),
        (
            vec![main, branch, "--threshold", "5"],
            "--threshold 5: 5 has no unit",
        ),
        (
            vec![main, branch, "--threshold", "cpu_per_milion=5%"],
            "did you mean cpu_per_million?",
        ),
        (
            vec![main, branch, "--confidence", "100%"],
            "--confidence 100%",
        ),
    ] {
        let error = printed(&args(&words), Format::Text).unwrap_err();
        assert!(error.is::<UsageError>(), "{error:#}");
        assert!(error.to_string().contains(said), "{error:#}");
    }
    let error = printed(&args(&[main, branch]), Format::Junit).unwrap_err();
    assert!(error.is::<UsageError>(), "{error:#}");
    let (_, page) = printed(&args(&[main, branch]), Format::Html).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    assert!(printed(&args(&[main, &at("other"), "--force"]), Format::Text).is_ok());
}

#[test]
fn one_recording_given_twice_is_a_mistake_on_a_side_and_across_sides() {
    let folder = two_sides(2, Duration::from_millis(30));
    let at = |place: &str| folder.path().join(place).display().to_string();
    let copy = at("copy.jsonl");
    fs::copy(folder.path().join("main/run-1").join(RECORDING), &copy).unwrap();
    let (main, branch, one) = (at("main"), at("branch"), at("main/run-1"));
    for (first, second, words) in [
        (&one, &one, vec![one.as_str(), &one]),
        (&one, &copy, vec![&one, &copy, "--force"]),
        (
            &one,
            &copy,
            vec!["--baseline", &main, &copy, "--candidate", &branch],
        ),
        (
            &one,
            &copy,
            vec!["--baseline", &branch, "--candidate", &main, &copy],
        ),
    ] {
        let error = printed(&args(&words), Format::Text).unwrap_err();
        assert!(error.is::<UsageError>(), "{error:#}");
        let said = format!("{first} and {second} hold the same recording (");
        assert!(error.to_string().starts_with(&said), "{error:#}");
    }
}

#[test]
fn a_recording_that_was_changed_is_not_compared() {
    let folder = two_sides(1, Duration::from_millis(30));
    let path = folder.path().join("branch/run-1").join(RECORDING);
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.replacen("\"last_us\":", "\"last_us\":1", 1)).unwrap();
    let error = printed(&of(&folder, &[]), Format::Text).unwrap_err();
    let told = format!("{error:#}");
    assert!(told.contains("the checksum does not match"), "{told}");
}

#[test]
fn a_comparison_goes_to_a_file() {
    let folder = two_sides(2, Duration::from_millis(30));
    let file = folder.path().join("comparison.md");
    let place = file.display().to_string();
    let (_, out) = printed(&of(&folder, &["--output-file", &place]), Format::Markdown).unwrap();
    assert_eq!(out, "");
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .starts_with("## quick (seed 1): ")
    );
}

#[test]
fn the_command_that_repeats_it_is_quoted_for_a_shell() {
    let judging = of(
        &two_sides(1, Duration::ZERO),
        &[
            "--threshold",
            "cpu_idle=9%",
            "--force",
            "--baseline-name",
            "the old",
        ],
    )
    .judging;
    let told = repeat(&["a b".into()], &["c".into()], &judging);
    assert_eq!(
        told,
        "dst-load-controller compare 'a b' c --threshold 'cpu_idle=9%' --baseline-name 'the old' --force"
    );
}
