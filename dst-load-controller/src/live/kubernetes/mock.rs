//! For tests: what a Kubernetes API answers to a run.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};

use super::{
    Actor,
    objects::{MANAGED_BY, MANAGER, RUN_ID},
    owned::ObjectRef,
    resource::DEPLOYMENTS,
};
use crate::{
    live::{
        clock::Clock,
        mock::{Answer, Log, mock},
    },
    model::scenario::Scenario,
};

/// A client that gives these answers in turn, then an object of the run `r1`.
pub(crate) fn scripted(
    clock: Clock,
    answers: impl IntoIterator<Item = Answer>,
) -> (kube::Client, Log) {
    let mut answers: VecDeque<_> = answers.into_iter().collect();
    mock(clock, move |_| {
        answers.pop_front().unwrap_or_else(|| made("1"))
    })
}

/// An object of the run `r1`, as it is answered to whoever reads or writes it.
pub(crate) fn made(version: &str) -> Answer {
    Answer::Json(200, made_by("r1", version))
}

/// An object of a run.
pub(crate) fn made_by(run: &str, version: &str) -> Value {
    let labels = json!({ MANAGED_BY: MANAGER, RUN_ID: run });
    json!({ "metadata": { "uid": "u", "resourceVersion": version, "labels": labels } })
}

/// The actor, after it has made the Deployments of its first ten Services.
pub(crate) fn with_deployments(actor: Actor) -> Actor {
    for number in 1..=10 {
        let name = format!("test-service-{number}");
        let answer = made_by("r1", "1").to_string();
        let deployment = ObjectRef::new(&DEPLOYMENTS, &name);
        actor.owned.wrote(deployment, answer.as_bytes());
    }
    actor
}

pub(crate) fn scenario(count: u32) -> Arc<Scenario> {
    let text = format!(
        "{{scenario: {{name: quick}}, churn: {{services: {count}, pattern: stable, endpoints: 3}}}}"
    );
    let (scenario, _) = Scenario::from_yaml(&text, "quick.yaml", &[]).unwrap();
    Arc::new(scenario)
}
