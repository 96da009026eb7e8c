//! Scenarios in virtual time, with their recordings in memory.

use std::collections::BTreeSet;

use dst_load_controller::cli::run::simulation::Simulation;
use dst_load_recording::recording::{self, ChangeLine, Line};
use dst_load_report::report::Report;
use dst_load_scenario::scenario::{Scenario, schema};

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

/// Fails where a pattern of the scenario file is in none of `scenarios`.
pub(crate) fn assert_every_pattern(scenarios: impl IntoIterator<Item = Scenario>) {
    let groups = scenarios.into_iter().flat_map(|it| it.churn.groups);
    let tried: BTreeSet<_> = groups.map(|group| group.pattern.key()).collect();
    let schema = schema();
    let all = schema["definitions"]["Pattern"]["enum"].as_array().unwrap();
    for pattern in all {
        let pattern = pattern.as_str().unwrap();
        assert!(tried.contains(pattern), "{pattern} is not tried");
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
