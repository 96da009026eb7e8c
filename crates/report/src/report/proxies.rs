//! The words about what a proxy lives beside its `Get` streams, and about several replicas.

use dst_load_recording::statistics::Replica;
use dst_load_scenario::words::{count, counted, seconds};

use super::{
    Report,
    prose::{Fact, by_name},
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
    facts.extend(profiles(report).map(|said| ("Profiles", said)));
    facts.extend(divergence(report).map(|said| ("Replicas", said)));
    facts
}

/// What a real proxy would hold beside what was held here.
pub(super) fn not_opened(report: &Report) -> String {
    let names: Vec<_> = report
        .streams_not_opened
        .iter()
        .map(|name| name.rsplit('.').next().unwrap_or(name))
        .collect();
    let measured = if report.profiles.is_some() {
        "Destination/Get measured here and of Destination/GetProfile"
    } else {
        "Destination/Get measured here"
    };
    format!(
        "{}: a real proxy holds such streams too, beside those of {measured}",
        names.join(", ")
    )
}

/// The replicas' table; empty where there is one replica.
pub(super) fn replica_rows(report: &Report) -> Vec<Vec<String>> {
    let row = |replica: &Replica| {
        let latency = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), seconds);
        let bound = if replica.is_censored() { "≥ " } else { "" };
        vec![
            replica.address.clone(),
            count(replica.streams),
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
    let mut parts: Vec<_> = [
        (proxy.first_item_timeouts, "got no first item in 3 s"),
        (proxy.idle, "said nothing for 5 min"),
        (proxy.expired, "lived for 1 h"),
    ]
    .into_iter()
    .filter(|&(streams, _)| streams > 0)
    .map(|(streams, how)| {
        let streams = counted(streams, "stream", "streams");
        format!("{streams} {how}")
    })
    .collect();
    if !parts.is_empty() {
        let limits = parts.join(", ");
        parts = vec![format!("{limits}: ended and asked for again")];
    }
    if proxy.refused > 0 {
        parts.push(format!(
            "{} for good, as a proxy gives up on InvalidArgument and FailedPrecondition",
            counted(proxy.refused, "stream ended", "streams ended")
        ));
    }
    if proxy.first_not_add > 0 {
        parts.push(format!(
            "{} no add, which the protocol wants",
            counted(
                proxy.first_not_add,
                "first message was",
                "first messages were"
            )
        ));
    }
    if between.count > 0 {
        let quantile = |key: &str| {
            let (value, censored) = between.quantile(key)?;
            Some(format!(
                "{}{}",
                if censored { "≥ " } else { "" },
                seconds(value)
            ))
        };
        let never = if between.never > 0 {
            format!(", {} never before it was gone", count(between.never))
        } else {
            String::new()
        };
        parts.push(format!(
            "{} between two tries when a Service's first endpoint came, and held one {} later \
             (median), {} at the worst{never}",
            counted(between.count, "time a stream was", "times a stream was"),
            quantile("p50").unwrap_or_default(),
            quantile("max").unwrap_or_default(),
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn profiles(report: &Report) -> Option<String> {
    let profiles = report.profiles.as_ref()?;
    let mut said = format!(
        "{} of {} GetProfile streams opened; {}; {} unexpectedly closed",
        count(profiles.opened),
        count(profiles.requested),
        counted(profiles.messages, "message", "messages"),
        count(profiles.unexpected_resets),
    );
    if !profiles.errors.is_empty() {
        said.push_str(&format!("; errors: {}", by_name(&profiles.errors)));
    }
    if profiles.reopened > 0 {
        said.push_str(&format!("; {} reopened", count(profiles.reopened)));
    }
    Some(said)
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
    let mut said = counted(replicas.len() as u64, "replica", "replicas");
    match (least, most) {
        (Some((least, fast)), Some((most, slow))) if most > least => said.push_str(&format!(
            "; p99 differs by at most {}{} ({} against {})",
            if slow.is_censored() { "≥ " } else { "" },
            seconds(most - least),
            slow.address,
            fast.address,
        )),
        (Some(_), Some(_)) => said.push_str("; no difference in p99"),
        _ => said.push_str("; nothing was delivered"),
    }
    let wrong: Vec<_> = (replicas.iter())
        .filter(|it| it.streams_wrong > 0)
        .map(|it| format!("{} of {}", count(it.streams_wrong), it.address))
        .collect();
    said.push_str(&if wrong.is_empty() {
        "; no stream of any was wrong at the end".to_owned()
    } else {
        format!("; streams wrong at the end: {}", wrong.join(", "))
    });
    Some(said)
}
