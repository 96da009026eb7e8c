//! Readers of Destination streams that measure nothing, to stand beside the tool's client.

mod raw;
mod stock;

use std::{
    io::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::load::{Load, NAMESPACE};

/// How often a reader says what it has read.
const EVERY: Duration = Duration::from_millis(500);

/// How streams are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// HTTP/2 frames are taken off the connection and forgotten: the least that anybody can do.
    Raw,
    /// The generated client of linkerd2-proxy-api on tonic, each message wholly decoded.
    Stock,
}

/// Flags of the hidden command.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReaderArgs {
    #[arg(long)]
    how: How,
    #[arg(long)]
    destination: String,
    #[arg(long, value_delimiter = ',')]
    nodes: Vec<String>,
    #[command(flatten)]
    load: Load,
}

/// What a reader has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Messages; a reader that decodes nothing does not know.
    pub messages: u64,
    /// Bytes of the streams' bodies; a reader that is given messages does not know.
    pub bytes: u64,
}

/// What all streams have read.
#[derive(Debug, Default)]
struct Tally {
    messages: AtomicU64,
    bytes: AtomicU64,
}

// === impl How ===

impl How {
    /// As on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Stock => "stock",
        }
    }
}

/// Reads until it is killed, or something goes wrong.
pub(crate) async fn run(args: &ReaderArgs) -> anyhow::Result<()> {
    // For ever: the process ends before.
    let tally: &'static Tally = Box::leak(Box::default());
    let reading = async {
        match args.how {
            How::Raw => raw::read(args, tally).await,
            How::Stock => stock::read(args, tally).await,
        }
    };
    tokio::select! {
        ended = reading => ended,
        ended = say(tally) => ended,
    }
}

async fn say(tally: &Tally) -> anyhow::Result<()> {
    loop {
        let counts = Counts {
            messages: tally.messages.load(Ordering::Relaxed),
            bytes: tally.bytes.load(Ordering::Relaxed),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&counts)?)?;
        drop(out);
        tokio::time::sleep(EVERY).await;
    }
}

// === impl ReaderArgs ===

impl ReaderArgs {
    /// The context token of a virtual client, as the tool's client sends it.
    fn token(&self, client: u32) -> anyhow::Result<String> {
        let turn = usize::try_from(client)? % self.nodes.len().max(1);
        let node = self.nodes.get(turn).map_or("", String::as_str);
        let pod = format!("dst-load-client-{client}");
        Ok(serde_json::json!({"ns": NAMESPACE, "nodeName": node, "pod": pod}).to_string())
    }
}
