//! Whole runs on the sandbox over loopback, as anybody starts them.

use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command;

use crate::tell;

/// 1,000 streams on 1,000 connections, and one endpoint that comes and goes.
const FLOOR: &str = "
scenario: {name: floor, seed: 1}
churn:
  services: 1
  pattern: oscillate
  minEndpoints: 10
  maxEndpoints: 11
  minHold: 500ms
  maxHold: 500ms
  cycles: 30
client: {clients: 1000}
sandbox: {nodes: 4, zones: 1, podStart: 1ms, sliceSync: 10ms}
";

/// One cycle, and holds that are long enough for all to settle.
const REDLINE: [&str; 3] = ["churn.cycles=1", "churn.minHold=20s", "churn.maxHold=20s"];

/// How the red-line scenario ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Redline {
    pub verdict: String,
    pub lag_p99_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct Report {
    verdict: String,
    generator: Generator,
}

#[derive(Deserialize)]
struct Generator {
    loop_lag_p99_seconds: Option<f64>,
}

/// The median, over all additions of one endpoint, of when the last of 1,000 streams knew.
pub(crate) async fn floor(tool: &Path) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let scenario = directory.path().join("floor.yaml");
    std::fs::write(&scenario, FLOOR)?;
    let output = run(
        tool,
        &[scenario.to_str().context("a path that is no text")?],
        &directory,
    )
    .await?;
    let mut last = Vec::new();
    for line in std::fs::read_to_string(output.join("recording.jsonl"))?.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line["kind"] == "change" && line["direction"] == "add" && line["audience"] == 1_000 {
            last.push(
                line["last_us"]
                    .as_u64()
                    .context("a change that not all know")?,
            );
        }
    }
    last.sort_unstable();
    let median = last.get(last.len() / 2).context("no additions")?;
    tell(&format!("floor: {median} us, the median of {}", last.len()));
    Ok(std::time::Duration::from_micros(*median).as_secs_f64())
}

/// The red-line scenario, one cycle of it.
pub(crate) async fn redline(tool: &Path) -> anyhow::Result<Redline> {
    let directory = tempfile::tempdir()?;
    let mut arguments = vec!["red-line"];
    for set in REDLINE {
        arguments.extend(["--set", set]);
    }
    let output = run(tool, &arguments, &directory).await?;
    let report = std::fs::read(output.join("report.json"))?;
    let Report { verdict, generator } = serde_json::from_slice(&report)?;
    let redline = Redline {
        verdict,
        lag_p99_seconds: generator.loop_lag_p99_seconds,
    };
    tell(&format!("{redline:?}"));
    Ok(redline)
}

/// Runs a scenario; its verdict, whatever it is, is in what it leaves.
async fn run(
    tool: &Path,
    arguments: &[&str],
    directory: &tempfile::TempDir,
) -> anyhow::Result<std::path::PathBuf> {
    let output = directory.path().join("run");
    let ended = Command::new(tool)
        .args(["run", "--log-level", "warn"])
        .args(arguments)
        .arg("--output-dir")
        .arg(&output)
        .env_remove("LINKERD_DESTINATION_BIN")
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.join("report.json").exists() {
        bail!("no report: {}", String::from_utf8_lossy(&ended.stderr));
    }
    Ok(output)
}
