//! The words about what a proxy lives beside its `Get` streams, and about several replicas.

use dst_load_recording::statistics::Replica;
use dst_load_scenario::words::{count, counted, seconds};

use super::{
    Report,
    clauses::Clauses,
    held,
    prose::{Fact, quantile},
};

/// The heads of the replicas' table.
pub(super) const REPLICA_HEADS: [&str; 7] = [
    "replica",
    "streams",
    "deliveries",
    "never",
    "p50",
    "p99",
    "wrong at the end",
];

/// What else is said of streams, one labelled sentence each; nothing where it does not apply.
pub(super) fn facts(report: &Report) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend(limits(report).map(|said| ("As a proxy", said)));
    facts.extend(first_endpoint(report).map(|said| ("First endpoint", said)));
    facts.extend(retained(report).map(|said| ("Retained", said)));
    facts.extend(held::facts(report));
    facts.extend(divergence(report).map(|said| ("Replicas", said)));
    facts
}

/// The replicas' table; empty where there is one replica.
pub(super) fn replica_rows(report: &Report) -> Vec<Vec<String>> {
    let row = |replica: &Replica| {
        let latency = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), seconds);
        let bound = if replica.is_censored() { "≥ " } else { "" };
        vec![
            replica.address.clone(),
            replica.streams.map_or_else(|| "–".to_owned(), count),
            count(replica.deliveries),
            count(replica.never),
            latency(replica.p50_seconds),
            format!("{bound}{}", latency(replica.p99_seconds)),
            count(replica.streams_wrong),
        ]
    };
    report.replicas.iter().map(row).collect()
}

/// Events of a proxy's own rules.
fn limits(report: &Report) -> Option<String> {
    let (proxy, between) = (&report.streams.proxy, &report.streams.reconnect_gap);
    let mut said = Clauses::default();
    let limits: Vec<_> = [
        (proxy.first_item_timeouts, "got no first item in 3 s"),
        (proxy.idle, "said nothing for 5 min"),
        (proxy.expired, "lived for 1 h"),
    ]
    .into_iter()
    .filter(|&(streams, _)| streams > 0)
    .map(|(streams, how)| format!("{} {how}", counted(streams, "stream", "streams")))
    .collect();
    if !limits.is_empty() {
        let limits = limits.join(", ");
        said.say(format!("{limits}: ended and asked for again"));
    }
    let refused = "for good, as a proxy gives up on InvalidArgument and FailedPrecondition";
    let not_add = "no add, which the protocol wants";
    let (first, firsts) = ("first message was", "first messages were");
    said.counted(proxy.refused, "stream ended", "streams ended", refused);
    said.counted(proxy.first_not_add, first, firsts, not_add);
    let never = match between.never {
        0 => String::new(),
        never => format!(", {} never before it was gone", count(never)),
    };
    let rest = format!(
        "reconnecting when a Service's first endpoint was added, and received one {} later (median), \
         {} at the worst{never}",
        quantile(between, "p50"),
        quantile(between, "max"),
    );
    said.counted(
        between.count,
        "time a stream was",
        "times a stream was",
        &rest,
    );
    said.any()
}

/// How long streams went without the endpoints of a Service that had had none.
fn first_endpoint(report: &Report) -> Option<String> {
    let first = &report.streams.first_endpoint;
    let never = match first.never {
        0 => String::new(),
        never => format!(", {} never before it was gone", count(never)),
    };
    (first.count > 0).then(|| {
        format!(
            "{} a stream had none when a Service got its first, and received one {} later (median), \
             {} at the worst{never}",
            counted(first.count, "time", "times"),
            quantile(first, "p50"),
            quantile(first, "max"),
        )
    })
}

/// What streams kept while they were opened again.
fn retained(report: &Report) -> Option<String> {
    let retained = report.streams.retained.as_ref()?;
    let mut said = Clauses::default();
    let ended = "ended, and kept its endpoints until it had others";
    said.counted(retained.kept, "time a stream", "times a stream", ended);
    if retained.streams > 0 {
        let at_end = match retained.streams_at_end {
            0 => String::new(),
            streams => format!(", and {} still did at the end", count(streams)),
        };
        said.say(format!(
            "{} of these kept some that were gone, by a proxy's rule: stale endpoint time {} (summed \
             over streams), {} at the longest{at_end}",
            count(retained.streams),
            seconds(retained.stale_endpoint_seconds),
            seconds(retained.longest_seconds),
        ));
    }
    said.any()
}

/// How far the replicas are apart.
fn divergence(report: &Report) -> Option<String> {
    let replicas = &report.replicas;
    if replicas.len() < 2 {
        return None;
    }
    let timed = || (replicas.iter()).filter_map(|it| Some((it.p99_seconds?, it)));
    let least = timed().min_by(|a, b| a.0.total_cmp(&b.0));
    let most = timed().max_by(|a, b| a.0.total_cmp(&b.0));
    let mut said = Clauses::of(counted(replicas.len() as u64, "replica", "replicas"));
    said.say(match (least, most) {
        (Some((least, fast)), Some((most, slow))) if most > least => format!(
            "p99 differs by at most {}{} ({} against {})",
            if slow.is_censored() { "≥ " } else { "" },
            seconds(most - least),
            slow.address,
            fast.address,
        ),
        (Some(_), Some(_)) => "no difference in p99".to_owned(),
        _ => "nothing was delivered".to_owned(),
    });
    let wrong: Vec<_> = (replicas.iter())
        .filter(|it| it.streams_wrong > 0)
        .map(|it| format!("{} of {}", count(it.streams_wrong), it.address))
        .collect();
    said.say(match wrong.as_slice() {
        [] => "no stream of any was wrong at the end".to_owned(),
        wrong => format!("streams wrong at the end: {}", wrong.join(", ")),
    });
    said.any()
}
