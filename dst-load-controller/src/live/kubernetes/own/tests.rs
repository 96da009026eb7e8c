//! Our own endpoints against an API server that misbehaves on purpose, under paused time.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use super::*;
use crate::{
    live::{
        clock::Clock,
        kubernetes::{
            Limits, RunIdentity,
            mock::{Answer, Log, mock, refusal, scenario, scripted},
        },
    },
    model::{action::Action, quantity::AddressRange, scenario::Scenario, time::At},
};

const SLICES: Backend = Backend::Slices {
    addresses: AddressRange::RESERVED,
};

fn actor(kube: kube::Client, clock: Clock, backend: Backend) -> Actor {
    let run = RunIdentity {
        id: "r1".into(),
        scenario: "quick".into(),
    };
    let mut scenario = Scenario::clone(&scenario(1));
    scenario.churn.backend = backend;
    let scenario = Arc::new(scenario);
    Actor::new(kube, clock, "ns".into(), run, scenario, Limits::default())
}

fn action(verb: Verb) -> Action {
    Action {
        intended: At::ZERO,
        service: 0,
        cycle: 0,
        verb,
    }
}

const CREATE: Verb = Verb::Create { endpoints: 2 };

fn paths(log: &Log) -> Vec<String> {
    let namespaced = "/namespaces/ns/";
    let log = log.lock();
    log.iter()
        .map(|seen| {
            let (verb, path) = seen.what.split_once(' ').unwrap();
            format!("{verb} {}", path.split_once(namespaced).unwrap().1)
        })
        .collect()
}

fn slice(version: &str) -> Answer {
    let metadata = json!({ "uid": "e", "resourceVersion": version });
    Answer::Json(200, json!({ "metadata": metadata }))
}

#[tokio::test(start_paused = true)]
async fn pods_are_ready_before_their_slice_is_written() {
    let clock = Clock::start();
    let (kube, log) = scripted(clock, []);
    let backend = Backend::Pods {
        meshed: false,
        addresses: AddressRange::RESERVED,
    };
    let acted = actor(kube, clock, backend).act(&action(CREATE)).await;
    acted.result.unwrap();
    assert_eq!(
        paths(&log),
        [
            "POST services",
            "POST pods",
            "POST pods",
            "PATCH pods/test-service-1-1/status",
            "PATCH pods/test-service-1-2/status",
            "POST endpointslices",
        ]
    );
    assert_eq!(
        (acted.sent, acted.acknowledged),
        (At::ZERO, At::from_secs(1))
    );
}

#[tokio::test(start_paused = true)]
async fn every_write_of_a_slice_is_told_with_its_version_and_when_it_was_acknowledged() {
    let clock = Clock::start();
    let deleted = json!({ "kind": "Status", "status": "Success", "details": { "uid": "e" } });
    let answers = [
        Answer::Json(201, json!({})),
        slice("5"),
        Answer::Busy(2),
        slice("6"),
        Answer::Json(200, deleted),
    ];
    let (kube, log) = scripted(clock, answers);
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let actor = actor(kube, clock, SLICES).telling(Arc::new(move |service, written, at| {
        teller.lock().push((service, written.resource_version, at));
    }));
    for verb in [
        CREATE,
        Verb::Scale { from: 2, to: 1 },
        Verb::Scale { from: 1, to: 0 },
    ] {
        actor.act(&action(verb)).await.result.unwrap();
    }
    assert_eq!(
        paths(&log)[1..],
        [
            "POST endpointslices",
            "PUT endpointslices/test-service-1-1",
            "PUT endpointslices/test-service-1-1",
            "DELETE endpointslices/test-service-1-1",
        ]
    );
    let later = At::from_secs(2);
    let version = |version: &str| Some(Arc::from(version));
    assert_eq!(
        *told.lock(),
        [
            (0, version("5"), At::ZERO),
            (0, version("6"), later),
            (0, None, later)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_slice_is_written_whether_or_not_it_is_there() {
    let clock = Clock::start();
    let answers = [
        Answer::Json(201, json!({})),
        refusal(409, "AlreadyExists", "there is one"),
        slice("5"),
        refusal(404, "NotFound", "there is none"),
        slice("6"),
        refusal(404, "NotFound", "there is none"),
    ];
    let (kube, log) = scripted(clock, answers);
    let actor = actor(kube, clock, SLICES);
    for verb in [
        CREATE,
        Verb::Scale { from: 2, to: 3 },
        Verb::Scale { from: 3, to: 0 },
    ] {
        actor.act(&action(verb)).await.result.unwrap();
    }
    let verbs: Vec<_> = paths(&log).iter().map(|it| it[..4].to_owned()).collect();
    assert_eq!(verbs, ["POST", "POST", "PUT ", "PUT ", "POST", "DELE"]);
    assert_eq!(actor.errors().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_failure_is_left_undone() {
    let clock = Clock::start();
    let (kube, log) = mock(clock, |what| match what {
        what if what.ends_with("/services") => refusal(422, "Invalid", "no such port"),
        _ => Answer::Json(201, json!({})),
    });
    let acted = actor(kube, clock, SLICES).act(&action(CREATE)).await;
    assert!(acted.result.unwrap_err().is_refused_as("Invalid"));
    assert_eq!(paths(&log), ["POST services"]);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_still_to_be_made_is_waited_for() {
    let clock = Clock::start();
    let early = || {
        let message = "pods \"a\" is forbidden: error looking up service account ns/default: \
                       serviceaccount \"default\" not found";
        refusal(403, "Forbidden", message)
    };
    let (kube, _) = scripted(clock, [Answer::Json(201, json!({})), early(), early()]);
    let backend = Backend::Pods {
        meshed: true,
        addresses: AddressRange::RESERVED,
    };
    let acted = actor(kube, clock, backend).act(&action(CREATE)).await;
    acted.result.unwrap();
    assert_eq!(acted.retries, 2);
}

#[tokio::test(start_paused = true)]
async fn a_range_that_is_used_up_is_said_and_nothing_is_sent() {
    let clock = Clock::start();
    let (kube, log) = scripted(clock, []);
    let addresses = "10.0.0.0/31".parse().unwrap();
    let actor = actor(kube, clock, Backend::Slices { addresses });
    actor.act(&action(CREATE)).await.result.unwrap();
    let sent = log.lock().len();
    let more = actor.act(&action(Verb::Scale { from: 2, to: 3 })).await;
    assert_eq!(
        more.result.unwrap_err().to_string(),
        "test-service-1 can have no further endpoint: all 2 addresses of 10.0.0.0/31 that are the \
         Service's have been given, and none is given twice; churn.addresses is too small for it"
    );
    assert_eq!(log.lock().len(), sent);
}
