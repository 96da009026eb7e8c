//! The tool's own floor: the destination-stage latency of its reference destination on this
//! machine, with next to nothing to do. No smaller latency can be told apart from the tool itself.
//!
//! Measured once for each build and machine, and kept in the user's cache directory.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use dst_load_recording::recording::{self, Line};
use dst_load_scenario::{quantity::Span, scenario::Scenario, words::chain};
use dst_load_session::recorder::{Recorder, write_whole};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::config::RunConfig;
use crate::cli::{
    environment::{Environment, EnvironmentChoice},
    version::VERSION,
};

/// One Service, one client, one endpoint that comes and goes: some three seconds of it.
const SCENARIO: &str = "
scenario: {name: floor, seed: 1}
churn:
  services: 1
  pattern: oscillate
  minEndpoints: 1
  maxEndpoints: 2
  minHold: 100ms
  maxHold: 100ms
  cycles: 12
client: {clients: 1}
measure: {deadline: 5s}
sandbox: {nodes: 1, zones: 1, podStart: 1ms, sliceSync: 10ms}
";

/// Of its 24 changes, so many must have been timed.
const FEWEST: usize = 6;

/// What the cache holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    build: String,
    floor_seconds: f64,
}

/// The floor, seconds: the kept one, or one measured now. A floor that cannot be had is no reason
/// to fail a run: the report then says that there is none.
pub(super) async fn seconds() -> Option<f64> {
    if let Some(kept) = kept() {
        return Some(kept);
    }
    match measure().await {
        Ok(floor) => {
            keep(floor);
            Some(floor)
        }
        Err(error) => {
            let error = chain(error.as_ref());
            tracing::warn!("the tool's own floor could not be measured: {error}");
            None
        }
    }
}

async fn measure() -> anyhow::Result<f64> {
    tracing::info!("measuring the tool's own floor, once for this build and machine");
    let (scenario, _) = Scenario::from_yaml(SCENARIO, "floor", &[])?;
    let sandbox = EnvironmentChoice::Sandbox {
        controller: None,
        memory_limit: None,
    };
    let environment = Environment::start(sandbox, &scenario, None).await?;
    let config = RunConfig {
        namespace: Some("floor".to_owned()),
        connect_timeout: Span(Duration::from_secs(5)),
        ..RunConfig::of(scenario)
    };
    let floor = run(&config, &environment).await;
    environment.stop().await;
    floor
}

async fn run(config: &RunConfig, environment: &Environment) -> anyhow::Result<f64> {
    let header = config.header(environment)?;
    let mut recording = Vec::new();
    let recorder = Recorder::new(&mut recording, "floor".as_ref());
    let engine = config.engine(environment, &header, recorder, CancellationToken::new())?;
    if let Some(error) = engine.run(header).await.error {
        return Err(error.into());
    }
    drop(engine);
    let mut micros: Vec<_> = recording::read(recording.as_slice())?
        .into_iter()
        .filter_map(|line| match line {
            Line::Change(change) => change.first_us,
            _ => None,
        })
        // The stream was told before the observer: by how much is not known, only that the two
        // cannot be told apart.
        .filter(|&micros| micros > 0)
        .collect();
    micros.sort_unstable();
    if micros.len() < FEWEST {
        bail!("the machine is too busy: the observer was behind the stream nearly every time");
    }
    Ok(Duration::from_micros(micros[micros.len() / 2]).as_secs_f64())
}

/// `$XDG_CACHE_HOME` or `~/.cache`, as the XDG base directory specification has it.
fn path() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("dst-load-controller").join("floor.json"))
}

fn kept() -> Option<f64> {
    let text = std::fs::read(path()?).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    (kept.build == VERSION).then_some(kept.floor_seconds)
}

/// A floor that cannot be kept is measured again the next time.
fn keep(floor_seconds: f64) {
    let kept = Kept {
        build: VERSION.to_owned(),
        floor_seconds,
    };
    let write = || -> anyhow::Result<()> {
        let path = path().context("no cache directory")?;
        std::fs::create_dir_all(path.parent().context("no cache directory")?)?;
        Ok(write_whole(&path, &serde_json::to_string(&kept)?)?)
    };
    if let Err(error) = write() {
        tracing::debug!("the floor is not kept: {error:#}");
    }
}
