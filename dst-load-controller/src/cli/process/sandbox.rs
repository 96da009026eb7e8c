//! The sandbox as a child process of the same binary, so that its cost can be told from this
//! process's.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use dst_load_scenario::{flags::Flags, scenario::Scenario};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
};

use super::{CommandLine, bound, remove_flag_variables};

/// For how long the sandbox may take to become ready, with a controller that may take a minute.
const READY_TIMEOUT: Duration = Duration::from_secs(90);
/// For how long it may take to exit.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The environment variable that names a controller.
const DESTINATION_BIN: &str = "LINKERD_DESTINATION_BIN";

/// The line on the sandbox's standard output: where everything is, once it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct ReadyLine {
    /// The kubeconfig's path.
    pub(in crate::cli) kubeconfig: PathBuf,
    /// The kubeconfig's context of the target cluster, where the scenario spans two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) target_context: Option<String>,
    /// The gRPC address of each replica of the destination, with commas.
    pub(in crate::cli) destination: String,
    /// The URL of its metrics.
    pub(in crate::cli) destination_metrics: String,
    /// The version of a controller of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) destination_version: Option<String>,
    /// The flags of the destination that change what it promises.
    #[serde(default)]
    pub(in crate::cli) destination_flags: Flags,
}

/// A sandbox that is ready.
#[derive(Debug)]
pub(in crate::cli) struct SandboxProcess {
    child: Child,
}

// === impl ReadyLine ===

impl ReadyLine {
    /// Writes the line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::cli) fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(out, "{}", serde_json::to_string(self)?)?;
        out.flush()
    }

    fn parse(line: &str) -> io::Result<Self> {
        Ok(serde_json::from_str(line)?)
    }
}

// === impl SandboxProcess ===

impl SandboxProcess {
    /// Starts the sandbox of `scenario` and waits until it is ready; with a controller of the user's
    /// own, if there is one, whose log goes to the file `log`, or to standard error.
    ///
    /// # Errors
    /// If it cannot be started, exits, or is not ready in time.
    pub(in crate::cli) async fn start(
        scenario: &Scenario,
        controller: Option<&CommandLine>,
        log: Option<&Path>,
    ) -> anyhow::Result<(Self, ReadyLine)> {
        let mut command = Command::new(std::env::current_exe().context("this binary's path")?);
        command
            .args([
                "--log-level",
                "warn",
                "sandbox",
                "--scenario",
                "-",
                "--with-parent",
                &std::process::id().to_string(),
                // It is this run's alone, in a Pod too.
                "--listen",
                "127.0.0.1",
            ])
            .env_remove(DESTINATION_BIN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            // A Ctrl-C in a terminal goes to the whole group; the sandbox must outlive the drain.
            .process_group(0);
        remove_flag_variables(&mut command);
        if let Some(controller) = controller {
            command.args(["--destination-bin", &controller.quoted()?]);
            if let Some(log) = log {
                command.arg("--destination-log").arg(log);
            }
        }
        let mut child = command.spawn().context("cannot start the sandbox")?;
        let mut stdin = child.stdin.take().context("the sandbox's standard input")?;
        let stdout = child
            .stdout
            .take()
            .context("the sandbox's standard output")?;
        stdin
            .write_all(scenario.effective()?.to_string().as_bytes())
            .await?;
        drop(stdin);
        let mut line = String::new();
        let mut output = BufReader::new(stdout);
        let read = tokio::time::timeout(READY_TIMEOUT, output.read_line(&mut line)).await;
        read.with_context(|| {
            format!(
                "the sandbox was not ready after {} s",
                READY_TIMEOUT.as_secs()
            )
        })??;
        if line.is_empty() {
            bail!("the sandbox exited before it was ready; its error is above");
        }
        let ready = ReadyLine::parse(&line)?;
        Ok((Self { child }, ready))
    }

    /// Stops the sandbox, by force if it does not exit in time, and waits until it has exited.
    pub(in crate::cli) async fn stop(mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        let Some(group) = id.and_then(Pid::from_raw) else {
            return;
        };
        // Not killed at once: it may have a controller to stop.
        bound::terminate(&self.child);
        let exited = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        if exited.is_err()
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::warn!(%error, "the sandbox could not be stopped");
        }
    }
}
