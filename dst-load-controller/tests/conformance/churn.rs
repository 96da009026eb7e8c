//! The churner: it claims, makes, moves and takes away, and what it leaves is nothing.

use std::sync::Arc;

use dst_load_kubernetes::actor::{Actor, Claim, KubernetesError, Limits, RunIdentity, runs};
use dst_load_scenario::{plan::Plan, scenario::Scenario};
use dst_load_session::churn::{ChurnMetrics, Driver, Ending};
use dst_load_transport::clock::Clock;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::world::World;

in_virtual_time_and_the_lab![
    a_churn_moves_the_endpoints_and_leaves_nothing_behind,
    a_namespace_has_one_live_run_and_what_a_dead_one_left_is_taken_over,
];

/// Two Services between 2 and 40 endpoints, once.
fn scenario() -> Arc<Scenario> {
    let text = "
        scenario: {name: oscillate}
        churn: {services: 2, pattern: oscillate, minEndpoints: 2, maxEndpoints: 40,
                minHold: 15s, maxHold: 15s, jitter: 1s, cycles: 1}";
    let (scenario, _) = Scenario::from_yaml(text, "oscillate.yaml", &[]).unwrap();
    Arc::new(scenario)
}

fn actor(world: &World, id: &str) -> Actor {
    let run = RunIdentity {
        id: format!("{}-{id}", world.namespace),
        scenario: "oscillate".into(),
    };
    let namespace = format!("{}-run", world.namespace);
    let (kube, clock) = (world.kube.clone(), Clock::start());
    Actor::new(kube, clock, namespace, run, scenario(), Limits::default())
}

fn metrics(actor: &Actor) -> ChurnMetrics {
    ChurnMetrics::register(&mut Registry::default(), &scenario(), actor.caller())
}

/// The namespace that is acted on.
fn churned(world: &World) -> World {
    World {
        kube: world.kube.clone(),
        namespace: format!("{}-run", world.namespace),
    }
}

/// The namespace goes too, and with it whatever else there may be.
async fn nothing_left(world: &World) {
    let namespaces: Api<Namespace> = Api::all(world.kube.clone());
    let found = namespaces.get_opt(&world.namespace).await.unwrap();
    assert!(found.is_none(), "{found:?}");
}

async fn a_churn_moves_the_endpoints_and_leaves_nothing_behind(world: &World) {
    let (actor, churned) = (actor(world, "r1"), churned(world));
    let metrics = metrics(&actor);
    assert_eq!(actor.prepare().await.unwrap(), Claim::Fresh);
    let plan = Plan::new(&scenario());
    let mut driver = Driver::new(&actor, &metrics, plan, CancellationToken::new());
    let created = driver.create(|_| {}).await;
    assert_eq!((created.ending, created.failed), (Ending::Finished, 0));
    let sized = async |size| {
        for name in ["test-service-1", "test-service-2"] {
            churned.ready(name, size).await;
        }
    };
    sized(2).await;

    let start = actor.clock().now();
    let (driven, ()) = tokio::join!(driver.churn(start, |_| {}), async {
        tokio::select! {
            biased;
            () = async {
                sized(40).await;
                sized(2).await;
            } => {}
            lost = actor.renew_lease() => panic!("{lost}"),
        }
    });
    assert_eq!((driven.intended, driven.failed), (4, 0));

    let cleaned = actor.cleanup().await.unwrap();
    assert_eq!(cleaned.remaining.len(), 0);
    nothing_left(&churned).await;
    assert_eq!(actor.errors().total(), 0);
}

async fn a_namespace_has_one_live_run_and_what_a_dead_one_left_is_taken_over(world: &World) {
    let (first, second) = (actor(world, "r1"), actor(world, "r2"));
    let churned = churned(world);
    let metrics = metrics(&first);
    first.prepare().await.unwrap();
    let plan = Plan::new(&scenario());
    let mut driver = Driver::new(&first, &metrics, plan, CancellationToken::new());
    driver.create(|_| {}).await;

    let refused = tokio::select! {
        biased;
        lost = first.renew_lease() => panic!("{lost}"),
        refused = second.prepare() => refused.unwrap_err(),
    };
    let in_use = KubernetesError::InUse {
        namespace: churned.namespace.clone(),
        holder: first.run_id().to_owned(),
    };
    assert_eq!(refused, in_use);

    // Nobody counts any more: the first run is dead.
    let found = runs(second.caller(), Some(&churned.namespace)).await;
    assert_eq!(found.unwrap().get(first.run_id()), Some(&false));
    let claim = second.prepare().await.unwrap();
    let from = first.run_id().to_owned();
    assert_eq!(claim, Claim::TakenOver { from });
    churned
        .nothing_left::<k8s_openapi::api::apps::v1::Deployment>()
        .await;
    churned
        .nothing_left::<k8s_openapi::api::core::v1::Pod>()
        .await;

    second.cleanup().await.unwrap();
    nothing_left(&churned).await;
}
