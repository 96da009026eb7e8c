//! The command line: what can be asked for, and who answers.
//!
//! Every command's flags and their meaning are in the file of that name. This ring composes the
//! others; it decides nothing about measuring.

use std::io;

use clap::{Parser, Subcommand, ValueEnum};

use crate::exit::Exit;

pub mod churn;
pub mod cleanup;
pub mod client;
pub mod cluster;
pub mod completions;
pub mod plan;
pub mod report;
pub mod run;
pub mod sandbox;
pub mod scenario;

/// The version and the commit it was built from.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("DST_LOAD_COMMIT"),
    ")"
);

/// Measures Linkerd's destination controller under endpoint churn.
#[derive(Clone, Debug, Parser)]
#[command(name = "dst-load-controller", version = VERSION, max_term_width = 100)]
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
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say what a run would do, and touch nothing.
    Plan(plan::PlanArgs),
    /// Render recordings again, or several as one.
    Report(report::ReportArgs),
    /// Print a shell's completions.
    Completions(completions::CompletionsArgs),
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
    match args.command {
        Command::Plan(plan) => plan::run(&plan, args.global.output.plain()?, out, warnings),
        Command::Report(report) => report::run(&report, args.global.output, out),
        Command::Completions(completions) => completions::run(&completions, out),
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
            Self::Markdown | Self::Junit => Err(UsageError(
                "only reports are printed as markdown or junit; use --output text or json"
                    .to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
