//! What of Deployments, Pods and events tells why a Pod is not there, or not ready. Pure.

use serde::Deserialize;

/// A reason that one object gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// The Service whose endpoints are concerned, whose name the message may have.
    pub(super) service: &'a str,
    pub(super) message: String,
    /// Pods that it keeps from being ready.
    pub(super) pods: u64,
    /// What it is about where it does not tell of Pods: kind and name.
    pub(super) about: Option<(&'a str, &'a str)>,
    pub(super) refused: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    creation_timestamp: String,
    deletion_timestamp: Option<String>,
    labels: Labels,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Labels {
    app: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Deployment {
    pub(super) metadata: Metadata,
    spec: DeploymentSpec,
    status: DeploymentStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct DeploymentSpec {
    replicas: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct DeploymentStatus {
    replicas: u64,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    metadata: Metadata,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    node_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: String,
    reason: String,
    message: String,
    conditions: Vec<Condition>,
    init_container_statuses: Vec<ContainerStatus>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Stopped>,
    terminated: Option<Stopped>,
}

/// Why a container does not run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Stopped {
    reason: String,
    message: String,
    exit_code: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Event {
    metadata: Metadata,
    involved_object: Involved,
    reason: String,
    message: String,
    last_timestamp: Option<String>,
    event_time: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Involved {
    kind: String,
    name: String,
}

/// What a container waits for in good order.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

// === impl Found ===

impl Found<'_> {
    /// The words of the message, in no order, without what differs from one Pod to the next: the
    /// names of what belongs to the Service, amounts, and in which order several faults are named.
    pub(super) fn key(&self) -> String {
        let amount = |it: &str| it.starts_with(|first: char| first.is_ascii_digit());
        let mut words: Vec<_> = self
            .message
            .split_whitespace()
            .map(|word| word.trim_matches(|it: char| !it.is_ascii_alphanumeric()))
            .map(|word| {
                let belongs = !self.service.is_empty()
                    && (word.starts_with(self.service)
                        || word.contains(&format!("/{}", self.service)));
                match word.split_once('=') {
                    _ if belongs || amount(word) => "#",
                    // An amount such as `pods=5`, but not a name that ends in digits.
                    Some((name, value)) if amount(value) => name,
                    _ => word,
                }
            })
            .collect();
        words.sort_unstable();
        words.join(" ")
    }
}

// === impl Deployment ===

impl Deployment {
    /// When it was made, by the API server's clock, to the second.
    pub(super) fn created(&self) -> &str {
        seconds(&self.metadata.creation_timestamp)
    }

    /// Pods that it wants and that there are not.
    pub(super) fn missing(&self) -> u64 {
        self.spec.replicas.saturating_sub(self.status.replicas)
    }

    /// Why its ReplicaSet, or that one's Pods, were refused.
    pub(super) fn refused(&self) -> Option<Found<'_>> {
        let pods = self.condition("ReplicaFailure", "True");
        let set = || {
            let progressing = self.condition("Progressing", "False")?;
            (progressing.reason == "ReplicaSetCreateError").then_some(progressing)
        };
        Some(self.found(pods.or_else(set)?, true))
    }

    /// Why it does not progress otherwise: it says only that it does not.
    pub(super) fn stuck(&self) -> Option<Found<'_>> {
        Some(self.found(self.condition("Progressing", "False")?, false))
    }

    fn found(&self, condition: &Condition, refused: bool) -> Found<'_> {
        Found {
            service: &self.metadata.name,
            message: words(&condition.reason, &condition.message),
            pods: self.missing().max(1),
            about: None,
            refused,
        }
    }

    fn condition(&self, kind: &str, status: &str) -> Option<&Condition> {
        condition(&self.status.conditions, kind, status)
    }
}

// === impl Pod ===

impl Pod {
    pub(super) fn is_ready(&self) -> bool {
        condition(&self.status.conditions, "Ready", "True").is_some()
    }

    pub(super) fn has_node(&self) -> bool {
        !self.spec.node_name.is_empty()
    }

    /// Why it is not ready, if it says so.
    pub(super) fn unready(&self) -> Option<Found<'_>> {
        if self.is_ready() || self.metadata.deletion_timestamp.is_some() {
            return None;
        }
        Some(Found {
            service: &self.metadata.labels.app,
            message: self.why()?,
            pods: 1,
            about: None,
            refused: false,
        })
    }

    fn why(&self) -> Option<String> {
        let status = &self.status;
        if status.phase == "Failed" {
            return Some(full(&status.reason, &status.message, "the Pod failed"));
        }
        if let Some(it) = condition(&status.conditions, "PodScheduled", "False") {
            return Some(words(&it.reason, &it.message));
        }
        let containers = status.init_container_statuses.iter();
        let stopped = containers
            .chain(&status.container_statuses)
            .find_map(|it| it.state.why());
        let gate = || {
            let ready = condition(&status.conditions, "Ready", "False")?;
            (!ready.message.is_empty() && status.phase == "Running").then(|| ready.message.clone())
        };
        stopped.or_else(gate)
    }
}

// === impl ContainerState ===

impl ContainerState {
    fn why(&self) -> Option<String> {
        match (&self.waiting, &self.terminated) {
            (Some(it), _) if !STARTING.contains(&it.reason.as_str()) => {
                Some(full(&it.reason, &it.message, "a container waits"))
            }
            (_, Some(it)) if it.exit_code != 0 => Some(format!(
                "{} (exit code {})",
                full(&it.reason, &it.message, "a container ended"),
                it.exit_code
            )),
            _ => None,
        }
    }
}

// === impl Event ===

impl Event {
    /// When it was last seen, by the cluster's clocks, to the second.
    pub(super) fn last(&self) -> &str {
        let last = self.last_timestamp.as_ref().or(self.event_time.as_ref());
        seconds(last.unwrap_or(&self.metadata.creation_timestamp))
    }

    /// Whether it is about the Service, or what belongs to the Deployment of its name.
    pub(super) fn concerns(&self, service: &str) -> bool {
        let rest = self.involved_object.name.strip_prefix(service);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// That the EndpointSlices of a Service could not be written.
    pub(super) fn of_slices(&self) -> Option<Found<'_>> {
        (self.involved_object.kind == "Service" && self.reason.contains("EndpointSlice"))
            .then(|| self.found(true))
    }

    /// That something could not be made, or does not start.
    pub(super) fn of_making(&self) -> Option<Found<'_>> {
        let kind = self.involved_object.kind.as_str();
        ["ReplicaSet", "Deployment", "Pod"]
            .contains(&kind)
            .then(|| self.found(self.reason == "FailedCreate"))
    }

    fn found(&self, refused: bool) -> Found<'_> {
        let mut message = self.message.as_str();
        for what_every_one_says in ["(combined from similar events): ", "Error creating: "] {
            message = message.strip_prefix(what_every_one_says).unwrap_or(message);
        }
        Found {
            service: &self.involved_object.name,
            message: words(&self.reason, message),
            pods: 0,
            about: Some((&self.involved_object.kind, &self.involved_object.name)),
            refused,
        }
    }
}

fn condition<'a>(all: &'a [Condition], kind: &str, status: &str) -> Option<&'a Condition> {
    all.iter().find(|it| it.kind == kind && it.status == status)
}

/// The message, or the reason where there is none.
fn words(reason: &str, message: &str) -> String {
    if message.is_empty() { reason } else { message }.to_owned()
}

/// Reason and message, as far as there are any.
fn full(reason: &str, message: &str, otherwise: &str) -> String {
    match (reason, message) {
        ("", "") => otherwise.to_owned(),
        ("", it) | (it, "") => it.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// A date without fractions of a second, so that dates of both precisions compare as text.
fn seconds(date: &str) -> &str {
    date.get(..19).unwrap_or(date)
}
