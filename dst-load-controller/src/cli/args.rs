//! The command line: commands, and the flags that all of them have.

use clap::{Parser, Subcommand, builder::BoolishValueParser};

use super::{
    ab, check, churn, cleanup, client, compare, completions, destination, link,
    output::{Format, Output},
    plan,
    process::bound,
    report, run, sandbox,
    version::VERSION,
};

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
