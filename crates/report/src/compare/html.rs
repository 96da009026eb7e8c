//! The comparison as one HTML page that needs nothing else: no network, no other file, no script.
//!
//! Its bars are drawn here, as SVG. The page looks as `report.html` does, and shares its parts.

mod bar;

use dst_load_scenario::words::number;
use serde::Serialize;

use self::bar::Bar;
use super::{
    Compared, Comparison, Outcome, Profiled, Side,
    prose::{self, ORDER},
};
use crate::{
    html::{self, Script},
    verdict::Verdict,
};

const TEMPLATE: &str = include_str!("html/page.html.jinja");

/// The comparison as a page.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    html::page(TEMPLATE, Words::of(comparison), &Script::default(), "")
}

/// What the template puts into the page.
#[derive(Serialize)]
struct Words<'a> {
    title: String,
    preamble: Option<&'static str>,
    /// The name by which the style knows the outcome.
    tone: &'static str,
    outcome: String,
    counts: String,
    about: Vec<(&'static str, String)>,
    heads: [String; 5],
    measures: Vec<Measure>,
    behaviour: String,
    notes: Vec<String>,
    method: String,
    warnings: &'a [String],
    profiles: Vec<Functions>,
    runs: Table,
    repeat: &'a str,
    tool: String,
}

/// One measure that both sides have.
#[derive(Serialize)]
struct Measure {
    key: String,
    cells: [String; 5],
    /// What does not matter.
    threshold: String,
    tone: &'static str,
    said: &'static str,
    bar: Option<Bar>,
}

/// The functions that differ most.
#[derive(Serialize)]
struct Functions {
    head: String,
    reading: String,
    table: Table,
}

#[derive(Serialize)]
struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

// === impl Words ===

impl<'a> Words<'a> {
    fn of(comparison: &'a Comparison) -> Self {
        Self {
            title: prose::title(comparison),
            preamble: prose::preamble(comparison),
            tone: tone(Some(comparison.outcome)),
            outcome: prose::loud(comparison.outcome).to_lowercase(),
            counts: prose::counts(comparison),
            about: about(comparison),
            heads: prose::heads(comparison),
            measures: measures(comparison),
            behaviour: prose::behaviour(comparison),
            notes: prose::notes(comparison),
            method: prose::method(comparison),
            warnings: &comparison.warnings,
            profiles: comparison.profiles.iter().map(functions).collect(),
            runs: runs(comparison),
            repeat: &comparison.repeat,
            tool: format!("{} ({})", comparison.tool.version, comparison.tool.commit),
        }
    }
}

const fn tone(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Regression) => "worse",
        Some(Outcome::Improvement) => "better",
        Some(Outcome::NoDifference) => "same",
        Some(Outcome::Inconclusive) => "unclear",
        None => "unjudged",
    }
}

/// What was compared, and where.
fn about(comparison: &Comparison) -> Vec<(&'static str, String)> {
    let scenario = &comparison.scenario;
    let mut about = vec![
        ("Baseline", prose::side(&comparison.baseline)),
        ("Candidate", prose::side(&comparison.candidate)),
        (
            "Scenario",
            format!("{} (seed {})", scenario.name, scenario.seed),
        ),
    ];
    about.extend(prose::machine(comparison).map(|it| ("Machine", it)));
    about
}

/// The measures in the order in which outcomes are told; those that are not judged come last.
fn measures(comparison: &Comparison) -> Vec<Measure> {
    let told = ORDER.map(Some).into_iter().chain([None]);
    told.flat_map(|outcome| {
        let of = comparison.measures.iter();
        of.filter(move |it| it.outcome == outcome && it.difference.is_some())
    })
    .map(|compared| Measure {
        key: compared.key.clone(),
        cells: prose::row(compared),
        threshold: threshold(compared),
        tone: tone(compared.outcome),
        said: compared.outcome.map_or("not judged", prose::word),
        bar: Bar::of(compared),
    })
    .collect()
}

/// What does not matter: the share that was asked for, unless no so small a difference can be told.
fn threshold(compared: &Compared) -> String {
    let mean = |side: &Option<super::Estimate>| side.as_ref().map(|it| it.mean.abs());
    let (before, after) = (mean(&compared.baseline), mean(&compared.candidate));
    let smaller = before.zip(after).map_or(0.0, |(a, b)| a.min(b));
    if compared.outcome.is_none() {
        "–".to_owned()
    } else if compared.margin > compared.threshold * smaller * 1.001 {
        format!("± {}", prose::value(compared.margin, compared.unit))
    } else if compared.threshold > 0.0 {
        // A share of nothing is nothing.
        let of = if smaller > 0.0 { "" } else { " of 0" };
        format!("± {} %{of}", number(compared.threshold * 100.0))
    } else {
        "none".to_owned()
    }
}

/// The functions of a kind of profile that differ most, after all together.
fn functions(profiled: &Profiled) -> Functions {
    let mut rows = vec![prose::all_functions(profiled).to_vec()];
    rows[0].push("–".to_owned());
    rows.extend(profiled.functions.iter().map(|it| {
        let mut row = prose::function(it, profiled.unit).to_vec();
        row.push(prose::with_callees(it, profiled.unit));
        row
    }));
    Functions {
        head: prose::profiled(profiled),
        reading: prose::reading(profiled),
        table: Table {
            heads: vec![
                "function",
                "baseline",
                "candidate",
                "difference",
                "with callees",
            ],
            rows,
        },
    }
}

/// Every recording, and whether it counts.
fn runs(comparison: &Comparison) -> Table {
    let rows = |name: &'static str, side: &Side| -> Vec<_> {
        let row = |it: &super::Recording| {
            let counts = it.left_out.as_ref().map_or_else(
                || "yes".to_owned(),
                |reason| format!("no, left out: {reason}"),
            );
            let verdict = match it.verdict {
                Verdict::Pass => "passed",
                Verdict::Fail => "failed",
                Verdict::Invalid => "invalid",
            };
            vec![
                it.place.clone(),
                name.to_owned(),
                verdict.to_owned(),
                counts,
            ]
        };
        side.recordings.iter().map(row).collect()
    };
    let mut all = rows("baseline", &comparison.baseline);
    all.extend(rows("candidate", &comparison.candidate));
    Table {
        heads: vec!["recording", "side", "its verdict", "counts"],
        rows: all,
    }
}
