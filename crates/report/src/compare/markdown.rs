//! The comparison as GitHub Markdown, for a pull request's comment: what a maintainer wants at a
//! glance, and the rest folded away.

use dst_load_scenario::printable::whole;

use super::{
    Compared, Comparison, Outcome, Profiled,
    prose::{self, ORDER},
};
use crate::report::markdown::{code, escape};

/// The comparison as Markdown, ending in a newline.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let mut blocks = vec![format!(
        "## {}: {}",
        escape(&prose::title(comparison)),
        prose::loud(comparison.outcome).to_lowercase()
    )];
    blocks.extend(prose::preamble(comparison).map(|told| format!("> {told}")));
    blocks.push(format!(
        "**{}**: {}",
        prose::loud(comparison.outcome),
        prose::counts(comparison)
    ));
    let mut sides = vec![
        format!(
            "- **Baseline**: {}",
            escape(&prose::side(&comparison.baseline))
        ),
        format!(
            "- **Candidate**: {}",
            escape(&prose::side(&comparison.candidate))
        ),
    ];
    sides.extend(prose::machine(comparison).map(|it| format!("- **Machine**: {}", escape(&it))));
    blocks.push(sides.join("\n"));
    let (shown, folded) = split(comparison);
    blocks.push(table(comparison, &shown));
    blocks.push(format!(
        "**Behaviour**: {}.",
        escape(&prose::behaviour(comparison))
    ));
    if !comparison.warnings.is_empty() {
        let warnings = comparison.warnings.iter();
        let warnings: Vec<_> = warnings.map(|told| format!("- {}", escape(told))).collect();
        blocks.push(warnings.join("\n"));
    }
    if !folded.is_empty() {
        let mut notes = vec![escape(&prose::method(comparison))];
        notes.extend(prose::notes(comparison).iter().map(|it| escape(it)));
        blocks.push(format!(
            "<details><summary>{} more measures</summary>\n\n{}\n\n{}\n\n</details>",
            folded.len(),
            table(comparison, &folded),
            notes.join("\n\n")
        ));
    }
    blocks.extend(comparison.profiles.iter().map(functions));
    // Nothing within a fence is markup, so nothing is escaped but what could end it.
    let repeat = comparison.repeat.replace('\n', " ");
    blocks.push(format!("```sh\n{repeat}\n```"));
    let mut text = blocks.join("\n\n");
    text.push('\n');
    whole(&text).into_owned()
}

/// The measures at a glance, and the rest: those that differ, and the headlines.
fn split(comparison: &Comparison) -> (Vec<&Compared>, Vec<&Compared>) {
    let measured = comparison.measures.iter();
    let measured = measured.filter(|it| it.difference.is_some());
    let (mut shown, folded): (Vec<_>, Vec<_>) = measured.partition(|it| {
        let differs = [Outcome::Regression, Outcome::Improvement].map(Some);
        it.headline || differs.contains(&it.outcome)
    });
    let place = |it: &&Compared| {
        ORDER
            .iter()
            .position(|&outcome| it.outcome == Some(outcome))
    };
    shown.sort_by_key(place);
    (shown, folded)
}

/// The functions that differ most, folded away.
fn functions(profiled: &Profiled) -> String {
    let mut lines = vec![
        "| function | baseline | candidate | difference | with callees |".to_owned(),
        "| --- | ---: | ---: | ---: | ---: |".to_owned(),
        format!("| {} | |", prose::all_functions(profiled).join(" | ")),
    ];
    lines.extend(profiled.functions.iter().map(|it| {
        let [name, numbers @ ..] = prose::function(it, profiled.unit);
        format!(
            "| {} | {} | {} |",
            code(&name),
            numbers.join(" | "),
            prose::with_callees(it, profiled.unit)
        )
    }));
    format!(
        "<details><summary>{}</summary>\n\n{}\n\n{}\n\n</details>",
        escape(&prose::profiled(profiled)),
        prose::reading(profiled),
        lines.join("\n")
    )
}

fn table(comparison: &Comparison, measures: &[&Compared]) -> String {
    let [_, heads @ ..] = prose::heads(comparison);
    let mut lines = vec![
        format!("| measure | {} | verdict |", heads.join(" | ")),
        "| --- | ---: | ---: | ---: | ---: | --- |".to_owned(),
    ];
    lines.extend(measures.iter().map(|compared| {
        let verdict = match compared.outcome {
            None => "not judged".to_owned(),
            Some(outcome @ (Outcome::Regression | Outcome::Improvement)) => {
                format!("**{}**", prose::word(outcome))
            }
            Some(outcome) => prose::word(outcome).to_owned(),
        };
        format!("| {} | {verdict} |", prose::row(compared).join(" | "))
    }));
    lines.join("\n")
}
