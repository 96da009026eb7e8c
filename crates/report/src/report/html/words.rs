//! The page's words and tables, as the other readable formats have them.

use dst_load_recording::{statistics::CycleSummary, warning::Warning};
use dst_load_scenario::{
    criteria::Bound,
    words::{bytes, count, counted, number, seconds, span},
};
use serde::Serialize;

use super::State;
use crate::{
    report::{
        Report,
        page::Page,
        prose::{self, LATENCY_HEADS},
        proxies::{self, REPLICA_HEADS},
        ways, wrong,
    },
    verdict::{Judged, Verdict},
};

/// What the template puts into the page.
#[derive(Serialize)]
pub(super) struct Words {
    title: String,
    scenario: String,
    self_test: bool,
    tested: String,
    preamble: Vec<String>,
    /// How far the run has come; `None` when it is over.
    running: Option<String>,
    verdict: &'static str,
    verdict_word: &'static str,
    verdict_said: String,
    reasons: Vec<String>,
    tiles: Vec<Tile>,
    about: Vec<(&'static str, String)>,
    criteria: Vec<Criterion>,
    recommendations: Vec<String>,
    latency: Table,
    censored: Vec<String>,
    facts: Vec<(&'static str, String)>,
    cycles: Option<Table>,
    cycles_left_out: u64,
    replicas: Option<Table>,
    ways: Option<Ways>,
    wrong_services: Vec<String>,
    examples: Vec<String>,
    warnings: Vec<String>,
    settings: String,
    tool: String,
}

/// One number that is worth a large type.
#[derive(Serialize)]
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    /// `good`, `bad` or nothing.
    tone: &'static str,
}

/// One criterion.
#[derive(Serialize)]
struct Criterion {
    name: String,
    /// `held`, `broken` or `open`.
    state: &'static str,
    said: &'static str,
    limit: String,
    observed: String,
    margin: String,
    scope: String,
    /// How much of the limit was used, percent, for the bar; `None` where that is no share.
    used: Option<f64>,
}

#[derive(Serialize)]
struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct Ways {
    head: String,
    table: Table,
    blast_radius: Vec<String>,
}

/// Cycles that the table has at either end.
const CYCLES: usize = 100;

// === impl Words ===

impl Words {
    pub(super) fn of(page: &Page, state: State) -> Self {
        let report = &page.report;
        let running = state == State::Running;
        let at_the_end = |said: &[String]| if running { Vec::new() } else { said.to_vec() };
        let rows = prose::latency_rows(&report.latency);
        let (cycles, cycles_left_out) = cycles(report);
        Self {
            title: prose::title(report),
            scenario: report.scenario.name.clone(),
            self_test: report.is_self_test(),
            tested: tested(report),
            preamble: prose::preamble(report),
            running: running.then(|| so_far(report)),
            verdict: match report.verdict {
                _ if running => "running",
                Verdict::Pass => "pass",
                Verdict::Fail => "fail",
                Verdict::Invalid => "invalid",
            },
            verdict_word: match report.verdict {
                _ if running => "Running",
                Verdict::Pass => "Pass",
                Verdict::Fail => "Fail",
                Verdict::Invalid => "Invalid",
            },
            verdict_said: if running {
                criteria_so_far(report)
            } else {
                prose::verdict(report)
            },
            // What is not over yet is no doubt about it, and nothing has to be done about it.
            reasons: at_the_end(&report.reasons),
            tiles: tiles(report),
            about: about(page),
            criteria: report.criteria.iter().map(Criterion::of).collect(),
            recommendations: at_the_end(&report.recommendations),
            latency: Table {
                heads: (std::iter::once("stage").chain(LATENCY_HEADS))
                    .map(str::to_owned)
                    .collect(),
                rows: (rows.into_iter())
                    .map(|row| std::iter::once(row.name).chain(row.cells).collect())
                    .collect(),
            },
            censored: prose::censored(&report.latency),
            facts: prose::facts(report),
            cycles,
            cycles_left_out,
            replicas: (!report.replicas.is_empty()).then(|| Table {
                heads: REPLICA_HEADS.map(str::to_owned).to_vec(),
                rows: proxies::replica_rows(report),
            }),
            ways: report.federation.as_ref().map(|both| Ways {
                head: ways::head(both),
                table: Table {
                    heads: ways::heads(),
                    rows: ways::rows(both),
                },
                blast_radius: ways::blast_radius(both),
            }),
            wrong_services: wrong::services(report),
            examples: report.correctness.examples.clone(),
            warnings: report
                .warnings
                .iter()
                .filter(|it| !running || !waits_for_the_end(&it.warning))
                .map(|it| it.message.clone())
                .collect(),
            settings: serde_json::to_string_pretty(&page.settings)
                .expect("invariant: the settings were JSON before"),
            tool: format!("{} ({})", report.tool.version, report.tool.commit),
        }
    }
}

/// What the page of a run that goes on says of itself.
fn so_far(report: &Report) -> String {
    format!(
        "The run goes on, {} since its start. This page follows it; nothing here is final.",
        seconds(report.duration_seconds.round())
    )
}

fn criteria_so_far(report: &Report) -> String {
    let with = |held| {
        (report.criteria.iter())
            .filter(|it| it.held == held)
            .count() as u64
    };
    let open = with(None);
    let open = if open == 0 {
        String::new()
    } else {
        format!(", {} cannot be judged yet", count(open))
    };
    format!(
        "so far {} of {} hold{open}",
        count(with(Some(true))),
        counted(report.criteria.len() as u64, "criterion", "criteria"),
    )
}

/// Whether a warning says no more than that the run has not ended yet.
const fn waits_for_the_end(warning: &Warning) -> bool {
    matches!(warning, Warning::CutOff | Warning::UncheckedStreams { .. })
}

/// What a reader looks for first.
fn tiles(report: &Report) -> Vec<Tile> {
    let (fan_out, right) = (&report.fan_out, &report.correctness);
    let known = |seconds_: Option<f64>| seconds_.map_or_else(|| "-".to_owned(), seconds);
    let incomplete = fan_out.is_incomplete();
    let p99 =
        |latency: &dst_load_recording::statistics::LatencySummary| match latency.quantile("p99") {
            Some((value, true)) => format!("≥ {}", seconds(value)),
            Some((value, false)) => seconds(value),
            None => "-".to_owned(),
        };
    let deliveries = |latency: &dst_load_recording::statistics::LatencySummary| {
        counted(latency.count, "delivery", "deliveries")
    };
    let destination = &report.latency.destination;
    vec![
        Tile {
            label: "Until the last stream knew",
            // A stream that never knew took at least until the deadline.
            value: if incomplete {
                format!("≥ {}", seconds(report.deadline_seconds))
            } else {
                known(fan_out.last_seconds_max)
            },
            note: if incomplete {
                format!(
                    "the deadline; of those that ever knew the last after {}",
                    known(fan_out.last_seconds_max)
                )
            } else {
                format!("worst of {}", counted(fan_out.changes, "change", "changes"))
            },
            tone: "",
        },
        Tile {
            label: "p99, additions",
            value: p99(&destination.add),
            note: format!("destination stage, {}", deliveries(&destination.add)),
            tone: "",
        },
        Tile {
            label: "p99, removals",
            value: p99(&destination.remove),
            note: format!("destination stage, {}", deliveries(&destination.remove)),
            tone: "",
        },
        Tile {
            label: "Changes known to all",
            value: format!("{} of {}", count(fan_out.completed), count(fan_out.changes)),
            note: "every stream that stayed, by the deadline".to_owned(),
            tone: if fan_out.changes == 0 {
                ""
            } else if incomplete {
                "bad"
            } else {
                "good"
            },
        },
        Tile {
            label: "Streams wrong at the end",
            value: format!(
                "{} of {}",
                count(right.streams_wrong),
                count(right.streams_checked)
            ),
            note: format!(
                "{} missing, {} stale, {} unexpected",
                count(right.missing),
                count(right.stale),
                count(right.unexpected)
            ),
            tone: match (right.streams_checked, right.streams_wrong) {
                (0, _) => "",
                (_, 0) => "good",
                _ => "bad",
            },
        },
    ]
}

/// What was measured.
fn tested(report: &Report) -> String {
    match (report.is_self_test(), &report.target.version) {
        (true, _) => "the reference destination of this tool, not Linkerd".to_owned(),
        (false, Some(version)) => format!("Linkerd's destination controller {version}"),
        (false, None) => "Linkerd's destination controller, of an unknown version".to_owned(),
    }
}

/// What was run, on what, with what.
#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn about(page: &Page) -> Vec<(&'static str, String)> {
    let report = &page.report;
    let mut about = vec![
        ("Target", tested(report)),
        (
            "Scenario",
            format!("{} (seed {})", report.scenario.name, report.scenario.seed),
        ),
        ("Run", report.run_id.clone()),
        ("Namespace", page.namespace.clone()),
        (
            "Started",
            (report.started.clone()).unwrap_or_else(|| "virtual time has no date".to_owned()),
        ),
        (
            "Duration",
            format!("{} from the start of churn", span(report.duration_seconds)),
        ),
        (
            "Deadline",
            format!(
                "{}: an update that took longer has never arrived",
                seconds(report.deadline_seconds)
            ),
        ),
    ];
    about.push((
        "Machine",
        report.machine.as_ref().map_or_else(
            || {
                let virtually = "in virtual time none matters";
                (if report.virtual_time {
                    virtually
                } else {
                    "not recorded"
                })
                .to_owned()
            },
            |machine| {
                format!(
                    "{}, {}, {}",
                    counted(u64::from(machine.cpus), "CPU", "CPUs"),
                    bytes(machine.memory_bytes as f64),
                    machine.system
                )
            },
        ),
    ));
    about
}

/// The cycles' table, and how many it leaves out.
fn cycles(report: &Report) -> (Option<Table>, u64) {
    let all = &report.cycles;
    if all.is_empty() {
        return (None, 0);
    }
    let heads = [
        "cycle",
        "start",
        "changes",
        "known to all",
        "add p99",
        "remove p99",
        "last stream",
        "lowest heap",
        "against cycle 1",
        "peak resident",
    ];
    let first = all[0].heap_floor_bytes;
    let left_out = all.len().saturating_sub(2 * CYCLES);
    let row = |(index, cycle): (usize, &CycleSummary)| {
        let shown = left_out == 0 || index < CYCLES || index >= all.len() - CYCLES;
        shown.then(|| cycle_row(cycle, first))
    };
    let table = Table {
        heads: heads.map(str::to_owned).to_vec(),
        rows: all.iter().enumerate().filter_map(row).collect(),
    };
    (Some(table), left_out as u64)
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn cycle_row(cycle: &CycleSummary, first: Option<f64>) -> Vec<String> {
    let mut cells = prose::cycle_row(cycle);
    let nothing = || "-".to_owned();
    cells.push(cycle.heap_floor_bytes.map_or_else(nothing, bytes));
    let against = first.zip(cycle.heap_floor_bytes);
    cells.push(match against {
        Some((first, now)) if first > 0.0 && cycle.cycle > 1 => {
            let percent = 100.0 * (now - first) / first;
            let sign = if percent > 0.0 { "+" } else { "" };
            format!("{sign}{} %", number(percent))
        }
        _ => nothing(),
    });
    let peak = cycle.peak_rss_bytes.map(|peak| bytes(peak as f64));
    cells.push(peak.unwrap_or_else(nothing));
    cells
}

// === impl Criterion ===

impl Criterion {
    fn of(judged: &Judged) -> Self {
        let bound = judged.bound();
        let room = judged.observed.and_then(|observed| match bound {
            Bound::AtMost => Some(judged.limit - observed),
            Bound::AtLeast => Some(observed - judged.limit),
            Bound::Exactly => None,
        });
        let lower = if judged.censored { "≥ " } else { "" };
        let used = judged
            .observed
            .filter(|_| bound == Bound::AtMost && judged.limit > 0.0);
        let (state, said) = match judged.held {
            Some(true) => ("held", "held"),
            Some(false) => ("broken", "did not hold"),
            None => ("open", "not judged"),
        };
        Self {
            name: judged.name.to_string(),
            state,
            said,
            limit: format!("{} {}", bound.words(), judged.words(judged.limit)),
            observed: judged.observed.map_or_else(
                || "-".to_owned(),
                |observed| format!("{lower}{}", judged.words(observed)),
            ),
            margin: match room {
                Some(room) if judged.held.is_some() => margin(judged, room),
                _ => "-".to_owned(),
            },
            scope: judged.scope.clone(),
            used: used
                .filter(|_| judged.held.is_some())
                .map(|observed| (100.0 * observed / judged.limit).clamp(0.0, 100.0)),
        }
    }
}

/// How far from the limit, on which side.
fn margin(judged: &Judged, room: f64) -> String {
    if room == 0.0 {
        return "none".to_owned();
    }
    let side = if room > 0.0 { "left" } else { "over" };
    // What never arrived is at least as far over; nobody knows how far.
    let bound = if judged.censored { "≥ " } else { "" };
    format!("{bound}{} {side}", judged.words(room.abs()))
}
