//! Claims about which reasons are found, and how they read.

use dst_load_scenario::printable::LONGEST;
use serde_json::{Value, json};

use super::*;

const QUOTA: &str = "pods \"test-service-1-5d4f8b7c9-\" is forbidden: exceeded quota: q1, \
                     requested: pods=1, used: pods=5, limited: pods=5";

fn deployment(name: &str, replicas: u64, made: u64, conditions: Value) -> Value {
    json!({
        "metadata": { "name": name, "creationTimestamp": "2026-01-01T10:00:00Z" },
        "spec": { "replicas": replicas },
        "status": { "replicas": made, "conditions": conditions },
    })
}

fn failure(message: &str) -> Value {
    json!([
        { "type": "Progressing", "status": "True", "reason": "NewReplicaSetCreated", "message": "m" },
        { "type": "Available", "status": "False", "message": "no minimum availability" },
        { "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message },
    ])
}

fn pod(status: Value) -> Value {
    json!({
        "metadata": { "name": "test-service-1-5d4f8b7c9-abcde", "labels": { "app": "test-service-1" } },
        "spec": { "nodeName": "node-1" },
        "status": status,
    })
}

fn ready() -> Value {
    pod(json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] }))
}

fn homeless() -> Value {
    let mut pod = pod(json!({ "phase": "Pending" }));
    pod["spec"] = json!({});
    pod
}

fn event(kind: &str, name: &str, reason: &str, message: &str, last: &str) -> Value {
    json!({
        "metadata": { "name": "e", "creationTimestamp": "2026-01-01T09:00:00Z" },
        "involvedObject": { "kind": kind, "name": name },
        "reason": reason, "message": message, "lastTimestamp": last,
    })
}

fn seen(deployments: Value, pods: Value, events: Value) -> Reasons {
    let seen = Seen {
        deployments: serde_json::from_value(deployments).unwrap(),
        pods: serde_json::from_value(pods).unwrap(),
        events: serde_json::from_value(events).unwrap(),
    };
    seen.reasons()
}

fn said(deployments: Value, pods: Value, events: Value) -> String {
    seen(deployments, pods, events).to_string()
}

#[test]
fn a_quota_is_one_reason_however_many_deployments_it_strikes() {
    let second = QUOTA
        .replace("service-1-5d4f8b7c9", "service-2-66c9b7f5d")
        .replace("used: pods=5", "used: pods=4");
    let deployments = json!([
        deployment("test-service-1", 5, 1, failure(QUOTA)),
        deployment("test-service-2", 5, 4, failure(&second)),
    ]);
    let reasons = seen(deployments, json!([]), json!([]));
    assert_eq!(reasons.to_string(), format!("{QUOTA} (5 Pods)"));
    assert_eq!(reasons.clone().refused(), reasons);
}

/// A LimitRange names its faults in no order.
#[test]
fn several_faults_are_one_reason_in_whatever_order_they_are_named() {
    let [cpu, memory] = ["cpu usage is 1m", "memory usage is 1Mi"];
    let message = |name: &str, first: &str, second: &str| {
        format!("pods \"{name}-5d4f8b7c9-abcde\" is forbidden: [minimum {first}, minimum {second}]")
    };
    let first = message("test-service-1", cpu, memory);
    let deployments = json!([
        deployment("test-service-1", 5, 0, failure(&first)),
        deployment(
            "test-service-2",
            5,
            0,
            failure(&message("test-service-2", memory, cpu))
        ),
    ]);
    assert_eq!(
        said(deployments, json!([]), json!([])),
        format!("{first} (10 Pods)")
    );
}

#[test]
fn what_refuses_is_told_apart_by_its_name() {
    let other = QUOTA.replace("q1", "q2");
    let deployments = json!([
        deployment("test-service-1", 5, 4, failure(QUOTA)),
        deployment("test-service-2", 5, 0, failure(&other)),
    ]);
    let expected = format!("{other} (5 Pods); {QUOTA} (1 Pod)");
    assert_eq!(said(deployments, json!([]), json!([])), expected);
}

#[test]
fn a_replica_set_that_is_refused_is_found_too() {
    let message = "Failed to create new replica set \"test-service-1-5d4f8b7c9\": \
                   replicasets.apps \"test-service-1-5d4f8b7c9\" is forbidden: exceeded quota: sets";
    let conditions = json!([{
        "type": "Progressing", "status": "False", "reason": "ReplicaSetCreateError",
        "message": message,
    }]);
    let deployments = json!([deployment("test-service-1", 5, 0, conditions)]);
    let reasons = seen(deployments, json!([]), json!([]));
    assert_eq!(reasons.to_string(), format!("{message} (5 Pods)"));
    assert!(!reasons.refused().is_empty());
}

#[test]
fn pods_say_why_they_are_not_ready() {
    let unschedulable = "0/5 nodes are available: 5 Too many pods.";
    let waiting = |reason: &str, message: &str| {
        json!({ "phase": "Pending", "containerStatuses": [
            { "state": { "waiting": { "reason": reason, "message": message } } },
        ] })
    };
    let not_ready = |message: &str| {
        json!({ "phase": "Running", "conditions": [
            { "type": "Ready", "status": "False", "reason": "R", "message": message },
        ] })
    };
    for (status, expected) in [
        (
            json!({ "phase": "Pending", "conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": unschedulable,
            }] }),
            unschedulable,
        ),
        (
            waiting("ImagePullBackOff", "Back-off pulling image \"fake\""),
            "ImagePullBackOff: Back-off pulling image \"fake\"",
        ),
        (
            json!({ "phase": "Pending", "initContainerStatuses": [
                { "state": { "terminated": { "reason": "Error", "exitCode": 3 } } },
            ] }),
            "Error (exit code 3)",
        ),
        (
            not_ready("containers with unready status: [fake]"),
            "containers with unready status: [fake]",
        ),
        (
            json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }),
            "Evicted: low on memory",
        ),
    ] {
        let pods = json!([pod(status.clone()), pod(status), ready()]);
        let all = deployment("test-service-1", 3, 3, json!([]));
        let reasons = seen(json!([all]), pods, json!([]));
        assert_eq!(reasons.to_string(), format!("{expected} (2 Pods)"));
        assert!(reasons.refused().is_empty());
    }
}

#[test]
fn events_speak_where_conditions_do_not_and_none_of_an_earlier_run() {
    let making = |last: &str, name: &str| {
        event(
            "ReplicaSet",
            name,
            "FailedCreate",
            "Error creating: denied",
            last,
        )
    };
    let deployments = || json!([deployment("test-service-1", 5, 0, json!([]))]);
    let now = "2026-01-01T10:00:01Z";
    let set = "test-service-1-5d4f8b7c9";
    let found = seen(deployments(), json!([]), json!([making(now, set)]));
    assert_eq!(found.to_string(), "denied (1 ReplicaSet)");
    let mut again = making(now, set);
    again["message"] = json!("(combined from similar events): Error creating: denied");
    let twice = said(deployments(), json!([]), json!([making(now, set), again]));
    assert_eq!(twice, "denied (1 ReplicaSet)");
    // It was so once, and is over.
    let all = json!([deployment("test-service-1", 1, 1, json!([]))]);
    let over = said(all, json!([ready()]), json!([making(now, set)]));
    assert!(over.starts_with("Pods are ready"), "{over}");
    assert!(!found.refused().is_empty());
    for (last, name) in [
        ("2026-01-01T09:59:59Z", set),
        (now, "test-service-10-5d4f8b7c9"),
    ] {
        let said = said(deployments(), json!([]), json!([making(last, name)]));
        assert!(said.starts_with("there are no Pods"), "{said}");
    }
    // What a condition says too is not said twice.
    let failed = json!([deployment("test-service-1", 5, 0, failure(QUOTA))]);
    let said = said(failed, json!([]), json!([making(now, set)]));
    assert_eq!(said, format!("{QUOTA} (5 Pods)"));
}

#[test]
fn slices_that_may_not_be_written_are_a_reason_though_all_pods_are_ready() {
    let refused = "Error updating Endpoint Slices for Service ns/test-service-1: failed to create \
                   EndpointSlice: exceeded quota: slices";
    let events = json!([event(
        "Service",
        "test-service-1",
        "FailedToUpdateEndpointSlices",
        refused,
        "2026-01-01T10:00:05Z"
    )]);
    let deployments = json!([deployment("test-service-1", 1, 1, json!([]))]);
    let reasons = seen(deployments, json!([ready()]), events);
    assert_eq!(reasons.to_string(), format!("{refused} (1 Service)"));
}

#[test]
fn where_nothing_says_a_word_it_is_said_which_part_of_a_cluster_does_not_work() {
    let all = |made| json!([deployment("test-service-1", 2, made, json!([]))]);
    let silent = |pods: Value, made| said(all(made), pods, json!([]));
    let starting = pod(json!({ "phase": "Pending", "containerStatuses": [
        { "state": { "waiting": { "reason": "ContainerCreating" } } },
    ] }));
    for (said, expected) in [
        (silent(json!([]), 0), "there are no Pods: is the controller"),
        (
            silent(json!([homeless(), ready()]), 2),
            "Pods have no Node: is a scheduler",
        ),
        (
            silent(json!([starting, ready()]), 2),
            "Pods have a Node and do not start",
        ),
        (
            silent(json!([ready(), ready()]), 2),
            "Pods are ready, and no watch has seen",
        ),
    ] {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn what_may_not_be_listed_is_no_reason() {
    assert!(Seen::default().reasons().is_empty());
    let deployments = json!([deployment("test-service-1", 2, 0, json!([]))]);
    let seen = Seen {
        deployments: serde_json::from_value(deployments).unwrap(),
        ..Seen::default()
    };
    assert!(seen.reasons().is_empty());
}

#[test]
fn reasons_are_few_short_and_on_one_line() {
    let long = format!("denied\n  by {}", "x".repeat(2_000));
    let deployments: Vec<_> = (0..5)
        .map(|n| {
            deployment(
                &format!("s-{n}"),
                1 + n,
                0,
                failure(&format!("w{n}: {long}")),
            )
        })
        .collect();
    let said = said(json!(deployments), json!([]), json!([]));
    assert!(said.starts_with("w4: denied by xxx"), "{said}");
    assert!(
        said.ends_with(" more characters) (3 Pods); and 2 more"),
        "{said}"
    );
    assert!(said.chars().count() < 3 * (LONGEST + 20), "{said}");
    assert!(!said.contains('\n'));
}
