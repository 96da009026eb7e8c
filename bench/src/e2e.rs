//! All rows, into one file.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use procfs::{Current, Meminfo};
use serde::Serialize;

use crate::{
    ToolArgs,
    rows::{
        crowd::{self, Crowd, Size},
        decode::{self, Decode},
        opening::{self, Opening},
        runs::{self, Redline},
        updates::{self, Updates},
    },
    say, tell,
};

/// Flags of `e2e`.
#[derive(Clone, Debug, Args)]
pub(crate) struct E2eArgs {
    #[command(flatten)]
    tool: ToolArgs,
    /// The real controller's command line, for what is compared with it.
    #[arg(long, env = "LINKERD_DESTINATION_BIN")]
    destination_bin: Option<String>,
    /// Where the rows go; what they were computed from goes beside it, as `…-details.json`.
    #[arg(long, default_value = "target/bench/e2e.json")]
    out: PathBuf,
    /// Only these; the other rows are null.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
}

/// What is done, each for one or two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Opening,
    Updates,
    Crowd,
    Decode,
    Sizes,
    Floor,
    Redline,
}

/// The rows, in the order of docs/performance. One that was not measured is null.
#[derive(Clone, Debug, Default, Serialize)]
struct Rows {
    opening_cpu_ratio: Option<f64>,
    update_over_raw_h2: Option<f64>,
    rss_25k_bytes: Option<u64>,
    rss_100k_bytes: Option<u64>,
    decode_speedup: Option<f64>,
    scaling_flatness: Option<f64>,
    floor_p50_seconds: Option<f64>,
    redline: Option<Redline>,
}

/// What the rows were computed from.
#[derive(Clone, Debug, Default, Serialize)]
struct Details {
    tool: String,
    machine: Machine,
    opening: Option<Opening>,
    updates: Option<Updates>,
    crowd: Option<Crowd>,
    decode: Option<Decode>,
    sizes: Vec<Size>,
}

/// What the rows were measured on.
#[derive(Clone, Debug, Default, Serialize)]
struct Machine {
    cpu: String,
    cores: usize,
    memory_bytes: u64,
    kernel: String,
}

/// The kernel's version, without what its builder added.
fn release() -> anyhow::Result<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let version = release.trim().split('-').next();
    Ok(version.unwrap_or_default().to_owned())
}

// === impl Machine ===

impl Machine {
    fn this() -> anyhow::Result<Self> {
        let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
        let name = cpus.lines().find(|line| line.starts_with("model name"));
        let name = name.and_then(|line| line.split_once(": "));
        Ok(Self {
            cpu: name.map_or_else(String::new, |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism()?.get(),
            memory_bytes: Meminfo::current()?.mem_total,
            kernel: release()?,
        })
    }
}

// === impl E2eArgs ===

impl E2eArgs {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// Measures what is asked for. Rows are written as they come: a bench that fails late has not
/// measured for nothing.
///
/// # Errors
/// If a process does not do what is measured, or the file cannot be written.
pub(crate) async fn run(args: &E2eArgs) -> anyhow::Result<()> {
    let tool = args.tool.tool.as_path();
    let mut rows = Rows::default();
    let mut details = Details {
        tool: version(args).await?,
        machine: Machine::this()?,
        ..Details::default()
    };
    if args.wants(Part::Opening) {
        if let Some(controller) = &args.destination_bin {
            let opening = opening::measure(tool, controller).await?;
            rows.opening_cpu_ratio = Some(opening.ratio);
            details.opening = Some(opening);
        } else {
            tell("LINKERD_DESTINATION_BIN names no controller: opening_cpu_ratio stays null");
        }
        write(args, &rows, &details)?;
    }
    if args.wants(Part::Updates) {
        let updates = updates::measure(tool).await?;
        rows.update_over_raw_h2 = Some(updates.ratio);
        rows.rss_25k_bytes = Some(updates.client_peak_rss_bytes);
        details.updates = Some(updates);
        write(args, &rows, &details)?;
    }
    if args.wants(Part::Crowd) {
        let crowd = crowd::measure(tool).await?;
        rows.rss_100k_bytes = Some(crowd.peak_rss_bytes);
        details.crowd = Some(crowd);
        write(args, &rows, &details)?;
    }
    if args.wants(Part::Decode) {
        let decode = decode::measure(tool).await?;
        rows.decode_speedup = Some(decode.speedup);
        details.decode = Some(decode);
        write(args, &rows, &details)?;
    }
    if args.wants(Part::Sizes) {
        let sizes = crowd::sizes(tool).await?;
        rows.scaling_flatness = crowd::flatness(&sizes);
        details.sizes = sizes;
        write(args, &rows, &details)?;
    }
    if args.wants(Part::Floor) {
        rows.floor_p50_seconds = Some(runs::floor(tool).await?);
        write(args, &rows, &details)?;
    }
    if args.wants(Part::Redline) {
        rows.redline = Some(runs::redline(tool).await?);
        write(args, &rows, &details)?;
    }
    say(&serde_json::to_string_pretty(&rows)?);
    Ok(())
}

async fn version(args: &E2eArgs) -> anyhow::Result<String> {
    let tool = &args.tool.tool;
    let said = tokio::process::Command::new(tool)
        .arg("--version")
        .output()
        .await
        .with_context(|| format!("cannot run {}", tool.display()))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

fn write(args: &E2eArgs, rows: &Rows, details: &Details) -> anyhow::Result<()> {
    let named = args.out.with_extension("");
    let name = named.file_name().context("--out is no file")?;
    let beside = args
        .out
        .with_file_name(format!("{}-details.json", name.to_string_lossy()));
    if let Some(directory) = args.out.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(&args.out, serde_json::to_string_pretty(rows)? + "\n")?;
    std::fs::write(beside, serde_json::to_string_pretty(details)? + "\n")?;
    Ok(())
}
