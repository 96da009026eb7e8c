//! A destination controller of the user's own, as a child process on the sandbox's API or a
//! cluster's.

use std::{
    ffi::{OsStr, OsString},
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
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
};

use crate::cli::{
    UsageError,
    bound::{self, PATIENCE},
    world::{CLUSTER_DOMAIN, without_our_environment},
};

/// Linkerd's default.
pub(super) const CONTROLLER_NAMESPACE: &str = "linkerd";
/// For how long a controller may take to become ready.
const START: Duration = Duration::from_secs(60);
/// How much of its version is read.
const VERSION_BYTES: u64 = 4096;
/// How often it is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of its log that are shown when it fails.
const TAIL: usize = 10;

/// The environment variable without which Linkerd's destination refuses to start: the name of the
/// holder of its lease.
const HOSTNAME: &str = "HOSTNAME";

/// A command line that can be completed with what only whoever starts it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct CommandLine {
    program: String,
    args: Vec<String>,
}

/// A program that is told to end when this is dropped.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        bound::terminate(&self.0);
    }
}

/// A controller that serves.
#[derive(Debug)]
pub(in crate::cli) struct Controller {
    child: Running,
    name: String,
    log: Option<PathBuf>,
    /// Where it serves gRPC.
    pub(in crate::cli) destination: SocketAddr,
    /// Where it serves its metrics.
    pub(in crate::cli) metrics: String,
    /// Its version, where it says one.
    pub(in crate::cli) version: Option<String>,
    /// Its flags that change what it promises.
    pub(in crate::cli) flags: Flags,
}

// === impl CommandLine ===

impl CommandLine {
    /// Reads `COMMAND ARGS` as a shell splits it.
    ///
    /// # Errors
    /// If a quote is open, or there is no command.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, UsageError> {
        let wrong = |what| UsageError(format!("--destination-bin: {what}"));
        let mut words = shlex::split(text)
            .ok_or_else(|| wrong("a quote is not closed"))?
            .into_iter();
        let program = words.next().ok_or_else(|| {
            wrong("there is no command; such as './linkerd-controller destination' is wanted")
        })?;
        Ok(Self {
            program,
            args: words.collect(),
        })
    }

    /// The same command line with profiles, which Linkerd's controllers serve when they are told to.
    ///
    /// # Errors
    /// As [`CommandLine::parse`].
    pub(in crate::cli) fn profiled(text: &str) -> Result<String, UsageError> {
        let mut line = Self::parse(text)?;
        line.default("enable-pprof", "true");
        let words = std::iter::once(&line.program).chain(&line.args);
        let joined = shlex::try_join(words.map(String::as_str));
        joined.map_err(|error| UsageError(format!("--destination-bin: {error}")))
    }

    /// What it is called in a report: its words up to the first flag or variable, which may hold a
    /// secret.
    pub(in crate::cli) fn shown(&self) -> String {
        let is_name = |word: &&String| !word.starts_with('-') && !word.contains('=');
        let words: Vec<_> = std::iter::once(&self.program).chain(&self.args).collect();
        let names = words.iter().copied().take_while(is_name);
        let mut shown: Vec<_> = names.map(String::as_str).collect();
        if shown.len() < words.len() {
            shown.push("…");
        }
        shown.join(" ")
    }

    /// Adds `--NAME=VALUE`, which Go's `flag` reads too, unless the user has said it.
    fn default(&mut self, name: &str, value: &str) {
        let said = self.args.iter().any(|arg| {
            let bare = arg.trim_start_matches('-');
            arg.starts_with('-') && bare.split('=').next() == Some(name)
        });
        if !said {
            self.args.push(format!("--{name}={value}"));
        }
    }

    /// It ends with this process, even if that is killed.
    fn command(&self, more: &[&str]) -> anyhow::Result<Command> {
        let words = std::iter::once(&*self.program)
            .chain(self.args.iter().map(String::as_str))
            .chain(more.iter().copied())
            .map(OsString::from);
        let words: Vec<_> = words.collect();
        let mut command = bound::command(&words).context("this binary's path")?;
        command.stdin(Stdio::null());
        // The tool's own destination would take it for its.
        without_our_environment(&mut command);
        // The terminal's Ctrl-C goes to the whole group; it is for us to say when it ends.
        command.process_group(0);
        Ok(command)
    }

    /// What it says to `--version`.
    ///
    /// # Errors
    /// If it cannot be started.
    async fn version(&self) -> anyhow::Result<Option<String>> {
        let mut command = self.command(&["--version"])?;
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = Running(command.spawn()?);
        let mut stdout = Vec::new();
        let answered = async {
            if let Some(from) = running.0.stdout.as_mut() {
                from.take(VERSION_BYTES).read_to_end(&mut stdout).await?;
            }
            running.0.wait().await
        };
        let Ok(status) = tokio::time::timeout(PATIENCE, answered).await else {
            return Ok(None);
        };
        let status = status?;
        if let Some(why) = bound::not_started(status.code(), &stdout) {
            bail!("--destination-bin: cannot start {:?}: {why}", self.program);
        }
        let said = String::from_utf8_lossy(&stdout);
        let version = line(said.lines().next().unwrap_or_default());
        Ok((status.success() && !version.is_empty()).then_some(version))
    }
}

// === impl Controller ===

impl Controller {
    /// Starts a controller, set up as `wanted` unless its command line says otherwise, on the API
    /// of `kubeconfig` and waits until it is ready. Its log goes to
    /// the file `log`, or to standard error.
    ///
    /// # Errors
    /// If it cannot be started, ends, or is not ready in time; with the end of its log.
    pub(in crate::cli) async fn start(
        mut line: CommandLine,
        wanted: Flags,
        kubeconfig: &Path,
        listen: Option<IpAddr>,
        log: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let version = line.version().await?;
        let destination = free(listen).await?;
        let metrics = free(listen).await?;
        line.default("kubeconfig", &kubeconfig.to_string_lossy());
        line.default("addr", &destination.to_string());
        line.default("metrics-addr", &metrics.to_string());
        line.default("controller-namespace", CONTROLLER_NAMESPACE);
        line.default("cluster-domain", CLUSTER_DOMAIN);
        line.default("identity-trust-domain", CLUSTER_DOMAIN);
        // As the Helm chart has it, save that what we want is a benchmark and not a debugger's log.
        let ipv6 = wanted.ipv6.unwrap_or(false);
        line.default("enable-ipv6", if ipv6 { "true" } else { "false" });
        if let Some(slices) = wanted.endpoint_slices {
            line.default(
                "enable-endpoint-slices",
                if slices { "true" } else { "false" },
            );
        }
        line.default("log-level", "warn");
        let flags = Flags::of_args(line.args.iter().map(String::as_str));
        let mut command = line.command(&[])?;
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
            // Standard output has one line, and that is ours.
            None => command.stdout(std::io::stderr()),
        };
        let child = command
            .spawn()
            .with_context(|| format!("--destination-bin: cannot start {:?}", line.program))?;
        let mut controller = Self {
            child: Running(child),
            name: line.program,
            log: log.map(Path::to_owned),
            destination: on_this_machine(destination),
            metrics: format!("http://{}/metrics", on_this_machine(metrics)),
            version,
            flags,
        };
        controller.ready().await?;
        Ok(controller)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let target = Target::new(&self.metrics)?;
        let ready = async {
            while target.is_ready().await == Some(false) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let outcome = tokio::select! {
            biased;
            status = self.child.0.wait() => Err(ended(&status?)),
            ready = tokio::time::timeout(START, ready) => {
                ready.map_err(|_| format!("was not ready after {} s", START.as_secs()))
            }
        };
        if let Err(what) = outcome {
            bail!("--destination-bin: {} {what}{}", self.name, self.tail());
        }
        Ok(())
    }

    /// Completes when the controller has ended by itself, with what there is to say of it.
    pub(in crate::cli) async fn died(&mut self) -> String {
        match self.child.0.wait().await {
            Ok(status) => format!("{} {}{}", self.name, ended(&status), self.tail()),
            Err(error) => format!("{} cannot be waited for: {error}", self.name),
        }
    }

    /// Ends it, by force if it does not end when it is told to.
    pub(in crate::cli) async fn end(mut self) {
        bound::terminate(&self.child.0);
        let ended = tokio::time::timeout(2 * PATIENCE, self.child.0.wait()).await;
        if !matches!(ended, Ok(Ok(_))) {
            tracing::warn!("{} could not be ended", self.name);
        }
    }

    /// The end of its log, if that is a file.
    fn tail(&self) -> String {
        let Some(log) = &self.log else {
            return String::new();
        };
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if text.is_empty() {
            return "; it wrote no log".to_owned();
        }
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(TAIL)..].iter();
        let last: Vec<_> = last.map(|it| line(it)).collect();
        format!("; its log ({}) ends:\n{}", log.display(), last.join("\n"))
    }
}

fn ended(status: &ExitStatus) -> String {
    format!("ended by itself ({status})")
}

/// An address that was free a moment ago.
async fn free(listen: Option<IpAddr>) -> anyhow::Result<SocketAddr> {
    let (_, address) = Listen::free_port(listen).bind("--listen").await?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_as_a_shell_does() {
        let line = CommandLine::parse("'./my destination' destination -log-level debug").unwrap();
        assert_eq!(line.program, "./my destination");
        assert_eq!(line.args, ["destination", "-log-level", "debug"]);
        for (text, wrong) in [("", "no command"), ("'./a", "a quote is not closed")] {
            let error = CommandLine::parse(text).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_report_names_the_command_without_what_may_be_a_secret() {
        for (given, shown) in [
            ("./d destination", "./d destination"),
            ("'my d' destination -token canary", "my d destination …"),
            ("env TOKEN=canary d", "env …"),
        ] {
            assert_eq!(CommandLine::parse(given).unwrap().shown(), shown);
        }
    }

    #[test]
    fn profiles_are_asked_for_unless_the_user_has_said_it() {
        for (given, wanted) in [
            (
                "'my d' destination",
                "'my d' destination --enable-pprof=true",
            ),
            ("d -enable-pprof=false", "d -enable-pprof=false"),
        ] {
            let line = CommandLine::profiled(given).unwrap();
            assert_eq!(CommandLine::parse(&line), CommandLine::parse(wanted));
        }
    }

    #[test]
    fn what_the_user_says_is_not_said_again() {
        let mut line = CommandLine::parse("d destination --addr :1 -log-level=debug").unwrap();
        line.default("addr", "127.0.0.1:2");
        line.default("log-level", "warn");
        line.default("metrics-addr", "127.0.0.1:3");
        assert_eq!(
            line.args[1..],
            [
                "--addr",
                ":1",
                "-log-level=debug",
                "--metrics-addr=127.0.0.1:3"
            ]
        );
    }
}
