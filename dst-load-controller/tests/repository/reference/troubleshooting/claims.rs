//! What `check` claims, looked for where as much as possible is wrong.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

use bytes::Bytes;
use dst_load_destination::target::Target;
use dst_load_kubernetes::actor::permissions::Purpose;
use dst_load_report::check::{Findings, Outcome};
use dst_load_scenario::scenario::Backend;
use dst_load_session::check::{Destination, Subject, Wants, check};
use dst_load_transport::world::World;
use http::{Request, Response};
use http_body_util::Full;
use kube::client::Body;
use serde_json::{Value, json};

use super::{Message, Place};

/// Each claim once. One that holds needs a row, too: it may not on another cluster.
pub(super) async fn all() -> Vec<Message> {
    let mut claims = BTreeSet::new();
    for kube in [None, Some(api(false)), Some(api(true))] {
        let findings = findings(kube).await.findings.into_iter();
        // What is granted is a line for each resource.
        let shown = findings
            .filter(|it| it.section != "permissions" || !matches!(it.outcome, Outcome::Ok { .. }));
        claims.extend(shown.map(|it| it.claim));
    }
    let messages = claims.into_iter();
    messages
        .map(|claim| Message::new(Place::Check, claim))
        .collect()
}

async fn findings(kube: Option<kube::Client>) -> Findings {
    let world = World {
        kube: Arc::new(move || {
            let unusable = kube::Error::LinesCodecMaxLineLengthExceeded;
            kube.clone().ok_or(unusable)
        }),
        destination: Arc::new(|_| Box::pin(async { Err(tonic::Status::unavailable("refused")) })),
        further: Vec::new(),
        listed: None,
    };
    // Nobody listens at port 1.
    let target = Target::new("http://127.0.0.1:1/metrics").unwrap();
    let subject = Subject {
        world: &world,
        destination: Some(Destination {
            streams: true,
            target: Some(&target),
        }),
        namespace: "load",
        purpose: Purpose {
            acts: true,
            endpoints: true,
            watches: true,
            backend: Backend::default(),
        },
        wants: Some(Wants {
            pods: 1_000,
            services: 10,
            endpoints: 1_000,
            connections: u64::MAX,
        }),
        cluster_domain: "cluster.local",
        linked: Some("east"),
    };
    check(&subject, Findings::default()).await
}

/// An API that permits nothing, or does not even say what it permits.
fn api(says_what_is_permitted: bool) -> kube::Client {
    let service = tower::service_fn(move |request: Request<Body>| async move {
        let (code, body) = answer(request.uri().path(), says_what_is_permitted);
        let body = Full::new(Bytes::from(body.to_string()));
        Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
    });
    kube::Client::new(service, "default")
}

fn answer(path: &str, says_what_is_permitted: bool) -> (u16, Value) {
    let list = |items: Value| (200, json!({"metadata": {}, "items": items}));
    match path {
        "/version" => (
            200,
            json!({
                "major": "1", "minor": "36", "gitVersion": "v1.36.3", "gitCommit": "",
                "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
            }),
        ),
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" if says_what_is_permitted => {
            (201, json!({"spec": {}, "status": {"allowed": false}}))
        }
        "/api/v1/nodes" => list(json!([{"metadata": {"name": "node-1"}}])),
        "/apis/apps/v1/deployments"
        | "/api/v1/namespaces/linkerd/secrets"
        | "/api/v1/namespaces/load/resourcequotas" => list(json!([])),
        _ => (
            403,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "violates PodSecurity", "reason": "Forbidden", "code": 403,
            }),
        ),
    }
}
