//! The command line: what can be asked for, and who answers.
//!
//! Every command's flags and their meaning are in the file of that name. This ring composes the
//! others; it decides nothing about measuring.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum, builder::BoolishValueParser};
use dst_load_session::runtime::{Aborted, LogFormat, Shutdown, init_logs};
use dst_load_transport::files;
use tokio::runtime::Builder;

use self::{clean_writer::CleanWriter, listener::Listener};
use crate::exit::Exit;

pub mod ab;
pub mod bound;
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
pub mod forward;
pub mod link;
mod listener;
pub mod namespace;
mod observer_place;
pub mod pace;
pub mod parse;
pub mod plan;
mod push;
mod replicas;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod scenario;
mod world;

/// The version and the commit it was built from.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("DST_LOAD_COMMIT"),
    ")"
);

/// Measures Linkerd's destination controller under endpoint churn.
#[derive(Clone, Debug, Parser)]
#[command(name = "dst-load-controller", version = VERSION, propagate_version = true, max_term_width = 100)]
pub struct Args {
    /// What holds for every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command has.
#[derive(Clone, Debug, clap::Args)]
pub struct GlobalArgs {
    /// How results are printed.
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "DST_LOAD_OUTPUT"
    )]
    pub output: Format,
    /// What is logged to standard error: a level, or filters such as `info,kube=debug`.
    #[arg(
        long,
        global = true,
        default_value = "info",
        env = "DST_LOAD_LOG_LEVEL"
    )]
    pub log_level: String,
    /// Says nothing on standard error but errors: no progress, no log, no warnings. What was asked
    /// for still goes to standard output.
    #[arg(
        short,
        long,
        global = true,
        value_parser = BoolishValueParser::new(),
        env = "DST_LOAD_QUIET"
    )]
    pub quiet: bool,
    /// How the log is written.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "DST_LOAD_LOG_FORMAT"
    )]
    pub log_format: Output,
}

/// A form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// A form of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a pull request; reports only.
    Markdown,
    /// For a CI system, in XML; reports only.
    Junit,
    /// For a browser, one page with charts; reports only.
    Html,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Churn Services and watch them, judge, and report.
    Run(Box<run::RunArgs>),
    /// Serve the embedded cluster and destination on loopback, until stopped.
    Sandbox(sandbox::SandboxArgs),
    /// Serve the reference destination on a cluster's API, until stopped.
    Destination(Box<destination::DestinationArgs>),
    /// Say what a run would do, and touch nothing.
    Plan(plan::PlanArgs),
    /// Look whether a run on a cluster would work, and touch nothing.
    Check(Box<check::CheckArgs>),
    /// Render recordings again, or several as one.
    Report(report::ReportArgs),
    /// Compare two builds by their recordings: is the candidate worse?
    Compare(compare::CompareArgs),
    /// Run two controller builds in turn on this machine, and compare them.
    Ab(Box<ab::AbArgs>),
    /// Act on Kubernetes alone: make Services and move their endpoints until stopped.
    Churn(Box<churn::ChurnArgs>),
    /// Watch Services alone: hold streams, and measure what they are told, until stopped.
    Client(Box<client::ClientArgs>),
    /// Tell a controller of a second cluster, for a lab or a test of federated runs.
    Link(Box<link::LinkArgs>),
    /// Delete what a run left behind.
    Cleanup(cleanup::CleanupArgs),
    /// Print a shell's completions.
    Completions(completions::CompletionsArgs),
    /// Become another program that ends with the process that started this one.
    #[command(hide = true)]
    Bound(bound::BoundArgs),
}

/// A mistake of the caller: exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

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
    let warnings = &mut Listener::new(CleanWriter::new(warnings, false), true);
    let terminal = io::stdout().is_terminal();
    let mut out = CleanWriter::new(out, terminal);
    // A plan may have no end but its reader's.
    if matches!(args.command, Command::Plan(_)) {
        return dispatch(args, &mut out, warnings);
    }
    let mut out = Listener::new(out, terminal);
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
        Command::Completions(completions) => completions::run(&completions, out),
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

// === impl Format ===

impl Format {
    /// The form, where only text and JSON are to be had.
    ///
    /// # Errors
    /// If it is one that only reports have.
    pub fn plain(self) -> Result<Output, UsageError> {
        match self {
            Self::Text => Ok(Output::Text),
            Self::Json => Ok(Output::Json),
            Self::Markdown | Self::Junit | Self::Html => Err(UsageError(
                "only reports are printed as markdown, junit or html; use --output text or json"
                    .to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
