//! The report for a terminal: 80 columns, and readable aloud: nothing is said by colour alone.

use super::{
    Report, criteria,
    prose::{self, CYCLE_HEADS, LATENCY_HEADS},
    proxies::{self, REPLICA_HEADS},
    ways, wrong,
};
use crate::model::verdict::Verdict;

/// Whether a terminal's colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// None.
    #[default]
    Plain,
    /// ANSI escapes.
    Coloured,
}

const WIDTH: usize = 80;

#[derive(Clone, Copy)]
enum Colour {
    Good,
    Bad,
    Doubtful,
    Bold,
}

/// The report as text, ending in a newline.
#[must_use]
pub fn render(report: &Report, style: Style) -> String {
    let mut page = Page {
        text: String::new(),
        style,
    };
    page.head(report);
    page.criteria(report);
    page.latency(report);
    page.text.push('\n');
    for (label, sentence) in prose::facts(report) {
        page.labelled(label, &sentence);
    }
    page.cycles(report);
    page.replicas(report);
    page.ways(report);
    page.list("Wrong at the end, by Service", &wrong::services(report));
    page.list(
        "Wrong at the end, for example",
        &report.correctness.examples,
    );
    let warnings: Vec<_> = report.warnings.iter().map(|w| w.message.clone()).collect();
    page.marked("Warnings", "‼", Colour::Doubtful, &warnings);
    page.list("What to try", &report.recommendations);
    page.text
}

struct Page {
    text: String,
    style: Style,
}

// === impl Page ===

impl Page {
    fn head(&mut self, report: &Report) {
        let title = self.paint(Colour::Bold, &prose::title(report));
        self.line(&title);
        for line in prose::preamble(report) {
            self.wrapped("", &line, 0);
        }
        let (word, colour) = match report.verdict {
            Verdict::Pass => ("PASS", Colour::Good),
            Verdict::Fail => ("FAIL", Colour::Bad),
            Verdict::Invalid => ("INVALID", Colour::Doubtful),
        };
        let word = self.paint(colour, word);
        self.line(&format!("Verdict: {word}, {}", prose::verdict(report)));
        for reason in &report.reasons {
            self.wrapped("  - ", reason, 4);
        }
    }

    fn latency(&mut self, report: &Report) {
        self.section("Latency of deliveries (one stream learning of one endpoint)");
        let rows = prose::latency_rows(&report.latency);
        if rows.is_empty() {
            self.line("  no delivery was counted");
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
        self.table(&table);
        for note in prose::censored(&report.latency) {
            self.wrapped("  ", &note, 4);
        }
    }

    fn criteria(&mut self, report: &Report) {
        self.section("Criteria");
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
            let [name_width, limit_width, observed_width, margin_width, _] = widths.as_slice()
            else {
                continue;
            };
            let painted = self.paint(colour, mark);
            let cells = format!(
                "{name:<name_width$}  {observed:>observed_width$}  {limit:<limit_width$}  \
                 {margin:>margin_width$}"
            );
            // Where it was seen is short; why it was not judged has a line of its own.
            if judged.held.is_some()
                && 4 + cells.chars().count() + 2 + place.chars().count() <= WIDTH
            {
                self.line(&format!("  {painted} {cells}  {place}"));
            } else {
                self.line(format!("  {painted} {cells}").trim_end());
                self.wrapped("      ", place, 6);
            }
        }
    }

    fn cycles(&mut self, report: &Report) {
        let rows = prose::cycle_rows(report);
        if rows.is_empty() {
            return;
        }
        self.section("Cycles (destination stage)");
        let mut table = vec![CYCLE_HEADS.map(str::to_owned).to_vec()];
        table.extend(rows);
        self.table(&table);
    }

    fn replicas(&mut self, report: &Report) {
        let rows = proxies::replica_rows(report);
        if rows.is_empty() {
            return;
        }
        self.section("Replicas (destination stage, additions and removals)");
        let mut table = vec![REPLICA_HEADS.map(str::to_owned).to_vec()];
        table.extend(rows);
        self.table(&table);
    }

    fn ways(&mut self, report: &Report) {
        let Some(both) = &report.federation else {
            return;
        };
        self.section(&ways::head(both));
        let mut table = vec![ways::heads()];
        table.extend(ways::rows(both));
        self.table(&table);
        for sentence in ways::blast_radius(both) {
            self.wrapped("  ", &sentence, 4);
        }
    }

    /// Pads the cells: the first column to the left, the others to the right.
    fn table(&mut self, rows: &[Vec<String>]) {
        let widths = widths(rows.iter().map(Vec::as_slice));
        let content: usize = widths.iter().sum();
        let gaps = widths.len().saturating_sub(1).max(1);
        let gap = (WIDTH.saturating_sub(content) / gaps).clamp(1, 3);
        for row in rows {
            let mut line = String::new();
            for (i, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if i == 0 {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    let width = width + gap;
                    line.push_str(&format!("{cell:>width$}"));
                }
            }
            self.line(line.trim_end());
        }
    }

    fn list(&mut self, head: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.section(head);
        for item in items {
            self.wrapped("  - ", item, 4);
        }
    }

    fn marked(&mut self, head: &str, mark: &str, colour: Colour, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.section(head);
        for item in items {
            self.bullet(mark, colour, item);
        }
    }

    fn bullet(&mut self, mark: &str, colour: Colour, text: &str) {
        let painted = self.paint(colour, mark);
        let start = self.text.len();
        self.wrapped(&format!("  {mark} "), text, 4);
        // The mark is coloured only now: escapes have no width, and wrapping counts widths.
        self.text
            .replace_range(start + 2..start + 2 + mark.len(), &painted);
    }

    fn labelled(&mut self, label: &str, text: &str) {
        self.wrapped(&format!("{:<15}", format!("{label}:")), text, 15);
    }

    fn section(&mut self, head: &str) {
        let head = self.paint(Colour::Bold, head);
        self.text.push('\n');
        self.line(&head);
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Breaks lines at spaces; those after the first are indented.
    fn wrapped(&mut self, first: &str, text: &str, indent: usize) {
        let mut line = first.to_owned();
        let mut width = line.chars().count();
        let mut fresh = true;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if !fresh && width + 1 + length > WIDTH {
                self.line(&line);
                line = " ".repeat(indent);
                width = indent;
                fresh = true;
            }
            if !fresh {
                line.push(' ');
                width += 1;
            }
            line.push_str(word);
            width += length;
            fresh = false;
        }
        self.line(line.trim_end());
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Good => 32,
            Colour::Bad => 31,
            Colour::Doubtful => 33,
            Colour::Bold => 1,
        };
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// The widest cell of each column.
fn widths<'a>(rows: impl Iterator<Item = &'a [String]>) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}
