//! The churner against the embedded Kubernetes: claim, create, churn, take away. In virtual
//! time, without sockets.

use std::{fmt::Debug, sync::Arc, time::Duration};

use dst_load_kubernetes::actor::{Actor, Claim, Limits, RunIdentity};
use dst_load_sandbox::kubernetes::{Config, Kubernetes};
use dst_load_scenario::{
    fault::{Fault, FaultKind},
    plan::Plan,
    scenario::Scenario,
    time::At,
};
use dst_load_session::churn::{ChurnMetrics, Driver, Ending};
use dst_load_transport::clock::Clock;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{Api, api::ListParams, core::NamespaceResourceScope};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

/// Two Services between 2 and 120 endpoints, twice.
fn scenario() -> Arc<Scenario> {
    let text = "
        scenario: {name: oscillate}
        churn: {services: 2, pattern: oscillate, minEndpoints: 2, maxEndpoints: 120,
                minHold: 30s, maxHold: 30s, jitter: 1s, cycles: 2}";
    let (scenario, _) = Scenario::from_yaml(text, "oscillate.yaml", &[]).unwrap();
    Arc::new(scenario)
}

fn actor(kubernetes: &Kubernetes, clock: Clock, id: &str) -> Actor {
    let run = RunIdentity {
        id: id.into(),
        scenario: "oscillate".into(),
    };
    let (kube, namespace) = (kubernetes.client(), "churned".to_owned());
    Actor::new(kube, clock, namespace, run, scenario(), Limits::default())
}

/// Ready endpoints of all Services in the namespace.
async fn ready(kube: &kube::Client) -> usize {
    let slices: Api<EndpointSlice> = Api::namespaced(kube.clone(), "churned");
    let slices = slices.list(&ListParams::default()).await.unwrap();
    let endpoints = slices
        .items
        .into_iter()
        .flat_map(|slice| slice.endpoints.unwrap_or_default());
    endpoints
        .filter(|endpoint| endpoint.conditions.as_ref().and_then(|c| c.ready) == Some(true))
        .count()
}

/// Objects left in the namespace, and namespaces of that name.
async fn left(kube: &kube::Client) -> [usize; 5] {
    async fn count<K>(kube: &kube::Client) -> usize
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let all = Api::<K>::namespaced(kube.clone(), "churned");
        all.list(&ListParams::default()).await.unwrap().items.len()
    }
    let namespaces = Api::<Namespace>::all(kube.clone());
    let namespace = namespaces.get_opt("churned").await.unwrap();
    [
        count::<Deployment>(kube).await,
        count::<Service>(kube).await,
        count::<Pod>(kube).await,
        count::<EndpointSlice>(kube).await,
        usize::from(namespace.is_some()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_churn_moves_the_endpoints_and_leaves_nothing_behind() {
    let kubernetes = Kubernetes::start(Config::default());
    let kube = kubernetes.client();
    let clock = Clock::start();
    let actor = actor(&kubernetes, clock, "r1");
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario(), actor.caller());
    assert_eq!(actor.prepare().await.unwrap(), Claim::Fresh);

    let plan = Plan::new(&scenario());
    let mut driver = Driver::new(&actor, &metrics, plan, CancellationToken::new());
    let created = driver.create(|_| {}).await;
    assert_eq!((created.ending, created.failed), (Ending::Finished, 0));
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(ready(&kube).await, 4);

    let start = clock.now();
    let watch = async {
        let mut sizes = Vec::new();
        for second in [20, 50, 80, 110, 140] {
            clock.sleep_until(start + second * SECOND).await;
            sizes.push(ready(&kube).await);
        }
        sizes
    };
    let (driven, sizes) = tokio::join!(driver.churn(start, |_| {}), async {
        tokio::select! {
            biased;
            sizes = watch => sizes,
            lost = actor.renew_lease() => panic!("{lost}"),
        }
    });
    assert_eq!((driven.intended, driven.failed), (8, 0));
    assert_eq!(driven.lateness_max, Duration::ZERO);
    assert_eq!(sizes, [4, 240, 4, 240, 4]);

    let cleaned = actor.cleanup().await.unwrap();
    assert_eq!(cleaned.remaining.len(), 0);
    assert_eq!(left(&kube).await, [0; 5]);
    assert_eq!(actor.errors().total(), 0);
    kubernetes.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_troubled_api_server_is_survived_and_counted() {
    let fault = |kind, share| Fault {
        kind,
        at: Duration::ZERO,
        lasts: None,
        share,
        delay: Duration::ZERO,
        replica: None,
        resource: None,
    };
    let kubernetes = Kubernetes::start(Config {
        faults: vec![
            fault(FaultKind::TooManyRequests, 0.2),
            fault(FaultKind::Conflict, 0.2),
            fault(FaultKind::InternalError, 0.2),
        ],
        ..Config::default()
    });
    let clock = Clock::start();
    let actor = actor(&kubernetes, clock, "r1");
    let metrics = ChurnMetrics::register(&mut Registry::default(), &scenario(), actor.caller());
    actor.prepare().await.unwrap();
    let plan = Plan::new(&scenario());
    let mut driver = Driver::new(&actor, &metrics, plan, CancellationToken::new());
    driver.create(|_| {}).await;
    let driven = driver.churn(clock.now(), |_| {}).await;
    assert_eq!((driven.intended, driven.failed), (8, 0));
    let cleaned = actor.cleanup().await.unwrap();
    assert_eq!(cleaned.remaining.len(), 0);
    let errors = actor.errors();
    assert!(errors.too_many_requests > 0, "{errors:?}");
    assert!(errors.server_errors > 0, "{errors:?}");
    assert!(errors.retries > 0, "{errors:?}");
    assert!(clock.now() > At::ZERO);
    kubernetes.shutdown().await;
}
