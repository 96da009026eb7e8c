//! The observer's health in words, beside the generator's.

use dst_load_scenario::words::count;

use super::{Report, clauses::Clauses};

/// What is to be said of the observer; `None` where the recording says nothing of it.
pub(super) fn fact(report: &Report) -> Option<String> {
    let observer = &report.observer;
    let mut said = Clauses::default();
    if let (lag @ Some(_), Some(source)) = (observer.lag_p99_seconds, observer.lag_source) {
        let rest = format!(" late for 99 % of deliveries (measured from {source})");
        said.seconds("at most", lag, &rest);
    }
    let reason = observer.blind_reason.as_deref();
    let reason = format!(" on: {}", reason.unwrap_or("no reason given"));
    said.seconds("blind from", observer.blind_since_seconds, &reason);
    let differing = observer.differing_objects;
    let rest = format!(
        "other than a LIST over a new connection, by which the end state is judged: {}{}",
        observer.differences.join("; "),
        more(differing, observer.differences.len())
    );
    said.counted(differing, "object was", "objects were", &rest);
    match (observer.verified, &observer.unverified_reason) {
        (Some(true), _) => said.say("agreed with a LIST at the end"),
        (_, Some(reason)) => said.say(format!("not compared with a LIST at the end: {reason}")),
        _ => {}
    }
    let said = said.any()?;
    Some(match observer.lag_p99_seconds {
        Some(_) => said,
        None => format!("{said}; its lag was not measured"),
    })
}

fn more(all: u64, quoted: usize) -> String {
    match all.saturating_sub(quoted as u64) {
        0 => String::new(),
        more => format!("; and {} more", count(more)),
    }
}
