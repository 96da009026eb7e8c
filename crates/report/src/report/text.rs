//! The report for a terminal, and readable aloud: nothing is said by colour alone.

use super::{
    Report, criteria,
    prose::{self, CYCLE_HEADS, LATENCY_HEADS},
    proxies::{self, REPLICA_HEADS},
    ways, wrong,
};
use crate::{
    terminal::{Colour, Sheet, Style, widths},
    verdict::Verdict,
};

/// The report as text, ending in a newline.
#[must_use]
pub fn render(report: &Report, style: Style) -> String {
    let mut sheet = Sheet::new(style);
    head(&mut sheet, report);
    judged(&mut sheet, report);
    latency(&mut sheet, report);
    sheet.line("");
    for (label, sentence) in prose::facts(report) {
        sheet.wrapped(&format!("{:<15}", format!("{label}:")), &sentence, 15);
    }
    sheet.titled_table(
        "Cycles (destination stage)",
        &CYCLE_HEADS,
        prose::cycle_rows(report),
    );
    sheet.titled_table(
        "Replicas (destination stage, additions and removals)",
        &REPLICA_HEADS,
        proxies::replica_rows(report),
    );
    both_ways(&mut sheet, report);
    sheet.list("Wrong at the end, by Service", &wrong::services(report));
    sheet.list(
        "Wrong at the end, for example",
        &report.correctness.examples,
    );
    warnings(&mut sheet, report);
    sheet.list("What to try", &report.recommendations);
    sheet.into_text()
}

fn head(sheet: &mut Sheet, report: &Report) {
    let title = sheet.paint(Colour::Bold, &prose::title(report));
    sheet.line(&title);
    for line in prose::preamble(report) {
        sheet.wrapped("", &line, 0);
    }
    let (word, colour) = match report.verdict {
        Verdict::Pass => ("PASS", Colour::Good),
        Verdict::Fail => ("FAIL", Colour::Bad),
        Verdict::Invalid => ("INVALID", Colour::Doubtful),
    };
    let word = sheet.paint(colour, word);
    sheet.wrapped(&format!("Verdict: {word}, "), &prose::verdict(report), 2);
    for reason in &report.reasons {
        sheet.wrapped("  - ", reason, 4);
    }
}

fn judged(sheet: &mut Sheet, report: &Report) {
    sheet.section("Criteria");
    let rows: Vec<_> = report.criteria.iter().map(criteria::row).collect();
    let widths = widths(rows.iter().map(|(_, row)| row.as_slice()));
    for ((mark, row), judged) in rows.iter().zip(&report.criteria) {
        let colour = match judged.held {
            Some(true) => Colour::Good,
            Some(false) => Colour::Bad,
            None => Colour::Doubtful,
        };
        let [name, limit, observed, margin, place] = row.as_slice() else {
            continue;
        };
        let [name_width, limit_width, observed_width, margin_width, _] = widths.as_slice() else {
            continue;
        };
        let painted = sheet.paint(colour, mark);
        let cells = format!(
            "{name:<name_width$}  {observed:>observed_width$}  {limit:<limit_width$}  \
             {margin:>margin_width$}"
        );
        // Where it was seen is short; why it was not judged has a line of its own.
        let width = 4 + cells.chars().count() + 2 + place.chars().count();
        if judged.held.is_some() && width <= sheet.columns() {
            sheet.line(&format!("  {painted} {cells}  {place}"));
        } else {
            sheet.line(format!("  {painted} {cells}").trim_end());
            sheet.wrapped("      ", place, 6);
        }
    }
}

fn latency(sheet: &mut Sheet, report: &Report) {
    sheet.section("Latency of deliveries (one stream learning of one endpoint)");
    let rows = prose::latency_rows(&report.latency);
    if rows.is_empty() {
        sheet.line("  no delivery was counted");
        return;
    }
    let mut table = vec![
        std::iter::once("")
            .chain(LATENCY_HEADS)
            .map(str::to_owned)
            .collect(),
    ];
    table.extend(rows.into_iter().map(|row| {
        std::iter::once(row.name)
            .chain(row.cells)
            .collect::<Vec<_>>()
    }));
    sheet.table(&table);
    for note in prose::censored(&report.latency) {
        sheet.wrapped("  ", &note, 4);
    }
}

fn both_ways(sheet: &mut Sheet, report: &Report) {
    let Some(both) = &report.federation else {
        return;
    };
    sheet.section(&ways::head(both));
    let mut table = vec![ways::heads()];
    table.extend(ways::rows(both));
    sheet.table(&table);
    for sentence in ways::blast_radius(both) {
        sheet.wrapped("  ", &sentence, 4);
    }
}

fn warnings(sheet: &mut Sheet, report: &Report) {
    if report.warnings.is_empty() {
        return;
    }
    sheet.section("Warnings");
    let mark = format!("  {} ", sheet.paint(Colour::Doubtful, "‼"));
    for warning in &report.warnings {
        sheet.wrapped(&mark, &warning.message, 4);
    }
}
