//! What only a page says: numbers in a large type, what was run, and more of each cycle.

use dst_load_recording::{
    statistics::{CycleSummary, LatencySummary},
    warning::Warning,
};
use dst_load_scenario::words::{bytes, count, counted, number, seconds, span};

use crate::{
    document::{Fact, Table, Tile, Tone},
    report::{Report, page::Page, prose},
};

/// Cycles that the table has at either end.
const CYCLES: usize = 100;

/// What the page of a run that goes on says of itself.
pub(super) fn so_far(report: &Report) -> String {
    format!(
        "The run goes on, {} since its start. This page follows it; nothing here is final.",
        seconds(report.duration_seconds.round())
    )
}

pub(super) fn criteria_so_far(report: &Report) -> String {
    let with = |met| (report.criteria.iter()).filter(|it| it.met == met).count() as u64;
    let open = with(None);
    let open = if open == 0 {
        String::new()
    } else {
        format!(", {} unjudged", count(open))
    };
    format!(
        "so far {} of {} met{open}",
        count(with(Some(true))),
        counted(report.criteria.len() as u64, "criterion", "criteria"),
    )
}

/// Whether a warning says no more than that the run has not ended yet.
pub(super) const fn waits_for_the_end(warning: &Warning) -> bool {
    matches!(warning, Warning::CutOff | Warning::UncheckedStreams { .. })
}

/// What a reader looks for first.
pub(super) fn tiles(report: &Report) -> Vec<Tile> {
    let (fan_out, right) = (&report.fan_out, &report.correctness);
    let known = |seconds_: Option<f64>| seconds_.map_or_else(|| "-".to_owned(), seconds);
    let incomplete = fan_out.is_incomplete();
    let p99 = |latency: &LatencySummary| match latency.quantile("p99") {
        Some((value, true)) => format!("≥ {}", seconds(value)),
        Some((value, false)) => seconds(value),
        None => "-".to_owned(),
    };
    let deliveries = |latency: &LatencySummary| counted(latency.count, "delivery", "deliveries");
    let destination = &report.latency.destination;
    vec![
        Tile {
            label: "Time to full propagation",
            // What was never delivered takes at least until the deadline.
            value: if incomplete {
                format!("≥ {}", seconds(report.deadline_seconds))
            } else {
                known(fan_out.last_seconds_max)
            },
            note: if incomplete {
                format!(
                    "the deadline; the last delivery after {}",
                    known(fan_out.last_seconds_max)
                )
            } else {
                format!("worst of {}", counted(fan_out.changes, "change", "changes"))
            },
            tone: Tone::Plain,
        },
        Tile {
            label: "p99, additions",
            value: p99(&destination.add),
            note: format!("destination stage, {}", deliveries(&destination.add)),
            tone: Tone::Plain,
        },
        Tile {
            label: "p99, removals",
            value: p99(&destination.remove),
            note: format!("destination stage, {}", deliveries(&destination.remove)),
            tone: Tone::Plain,
        },
        Tile {
            label: "Changes fully propagated",
            value: format!("{} of {}", count(fan_out.completed), count(fan_out.changes)),
            note: "every stream that stayed, by the deadline".to_owned(),
            tone: if fan_out.changes == 0 {
                Tone::Plain
            } else if incomplete {
                Tone::Bad
            } else {
                Tone::Good
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
                (0, _) => Tone::Plain,
                (_, 0) => Tone::Good,
                _ => Tone::Bad,
            },
        },
    ]
}

/// What was measured.
pub(super) fn tested(report: &Report) -> String {
    match (report.is_self_test(), &report.target.version) {
        (true, _) => "the reference destination of this tool, not Linkerd".to_owned(),
        (false, Some(version)) => format!("Linkerd's destination controller {version}"),
        (false, None) => "Linkerd's destination controller, of an unknown version".to_owned(),
    }
}

/// What was run, on what, with what.
#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
pub(super) fn about(page: &Page) -> Vec<Fact> {
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
                "{}: an update that takes longer is never delivered",
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
pub(super) fn cycles(report: &Report) -> (Table, u64) {
    let all = &report.cycles;
    let heads = [
        "cycle",
        "start",
        "changes",
        "completed",
        "add p99",
        "remove p99",
        "last stream",
        "lowest heap",
        "against cycle 1",
        "peak resident",
    ];
    let first = all.first().and_then(|it| it.heap_floor_bytes);
    let left_out = all.len().saturating_sub(2 * CYCLES);
    let row = |(index, cycle): (usize, &CycleSummary)| {
        let shown = left_out == 0 || index < CYCLES || index >= all.len() - CYCLES;
        shown.then(|| cycle_row(cycle, first))
    };
    let rows = all.iter().enumerate().filter_map(row).collect();
    let table = Table::of_numbers("Each cycle", heads, rows);
    (table, left_out as u64)
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
