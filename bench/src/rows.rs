//! What is measured: a file for each thing that is done, which may make more than one row.

pub(crate) mod crowd;
pub(crate) mod decode;
pub(crate) mod opening;
pub(crate) mod runs;
pub(crate) mod updates;

use std::path::Path;

use crate::{
    client::Client,
    cluster::{Cluster, Slices},
    load::Load,
    sandbox::{Destination, Sandbox},
};

/// The load of most rows: 25,000 streams.
pub(crate) const LOAD: Load = Load {
    services: 50,
    connections: 500,
};

/// A sandbox whose slices nobody else writes, and a client that holds all of its streams.
pub(crate) struct Stand {
    pub(crate) sandbox: Sandbox,
    pub(crate) cluster: Cluster,
    pub(crate) slices: Slices,
    pub(crate) client: Client,
    /// Messages that the client has been told so far.
    pub(crate) opened: u64,
}

// === impl Stand ===

impl Stand {
    /// Gives every Service of `load` so many endpoints, and opens all streams.
    pub(crate) async fn open(tool: &Path, load: Load, endpoints: u32) -> anyhow::Result<Self> {
        let sandbox = Sandbox::start(tool, Destination::Reference, 1..50).await?;
        let cluster = sandbox.cluster().await?;
        let slices = cluster.slices(load, endpoints).await?;
        slices.set(endpoints).await?;
        let client = Client::start(tool, &sandbox, load)?;
        let opened = client.heard(load.streams()).await?;
        Ok(Self {
            sandbox,
            cluster,
            slices,
            client,
            opened,
        })
    }
}

/// Microseconds for each of `count`.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub(crate) fn micros_each(seconds: f64, count: u64) -> f64 {
    seconds * 1e6 / count.max(1) as f64
}
