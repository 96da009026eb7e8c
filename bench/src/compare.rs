//! Two builds of the tool hold the same streams of the same destination at the same time.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{
    ToolArgs,
    client::Client,
    rows::{LOAD, micros_each, updates},
    sandbox::{Destination, Sandbox},
};

/// Flags of `compare`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    tool: ToolArgs,
    /// Another build, to compare it with.
    #[arg(long)]
    with: PathBuf,
}

/// What one of the two cost.
#[derive(Clone, Debug, Serialize)]
struct Cost {
    opening_micros_per_stream: f64,
    micros_per_update: f64,
    peak_rss_bytes: u64,
}

/// Measures both, and prints each with the ratios of the first to the second.
///
/// # Errors
/// If either does not do what is measured.
pub(crate) async fn run(args: &CompareArgs) -> anyhow::Result<()> {
    let sandbox =
        Sandbox::start(&args.tool.tool, Destination::Reference, updates::POD_START).await?;
    let cluster = sandbox.cluster().await?;
    cluster.deploy(LOAD, updates::BEFORE).await?;
    // One after the other, for the first would open its streams while the second starts.
    let mut clients = Vec::new();
    for tool in [&args.tool.tool, &args.with] {
        let client = Client::start(tool, &sandbox, LOAD)?;
        let opened = client.heard(LOAD.streams()).await?;
        let opening = client.cpu()?;
        clients.push((client, opened, opening));
    }
    let mut before = Vec::new();
    for (client, ..) in &clients {
        before.push(client.cpu()?);
    }
    updates::down_and_up(&cluster).await?;
    let mut costs = Vec::new();
    for ((client, opened, opening), before) in clients.into_iter().zip(before) {
        let heard = client.heard(opened + 1).await?;
        costs.push(Cost {
            opening_micros_per_stream: micros_each(opening.all, LOAD.streams()),
            micros_per_update: micros_each(client.cpu()?.since(before).all, heard - opened),
            peak_rss_bytes: client.peak_rss()?,
        });
        client.end(LOAD).await?;
    }
    let [one, other] = &costs[..] else {
        unreachable!("two were started")
    };
    let ratio = serde_json::json!({
        "opening": one.opening_micros_per_stream / other.opening_micros_per_stream,
        "update": one.micros_per_update / other.micros_per_update,
        "peak_rss": bytes(one) / bytes(other),
    });
    let said = serde_json::json!({"tool": one, "with": other, "tool_over_with": ratio});
    crate::say(&serde_json::to_string_pretty(&said)?);
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory stays far below 2^52 bytes"
)]
fn bytes(cost: &Cost) -> f64 {
    cost.peak_rss_bytes as f64
}
