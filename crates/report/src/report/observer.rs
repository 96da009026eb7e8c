//! The observer's health in words, beside the generator's.

use dst_load_scenario::words::{count, counted, seconds};

use super::Report;

/// What is to be said of the observer; `None` where the recording says nothing of it.
pub(super) fn fact(report: &Report) -> Option<String> {
    let observer = &report.observer;
    let mut parts = Vec::new();
    if let (Some(lag), Some(source)) = (observer.lag_p99_seconds, observer.lag_source) {
        parts.push(format!(
            "at most {} late for 99 % of deliveries (measured from {source})",
            seconds(lag)
        ));
    }
    if let Some(since) = observer.blind_since_seconds {
        let reason = observer
            .blind_reason
            .as_deref()
            .unwrap_or("no reason given");
        parts.push(format!("blind from {} on: {reason}", seconds(since)));
    }
    if observer.differing_objects > 0 {
        let examples = observer.differences.join("; ");
        parts.push(format!(
            "{} other than a LIST over a new connection, by which the end state is judged: {examples}{}",
            counted(observer.differing_objects, "object was", "objects were"),
            more(observer.differing_objects, observer.differences.len())
        ));
    }
    match (observer.verified, &observer.unverified_reason) {
        (Some(true), _) => parts.push("agreed with a LIST at the end".to_owned()),
        (_, Some(reason)) => parts.push(format!("not compared with a LIST at the end: {reason}")),
        _ => {}
    }
    if !parts.is_empty() && observer.lag_p99_seconds.is_none() {
        parts.push("its lag was not measured".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn more(all: u64, quoted: usize) -> String {
    match all.saturating_sub(quoted as u64) {
        0 => String::new(),
        more => format!("; and {} more", count(more)),
    }
}
