//! The words of a comparison that its readable formats share, so that they say the same.

use dst_load_scenario::{
    criteria::Unit,
    words::{bytes, count, counted, number, seconds},
};

use super::{
    Compared, Comparison, Difference, Estimate, FunctionCost, Outcome, ProfileKind, Profiled,
    Resampled, Side,
};

/// The order in which outcomes are printed.
pub(super) const ORDER: [Outcome; 4] = [
    Outcome::Regression,
    Outcome::Improvement,
    Outcome::NoDifference,
    Outcome::Inconclusive,
];

/// The largest percentage that is printed.
const MOST_PERCENT: f64 = 999.0;

/// The outcome as the first word of all.
pub(super) const fn conclusion(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Regression => "Regression",
        Outcome::Improvement => "Improvement",
        Outcome::NoDifference => "No difference",
        Outcome::Inconclusive => "Inconclusive",
    }
}

/// What an outcome is called where measures are listed.
pub(super) const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Regression => "worse",
        Outcome::Improvement => "better",
        Outcome::NoDifference => "no difference",
        Outcome::Inconclusive => "inconclusive",
    }
}

/// Name and seed of the scenario.
pub(super) fn title(comparison: &Comparison) -> String {
    let kind = if comparison.self_test {
        "SELF-TEST: "
    } else {
        ""
    };
    let scenario = &comparison.scenario;
    format!(
        "{kind}{} (seed {}): two builds compared",
        scenario.name, scenario.seed
    )
}

/// What is printed before any number.
pub(super) fn preamble(comparison: &Comparison) -> Option<&'static str> {
    comparison.self_test.then_some(
        "This compares runs of the tool's own reference destination. None of its numbers is a \
         measurement of Linkerd.",
    )
}

/// How many measures came out in which way.
pub(super) fn counts(comparison: &Comparison) -> String {
    let told = ORDER.map(|outcome| {
        let n = comparison.count(outcome);
        (n > 0).then(|| format!("{} {}", count(n), word(outcome)))
    });
    let judged: u64 = ORDER.map(|outcome| comparison.count(outcome)).iter().sum();
    let told: Vec<_> = told.into_iter().flatten().collect();
    let weak = if comparison.weak {
        " (weak: few runs)"
    } else {
        ""
    };
    format!(
        "{}, of {}{weak}",
        told.join(", "),
        counted(judged, "measure", "measures")
    )
}

/// Which build a side is, and how many runs of it.
pub(super) fn side(side: &Side) -> String {
    let build = match side.builds.as_slice() {
        [] => "a build that does not say its version".to_owned(),
        builds => builds.join(", "),
    };
    let judged = match (side.passed, side.failed) {
        (_, 0) => "passed".to_owned(),
        (0, _) => "failed".to_owned(),
        (passed, failed) => format!("{} passed, {} failed", count(passed), count(failed)),
    };
    let build = match &side.name {
        None => build,
        Some(name) => format!("{name} ({build})"),
    };
    format!("{build}; {}, {judged}", counted(side.runs, "run", "runs"))
}

/// Where both ran, if that is known and the same.
pub(super) fn machine(comparison: &Comparison) -> Option<String> {
    let machine = comparison.baseline.machine.as_ref()?;
    (comparison.candidate.machine.as_ref() == Some(machine)).then(|| {
        format!(
            "{}, {}, {}",
            machine.system,
            counted(u64::from(machine.cpus), "CPU", "CPUs"),
            bytes(machine.memory_bytes as f64)
        )
    })
}

/// How the numbers are to be read.
pub(super) fn method(comparison: &Comparison) -> String {
    let (cycles, runs) = (
        resampled(comparison, Resampled::Cycles),
        resampled(comparison, Resampled::Runs),
    );
    let of = match (runs, cycles) {
        (true, true) => "runs, or whole cycles where a side has one run",
        (false, true) => "the whole cycles of a run",
        _ => "runs",
    };
    format!(
        "Means over {of}, with {} % bootstrap intervals of {} resamples. Worse or better: the \
         whole interval lies beyond the threshold; no difference: within it.",
        number(comparison.confidence * 100.0),
        count(comparison.resamples)
    )
}

fn resampled(comparison: &Comparison, of: Resampled) -> bool {
    let sides = |it: &Compared| [it.baseline.clone(), it.candidate.clone()];
    let mut all = comparison.measures.iter().flat_map(sides).flatten();
    all.any(|estimate| estimate.of == of && estimate.values.len() > 1)
}

/// The heads of the table's columns.
pub(super) fn heads(comparison: &Comparison) -> [String; 5] {
    [
        String::new(),
        "baseline".to_owned(),
        "candidate".to_owned(),
        "difference".to_owned(),
        format!("{} % interval", number(comparison.confidence * 100.0)),
    ]
}

/// A measure's row below [`heads`].
pub(super) fn row(compared: &Compared) -> [String; 5] {
    let side = |estimate: &Option<Estimate>| match estimate {
        None => "–".to_owned(),
        Some(estimate) => {
            let bound = if estimate.at_least { "≥ " } else { "" };
            format!("{bound}{}", value(estimate.mean, compared.unit))
        }
    };
    let bound = |side: &Option<Estimate>| side.as_ref().is_some_and(|it| it.at_least);
    let nothing = || ("–".to_owned(), "–".to_owned());
    let (difference, interval) = match &compared.difference {
        None => nothing(),
        Some(difference) => {
            let (said, interval) = told(difference, compared.unit);
            // A lower bound on a side bounds the difference too, and on both says nothing of it.
            match (bound(&compared.baseline), bound(&compared.candidate)) {
                (false, false) => (said, interval),
                (false, true) => (format!("≥ {said}"), interval),
                (true, false) => (format!("≤ {said}"), interval),
                (true, true) => nothing(),
            }
        }
    };
    [
        compared.name.clone(),
        side(&compared.baseline),
        side(&compared.candidate),
        difference,
        interval,
    ]
}

/// A difference and its interval: as shares, or in the unit where the baseline is 0.
fn told(difference: &Difference, unit: Unit) -> (String, String) {
    let percent = |share: f64| match share * 100.0 {
        // More digits would say no more, and be wider than the table.
        percent if percent > MOST_PERCENT => format!(">+{}", number(MOST_PERCENT)),
        percent if percent < -MOST_PERCENT => format!("<-{}", number(MOST_PERCENT)),
        percent => signed(percent, &number(percent.abs())),
    };
    let plain = |it: f64| signed(it, &value(it.abs(), unit));
    let said = match difference.relative {
        Some(share) => format!("{} %", percent(share)),
        None => plain(difference.absolute),
    };
    let interval = match (difference.relative_interval, difference.interval) {
        (Some((low, high)), _) => format!("{} … {} %", percent(low), percent(high)),
        (None, Some((low, high))) => format!("{} … {}", plain(low), plain(high)),
        (None, None) => "–".to_owned(),
    };
    (said, interval)
}

/// With a sign, unless it is printed as none at all.
fn signed(value: f64, magnitude: &str) -> String {
    let nothing = !magnitude.contains(|c: char| ('1'..='9').contains(&c));
    match value {
        _ if nothing => magnitude.to_owned(),
        value if value < 0.0 => format!("-{magnitude}"),
        _ => format!("+{magnitude}"),
    }
}

/// A number with its unit.
pub(super) fn value(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds => seconds(value),
        Unit::Bytes => bytes(value),
        // As CPU a second: hundredths of a core would be printed as none.
        Unit::Cores => format!("{}/s", seconds(value)),
        Unit::Count | Unit::Ratio | Unit::PerSecond => number(value),
        Unit::Fraction => format!("{} %", number(value * 100.0)),
    }
}

/// What a profile by function is of.
pub(super) fn profiled(profiled: &Profiled) -> String {
    let of = match (profiled.kind, profiled.unit) {
        (ProfileKind::HeapPeak, _) => "Live heap by function, at its peak",
        (ProfileKind::CpuWorstChange, Unit::Seconds) => {
            "CPU by function for a million addresses received, around the worst change"
        }
        (ProfileKind::CpuWorstChange, _) => {
            "CPU by function as a share of all, around the worst change"
        }
    };
    let (baseline, candidate) = (&profiled.baseline, &profiled.candidate);
    format!(
        "{of} ({} and {} samples of {} and {})",
        count(baseline.samples),
        count(candidate.samples),
        count(baseline.runs),
        counted(candidate.runs, "run", "runs")
    )
}

/// With fewer samples a side most differences are luck.
const FEW_SAMPLES: u64 = 300;

/// How the rows of a profile are to be read.
pub(super) fn reading(profiled: &Profiled) -> String {
    let samples = profiled.baseline.samples.min(profiled.candidate.samples);
    // A heap's are places that allocate, and not draws.
    let luck = if profiled.kind == ProfileKind::CpuWorstChange && samples < FEW_SAMPLES {
        " With so few samples most of these differences are luck: take more runs, or more load."
    } else {
        ""
    };
    format!(
        "What functions cost by themselves, largest difference first. No intervals: a hint where \
         to look.{luck}"
    )
}

/// A function's row: its name without its package's path, both sides, and the difference.
pub(super) fn function(function: &FunctionCost, unit: Unit) -> [String; 4] {
    let name = short(&function.name);
    cost(name, function.baseline, function.candidate, unit)
}

/// A row of what something costs on both sides.
fn cost(name: String, baseline: f64, candidate: f64, unit: Unit) -> [String; 4] {
    let plain = |it: f64| value(it, unit);
    let difference = candidate - baseline;
    [
        name,
        plain(baseline),
        plain(candidate),
        signed(difference, &plain(difference.abs())),
    ]
}

/// What a function costs with those that it calls, on both sides.
pub(super) fn with_callees(function: &FunctionCost, unit: Unit) -> String {
    format!(
        "{} → {}",
        value(function.baseline_cumulative, unit),
        value(function.candidate_cumulative, unit)
    )
}

/// The row of all functions together.
pub(super) fn all_functions(profiled: &Profiled) -> [String; 4] {
    let (baseline, candidate) = (profiled.baseline.total, profiled.candidate.total);
    cost(
        "all functions".to_owned(),
        baseline,
        candidate,
        profiled.unit,
    )
}

/// A function's name without the path of its package, and without the types it is made for.
fn short(name: &str) -> String {
    let (bare, types) = name.split_once('[').map_or((name, ""), |(bare, rest)| {
        (bare, rest.rsplit_once(']').map_or("", |(_, rest)| rest))
    });
    format!("{}{types}", bare.rsplit('/').next().unwrap_or(bare))
}

/// What was not measured, and why there is no interval where there is none.
pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for compared in &comparison.measures {
        let Some(note) = &compared.note else { continue };
        match reasons
            .iter_mut()
            .find(|(reason, _)| *reason == note.as_str())
        {
            Some((_, names)) => names.push(&compared.name),
            None => reasons.push((note, vec![&compared.name])),
        }
    }
    reasons
        .into_iter()
        .map(|(reason, names)| format!("{reason}: {}", names.join("; ")))
        .collect()
}

/// Correctness and redundant addresses of streams, on both sides.
pub(super) fn behaviour(comparison: &Comparison) -> String {
    let keys = ["streams_wrong", "never", "resets", "redundant"];
    let told = keys.iter().filter_map(|key| {
        let compared = comparison.measures.iter().find(|it| it.key == *key)?;
        let mean = |side: &Option<Estimate>| {
            side.as_ref().map_or_else(
                || "not measured".to_owned(),
                |it| value(it.mean, compared.unit),
            )
        };
        let (before, after) = (mean(&compared.baseline), mean(&compared.candidate));
        let name = compared.name.to_lowercase();
        Some(if before == after {
            format!("{name} {after}")
        } else {
            format!("{name} {before} → {after}")
        })
    });
    told.collect::<Vec<_>>().join("; ")
}
