//! `completions`: a script that lets a shell complete this tool's commands and flags.

use std::io;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Exit;

/// Flags of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to complete for.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script for this tool's `command`.
///
/// # Errors
/// If nothing can be written.
pub fn run(
    args: &CompletionsArgs,
    mut command: Command,
    out: &mut impl io::Write,
) -> anyhow::Result<Exit> {
    // The generator panics on a writer that fails, as a closed pipe does.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "dst-load-controller", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Pass)
}
