//! Runs in namespaces that do not take all their Pods, in virtual time.

use std::time::Duration;

use dst_load_controller::cli::run::simulation::{Simulated, Simulation};
use dst_load_recording::warning::Warning;
use dst_load_report::verdict::Verdict;
use dst_load_scenario::scenario::Scenario;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Map, Value, json};

const STABLE: &str = "\
scenario: {name: refused, seed: 1}
churn: {services: 5, pattern: stable, endpoints: 5, duration: 20s}
client: {clients: 2}
";

const OSCILLATING: &str = "\
scenario: {name: refused, seed: 1}
churn: {services: 1, pattern: oscillate, minEndpoints: 5, maxEndpoints: 30, minHold: 20s, maxHold: 20s, cycles: 1}
client: {clients: 2}
";

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Runs in a namespace with this quota, which is raised to 1,000 after `raised`.
async fn run(text: &str, hard: Value, raised: Option<Duration>) -> Simulated {
    let (scenario, _) = Scenario::from_yaml(text, "test.yaml", &[]).unwrap();
    let simulation = Simulation::new(scenario).unwrap();
    let kube = simulation.kube().unwrap();
    let name = simulation.namespace().to_owned();
    let params = PostParams::default();
    let namespace: Namespace = object(json!({ "metadata": { "name": name } }));
    let namespaces = Api::all(kube.clone());
    namespaces.create(&params, &namespace).await.unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(kube, &name);
    let keys = hard.as_object().unwrap().keys();
    let raised_to: Map<_, _> = keys.map(|key| (key.clone(), json!("1000"))).collect();
    let raise = json!({ "spec": { "hard": raised_to } });
    let quota = json!({ "metadata": { "name": "small" }, "spec": { "hard": hard } });
    quotas.create(&params, &object(quota)).await.unwrap();
    let raising = async {
        match raised {
            Some(raised) => tokio::time::sleep(raised).await,
            None => std::future::pending().await,
        }
        let params = PatchParams::default();
        quotas
            .patch("small", &params, &Patch::Merge(raise))
            .await
            .unwrap();
        std::future::pending::<Simulated>().await
    };
    tokio::select! {
        biased;
        ran = simulation.run(std::io::sink()) => ran.unwrap(),
        never = raising => never,
    }
}

/// What the report warns of: Pods that were not ready, and why.
fn warned(ran: &Simulated) -> Vec<(u64, String)> {
    let warnings = ran.report.warnings.iter();
    let warned = warnings.filter_map(|it| match &it.warning {
        Warning::PodsNotReady { pods, reasons } => Some((*pods, reasons.clone())),
        _ => None,
    });
    warned.collect()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_quota_keeps_from_beginning_says_which() {
    let ran = run(STABLE, json!({ "pods": "5" }), None).await;
    let error = ran.error.as_ref().unwrap().to_string();
    let (head, reason) = error.split_once(": ").unwrap();
    assert_eq!(head, "only 5 of 25 endpoints were ready after 60s");
    let quota = "is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5 (20 Pods)";
    assert!(reason.starts_with("pods \"test-service-"), "{error}");
    assert!(reason.ends_with(quota), "{error}");
    // Once, and long before; each try to make a Pod has another name.
    let warned = warned(&ran);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(warned[0].0, 20);
    assert!(warned[0].1.ends_with(quota), "{warned:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_raised_meanwhile_is_a_warning_and_no_failure() {
    let ran = run(
        STABLE,
        json!({ "count/pods": "5" }),
        Some(Duration::from_secs(40)),
    )
    .await;
    assert!(ran.error.is_none(), "{:?}", ran.error);
    assert_eq!(
        ran.report.verdict,
        Verdict::Pass,
        "{:?}",
        ran.report.reasons
    );
    assert_eq!(warned(&ran).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_scaling_that_a_quota_cuts_short_says_which() {
    let ran = run(OSCILLATING, json!({ "pods": "10" }), None).await;
    assert!(ran.error.is_none(), "{:?}", ran.error);
    let warned = warned(&ran);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(warned[0].0, 20);
    assert!(warned[0].1.contains("exceeded quota: small"), "{warned:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_at_once_is_told_as_the_cluster_words_it_and_is_no_missing_permission() {
    for (backend, hard, refused) in [
        ("pods", json!({ "pods": "5" }), "create pods"),
        (
            "pods",
            json!({ "count/endpointslices.discovery.k8s.io": "2" }),
            "create endpointslices",
        ),
        (
            "slices",
            json!({ "count/endpointslices.discovery.k8s.io": "2" }),
            "create endpointslices",
        ),
        ("slices", json!({ "services": "2" }), "create services"),
        (
            "deployments",
            json!({ "count/deployments.apps": "2" }),
            "create deployments",
        ),
    ] {
        let text = STABLE.replace("churn: {", &format!("churn: {{backend: {backend}, "));
        let ran = run(&text, hard, None).await;
        let error = ran.error.as_ref().unwrap().to_string();
        assert!(error.starts_with(refused), "{error}");
        assert!(
            error.contains("403 Forbidden") && error.contains("exceeded quota: small"),
            "{error}"
        );
        assert!(warned(&ran).is_empty(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn actions_that_are_refused_in_the_middle_of_a_run_are_counted_with_the_first_reason() {
    let text = OSCILLATING.replace("churn: {", "churn: {backend: pods, ");
    let ran = run(&text, json!({ "pods": "10" }), None).await;
    assert!(ran.error.is_none(), "{:?}", ran.error);
    let warnings = ran.report.warnings.iter();
    let failed: Vec<_> = warnings
        .filter_map(|it| match &it.warning {
            Warning::FailedActions { actions, error } => Some((*actions, error)),
            _ => None,
        })
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, 1);
    assert!(failed[0].1.contains("exceeded quota: small"), "{failed:?}");
}
