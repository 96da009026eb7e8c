//! What a report says of a run over two clusters: each discovery mode, and what the
//! churn of the one cluster did to Services of the other.

use dst_load_recording::statistics::{LatencySummary, Stage};
use dst_load_scenario::{
    action::Direction,
    federation::Via,
    words::{count, seconds},
};

use super::{
    Federated,
    prose::{self, LATENCY_HEADS},
};
use crate::document::Table;

/// The section's head.
pub(super) fn head(both: &Federated) -> String {
    format!(
        "By discovery mode (destination stage; target cluster {})",
        both.cluster
    )
}

/// The table: each way and direction that counted anything.
pub(super) fn table(both: &Federated) -> Table {
    let heads = std::iter::once("mode").chain(LATENCY_HEADS);
    Table::of_numbers("Latency by discovery mode", heads, rows(both))
}

/// A row for each way and direction that counted anything.
fn rows(both: &Federated) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for way in &both.ways {
        for direction in Direction::BOTH {
            let latency = way.latency.get(Stage::Destination, direction);
            if latency.count > 0 {
                let name = format!("{} {direction}", way.via);
                rows.push(std::iter::once(name).chain(prose::cells(latency)).collect());
            }
        }
    }
    rows
}

/// What became of the latency of local Services while the target cluster churned, a sentence for
/// each direction; nothing where there are none, or the target never churned.
pub(super) fn blast_radius(both: &Federated) -> Vec<String> {
    let of = |via, direction| {
        let way = both.ways.iter().find(|way| way.via == via)?;
        let latency = way.latency.get(Stage::Destination, direction);
        (latency.count > 0).then_some(latency)
    };
    let said = |direction| {
        let quiet = of(Via::LocalQuiet, direction)?;
        let disturbed = of(Via::LocalDisturbed, direction)?;
        Some(format!(
            "Blast radius, {direction}: local p99 {} while {} churned, {} while it was quiet{} \
             ({} and {} deliveries).",
            p99(disturbed),
            both.cluster,
            p99(quiet),
            times(disturbed, quiet),
            count(disturbed.count),
            count(quiet.count),
        ))
    };
    Direction::BOTH.into_iter().filter_map(said).collect()
}

fn p99(latency: &LatencySummary) -> String {
    latency.p99_seconds.map_or_else(|| "-".to_owned(), seconds)
}

/// How many times as long, where that is a number.
fn times(disturbed: &LatencySummary, quiet: &LatencySummary) -> String {
    match (disturbed.p99_seconds, quiet.p99_seconds) {
        (Some(disturbed), Some(quiet)) if quiet > 0.0 => {
            format!(", {:.1} times as long", disturbed / quiet)
        }
        _ => String::new(),
    }
}
