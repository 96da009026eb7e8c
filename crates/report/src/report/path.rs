//! By which way clients reached the controller, and what came of those that did not read.

use dst_load_recording::statistics::WINDOWS;
use dst_load_scenario::words::{bytes, count, counted};

use super::{
    Report,
    clauses::{Clauses, by_name},
    prose::Fact,
};

/// What is said of both.
pub(super) fn facts(report: &Report) -> Vec<Fact> {
    let path = path(report).map(|said| ("Path", said));
    let stalled = stalled(report).map(|said| ("Stalled", said));
    path.into_iter().chain(stalled).collect()
}

fn path(report: &Report) -> Option<String> {
    let path = report.streams.path.as_ref()?;
    let by = if path.sidecar {
        "as through the sidecar of the destination's Pod"
    } else {
        "direct"
    };
    let mut said = Clauses::of(format!(
        "{by}: {} for {}",
        counted(path.connections, "connection", "connections"),
        counted(path.clients, "client", "clients"),
    ));
    said.value(path.at_controller, |seen| {
        let shared = match path.shared_between() {
            Some(_) if !path.sidecar => ": something between shares them",
            _ => "",
        };
        format!("about {} at the controller{shared}", count(seen))
    });
    Some(said.joined())
}

#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
fn stalled(report: &Report) -> Option<String> {
    let stalled = report.streams.stalled.as_ref()?;
    let reads = match stalled.reader.as_str() {
        "never" => "never read".to_owned(),
        rate => format!("read {rate} of each stream"),
    };
    let mut said = Clauses::of(format!(
        "{} with {} {reads}, and are in no other number",
        counted(stalled.clients, "client", "clients"),
        counted(stalled.streams, "stream", "streams"),
    ));
    said.say(format!("{} open at the end", count(stalled.open)));
    said.say(format!("{} received", bytes(stalled.bytes as f64)));
    said.count(stalled.reopened, "reopened");
    said.count(stalled.ended_ok, "ended by the controller with OK");
    if stalled.errors > 0 {
        let errors = counted(stalled.errors, "error", "errors");
        said.say(format!("{errors} ({})", by_name(&stalled.errors_by_code)));
    }
    Some(said.joined())
}

/// Why streams that are read received nothing more, where that is proven: the windows of those that
/// are not are as large as that of the connection which they share.
#[expect(clippy::cast_precision_loss, reason = "bytes stay far below 2^52")]
pub(super) fn starved_by_stalled(report: &Report) -> Option<String> {
    let stalled = report.streams.stalled.as_ref()?;
    let never = report.latency.destination.add.never + report.latency.destination.remove.never;
    let connections = report.streams.path.as_ref()?.connections;
    if never == 0 || !stalled.fill_each_of(connections) {
        return None;
    }
    let (stream, connection) = WINDOWS;
    let silent = match report.target.used.overflows {
        Some(0) if report.streams.unexpected_resets == 0 => {
            " No queue overflow was counted, and every stream stayed open: nothing else shows it."
        }
        _ => "",
    };
    Some(format!(
        "{} to streams that are read never came, and that is no queue of the controller's: {} that \
         nobody reads share a connection with them, and their windows of {} bytes fill its window of \
         {}, so that nothing more comes for any stream on it.{silent} Compare with \
         `--set client.path=direct`, where each stalled client stops itself alone; what helps is \
         fewer streams on a connection (more identities, more replicas), or a larger window of the \
         sidecar's.",
        counted(never, "delivery", "deliveries"),
        counted(stalled.shared, "stream", "streams"),
        count(stream),
        bytes(connection as f64),
    ))
}
