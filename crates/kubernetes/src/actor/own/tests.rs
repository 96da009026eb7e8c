//! Our own endpoints against an API server that misbehaves on purpose, under paused time.

use std::sync::Arc;

use dst_load_scenario::{action::Action, quantity::AddressRange, scenario::Scenario, time::At};
use dst_load_transport::{
    clock::Clock,
    mock::{Answer, Log, mock, refusal},
};
use parking_lot::Mutex;
use serde_json::json;

use super::*;
use crate::actor::{
    Limits, RunIdentity,
    mock::{made, scenario, scripted},
    objects::{MANAGED_BY, MANAGER, RUN_ID},
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
    let mut actor = actor(kube, clock, SLICES);
    actor.on_slice = Some(Arc::new(move |service, written, at| {
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
    let absent = || refusal(404, "NotFound", "there is none");
    let answers = [
        made("1"),
        refusal(409, "AlreadyExists", "there is one"),
        made("4"),
        made("5"),
        absent(),
        absent(),
        made("6"),
        absent(),
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
    let slices = ["POST", "GET ", "PUT ", "PUT ", "GET ", "POST", "DELE"];
    assert_eq!(verbs[1..], slices);
    // What was read is written as it was read, and what was written by its uid.
    let met = |position: usize| log.lock()[position].body["metadata"].clone();
    assert_eq!(
        (&met(3)["uid"], &met(3)["resourceVersion"]),
        (&json!("u"), &json!("4"))
    );
    assert_eq!(
        (&met(4)["uid"], &met(4)["resourceVersion"]),
        (&json!("u"), &json!(null))
    );
    assert_eq!(log.lock()[7].body["preconditions"], json!({ "uid": "u" }));
    assert_eq!(actor.errors().total(), 0);
}

/// A slice of the name that ours would have, whose labels are these.
fn foreign(labels: serde_json::Value) -> impl FnMut(&str) -> Answer {
    move |what| match what.split_once(' ').unwrap() {
        ("POST", path) if path.ends_with("endpointslices") => {
            refusal(409, "AlreadyExists", "there is one")
        }
        ("GET", _) => Answer::Json(
            200,
            json!({ "metadata": { "uid": "f", "resourceVersion": "9", "labels": labels } }),
        ),
        _ => made("1"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_slice_of_somebody_else_is_read_and_left_alone() {
    let clock = Clock::start();
    let theirs = json!({ "kubernetes.io/service-name": "payments" });
    let another_runs = json!({ MANAGED_BY: MANAGER, RUN_ID: "r0" });
    let no_runs = json!({ MANAGED_BY: MANAGER });
    for (labels, said) in [
        (theirs, "was not made by this tool"),
        (no_runs, "was not made by this tool"),
        (
            another_runs,
            "was made by run \"r0\"; `dst-load-controller cleanup --run-id r0` removes",
        ),
    ] {
        let (kube, log) = mock(clock, foreign(labels));
        let acted = actor(kube, clock, SLICES).act(&action(CREATE)).await;
        let error = acted.result.unwrap_err().to_string();
        let name = "endpointslices \"test-service-1-1\" in namespace \"ns\" ";
        assert!(error.starts_with(&format!("{name}{said}")), "{error}");
        assert_eq!(
            paths(&log),
            [
                "POST services",
                "POST endpointslices",
                "GET endpointslices/test-service-1-1",
            ]
        );
    }
}

/// After our slice was made, somebody put another in its place.
#[tokio::test(start_paused = true)]
async fn what_took_the_place_of_our_slice_is_neither_written_nor_deleted() {
    let clock = Clock::start();
    for verb in [
        Verb::Scale { from: 2, to: 3 },
        Verb::Scale { from: 2, to: 0 },
    ] {
        let (kube, log) = mock(clock, |what| match what.split(' ').next().unwrap() {
            "POST" => made("1"),
            "GET" => Answer::Json(200, json!({ "metadata": { "uid": "f", "labels": {} } })),
            _ => refusal(
                409,
                "Conflict",
                "Precondition failed: UID in precondition: u",
            ),
        });
        let actor = actor(kube, clock, SLICES);
        actor.act(&action(CREATE)).await.result.unwrap();
        let error = actor.act(&action(verb)).await.result.unwrap_err();
        assert!(matches!(error, KubernetesError::NotOurs { .. }), "{error}");
        let sent = log.lock().len();
        assert_eq!(sent, 4, "{:?}", paths(&log));
    }
}

/// Our own slice has changed since it was read: it is read again, and written.
#[tokio::test(start_paused = true)]
async fn a_conflict_is_read_again_and_given_up_at_last() {
    let clock = Clock::start();
    let mut puts = 0;
    let (kube, _) = mock(clock, move |what| match what.split(' ').next().unwrap() {
        "PUT" => {
            puts += 1;
            if puts < 4 {
                return refusal(409, "Conflict", "the object has been modified");
            }
            made("9")
        }
        _ => made("1"),
    });
    let changed = actor(kube, clock, SLICES);
    changed.act(&action(CREATE)).await.result.unwrap();
    let acted = changed.act(&action(Verb::Scale { from: 2, to: 3 })).await;
    acted.result.unwrap();
    assert_eq!((acted.retries, changed.errors().conflicts), (3, 3));

    let (kube, log) = mock(clock, |what| match what.split(' ').next().unwrap() {
        "PUT" => refusal(409, "Conflict", "the object has been modified"),
        _ => made("1"),
    });
    let changing = actor(kube, clock, SLICES);
    changing.act(&action(CREATE)).await.result.unwrap();
    let acted = changing.act(&action(Verb::Scale { from: 2, to: 3 })).await;
    assert!(acted.result.unwrap_err().is_refused_as("Conflict"));
    let puts = paths(&log)
        .iter()
        .filter(|it| it.starts_with("PUT"))
        .count();
    assert_eq!(puts, 10);
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_failure_is_left_undone() {
    let clock = Clock::start();
    let (kube, log) = mock(clock, |what| match what {
        what if what.ends_with("/services") => refusal(422, "Invalid", "no such port"),
        _ => made("1"),
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
    let (kube, _) = scripted(clock, [made("1"), early(), early()]);
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
