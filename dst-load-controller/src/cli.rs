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
pub mod cluster;
pub mod compare;
pub mod completions;
mod credentials;
pub mod destination;
mod environment;
pub mod forward;
pub mod link;
pub mod namespace;
mod observer_place;
mod output;
pub mod pace;
pub mod parse;
mod pipe_tolerant_writer;
pub mod plan;
pub mod process;
mod push;
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
    // A plan may have no end but its reader's.
    if matches!(args.command, Command::Plan(_)) {
        return dispatch(args, &mut out, warnings);
    }
    let mut out = PipeTolerantWriter::new(out, terminal);
    dispatch(args, &mut out, warnings)
}

fn dispatch(
    args: Args,
    out: &mut impl io::Write,
    warnings: &mut impl io::Write,
) -> anyhow::Result<Exit> {
    match args.command {
        Command::Run(mut run) => {
            run.no_progress |= args.global.quiet;
            let (scenario, noticed) = run.scenario.load()?;
            for warning in &noticed {
                writeln!(warnings, "warning: {warning}")?;
            }
            let time = if run.virtual_time {
                Time::Virtual
            } else {
                Time::Real
            };
            let output = args.global.output;
            on_runtime(
                &args.global,
                time,
                run::run(&run, scenario, &noticed, output, out, warnings),
            )
        }
        Command::Sandbox(sandbox) => {
            on_runtime(&args.global, Time::Real, sandbox::run(&sandbox, out))
        }
        Command::Destination(destination) => on_runtime(
            &args.global,
            Time::Real,
            destination::run(&destination, out),
        ),
        Command::Plan(plan) => plan::run(&plan, args.global.output.plain()?, out, warnings),
        Command::Check(check) => {
            let output = args.global.output.plain()?;
            at_once(&args.global, check::run(&check, output, out))
        }
        Command::Report(report) if report.pods.from_pods => {
            let output = args.global.output;
            at_once(
                &args.global,
                report::run_from_pods(&report, output, out, warnings),
            )
        }
        Command::Report(report) => {
            let output = args.global.output;
            at_once(&args.global, report::run(&report, output, out, warnings))
        }
        Command::Compare(compare) => compare::run(&compare, args.global.output, out),
        Command::Ab(ab) => {
            let output = args.global.output;
            on_runtime(
                &args.global,
                Time::Real,
                ab::run(&ab, output, out, warnings),
            )
        }
        Command::Churn(churn) => {
            on_runtime(&args.global, Time::Real, churn::run(&churn, out, warnings))
        }
        Command::Client(client) => {
            let output = args.global.output;
            on_runtime(
                &args.global,
                Time::Real,
                client::run(&client, output, out, warnings),
            )
        }
        Command::Link(link) => at_once(&args.global, link::run(&link, out)),
        Command::Cleanup(cleanup) => at_once(&args.global, cleanup::run(cleanup, out)),
        Command::Completions(completions) => completions::run(&completions, parse::command(), out),
        Command::Bound(bound) => bound::run(&bound, out),
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
