//! Claims about checks, with an API that says what it is told to.

use std::sync::Arc;

use dst_load_scenario::scenario::Backend;
use dst_load_transport::{
    clock::Clock,
    mock::{Answer, Log, mock, refusal},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

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
        "GET /api/v1/namespaces/load/resourcequotas" => list(json!([{
            "metadata": {"name": "q"},
            "spec": {"hard": {"pods": "200"}},
        }])),
        // Dry runs.
        _ if what.starts_with("POST /api/v1/namespaces/load/") => body.clone(),
        _ if what.starts_with("POST /apis/apps/v1/namespaces/load/") => body.clone(),
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
        destination: Arc::new(|_| Box::pin(async { Err(tonic::Status::unavailable("refused")) })),
        further: Vec::new(),
        listed: None,
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
            backend: Backend::default(),
        },
        wants: Some(Wants {
            pods,
            services: 5,
            endpoints: pods,
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

/// An API whose dry runs are answered by `refuse`, given the plural of what is created.
fn admitting(refuse: impl Fn(&str) -> Option<Answer> + Send + 'static) -> kube::Client {
    let (kube, _) = mock(Clock::start(), move |what| {
        let created = what
            .strip_prefix("POST /")
            .and_then(|it| it.rsplit('/').next());
        match created {
            Some("selfsubjectaccessreviews") => {
                Answer::Json(201, json!({ "spec": {}, "status": { "allowed": true } }))
            }
            Some(plural) => refuse(plural).unwrap_or_else(|| Answer::Json(201, json!({}))),
            None if what.ends_with("/resourcequotas") => Answer::Json(
                200,
                json!({ "metadata": {}, "items": [{
                    "metadata": { "name": "q" },
                    "spec": {
                        "hard": { "pods": "200", "limits.cpu": "1" },
                        "scopes": ["NotBestEffort"],
                    },
                }] }),
            ),
            None => Answer::Json(200, answer(what, &Value::Null, &[])),
        }
    });
    kube
}

async fn admission(refuse: impl Fn(&str) -> Option<Answer> + Send + 'static) -> Findings {
    let mut findings = findings(Some(admitting(refuse)), 1).await;
    findings.findings.retain(|one| one.section == "admission");
    findings
}

#[tokio::test(start_paused = true)]
async fn what_would_be_refused_is_said_in_the_clusters_words() {
    let pod_security = "pods \"dst-load-check\" is forbidden: violates PodSecurity \"restricted\"";
    let webhook = "admission webhook \"w.example\" denied the request: not here";
    let limits = "pods \"dst-load-check\" is forbidden: failed quota: q: must specify limits.cpu";
    let range = "pods \"dst-load-check\" is forbidden: minimum cpu usage per Container is 10m";
    let down = "Internal error occurred: failed calling webhook \"w.example\": no endpoints";
    for (code, plural, message, hint) in [
        (
            403,
            "pods",
            pod_security,
            "pod-security.kubernetes.io/enforce",
        ),
        (400, "deployments", webhook, "exempt the namespace"),
        (403, "pods", limits, "LimitRange with defaults"),
        (403, "pods", range, "change what refuses it"),
        (500, "services", down, "look at that webhook"),
    ] {
        let refuse = move |asked: &str| (asked == plural).then(|| refusal(code, "R", message));
        let findings = admission(refuse).await;
        let failed: Vec<_> = findings.failed().map(ToString::to_string).collect();
        assert_eq!(failed.len(), 1, "{findings}");
        assert!(failed[0].starts_with("× admits "), "{}", failed[0]);
        assert!(
            failed[0].contains(message) && failed[0].contains(hint),
            "{}",
            failed[0]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_tried_is_not_said_to_be_refused() {
    let rbac = "pods is forbidden: User \"u\" cannot create resource \"pods\" in API group \"\"";
    let gone = "namespaces \"load\" not found";
    for (code, reason, message) in [
        (403, "Forbidden", rbac),
        (404, "NotFound", gone),
        (
            409,
            "AlreadyExists",
            "pods \"dst-load-check\" already exists",
        ),
        (503, "ServiceUnavailable", "etcd is away"),
        (
            403,
            "Forbidden",
            "pods \"a\" is forbidden: exceeded quota: q",
        ),
    ] {
        let findings = admission(move |_| Some(refusal(code, reason, message))).await;
        let claims: Vec<_> = findings.findings.iter().map(|one| &one.claim).collect();
        assert_eq!(
            claims,
            ["has quotas with room for what is made"],
            "{findings}"
        );
        assert_eq!(findings.failed().count(), 0, "{findings}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_never_has_room_fails_and_counts_pods_as_the_cluster_completes_them() {
    let quota = |findings: &Findings| text(findings, "has quotas with room for what is made");
    let pod = json!({ "kind": "Pod", "spec": { "containers": [
        { "resources": { "requests": { "cpu": "1m" }, "limits": { "cpu": "100m" } } },
    ] } });
    let completed = move |asked: &str| (asked == "pods").then(|| Answer::Json(201, pod.clone()));
    let few = findings(Some(admitting(completed.clone())), 10).await;
    assert!(quota(&few).starts_with('√'), "{few}");
    let many = findings(Some(admitting(completed)), 201).await;
    let said = quota(&many);
    assert!(
        said.contains("quota q allows 200 pods, and 201 are wanted"),
        "{said}"
    );
    assert!(
        said.contains("quota q allows 1 limits.cpu, and 20.100 are wanted"),
        "{said}"
    );
}
