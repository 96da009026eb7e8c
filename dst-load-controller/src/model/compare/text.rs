//! The comparison for a terminal: 80 columns, and readable aloud: nothing is said by colour alone.

use super::{
    Comparison, Outcome, Profiled,
    prose::{self, ORDER},
};
use crate::model::report::text::Style;

const WIDTH: usize = 80;
/// The widest name of a function.
const NAME: usize = 43;

/// The comparison as text, ending in a newline.
#[must_use]
pub fn render(comparison: &Comparison, style: Style) -> String {
    let mut page = Page {
        text: String::new(),
        style,
    };
    page.head(comparison);
    page.measures(comparison);
    page.list(
        "Not compared, or without an interval",
        &prose::notes(comparison),
    );
    for profiled in &comparison.profiles {
        page.functions(profiled);
    }
    page.list("Warnings", &comparison.warnings);
    page.text.push('\n');
    page.wrapped("", &prose::method(comparison), 0);
    page.line(&format!("Again: {}", comparison.repeat));
    page.text
}

struct Page {
    text: String,
    style: Style,
}

const BOLD: u8 = 1;

const fn colour(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Regression => 31,
        Outcome::Improvement => 32,
        Outcome::NoDifference => BOLD,
        Outcome::Inconclusive => 33,
    }
}

// === impl Page ===

impl Page {
    fn head(&mut self, comparison: &Comparison) {
        let title = self.paint(BOLD, &prose::title(comparison));
        self.line(&title);
        if let Some(told) = prose::preamble(comparison) {
            self.wrapped("", told, 0);
        }
        let loud = prose::loud(comparison.outcome);
        let start = self.text.len() + "Verdict: ".len();
        self.wrapped(&format!("Verdict: {loud}:"), &prose::counts(comparison), 9);
        // Coloured only now: escapes have no width, and wrapping counts widths.
        let painted = self.paint(colour(comparison.outcome), loud);
        self.text.replace_range(start..start + loud.len(), &painted);
        self.text.push('\n');
        for (name, side) in [
            ("Baseline:", &comparison.baseline),
            ("Candidate:", &comparison.candidate),
        ] {
            self.wrapped(&format!("{name:<11}"), &prose::side(side), 12);
        }
        if let Some(machine) = prose::machine(comparison) {
            self.wrapped("Machine:   ", &machine, 12);
        }
    }

    fn measures(&mut self, comparison: &Comparison) {
        let heads = prose::heads(comparison);
        let rows: Vec<_> = comparison
            .measures
            .iter()
            .filter(|it| it.difference.is_some())
            .map(|it| (it.outcome, prose::row(it)))
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|(_, row)| &row[column]);
            let cells = cells.chain([&heads[column]]);
            cells.map(|cell| cell.chars().count()).max()
        };
        let widths: [usize; 5] = std::array::from_fn(|column| width(column).unwrap_or_default());
        let told = ORDER.map(Some).into_iter().chain([None]);
        for outcome in told {
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
            self.text.push('\n');
            let line = self.columns(&heads, &widths, head);
            self.line(&line);
            let start = self.text.len() - line.len() - 1;
            let painted = self.paint(outcome.map_or(BOLD, colour), head);
            self.text.replace_range(start..start + head.len(), &painted);
            for (_, row) in of {
                let line = self.columns(row, &widths, &row[0]);
                self.line(&line);
            }
        }
    }

    fn functions(&mut self, profiled: &Profiled) {
        self.text.push('\n');
        let start = self.text.len();
        self.wrapped("", &prose::profiled(profiled), 0);
        let head = self.text.split_off(start);
        // Line by line: wrapping counts widths, and escapes have none.
        for line in head.lines() {
            let line = self.paint(BOLD, line);
            self.line(&line);
        }
        self.wrapped("", &prose::reading(profiled), 0);
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
            self.line(&format!(
                "  {name:<NAME$} {baseline:>10} {candidate:>10} {difference:>11}"
            ));
        }
    }

    /// A line of the table: the first column to the left, the others to the right.
    fn columns(&self, row: &[String; 5], widths: &[usize; 5], first: &str) -> String {
        let content: usize = widths.iter().sum();
        let gap = (WIDTH.saturating_sub(content) / 4).clamp(1, 3);
        let mut line = format!("{first:<width$}", width = widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            line.push_str(&format!("{cell:>width$}", width = width + gap));
        }
        line.trim_end().to_owned()
    }

    fn list(&mut self, head: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.text.push('\n');
        let head = self.paint(BOLD, head);
        self.line(&head);
        for item in items {
            self.wrapped("  -", item, 4);
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Breaks lines at spaces; those after the first are indented.
    fn wrapped(&mut self, first: &str, text: &str, indent: usize) {
        let mut line = first.to_owned();
        for word in text.split_whitespace() {
            let wide = line.chars().count() + 1 + word.chars().count() > WIDTH;
            if wide && !line.trim().is_empty() {
                self.line(line.trim_end());
                line = " ".repeat(indent);
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(line.trim_end());
    }

    fn paint(&self, code: u8, text: &str) -> String {
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}
