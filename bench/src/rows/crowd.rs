//! 100,000 streams in one process, opened and updated; and what one update costs as they grow more.

use std::{path::Path, time::Duration};

use serde::Serialize;

use super::{Stand, micros_each};
use crate::{load::Load, tell};

/// As many streams as one process is asked to hold, on many connections.
const CROWD: Load = Load {
    services: 50,
    connections: 2_000,
};
/// Endpoints of each Service, of which the last comes and goes.
const ENDPOINTS: u32 = 10;
/// How often it does where memory is measured.
const ROUNDS: u64 = 4;

/// Connections where the cost of one update is compared. They are the same for all sizes, and so is
/// what comes at once: one event is one message on each of them, and those of other Services come
/// later. Whatever differs then is what the number of streams does.
const CONNECTIONS: u32 = 500;
/// Streams on each connection, one a Service: 1,000, 10,000 and 100,000 in all.
const STREAMS: [u32; 3] = [2, 20, 200];
/// Events for each size, each a message on every connection.
const EVENTS: u32 = 1_000;
/// From one event to the next.
const PACE: Duration = Duration::from_millis(20);

/// What 100,000 streams took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Crowd {
    pub(crate) streams: u64,
    pub(crate) messages: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss_bytes: u64,
}

/// What one update cost among so many streams.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) streams: u64,
    pub(crate) updates: u64,
    /// What the observer does is done once a change, not once an update, and is not counted.
    pub(crate) micros_per_update: f64,
    pub(crate) observer_cpu_seconds: f64,
}

/// Opens and updates the crowd.
pub(crate) async fn measure(tool: &Path) -> anyhow::Result<Crowd> {
    let stand = Stand::open(tool, CROWD, ENDPOINTS).await?;
    for round in 1..=ROUNDS {
        stand
            .slices
            .set(ENDPOINTS - u32::from(round % 2 == 1))
            .await?;
        stand
            .client
            .heard(stand.opened + round * CROWD.streams())
            .await?;
    }
    let cpu_seconds = stand.client.cpu()?.all;
    let peak_rss_bytes = stand.client.peak_rss()?;
    let report = stand.client.end(CROWD).await?;
    let crowd = Crowd {
        streams: CROWD.streams(),
        messages: report.updates.messages,
        cpu_seconds,
        peak_rss_bytes,
    };
    tell(&format!("{crowd:?}"));
    Ok(crowd)
}

/// The cost of an update, for each size.
pub(crate) async fn sizes(tool: &Path) -> anyhow::Result<Vec<Size>> {
    let mut sizes = Vec::new();
    for services in STREAMS {
        let load = Load {
            services,
            connections: CONNECTIONS,
        };
        sizes.push(size(tool, load).await?);
    }
    Ok(sizes)
}

/// The dearest update over the cheapest.
pub(crate) fn flatness(sizes: &[Size]) -> Option<f64> {
    let costs = || sizes.iter().map(|size| size.micros_per_update);
    Some(costs().reduce(f64::max)? / costs().reduce(f64::min)?)
}

async fn size(tool: &Path, load: Load) -> anyhow::Result<Size> {
    let stand = Stand::open(tool, load, ENDPOINTS).await?;
    let before = stand.client.cpu()?;
    let names: Vec<_> = load.names().collect();
    let mut pace = tokio::time::interval(PACE);
    let mut left = EVENTS;
    for round in 0.. {
        let endpoints = ENDPOINTS - u32::from(round % 2 == 0);
        for name in names.iter().take(usize::try_from(left)?) {
            pace.tick().await;
            stand.slices.set_one(name, endpoints).await?;
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    let updates = u64::from(EVENTS) * u64::from(CONNECTIONS);
    stand.client.heard(stand.opened + updates).await?;
    let used = stand.client.cpu()?.since(before);
    let report = stand.client.end(load).await?;
    anyhow::ensure!(
        report.updates.messages == stand.opened + updates,
        "not one message for each stream and event: {report:?}"
    );
    let size = Size {
        streams: load.streams(),
        updates,
        micros_per_update: micros_each(used.of_streams(), updates),
        observer_cpu_seconds: used.observer,
    };
    tell(&format!("{size:?}"));
    Ok(size)
}
