//! What `dst-load-controller` costs, beside what it measures and beside what else could read the
//! same streams: whole processes on one machine, compared within one run.
//!
//! Absolute times of a shared machine mean little; every figure here that is judged is a ratio of
//! two processes that did the same at the same time, or a number of bytes.

mod client;
mod cluster;
mod compare;
mod e2e;
mod load;
mod process;
mod reader;
mod rows;
mod sandbox;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures what dst-load-controller costs", long_about = None)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures every row of docs/performance and writes them as JSON.
    E2e(e2e::E2eArgs),
    /// Lets two builds hold the same streams at the same time, and compares their cost.
    Compare(compare::CompareArgs),
    /// Reads streams without measuring anything: what another process is compared with.
    #[command(hide = true)]
    Reader(reader::ReaderArgs),
}

/// The build that is measured.
#[derive(Clone, Debug, clap::Args)]
struct ToolArgs {
    /// The program that is measured.
    #[arg(long, default_value = "target/dist/dst-load-controller")]
    tool: PathBuf,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome =
        runtime
            .map_err(anyhow::Error::from)
            .and_then(|runtime| match Args::parse().command {
                Command::E2e(args) => runtime.block_on(e2e::run(&args)),
                Command::Compare(args) => runtime.block_on(compare::run(&args)),
                Command::Reader(args) => runtime.block_on(reader::run(&args)),
            });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Says what is going on, to whoever waits.
#[expect(clippy::print_stderr, reason = "a bench talks to the terminal")]
fn tell(what: &str) {
    eprintln!("{what}");
}

/// Says what came of it.
#[expect(clippy::print_stdout, reason = "the rows are what this is for")]
fn say(what: &str) {
    println!("{what}");
}
