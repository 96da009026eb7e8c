//! A destination controller of the user's own, on the sandbox's API or a cluster's.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use dst_load_destination::target::Target;
use dst_load_scenario::{flags::Flags, printable::line};
use dst_load_transport::listen::{Listen, on_this_machine};
use tokio::{io::AsyncReadExt as _, process::Child};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    CommandLine,
    bound::{self, GRACE_PERIOD},
};
use crate::cli::cluster::CLUSTER_DOMAIN;

/// The namespace of the controller's lease; Linkerd's default.
pub(in crate::cli) const CONTROLLER_NAMESPACE: &str = "linkerd";
/// For how long a controller may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// From one readiness probe to the next.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Bytes of its version that are read.
const VERSION_BYTES: u64 = 4096;
/// Lines of its log that are shown when it fails.
const LOG_LINES: usize = 10;
/// The environment variable without which Linkerd's destination refuses to start: the name of the
/// holder of its lease.
const HOSTNAME: &str = "HOSTNAME";

/// A controller that serves. That it exits by itself is logged, and it is not started again: a
/// measurement must show what that does.
#[derive(Debug)]
pub(in crate::cli) struct ControllerProcess {
    /// Where it serves gRPC.
    pub(in crate::cli) destination: SocketAddr,
    /// Where it serves its metrics.
    pub(in crate::cli) metrics: String,
    /// Its version, where it has one.
    pub(in crate::cli) version: Option<String>,
    /// Its flags that change what it promises.
    pub(in crate::cli) flags: Flags,
    stop: CancellationToken,
    /// Owns the process, which is sent SIGTERM when this is dropped.
    task: AbortOnDropHandle<()>,
}

/// A process, and where its log is.
#[derive(Debug)]
struct Process {
    child: Terminated,
    name: String,
    log: Option<PathBuf>,
}

/// A process that is sent SIGTERM when this is dropped.
#[derive(Debug)]
struct Terminated(Child);

impl Drop for Terminated {
    fn drop(&mut self) {
        bound::terminate(&self.0);
    }
}

// === impl ControllerProcess ===

impl ControllerProcess {
    /// Starts a controller on the API of `kubeconfig` and waits until it is ready. Its flags are as
    /// `wanted` unless its command line has them. It listens on `listen`, and its log goes to the
    /// file `log`, or to standard error.
    ///
    /// # Errors
    /// If it cannot be started, exits, or is not ready in time; with the end of its log.
    pub(in crate::cli) async fn start(
        mut line: CommandLine,
        wanted: Flags,
        kubeconfig: &Path,
        listen: Option<IpAddr>,
        log: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let version = version(&line).await?;
        let destination = free_address(listen).await?;
        let metrics = free_address(listen).await?;
        line.set_default("kubeconfig", &kubeconfig.to_string_lossy());
        line.set_default("addr", &destination.to_string());
        line.set_default("metrics-addr", &metrics.to_string());
        line.set_default("controller-namespace", CONTROLLER_NAMESPACE);
        line.set_default("cluster-domain", CLUSTER_DOMAIN);
        line.set_default("identity-trust-domain", CLUSTER_DOMAIN);
        // As in the Helm chart.
        let ipv6 = wanted.ipv6.unwrap_or(false);
        line.set_default("enable-ipv6", &ipv6.to_string());
        if let Some(slices) = wanted.endpoint_slices {
            line.set_default("enable-endpoint-slices", &slices.to_string());
        }
        // Not as in the Helm chart: to log more costs more, and that is not what is measured.
        line.set_default("log-level", "warn");
        let metrics = format!("http://{}/metrics", on_this_machine(metrics));
        let flags = Flags::of_args(line.args());
        let mut process = Process::spawn(&line, log)?;
        process.wait_until_ready(&metrics).await?;
        let stop = CancellationToken::new();
        Ok(Self {
            destination: on_this_machine(destination),
            metrics,
            version,
            flags,
            task: AbortOnDropHandle::new(tokio::spawn(process.supervise(stop.clone()))),
            stop,
        })
    }

    /// Stops the controller and waits until it has exited.
    pub(in crate::cli) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the destination controller could not be stopped");
        }
    }
}

// === impl Process ===

impl Process {
    fn spawn(line: &CommandLine, log: Option<&Path>) -> anyhow::Result<Self> {
        let mut command = line.command(&[]).context("this binary's path")?;
        if std::env::var_os(HOSTNAME).is_none_or(|name| name == *OsStr::new("")) {
            command.env(HOSTNAME, "destination");
        }
        let output = |path: &Path| -> anyhow::Result<Stdio> {
            let opened = File::options().create(true).append(true).open(path);
            Ok(opened
                .with_context(|| format!("cannot write {}", path.display()))?
                .into())
        };
        match log {
            Some(path) => command.stdout(output(path)?).stderr(output(path)?),
            // This process's standard output has the ready line alone.
            None => command.stdout(std::io::stderr()),
        };
        let child = command
            .spawn()
            .with_context(|| format!("--destination-bin: cannot start {:?}", line.program()))?;
        Ok(Self {
            child: Terminated(child),
            name: line.program().to_owned(),
            log: log.map(Path::to_owned),
        })
    }

    async fn wait_until_ready(&mut self, metrics: &str) -> anyhow::Result<()> {
        let target = Target::new(metrics)?;
        let ready = async {
            while target.is_ready().await == Some(false) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let outcome = tokio::select! {
            biased;
            status = self.child.0.wait() => Err(exited(&status?)),
            ready = tokio::time::timeout(READY_TIMEOUT, ready) => {
                ready.map_err(|_| format!("was not ready after {} s", READY_TIMEOUT.as_secs()))
            }
        };
        if let Err(what) = outcome {
            bail!("--destination-bin: {} {what}{}", self.name, self.log_end());
        }
        Ok(())
    }

    /// Waits until the controller exits or `stop` is cancelled, which stops it, by force if need be.
    async fn supervise(mut self, stop: CancellationToken) {
        let status = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            status = self.child.0.wait() => Some(status),
        };
        match status {
            Some(Ok(status)) => tracing::error!(
                "the destination controller {} {}{}",
                self.name,
                exited(&status),
                self.log_end()
            ),
            Some(Err(error)) => {
                tracing::error!(%error, "cannot wait for the destination controller {}", self.name);
            }
            None => {
                bound::terminate(&self.child.0);
                let exited = tokio::time::timeout(2 * GRACE_PERIOD, self.child.0.wait()).await;
                if !matches!(exited, Ok(Ok(_))) {
                    tracing::warn!("{} could not be stopped", self.name);
                }
            }
        }
    }

    /// The end of the log, if that is a file.
    fn log_end(&self) -> String {
        let Some(log) = &self.log else {
            return String::new();
        };
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if text.is_empty() {
            return "; its log is empty".to_owned();
        }
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].iter();
        let last: Vec<_> = last.map(|it| line(it)).collect();
        format!(
            "; the end of its log ({}):\n{}",
            log.display(),
            last.join("\n")
        )
    }
}

/// The controller's answer to `--version`.
///
/// # Errors
/// If it cannot be started.
async fn version(command_line: &CommandLine) -> anyhow::Result<Option<String>> {
    let command = command_line.command(&["--version"]);
    let mut command = command.context("this binary's path")?;
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Terminated(command.spawn()?);
    let mut stdout = Vec::new();
    let answer = async {
        if let Some(from) = running.0.stdout.as_mut() {
            from.take(VERSION_BYTES).read_to_end(&mut stdout).await?;
        }
        running.0.wait().await
    };
    let Ok(status) = tokio::time::timeout(GRACE_PERIOD, answer).await else {
        return Ok(None);
    };
    let status = status?;
    if let Some(why) = bound::not_started(status.code(), &stdout) {
        let program = command_line.program();
        bail!("--destination-bin: cannot start {program:?}: {why}");
    }
    let answer = String::from_utf8_lossy(&stdout);
    let version = line(answer.lines().next().unwrap_or_default());
    Ok((status.success() && !version.is_empty()).then_some(version))
}

fn exited(status: &ExitStatus) -> String {
    format!("exited by itself ({status})")
}

/// An address that was free a moment ago.
async fn free_address(listen: Option<IpAddr>) -> anyhow::Result<SocketAddr> {
    let (_, address) = Listen::free_port(listen).bind("--listen").await?;
    Ok(address)
}
