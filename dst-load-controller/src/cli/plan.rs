//! `plan`: says what `run` would do, and so checks a scenario without touching anything.

use clap::Args;
use dst_load_scenario::plan::describe::Description;

use super::{console::Console, scenario::ScenarioArgs};
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
pub fn run(args: &PlanArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let output = console.format.plain()?;
    let (scenario, noticed) = args.scenario.load()?;
    console.warn(&noticed)?;
    console.print(output, &Description::of(&scenario))?;
    Ok(Exit::Pass)
}
