//! The sandbox's Kubernetes and destination, as a scenario configures them.

use std::{collections::BTreeMap, net::Ipv4Addr};

use dst_load_sandbox::{destination, kubernetes};
use dst_load_scenario::{scenario::Scenario, seed};
use rand::Rng;

use super::cluster::CLUSTER_DOMAIN;

/// The first address of the embedded target cluster's pods.
const TARGET_PODS_FROM: Ipv4Addr = Ipv4Addr::new(10, 128, 0, 1);
/// Updates that wait for a stream at most; Linkerd's own default.
const QUEUE_CAPACITY: usize = 100;

/// The embedded Kubernetes; the source cluster, where there are two.
pub(super) fn kubernetes(scenario: &Scenario) -> kubernetes::Config {
    let sandbox = &scenario.sandbox;
    kubernetes::Config {
        seed: scenario.seed,
        pods_from: kubernetes::PODS_FROM,
        nodes: sandbox.nodes,
        zones: sandbox.zones,
        pod_start: sandbox.pod_start,
        slice_sync: sandbox.slice_sync,
        faults: sandbox.faults.clone(),
    }
}

/// The embedded target cluster, if the scenario spans two: other names, and other addresses.
pub(super) fn target_kubernetes(scenario: &Scenario) -> Option<kubernetes::Config> {
    let federation = scenario.federation.as_ref()?;
    Some(kubernetes::Config {
        seed: seed::rng(scenario.seed, "cluster", &federation.cluster).next_u64(),
        pods_from: TARGET_PODS_FROM,
        ..kubernetes(scenario)
    })
}

/// A replica of the reference destination, counted from 1.
pub(super) fn destination(scenario: &Scenario, number: u32) -> destination::Config {
    let faults = scenario.sandbox.faults.iter();
    destination::Config {
        seed: scenario.seed,
        cluster_domain: CLUSTER_DOMAIN.to_owned(),
        queue_capacity: QUEUE_CAPACITY,
        ipv6: scenario.reference_flags().ipv6 == Some(true),
        faults: faults
            .filter(|fault| fault.strikes_replica(number))
            .cloned()
            .collect(),
    }
}

/// The clusters that the reference destination is linked with, by name.
pub(super) fn linked(
    scenario: &Scenario,
    target: Option<kube::Client>,
) -> BTreeMap<String, kube::Client> {
    let federation = scenario.federation.as_ref();
    (federation.zip(target).into_iter())
        .map(|(federation, target)| (federation.cluster.clone(), target))
        .collect()
}
