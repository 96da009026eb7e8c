//! `plan`: says what `run` would do, and so checks a scenario without touching anything.

use std::io;

use clap::Args;
use dst_load_scenario::{plan::describe::Description, printable};

use super::{output::Output, scenario::ScenarioArgs};
use crate::exit::Exit;

/// Flags of `plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// What to describe.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
}

/// Prints the description of the scenario, and warnings apart from it.
///
/// # Errors
/// If the scenario is wrong, or nothing can be written.
pub fn run(
    args: &PlanArgs,
    output: Output,
    out: &mut impl io::Write,
    warnings: &mut impl io::Write,
) -> anyhow::Result<Exit> {
    let (scenario, noticed) = args.scenario.load()?;
    for warning in noticed {
        writeln!(warnings, "warning: {warning}")?;
    }
    let description = Description::of(&scenario);
    match output {
        Output::Text => write!(out, "{description}")?,
        Output::Json => {
            let text = serde_json::to_string_pretty(&description)?;
            writeln!(out, "{}", printable::json(&text))?;
        }
    }
    Ok(Exit::Pass)
}
