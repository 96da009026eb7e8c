//! The comparison as a document: each section is built here once, for every form.

use dst_load_scenario::words::number;

use super::{
    Compared, Comparison, Outcome, Profiled, Side,
    bar::interval_bar,
    prose::{self, ORDER},
};
use crate::{
    document::{
        ALL, Block, Cell, Column, Document, Head, Kind, List, ListStyle, MARKDOWN,
        MARKDOWN_AND_PAGE, PAGE, Row, TEXT, TEXT_AND_PAGE, Table, Tone, Verdict,
    },
    verdict,
};

/// The heads of a profile's columns that every form has room for.
const COSTS: [&str; 3] = ["baseline", "candidate", "difference"];

/// The document of a comparison.
pub(super) fn document(comparison: &Comparison) -> Document {
    let mut document = Document::new(head(comparison));
    let mut sides = vec![
        ("Baseline", prose::side(&comparison.baseline)),
        ("Candidate", prose::side(&comparison.candidate)),
    ];
    sides.extend(prose::machine(comparison).map(|it| ("Machine", it)));
    document.add(TEXT, Block::facts(sides.clone()));
    sides.push(("Behaviour", prose::behaviour(comparison)));
    document.add(MARKDOWN_AND_PAGE, Block::facts(sides));
    measures(&mut document, comparison);
    let notes = List::of(ListStyle::Sentences, &prose::notes(comparison));
    if !notes.items.is_empty() {
        let title = "Not compared, or without an interval";
        document.section(TEXT_AND_PAGE, "left-out", "Not compared", title);
        document.add(TEXT_AND_PAGE, notes);
    }
    if !comparison.warnings.is_empty() {
        let link = format!("Warnings ({})", comparison.warnings.len());
        document.section(ALL, "warnings", link, "Warnings");
        let list = List::marked(ListStyle::Sentences, Tone::Doubtful, &comparison.warnings);
        document.add(ALL, list);
    }
    profiles(&mut document, comparison);
    document.section(PAGE, "runs", "Runs", "Runs");
    document.add(PAGE, runs(comparison));
    document.add(TEXT, Block::note(prose::method(comparison)));
    document.section(PAGE, "repeat", "Again", "Again");
    let note = "The command that says this again; with `-o json` as numbers.";
    document.add(PAGE, Block::note(note));
    document.add(
        ALL,
        Block::Command {
            label: "Again",
            command: comparison.repeat.clone(),
        },
    );
    document
}

fn head(comparison: &Comparison) -> Head {
    Head {
        title: prose::title(comparison),
        self_test: prose::preamble(comparison).map(str::to_owned),
        caveats: Vec::new(),
        tested: None,
        running: None,
        verdict: Verdict {
            word: prose::conclusion(comparison.outcome),
            tone: tone(Some(comparison.outcome)),
            said: prose::counts(comparison),
            reasons: Vec::new(),
        },
    }
}

const fn tone(outcome: Option<Outcome>) -> Tone {
    match outcome {
        Some(Outcome::Regression) => Tone::Bad,
        Some(Outcome::Improvement) => Tone::Good,
        Some(Outcome::NoDifference) => Tone::Plain,
        Some(Outcome::Inconclusive) => Tone::Doubtful,
        None => Tone::Quiet,
    }
}

/// The measures of both sides: in Markdown those that differ and the headlines at a glance, and the
/// others folded.
fn measures(document: &mut Document, comparison: &Comparison) {
    let all = ordered(comparison);
    document.section(PAGE, "measures", "Measures", "Measures");
    document.add(PAGE, Block::note(prose::method(comparison)));
    document.add(
        PAGE,
        Block::note(
            "In the bars zero is the middle and worse is to the right. The shaded part is the \
             threshold, at the same place in every bar; an arrow says that the interval goes on. \
             Where any difference matters nothing is shaded, and the bar has a scale of its own.",
        ),
    );
    document.add(TEXT_AND_PAGE, table(comparison, &all));
    let (shown, folded): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| {
        let differs = [Outcome::Regression, Outcome::Improvement].map(Some);
        it.headline || differs.contains(&it.outcome)
    });
    document.add(MARKDOWN, table(comparison, &shown));
    if !folded.is_empty() {
        let mut blocks = vec![
            table(comparison, &folded).into(),
            Block::note(prose::method(comparison)),
        ];
        blocks.extend(prose::notes(comparison).into_iter().map(Block::note));
        let folded = Block::Folded {
            summary: format!("{} more measures", folded.len()),
            blocks,
        };
        document.add(MARKDOWN, folded);
    }
}

/// The measures that both sides have, in the order of [`ORDER`]; those that are not judged come
/// last.
fn ordered(comparison: &Comparison) -> Vec<&Compared> {
    let outcomes = ORDER.map(Some).into_iter().chain([None]);
    let of = |outcome| {
        let all = comparison.measures.iter();
        all.filter(move |it| it.outcome == outcome && it.difference.is_some())
    };
    outcomes.flat_map(of).collect()
}

fn table(comparison: &Comparison, measures: &[&Compared]) -> Table {
    let [_, baseline, candidate, difference, interval] = prose::heads(comparison);
    Table {
        caption: "Each measure, with its difference".to_owned(),
        cards: Some("measures"),
        columns: vec![
            Column::new("measure", Kind::Name),
            Column::new("verdict", Kind::Group),
            Column::new(&baseline, Kind::Number),
            Column::new(&candidate, Kind::Number),
            Column::new(&difference, Kind::Number),
            Column::new(&interval, Kind::Interval),
            Column::on(PAGE, "threshold", Kind::Limit),
            Column::on(PAGE, "as a bar", Kind::Drawn),
        ],
        rows: measures.iter().map(|it| row(it)).collect(),
    }
}

fn row(compared: &Compared) -> Row {
    let [name, numbers @ ..] = prose::row(compared);
    let mut cells = vec![
        name.into(),
        compared.outcome.map_or("unjudged", prose::word).into(),
    ];
    cells.extend(numbers.map(Cell::from));
    cells.push(threshold(compared).into());
    cells.push(Cell {
        bar: interval_bar(compared),
        ..Cell::default()
    });
    Row {
        tone: tone(compared.outcome),
        key: Some(compared.key.clone()),
        cells,
    }
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

/// The functions that differ most, by kind of profile.
fn profiles(document: &mut Document, comparison: &Comparison) {
    if !comparison.profiles.is_empty() {
        document.section(PAGE, "functions", "Functions", "Functions");
    }
    for profiled in &comparison.profiles {
        let title = prose::profiled(profiled);
        let reading = || Block::note(prose::reading(profiled));
        document.part(TEXT_AND_PAGE, title.clone());
        document.add(TEXT_AND_PAGE, reading());
        document.add(TEXT_AND_PAGE, functions(profiled));
        let blocks = vec![reading(), functions(profiled).into()];
        let summary = title;
        document.add(MARKDOWN, Block::Folded { summary, blocks });
    }
}

/// The functions of a kind of profile that differ most, after all together.
fn functions(profiled: &Profiled) -> Table {
    let mut columns = vec![Column::new("function", Kind::Name)];
    columns.extend(COSTS.map(|head| Column::new(head, Kind::Number)));
    columns.push(Column::on(MARKDOWN_AND_PAGE, "with callees", Kind::Number));
    let mut all: Vec<_> = prose::all_functions(profiled).map(Cell::from).into();
    all.push("–".into());
    let mut rows = vec![all];
    rows.extend(profiled.functions.iter().map(|it| {
        let [name, numbers @ ..] = prose::function(it, profiled.unit);
        let mut cells = vec![Cell::code(name)];
        cells.extend(numbers.map(Cell::from));
        cells.push(prose::with_callees(it, profiled.unit).into());
        cells
    }));
    let row = |cells| Row {
        cells,
        ..Row::default()
    };
    Table {
        caption: prose::profiled(profiled),
        cards: None,
        columns,
        rows: rows.into_iter().map(row).collect(),
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
                verdict::Verdict::Pass => "passed",
                verdict::Verdict::Fail => "failed",
                verdict::Verdict::Invalid => "invalid",
            };
            let cells = [it.place.as_str(), name, verdict, &counts];
            Row::of(cells.map(str::to_owned).into())
        };
        side.recordings.iter().map(row).collect()
    };
    let mut all = rows("baseline", &comparison.baseline);
    all.extend(rows("candidate", &comparison.candidate));
    Table {
        caption: "Every recording, and whether it counts".to_owned(),
        cards: None,
        columns: vec![
            Column::new("recording", Kind::Name),
            Column::new("side", Kind::Words),
            Column::new("its verdict", Kind::Words),
            Column::new("counts", Kind::Words),
        ],
        rows: all,
    }
}
