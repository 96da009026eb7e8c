//! Updates of 100 addresses: the tool's client, its ledger included, beside the generated client.

use std::{path::Path, time::Duration};

use anyhow::bail;
use serde::Serialize;

use super::micros_each;
use crate::{
    client::{Client, Reader},
    load::Load,
    reader::How,
    sandbox::{Destination, Sandbox},
    tell,
};

const LOAD: Load = Load {
    services: 4,
    connections: 500,
};
/// Addresses in each update.
const ENDPOINTS: u32 = 100;
/// Updates that each stream gets.
const ROUNDS: u64 = 25;
/// For each update, and for the removal after it.
const PACE: Duration = Duration::from_secs(1);

/// What 100-address updates cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Decode {
    pub updates: u64,
    pub client_micros_per_update: f64,
    pub stock_micros_per_update: f64,
    pub speedup: f64,
}

/// Measures both over the same updates; what removes them again is not counted.
pub(crate) async fn measure(tool: &Path) -> anyhow::Result<Decode> {
    let sandbox = Sandbox::start(tool, Destination::Reference, 1..50).await?;
    let cluster = sandbox.cluster().await?;
    let slices = cluster.slices(LOAD, ENDPOINTS).await?;
    let all = usize::try_from(ENDPOINTS)?;
    slices.set(all).await?;
    let client = Client::start(tool, &sandbox, LOAD)?;
    let opened = client.heard(LOAD.streams()).await?;
    let stock = Reader::start(How::Stock, &sandbox, LOAD, &cluster.nodes().await?)?;
    stock.told(LOAD.streams()).await?;
    let (mut ours, mut theirs) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        slices.set(0).await?;
        tokio::time::sleep(PACE).await;
        let (client_before, stock_before) = (client.cpu()?, stock.cpu()?);
        slices.set(all).await?;
        tokio::time::sleep(PACE).await;
        ours += client.cpu()?.since(client_before).all;
        theirs += stock.cpu()?.since(stock_before).all;
    }
    let updates = ROUNDS * LOAD.streams();
    let heard = client.heard(opened + 2 * updates).await?;
    let told = stock.told(LOAD.streams() + 2 * updates).await?;
    let report = client.end(LOAD).await?;
    if heard - opened != 2 * updates || told != heard {
        bail!("not one message each: {heard} heard, {told} told, {report:?}");
    }
    let decode = Decode {
        updates,
        client_micros_per_update: micros_each(ours, updates),
        stock_micros_per_update: micros_each(theirs, updates),
        speedup: theirs / ours,
    };
    tell(&format!("{decode:?}"));
    Ok(decode)
}
