//! A child process, and what the kernel says that it used.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// How long a process may take to say its last word.
const END: Duration = Duration::from_secs(120);

/// A running process; it is asked to end when this is dropped. Not killed: a sandbox has a
/// controller to end, which would else go on for ever.
#[derive(Debug)]
pub(crate) struct Process {
    what: &'static str,
    child: Child,
    /// Unless somebody else reads it.
    out: Option<Lines<BufReader<ChildStdout>>>,
}

/// CPU time of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    /// Of all threads, ended ones included, seconds.
    pub all: f64,
    /// Of the thread that observes Kubernetes, if there is one, seconds.
    pub observer: f64,
}

// === impl Process ===

impl Process {
    /// Starts `command`; its standard error is ours.
    pub(crate) fn start(what: &'static str, mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {what}"))?;
        let out = child.stdout.take().context("no standard output")?;
        let out = BufReader::new(out).lines();
        Ok(Self {
            what,
            child,
            out: Some(out),
        })
    }

    /// Its next line.
    pub(crate) async fn line(&mut self) -> anyhow::Result<String> {
        let line = match &mut self.out {
            Some(out) => out.next_line().await?,
            None => None,
        };
        line.with_context(|| format!("{} ended without a word", self.what))
    }

    /// All lines that are still to come, for somebody else to read.
    pub(crate) fn lines(&mut self) -> anyhow::Result<Lines<BufReader<ChildStdout>>> {
        self.out.take().context("somebody else reads it")
    }

    /// Asks it to end, and returns what it then says.
    pub(crate) async fn end(mut self) -> anyhow::Result<String> {
        self.ask_to_end()?;
        let mut rest = String::new();
        let ended = async {
            if let Some(out) = &mut self.out {
                out.get_mut().read_to_string(&mut rest).await?;
            }
            self.child.wait().await
        };
        let status = tokio::time::timeout(END, ended)
            .await
            .with_context(|| format!("{} does not end", self.what))??;
        if !status.success() {
            bail!("{} failed: {status}", self.what);
        }
        Ok(rest)
    }

    fn ask_to_end(&self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.id()?)?).context("no such process")?;
        Ok(kill_process(pid, Signal::TERM)?)
    }

    fn id(&self) -> anyhow::Result<u32> {
        let id = self.child.id();
        id.with_context(|| format!("{} has ended", self.what))
    }

    fn stat(&self) -> anyhow::Result<procfs::process::Process> {
        Ok(procfs::process::Process::new(i32::try_from(self.id()?)?)?)
    }

    /// What it has used until now.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        cpu(&self.stat()?)
    }

    /// The same of the process that it has started.
    pub(crate) fn cpu_of_child(&self) -> anyhow::Result<Cpu> {
        let mut children = Vec::new();
        for task in self.stat()?.tasks()? {
            children.extend(task?.children()?);
        }
        let [child] = children[..] else {
            bail!("{} has {} children", self.what, children.len());
        };
        cpu(&procfs::process::Process::new(i32::try_from(child)?)?)
    }

    /// The most memory that it ever had, bytes.
    pub(crate) fn peak_rss(&self) -> anyhow::Result<u64> {
        let peak = self.stat()?.status()?.vmhwm;
        Ok(peak.context("the kernel does not say VmHWM")? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already needs no asking.
        let _ = self.ask_to_end();
    }
}

fn cpu(process: &procfs::process::Process) -> anyhow::Result<Cpu> {
    let stat = process.stat()?;
    let mut observer = 0;
    for task in process.tasks()? {
        // One that has just ended is no observer.
        let Some(stat) = task.ok().and_then(|task| task.stat().ok()) else {
            continue;
        };
        if stat.comm.starts_with("observer") {
            observer += stat.utime + stat.stime;
        }
    }
    Ok(Cpu {
        all: seconds(stat.utime + stat.stime),
        observer: seconds(observer),
    })
}

#[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^52")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}

// === impl Cpu ===

impl Cpu {
    /// What was used since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            all: self.all - before.all,
            observer: self.observer - before.observer,
        }
    }

    /// Without the thread that observes Kubernetes.
    pub(crate) fn of_streams(self) -> f64 {
        self.all - self.observer
    }
}
