//! Whether two sides can be compared, and what there is to say of each.

use dst_load_recording::recording::{GivenTwice, TargetKind, each_once};
use dst_load_scenario::{
    printable::{line, sentence},
    words::{count, counted},
};
use serde_json::Value;

use super::{Options, Recording, Run, Side};
use crate::verdict::Verdict;

/// Why two sides cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// There is no recording on a side.
    #[error("the {side} has no recording")]
    Nothing {
        /// The side.
        side: &'static str,
    },
    /// One is given twice, on a side or on both.
    #[error(transparent)]
    Twice(#[from] GivenTwice),
    /// One is of something else than the first.
    #[error(
        "{place} cannot be compared with {first}: it has {what} {found}, that has {expected}; \
         use --force to compare anyway"
    )]
    Differs {
        /// The recording.
        place: String,
        /// The baseline's first.
        first: String,
        /// What differs.
        what: String,
        /// What it is there.
        found: String,
        /// What it is in the first.
        expected: String,
    },
    /// No run of a side is valid.
    #[error("no run of the {side} is valid: {place}: {reason}; use --force to compare anyway")]
    Unfit {
        /// Which side.
        side: &'static str,
        /// Its first run.
        place: String,
        /// Why that is not.
        reason: String,
    },
    /// A threshold for what is no measure.
    #[error("there is no measure {key}; there are {}", .known.join(", "))]
    NoSuchMeasure {
        /// As given.
        key: String,
        /// All keys.
        known: Vec<&'static str>,
    },
}

/// Holds all runs against the first of the baseline. With `force` what differs is a warning.
pub(super) fn check(
    baseline: &[Run],
    candidate: &[Run],
    force: bool,
) -> Result<Vec<String>, Incomparable> {
    let Some(first) = baseline.first() else {
        return Err(Incomparable::Nothing { side: "baseline" });
    };
    if candidate.is_empty() {
        return Err(Incomparable::Nothing { side: "candidate" });
    }
    let all = || baseline.iter().chain(candidate);
    each_once(all().map(|run| (run.place.clone(), &run.header)))?;
    let mut warnings = Vec::new();
    for run in all() {
        let Some((what, found, expected)) = difference(run, first) else {
            continue;
        };
        let error = Incomparable::Differs {
            place: run.place.clone(),
            first: first.place.clone(),
            what,
            found,
            expected,
        };
        if !force {
            return Err(error);
        }
        let message = error.to_string();
        warnings.push(message.replace("; use --force to compare anyway", ", and was forced"));
    }
    Ok(warnings)
}

/// The first thing that must be the same and is not.
fn difference(run: &Run, first: &Run) -> Option<(String, String, String)> {
    let (a, b) = (&run.header, &first.header);
    let kind = |kind| match kind {
        TargetKind::Reference => "the reference destination",
        TargetKind::Linkerd => "Linkerd's",
    };
    let time = |is_virtual| if is_virtual { "virtual" } else { "real" };
    [
        ("the scenario", a.name.clone(), b.name.clone()),
        ("the seed", a.seed.to_string(), b.seed.to_string()),
        (
            "as its target",
            kind(a.target.kind).to_owned(),
            kind(b.target.kind).to_owned(),
        ),
        (
            "as its time",
            time(a.virtual_time).to_owned(),
            time(b.virtual_time).to_owned(),
        ),
    ]
    .into_iter()
    .map(|(what, found, expected)| (what.to_owned(), found, expected))
    .find(|(_, found, expected)| found != expected)
    .or_else(|| setting(&a.scenario, &b.scenario))
}

/// The first setting that differs. Limits change what is judged, and nothing that is measured.
fn setting(a: &Value, b: &Value) -> Option<(String, String, String)> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    leaves("", a, &mut left);
    leaves("", b, &mut right);
    let matters = |key: &&(String, String)| !key.0.starts_with("criteria.");
    let (left, right): (Vec<_>, Vec<_>) = (
        left.iter().filter(matters).collect(),
        right.iter().filter(matters).collect(),
    );
    let value = |of: &[&(String, String)], key: &str| {
        let found = of.iter().find(|(known, _)| known == key);
        found.map_or_else(|| "nothing".to_owned(), |(_, value)| value.clone())
    };
    let keys = left.iter().chain(&right).map(|(key, _)| key);
    keys.map(|key| (key.clone(), value(&left, key), value(&right, key)))
        .find(|(_, found, expected)| found != expected)
}

/// Lists the leaves of a tree with the keys that lead to them.
fn leaves(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    let mut into = |key: &str, value: &Value| {
        let dot = if path.is_empty() { "" } else { "." };
        leaves(&format!("{path}{dot}{key}"), value, found);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| into(key, value)),
        Value::Array(items) => (0..).zip(items).for_each(|(n, item): (u32, _)| {
            into(&n.to_string(), item);
        }),
        leaf => found.push((path.to_owned(), leaf.to_string())),
    }
}

/// The runs of a side that count.
pub(super) fn kept<'a>(
    runs: &'a [Run],
    side: &'static str,
    force: bool,
) -> Result<Vec<&'a Run>, Incomparable> {
    let kept: Vec<_> = runs
        .iter()
        .filter(|run| force || run.unfit().is_none())
        .collect();
    let first = runs.first().and_then(|run| Some((run, run.unfit()?)));
    match first {
        Some((run, reason)) if kept.is_empty() => Err(Incomparable::Unfit {
            side,
            place: run.place.clone(),
            reason,
        }),
        _ => Ok(kept),
    }
}

/// What there is to say of a side, of which this is the number, from 0.
pub(super) fn side(all: &[Run], kept: &[&Run], number: usize, options: &Options) -> Side {
    let with = |verdict| kept.iter().filter(|run| run.verdict == verdict).count() as u64;
    let mut builds: Vec<String> = Vec::new();
    for build in kept
        .iter()
        .filter_map(|run| run.header.target.version.clone())
    {
        if !builds.contains(&build) {
            builds.push(build);
        }
    }
    let machine = kept.first().and_then(|run| run.header.machine.clone());
    let one_place = kept.iter().all(|run| run.header.machine == machine);
    Side {
        name: options.names[number].as_deref().map(line),
        kind: kept[0].header.target.kind,
        builds,
        runs: kept.len() as u64,
        passed: with(Verdict::Pass),
        failed: with(Verdict::Fail),
        machine: machine.filter(|_| one_place),
        recordings: all
            .iter()
            .map(|run| Recording {
                place: sentence(&run.place),
                run_id: run.header.run_id.clone(),
                verdict: run.verdict,
                left_out: run.unfit().filter(|_| !options.force),
            })
            .collect(),
    }
}

/// Warnings about the sides.
pub(super) fn doubts(sides: &[Side; 2]) -> Vec<String> {
    let mut doubts = Vec::new();
    let [baseline, candidate] = sides;
    for (name, side) in [("baseline", baseline), ("candidate", candidate)] {
        for recording in &side.recordings {
            if let Some(reason) = &recording.left_out {
                doubts.push(format!("{} was left out: {reason}", recording.place));
            }
        }
        if side.builds.len() > 1 {
            doubts.push(format!(
                "the {name} has runs of several builds: {}",
                side.builds.join(", ")
            ));
        }
    }
    let few = super::FEWEST_RUNS as u64;
    if baseline.runs < few || candidate.runs < few {
        doubts.push(format!(
            "weak: {} in the baseline and {} in the candidate; how much runs differ is hardly \
             known below {}",
            counted(baseline.runs, "run", "runs"),
            count(candidate.runs),
            count(few)
        ));
    }
    let all = baseline.recordings.iter().chain(&candidate.recordings);
    let mut ids: Vec<_> = all.map(|recording| &recording.run_id).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        doubts.push("a run is given twice: its luck counts twice".to_owned());
    }
    if !baseline.builds.is_empty() && baseline.builds == candidate.builds {
        doubts.push(format!(
            "both sides name the same build, {}",
            baseline.builds.join(", ")
        ));
    }
    if baseline.machine != candidate.machine {
        doubts.push(
            "the sides did not run on machines of one kind: costs and latencies are theirs too"
                .to_owned(),
        );
    }
    doubts
}
