//! Turns the file's types into a scenario, or says what is wrong: the rules that no type can hold.

use std::time::Duration;

use super::{
    File,
    decode::decode,
    placed::{Key, Placed, value},
    tree::Tree,
};
use crate::{
    authority::is_label,
    criteria::LONGEST_LATENCY,
    quantity::NonZeroSpan,
    scenario::{Scenario, draft::ScenarioError},
};

pub(super) type Result<T> = std::result::Result<T, ScenarioError>;

/// The run's namespace is `<name>-<run id>`, and has at most 63 characters.
pub(super) const LONGEST_NAME: usize = 50;

/// What one machine's ports and memory can be asked for at all.
pub(crate) const MOST_STREAMS: u64 = 1_000_000;

/// The tree, and what has been noticed on the way.
pub(super) struct Checker<'a> {
    pub(super) tree: &'a Tree,
    warnings: Vec<String>,
    /// Services of the first of two clusters, which need addresses too.
    pub(super) local_services: usize,
}

/// Judges a tree.
pub(in crate::scenario) fn check(tree: &Tree) -> Result<(Scenario, Vec<String>)> {
    let file: File = decode(tree)?;
    let mut checker = Checker {
        tree,
        warnings: Vec::new(),
        local_services: 0,
    };
    let scenario = checker.scenario(file)?;
    Ok((scenario, checker.warnings))
}

// === impl Checker ===

impl Checker<'_> {
    fn scenario(&mut self, file: File) -> Result<Scenario> {
        let Some(Placed { value: churn, at }) = file.churn else {
            let message = "churn.services is missing; say how many Services to make";
            return Err(self.tree.error_at_key(0, message));
        };
        let local = file.federation.as_ref().map(|it| it.value.local());
        self.local_services = local.unwrap_or_default();
        let churn = self.churn(churn, at)?;
        let federation = value(file.federation)
            .map(|section| self.federation(section, &churn))
            .transpose()?;
        let deadline = value(file.measure).and_then(|section| section.deadline);
        let deadline = deadline.map(|deadline| deadline.value.0);
        let criteria = value(file.criteria).unwrap_or_default();
        for (longest, path, message) in [
            (
                deadline,
                "measure.deadline",
                "a deadline is 24h at the most",
            ),
            (
                criteria.longest(),
                "criteria",
                "a latency limit is 24h at the most",
            ),
        ] {
            if longest > Some(LONGEST_LATENCY) {
                let at = self.tree.path_place(path).unwrap_or(at);
                return Err(self.tree.error(at, message));
            }
        }
        let name = value(file.scenario).unwrap_or_default();
        let client = self.client(value(file.client).unwrap_or_default())?;
        let scenario = Scenario {
            name: self.name(name.name)?,
            seed: value(name.seed).unwrap_or(1),
            churn,
            client,
            federation,
            criteria,
            deadline,
            sandbox: self.sandbox(value(file.sandbox).unwrap_or_default())?,
            flags: value(file.target).unwrap_or_default().flags(),
        };
        let streams = scenario
            .streams()
            .saturating_add(scenario.stalled_streams());
        if streams > MOST_STREAMS {
            let at = self.tree.path_place("client.clients").unwrap_or(at);
            let services = match scenario.client.targets {
                Some(_) => "targets",
                None => "services",
            };
            let message = format!(
                "{streams} streams in all ({services} × streamsPerService × clients × replicas) are more than {MOST_STREAMS}"
            );
            return Err(self.tree.error(at, &message));
        }
        Ok(scenario)
    }

    fn name(&self, name: Key<String>) -> Result<String> {
        let Some(Placed { value: name, at }) = name else {
            let stem = self.tree.stem();
            let fits = label_problem(stem, LONGEST_NAME).is_none();
            return Ok(if fits { stem } else { "scenario" }.to_owned());
        };
        if let Some(problem) = label_problem(&name, LONGEST_NAME) {
            let message = format!("{name:?} {problem}, because it names the run's namespace");
            return Err(self.tree.error(at, &message));
        }
        Ok(name)
    }

    /// What the section at `at` must give as `name`.
    pub(super) fn required<T>(&self, key: Key<T>, at: usize, name: &str) -> Result<Placed<T>> {
        let message = || format!("needs {name}, which is missing");
        key.ok_or_else(|| self.tree.error(at, &message()))
    }

    /// The same of a duration.
    pub(super) fn hold(&self, key: Key<NonZeroSpan>, at: usize, name: &str) -> Result<Duration> {
        Ok(self.required(key, at, name)?.value.0)
    }

    /// An error about a key that has been given.
    pub(super) fn error<T>(&self, key: Key<T>, message: &str) -> ScenarioError {
        self.tree.error(key.map_or(0, |placed| placed.at), message)
    }

    pub(super) fn warn(&mut self, at: usize, message: &str) {
        self.warnings.push(self.tree.error(at, message).to_string());
    }
}

/// What [`label_problem`] lets through, as a regular expression; how long it may be aside.
pub(super) const LABEL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";

/// What keeps `name` from being a DNS label of at most `longest` characters.
pub(super) fn label_problem(name: &str, longest: usize) -> Option<String> {
    if !is_label(name) {
        Some("is not a DNS label: lower-case letters, digits and inner dashes".to_owned())
    } else if name.len() > longest {
        Some(format!(
            "has {} characters; it may have {longest}",
            name.len()
        ))
    } else {
        None
    }
}
