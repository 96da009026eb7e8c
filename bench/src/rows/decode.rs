//! Updates of 100 addresses: the tool's client, its ledger included, beside the generated client.

use std::{path::Path, time::Duration};

use anyhow::bail;
use serde::Serialize;

use super::{Stand, micros_each};
use crate::{client::Reader, load::Load, reader::How, tell};

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
    let stand = Stand::open(tool, LOAD, ENDPOINTS).await?;
    let stock = Reader::start(
        How::Stock,
        &stand.sandbox,
        LOAD,
        &stand.cluster.nodes().await?,
    )?;
    stock.told(LOAD.streams()).await?;
    let (mut ours, mut theirs) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        stand.slices.set(0).await?;
        tokio::time::sleep(PACE).await;
        let (client_before, stock_before) = (stand.client.cpu()?, stock.cpu()?);
        stand.slices.set(ENDPOINTS).await?;
        tokio::time::sleep(PACE).await;
        ours += stand.client.cpu()?.since(client_before).all;
        theirs += stock.cpu()?.since(stock_before).all;
    }
    let updates = ROUNDS * LOAD.streams();
    let heard = stand.client.heard(stand.opened + 2 * updates).await?;
    let told = stock.told(LOAD.streams() + 2 * updates).await?;
    let report = stand.client.end(LOAD).await?;
    if heard - stand.opened != 2 * updates || told != heard {
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
