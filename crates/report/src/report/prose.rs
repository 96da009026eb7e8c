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

use super::{
    Ending, Report,
    clauses::{Clauses, by_name},
    held, observer, path, proxies, surroundings,
};
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

/// Who asked for what, as far as the recording says it.
pub(super) fn clients(report: &Report) -> Option<String> {
    let load = report.clients?;
    let all = counted(load.services, "Service", "Services");
    let services = match &load.targets {
        Some(targets) => targets.among(load.services),
        None if load.services == 1 => all,
        None => format!("all {all}"),
    };
    let each = match load.streams_per_service {
        1 => String::new(),
        streams => format!(", {} streams each", count(streams)),
    };
    let profiles = if load.profiles {
        ", with GetProfile streams"
    } else {
        ""
    };
    Some(format!(
        "{}, each of {services}{each}: {}, lifecycle {}{profiles}.",
        counted(load.clients, "client", "clients"),
        counted(report.streams.requested, "stream", "streams"),
        load.lifecycle,
    ))
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
                    ", {} ended before they were received",
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
    facts.extend(path::facts(report));
    facts.extend(proxies::facts(report));
    facts.extend([("Updates", updates(report)), ("Target", target(report))]);
    facts.extend(cost(report).map(|cost| ("Target's cost", cost)));
    facts.extend(surroundings::about_target(report));
    facts.extend(surroundings::clock(report).map(|said| ("Clocks", said)));
    facts.push(("Generator", generator(report)));
    facts.extend(observer::fact(report).map(|said| ("Observer", said)));
    facts.push(("Floor", floor(report)));
    facts.extend(held::not_opened_in_words(report));
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

/// A quantile in words, with a sign where it is only a lower bound.
pub(super) fn quantile(latency: &LatencySummary, key: &str) -> String {
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
    let mut said = Clauses::of(format!(
        "{} of {} fully propagated",
        count(fan_out.completed),
        counted(fan_out.changes, "change", "changes"),
    ));
    let of = if fan_out.is_incomplete() {
        " (worst of those delivered)"
    } else {
        " (worst)"
    };
    said.seconds("first stream after", fan_out.first_seconds, " (median)");
    said.seconds("half of them after", fan_out.p50_seconds, " (median)");
    said.seconds("last stream after", fan_out.last_seconds_max, of);
    said.joined()
}

fn correctness(report: &Report) -> String {
    let c = &report.correctness;
    match (c.streams_checked, c.streams_unjudged) {
        (0, 0) => return "no stream could be checked at the end".to_owned(),
        (0, _) => return "no stream could be judged at the end".to_owned(),
        _ => {}
    }
    let mut said = Clauses::of(format!(
        "{} of {} wrong at the end: {} missing, {} stale, {} unexpected; {} redundant",
        count(c.streams_wrong),
        counted(c.streams_checked, "stream", "streams"),
        count(c.missing),
        count(c.stale),
        count(c.unexpected),
        count(c.redundant),
    ));
    let stale = Some(c.stale_endpoint_seconds).filter(|&it| it > 0.0);
    let excluded =
        "excluded: not received, and in place for less than a fifth of the smallest limit";
    said.count(
        c.repeated,
        "repeated after an event of their slice, which is legal",
    );
    said.seconds("stale endpoint time:", stale, " (summed over streams)");
    said.counted(
        c.late,
        "delivery came",
        "deliveries came",
        "after the deadline",
    );
    said.count(
        c.superseded,
        "superseded: the state before had not been received",
    );
    said.counted(c.excluded, "state", "states", excluded);
    said.counted(c.premature, "update", "updates", "premature");
    said.counted(c.streams_unjudged, "stream", "streams", "unjudged");
    said.joined()
}

fn streams(report: &Report) -> String {
    let s = &report.streams;
    let mut said = Clauses::of(format!(
        "{} of {} opened; {} unexpectedly closed",
        count(s.opened),
        count(s.requested),
        count(s.unexpected_resets),
    ));
    said.say(match report.target.used.overflows {
        Some(_) => counted(s.overflows, "queue overflow", "queue overflows"),
        None => "queue overflows not read".to_owned(),
    });
    let errors = counted(s.errors, "error", "errors");
    said.say(match s.errors_by_code.is_empty() {
        true => errors,
        false => format!("{errors} ({})", by_name(&s.errors_by_code)),
    });
    said.count(s.drained, "ended by a graceful GOAWAY");
    said.count(s.reopened, "reopened");
    said.count(s.not_found, "NotFound answers, tried again");
    said.named("connections that failed", &s.connection_errors);
    said.joined()
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn updates(report: &Report) -> String {
    let u = &report.updates;
    let mut said = Clauses::of(format!(
        "{} with {}, {}",
        counted(u.messages, "message", "messages"),
        counted(u.addresses, "address", "addresses"),
        bytes(u.bytes as f64),
    ));
    said.value(u.deliveries_per_second, |rate| {
        format!(
            "{} deliveries a second in the seconds that had any",
            number(rate)
        )
    });
    said.joined()
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
    let mut said = Clauses::default();
    said.seconds("CPU", used.cpu_seconds, "");
    said.value(used.cpu_above_idle_seconds, |above| {
        let each = match report.fan_out.changes {
            0 => String::new(),
            changes => format!(", {} a change", seconds(above / changes as f64)),
        };
        format!("{} of CPU above idle{each}", seconds(above))
    });
    said.value(used.cpu_max_cores, |max| {
        format!("at most {} between two samples", cores(max))
    });
    said.value(used.idle_cpu_cores, |idle| {
        format!("{} when idle", cores(idle))
    });
    said.value(used.peak_rss_bytes, resident_at_most);
    said.value(used.idle_rss_bytes, |rss| {
        format!("{} when idle", bytes(rss as f64))
    });
    said.value(used.send_timeouts, |n| {
        counted(n, "send timeout", "send timeouts")
    });
    let samples = counted(used.samples, "sample", "samples");
    said.say(match report.target.metrics.as_slice() {
        [] => samples,
        read => format!("{samples} of {}", read.join(", ")),
    });
    if !used.replicas_unread.is_empty() {
        let unread = used.replicas_unread.join(", ");
        said.say(format!(
            "without replicas that came during the run: {unread}"
        ));
    }
    said.any()
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn resident_at_most(rss: u64) -> String {
    format!("resident memory at most {}", bytes(rss as f64))
}

fn generator(report: &Report) -> String {
    let g = &report.generator;
    let mut said = Clauses::default();
    said.seconds("CPU", g.cpu_seconds, "");
    said.value(g.peak_rss_bytes, resident_at_most);
    match g.loop_lag_p99_seconds {
        None if report.virtual_time => {}
        None => said.say("event loop's lateness unknown"),
        lag => said.seconds("event loop at most", lag, " late for 99 % of deliveries"),
    }
    let said = said.any();
    format!(
        "dst-load-controller {} ({}): {}",
        report.tool.version,
        report.tool.commit,
        said.as_deref().unwrap_or("not measured in virtual time")
    )
}

fn floor(report: &Report) -> String {
    match report.floor_seconds {
        Some(floor) => format!(
            "{} (median), the tool's own latency on this machine: smaller latencies cannot be distinguished",
            seconds(floor)
        ),
        None if report.virtual_time => "none in virtual time, whose grid is 1 ms".to_owned(),
        None => "not measured".to_owned(),
    }
}
