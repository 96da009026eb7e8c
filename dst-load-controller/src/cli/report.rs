//! `report`: renders recordings again, or several as one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Flags of `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Recordings, or directories of runs.
    #[arg(required = true, value_name = "RECORDING")]
    pub recordings: Vec<PathBuf>,
    /// The form of the report; that of --output if absent.
    #[arg(long, value_enum, env = "DST_LOAD_FORMAT")]
    pub format: Option<Format>,
}

/// A form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
    /// For a pull request.
    Markdown,
}
