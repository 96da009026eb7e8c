//! What of Deployments, Pods and events tells why a Pod is not there, or not ready. Pure.

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ContainerState, Event, Pod},
    },
    jiff::Timestamp,
};
use kube::ResourceExt as _;

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

/// What a container waits for in good order.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Reason and message of a condition.
type Condition<'a> = (&'a str, &'a str);

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

// === Deployments ===

/// When it was made, by the API server's clock, to the second.
pub(super) fn created(deployment: &Deployment) -> Option<Timestamp> {
    Some(deployment.creation_timestamp()?.0)
}

/// Pods that it wants and that there are not.
pub(super) fn missing(deployment: &Deployment) -> u64 {
    let wanted = deployment.spec.replicas;
    let made = deployment.status.as_ref().and_then(|it| it.replicas);
    let missing = wanted.unwrap_or_default() - made.unwrap_or_default();
    u64::try_from(missing).unwrap_or_default()
}

/// Why its ReplicaSet, or that one's Pods, were refused.
pub(super) fn refused(deployment: &Deployment) -> Option<Found<'_>> {
    let pods = deployment_condition(deployment, "ReplicaFailure", "True");
    let set = || {
        let progressing = deployment_condition(deployment, "Progressing", "False")?;
        (progressing.0 == "ReplicaSetCreateError").then_some(progressing)
    };
    Some(of_deployment(deployment, pods.or_else(set)?, true))
}

/// Why it does not progress otherwise: it says only that it does not.
pub(super) fn stuck(deployment: &Deployment) -> Option<Found<'_>> {
    let condition = deployment_condition(deployment, "Progressing", "False")?;
    Some(of_deployment(deployment, condition, false))
}

fn of_deployment<'a>(
    deployment: &'a Deployment,
    (reason, message): Condition<'_>,
    refused: bool,
) -> Found<'a> {
    Found {
        service: deployment.metadata.name.as_deref().unwrap_or_default(),
        message: words(reason, message),
        pods: missing(deployment).max(1),
        about: None,
        refused,
    }
}

fn deployment_condition<'a>(
    deployment: &'a Deployment,
    kind: &str,
    status: &str,
) -> Option<Condition<'a>> {
    let mut all = deployment.status.as_ref()?.conditions.iter().flatten();
    let found =
        all.find(|it| text(it.type_.as_ref()) == kind && text(it.status.as_ref()) == status)?;
    Some((text(found.reason.as_ref()), text(found.message.as_ref())))
}

// === Pods ===

pub(super) fn is_ready(pod: &Pod) -> bool {
    pod_condition(pod, "Ready", "True").is_some()
}

pub(super) fn has_node(pod: &Pod) -> bool {
    let node = pod.spec.as_ref().and_then(|it| it.node_name.as_ref());
    !text(node).is_empty()
}

/// Why it is not ready, if it says so.
pub(super) fn unready(pod: &Pod) -> Option<Found<'_>> {
    if is_ready(pod) || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(Found {
        service: text(pod.labels().get("app")),
        message: why(pod)?,
        pods: 1,
        about: None,
        refused: false,
    })
}

fn why(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let phase = text(status.phase.as_ref());
    if phase == "Failed" {
        let (reason, message) = (status.reason.as_ref(), status.message.as_ref());
        return Some(full(text(reason), text(message), "the Pod failed"));
    }
    if let Some((reason, message)) = pod_condition(pod, "PodScheduled", "False") {
        return Some(words(reason, message));
    }
    let containers = status.init_container_statuses.iter().flatten();
    let stopped = containers
        .chain(status.container_statuses.iter().flatten())
        .find_map(|it| why_stopped(it.state.as_ref()?));
    let gate = || {
        let (_, message) = pod_condition(pod, "Ready", "False")?;
        (!message.is_empty() && phase == "Running").then(|| message.to_owned())
    };
    stopped.or_else(gate)
}

fn why_stopped(state: &ContainerState) -> Option<String> {
    match (&state.waiting, &state.terminated) {
        (Some(it), _) if !STARTING.contains(&text(it.reason.as_ref())) => {
            let (reason, message) = (text(it.reason.as_ref()), text(it.message.as_ref()));
            Some(full(reason, message, "a container waits"))
        }
        (_, Some(it)) if it.exit_code != 0 => {
            let (reason, message) = (text(it.reason.as_ref()), text(it.message.as_ref()));
            let ended = full(reason, message, "a container ended");
            Some(format!("{ended} (exit code {})", it.exit_code))
        }
        _ => None,
    }
}

fn pod_condition<'a>(pod: &'a Pod, kind: &str, status: &str) -> Option<Condition<'a>> {
    let mut all = pod.status.as_ref()?.conditions.iter().flatten();
    let found = all.find(|it| it.type_ == kind && it.status == status)?;
    Some((text(found.reason.as_ref()), text(found.message.as_ref())))
}

// === Events ===

/// When it was last seen, by the cluster's clocks.
pub(super) fn last(event: &Event) -> Option<Timestamp> {
    let last = event.last_timestamp.as_ref().map(|it| it.0);
    let last = last.or(event.event_time.as_ref().map(|it| it.0));
    last.or(event.metadata.creation_timestamp.as_ref().map(|it| it.0))
}

/// Whether it is about the Service, or what belongs to the Deployment of its name.
pub(super) fn concerns(event: &Event, service: &str) -> bool {
    let rest = text(event.involved_object.name.as_ref()).strip_prefix(service);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// That the EndpointSlices of a Service could not be written.
pub(super) fn of_slices(event: &Event) -> Option<Found<'_>> {
    let kind = text(event.involved_object.kind.as_ref());
    (kind == "Service" && text(event.reason.as_ref()).contains("EndpointSlice"))
        .then(|| of_event(event, true))
}

/// That something could not be made, or does not start.
pub(super) fn of_making(event: &Event) -> Option<Found<'_>> {
    let kind = text(event.involved_object.kind.as_ref());
    ["ReplicaSet", "Deployment", "Pod"]
        .contains(&kind)
        .then(|| of_event(event, text(event.reason.as_ref()) == "FailedCreate"))
}

fn of_event(event: &Event, refused: bool) -> Found<'_> {
    let mut message = text(event.message.as_ref());
    for what_every_one_says in ["(combined from similar events): ", "Error creating: "] {
        message = message.strip_prefix(what_every_one_says).unwrap_or(message);
    }
    let name = text(event.involved_object.name.as_ref());
    Found {
        service: name,
        message: words(text(event.reason.as_ref()), message),
        pods: 0,
        about: Some((text(event.involved_object.kind.as_ref()), name)),
        refused,
    }
}

/// What an object may leave out.
fn text(field: Option<&String>) -> &str {
    field.map_or("", String::as_str)
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
