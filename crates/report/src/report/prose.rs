//! The words of a report that its readable formats share, so that they say the same.

use std::collections::BTreeSet;

use dst_load_recording::{
    recording::TargetKind,
    statistics::{CycleSummary, LatencySummary, Stage, StageSummary},
};
use dst_load_scenario::{
    action::Direction,
    criteria::Unit,
    flags::Flags,
    words::{bytes, count, counted, number, seconds, span},
};

use super::{Ending, Report, observer, proxies, surroundings};
use crate::verdict::Verdict;

/// The heads of the latency table's columns, after the row's name.
pub(super) const LATENCY_HEADS: [&str; 7] = ["count", "never", "p50", "p95", "p99", "p99.9", "max"];

/// The heads of the cycles' table.
pub(super) const CYCLE_HEADS: [&str; 7] = [
    "cycle",
    "start",
    "changes",
    "completed",
    "add p99",
    "remove p99",
    "last stream",
];

pub(super) use crate::document::Fact;

/// Cycles shown at either end of a long list.
const CYCLES_SHOWN: usize = 4;

/// What was tested, with what, and for how long.
pub(super) fn title(report: &Report) -> String {
    let tested = match (report.target.kind, &report.target.version) {
        (TargetKind::Reference, _) => "SELF-TEST".to_owned(),
        (TargetKind::Linkerd, Some(version)) => format!("LINKERD {version}"),
        (TargetKind::Linkerd, None) => "LINKERD, unknown build".to_owned(),
    };
    let clock = if report.virtual_time {
        " of virtual time"
    } else {
        ""
    };
    format!(
        "{tested}: {} (seed {}), {}{clock}",
        report.scenario.name,
        report.scenario.seed,
        span(report.duration_seconds)
    )
}

/// The verdict in one line.
pub(super) fn verdict(report: &Report) -> String {
    let criteria = || report.criteria.iter();
    let with = |met| criteria().filter(|it| it.met == met).count() as u64;
    let unjudged = |optional| {
        let all = criteria().filter(|it| it.met.is_none() && it.optional == optional);
        all.count() as u64
    };
    let judged = report.criteria.len() as u64 - with(None);
    let mut said = match report.verdict {
        Verdict::Pass => format!("{} met", counted(judged, "criterion", "criteria")),
        Verdict::Fail => format!(
            "{} of {} violated",
            count(with(Some(false))),
            counted(judged, "criterion", "criteria")
        ),
        Verdict::Invalid if report.ending == Ending::Interrupted => {
            return "the run was interrupted and says nothing about its target".to_owned();
        }
        Verdict::Invalid => "not all that was asked is proven".to_owned(),
    };
    let services: usize = report
        .correctness
        .unjudged
        .values()
        .map(BTreeSet::len)
        .sum();
    for (unjudged, what) in [
        (services as u64, ("Service", "Services")),
        (unjudged(false), ("criterion", "criteria")),
        (unjudged(true), ("optional criterion", "optional criteria")),
    ] {
        if unjudged > 0 {
            said.push_str(&format!(", {} unjudged", counted(unjudged, what.0, what.1)));
        }
    }
    said
}

/// The latency table: a row for each stage and direction that counted anything.
pub(super) fn latency_rows(stages: &StageSummary) -> Vec<Vec<String>> {
    each(stages)
        .map(|(name, latency)| std::iter::once(name).chain(cells(latency)).collect())
        .collect()
}

/// The cells of a distribution below [`LATENCY_HEADS`].
pub(super) fn cells(latency: &LatencySummary) -> Vec<String> {
    let values = LatencySummary::QUANTILES.map(|(key, _)| quantile(latency, key));
    let mut cells = vec![count(latency.count), count(latency.never)];
    cells.extend(values);
    cells
}

/// For each stage and direction that reaches what never arrived: from which quantile on, out of
/// how many.
pub(super) fn censored(stages: &StageSummary) -> Vec<String> {
    each(stages)
        .filter_map(|(name, latency)| {
            let mut share = format!(
                "{} of {} never delivered",
                count(latency.never),
                count(latency.count)
            );
            if latency.censored > latency.never {
                share.push_str(&format!(
                    ", {} ended unlearnt",
                    count(latency.censored - latency.never)
                ));
            }
            match latency.censored_from.as_deref() {
                Some(key) => Some(format!(
                    "{name}: {} {} ({share})",
                    quantile_name(key),
                    quantile(latency, key)
                )),
                None if latency.censored > 0 => Some(format!("{name}: {share}")),
                None => None,
            }
        })
        .collect()
}

/// What else was seen, one labelled sentence each.
pub(super) fn facts(report: &Report) -> Vec<Fact> {
    let mut facts = vec![("Changes", fan_out(report))];
    facts.extend(surroundings::slowest(report).map(|said| ("Slowest", said)));
    facts.extend([
        ("Correctness", correctness(report)),
        ("Streams", streams(report)),
    ]);
    facts.extend(proxies::facts(report));
    facts.extend([("Updates", updates(report)), ("Target", target(report))]);
    facts.extend(cost(report).map(|cost| ("Target's cost", cost)));
    facts.extend(surroundings::about_target(report));
    facts.extend(surroundings::clock(report).map(|said| ("Clocks", said)));
    facts.push(("Generator", generator(report)));
    facts.extend(observer::fact(report).map(|said| ("Observer", said)));
    facts.push(("Floor", floor(report)));
    facts.push(("Not opened", proxies::not_opened(report)));
    facts
}

/// The cycles' table, shortened in the middle; empty for fewer than two cycles.
pub(super) fn cycle_rows(report: &Report) -> Vec<Vec<String>> {
    let cycles = &report.cycles;
    if cycles.len() < 2 {
        return Vec::new();
    }
    if cycles.len() <= 2 * CYCLES_SHOWN + 1 {
        return cycles.iter().map(cycle_row).collect();
    }
    let (head, rest) = cycles.split_at(CYCLES_SHOWN);
    let tail = &rest[rest.len() - CYCLES_SHOWN..];
    let mut rows: Vec<_> = head.iter().map(cycle_row).collect();
    rows.push(vec!["…".to_owned(); CYCLE_HEADS.len()]);
    rows.extend(tail.iter().map(cycle_row));
    rows
}

pub(super) fn cycle_row(cycle: &CycleSummary) -> Vec<String> {
    let p99 = |direction| quantile(cycle.latency.get(Stage::Destination, direction), "p99");
    let partial = if cycle.whole { "" } else { " (partial)" };
    vec![
        format!("{}{partial}", count(u64::from(cycle.cycle))),
        span(cycle.from_seconds),
        count(cycle.fan_out.changes),
        count(cycle.fan_out.completed),
        p99(Direction::Add),
        p99(Direction::Remove),
        cycle.fan_out.last_seconds_max.map_or_else(nothing, seconds),
    ]
}

fn each(stages: &StageSummary) -> impl Iterator<Item = (String, &LatencySummary)> {
    Stage::ALL
        .into_iter()
        .flat_map(|stage| Direction::BOTH.map(|direction| (stage, direction)))
        .map(|(stage, direction)| {
            let name = match stage {
                Stage::Kubernetes => "kubernetes",
                Stage::Destination => "destination",
                Stage::EndToEnd => "end to end",
            };
            (format!("{name} {direction}"), stages.get(stage, direction))
        })
        .filter(|(_, latency)| latency.count > 0)
}

fn quantile(latency: &LatencySummary, key: &str) -> String {
    match latency.quantile(key) {
        Some((value, true)) => format!("≥ {}", seconds(value)),
        Some((value, false)) => seconds(value),
        None => nothing(),
    }
}

fn quantile_name(key: &str) -> &str {
    if key == "p999" { "p99.9" } else { key }
}

pub(super) fn nothing() -> String {
    "-".to_owned()
}

fn fan_out(report: &Report) -> String {
    let fan_out = &report.fan_out;
    if fan_out.changes == 0 {
        return "none reached a stream".to_owned();
    }
    let mut said = format!(
        "{} of {} fully propagated",
        count(fan_out.completed),
        counted(fan_out.changes, "change", "changes"),
    );
    let mut add = |what: &str, value: Option<f64>, how: &str| {
        if let Some(value) = value {
            said.push_str(&format!("; {what} {}{how}", seconds(value)));
        }
    };
    add("first stream after", fan_out.first_seconds, " (median)");
    add("half of them after", fan_out.p50_seconds, " (median)");
    let of = if fan_out.is_incomplete() {
        " (worst of those delivered)"
    } else {
        " (worst)"
    };
    add("last stream after", fan_out.last_seconds_max, of);
    said
}

fn correctness(report: &Report) -> String {
    let c = &report.correctness;
    let unjudged = match c.streams_unjudged {
        0 => String::new(),
        streams => format!("; {} unjudged", counted(streams, "stream", "streams")),
    };
    if c.streams_checked == 0 && c.streams_unjudged > 0 {
        return "no stream could be judged at the end".to_owned();
    }
    if c.streams_checked == 0 {
        return "no stream could be checked at the end".to_owned();
    }
    let mut said = format!(
        "{} of {} wrong at the end: {} missing, {} stale, {} unexpected; {} redundant",
        count(c.streams_wrong),
        counted(c.streams_checked, "stream", "streams"),
        count(c.missing),
        count(c.stale),
        count(c.unexpected),
        count(c.redundant),
    );
    if c.repeated > 0 {
        said.push_str(&format!(
            "; {} repeated after an event of their slice, which is legal",
            count(c.repeated)
        ));
    }
    if c.stale_endpoint_seconds > 0.0 {
        said.push_str(&format!(
            "; stale endpoint time: {} (summed over streams)",
            seconds(c.stale_endpoint_seconds)
        ));
    }
    if c.late > 0 {
        said.push_str(&format!(
            "; {} after the deadline",
            counted(c.late, "delivery came", "deliveries came")
        ));
    }
    if c.superseded > 0 {
        said.push_str(&format!(
            "; {} with nothing to learn, because the state before was not learnt",
            count(c.superseded)
        ));
    }
    if c.excluded > 0 {
        said.push_str(&format!(
            "; {} excluded: not learnt, and in place for less than a fifth of the smallest limit",
            counted(c.excluded, "state", "states")
        ));
    }
    if c.premature > 0 {
        said.push_str(&format!(
            "; {} premature",
            counted(c.premature, "update", "updates")
        ));
    }
    said.push_str(&unjudged);
    said
}

fn streams(report: &Report) -> String {
    let s = &report.streams;
    let overflows = match report.target.used.overflows {
        Some(_) => counted(s.overflows, "queue overflow", "queue overflows"),
        None => "queue overflows not read".to_owned(),
    };
    let mut said = format!(
        "{} of {} opened; {} unexpectedly closed; {overflows}; {}",
        count(s.opened),
        count(s.requested),
        count(s.unexpected_resets),
        counted(s.errors, "error", "errors"),
    );
    if !s.errors_by_code.is_empty() {
        said.push_str(&format!(" ({})", by_name(&s.errors_by_code)));
    }
    if s.drained > 0 {
        said.push_str(&format!(
            "; {} ended by a graceful GOAWAY",
            count(s.drained)
        ));
    }
    if s.reopened > 0 {
        said.push_str(&format!("; {} reopened", count(s.reopened)));
    }
    if s.not_found > 0 {
        said.push_str(&format!(
            "; {} NotFound answers, tried again",
            count(s.not_found)
        ));
    }
    if !s.connection_errors.is_empty() {
        said.push_str(&format!(
            "; connections that failed: {}",
            by_name(&s.connection_errors)
        ));
    }
    said
}

pub(super) fn by_name(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let each: Vec<_> = counts
        .iter()
        .map(|(name, n)| format!("{} × {name}", count(*n)))
        .collect();
    each.join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn updates(report: &Report) -> String {
    let u = &report.updates;
    let mut said = format!(
        "{} with {}, {}",
        counted(u.messages, "message", "messages"),
        counted(u.addresses, "address", "addresses"),
        bytes(u.bytes as f64),
    );
    if let Some(rate) = u.deliveries_per_second {
        said.push_str(&format!(
            "; {} deliveries a second in the seconds that had any",
            number(rate)
        ));
    }
    said
}

fn target(report: &Report) -> String {
    let target = &report.target;
    let kind = match target.kind {
        TargetKind::Reference => "the reference destination",
        TargetKind::Linkerd => "Linkerd's destination controller",
    };
    let version = target
        .version
        .as_ref()
        .map_or_else(String::new, |version| format!(" {version}"));
    let restarts = match (target.used.samples, target.used.restarts) {
        (0, _) => String::new(),
        (_, 0) => "; never restarted".to_owned(),
        (_, n) => format!("; restarted {}", counted(n, "time", "times")),
    };
    let flags = target.flags.map(assumed).unwrap_or_default();
    format!("{kind}{version}{restarts}{flags}")
}

/// What was taken for granted of flags that were not known, or makes judging impossible.
fn assumed(flags: Flags) -> String {
    let mut said = Vec::new();
    if flags.ipv6.is_none() {
        said.push("-enable-ipv6 is not known, so that Services with IPv6 pods are not judged");
    }
    match flags.endpoint_slices {
        Some(true) => {}
        Some(false) => said.push("-enable-endpoint-slices is off, so that no Service is judged"),
        None => said.push("-enable-endpoint-slices is not known and taken to be on"),
    }
    said.iter().map(|it| format!("; {it}")).collect()
}

/// What the target used; nothing for the reference, whose cost nobody must take for Linkerd's.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn cost(report: &Report) -> Option<String> {
    if report.is_self_test() {
        return None;
    }
    let used = &report.target.used;
    if used.samples == 0 {
        let sought = &report.target.metrics_sought;
        return Some(if sought.is_empty() {
            "unknown: its metrics were not read".to_owned()
        } else {
            format!("unknown: no metrics were found at {}", sought.join(", "))
        });
    }
    let cores = |cores: f64| Unit::Cores.words(cores);
    let mut parts = Vec::new();
    if let Some(cpu) = used.cpu_seconds {
        parts.push(format!("CPU {}", seconds(cpu)));
    }
    if let Some(above) = used.cpu_above_idle_seconds {
        let each = if report.fan_out.changes > 0 {
            format!(
                ", {} a change",
                seconds(above / report.fan_out.changes as f64)
            )
        } else {
            String::new()
        };
        parts.push(format!("{} of CPU above idle{each}", seconds(above)));
    }
    if let Some(max) = used.cpu_max_cores {
        parts.push(format!("at most {} between two samples", cores(max)));
    }
    if let Some(idle) = used.idle_cpu_cores {
        parts.push(format!("{} when idle", cores(idle)));
    }
    if let Some(rss) = used.peak_rss_bytes {
        parts.push(format!("resident memory at most {}", bytes(rss as f64)));
    }
    if let Some(rss) = used.idle_rss_bytes {
        parts.push(format!("{} when idle", bytes(rss as f64)));
    }
    if let Some(timeouts) = used.send_timeouts {
        parts.push(counted(timeouts, "send timeout", "send timeouts"));
    }
    let samples = counted(used.samples, "sample", "samples");
    parts.push(match report.target.metrics.as_slice() {
        [] => samples,
        read => format!("{samples} of {}", read.join(", ")),
    });
    Some(parts.join("; "))
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn generator(report: &Report) -> String {
    let g = &report.generator;
    let mut parts = Vec::new();
    if let Some(cpu) = g.cpu_seconds {
        parts.push(format!("CPU {}", seconds(cpu)));
    }
    if let Some(rss) = g.peak_rss_bytes {
        parts.push(format!("resident memory at most {}", bytes(rss as f64)));
    }
    match g.loop_lag_p99_seconds {
        Some(lag) => parts.push(format!(
            "event loop at most {} late for 99 % of deliveries",
            seconds(lag)
        )),
        None if report.virtual_time => {}
        None => parts.push("event loop's lateness unknown".to_owned()),
    }
    if parts.is_empty() {
        parts.push("not measured in virtual time".to_owned());
    }
    format!(
        "dst-load-controller {} ({}): {}",
        report.tool.version,
        report.tool.commit,
        parts.join("; ")
    )
}

fn floor(report: &Report) -> String {
    match report.floor_seconds {
        Some(floor) => format!(
            "{} (median), the tool's own latency on this machine: smaller ones cannot be told apart",
            seconds(floor)
        ),
        None if report.virtual_time => "none in virtual time, whose grid is 1 ms".to_owned(),
        None => "not measured".to_owned(),
    }
}
