//! The sandbox as a child process, so that its cost can be told from this process's.

use std::path::Path;

use dst_load_destination::target::Target;
use dst_load_scenario::{quantity::Bytes, scenario::Scenario};
use dst_load_transport::cluster::Cluster;

use super::{Environment, Guard, refuse_destination_faults};
use crate::cli::{
    forward::with_memory_limit,
    process::{CommandLine, ReadyLine, SandboxProcess},
};

// === impl Environment ===

impl Environment {
    /// The sandbox as a child process; with a controller of the user's own, if there is one.
    ///
    /// # Errors
    /// If it does not start, the scenario has faults of another destination, or the memory limit means
    /// nothing.
    pub(super) async fn sandbox(
        scenario: &Scenario,
        controller: Option<&CommandLine>,
        log: Option<&Path>,
        memory_limit: Option<Bytes>,
    ) -> anyhow::Result<Self> {
        if controller.is_some() {
            refuse_destination_faults(scenario)?;
        }
        let (process, ready) = SandboxProcess::start(scenario, controller, log).await?;
        match connect(&ready, memory_limit).await {
            Ok((target, cluster, target_cluster)) => {
                let addresses = ready.destination.split(',').map(str::to_owned).collect();
                let guard = Guard::Sandbox(process);
                let kube = cluster.factory();
                Ok(Self {
                    target_cluster: target_cluster.as_ref().map(Cluster::factory),
                    version: ready.destination_version,
                    flags: ready.destination_flags,
                    ..Self::of_process(kube, addresses, target, scenario, guard).await?
                })
            }
            Err(error) => {
                process.stop().await;
                Err(error)
            }
        }
    }
}

/// The destination's admin endpoint, and the clusters.
async fn connect(
    ready: &ReadyLine,
    memory_limit: Option<Bytes>,
) -> anyhow::Result<(Target, Cluster, Option<Cluster>)> {
    let target = Target::new(&ready.destination_metrics)?;
    let target = with_memory_limit(target, memory_limit)?;
    let cluster = Cluster::find(Some(&ready.kubeconfig), None).await?;
    let target_cluster = match ready.target_context.as_deref() {
        Some(context) => Some(Cluster::find(Some(&ready.kubeconfig), Some(context)).await?),
        None => None,
    };
    Ok((target, cluster, target_cluster))
}
