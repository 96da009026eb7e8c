//! Turns the file's types into a scenario, or says what is wrong: the rules that no type can hold.

use std::time::Duration;

use super::{
    ClientSection, File, Key, SandboxSection, decode::decode, either::PodStart,
    embedded::FaultItem, placed::Placed, tree::Tree,
};
use crate::{
    criteria::LONGEST_LATENCY,
    fault::Fault,
    quantity::{Share, Span},
    scenario::{Client, Lifecycle, Sandbox, Scenario, draft::ScenarioError},
};

pub(super) mod backend;
pub(super) mod churn;

pub(super) type Result<T> = std::result::Result<T, ScenarioError>;

/// The run's namespace is `<name>-<run id>`, and has at most 63 characters.
pub(super) const LONGEST_NAME: usize = 50;

/// What one machine's ports and memory can be asked for at all.
pub(super) const MOST_STREAMS: u64 = 1_000_000;

/// More replicas than anybody runs, and few enough for one machine.
pub(super) const MOST_REPLICAS: u32 = 20;

/// Kubernetes supports this many Nodes.
pub(super) const MOST_NODES: u32 = 5_000;

/// The tree, and what has been noticed on the way.
pub(super) struct Checker<'a> {
    tree: &'a Tree,
    warnings: Vec<String>,
    /// Services of the first of two clusters, which need addresses too.
    local_services: usize,
}

/// Judges a tree.
pub(in crate::scenario) fn check(tree: &Tree) -> Result<(Scenario, Vec<String>)> {
    // A key whose children are commented out is null: as one that was never written, in Helm too.
    let tree = &tree.without_nulls();
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
        if let Some(churn) = &file.churn {
            self.values_of_churn(&churn.value)?;
        }
        let name = file.scenario.unwrap_or_default().value;
        let Some(Placed { value: churn, at }) = file.churn else {
            let message = "churn.services is missing; say how many Services to make";
            return Err(self.tree.error_at_key(0, message));
        };
        self.local_services = file
            .federation
            .as_ref()
            .map_or(0, |section| section.value.local());
        let churn = self.churn(churn, at)?;
        let federation = match file.federation {
            Some(section) => Some(self.federation(section.value, &churn)?),
            None => None,
        };
        let client = self.client(file.client.unwrap_or_default().value)?;
        let measure = file.measure.unwrap_or_default().value;
        let deadline = self.positive(measure.deadline)?;
        if deadline.is_some_and(|it| it > LONGEST_LATENCY) {
            let at = self.tree.path_place("measure.deadline").unwrap_or(at);
            return Err(self.tree.error(at, "a deadline is 24h at the most"));
        }
        let criteria = file.criteria.unwrap_or_default().value;
        if criteria.largest_latency_limit() > Some(LONGEST_LATENCY) {
            let at = self.tree.path_place("criteria").unwrap_or(at);
            return Err(self.tree.error(at, "a latency limit is 24h at the most"));
        }
        let scenario = Scenario {
            name: self.name(name.name)?,
            seed: name.seed.map_or(1, |seed| seed.value),
            churn,
            client,
            federation,
            criteria,
            deadline,
            sandbox: self.sandbox(file.sandbox.unwrap_or_default().value)?,
            flags: file.target.unwrap_or_default().value.flags(),
        };
        if scenario.streams() > MOST_STREAMS {
            let at = self.tree.path_place("client.clients").unwrap_or(at);
            let message = format!(
                "{} streams in all (services × streamsPerService × clients × replicas) are more than {MOST_STREAMS}",
                scenario.streams()
            );
            return Err(self.tree.error(at, &message));
        }
        Ok(scenario)
    }

    fn name(&self, name: Key<String>) -> Result<String> {
        let Some(name) = name else {
            let stem = self.tree.stem();
            let fits = label_problem(stem, LONGEST_NAME).is_none();
            return Ok(if fits { stem } else { "scenario" }.to_owned());
        };
        match label_problem(&name.value, LONGEST_NAME) {
            None => Ok(name.value),
            Some(problem) => {
                let message = format!(
                    "{:?} {problem}, because it names the run's namespace",
                    name.value
                );
                Err(self.tree.error(name.at, &message))
            }
        }
    }

    fn client(&self, section: ClientSection) -> Result<Client> {
        let default = Client::default();
        let lifecycle = section.lifecycle.map_or(default.lifecycle, |it| it.value);
        Ok(Client {
            replicas: self
                .at_least_one(section.replicas)?
                .unwrap_or(default.replicas),
            clients: self
                .at_least_one(section.clients)?
                .unwrap_or(default.clients),
            streams_per_service: self
                .at_least_one(section.streams_per_service)?
                .unwrap_or(default.streams_per_service),
            stream_max_lifetime: self.timer(section.stream_max_lifetime)?,
            stream_reset_interval: self.timer(section.stream_reset_interval)?,
            open_rate: self
                .at_least_one(section.open_rate)?
                .unwrap_or(default.open_rate),
            lifecycle,
            profiles: section
                .profiles
                .map_or(lifecycle == Lifecycle::Proxy, |it| it.value),
            connections: self.at_least_one(section.connections)?,
        })
    }

    fn sandbox(&self, section: SandboxSection) -> Result<Sandbox> {
        let default = Sandbox::default();
        let nodes = self.at_least_one(section.nodes)?.unwrap_or(default.nodes);
        if nodes > MOST_NODES {
            let message =
                format!("{nodes} is more than {MOST_NODES}, the Nodes that Kubernetes supports");
            return Err(self.error(section.nodes, &message));
        }
        let zones = self
            .at_least_one(section.zones)?
            .unwrap_or(default.zones.min(nodes));
        if zones > nodes {
            let message = format!("{zones} is more than the {nodes} Nodes there are to be in them");
            return Err(self.error(section.zones, &message));
        }
        let pod_start = match section.pod_start {
            None => default.pod_start,
            Some(Placed {
                value: PodStart::Always(span),
                at,
            }) => {
                let span = self.whole_millis(Placed { value: span, at })?;
                (span, span)
            }
            Some(Placed {
                value: PodStart::Between(range),
                ..
            }) => {
                let bounds = (self.whole_millis(range.min)?, self.whole_millis(range.max)?);
                if bounds.0 > bounds.1 {
                    let at = self.tree.later(range.min.at, range.max.at);
                    let (min, max) = (range.min.value, range.max.value);
                    let message = format!("min {min} is more than max {max}");
                    return Err(self.tree.error(at, &message));
                }
                bounds
            }
        };
        let slice_sync = match section.slice_sync {
            Some(span) => self.whole_millis(span)?,
            None => default.slice_sync,
        };
        let replicas = self
            .at_least_one(section.replicas)?
            .unwrap_or(default.replicas);
        if replicas > MOST_REPLICAS {
            let message = format!("{replicas} is more than {MOST_REPLICAS}");
            return Err(self.error(section.replicas, &message));
        }
        let items = section.faults.unwrap_or_default().value;
        let faults = items
            .into_iter()
            .map(|item| self.fault(item, replicas))
            .collect::<Result<_>>()?;
        Ok(Sandbox {
            nodes,
            zones,
            pod_start,
            slice_sync,
            replicas,
            faults,
        })
    }

    fn fault(&self, item: FaultItem, replicas: u32) -> Result<Fault> {
        let kind = item.kind.value;
        let replica = self.at_least_one(item.replica)?;
        if replica.is_some() && !kind.is_of_the_destination() {
            let message = "only faults of the destination strike a replica of it";
            return Err(self.error(item.replica, message));
        }
        if replica.is_some_and(|replica| replica > replicas) {
            let message = format!(
                "there is no such replica; sandbox.replicas is {replicas}, and they count from 1"
            );
            return Err(self.error(item.replica, &message));
        }
        if item.resource.is_some() && !kind.is_of_the_observers_watch() {
            let message = "only faults of the observer's watch strike one resource's";
            return Err(self.error(item.resource, message));
        }
        let delay = match item.delay {
            Some(delay) => self.whole_millis(delay)?,
            None => Duration::ZERO,
        };
        if kind.delays() && delay.is_zero() {
            let at = item.delay.map_or(item.kind.at, |delay| delay.at);
            return Err(self
                .tree
                .error(at, "this kind of fault needs a delay of at least 1ms"));
        }
        let at = match item.at {
            Some(at) => self.whole_millis(at)?,
            None => Duration::ZERO,
        };
        let share = item.share.unwrap_or(Placed::from(Share(1.0)));
        if share.value.0 > 1.0 {
            let message = format!("{} is more than 100%", share.value);
            return Err(self.tree.error(share.at, &message));
        }
        Ok(Fault {
            kind,
            at,
            lasts: self.timer(item.lasts)?,
            share: share.value.0,
            delay,
            replica,
            resource: item.resource.map(|it| it.value),
        })
    }

    /// A number that must be at least 1 where it is given.
    pub(super) fn at_least_one(&self, key: Key<u32>) -> Result<Option<u32>> {
        match key {
            Some(Placed { value: 0, at }) => {
                Err(self.tree.error(at, "0 is too few; it is at least 1"))
            }
            other => Ok(other.map(|number| number.value)),
        }
    }

    /// A duration that must not be zero where it is given.
    fn positive(&self, key: Key<Span>) -> Result<Option<Duration>> {
        match key {
            Some(span) if span.value.0.is_zero() => {
                let message = format!("{} is too short; it is at least 1ms", span.value);
                Err(self.tree.error(span.at, &message))
            }
            other => Ok(other.map(|span| span.value.0)),
        }
    }

    /// A duration of whole milliseconds: the plan's grid, and that of paused timers.
    fn whole_millis(&self, span: Placed<Span>) -> Result<Duration> {
        let duration = span.value.0;
        if duration.subsec_nanos().is_multiple_of(1_000_000) {
            return Ok(duration);
        }
        let message = format!(
            "{} is not a whole number of milliseconds, which is the plan's grid",
            span.value
        );
        Err(self.tree.error(span.at, &message))
    }

    /// A duration of at least a millisecond, on the plan's grid, where it is given.
    pub(super) fn timer(&self, key: Key<Span>) -> Result<Option<Duration>> {
        self.positive(key)?;
        key.map(|span| self.whole_millis(span)).transpose()
    }

    /// An error about a key that has been given.
    pub(super) fn error<T>(&self, key: Key<T>, message: &str) -> ScenarioError {
        self.tree.error(key.map_or(0, |placed| placed.at), message)
    }

    fn warn(&mut self, at: usize, message: &str) {
        self.warnings.push(self.tree.error(at, message).to_string());
    }
}

/// What [`label_problem`] lets through, as a regular expression; how long it may be aside.
pub(super) const LABEL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";

/// What keeps `name` from being a DNS label of at most `longest` characters.
pub(super) fn label_problem(name: &str, longest: usize) -> Option<String> {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let valid = !name.is_empty()
        && name.chars().all(|c| alphanumeric(c) || c == '-')
        && name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric);
    if !valid {
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
