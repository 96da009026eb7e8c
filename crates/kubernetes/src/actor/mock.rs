//! For tests: what a Kubernetes API answers to a run.

#![expect(clippy::unwrap_used, reason = "of tests")]

use std::{collections::VecDeque, sync::Arc};

use dst_load_scenario::scenario::Scenario;
use dst_load_transport::{
    clock::Clock,
    mock::{Answer, Log, mock},
};
use serde_json::{Value, json};

use super::{
    Actor,
    objects::{MANAGED_BY, MANAGER, RUN_ID},
    owned::ObjectRef,
    resource::DEPLOYMENTS,
};

/// A client that gives these answers in turn, then an object of the run `r1`.
pub fn scripted(clock: Clock, answers: impl IntoIterator<Item = Answer>) -> (kube::Client, Log) {
    let mut answers: VecDeque<_> = answers.into_iter().collect();
    mock(clock, move |_| {
        answers.pop_front().unwrap_or_else(|| made("1"))
    })
}

/// An object of the run `r1`, as it is answered to whoever reads or writes it.
pub fn made(version: &str) -> Answer {
    Answer::Json(200, made_by("r1", version))
}

/// An object of a run.
pub fn made_by(run: &str, version: &str) -> Value {
    let labels = json!({ MANAGED_BY: MANAGER, RUN_ID: run });
    json!({ "metadata": { "uid": "u", "resourceVersion": version, "labels": labels } })
}

/// The actor, after it has made the Deployments of its first ten Services.
pub fn with_deployments(actor: Actor) -> Actor {
    for number in 1..=10 {
        let name = format!("test-service-{number}");
        let answer = made_by("r1", "1").to_string();
        let deployment = ObjectRef::new(&DEPLOYMENTS, &name);
        actor.owned.wrote(deployment, answer.as_bytes());
    }
    actor
}

/// A scenario of this many Services.
pub fn scenario(count: u32) -> Arc<Scenario> {
    let text = format!(
        "{{scenario: {{name: quick}}, churn: {{services: {count}, pattern: stable, endpoints: 3}}}}"
    );
    let (scenario, _) = Scenario::from_yaml(&text, "quick.yaml", &[]).unwrap();
    Arc::new(scenario)
}
