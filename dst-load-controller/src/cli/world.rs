//! The sandbox in this process, in virtual time: no sockets, no threads, and the same bytes for
//! the same seed.

use std::sync::Arc;

use crate::{
    model::{scenario::Scenario, seed},
    sandbox::{destination, kubernetes},
    world::World,
};

/// The sandbox's DNS domain.
pub(in crate::cli) const CLUSTER_DOMAIN: &str = "cluster.local";
/// Linkerd's own default.
const QUEUE_CAPACITY: usize = 100;

/// The embedded pair, in this process.
pub(super) struct Embedded {
    pub(super) world: World,
    pub(super) kubernetes: kubernetes::Kubernetes,
    pub(super) destination: destination::Destination,
}

/// The seed's own name for a run: the same scenario and seed make the same objects.
pub(super) fn run_id(seed: u64, effective: &serde_json::Value) -> String {
    seed::hex(seed, "run-id", &effective.to_string(), 4)
}

/// Starts both halves of the sandbox on this runtime.
pub(super) fn start(scenario: &Scenario) -> Embedded {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes_config(scenario));
    let destination =
        destination::Destination::start(destination_config(scenario), kubernetes.client());
    let (api, grpc) = (kubernetes.clone(), destination.clone());
    Embedded {
        world: World {
            kube: Arc::new(move || Ok(api.client())),
            destination: Arc::new(move || {
                let grpc = grpc.grpc();
                Box::pin(async move { Ok(grpc) })
            }),
        },
        kubernetes,
        destination,
    }
}

/// The sandbox's Kubernetes as the scenario shapes it.
pub(in crate::cli) fn kubernetes_config(scenario: &Scenario) -> kubernetes::Config {
    let sandbox = &scenario.sandbox;
    kubernetes::Config {
        seed: scenario.seed,
        nodes: sandbox.nodes,
        zones: sandbox.zones,
        pod_start: sandbox.pod_start,
        slice_sync: sandbox.slice_sync,
        faults: sandbox.faults.clone(),
    }
}

/// The reference destination as the scenario shapes it.
pub(in crate::cli) fn destination_config(scenario: &Scenario) -> destination::Config {
    destination::Config {
        seed: scenario.seed,
        cluster_domain: CLUSTER_DOMAIN.to_owned(),
        queue_capacity: QUEUE_CAPACITY,
        faults: scenario.sandbox.faults.clone(),
    }
}
