//! The actor against an API server that misbehaves on purpose, under paused time.

use std::{num::NonZeroU32, time::Duration};

use dst_load_scenario::{
    action::{Action, Verb},
    time::At,
};
use dst_load_transport::{
    clock::Clock,
    mock::{Answer, Log, Seen, mock, refusal},
};
use serde_json::json;

use super::{
    mock::{made, made_by, scenario, scripted, with_deployments},
    *,
};

fn actor(kube: kube::Client, clock: Clock, limits: Limits) -> Actor {
    let run = RunIdentity {
        id: "r1".into(),
        scenario: "quick".into(),
    };
    Actor::new(kube, clock, "ns".into(), run, scenario(10), limits)
}

/// As [`actor`], after it has made its Deployments.
fn acting(kube: kube::Client, clock: Clock, limits: Limits) -> Actor {
    with_deployments(actor(kube, clock, limits))
}

fn scale(service: usize) -> Action {
    Action {
        intended: At::ZERO,
        service,
        cycle: 1,
        verb: Verb::Scale { from: 3, to: 9 },
    }
}

fn paths(log: &Log) -> Vec<String> {
    log.lock().iter().map(|seen| seen.what.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_scaling_is_a_merge_patch_of_the_scale_subresource() {
    let clock = Clock::start();
    let (kube, log) = scripted(clock, []);
    let acted = acting(kube, clock, Limits::default()).act(&scale(0)).await;
    acted.result.unwrap();
    assert_eq!((acted.sent, acted.acknowledged), (At::ZERO, At::ZERO));
    assert_eq!(
        *log.lock(),
        [Seen {
            at: At::ZERO,
            what: "PATCH /apis/apps/v1/namespaces/ns/deployments/test-service-1/scale".into(),
            body: json!({ "metadata": { "uid": "u" }, "spec": { "replicas": 9 } }),
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_after_as_long_as_it_says() {
    let clock = Clock::start();
    let (kube, log) = scripted(clock, [Answer::Busy(2), Answer::Busy(3)]);
    let actor = acting(kube, clock, Limits::default());
    let acted = actor.act(&scale(0)).await;
    acted.result.unwrap();
    let instants: Vec<_> = log.lock().iter().map(|seen| seen.at).collect();
    assert_eq!(instants, [At::ZERO, At::from_secs(2), At::from_secs(5)]);
    assert_eq!(
        (acted.sent, acted.acknowledged),
        (At::ZERO, At::from_secs(5))
    );
    assert_eq!(acted.retries, 2);
    assert_eq!(
        actor.errors(),
        KubernetesErrors {
            too_many_requests: 2,
            retries: 2,
            ..KubernetesErrors::default()
        }
    );
}

#[tokio::test(start_paused = true)]
async fn conflicts_errors_hang_ups_and_silence_are_survived_and_counted() {
    let clock = Clock::start();
    let (kube, _) = scripted(
        clock,
        [
            refusal(409, "Conflict", "the object has been modified"),
            made("2"),
            refusal(500, "InternalError", "etcdserver: leader changed"),
            Answer::HangUp,
            Answer::Silence,
        ],
    );
    let actor = acting(kube, clock, Limits::default());
    let acted = actor.act(&scale(0)).await;
    acted.result.unwrap();
    assert_eq!(acted.retries, 4);
    assert_eq!(
        actor.errors(),
        KubernetesErrors {
            conflicts: 1,
            server_errors: 1,
            connection_errors: 1,
            timeouts: 1,
            retries: 4,
            ..KubernetesErrors::default()
        }
    );
    assert_eq!(actor.errors().total(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_waits_the_same_and_in_whole_milliseconds() {
    let mut ends = Vec::new();
    for _ in 0..2 {
        let clock = Clock::start();
        let fail = || refusal(500, "InternalError", "no");
        let (kube, _) = scripted(clock, [fail(), fail(), fail()]);
        let actor = acting(kube, clock, Limits::default());
        ends.push(actor.act(&scale(0)).await.acknowledged);
    }
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0].as_micros() % 1_000, 0);
    // Half to the whole of 100 + 200 + 400 ms.
    assert!((At::from_millis(350)..=At::from_millis(700)).contains(&ends[0]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_recovers_is_given_up() {
    let clock = Clock::start();
    let (kube, log) = mock(clock, |_| Answer::HangUp);
    let limits = Limits {
        attempts: NonZeroU32::new(3).unwrap(),
        ..Limits::default()
    };
    let acted = acting(kube, clock, limits).act(&scale(0)).await;
    assert_eq!(log.lock().len(), 3);
    let error = acted.result.unwrap_err().to_string();
    assert_eq!(
        error,
        "patch deployments/scale test-service-1 failed 3 times, last with: connection reset"
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_names_verb_and_resource_and_is_not_retried() {
    let clock = Clock::start();
    let message = "deployments.apps \"test-service-1\" is forbidden: User \"u\" cannot patch \
                   resource \"deployments/scale\" in API group \"apps\" in the namespace \"ns\"";
    let (kube, log) = mock(clock, move |_| refusal(403, "Forbidden", message));
    let acted = acting(kube, clock, Limits::default()).act(&scale(0)).await;
    assert_eq!(log.lock().len(), 1);
    assert_eq!(
        acted.result.unwrap_err(),
        KubernetesError::Forbidden {
            verb: "patch".into(),
            resource: "deployments/scale".into(),
            message: message.into(),
        }
    );
}

#[tokio::test(start_paused = true)]
async fn actions_on_one_service_keep_their_order_and_others_do_not_wait() {
    let clock = Clock::start();
    let mut first = true;
    let (kube, log) = mock(clock, move |what| {
        if what.contains("test-service-1/") && std::mem::take(&mut first) {
            return Answer::Busy(7);
        }
        made("1")
    });
    let actor = acting(kube, clock, Limits::default());
    let down = Action {
        verb: Verb::Scale { from: 9, to: 3 },
        ..scale(0)
    };
    let (up, other) = (scale(0), scale(1));
    let (up, down, other) = tokio::join!(actor.act(&up), actor.act(&down), actor.act(&other));
    assert_eq!(other.acknowledged, At::ZERO);
    assert_eq!(up.acknowledged, At::from_secs(7));
    assert_eq!(down.sent, At::from_secs(7));
    let replicas: Vec<_> = log
        .lock()
        .iter()
        .map(|seen| seen.body["spec"]["replicas"].clone())
        .collect();
    assert_eq!(replicas, [9, 9, 9, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_ours_and_what_it_costs_is_seen_in_sent() {
    let clock = Clock::start();
    let (kube, _) = scripted(clock, []);
    let limits = Limits {
        qps: NonZeroU32::new(10).unwrap(),
        burst: NonZeroU32::new(2).unwrap(),
        ..Limits::default()
    };
    let actor = acting(kube, clock, limits);
    let actions: Vec<_> = (0..4).map(scale).collect();
    let acted = futures::future::join_all(actions.iter().map(|action| actor.act(action))).await;
    let sent: Vec<_> = acted.iter().map(|acted| acted.sent).collect();
    assert_eq!(sent, [0, 0, 100, 200].map(At::from_millis));
}

#[tokio::test(start_paused = true)]
async fn an_object_of_somebody_else_is_never_touched() {
    let clock = Clock::start();
    let (kube, log) = mock(clock, |what| match what.split(' ').next() {
        Some("POST") => refusal(
            409,
            "AlreadyExists",
            "services \"test-service-1\" already exists",
        ),
        _ => Answer::Json(
            200,
            json!({ "metadata": { "labels": { "app": "theirs" } } }),
        ),
    });
    let create = Action {
        verb: Verb::Create { endpoints: 3 },
        ..scale(0)
    };
    let acted = actor(kube, clock, Limits::default()).act(&create).await;
    assert_eq!(
        acted.result.unwrap_err().to_string(),
        "services \"test-service-1\" in namespace \"ns\" was not made by this tool"
    );
    assert!(paths(&log).iter().all(|what| !what.starts_with("PATCH")));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_our_own_hung_up_request_made_is_adopted() {
    let clock = Clock::start();
    let mut posts = 0;
    let (kube, log) = mock(clock, move |what| match what.split(' ').next() {
        Some("POST") if what.ends_with("/services") => {
            posts += 1;
            if posts == 1 {
                return Answer::HangUp;
            }
            refusal(409, "AlreadyExists", "exists")
        }
        _ => made("1"),
    });
    let create = Action {
        verb: Verb::Create { endpoints: 3 },
        ..scale(0)
    };
    let acted = actor(kube, clock, Limits::default()).act(&create).await;
    acted.result.unwrap();
    assert_eq!(acted.retries, 2);
    let services = "/api/v1/namespaces/ns/services";
    assert_eq!(
        paths(&log),
        [
            format!("POST {services}"),
            format!("POST {services}"),
            format!("GET {services}/test-service-1"),
            format!("PATCH {services}/test-service-1"),
            "POST /apis/apps/v1/namespaces/ns/deployments".into(),
        ]
    );
}

/// An API in whose namespace the run `old` holds the lease, which this is called to change each time
/// that it is read.
fn held(
    clock: Clock,
    mut change: impl FnMut(u32, &mut serde_json::Value) + Send + 'static,
) -> (kube::Client, Log) {
    let mut reads = 0;
    mock(clock, move |what| {
        let lease = what.contains("/leases");
        match what.split(' ').next() {
            Some("POST") => refusal(409, "AlreadyExists", "exists"),
            Some("GET") if lease => {
                reads += 1;
                let mut lease = made_by("old", "1");
                lease["spec"] = json!({ "holderIdentity": "old", "leaseTransitions": 2 });
                change(reads, &mut lease);
                Answer::Json(200, lease)
            }
            Some("GET") => Answer::Json(200, json!({ "metadata": {}, "items": [] })),
            _ => Answer::Json(200, json!({})),
        }
    })
}

/// What becomes of a namespace whose lease changes so, and after how long.
async fn prepared(
    change: impl FnMut(u32, &mut serde_json::Value) + Send + 'static,
) -> (Result<Claim, KubernetesError>, Duration, Log) {
    let clock = Clock::start();
    let (kube, log) = held(clock, change);
    let claim = actor(kube, clock, Limits::default()).prepare().await;
    (claim, clock.now().since(At::ZERO), log)
}

fn renewed(lease: &mut serde_json::Value, read: u32, renewed: u32) {
    lease["metadata"]["resourceVersion"] = read.to_string().into();
    lease["spec"]["renewTime"] = format!("2001-01-01T00:00:{renewed:02}.000000Z").into();
}

#[tokio::test(start_paused = true)]
async fn a_live_run_is_refused() {
    let in_use = KubernetesError::InUse {
        namespace: "ns".into(),
        holder: "old".into(),
    };
    // However old its date is: it changes. One without a date is renewed by any write.
    let (claim, waited, log) = prepared(|read, lease| renewed(lease, read, read)).await;
    assert_eq!((claim, waited), (Err(in_use.clone()), LEASE_DURATION));
    assert!(paths(&log).iter().all(|what| !what.starts_with("PATCH")));
    let without_date = |read: u32, lease: &mut serde_json::Value| {
        lease["metadata"]["resourceVersion"] = read.to_string().into();
    };
    assert_eq!(prepared(without_date).await.0, Err(in_use.clone()));
    // One that changes hands is the next run's.
    let (claim, ..) = prepared(|read, lease| {
        renewed(lease, 1, 1);
        lease["spec"]["holderIdentity"] = format!("r{read}").into();
    })
    .await;
    assert!(matches!(claim, Err(KubernetesError::InUse { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_stale_lease_is_taken_over_at_the_version_that_was_observed() {
    // Whoever annotates it does not renew it.
    let (claim, waited, log) = prepared(|read, lease| renewed(lease, read, 1)).await;
    assert_eq!(claim, Ok(Claim::TakenOver { from: "old".into() }));
    assert_eq!(waited, LEASE_DURATION);
    let log = log.lock();
    let taken = log
        .iter()
        .find(|seen| seen.what.starts_with("PATCH"))
        .unwrap();
    assert_eq!(taken.body["metadata"]["resourceVersion"], "2");
    let spec = &taken.body["spec"];
    assert_eq!(spec["holderIdentity"], "r1");
    assert_eq!(spec["leaseTransitions"], 3);
    assert_eq!(spec["leaseDurationSeconds"], 15);
    assert_eq!(spec["renewTime"], spec["acquireTime"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_observed_for_as_long_as_it_is_valid_within_bounds() {
    for (valid, observed) in [(-1, 15), (5, 15), (40, 40), (86_400, 60)] {
        let (claim, waited, _) = prepared(move |_, lease| {
            renewed(lease, 1, 1);
            lease["spec"]["leaseDurationSeconds"] = valid.into();
        })
        .await;
        assert!(matches!(claim, Ok(Claim::TakenOver { .. })));
        assert_eq!(waited, Duration::from_secs(observed), "{valid}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_writes_the_renew_time_alone_and_it_goes_on() {
    let clock = Clock::start();
    let (kube, log) = scripted(clock, []);
    let mut actor = actor(kube, clock, Limits::default());
    actor.allows_control_plane = true;
    actor.prepare().await.unwrap();
    let kept = tokio::time::timeout(Duration::from_secs(12), actor.renew_lease());
    assert!(kept.await.is_err());
    let log = log.lock();
    let renewals = log.iter().filter(|seen| seen.what.starts_with("PATCH"));
    let dates: Vec<_> = renewals
        .map(|seen| {
            let spec = seen.body["spec"].as_object().unwrap();
            assert_eq!(spec.len(), 1);
            assert_eq!(seen.body["metadata"]["uid"], "u");
            assert_eq!(seen.body["metadata"]["resourceVersion"], "1");
            let date: k8s_openapi::jiff::Timestamp =
                spec["renewTime"].as_str().unwrap().parse().unwrap();
            date
        })
        .collect();
    let [first, second] = dates.as_slice() else {
        panic!("{dates:?}");
    };
    assert_eq!(second.duration_since(*first).as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_while_it_is_watched_leaves_the_namespace_to_the_next() {
    let clock = Clock::start();
    let mut looks = 0;
    let (kube, log) = mock(clock, move |what| {
        let gone = looks > 1;
        if what.starts_with("POST") && !gone {
            return refusal(409, "AlreadyExists", "exists");
        }
        if what.starts_with("GET") && !what.ends_with("/pods") {
            looks += 1;
            if looks > 1 {
                return refusal(404, "NotFound", "leases \"dst-load-controller\" not found");
            }
        }
        if what.ends_with("/pods") {
            return Answer::Json(200, json!({ "items": [] }));
        }
        let mut lease = made_by("old", "1");
        lease["spec"] = json!({ "holderIdentity": "old" });
        Answer::Json(200, lease)
    });
    let claim = actor(kube, clock, Limits::default()).prepare().await;
    assert_eq!(claim.unwrap(), Claim::Fresh);
    let posts = paths(&log)
        .iter()
        .filter(|what| what.starts_with("POST"))
        .count();
    assert_eq!(posts, 2);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_not_there_and_may_not_be_made_says_both() {
    let clock = Clock::start();
    let (kube, _) = mock(clock, |what| {
        if what.ends_with("/namespaces") {
            return refusal(
                403,
                "Forbidden",
                "namespaces is forbidden: User \"u\" cannot create resource \"namespaces\" in \
                 API group \"\" at the cluster scope",
            );
        }
        if what.ends_with("/pods") {
            return Answer::Json(200, json!({ "items": [] }));
        }
        refusal(404, "NotFound", "namespaces \"ns\" not found")
    });
    let error = actor(kube, clock, Limits::default()).prepare().await;
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with(
        "namespace \"ns\" does not exist and cannot be made (not permitted to create namespaces"
    ));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_run_took_ends_this_one_and_is_not_written() {
    let clock = Clock::start();
    let mut beats = 0;
    let (kube, log) = mock(clock, move |what| {
        if what.starts_with("GET") {
            let run = if beats < 6 { "r1" } else { "new" };
            return Answer::Json(200, made_by(run, "7"));
        }
        beats += 1;
        match beats {
            // An API server that is away ends nothing, nor does who writes an annotation there.
            2..=4 => Answer::HangUp,
            5 | 6 => refusal(409, "Conflict", "the object has been modified"),
            _ => made("1"),
        }
    });
    let limits = Limits {
        attempts: NonZeroU32::new(3).unwrap(),
        ..Limits::default()
    };
    let lost = actor(kube, clock, limits).renew_lease().await;
    assert_eq!(
        lost,
        KubernetesError::Lost {
            namespace: "ns".into(),
            holder: "new".into()
        }
    );
    let log = log.lock();
    let written = log.iter().filter(|seen| seen.what.starts_with("PATCH"));
    let versions: Vec<_> = written
        .map(|it| it.body["metadata"]["resourceVersion"].clone())
        .collect();
    assert_eq!(versions.len(), 6);
    assert!(versions.iter().all(|version| *version != json!(null)));
}

/// An API with objects of one kind, as JSON: what is deleted is gone.
fn holding(
    clock: Clock,
    kind: &'static str,
    objects: Vec<serde_json::Value>,
) -> (kube::Client, Log) {
    let mut objects = objects;
    mock(clock, move |what| {
        let (verb, path) = what.split_once(' ').unwrap();
        if verb == "DELETE" {
            let name = path.rsplit('/').next().unwrap();
            objects.retain(|it| it["metadata"]["name"] != name);
            return Answer::Json(200, json!({}));
        }
        let items = if path.ends_with(kind) {
            &objects[..]
        } else {
            &[]
        };
        Answer::Json(200, json!({ "metadata": {}, "items": items }))
    })
}

fn named(run: Option<&str>, name: &str) -> serde_json::Value {
    let mut object = made_by(run.unwrap_or_default(), "3");
    object["metadata"]["name"] = name.into();
    object["metadata"]["namespace"] = "ns".into();
    if run.is_none() {
        object["metadata"]["labels"] = json!({ objects::MANAGED_BY: objects::MANAGER });
    }
    object
}

/// Whatever the API server lists, only what a run's labels are on is deleted, by its uid and version.
#[tokio::test(start_paused = true)]
async fn a_takeover_and_a_cleanup_spare_links_and_what_no_run_made() {
    let clock = Clock::start();
    let all = || {
        vec![
            named(Some("old"), "theirs"),
            named(Some("r1"), "ours"),
            named(Some("link-east"), "stand-in"),
            named(None, "foreign"),
        ]
    };
    for (scope, gone) in [
        (Scope::AllBut("r1".into()), "theirs"),
        (Scope::Run("old".into()), "theirs"),
        (Scope::Run("link-east".into()), "stand-in"),
    ] {
        let (kube, log) = holding(clock, "/services", all());
        let caller = Caller::new(kube, clock, 0, Limits::default());
        cleanup(&caller, &scope, Some("ns")).await.unwrap();
        let log = log.lock();
        let deleted: Vec<_> = log
            .iter()
            .filter(|it| it.what.starts_with("DELETE"))
            .collect();
        let [only] = deleted.as_slice() else {
            panic!("{deleted:?}");
        };
        let path = format!("DELETE /api/v1/namespaces/ns/services/{gone}");
        assert_eq!(only.what, path);
        let met = json!({ "uid": "u", "resourceVersion": "3" });
        assert_eq!(only.body["preconditions"], met);
    }
}

#[tokio::test(start_paused = true)]
async fn cleanup_deletes_and_waits_until_all_is_gone() {
    let clock = Clock::start();
    let mut looks = 0;
    let (kube, log) = mock(clock, move |what| match what.split(' ').next() {
        Some("GET") if what.ends_with("/deployments") => {
            looks += 1;
            let mut item = named(Some("r1"), "a");
            // The first deletion meets another version; then it is under way.
            if looks > 2 {
                item["metadata"]["deletionTimestamp"] = "2026-09-01T12:00:00Z".into();
            }
            let items = if looks < 4 { vec![item] } else { vec![] };
            Answer::Json(200, json!({ "metadata": {}, "items": items }))
        }
        Some("DELETE") if looks == 1 => refusal(409, "Conflict", "the object has been modified"),
        _ => Answer::Json(200, json!({ "metadata": {}, "items": [] })),
    });
    let cleaned = actor(kube, clock, Limits::default())
        .cleanup()
        .await
        .unwrap();
    assert_eq!(cleaned.remaining.len(), 0);
    let removed: Vec<_> = cleaned
        .removed
        .iter()
        .map(|one| (one.kind, &*one.name))
        .collect();
    assert_eq!(removed, [("Deployment", "a")]);
    assert_eq!(clock.now(), At::from_millis(1_500));
    let deletions: Vec<_> = log
        .lock()
        .iter()
        .filter(|seen| seen.what.starts_with("DELETE"))
        .map(|seen| seen.body["propagationPolicy"].clone())
        .collect();
    assert_eq!(deletions, ["Foreground"; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_go_is_reported_after_a_bounded_wait() {
    let clock = Clock::start();
    let (kube, _) = mock(clock, |what| {
        let item = named(Some("r1"), "stuck");
        let items = if what.ends_with("/services") {
            vec![item]
        } else {
            vec![]
        };
        Answer::Json(200, json!({ "metadata": {}, "items": items }))
    });
    let cleaned = actor(kube, clock, Limits::default())
        .cleanup()
        .await
        .unwrap();
    assert_eq!(cleaned.removed.len(), 0);
    assert_eq!(cleaned.remaining.len(), 1);
    assert_eq!(clock.now().since(At::ZERO), Duration::from_secs(120));
}
