//! Which scenario: a file or a built-in one, and what overrides it.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::FileTypeExt,
};

use clap::Args;
use dst_load_scenario::{
    plan::Plan,
    quantity::Span,
    scenario::{BUILT_IN, Draft, LARGEST_SCENARIO, Scenario, built_in},
    words::{excerpt, nearest},
};

use super::usage::UsageError;

/// A scenario and its overrides.
#[derive(Clone, Debug, Args)]
pub struct ScenarioArgs {
    /// A scenario file, or the name of a built-in one: quick, baseline, small-oscillation,
    /// large-rollout, many-services, red-line, stale-state,
    /// stalled-readers,
    /// federated-baseline, federated-oscillation.
    #[arg(value_name = "SCENARIO", env)]
    pub scenario: String,
    /// Override a value of the scenario, as Helm does: `--set churn.minHold=5s`. Can be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Override scenario.seed.
    #[arg(long, env)]
    pub seed: Option<u64>,
    /// Override churn.cycles: end the run after this many cycles.
    #[arg(long, env)]
    pub cycles: Option<u32>,
    /// Override churn.duration: end the run after this time.
    #[arg(long, env)]
    pub duration: Option<Span>,
}

// === impl ScenarioArgs ===

impl ScenarioArgs {
    /// Reads the scenario; beside it come warnings.
    ///
    /// # Errors
    /// A [`UsageError`] if it is not there or not right.
    pub fn load(&self) -> anyhow::Result<(Scenario, Vec<String>)> {
        let draft = open(&self.scenario)?;
        Ok(self.finish(draft)?)
    }

    fn finish(&self, mut draft: Draft) -> Result<(Scenario, Vec<String>), UsageError> {
        for assignments in &self.set {
            draft.set(assignments)?;
        }
        if let Some(seed) = self.seed {
            draft.put("--seed", "scenario.seed", &seed.to_string())?;
        }
        if let Some(cycles) = self.cycles {
            draft.put("--cycles", "churn.cycles", &cycles.to_string())?;
        }
        if let Some(duration) = self.duration {
            draft.put("--duration", "churn.duration", &duration.to_string())?;
        }
        Ok(draft.finish()?)
    }
}

/// Opens the built-in scenario `name`, or else the file; `-` is standard input.
///
/// # Errors
/// A [`UsageError`] if there is neither, or what there is cannot be read.
pub fn open(name: &str) -> anyhow::Result<Draft> {
    if let Some(text) = built_in(name) {
        let draft = Draft::parse(text, &format!("{name}.yaml")).map_err(UsageError::from)?;
        return Ok(draft);
    }
    if name == "-" {
        let bytes = start(io::stdin())?;
        let draft = Draft::read(&bytes, "standard input").map_err(UsageError::from)?;
        return Ok(draft);
    }
    if is_named_pipe(name) {
        let message = format!("{name} is a pipe; send the scenario to standard input, and write -");
        return Err(UsageError(message).into());
    }
    match File::open(name).and_then(start) {
        Ok(bytes) => Ok(Draft::read(&bytes, name).map_err(UsageError::from)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let known = BUILT_IN.map(|(known, _)| known);
            let nearest = nearest(name, &known).unwrap_or_default();
            let message = format!(
                "{name}: there is no such file and no built-in scenario of that name; \
                 did you mean {nearest}? (built in: {})",
                known.join(", ")
            );
            Err(UsageError(message).into())
        }
        Err(error) => Err(UsageError(format!("{}: {error}", excerpt(name))).into()),
    }
}

/// All of a scenario, or so much of it that it is found too large.
fn start(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = LARGEST_SCENARIO as u64 + 1;
    source.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether to open it would be to wait until somebody else does. A shell's `<(…)` is open already.
fn is_named_pipe(name: &str) -> bool {
    let open = name.starts_with("/dev/fd/") || name.starts_with("/proc/");
    !open && fs::metadata(name).is_ok_and(|it| it.file_type().is_fifo())
}

/// Refuses a scenario without an end where nobody stops it; `why` is the reason.
///
/// # Errors
/// A [`UsageError`] that says how to give it an end.
pub(super) fn must_end(scenario: &Scenario, why: &str) -> Result<(), UsageError> {
    let plan = Plan::new(scenario);
    if plan.end().is_some() {
        return Ok(());
    }
    // Only what cycles can end after a number of cycles.
    let cycles = if plan.cycle_bounds(1).is_some() {
        " or --cycles"
    } else {
        ""
    };
    Err(UsageError(format!(
        "{} runs until stopped, and {why}; add --duration{cycles}",
        scenario.name
    )))
}

impl From<dst_load_scenario::scenario::ScenarioError> for UsageError {
    fn from(error: dst_load_scenario::scenario::ScenarioError) -> Self {
        Self(error.to_string())
    }
}

/// The scenario that shapes a sandbox or its destination; without one, quick's shape, which has no
/// faults.
///
/// # Errors
/// A [`UsageError`] if it is wrong.
pub(super) fn shape(
    scenario: Option<&str>,
    set: &[String],
    seed: Option<u64>,
) -> anyhow::Result<Scenario> {
    let mut draft = open(scenario.unwrap_or("quick"))?;
    for assignments in set {
        draft.set(assignments).map_err(UsageError::from)?;
    }
    if let Some(seed) = seed {
        draft
            .put("--seed", "scenario.seed", &seed.to_string())
            .map_err(UsageError::from)?;
    }
    let (scenario, _) = draft.finish().map_err(UsageError::from)?;
    Ok(scenario)
}
