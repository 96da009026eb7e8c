//! The embedded cluster and a destination, as a process of their own.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use tokio::process::Command;

use crate::{cluster::Cluster, process::Process};

/// The sandbox, and all that a client must know of it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub process: Process,
    pub kubeconfig: PathBuf,
    /// The destination's HOST:PORT.
    pub destination: String,
    _directory: tempfile::TempDir,
}

/// What the sandbox says once it stands.
#[derive(Deserialize)]
struct Ready {
    destination: String,
}

/// Whose destination controller stands there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Destination<'a> {
    /// The tool's own.
    Reference,
    /// A real one, by its command line.
    Real(&'a str),
}

// === impl Sandbox ===

impl Sandbox {
    /// Starts it; a pod takes `pod_start` milliseconds to become ready.
    pub(crate) async fn start(
        tool: &Path,
        destination: Destination<'_>,
        pod_start: std::ops::Range<u32>,
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let kubeconfig = directory.path().join("kubeconfig");
        let scenario = directory.path().join("scenario.yaml");
        let (least, most) = (pod_start.start, pod_start.end);
        std::fs::write(
            &scenario,
            format!(
                "scenario: {{name: bench, seed: 1}}\n\
                 churn: {{services: 1, pattern: oscillate, minEndpoints: 1, maxEndpoints: 2, minHold: 1s, maxHold: 1s}}\n\
                 client: {{clients: 1}}\n\
                 sandbox: {{nodes: 4, zones: 1, sliceSync: 200ms, podStart: {{min: {least}ms, max: {most}ms}}}}\n"
            ),
        )?;
        let mut command = Command::new(tool);
        command
            .args([
                "sandbox",
                "--log-level",
                "warn",
                "--with-parent",
                &std::process::id().to_string(),
                "--scenario",
            ])
            .arg(&scenario)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .env_remove("LINKERD_DESTINATION_BIN");
        if let Destination::Real(line) = destination {
            command.args(["--destination-bin", line]);
            command
                .arg("--destination-log")
                .arg(directory.path().join("destination.log"));
        }
        let mut process = Process::start("the sandbox", command)?;
        let line = process.line().await?;
        let ready: Ready = serde_json::from_str(&line).with_context(|| line.clone())?;
        Ok(Self {
            process,
            kubeconfig,
            destination: ready.destination,
            _directory: directory,
        })
    }

    /// Its Kubernetes API.
    pub(crate) async fn cluster(&self) -> anyhow::Result<Cluster> {
        Cluster::at(&self.kubeconfig).await
    }
}
