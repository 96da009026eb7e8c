//! The processes that hold streams: the tool's own client, and readers to compare it with.

use std::{collections::BTreeMap, net::TcpListener, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::process::Command;

use crate::{
    load::{Load, NAMESPACE},
    process::{Cpu, Process},
    reader::{Counts, How},
    sandbox::Sandbox,
};

/// How long all streams may take to hear of something.
const PATIENCE: Duration = Duration::from_secs(180);
/// What has said nothing for so long has said all.
const QUIET: Duration = Duration::from_secs(3);
/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// The tool's `client`.
pub(crate) struct Client {
    process: Process,
    metrics: String,
}

/// What of its report is checked or judged.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Report {
    streams: Streams,
    correctness: Correctness,
    pub updates: Updates,
}

#[derive(Clone, Debug, Deserialize)]
struct Streams {
    opened: u64,
    reopened: u64,
    errors: u64,
    unexpected_resets: u64,
    overflows: u64,
    /// Read by whoever is told that something went wrong.
    #[expect(dead_code, reason = "it is in the message's debug text")]
    errors_by_code: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Correctness {
    streams_checked: u64,
    streams_wrong: u64,
}

/// What came over the wire.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Updates {
    pub messages: u64,
    pub addresses: u64,
    /// Of the messages, without their five bytes of framing.
    pub bytes: u64,
}

// === impl Client ===

impl Client {
    /// Starts it; streams open as fast as they can.
    pub(crate) fn start(tool: &Path, sandbox: &Sandbox, load: Load) -> anyhow::Result<Self> {
        // Freed again at once: nobody else on this machine takes ports meanwhile.
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let services: Vec<_> = load.authorities().collect();
        let mut command = Command::new(tool);
        command
            .args(["client", "--log-level", "warn", "--output", "json"])
            .args(["--destination", &sandbox.destination])
            .arg("--kubeconfig")
            .arg(&sandbox.kubeconfig)
            .args(["--namespace", NAMESPACE])
            .args(["--services", &services.join(",")])
            .args(["--clients", &load.connections.to_string()])
            .args(["--open-rate", "100000"])
            .args(["--admin-addr", &admin.to_string()]);
        Ok(Self {
            process: Process::start("client", command)?,
            metrics: format!("http://{admin}/metrics"),
        })
    }

    /// Messages received so far; `None` while it does not answer.
    fn messages(&self) -> anyhow::Result<Option<u64>> {
        let Ok(mut answer) = ureq::get(&self.metrics).call() else {
            return Ok(None);
        };
        let page = answer.body_mut().read_to_string()?;
        let counters = page
            .lines()
            .filter(|line| line.starts_with("destination_client_updates_received_total"));
        let mut messages = 0;
        for line in counters {
            let (_, count) = line.rsplit_once(' ').context("a metric without a value")?;
            messages += count.parse::<u64>()?;
        }
        Ok(Some(messages))
    }

    /// Waits until at least `messages` have come in all, and no more do.
    pub(crate) async fn heard(&self, messages: u64) -> anyhow::Result<u64> {
        heard("client", messages, || self.messages()).await
    }

    /// CPU that it has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        self.process.cpu()
    }

    /// The most memory that it ever had, bytes.
    pub(crate) fn peak_rss(&self) -> anyhow::Result<u64> {
        self.process.peak_rss()
    }

    /// Ends it, and makes sure that all went well: every stream was opened once and is right.
    pub(crate) async fn end(self, load: Load) -> anyhow::Result<Report> {
        let said = self.process.end().await?;
        let report: Report = serde_json::from_str(&said).context("the client's report")?;
        let Streams {
            opened,
            reopened,
            errors,
            unexpected_resets,
            overflows,
            ..
        } = report.streams;
        let Correctness {
            streams_checked,
            streams_wrong,
        } = report.correctness;
        let wanted = load.streams();
        if (opened, streams_checked) != (wanted, wanted)
            || reopened + errors + unexpected_resets + overflows + streams_wrong > 0
        {
            bail!("the client did not do what is measured: {report:?}");
        }
        Ok(report)
    }
}

/// A reader of this program's own.
pub(crate) struct Reader {
    process: Process,
    counts: Arc<Mutex<Counts>>,
    watching: tokio::task::JoinHandle<()>,
}

// === impl Reader ===

impl Reader {
    /// Starts it; its virtual clients take the `nodes` in turn, as the tool's do.
    pub(crate) fn start(
        how: How,
        sandbox: &Sandbox,
        load: Load,
        nodes: &[String],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["reader", "--how", how.name()])
            .args(["--destination", &sandbox.destination])
            .args(["--nodes", &nodes.join(",")])
            .args(["--services", &load.services.to_string()])
            .args(["--connections", &load.connections.to_string()]);
        let mut process = Process::start(how.name(), command)?;
        let counts = Arc::new(Mutex::default());
        // Moved out: the process is asked for its CPU meanwhile.
        let mut lines = process.lines()?;
        let told = Arc::clone(&counts);
        let watching = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(counts) = serde_json::from_str(&line) {
                    *told.lock() = counts;
                }
            }
        });
        Ok(Self {
            process,
            counts,
            watching,
        })
    }

    /// What it has read.
    pub(crate) fn counts(&self) -> anyhow::Result<Counts> {
        if self.watching.is_finished() {
            bail!("the reader has ended");
        }
        Ok(*self.counts.lock())
    }

    /// Waits until at least `bytes` have come in all, and no more do.
    pub(crate) async fn heard(&self, bytes: u64) -> anyhow::Result<u64> {
        heard("the reader", bytes, || Ok(Some(self.counts()?.bytes))).await
    }

    /// Waits until at least `messages` have come in all, and no more do.
    pub(crate) async fn told(&self, messages: u64) -> anyhow::Result<u64> {
        heard("the reader", messages, || Ok(Some(self.counts()?.messages))).await
    }

    /// CPU that it has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        self.process.cpu()
    }
}

/// Waits until `count` is at least `least`, and grows no more.
async fn heard(
    what: &str,
    least: u64,
    count: impl Fn() -> anyhow::Result<Option<u64>>,
) -> anyhow::Result<u64> {
    let (mut before, mut quiet) = (0, Duration::ZERO);
    let mut waited = Duration::ZERO;
    loop {
        let now = count()?.unwrap_or_default();
        quiet = if now == before {
            quiet + LOOK
        } else {
            Duration::ZERO
        };
        before = now;
        if now >= least && quiet >= QUIET {
            return Ok(now);
        }
        if waited >= PATIENCE {
            bail!("{what} heard {now} of {least}");
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
}
