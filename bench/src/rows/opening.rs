//! 25,000 streams are opened on Services of 110 endpoints: who pays what.

use std::path::Path;

use serde::Serialize;

use super::{LOAD, micros_each, updates};
use crate::{
    client::Client,
    sandbox::{Destination, Sandbox},
    tell,
};

/// What opening cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Opening {
    pub client_cpu_seconds: f64,
    pub destination_cpu_seconds: f64,
    pub client_micros_per_stream: f64,
    pub client_peak_rss_bytes: u64,
    pub ratio: f64,
}

/// Opens all streams on the real controller that this command line starts.
pub(crate) async fn measure(tool: &Path, controller: &str) -> anyhow::Result<Opening> {
    let sandbox = Sandbox::start(tool, Destination::Real(controller), 1..50).await?;
    let cluster = sandbox.cluster().await?;
    cluster.deploy(LOAD, updates::BEFORE).await?;
    // Until then the controller has to do with its own caches.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    let before = sandbox.process.cpu_of_child()?;
    let client = Client::start(tool, &sandbox, LOAD)?;
    client.heard(LOAD.streams()).await?;
    let client_cpu_seconds = client.cpu()?.all;
    let destination_cpu_seconds = sandbox.process.cpu_of_child()?.since(before).all;
    let client_peak_rss_bytes = client.peak_rss()?;
    client.end(LOAD).await?;
    let opening = Opening {
        client_cpu_seconds,
        destination_cpu_seconds,
        client_micros_per_stream: micros_each(client_cpu_seconds, LOAD.streams()),
        client_peak_rss_bytes,
        ratio: client_cpu_seconds / destination_cpu_seconds,
    };
    tell(&format!("{opening:?}"));
    Ok(opening)
}
