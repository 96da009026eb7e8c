//! Scenarios in virtual time, with their recordings in memory.

use dst_load_controller::cli::run::simulation::Simulation;
use dst_load_recording::recording::{self, ChangeLine, Line};
use dst_load_report::report::Report;
use dst_load_scenario::scenario::Scenario;

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) report: Report,
    pub(crate) recording: Vec<u8>,
}

/// The scenario that `text` says, with `--set` overrides.
pub(crate) fn scenario(text: &str, overrides: &[&str]) -> Scenario {
    let overrides: Vec<_> = overrides.iter().map(|it| (*it).to_owned()).collect();
    match Scenario::from_yaml(text, "test.yaml", &overrides) {
        Ok((scenario, _)) => scenario,
        Err(error) => panic!("{error}"),
    }
}

/// Runs `scenario`; call it on a paused runtime.
pub(crate) async fn simulate(scenario: Scenario) -> Ran {
    run(Simulation::new(scenario).unwrap()).await
}

/// Runs `simulation`.
pub(crate) async fn run(simulation: Simulation) -> Ran {
    let mut recording = Vec::new();
    let report = simulation.run(&mut recording).await.unwrap().report;
    Ran { report, recording }
}

// === impl Ran ===

impl Ran {
    /// The lines about changes.
    pub(crate) fn changes(&self) -> Vec<ChangeLine> {
        recording::read(self.recording.as_slice())
            .unwrap()
            .into_iter()
            .filter_map(|line| match line {
                Line::Change(change) => Some(change),
                _ => None,
            })
            .collect()
    }
}
