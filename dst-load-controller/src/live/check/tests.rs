//! Claims about checks, with an API that says what it is told to.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::{
    live::{
        clock::Clock,
        kubernetes::mock::{Answer, Log, mock},
    },
    model::scenario::Backend,
};

/// An API in which `refused` (a verb and a resource with its part) is not permitted, with one of
/// KWOK's Nodes that takes 110 pods.
fn api(refused: &'static [(&'static str, &'static str)]) -> kube::Client {
    let log: Arc<Mutex<Option<Log>>> = Arc::default();
    let said = Arc::clone(&log);
    let (kube, seen) = mock(Clock::start(), move |what| {
        let body = said.lock().as_ref().map_or(Value::Null, |log| {
            log.lock()
                .last()
                .map_or(Value::Null, |seen| seen.body.clone())
        });
        Answer::Json(200, answer(what, &body, refused))
    });
    *log.lock() = Some(seen);
    kube
}

fn answer(what: &str, body: &Value, refused: &[(&str, &str)]) -> Value {
    let list = |items: Value| json!({"metadata": {}, "items": items});
    match what {
        "GET /version" => json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "",
            "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        }),
        "GET /api/v1/nodes" => list(json!([{
            "metadata": {"name": "kwok-1", "annotations": {"kwok.x-k8s.io/node": "fake"}},
            "spec": {"podCIDR": "10.1.0.0/24"},
            "status": {
                "allocatable": {"pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }])),
        "GET /apis/apps/v1/deployments" => list(json!([])),
        "GET /api/v1/pods" => list(json!([{
            "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"nodeName": "kwok-1", "containers": []},
            "status": {"podIP": "10.1.0.1"},
        }])),
        _ => {
            let asked = &body["spec"]["resourceAttributes"];
            let (verb, resource) = (&asked["verb"], &asked["resource"]);
            let resource = match asked["subresource"].as_str() {
                Some(part) => format!("{}/{part}", resource.as_str().unwrap()),
                None => resource.as_str().unwrap().to_owned(),
            };
            let refused = refused.contains(&(verb.as_str().unwrap(), &resource));
            json!({"spec": {}, "status": {"allowed": !refused}})
        }
    }
}

async fn findings(kube: Option<kube::Client>, pods: u64) -> Findings {
    let world = World {
        kube: Arc::new(move || {
            kube.clone()
                .ok_or(kube::Error::LinesCodecMaxLineLengthExceeded)
        }),
        destination: Arc::new(|| Box::pin(async { Err(tonic::Status::unavailable("refused")) })),
        further: Vec::new(),
    };
    let subject = Subject {
        world: &world,
        destination: Some(Destination {
            streams: true,
            target: None,
        }),
        namespace: "load",
        purpose: Purpose {
            acts: true,
            endpoints: true,
            watches: true,
            backend: Backend::Deployments,
        },
        wants: Some(Wants {
            pods,
            connections: 1,
        }),
        cluster_domain: "cluster.local",
        linked: None,
    };
    check(&subject, Findings::default()).await
}

fn text(findings: &Findings, claim: &str) -> String {
    let found = findings.findings.iter().find(|one| one.claim == claim);
    found
        .unwrap_or_else(|| panic!("{claim} in\n{findings}"))
        .to_string()
}

#[tokio::test(start_paused = true)]
async fn what_is_well_is_said_in_a_line() {
    let findings = findings(Some(api(&[])), 109).await;
    assert_eq!(
        text(&findings, "can reach the API server"),
        "√ can reach the API server (v1.36.3)\n"
    );
    assert_eq!(
        text(&findings, "may patch deployments/scale"),
        "√ may patch deployments/scale\n"
    );
    assert!(text(&findings, "have room for all pods").starts_with('√'));
    let failed: Vec<_> = findings.failed().map(|one| one.claim.as_str()).collect();
    assert_eq!(failed, ["answers streams"]);
    assert!(text(&findings, "answers streams").contains("Unavailable: refused"));
}

#[tokio::test(start_paused = true)]
async fn each_refused_verb_is_named_with_what_would_grant_it() {
    let refused = &[("patch", "deployments/scale"), ("watch", "nodes")];
    let findings = findings(Some(api(refused)), 1).await;
    assert_eq!(
        text(&findings, "may patch deployments/scale"),
        "× may patch deployments/scale\n    refused in namespace load\n    hint: kubectl create role \
         dst-load --verb=patch --resource=deployments.apps/scale, and bind it\n"
    );
    let nodes = text(&findings, "may watch nodes");
    assert!(
        nodes.starts_with('‼') && nodes.contains("not judged"),
        "{nodes}"
    );
}

#[tokio::test(start_paused = true)]
async fn too_few_places_fail_and_pods_that_nobody_must_fake_need_none() {
    let few = findings(Some(api(&[])), 110).await;
    let room = text(&few, "have room for all pods");
    assert!(
        room.starts_with('×') && room.contains("109 of 110 places"),
        "{room}"
    );
    let none = findings(Some(api(&[])), 0).await;
    assert!(
        none.findings.iter().all(|one| one.section != "nodes"),
        "{none}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_cannot_be_reached_is_one_finding() {
    let findings = findings(None, 1).await;
    let api: Vec<_> = findings.findings.iter().map(|one| one.section).collect();
    assert_eq!(api, ["kubernetes-api", "destination", "this-machine"]);
    assert!(text(&findings, "can reach the API server").contains("hint: look at the kubeconfig"));
}
