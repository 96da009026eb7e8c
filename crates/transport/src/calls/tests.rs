//! The layer under kube's typed `Api`, against an API server that misbehaves on purpose, under
//! paused time.

use dst_load_scenario::words::chain;
use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::PatchParams, core::params::Patch};
use serde_json::json;

use super::*;
use crate::mock::{Answer, Log, mock, refusal};

const NODE: &str = "/api/v1/nodes/a";

/// Calls over an API that gives these answers in turn, then a Node.
fn calls(limits: Limits, answers: Vec<Answer>) -> (Calls, kube::Client, Log) {
    let clock = Clock::start();
    let mut answers = std::collections::VecDeque::from(answers);
    let (kube, log) = mock(clock, move |_| {
        let node = || Answer::Json(200, json!({ "metadata": { "name": "a" } }));
        answers.pop_front().unwrap_or_else(node)
    });
    (Calls::new(clock, 1, limits), kube, log)
}

fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn get() -> Request<Body> {
    Request::get(NODE).body(Body::empty()).unwrap()
}

fn instants(log: &Log) -> Vec<At> {
    log.lock().iter().map(|seen| seen.at).collect()
}

#[tokio::test(start_paused = true)]
async fn the_typed_api_waits_as_long_as_the_server_says_and_sees_the_answer() {
    let (calls, kube, log) = calls(
        Limits::default(),
        vec![
            Answer::Busy(2),
            refusal(401, "Unauthorized", "token has expired"),
        ],
    );
    let nodes: Api<Node> = Api::all(calls.client(kube, CallOptions::default()));
    let node = nodes.get("a").await.unwrap();
    assert_eq!(node.metadata.name.as_deref(), Some("a"));
    assert_eq!(instants(&log)[1], At::from_secs(2));
    let counted = KubernetesErrors {
        too_many_requests: 1,
        unauthorized: 1,
        retries: 2,
        ..KubernetesErrors::default()
    };
    assert_eq!(calls.errors(), counted);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_tried_again_unless_the_client_or_the_request_says_that_it_is_final() {
    let conflict = || refusal(409, "Conflict", "the object has been modified");
    let exact = CallOptions {
        conflict_is_final: true,
        ..CallOptions::default()
    };
    for (of_client, of_request, sent) in [
        (CallOptions::default(), None, 2),
        (exact, None, 1),
        (CallOptions::default(), Some(exact), 1),
        (exact, Some(CallOptions::default()), 2),
    ] {
        let (calls, kube, log) = calls(Limits::default(), vec![conflict()]);
        let kube = calls.client(kube, of_client);
        let mut request = get();
        if let Some(options) = of_request {
            request.extensions_mut().insert(options);
        }
        let code = kube.send(request).await.unwrap().status();
        assert_eq!(log.lock().len(), sent);
        assert_eq!(code.is_success(), sent == 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_again_as_it_was() {
    let (calls, kube, log) = calls(Limits::default(), vec![Answer::HangUp, Answer::Silence]);
    let nodes: Api<Node> = Api::all(calls.client(kube, CallOptions::default()));
    let patch = json!({ "spec": { "unschedulable": true } });
    let (params, change) = (PatchParams::default(), Patch::Merge(&patch));
    nodes.patch("a", &params, &change).await.unwrap();
    let bodies: Vec<_> = log.lock().iter().map(|seen| seen.body.clone()).collect();
    assert_eq!(bodies, [patch.clone(), patch.clone(), patch]);
    let errors = calls.errors();
    assert_eq!((errors.connection_errors, errors.timeouts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn urgent_calls_pass_those_that_wait_for_the_rate_and_the_trace_says_when_each_was_sent() {
    let limits = Limits {
        qps: nonzero(1),
        burst: nonzero(1),
        concurrency: 1,
        ..Limits::default()
    };
    let (calls, kube, _) = calls(limits, Vec::new());
    let kube = calls.client(kube, CallOptions::default());
    let send = |urgent| {
        let (kube, trace, mut request) = (kube.clone(), CallTrace::default(), get());
        request.extensions_mut().insert(trace.clone());
        request.extensions_mut().insert(CallOptions {
            urgent,
            ..CallOptions::default()
        });
        async move {
            kube.send(request).await.unwrap();
            trace.timing().sent.unwrap()
        }
    };
    let (first, second, third, urgent) =
        tokio::join!(send(false), send(false), send(false), send(true));
    assert_eq!(urgent, At::ZERO);
    let mut paced = [first, second, third];
    paced.sort_unstable();
    assert_eq!(paced, [0, 1, 2].map(At::from_secs));
}

#[tokio::test(start_paused = true)]
async fn a_trace_says_what_was_sent_and_given_up_too() {
    let limits = Limits {
        attempts: nonzero(3),
        unanswered: nonzero(2),
        timeout: Duration::from_secs(7),
        ..Limits::default()
    };
    let (calls, kube, log) = calls(limits, vec![Answer::Silence, Answer::Silence]);
    let (trace, mut request) = (CallTrace::default(), get());
    request.extensions_mut().insert(trace.clone());
    let kube = calls.client(kube, CallOptions::default());
    let error = kube.send(request).await.unwrap_err();
    assert!(chain(&error).ends_with("no answer within 7 s"), "{error}");
    let timing = trace.timing();
    assert_eq!((timing.sent, timing.retries), (Some(At::ZERO), 1));
    let last = instants(&log)[1];
    assert_eq!(timing.answered, Some(last + limits.timeout));
}
