//! What this process serves itself: the sandbox in virtual time, and the reference destination on a
//! real cluster's API.

use std::sync::Arc;

use dst_load_destination::discovery::Metrics;
use dst_load_recording::recording::TargetKind;
use dst_load_sandbox::{destination::Destination, kubernetes::Kubernetes};
use dst_load_scenario::scenario::Scenario;
use dst_load_transport::world::{Dial, KubeFactory, World};

use super::{Environment, Guard, cluster::find_target};
use crate::cli::{
    cluster::{ClusterArgs, TargetClusterArgs},
    sandbox_config,
};

/// What is served in this process.
pub(super) struct InProcess {
    /// The embedded clusters.
    clusters: Vec<Kubernetes>,
    /// The replicas of the reference destination.
    replicas: Vec<Destination>,
}

// === impl Environment ===

impl Environment {
    /// The sandbox in this process, for virtual time: no sockets, no threads.
    pub(in crate::cli) fn in_process(scenario: &Scenario) -> Self {
        let source = Kubernetes::start(sandbox_config::kubernetes(scenario));
        let target = sandbox_config::target_kubernetes(scenario).map(Kubernetes::start);
        let api = |cluster: &Kubernetes| -> KubeFactory {
            let cluster = cluster.clone();
            Arc::new(move || Ok(cluster.client()))
        };
        let replicas = replicas(
            scenario,
            &source.client(),
            target.as_ref().map(Kubernetes::client).as_ref(),
        );
        let (source_api, target_api) = (api(&source), target.as_ref().map(api));
        let clusters = std::iter::once(source).chain(target).collect();
        Self::of_reference(
            scenario,
            source_api,
            target_api,
            InProcess { clusters, replicas },
        )
    }

    /// A cluster's API, and the reference destination in this process.
    ///
    /// # Errors
    /// If there is no such cluster.
    pub(super) async fn reference(
        cluster: &ClusterArgs,
        target_cluster: Option<&TargetClusterArgs>,
        scenario: &Scenario,
    ) -> anyhow::Result<Self> {
        let source = cluster.find().await?;
        let target = find_target(&source, cluster, target_cluster).await?;
        let kube = source.factory();
        let target_kube = target.as_ref().map(|kube| kube()).transpose()?;
        let parts = InProcess {
            clusters: Vec::new(),
            replicas: replicas(scenario, &kube()?, target_kube.as_ref()),
        };
        Ok(Self::of_reference(scenario, kube, target, parts))
    }

    fn of_reference(
        scenario: &Scenario,
        kube: KubeFactory,
        target_cluster: Option<KubeFactory>,
        parts: InProcess,
    ) -> Self {
        Self {
            world: World {
                kube,
                destination: dial(&parts.replicas[0]),
                further: parts.replicas[1..].iter().map(dial).collect(),
                listed: None,
            },
            target_cluster,
            kind: TargetKind::Reference,
            version: None,
            target: None,
            // Replicas in this process have no address.
            addresses: (1..=parts.replicas.len())
                .map(|number| format!("replica-{number}"))
                .collect(),
            metrics: Metrics::default(),
            forwarded: false,
            flags: scenario.reference_flags(),
            guard: Guard::InProcess(parts),
        }
    }
}

// === impl InProcess ===

impl InProcess {
    /// Stops the destination, then the clusters that it reads.
    pub(super) async fn stop(self) {
        for replica in &self.replicas {
            replica.shutdown().await;
        }
        for cluster in self.clusters {
            cluster.shutdown().await;
        }
    }
}

/// The reference destination, as many replicas of it as the scenario has.
fn replicas(
    scenario: &Scenario,
    kube: &kube::Client,
    target: Option<&kube::Client>,
) -> Vec<Destination> {
    let start = |number| {
        Destination::start_linked(
            sandbox_config::destination(scenario, number),
            kube.clone(),
            sandbox_config::linked(scenario, target.cloned()),
        )
    };
    (1..=scenario.sandbox.replicas).map(start).collect()
}

fn dial(replica: &Destination) -> Dial {
    let replica = replica.clone();
    Arc::new(move |_| {
        let replica = replica.clone();
        // A request waits there until the replica has read the cluster.
        Box::pin(async move { Ok(replica.grpc()) })
    })
}
