//! Every Service goes from 110 endpoints to 50 and back to 100, step by step as Kubernetes does it;
//! beside the tool's client, a reader holds the same streams and decodes nothing.

use std::{path::Path, time::Duration};

use anyhow::bail;
use serde::Serialize;

use super::{LOAD, micros_each};
use crate::{
    client::{Client, Reader},
    cluster::Cluster,
    reader::How,
    sandbox::{Destination, Sandbox},
    tell,
};

/// Milliseconds that pods take to become ready: so that additions come a few at a time, as they do
/// where a real kubelet starts them.
pub(crate) const POD_START: std::ops::Range<u32> = 500..15_000;
/// Endpoints at the beginning.
pub(crate) const BEFORE: u32 = 110;
/// Endpoints after each step down.
const DOWN: [u32; 10] = [104, 98, 92, 86, 80, 74, 68, 62, 56, 50];
/// Endpoints at the end.
const UP: u32 = 100;
/// Between two steps down.
const STEP: Duration = Duration::from_secs(1);

/// What the updates cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Updates {
    pub messages: u64,
    pub addresses_per_message: f64,
    pub client_cpu_seconds: f64,
    pub raw_cpu_seconds: f64,
    pub client_micros_per_message: f64,
    pub raw_micros_per_message: f64,
    pub client_peak_rss_bytes: u64,
    pub ratio: f64,
}

/// Measures both over the same updates.
pub(crate) async fn measure(tool: &Path) -> anyhow::Result<Updates> {
    let sandbox = Sandbox::start(tool, Destination::Reference, POD_START).await?;
    let cluster = sandbox.cluster().await?;
    cluster.deploy(LOAD, BEFORE).await?;
    let client = Client::start(tool, &sandbox, LOAD)?;
    let opened = client.heard(LOAD.streams()).await?;
    let raw = Reader::start(How::Raw, &sandbox, LOAD, &cluster.nodes().await?)?;
    let snapshots = raw.heard(1).await?;
    let (client_before, raw_before) = (client.cpu()?, raw.cpu()?);
    down_and_up(&cluster).await?;
    let heard = client.heard(opened + 1).await?;
    let read = raw.heard(snapshots + 1).await?;
    let client_cpu_seconds = client.cpu()?.since(client_before).all;
    let raw_cpu_seconds = raw.cpu()?.since(raw_before).all;
    let client_peak_rss_bytes = client.peak_rss()?;
    let report = client.end(LOAD).await?;
    // The proof that both were told the same: the streams are bytes, five of them a frame.
    let bytes = report.updates.bytes + 5 * report.updates.messages;
    if report.updates.messages != heard || bytes != read {
        bail!("the client was told {heard} messages of {bytes} bytes, the reader {read} bytes");
    }
    let messages = heard - opened;
    let opening = LOAD.streams() * u64::from(BEFORE);
    let updates = Updates {
        messages,
        addresses_per_message: each(report.updates.addresses - opening, messages),
        client_cpu_seconds,
        raw_cpu_seconds,
        client_micros_per_message: micros_each(client_cpu_seconds, messages),
        raw_micros_per_message: micros_each(raw_cpu_seconds, messages),
        client_peak_rss_bytes,
        ratio: client_cpu_seconds / raw_cpu_seconds,
    };
    tell(&format!("{updates:?}"));
    Ok(updates)
}

/// Lets all Services shrink, and then grow.
pub(crate) async fn down_and_up(cluster: &Cluster) -> anyhow::Result<()> {
    let mut least = BEFORE;
    for endpoints in DOWN {
        cluster.scale(LOAD, endpoints).await?;
        least = endpoints;
        tokio::time::sleep(STEP).await;
    }
    cluster.settle(LOAD, least).await?;
    cluster.scale(LOAD, UP).await?;
    cluster.settle(LOAD, UP).await
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn each(addresses: u64, messages: u64) -> f64 {
    addresses as f64 / messages.max(1) as f64
}
