//! The report as a document: each section is built here once, for every form.

mod overview;

use super::{
    Ending, Report, criteria,
    page::Page,
    prose::{self, CYCLE_HEADS, Fact, LATENCY_HEADS},
    proxies::{self, REPLICA_HEADS},
    ways, wrong,
};
use crate::{
    document::{
        ALL, Block, Document, Head, List, ListStyle, MARKDOWN_AND_PAGE, PAGE, TEXT,
        TEXT_AND_MARKDOWN, Table, Tone,
    },
    verdict::Verdict,
};

/// The head of the advice, which stands at different places in different forms.
const WHAT_TO_TRY: &str = "What to try";

/// Whether more will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The run is over.
    Final,
    /// It goes on, and the page is asked for again and again where it came from.
    Running,
}

/// The document of a report, for forms that have no charts.
pub(super) fn document(report: &Report) -> Document {
    build(report, None, State::Final)
}

/// The document of a page.
pub(super) fn document_of_page(page: &Page, state: State) -> Document {
    build(&page.report, Some(page), state)
}

fn build(report: &Report, page: Option<&Page>, state: State) -> Document {
    let mut document = Document::new(head(report, state));
    // What is not over yet is no doubt about it, and nothing has to be done about it.
    let advice: &[String] = match state {
        State::Final => &report.recommendations,
        State::Running => &[],
    };
    let facts = prose::facts(report);
    let tiles = overview::tiles(report);
    document.add(PAGE, Block::Tiles { tiles });
    criteria(&mut document, report, &facts);
    if !advice.is_empty() {
        document.section(MARKDOWN_AND_PAGE, "advice", WHAT_TO_TRY, WHAT_TO_TRY);
        document.add(MARKDOWN_AND_PAGE, List::of(ListStyle::Typed, advice));
    }
    charts(&mut document);
    latency(&mut document, report);
    document.add(TEXT_AND_MARKDOWN, Block::facts(facts.clone()));
    cycles(&mut document, report);
    correctness(&mut document, report, &facts);
    warnings(&mut document, report, state);
    // On a terminal the end is what is in sight.
    document.listed(TEXT, WHAT_TO_TRY, List::of(ListStyle::Typed, advice));
    if let Some(page) = page {
        about(&mut document, page, facts);
    }
    document
}

fn head(report: &Report, state: State) -> Head {
    let (word, tone) = match report.verdict {
        _ if state == State::Running => ("Running", Tone::Running),
        Verdict::Pass => ("Pass", Tone::Good),
        Verdict::Fail => ("Fail", Tone::Bad),
        Verdict::Invalid => ("Invalid", Tone::Doubtful),
    };
    let ends = match &report.ending {
        Ending::Complete | Ending::CutOff => None,
        Ending::Interrupted => Some(
            "The run was interrupted before its plan ended; this is what it had seen.".to_owned(),
        ),
        Ending::Spared { reason } => Some(format!("The run ended by itself: {reason}.")),
        Ending::Failed { error } => Some(format!("The run ended with an error: {error}.")),
    };
    let (said, reasons, running) = match state {
        State::Final => (prose::verdict(report), report.reasons.clone(), None),
        State::Running => {
            let running = Some(overview::so_far(report));
            (overview::criteria_so_far(report), Vec::new(), running)
        }
    };
    Head {
        title: prose::title(report),
        self_test: report.is_self_test().then(|| {
            "This run measured the tool's own reference destination. None of its numbers is a \
             measurement of Linkerd."
                .to_owned()
        }),
        caveats: prose::clients(report).into_iter().chain(ends).collect(),
        tested: (!report.is_self_test()).then(|| overview::tested(report)),
        running,
        verdict: crate::document::Verdict {
            word,
            tone,
            said,
            reasons,
        },
    }
}

fn criteria(document: &mut Document, report: &Report, facts: &[Fact]) {
    document.section(ALL, "criteria", "Criteria", "Criteria");
    let note = "The worst over the run and each whole cycle. Latency is the destination stage’s \
                unless the name says `endToEnd`.";
    document.add(PAGE, Block::note(note));
    document.add(ALL, criteria::table(report));
    let slowest = relabelled(facts, "Slowest", "Slowest change");
    if !slowest.is_empty() {
        let block = Block::Facts {
            id: Some("slowest"),
            facts: slowest,
        };
        document.add(PAGE, block);
    }
}

/// The fact of this label, under another one.
fn relabelled(facts: &[Fact], label: &str, other: &'static str) -> Vec<Fact> {
    let found = facts.iter().filter(|(it, _)| *it == label);
    found.map(|(_, said)| (other, said.clone())).collect()
}

fn charts(document: &mut Document) {
    for (name, title, note) in [
        (
            "timeline",
            "Timeline",
            "All on one axis, from the start of the run. Point at it, or focus it and use the \
             arrow keys, to read values.",
        ),
        (
            "fan-out",
            "Fan-out",
            "For each change of endpoints: the share of its streams that have received it, by the time \
             since it became visible in Kubernetes.",
        ),
    ] {
        document.section(PAGE, name, title, title);
        document.add(PAGE, Block::note(note));
        document.add(PAGE, Block::Chart { name });
    }
}

fn latency(document: &mut Document, report: &Report) {
    document.section(
        ALL,
        "latency",
        "Latency",
        "Latency of deliveries (one endpoint to one stream)",
    );
    document.add(
        PAGE,
        Block::note(
            "`kubernetes` is from the instant at which the plan wanted a change until its \
             EndpointSlice was visible; `destination` from there until a stream held it; \
             `end to end` is both. What had not arrived by the deadline counts as at least that \
             long.",
        ),
    );
    let rows = prose::latency_rows(&report.latency);
    if rows.is_empty() {
        document.add(ALL, Block::paragraph("No delivery was counted."));
    } else {
        let caption = "Latency by stage and direction, over the run";
        let heads = std::iter::once("stage").chain(LATENCY_HEADS);
        document.add(ALL, Table::of_numbers(caption, heads, rows));
        let remarks = prose::censored(&report.latency);
        document.add(ALL, Block::Remarks { remarks });
        for (name, title) in [
            ("stages", "Stages side by side"),
            ("distribution", "Distribution"),
            ("quantiles", "By time"),
        ] {
            document.part(PAGE, title);
            document.add(PAGE, Block::Chart { name });
        }
    }
    if let Some(both) = &report.federation {
        document.part(ALL, ways::head(both));
        document.add(ALL, ways::table(both));
        let remarks = ways::blast_radius(both);
        document.add(ALL, Block::Remarks { remarks });
    }
    let replicas = proxies::replica_rows(report);
    if !replicas.is_empty() {
        let title = "Replicas (destination stage, additions and removals)";
        document.part(ALL, title);
        document.add(ALL, Table::of_numbers(title, REPLICA_HEADS, replicas));
    }
}

fn cycles(document: &mut Document, report: &Report) {
    let title = "Cycles (destination stage)";
    let rows = prose::cycle_rows(report);
    if !rows.is_empty() {
        document.part(TEXT_AND_MARKDOWN, title);
        let table = Table::of_numbers(title, CYCLE_HEADS, rows);
        document.add(TEXT_AND_MARKDOWN, table);
    }
    if report.cycles.is_empty() {
        return;
    }
    document.section(PAGE, "cycles", "Cycles", title);
    document.add(
        PAGE,
        Block::note(
            "The lowest heap is the target’s in the second half of a cycle: where it keeps rising \
             from cycle to cycle, memory does not return to its baseline. Where the target has no \
             heap metric it is resident memory.",
        ),
    );
    document.add(PAGE, Block::Chart { name: "memory" });
    let (table, left_out) = overview::cycles(report);
    document.add(PAGE, table);
    if left_out > 0 {
        let note = format!("{left_out} cycles in the middle are left out; report.json has all.");
        document.add(PAGE, Block::note(note));
    }
}

fn correctness(document: &mut Document, report: &Report, facts: &[Fact]) {
    document.section(PAGE, "correctness", "Correctness", "Correctness");
    let note = "What every stream held at the settled end, against what it was promised.";
    document.add(PAGE, Block::note(note));
    let at_the_end = relabelled(facts, "Correctness", "At the end");
    document.add(PAGE, Block::facts(at_the_end));
    let services = List::of(ListStyle::Sentences, &wrong::services(report));
    document.listed(ALL, "Wrong at the end, by Service", services);
    let examples = List::of(ListStyle::Machine, &report.correctness.examples);
    document.listed(ALL, "Wrong at the end, for example", examples);
}

fn warnings(document: &mut Document, report: &Report, state: State) {
    let all = report.warnings.iter();
    let warnings: Vec<_> = all
        .filter(|it| state == State::Final || !overview::waits_for_the_end(&it.warning))
        .map(|it| it.message.clone())
        .collect();
    if warnings.is_empty() {
        return;
    }
    let link = format!("Warnings ({})", warnings.len());
    document.section(ALL, "warnings", link, "Warnings");
    document.add(
        ALL,
        List::marked(ListStyle::Typed, Tone::Doubtful, &warnings),
    );
}

/// All that a page says of a run elsewhere is left out here.
fn about(document: &mut Document, page: &Page, facts: Vec<Fact>) {
    let title = "About this run";
    document.section(PAGE, "about", title, title);
    let mut about = overview::about(page);
    let elsewhere = ["Correctness", "Slowest", "Target"];
    about.extend(facts.into_iter().filter(|(it, _)| !elsewhere.contains(it)));
    document.add(PAGE, Block::facts(about));
    let verbatim = serde_json::to_string_pretty(&page.settings)
        .expect("invariant: the settings were JSON before");
    document.add(
        PAGE,
        Block::Folded {
            summary: "The scenario, as it was understood".to_owned(),
            blocks: vec![Block::Verbatim { verbatim }],
        },
    );
}
