//! Two sides of recordings, measure by measure: is this build better than that one?
//!
//! A comparison resamples runs, never deliveries: those of one run share its luck, and a million
//! of them are no more than one draw of it. With a single run on a side its whole cycles are
//! resampled. Each format is rendered from [`Comparison`] alone.

mod bar;
mod blocks;
mod bootstrap;
pub mod html;
pub mod json;
pub mod markdown;
mod measure;
mod profile;
mod prose;
mod run;
mod sides;
#[cfg(test)]
mod tests;
pub mod text;
mod verdict;

use std::collections::BTreeMap;

use dst_load_recording::recording::{Machine, TargetKind};
use dst_load_scenario::criteria::Unit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use self::measure::Measure;
pub use self::{
    bootstrap::RESAMPLES,
    measure::Worse,
    profile::{FunctionCost, Profile, ProfileError, ProfileKind, Profiled, ProfiledSide},
    run::Run,
    sides::Incomparable,
};
use crate::{
    report::{ScenarioId, Tool},
    verdict::Verdict,
};

/// The version of the JSON form's shape.
pub const SCHEMA_VERSION: u32 = 1;
/// With fewer runs on a side a comparison is weak.
pub const FEWEST_RUNS: usize = 5;
/// The share of intervals that hold the truth, unless another is asked for.
pub const CONFIDENCE: f64 = 0.95;

/// What is asked of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The share (0 to 1) of intervals that hold the truth.
    pub confidence: f64,
    /// A difference of a smaller share does not matter, for measures that have none of their own
    /// in `thresholds`; their defaults if absent.
    pub threshold: Option<f64>,
    /// The same by a measure's key.
    pub thresholds: BTreeMap<String, f64>,
    /// Whether to compare what is not the same, and runs that say nothing.
    pub force: bool,
    /// What the baseline and the candidate are called, if they have names.
    pub names: [Option<String>; 2],
    /// The command that repeats this comparison.
    pub repeat: String,
}

/// The outcome of a comparison, for one measure or overall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The candidate is worse, by more than the threshold.
    Regression,
    /// The candidate is better, by more than the threshold.
    Improvement,
    /// Any difference is below the threshold.
    NoDifference,
    /// There are too few runs, or too much noise.
    Inconclusive,
}

/// A comparison of two sides. Durations are in seconds, sizes in bytes, shares are fractions of 1;
/// `null` means that there is no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// The tool that compared.
    pub tool: Tool,
    /// What both sides ran.
    pub scenario: ScenarioId,
    /// Whether a side measured the tool's own reference destination: then this is not a measurement
    /// of Linkerd.
    pub self_test: bool,
    /// A regression if any measure is one, otherwise an improvement if any is one, otherwise
    /// inconclusive if any is.
    pub outcome: Outcome,
    /// Whether a side has fewer than 5 runs: the variation between runs is then hardly known.
    pub weak: bool,
    /// The confidence level of the intervals.
    pub confidence: f64,
    /// Resamples for each interval.
    pub resamples: u64,
    /// The side to compare with.
    pub baseline: Side,
    /// The side that is compared.
    pub candidate: Side,
    /// Each measure, those with the least noise first.
    pub measures: Vec<Compared>,
    /// CPU and memory by function, if both sides have profiles.
    #[serde(default)]
    pub profiles: Vec<Profiled>,
    /// Warnings that a reader of the numbers must know.
    pub warnings: Vec<String>,
    /// The command that repeats this comparison.
    pub repeat: String,
}

/// One side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// Its name; `null` if it has none.
    pub name: Option<String>,
    /// Whose controller it is.
    pub kind: TargetKind,
    /// The versions that its targets report, without repetition; empty if they report none.
    pub builds: Vec<String>,
    /// Runs that count.
    pub runs: u64,
    /// How many of them passed their own criteria.
    pub passed: u64,
    /// How many of them failed their own criteria.
    pub failed: u64,
    /// The machine; `null` if it is not known, or not the same for all.
    pub machine: Option<Machine>,
    /// All its recordings.
    pub recordings: Vec<Recording>,
}

/// One recording of a side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recording {
    /// Its path.
    pub place: String,
    /// Its run's id.
    pub run_id: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why it was left out; `null` if it counts.
    pub left_out: Option<String>,
}

/// One measure, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// Its key, which `--threshold` takes.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// The worse direction.
    pub worse: Worse,
    /// Whether a summary names it even if nothing differs.
    pub headline: bool,
    /// The baseline's mean; `null` if it was not measured.
    pub baseline: Option<Estimate>,
    /// The candidate's mean; `null` if it was not measured.
    pub candidate: Option<Estimate>,
    /// How they differ; `null` if a side was not measured.
    pub difference: Option<Difference>,
    /// A difference up to this share of the smaller side does not matter.
    pub threshold: f64,
    /// The threshold in the measure's unit; for latencies at least the tool's own floor.
    pub margin: f64,
    /// Its outcome; `null` if it is not judged, or was not measured.
    pub outcome: Option<Outcome>,
    /// Why there is no interval or no value, if so.
    pub note: Option<String>,
}

/// The mean of a side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Whether it is only a lower bound, because some deliveries never arrived.
    pub at_least: bool,
    /// What it is the mean of.
    pub of: Resampled,
    /// The values themselves, ascending.
    pub values: Vec<f64>,
}

/// What is resampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resampled {
    /// Whole runs.
    Runs,
    /// Whole cycles of a single run: differences from run to run are not known.
    Cycles,
}

/// The candidate less the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// In the measure's unit.
    pub absolute: f64,
    /// As a fraction of the baseline; `null` if that is 0.
    pub relative: Option<f64>,
    /// The interval's ends, in the measure's unit; `null` if a side has fewer than two values.
    pub interval: Option<(f64, f64)>,
    /// The interval's ends as fractions of the baseline.
    pub relative_interval: Option<(f64, f64)>,
}

// === impl Comparison ===

impl Comparison {
    /// Compares two sides, each of one run or more.
    ///
    /// # Errors
    /// If they are not of the same scenario, seed and settings, or nothing on a side counts, and
    /// `options.force` does not say to compare all the same; if a threshold is for no measure.
    pub fn of(
        baseline: &[Run],
        candidate: &[Run],
        options: &Options,
        tool: Tool,
    ) -> Result<Self, Incomparable> {
        if let Some(key) = options.thresholds.keys().find(|key| !known(key)) {
            return Err(Incomparable::NoSuchMeasure {
                key: key.clone(),
                known: keys().collect(),
            });
        }
        let mut warnings = sides::check(baseline, candidate, options.force)?;
        let (kept_baseline, kept_candidate) = (
            sides::kept(baseline, "baseline", options.force)?,
            sides::kept(candidate, "candidate", options.force)?,
        );
        let sides = [
            sides::side(baseline, &kept_baseline, 0, options),
            sides::side(candidate, &kept_candidate, 1, options),
        ];
        warnings.extend(sides::doubts(&sides));
        warnings.extend(profile::doubts(&kept_baseline, &kept_candidate));
        let all = kept_baseline.iter().chain(&kept_candidate);
        let floor = all
            .filter_map(|run| run.header.floor_seconds)
            .max_by(f64::total_cmp);
        let measures: Vec<_> = Measure::VARIANTS
            .iter()
            .map(|&measure| {
                verdict::compared(measure, &kept_baseline, &kept_candidate, floor, options)
            })
            .collect();
        let [baseline, candidate] = sides;
        let few = |side: &Side| side.runs < FEWEST_RUNS as u64;
        let header = &kept_baseline[0].header;
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            tool,
            scenario: ScenarioId {
                name: header.name.clone(),
                seed: header.seed,
            },
            self_test: [&baseline, &candidate]
                .iter()
                .any(|side| side.kind == TargetKind::Reference),
            outcome: verdict::overall(&measures),
            weak: few(&baseline) || few(&candidate),
            confidence: options.confidence,
            resamples: RESAMPLES as u64,
            baseline,
            candidate,
            measures,
            profiles: profile::compared(&kept_baseline, &kept_candidate),
            warnings,
            repeat: options.repeat.clone(),
        })
    }

    /// How many measures came out this way.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        let found = self.measures.iter();
        found.filter(|it| it.outcome == Some(outcome)).count() as u64
    }
}

/// The keys of all measures, in their order.
pub fn keys() -> impl Iterator<Item = &'static str> {
    Measure::VARIANTS.iter().map(|measure| measure.key())
}

fn known(key: &str) -> bool {
    keys().any(|known| known == key)
}

/// What does not matter of a measure, as a share.
fn threshold(measure: Measure, options: &Options) -> f64 {
    let own = options.thresholds.get(measure.key()).copied();
    let of_all = options.threshold.filter(|_| !measure.is_exact());
    own.or(of_all).unwrap_or(measure.threshold())
}

impl Default for Options {
    fn default() -> Self {
        Self {
            confidence: CONFIDENCE,
            threshold: None,
            thresholds: BTreeMap::new(),
            force: false,
            names: [None, None],
            repeat: String::new(),
        }
    }
}
