//! Two clusters, in virtual time: churn in the one, streams on the controller of the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dst_load_controller::cli::run::simulation::Simulation;
use dst_load_recording::{
    recording::{self, Line},
    statistics::StageSummary,
};
use dst_load_report::{report::Ending, verdict::Verdict};
use dst_load_scenario::{
    federation::Via,
    scenario::{Scenario, built_in},
};
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::virtually::{self, Ran, scenario, simulate};

/// One short cycle of `federated-oscillation` for 4 clients.
fn short(overrides: &[&str]) -> Scenario {
    let mut all = vec![
        "churn.cycles=1,churn.minHold=10s,churn.maxHold=10s,churn.jitter=1s",
        "churn.services=3,churn.maxEndpoints=150,client.clients=4",
    ];
    all.extend(overrides);
    scenario(built_in("federated-oscillation").unwrap(), &all)
}

fn ways(ran: &Ran) -> BTreeMap<Via, StageSummary> {
    let both = ran.report.federation.clone().unwrap();
    (both.ways.into_iter())
        .map(|way| (way.via, way.latency))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_client_learns_of_the_target_clusters_endpoints_both_ways() {
    let ran = simulate(short(&[])).await;
    assert_eq!(
        ran.report.verdict,
        Verdict::Pass,
        "{:?}",
        ran.report.reasons
    );
    // 3 Services both ways and 2 local ones.
    assert_eq!(ran.report.streams.opened, 4 * (3 * 2 + 2));
    assert_eq!(ran.report.correctness.streams_wrong, 0);
    let changed: BTreeSet<_> = ran.changes().into_iter().map(|it| it.service).collect();
    for name in ["test-service-1-target", "test-service-1-federated"] {
        assert!(changed.contains(name), "{changed:?}");
    }
    let ways = ways(&ran);
    for via in [Via::RemoteDiscovery, Via::Federated] {
        let latency = &ways[&via];
        // 140 endpoints of 3 Services, for 4 clients.
        for stage in [
            &latency.kubernetes,
            &latency.destination,
            &latency.end_to_end,
        ] {
            assert_eq!((stage.add.count, stage.remove.count), (1_680, 1_680));
            assert_eq!((stage.add.never, stage.remove.never), (0, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn local_changes_are_told_apart_by_whether_the_target_cluster_churned_meanwhile() {
    let ran = simulate(short(&["federation.localEvery=500ms"])).await;
    let ways = ways(&ran);
    let quiet = &ways[&Via::LocalQuiet].destination;
    let disturbed = &ways[&Via::LocalDisturbed].destination;
    for direction in [&quiet.add, &quiet.remove, &disturbed.add, &disturbed.remove] {
        assert!(direction.count > 0);
    }
    // Most of the time nothing happens over there.
    assert!(quiet.add.count > disturbed.add.count);
    // Every delivery went by one way.
    let all = &ran.report.latency.destination;
    let sum: u64 = ways.values().map(|it| it.destination.add.count).sum();
    assert_eq!(sum, all.add.count);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_lost_on_the_way_from_the_target_cluster_fails_the_run() {
    let text = built_in("federated-oscillation").unwrap();
    let text =
        format!("{text}\nsandbox:\n  faults:\n  - {{kind: dropUpdate, share: 5%, at: 5s}}\n");
    let ran = simulate(scenario(
        &text,
        &["churn.cycles=1,churn.minHold=10s,churn.maxHold=10s,client.clients=4"],
    ))
    .await;
    assert_eq!(ran.report.verdict, Verdict::Fail);
    assert!(ran.report.correctness.streams_wrong > 0);
}

#[tokio::test(start_paused = true)]
async fn one_way_alone_opens_half_the_streams() {
    let mut scenario = short(&["federation.localServices=0"]);
    scenario.federation.as_mut().unwrap().through.truncate(1);
    let ran = simulate(scenario).await;
    assert_eq!(
        ran.report.verdict,
        Verdict::Pass,
        "{:?}",
        ran.report.reasons
    );
    assert_eq!(ran.report.streams.opened, 4 * 3);
    assert_eq!(
        ways(&ran).into_keys().collect::<Vec<_>>(),
        [Via::RemoteDiscovery]
    );
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_the_tool_writes_itself_are_federated_too() {
    for backend in ["pods", "slices"] {
        let ran = simulate(short(&[&format!("churn.backend={backend}")])).await;
        assert_eq!(
            ran.report.verdict,
            Verdict::Pass,
            "{:?}",
            ran.report.reasons
        );
        assert_eq!(ways(&ran)[&Via::Federated].destination.add.count, 1_680);
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_of_one_cluster_says_nothing_of_ways() {
    let ran = simulate(scenario(built_in("quick").unwrap(), &["client.clients=2"])).await;
    assert_eq!(ran.report.federation, None);
    let lines = recording::read(ran.recording.as_slice()).unwrap();
    for line in lines {
        if let Line::Second(second) = line {
            assert!(second.latencies.iter().all(|it| it.via.is_none()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_cluster_that_is_not_linked_is_named_as_the_reason() {
    // The embedded destination is linked by the name that the scenario gives; Services that name
    // another are what a wrong name comes to.
    let simulation = Simulation::new(short(&[])).unwrap();
    let kube = simulation.kube().unwrap();
    let services: Api<Service> = Api::namespaced(kube, simulation.namespace());
    let spoil = async {
        let name = "test-service-1-target";
        while services.get_opt(name).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let label = "multicluster.linkerd.io/remote-discovery";
        let patch = json!({ "metadata": { "labels": { label: "elsewhere" } } });
        let parameters = PatchParams::default();
        services
            .patch(name, &parameters, &Patch::Merge(patch))
            .await
            .unwrap();
        std::future::pending::<()>().await;
    };
    let ran = tokio::select! {
        biased;
        () = spoil => unreachable!("it waits for ever"),
        ran = virtually::run(simulation) => ran,
    };
    let Ending::Failed { error } = &ran.report.ending else {
        panic!("{:?}", ran.report.ending);
    };
    assert!(
        error.contains("Remote cluster not found: elsewhere"),
        "{error}"
    );
}
