//! The command line: commands, and the flags that all of them have.

use clap::{Parser, Subcommand};

use super::{
    ab, check, churn, cleanup, client, compare, completions, destination, from_metrics, link,
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
    /// Format of the results.
    #[arg(short, long, global = true, value_enum, default_value = "text", env)]
    pub output: Format,
    /// Log level, or filters such as `info,kube=debug`. Logs go to standard error.
    #[arg(long, global = true, default_value = "info", env)]
    pub log_level: String,
    /// Print only errors to standard error: no progress, no logs, no warnings. Results still go to
    /// standard output.
    #[arg(short, long, global = true, env)]
    pub quiet: bool,
    /// Format of the logs.
    #[arg(long, global = true, value_enum, default_value = "text", env)]
    pub log_format: Output,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run a scenario and report a verdict.
    Run(Box<run::RunArgs>),
    /// Serve the embedded cluster and destination on loopback until stopped.
    Sandbox(sandbox::SandboxArgs),
    /// Serve the reference destination on a cluster's API until stopped.
    Destination(Box<destination::DestinationArgs>),
    /// Show what a run would do (dry run).
    Plan(plan::PlanArgs),
    /// Write a scenario.
    #[command(subcommand)]
    Scenario(from_metrics::ScenarioCommand),
    /// Run preflight checks.
    Check(Box<check::CheckArgs>),
    /// Render recordings as a report.
    Report(report::ReportArgs),
    /// Compare the recordings of two builds.
    Compare(compare::CompareArgs),
    /// Run two controller builds in turn on this machine and compare them.
    Ab(Box<ab::AbArgs>),
    /// Churn Services until stopped.
    Churn(Box<churn::ChurnArgs>),
    /// Hold streams and measure their updates until stopped.
    Client(Box<client::ClientArgs>),
    /// Link a controller with a second cluster, for labs and tests of federated runs.
    Link(Box<link::LinkArgs>),
    /// Delete the objects that a run left behind.
    Cleanup(cleanup::CleanupArgs),
    /// Print a shell completion script.
    Completions(completions::CompletionsArgs),
    /// Run another program that ends with the process that started this one.
    #[command(hide = true)]
    Bound(bound::BoundArgs),
}
