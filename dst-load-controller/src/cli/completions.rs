//! `completions`: a script that lets a shell complete this tool's commands and flags.

use std::io;

use clap::Args;
use clap_complete::Shell;

use crate::exit::Exit;

/// Flags of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// Whose completions.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// If nothing can be written.
pub fn run(args: &CompletionsArgs, out: &mut impl io::Write) -> anyhow::Result<Exit> {
    let mut command = super::parse::command();
    // The generator panics on a writer that fails, as a closed pipe does.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "dst-load-controller", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Pass)
}
