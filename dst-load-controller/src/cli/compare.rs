//! `compare`: is this build better than that one?

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use dst_load_recording::recording::Line;
use dst_load_report::{
    compare::{
        Comparison, Incomparable, Options, Outcome, Profile, ProfileKind, Run, html, json, keys,
        markdown, text,
    },
    report::Tool,
    terminal::Style,
};
use dst_load_scenario::{
    quantity::Share,
    words::{chain, nearest, quoted},
};
use dst_load_session::{
    profiles::{CPU_WORST_CHANGE, HEAP_PEAK},
    recorder::{COMPRESSED_RECORDING, RECORDING, recording_in, write_whole},
};
use flate2::read::MultiGzDecoder;

use super::{output::Format, recording_file, report, usage::UsageError};
use crate::exit::Exit;

/// Flags of `compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// Baseline and candidate: each a recording, the directory of a run, or a directory with
    /// several of either, which are all used; or several of these, separated by commas. A recording
    /// may be compressed with gzip.
    #[arg(value_name = "RECORDINGS", num_args = 0..=2)]
    pub sides: Vec<PathBuf>,
    /// Recordings of the baseline, instead of the first argument.
    #[arg(long, value_name = "RECORDINGS", num_args = 1.., value_delimiter = ',', env)]
    pub baseline: Vec<PathBuf>,
    /// Recordings of the candidate, instead of the second argument.
    #[arg(long, value_name = "RECORDINGS", num_args = 1.., value_delimiter = ',', env)]
    pub candidate: Vec<PathBuf>,
    /// How they are judged.
    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// How two sides are judged, and where the comparison goes.
#[derive(Clone, Debug, Args)]
pub struct JudgingArgs {
    /// Ignore differences below this share, such as 10%; of one measure, destination_add_p99=30%.
    /// Can be repeated. By default 5% of costs and memory, 20% of latencies, and 0% of errors.
    #[arg(long, value_name = "[MEASURE=]SHARE", value_delimiter = ',', env)]
    pub threshold: Vec<String>,
    /// Confidence level of the intervals: a higher one is wrong less often, and finds less.
    #[arg(long, default_value = "95%", env)]
    pub confidence: Share,
    /// Name of the baseline, such as its branch.
    #[arg(long, value_name = "NAME", env)]
    pub baseline_name: Option<String>,
    /// Name of the candidate.
    #[arg(long, value_name = "NAME", env)]
    pub candidate_name: Option<String>,
    /// Exit with 4 if the comparison is inconclusive.
    #[arg(long, env)]
    pub fail_on_inconclusive: bool,
    /// Compare runs although scenarios, seeds or settings differ, and include those that are
    /// invalid or did not end as planned; with a warning.
    #[arg(long, env)]
    pub force: bool,
    /// Write the comparison to this file instead of standard output.
    #[arg(long, value_name = "FILE", env)]
    pub output_file: Option<PathBuf>,
}

/// Compares two sides and says what came of it.
///
/// # Errors
/// A [`UsageError`] if the sides cannot be compared; a recording that cannot be read.
pub fn run(args: &CompareArgs, format: Format, out: &mut impl Write) -> anyhow::Result<Exit> {
    args.judging.check(format)?;
    let [baseline, candidate] = args.sides()?;
    let comparison = compare(&baseline, &candidate, &args.judging)?;
    args.judging.print(&comparison, format, out)?;
    Ok(args.judging.exit(&comparison))
}

/// Compares what is at these paths.
///
/// # Errors
/// As [`run`].
pub(super) fn compare(
    baseline: &[PathBuf],
    candidate: &[PathBuf],
    judging: &JudgingArgs,
) -> anyhow::Result<Comparison> {
    let mut options = judging.options()?;
    options.repeat = repeat(baseline, candidate, judging);
    let tool = Tool {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("DST_LOAD_COMMIT").to_owned(),
    };
    let (baseline, candidate) = (load(baseline)?, load(candidate)?);
    let compared = Comparison::of(&baseline, &candidate, &options, tool);
    Ok(compared.map_err(|error| usage(&error))?)
}

/// The comparison in a form; the style is for text alone.
pub(super) fn render(comparison: &Comparison, format: Format, style: Style) -> String {
    match format {
        Format::Json => json::render(comparison),
        Format::Markdown => markdown::render(comparison),
        Format::Html => html::render(comparison),
        _ => text::render(comparison, style),
    }
}

// === impl CompareArgs ===

impl CompareArgs {
    /// The paths of both sides.
    fn sides(&self) -> Result<[Vec<PathBuf>; 2], UsageError> {
        match (self.sides.as_slice(), &self.baseline, &self.candidate) {
            ([baseline, candidate], _, _) => Ok([listed(baseline), listed(candidate)]),
            ([], baseline, candidate) if !baseline.is_empty() && !candidate.is_empty() => {
                Ok([baseline.clone(), candidate.clone()])
            }
            // The other side is named by its flag, or by its variable in CI.
            ([candidate], baseline, _) if !baseline.is_empty() => {
                Ok([baseline.clone(), listed(candidate)])
            }
            _ => Err(UsageError(
                "two sides are needed; use `compare BASELINE CANDIDATE`, or --baseline A1 A2 \
                 --candidate B1 B2 for several recordings a side"
                    .into(),
            )),
        }
    }
}

// === impl JudgingArgs ===

impl JudgingArgs {
    /// Refuses what cannot be done, before anything is.
    ///
    /// # Errors
    /// A [`UsageError`] for a form that comparisons do not have, or a threshold that is none.
    pub(super) fn check(&self, format: Format) -> Result<(), UsageError> {
        if format == Format::Junit {
            return Err(UsageError(
                "a comparison has no form junit; use --output text, json, markdown or html".into(),
            ));
        }
        self.options().map(|_| ())
    }

    fn options(&self) -> Result<Options, UsageError> {
        let (mut threshold, mut thresholds) = (None, BTreeMap::new());
        let share = |given: &str, share: &str| {
            let share: Result<Share, _> = share.parse();
            share.map_err(|error| UsageError(format!("--threshold {given}: {error}")))
        };
        for given in &self.threshold {
            match given.split_once('=') {
                None => threshold = Some(share(given, given)?.0),
                Some((key, value)) => {
                    if !keys().any(|known| known == key) {
                        let known: Vec<_> = keys().collect();
                        return Err(UsageError(format!(
                            "--threshold {given}: there is no measure {key}; did you mean {}? \
                             (there are {})",
                            nearest(key, &known).unwrap_or_default(),
                            known.join(", ")
                        )));
                    }
                    thresholds.insert(key.to_owned(), share(given, value)?.0);
                }
            }
        }
        let confidence = self.confidence.0;
        if !(0.5..1.0).contains(&confidence) {
            return Err(UsageError(format!(
                "--confidence {} is out of range; it must be at least 50% and below 100%",
                self.confidence
            )));
        }
        Ok(Options {
            confidence,
            threshold,
            thresholds,
            force: self.force,
            names: [self.baseline_name.clone(), self.candidate_name.clone()],
            repeat: String::new(),
        })
    }

    /// Prints the comparison, or writes it to the file that was named.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn print(
        &self,
        comparison: &Comparison,
        format: Format,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        match &self.output_file {
            Some(path) => write_whole(path, &render(comparison, format, Style::PLAIN))?,
            None => out.write_all(render(comparison, format, report::style()).as_bytes())?,
        }
        Ok(())
    }

    /// The exit code that an outcome means.
    pub(super) fn exit(&self, comparison: &Comparison) -> Exit {
        match comparison.outcome {
            Outcome::Regression => Exit::Failed,
            Outcome::Inconclusive if self.fail_on_inconclusive => Exit::Invalid,
            _ => Exit::Pass,
        }
    }
}

fn usage(error: &Incomparable) -> UsageError {
    UsageError(error.to_string())
}

/// Several paths with commas, unless that is the name of something.
fn listed(path: &Path) -> Vec<PathBuf> {
    match path.to_str() {
        Some(text) if !path.exists() => text.split(',').map(PathBuf::from).collect(),
        _ => vec![path.to_owned()],
    }
}

/// The runs at these paths. Of each recording no more is kept than its numbers.
fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for path in paths {
        for found in recordings(path)? {
            runs.push(one(&found)?);
        }
    }
    Ok(runs)
}

fn one(path: &Path) -> anyhow::Result<Run> {
    let lines = recording_file::open(path)?;
    let place = path.display().to_string();
    let no_header = || format!("{place}: the recording has no header");
    let Some(Line::Header(header)) = lines.first() else {
        anyhow::bail!(no_header());
    };
    let (criteria, planned) = report::judged_by(header)?;
    let mut run = Run::of(place.clone(), &lines, &criteria, planned).with_context(no_header)?;
    // A file that lies among others is no run's directory.
    let directory = match path.file_name() {
        Some(name) if name == RECORDING || name == COMPRESSED_RECORDING => path.parent(),
        _ => path.is_dir().then_some(path),
    };
    if let Some(directory) = directory {
        profiles(directory, &mut run);
    }
    Ok(run)
}

/// The most that a profile may hold when it is unpacked, bytes; a controller's have some 1 MB.
const LARGEST_PROFILE: u64 = 256 * 1024 * 1024;

/// Reads the profiles of a run, where there are any. One that cannot be read is told of: the
/// recording beside it is worth comparing all the same.
fn profiles(directory: &Path, run: &mut Run) {
    for kind in ProfileKind::ALL {
        let path = directory.join(match kind {
            ProfileKind::CpuWorstChange => CPU_WORST_CHANGE,
            ProfileKind::HeapPeak => HEAP_PEAK,
        });
        if !path.exists() {
            continue;
        }
        match profile(kind, &path) {
            Ok(profile) => drop(run.profiles.insert(kind, profile)),
            Err(error) => {
                let told = format!(
                    "{} cannot be read: {}",
                    path.display(),
                    chain(error.as_ref())
                );
                run.profile_errors.push(told);
            }
        }
    }
}

fn profile(kind: ProfileKind, path: &Path) -> anyhow::Result<Profile> {
    let mut bytes = Vec::new();
    let unpacked = MultiGzDecoder::new(fs::File::open(path)?);
    unpacked.take(LARGEST_PROFILE).read_to_end(&mut bytes)?;
    Ok(Profile::read(kind, &bytes)?)
}

/// The recordings at a path: itself, or, of a directory that has none, those of its directories
/// and files, by name.
fn recordings(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let refused = |error: &io::Error| UsageError(format!("{}: {error}", path.display()));
    let about = fs::metadata(path).map_err(|error| refused(&error))?;
    if !about.is_dir() || recording_in(path).is_some() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| refused(&error))? {
        let entry = entry?.path();
        if is_recording(&entry) || recording_in(&entry).is_some() {
            found.push(entry);
        }
    }
    if found.is_empty() {
        let message = format!(
            "{}: there is no {RECORDING} or {COMPRESSED_RECORDING} in it, nor in a directory of it",
            path.display()
        );
        return Err(UsageError(message).into());
    }
    found.sort();
    Ok(found)
}

/// Whether this is a file that is named as a recording is: `*.jsonl`, or `*.jsonl.gz` where there is
/// no plain one of that name.
fn is_recording(path: &Path) -> bool {
    let compressed = path.extension().is_some_and(|it| it == "gz");
    let plain = if compressed {
        path.with_extension("")
    } else {
        path.to_owned()
    };
    let named = plain.extension().is_some_and(|it| it == "jsonl");
    named && path.is_file() && !(compressed && plain.exists())
}

/// The command that says this again, as a shell reads it.
fn repeat(baseline: &[PathBuf], candidate: &[PathBuf], judging: &JudgingArgs) -> String {
    let text = |path: &PathBuf| path.display().to_string();
    let mut words = vec!["dst-load-controller".to_owned(), "compare".to_owned()];
    match (baseline, candidate) {
        ([one], [other]) => words.extend([text(one), text(other)]),
        (several, others) => {
            words.push("--baseline".to_owned());
            words.extend(several.iter().map(text));
            words.push("--candidate".to_owned());
            words.extend(others.iter().map(text));
        }
    }
    for given in &judging.threshold {
        words.extend(["--threshold".to_owned(), given.clone()]);
    }
    if judging.confidence != Share(dst_load_report::compare::CONFIDENCE) {
        words.extend(["--confidence".to_owned(), judging.confidence.to_string()]);
    }
    for (flag, name) in [
        ("--baseline-name", &judging.baseline_name),
        ("--candidate-name", &judging.candidate_name),
    ] {
        if let Some(name) = name {
            words.extend([flag.to_owned(), name.clone()]);
        }
    }
    words.extend(judging.force.then(|| "--force".to_owned()));
    let quoted = words.iter().map(|word| quoted(word));
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
