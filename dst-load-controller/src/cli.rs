//! The command line: what can be asked for, and who answers.
//!
//! Every command's flags and their meaning are in the file of that name. This ring composes the
//! others; it decides nothing about measuring.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use dst_load_session::runtime::{Aborted, LogFormat, Shutdown, init_logs};
use dst_load_transport::files;
use tokio::runtime::Builder;

pub use self::{
    args::{Args, Command, GlobalArgs},
    console::Console,
    output::{Format, Output},
    usage::UsageError,
    version::VERSION,
};
use self::{clean_writer::CleanWriter, pipe_tolerant_writer::PipeTolerantWriter, process::bound};
use crate::exit::Exit;

pub mod ab;
mod args;
pub mod check;
pub mod churn;
mod clean_writer;
pub mod cleanup;
pub mod client;
mod cluster;
pub mod compare;
pub mod completions;
mod console;
mod credentials;
pub mod destination;
mod environment;
pub mod forward;
pub mod from_metrics;
pub mod link;
pub mod namespace;
mod observer_place;
mod output;
pub mod pace;
pub mod parse;
pub mod path_info;
mod pipe_tolerant_writer;
pub mod plan;
pub mod policy;
pub mod process;
mod push;
mod recording_file;
mod replicas;
pub mod report;
pub mod run;
pub mod sandbox;
mod sandbox_config;
pub mod scenario;
mod usage;
mod version;

/// Does what is asked, printing results to `out` and warnings to `warnings`.
///
/// # Errors
/// A [`UsageError`] for a mistake of the caller; anything else is a failure of the tool.
pub fn run(
    args: Args,
    out: &mut impl io::Write,
    warnings: &mut impl io::Write,
) -> anyhow::Result<Exit> {
    let mut nowhere = io::sink();
    let warnings: &mut dyn io::Write = if args.global.quiet {
        &mut nowhere
    } else {
        warnings
    };
    let warnings = &mut PipeTolerantWriter::new(CleanWriter::new(warnings, false), true);
    let terminal = io::stdout().is_terminal();
    let mut out = CleanWriter::new(out, terminal);
    let mut tolerant;
    // A plan may have no end but its reader's.
    let out: &mut dyn io::Write = if matches!(args.command, Command::Plan(_)) {
        &mut out
    } else {
        tolerant = PipeTolerantWriter::new(out, terminal);
        &mut tolerant
    };
    let format = args.global.output;
    let mut console = Console {
        out,
        warnings,
        format,
    };
    dispatch(args, &mut console)
}

fn dispatch(args: Args, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let (global, real) = (&args.global, Time::Real);
    let out = &mut console.out;
    match args.command {
        Command::Run(mut run) => {
            run.no_progress |= global.quiet;
            let (scenario, noticed) = run.scenario.load()?;
            console.warn(&noticed)?;
            let time = if run.virtual_time {
                Time::Virtual
            } else {
                Time::Real
            };
            on_runtime(global, time, run::run(&run, scenario, &noticed, console))
        }
        Command::Sandbox(it) => on_runtime(global, real, sandbox::run(&it, out)),
        Command::Destination(it) => on_runtime(global, real, destination::run(&it, out)),
        Command::Plan(it) => plan::run(&it, console),
        Command::Scenario(it) => {
            let sources = from_metrics::open(&it)?;
            at_once(global, from_metrics::run(&it, sources, console))
        }
        Command::Check(it) => at_once(global, check::run(&it, console)),
        Command::Report(it) if it.pods.from_pods => {
            at_once(global, report::run_from_pods(&it, console))
        }
        Command::Report(it) => at_once(global, report::run(&it, console)),
        Command::Compare(it) => compare::run(&it, global.output, out),
        Command::Ab(it) => on_runtime(global, real, ab::run(&it, console)),
        Command::Churn(it) => on_runtime(global, real, churn::run(&it, console)),
        Command::Client(it) => on_runtime(global, real, client::run(&it, console)),
        Command::Link(it) => at_once(global, link::run(&it, out)),
        Command::Cleanup(it) => at_once(global, cleanup::run(it, out)),
        Command::Completions(it) => completions::run(&it, parse::command(), out),
        Command::Bound(it) => bound::run(&it, out),
    }
}

/// Which time a command lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    /// The clock's, on all processors.
    Real,
    /// A paused clock's that leaps to whatever is next: one thread, for one order of events.
    Virtual,
}

/// As [`on_runtime`], of a command that a first signal ends where it stands: whatever it has begun
/// can be asked for again.
fn at_once(
    global: &GlobalArgs,
    work: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    on_runtime(global, Time::Real, async {
        let shutdown = Shutdown::on_signals()?;
        let done = shutdown.until_drained(work).await;
        done.unwrap_or_else(|| Err(Aborted.into()))
    })
}

/// How long what nobody waits for any more may take to end.
const UNFINISHED: Duration = Duration::from_secs(1);

/// Does the work of a command that waits for something, with logs. A second signal is an exit
/// code, not a failure.
fn on_runtime(
    global: &GlobalArgs,
    time: Time,
    work: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let format = match global.log_format {
        Output::Text => LogFormat::Plain,
        Output::Json => LogFormat::Json,
    };
    let level = if global.quiet {
        "error"
    } else {
        &global.log_level
    };
    files::raise();
    let repeats = init_logs(level, format).map_err(|error| UsageError(error.to_string()))?;
    let runtime = match time {
        Time::Real => Builder::new_multi_thread().enable_all().build()?,
        Time::Virtual => Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()?,
    };
    let counting = async {
        // The interval would be of virtual seconds.
        if time == Time::Virtual {
            std::future::pending::<()>().await;
        }
        match repeats.report().await {}
    };
    let done = runtime.block_on(async {
        tokio::select! {
            biased;
            done = work => done,
            () = counting => unreachable!("invariant: counting has no end"),
        }
    });
    repeats.flush();
    // Such as a name that is still being looked up: that cannot be cut off, and nobody waits for it.
    runtime.shutdown_timeout(UNFINISHED);
    match done {
        Err(error) if error.is::<Aborted>() => Ok(Exit::Interrupted),
        done => done,
    }
}

#[cfg(test)]
mod tests;
