//! Looking, before a run, whether it can work: asks, and changes nothing.

mod admission;
mod cluster;
mod destination;
mod path;

use dst_load_destination::target::Target;
use dst_load_kubernetes::actor::permissions::Purpose;
use dst_load_report::check::{Findings, Outcome};
use dst_load_transport::{files, world::World};

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The cluster, and the destination controller.
    pub world: &'a World,
    /// What is looked at of the controller; nothing if absent.
    pub destination: Option<Destination<'a>>,
    /// The namespace that is churned.
    pub namespace: &'a str,
    /// What is asked of Kubernetes.
    pub purpose: Purpose,
    /// What the run will want, if a scenario is named.
    pub wants: Option<Wants>,
    /// The cluster's DNS domain.
    pub cluster_domain: &'a str,
    /// The cluster that must be linked here, if one must.
    pub linked: Option<&'a str>,
}

/// What is looked at of the destination controller.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// Whether it answers streams.
    pub streams: bool,
    /// What its admin endpoint says.
    pub target: Option<&'a Target>,
}

/// What a run will want at its peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Pods that something else must fake; 0 where this tool writes the endpoints itself.
    pub pods: u64,
    /// Services that are made.
    pub services: u64,
    /// Endpoints, whoever makes them.
    pub endpoints: u64,
    /// Connections to the controller.
    pub connections: u64,
}

/// Looks at a target cluster, where Services are made and churned, and nobody asks a controller.
pub async fn check_target(subject: &Subject<'_>, findings: &mut Findings) {
    findings.cluster = Some("target");
    cluster::check(subject, findings).await;
    findings.cluster = Some("source");
}

/// Looks at everything, one after the other; what depends on something that failed is left out.
pub async fn check(subject: &Subject<'_>, mut findings: Findings) -> Findings {
    cluster::check(subject, &mut findings).await;
    findings.cluster = None;
    if let Some(destination) = subject.destination {
        destination::check(subject, destination, &mut findings).await;
    }
    if let Some(wants) = subject.wants {
        findings.push(
            "this-machine",
            "can open enough connections",
            open_files(wants),
        );
    }
    findings
}

fn open_files(wants: Wants) -> Outcome {
    match (files::limit(), files::enough_for(wants.connections)) {
        (_, Err(error)) => Outcome::failed(
            format!(
                "{} files may be open, and {} connections are wanted",
                error.limit, error.connections
            ),
            error.remedy(),
        ),
        (Some(files), Ok(())) => Outcome::seen(format!("{files} files may be open")),
        (None, Ok(())) => Outcome::seen("no limit of open files"),
    }
}

#[cfg(test)]
mod tests;
