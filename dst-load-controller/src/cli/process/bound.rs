//! `bound`: runs another program that ends when the process that started this one does, however
//! that ends.
//!
//! A process that is killed cannot end its children. The kernel does (`PR_SET_PDEATHSIG`, see
//! prctl(2)) where the child has set that, and the setting outlives `execve`. It does not reach what
//! the child starts in turn: that is in the child's process group, which a second process of this
//! binary waits for and ends.

use std::{
    ffi::OsString,
    io::{self, Write},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{self, ExitStatus},
    time::Duration,
};

use clap::Args;
use rustix::process::{
    Pid, Signal, getppid, kill_process, kill_process_group, set_parent_process_death_signal,
};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

use crate::exit::Exit;

/// What its standard output begins with where the program could not be started.
const NOT_STARTED: &str = "dst-load-controller bound: ";
/// Its exit code then, as a shell's.
const NOT_STARTED_CODE: i32 = 127;
/// From SIGTERM to SIGKILL.
pub(super) const GRACE_PERIOD: Duration = Duration::from_secs(5);

/// Flags of `bound`.
#[derive(Clone, Debug, Args)]
pub struct BoundArgs {
    /// The process that must be alive.
    #[arg(long)]
    pub parent: i32,
    /// Becomes the program, rather than wait until it has ended.
    #[arg(long)]
    pub exec: bool,
    /// The program and its arguments.
    #[arg(required = true, last = true)]
    pub command: Vec<OsString>,
}

/// Runs the program; this process's exit code is then that of the program.
///
/// # Errors
/// If standard output cannot be written. That the program cannot be started is said there.
pub fn run(args: &BoundArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let ended = if args.exec {
        Err(become_program(args))
    } else {
        wait_for_program(args)
    };
    let code = match ended {
        Ok(status) => status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        Err(error) => {
            writeln!(out, "{NOT_STARTED}{error}")?;
            out.flush()?;
            NOT_STARTED_CODE
        }
    };
    Ok(Exit::Program(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Replaces this process; returns only if that fails.
fn become_program(args: &BoundArgs) -> io::Error {
    if let Err(error) = bind(args.parent, Signal::KILL) {
        return error;
    }
    match args.command.split_first() {
        Some((program, arguments)) => process::Command::new(program).args(arguments).exec(),
        None => io::ErrorKind::InvalidInput.into(),
    }
}

/// Has this process sent a signal when its parent exits.
fn bind(parent: i32, signal: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    // It may have exited before that was set.
    if getppid() != Pid::from_raw(parent) {
        return Err(io::Error::other("the process that started it has ended"));
    }
    Ok(())
}

/// Has this process sent SIGTERM when `parent`, the process that started it, exits. Its signals must
/// be handled from before, or it exits without an end in order.
///
/// # Errors
/// If `parent` has exited already, or is not this process's parent.
pub(in crate::cli) fn terminate_with(parent: i32) -> io::Result<()> {
    bind(parent, Signal::TERM)
}

/// Starts the program in a process group of its own and waits until it exits. SIGTERM is passed on to
/// the group, which is killed if it does not exit.
fn wait_for_program(args: &BoundArgs) -> io::Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        bind(args.parent, Signal::TERM)?;
        let mut command = bound(&["--exec"], &args.command)?;
        let mut child = command.process_group(0).spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let send = |signal| {
            if let Some(group) = group {
                // It may have exited just now.
                let _ = kill_process_group(group, signal);
            }
        };
        let status = tokio::select! {
            biased;
            status = child.wait() => status,
            _ = terminated.recv() => {
                send(Signal::TERM);
                let exited = tokio::time::timeout(GRACE_PERIOD, child.wait()).await;
                send(Signal::KILL);
                match exited {
                    Ok(status) => status,
                    Err(_) => child.wait().await,
                }
            }
        };
        send(Signal::KILL);
        status
    })
}

/// A command of this binary that runs `command`, a program and its arguments, bound to this process.
/// It ends that when it is sent SIGTERM, after [`GRACE_PERIOD`] at the latest; it is not to be killed.
///
/// # Errors
/// If this binary's own path is not known.
pub(super) fn command(command: &[OsString]) -> io::Result<Command> {
    bound(&[], command)
}

fn bound(flags: &[&str], command: &[OsString]) -> io::Result<Command> {
    let mut bound = Command::new(std::env::current_exe()?);
    bound
        .args(["bound", "--parent", &process::id().to_string()])
        .args(flags)
        .arg("--")
        .args(command);
    Ok(bound)
}

/// Why the program could not be started, if it could not be: read from its standard output.
pub(super) fn not_started(code: Option<i32>, stdout: &[u8]) -> Option<String> {
    let said = String::from_utf8_lossy(stdout);
    let why = said.strip_prefix(NOT_STARTED)?;
    (code == Some(NOT_STARTED_CODE)).then(|| why.trim().to_owned())
}

/// Sends SIGTERM to a child.
pub(super) fn terminate(child: &tokio::process::Child) {
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    if let Some(pid) = pid {
        // It may have exited just now.
        let _ = kill_process(pid, Signal::TERM);
    }
}
