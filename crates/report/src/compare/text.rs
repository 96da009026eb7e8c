//! The comparison for a terminal, and readable aloud: nothing is said by colour alone.

use super::{
    Comparison, Outcome, Profiled,
    prose::{self, ORDER},
};
use crate::terminal::{Colour, Sheet, Style, widths};

/// The widest name of a function.
const NAME: usize = 43;

/// The comparison as text, ending in a newline.
#[must_use]
pub fn render(comparison: &Comparison, style: Style) -> String {
    let mut sheet = Sheet::new(style);
    head(&mut sheet, comparison);
    measures(&mut sheet, comparison);
    sheet.list(
        "Not compared, or without an interval",
        &prose::notes(comparison),
    );
    for profiled in &comparison.profiles {
        functions(&mut sheet, profiled);
    }
    sheet.list("Warnings", &comparison.warnings);
    sheet.line("");
    sheet.wrapped("", &prose::method(comparison), 0);
    sheet.line(&format!("Again: {}", comparison.repeat));
    sheet.into_text()
}

const fn colour(outcome: Outcome) -> Colour {
    match outcome {
        Outcome::Regression => Colour::Bad,
        Outcome::Improvement => Colour::Good,
        Outcome::NoDifference => Colour::Bold,
        Outcome::Inconclusive => Colour::Doubtful,
    }
}

fn head(sheet: &mut Sheet, comparison: &Comparison) {
    let title = sheet.paint(Colour::Bold, &prose::title(comparison));
    sheet.line(&title);
    if let Some(told) = prose::preamble(comparison) {
        sheet.wrapped("", told, 0);
    }
    let loud = prose::loud(comparison.outcome);
    let loud = sheet.paint(colour(comparison.outcome), loud);
    sheet.wrapped(&format!("Verdict: {loud}: "), &prose::counts(comparison), 9);
    sheet.line("");
    for (name, side) in [
        ("Baseline:", &comparison.baseline),
        ("Candidate:", &comparison.candidate),
    ] {
        sheet.wrapped(&format!("{name:<12}"), &prose::side(side), 12);
    }
    if let Some(machine) = prose::machine(comparison) {
        sheet.wrapped("Machine:    ", &machine, 12);
    }
}

fn measures(sheet: &mut Sheet, comparison: &Comparison) {
    let heads = prose::heads(comparison);
    let rows: Vec<_> = comparison
        .measures
        .iter()
        .filter(|it| it.difference.is_some())
        .map(|it| (it.outcome, prose::row(it)))
        .collect();
    let cells = rows.iter().map(|(_, row)| row.as_slice());
    let widths = widths(cells.chain([heads.as_slice()]));
    for outcome in ORDER.map(Some).into_iter().chain([None]) {
        let mut of = rows.iter().filter(|(it, _)| *it == outcome).peekable();
        if of.peek().is_none() {
            continue;
        }
        let head = match outcome {
            Some(Outcome::Regression) => "Worse",
            Some(Outcome::Improvement) => "Better",
            Some(Outcome::NoDifference) => "No difference",
            Some(Outcome::Inconclusive) => "Inconclusive",
            None => "Not judged",
        };
        let mut heads = heads.clone();
        head.clone_into(&mut heads[0]);
        let line = sheet.row(&heads, &widths);
        let painted = sheet.paint(outcome.map_or(Colour::Bold, colour), head);
        sheet.line("");
        // Escapes have no width: coloured only now.
        sheet.line(&line.replacen(head, &painted, 1));
        for (_, row) in of {
            let line = sheet.row(row, &widths);
            sheet.line(&line);
        }
    }
}

fn functions(sheet: &mut Sheet, profiled: &Profiled) {
    sheet.section(&prose::profiled(profiled));
    sheet.wrapped("", &prose::reading(profiled), 0);
    let heads = ["", "baseline", "candidate", "difference"].map(str::to_owned);
    let functions = profiled.functions.iter();
    let functions = functions.map(|it| prose::function(it, profiled.unit));
    let rows = [heads, prose::all_functions(profiled)];
    for [name, baseline, candidate, difference] in rows.into_iter().chain(functions) {
        let name: String = if name.chars().count() > NAME {
            // Its end says most.
            let cut = name.chars().count() + 1 - NAME;
            std::iter::once('…').chain(name.chars().skip(cut)).collect()
        } else {
            name
        };
        sheet.line(&format!(
            "  {name:<NAME$} {baseline:>10} {candidate:>10} {difference:>11}"
        ));
    }
}
