//! The report as GitHub Markdown, for a pull request's comment.

use dst_load_scenario::printable::whole;

use super::{
    Report, criteria,
    prose::{self, CYCLE_HEADS, LATENCY_HEADS},
    proxies::{self, REPLICA_HEADS},
    ways, wrong,
};
use crate::verdict::Verdict;

/// The report as Markdown, ending in a newline.
#[must_use]
pub fn render(report: &Report) -> String {
    let mark = match report.verdict {
        Verdict::Pass => "✅",
        Verdict::Fail => "❌",
        Verdict::Invalid => "⚠️",
    };
    let mut blocks = vec![
        format!("## {}", escape(&prose::title(report))),
        format!(
            "{mark} **{}**, {}",
            report.verdict.to_string().to_uppercase(),
            escape(&prose::verdict(report))
        ),
    ];
    blocks.extend(
        prose::preamble(report)
            .iter()
            .map(|line| format!("> {}", escape(line))),
    );
    blocks.extend(list(&report.reasons));
    blocks.push("### Criteria".to_owned());
    blocks.push(judged(report));
    if let Some(advice) = list(&report.recommendations) {
        blocks.push("### What to try".to_owned());
        blocks.push(advice);
    }
    blocks.push("### Latency of deliveries".to_owned());
    blocks.push(latency(report));
    blocks.extend(list(&prose::censored(&report.latency)));
    let facts: Vec<_> = prose::facts(report)
        .into_iter()
        .map(|(label, sentence)| format!("- **{label}**: {}", escape(&sentence)))
        .collect();
    blocks.push(facts.join("\n"));
    let cycles = prose::cycle_rows(report);
    if !cycles.is_empty() {
        blocks.push("### Cycles (destination stage)".to_owned());
        blocks.push(table(&CYCLE_HEADS.map(str::to_owned), &escaped(&cycles)));
    }
    let replicas = proxies::replica_rows(report);
    if !replicas.is_empty() {
        blocks.push("### Replicas (destination stage, additions and removals)".to_owned());
        blocks.push(table(
            &REPLICA_HEADS.map(str::to_owned),
            &escaped(&replicas),
        ));
    }
    if let Some(both) = &report.federation {
        blocks.push(format!("### {}", escape(&ways::head(both))));
        blocks.push(table(&ways::heads(), &escaped(&ways::rows(both))));
        blocks.extend(list(&ways::blast_radius(both)));
    }
    if let Some(services) = list(&wrong::services(report)) {
        blocks.push("### Wrong at the end, by Service".to_owned());
        blocks.push(services);
    }
    if let Some(examples) = list(&report.correctness.examples) {
        blocks.push("### Wrong at the end, for example".to_owned());
        blocks.push(examples);
    }
    let warnings: Vec<_> = report.warnings.iter().map(|w| w.message.clone()).collect();
    if let Some(warnings) = list(&warnings) {
        blocks.push("### Warnings".to_owned());
        blocks.push(warnings);
    }
    let mut text = blocks.join("\n\n");
    text.push('\n');
    whole(&text).into_owned()
}

fn latency(report: &Report) -> String {
    let rows: Vec<Vec<String>> = prose::latency_rows(&report.latency)
        .into_iter()
        .map(|row| std::iter::once(row.name).chain(row.cells).collect())
        .collect();
    if rows.is_empty() {
        return "No delivery was counted.".to_owned();
    }
    let heads: Vec<_> = std::iter::once("stage")
        .chain(LATENCY_HEADS)
        .map(str::to_owned)
        .collect();
    table(&heads, &rows)
}

fn judged(report: &Report) -> String {
    let rows: Vec<_> = report
        .criteria
        .iter()
        .map(|judged| {
            let (mark, cells) = criteria::row(judged);
            let cells = cells.iter().enumerate().map(|(column, cell)| match column {
                0 => code(cell),
                _ => escape(cell),
            });
            std::iter::once(mark.to_owned()).chain(cells).collect()
        })
        .collect();
    let heads: Vec<_> = std::iter::once("")
        .chain(criteria::HEADS)
        .map(str::to_owned)
        .collect();
    table(&heads, &rows)
}

/// A table whose columns but the first are aligned to the right if they hold numbers.
fn table(heads: &[String], rows: &[Vec<String>]) -> String {
    let rule: Vec<_> = heads
        .iter()
        .enumerate()
        .map(|(column, _)| {
            let numeric = column > 0
                && rows.iter().all(|row| {
                    let numeric = |c: char| c.is_ascii_digit() || "≥-…".contains(c);
                    row[column].starts_with(numeric) && row[column].chars().count() < 16
                });
            if numeric { "---:" } else { "---" }
        })
        .collect();
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![line(heads), format!("| {} |", rule.join(" | "))];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

fn list(items: &[String]) -> Option<String> {
    let items: Vec<_> = items
        .iter()
        .map(|item| format!("- {}", escape(item)))
        .collect();
    (!items.is_empty()).then(|| items.join("\n"))
}

/// The cells of a table.
fn escaped(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let row = |row: &Vec<String>| row.iter().map(|cell| escape(cell)).collect();
    rows.iter().map(row).collect()
}

/// Text within a cell as it is typed.
pub(crate) fn code(text: &str) -> String {
    let plain = text.replace('`', "'").replace(['\n', '\r'], " ");
    format!("`{}`", plain.replace('|', "\\|"))
}

/// Text from elsewhere must neither end a table's cell nor become markup or a mention.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '\\' | '&' => {
                out.push('\\');
                out.push(c);
            }
            '@' => out.push_str("@&#8203;"),
            c => out.push(c),
        }
    }
    out
}
