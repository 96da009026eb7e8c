//! Tests of the tester: each thing that the sandbox can do wrong earns its verdict, for the right
//! reason and with the right number; where nothing is wrong, the verdict is pass.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are part of it")]

use std::{fs, time::Duration};

use assert_cmd::Command;
use dst_load_controller::{
    cli::run::simulation::Simulation,
    model::{
        endpoint::Direction,
        report::{Ending, Report},
        scenario::Scenario,
        verdict::Verdict,
    },
};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

#[path = "support/virtually.rs"]
mod virtually;

use virtually::{Ran, run, scenario, simulate};

/// Two Services, ten streams each, once up and down; every criterion that a fault can break.
const UP_AND_DOWN: &str = "
scenario: {name: faulty, seed: 3}
churn: {services: 2, pattern: oscillate, minEndpoints: 5, maxEndpoints: 15, minHold: 12s, maxHold: 12s, cycles: 1}
client: {clients: 10}
criteria:
  updateLatency: {p95: 500ms, p99: 1s}
  everyClientWithin: 2s
  unexpectedResets: 0
  errorRate: 0%
  sendTimeoutRate: 0%
  redundant: 0
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

/// The same, and it stays up.
const UP: &str = "
scenario: {name: faulty, seed: 3}
churn: {services: 2, pattern: scale-up, scaleFrom: 5, scaleTo: 15, scaleDuration: 5s, duration: 12s}
client: {clients: 10}
criteria: {updateLatency: {p99: 1s}, redundant: 0}
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

/// Nothing moves but what a test moves.
const STILL: &str = "
scenario: {name: still, seed: 3}
churn: {services: 1, pattern: stable, endpoints: 5, duration: 20s}
client: {clients: 4}
criteria: {updateLatency: {p99: 1s}, unexpectedResets: 0, redundant: 0}
measure: {deadline: 5s}
sandbox:
  podStart: {min: 300ms, max: 300ms}
";

fn with(text: &str, faults: &str) -> Scenario {
    let text = if faults.is_empty() {
        text.to_owned()
    } else {
        format!("{text}  faults: [{faults}]\n")
    };
    scenario(&text, &[])
}

async fn faulty(text: &str, fault: &str) -> Ran {
    simulate(with(text, fault)).await
}

/// The reasons that name `what`.
fn reasons<'a>(report: &'a Report, what: &str) -> Vec<&'a String> {
    let reasons = report.reasons.iter();
    reasons.filter(|reason| reason.contains(what)).collect()
}

fn assert_fails_by(report: &Report, what: &str) {
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert!(
        !reasons(report, what).is_empty(),
        "{what} in {:?}",
        report.reasons
    );
}

fn assert_passes(report: &Report) {
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    assert_eq!(report.correctness.streams_wrong, 0);
}

fn wrong(report: &Report) -> [u64; 4] {
    let c = &report.correctness;
    [c.streams_wrong, c.missing, c.stale, c.unexpected]
}

// === what the destination does ===

#[tokio::test(start_paused = true)]
async fn without_a_fault_every_scenario_here_passes() {
    for text in [UP_AND_DOWN, UP, STILL] {
        let report = simulate(with(text, "")).await.report;
        assert_passes(&report);
        assert_eq!(wrong(&report), [0; 4]);
        assert_eq!(report.correctness.redundant, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_update_leaves_endpoints_missing() {
    let report = faulty(UP, "{kind: dropUpdate, share: 20%}").await.report;
    assert_fails_by(&report, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&report);
    assert!(streams > 0 && missing > 0);
    assert_eq!((stale, unexpected), (0, 0));
    assert_eq!(report.latency.destination.add.never, missing);
    assert!(
        report.reasons[0].contains("missing 10."),
        "{:?}",
        report.reasons
    );
    // What never arrived ranks at the deadline or later.
    assert!(!reasons(&report, "updateLatency.p99 (add): at least 5 s").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_removal_leaves_endpoints_stale() {
    // Only while it goes down: 12 s of hold before each scaling.
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let down = clean.cycles[0].from_seconds as u64 + 11;
    let fault = format!("{{kind: dropUpdate, share: 20%, at: {down}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_fails_by(&report, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&report);
    assert!(streams > 0 && stale > 0);
    assert_eq!((missing, unexpected), (0, 0));
    assert_eq!(report.latency.destination.remove.never, stale);
    assert!(!reasons(&report, "updateLatency.p99 (remove): at least 5 s").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_update_fails_by_its_exact_latency() {
    let ran = faulty(UP_AND_DOWN, "{kind: lateUpdate, delay: 750ms}").await;
    for direction in Direction::BOTH {
        let name = format!("updateLatency.p95 ({direction}): 750 ms in");
        assert_fails_by(&ran.report, &name);
    }
    assert_eq!(ran.report.reasons.len(), 2, "{:?}", ran.report.reasons);
    for change in ran.changes() {
        let spread = [change.first_us, change.p50_us, change.last_us];
        assert_eq!(spread, [Some(750_000); 3]);
    }
    assert_eq!(wrong(&ran.report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn one_late_stream_in_a_few_shows_in_the_last_and_not_in_the_first() {
    let ran = faulty(UP_AND_DOWN, "{kind: lateUpdate, delay: 750ms, share: 30%}").await;
    assert_fails_by(&ran.report, "updateLatency.p95 (add): 750 ms in");
    let changes = ran.changes();
    assert!(
        changes
            .iter()
            .all(|it| it.first_us == Some(0) && it.known == 10)
    );
    assert!(changes.iter().any(|it| it.last_us == Some(750_000)));
}

#[tokio::test(start_paused = true)]
async fn an_update_after_the_deadline_never_arrived_and_is_late() {
    let report = faulty(UP, "{kind: lateUpdate, delay: 6s}").await.report;
    assert_fails_by(&report, "updateLatency.p99 (add): at least 5 s");
    let latency = &report.latency.destination.add;
    assert_eq!(latency.never, latency.count);
    assert_eq!(report.correctness.late, latency.never);
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_update_fails_as_redundant_and_as_nothing_else() {
    let report = faulty(UP_AND_DOWN, "{kind: duplicateUpdate, share: 50%}")
        .await
        .report;
    assert_fails_by(&report, "redundant: ");
    assert_eq!(report.reasons.len(), 1, "{:?}", report.reasons);
    assert!(report.correctness.redundant > 0);
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn two_messages_that_change_places_leave_an_address_stale() {
    let report = faulty(UP_AND_DOWN, "{kind: swapUpdates, share: 30%}")
        .await
        .report;
    assert_fails_by(&report, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&report);
    assert!(streams > 0 && stale > 0);
    assert_eq!((missing, unexpected), (0, 0));
    assert!(
        report.reasons[0].contains("for example stale 10."),
        "{:?}",
        report.reasons
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_kept_is_stale_for_as_long_as_it_is_held() {
    let ran = faulty(UP_AND_DOWN, "{kind: keepStaleAddress}").await;
    let report = &ran.report;
    assert_fails_by(report, "correctness");
    // Each stream keeps one address of its first removal.
    assert_eq!(wrong(report), [20, 0, 20, 0]);
    assert_eq!(report.latency.destination.remove.never, 20);
    let gone = ran
        .changes()
        .into_iter()
        .find(|it| it.direction == Direction::Remove);
    let gone = gone.unwrap().at;
    // The two Services' removals are visible in the same instant, and nothing else is ever stale.
    let held = report.correctness.stale_endpoint_seconds / 20.0;
    let end = gone.since_start().as_secs_f64() + held;
    assert!((12.0..30.0).contains(&held), "{held}");
    let whole = report.cycles[0].to_seconds;
    assert!(
        end >= whole,
        "held until the end at {end} s, after the cycle's at {whole} s"
    );
}

#[tokio::test(start_paused = true)]
async fn an_invented_address_is_unexpected() {
    let report = faulty(UP_AND_DOWN, "{kind: inventAddress, share: 30%}")
        .await
        .report;
    assert_fails_by(&report, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&report);
    assert!(streams > 0 && unexpected == streams);
    assert_eq!((missing, stale), (0, 0));
    assert!(report.reasons[0].contains("for example unexpected 203.0.113."));
}

#[tokio::test(start_paused = true)]
async fn an_overflow_is_an_unexpected_reset_and_counts_as_a_send_timeout() {
    let report = faulty(UP_AND_DOWN, "{kind: overflowStream, share: 30%}")
        .await
        .report;
    assert_fails_by(&report, "unexpectedResets: ");
    assert_fails_by(&report, "sendTimeoutRate: ");
    assert!(reasons(&report, "errorRate").is_empty());
    assert_eq!(report.streams.reopened, report.streams.unexpected_resets);
    assert_eq!(
        wrong(&report),
        [0; 4],
        "streams that are opened again are right again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_unexpected_and_an_error() {
    let report = faulty(UP_AND_DOWN, "{kind: resetStream, share: 30%}")
        .await
        .report;
    assert_fails_by(&report, "unexpectedResets: ");
    assert_fails_by(&report, "errorRate: ");
    assert!(reasons(&report, "sendTimeoutRate").is_empty());
    assert_eq!(
        report.streams.errors_by_code["Internal"],
        report.streams.errors
    );
    assert_eq!(wrong(&report), [0; 4]);
}

// === what Linkerd does ===

/// What a test does to the cluster beside the run.
struct Hand {
    namespace: String,
    services: Api<Service>,
    slices: Api<EndpointSlice>,
}

impl Hand {
    /// Runs the quiet scenario with `fault`, and `story` once its streams have settled.
    async fn beside<S: Future<Output = ()>>(fault: &str, story: impl FnOnce(Self) -> S) -> Report {
        let simulation = Simulation::new(with(STILL, fault)).unwrap();
        let kube = simulation.kube().unwrap();
        let hand = Self {
            namespace: simulation.namespace().to_owned(),
            services: Api::namespaced(kube.clone(), simulation.namespace()),
            slices: Api::namespaced(kube, simulation.namespace()),
        };
        let disturb = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            story(hand).await;
        };
        let (ran, ()) = tokio::join!(run(simulation), disturb);
        ran.report
    }

    /// A slice that no controller looks after.
    async fn add_slice(&self, endpoints: Value) {
        let slice = json!({
            "metadata": {
                "name": "by-hand",
                "labels": {"kubernetes.io/service-name": "test-service-1"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": endpoints,
        });
        let slice = serde_json::from_value(slice).unwrap();
        self.slices
            .create(&PostParams::default(), &slice)
            .await
            .unwrap();
        wait().await;
    }

    async fn delete_slice(&self) {
        let none = DeleteParams::default();
        self.slices.delete("by-hand", &none).await.unwrap();
        wait().await;
    }

    /// An endpoint that the controller's own slice lists.
    async fn some_endpoint(&self) -> Value {
        let slices = self.slices.list(&Default::default()).await.unwrap();
        let slice = &slices.items[0];
        let mut endpoint = serde_json::to_value(&slice.endpoints.as_ref().unwrap()[0]).unwrap();
        endpoint.as_object_mut().unwrap().remove("hints");
        endpoint
    }
}

async fn wait() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// What comes of `story` without the defect and with it.
async fn both<S: Future<Output = ()>>(kind: &str, story: impl Fn(Hand) -> S) -> [Report; 2] {
    let clean = Hand::beside("", &story).await;
    assert_passes(&clean);
    assert!(clean.fan_out.changes > 0, "the story changes something");
    let fault = format!("{{kind: {kind}}}");
    [clean, Hand::beside(&fault, &story).await]
}

#[tokio::test(start_paused = true)]
async fn a_port_change_that_is_ignored_leaves_the_old_port_stale() {
    let [_, defective] = both("ignorePortChange", |hand| async move {
        let port = json!({"spec": {"ports": [{
            "name": "http", "port": 8080, "targetPort": 9090, "protocol": "TCP",
        }]}});
        let params = PatchParams::default();
        let patch = Patch::Merge(&port);
        hand.services
            .patch("test-service-1", &params, &patch)
            .await
            .unwrap();
    })
    .await;
    assert_fails_by(&defective, "correctness");
    assert_eq!(wrong(&defective), [4, 20, 20, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_shared_endpoint_that_goes_with_the_first_slice_is_missing() {
    let [_, defective] = both("removeSharedEndpoint", |hand| async move {
        let shared = hand.some_endpoint().await;
        hand.add_slice(json!([shared, {"addresses": ["10.9.9.9"]}]))
            .await;
        hand.delete_slice().await;
    })
    .await;
    assert_fails_by(&defective, "correctness");
    assert_eq!(wrong(&defective), [4, 4, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_made_again_and_forgotten_leaves_its_slices_missing() {
    let [_, defective] = both("forgetRecreatedService", |hand| async move {
        hand.add_slice(json!([{"addresses": ["10.9.9.9"]}])).await;
        let mut service = hand.services.get("test-service-1").await.unwrap();
        let none = DeleteParams::default();
        hand.services.delete("test-service-1", &none).await.unwrap();
        wait().await;
        service.metadata.uid = None;
        service.metadata.resource_version = None;
        service.metadata.creation_timestamp = None;
        hand.services
            .create(&PostParams::default(), &service)
            .await
            .unwrap();
    })
    .await;
    assert_fails_by(&defective, "correctness");
    let [streams, missing, stale, unexpected] = wrong(&defective);
    assert_eq!((streams, missing), (4, 4), "{:?}", defective.reasons);
    assert_eq!((stale, unexpected), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_goes_after_its_pods_and_is_kept_is_stale() {
    let [_, defective] = both("keepAddressesOfDeletedSlice", |hand| async move {
        let ghost = json!({
            "addresses": ["10.9.9.9"],
            "targetRef": {"kind": "Pod", "namespace": hand.namespace, "name": "ghost"},
        });
        hand.add_slice(json!([ghost])).await;
        hand.delete_slice().await;
    })
    .await;
    assert_fails_by(&defective, "correctness");
    assert_eq!(wrong(&defective), [4, 0, 4, 0]);
    assert!(defective.correctness.stale_endpoint_seconds > 4.0 * 10.0);
}

// === what Kubernetes does ===

#[tokio::test(start_paused = true)]
async fn refusals_of_the_api_are_survived_and_counted() {
    for (fault, reason) in [
        ("{kind: tooManyRequests, share: 20%}", "too_many_requests"),
        ("{kind: conflict, share: 30%}", "conflict"),
        ("{kind: internalError, share: 20%}", "server_error"),
        ("{kind: hangUpWatch, share: 40%}", "watch: connection lost"),
    ] {
        let report = faulty(UP_AND_DOWN, fault).await.report;
        assert_passes(&report);
        let errors = &report.kubernetes.errors;
        let counted = errors
            .iter()
            .any(|(key, count)| key.contains(reason) && *count > 0);
        assert!(counted, "{fault}: {errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_gone_between_changes_costs_nothing() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let quiet = clean.cycles[0].from_seconds as u64 + 6;
    let fault = format!("{{kind: gone, at: {quiet}s, lasts: 1ms}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_passes(&report);
    // Nodes, Services and EndpointSlices; who asks again within the millisecond is told again.
    assert!(report.kubernetes.errors["watch: 410 Gone"] >= 3);
    assert!(
        report.warnings.iter().any(|it| it.message.contains("list")),
        "{:?}",
        report.warnings
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_gone_amid_changes_leaves_them_untimed_and_the_run_invalid() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let busy = (clean.cycles[0].from_seconds * 1e3) as u64 + 350;
    let fault = format!("{{kind: gone, at: {busy}ms, lasts: 300ms}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert!(report.kubernetes.untimed_changes > 0);
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    assert!(!reasons(&report, "the observer lost its watch").is_empty());
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_missing_is_named() {
    let report = faulty(UP_AND_DOWN, "{kind: forbidden}").await.report;
    let Ending::Failed { error } = &report.ending else {
        panic!("{:?}", report.ending);
    };
    assert!(
        error.contains("list") && error.contains("endpointslices"),
        "{error}"
    );
    assert_eq!(report.verdict, Verdict::Invalid);

    let clean = faulty(UP_AND_DOWN, "").await.report;
    let churning = clean.cycles[0].from_seconds as u64 - 1;
    let fault = format!("{{kind: forbidden, at: {churning}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    let Ending::Failed { error } = &report.ending else {
        panic!("{:?}", report.ending);
    };
    assert!(
        error.contains("patch") && error.contains("deployments/scale"),
        "{error}"
    );
    assert_eq!(report.verdict, Verdict::Invalid);
}

#[tokio::test(start_paused = true)]
async fn pods_that_take_longer_than_the_hold_make_the_run_invalid() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let churning = clean.cycles[0].from_seconds as u64 - 1;
    let fault = format!("{{kind: slowPods, delay: 20s, at: {churning}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    assert!(!reasons(&report, "Kubernetes starved the plan").is_empty());
    assert_eq!(report.kubernetes.starved, 20);
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_slow_and_still_in_time_change_no_verdict() {
    let clean = faulty(UP_AND_DOWN, "").await.report;
    let churning = clean.cycles[0].from_seconds as u64 - 1;
    let fault = format!("{{kind: slowPods, delay: 8s, at: {churning}s}}");
    let report = faulty(UP_AND_DOWN, &fault).await.report;
    assert_passes(&report);
    assert_eq!(report.kubernetes.starved, 0);
    assert!(report.latency.kubernetes.add.p50_seconds.unwrap() > 8.0);
}

// === what we do ===

#[tokio::test(start_paused = true)]
async fn a_generator_that_stands_still_makes_the_run_invalid() {
    let fault = "{kind: throttleGenerator, delay: 400ms, share: 50%}";
    let report = faulty(UP_AND_DOWN, fault).await.report;
    assert_eq!(report.verdict, Verdict::Invalid, "{:?}", report.reasons);
    let named = reasons(&report, "the generator was the bottleneck");
    assert_eq!(named.len(), 1, "{:?}", report.reasons);
    assert_eq!(wrong(&report), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_generator_that_is_hardly_late_changes_no_verdict() {
    // A fifth of the smallest limit is 100 ms.
    let fault = "{kind: throttleGenerator, delay: 60ms, share: 30%}";
    let report = faulty(UP_AND_DOWN, fault).await.report;
    assert_passes(&report);
    assert!(report.generator.loop_lag_p99_seconds.is_some());
}

// === over real sockets ===

/// A short run over loopback with `faults`; its verdict, reasons and report.
fn over_loopback(limits: &str, faults: &str) -> (Option<i32>, Value) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("loopback.yaml");
    let text = format!(
        "churn: {{services: 2, pattern: oscillate, minEndpoints: 2, maxEndpoints: 10, minHold: 1s, maxHold: 1s, cycles: 2}}
client: {{clients: 5}}
criteria: {{{limits}}}
measure: {{deadline: 1s}}
sandbox: {{nodes: 2, zones: 1, podStart: {{min: 50ms, max: 100ms}}, faults: [{faults}]}}
"
    );
    fs::write(&file, text).unwrap();
    let output = directory.path().join("out");
    let ran = Command::cargo_bin("dst-load-controller")
        .unwrap()
        .args(["--log-level", "off", "run", "--no-progress", "--output-dir"])
        .arg(&output)
        .arg(&file)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    let report = fs::read(output.join("report.json")).expect(&stderr);
    (ran.status.code(), serde_json::from_slice(&report).unwrap())
}

#[test]
fn over_loopback_a_stale_address_fails_too() {
    // The limit is far off so that a busy machine does not make the run invalid.
    let (code, report) = over_loopback("updateLatency: {p50: 30s}", "{kind: keepStaleAddress}");
    assert_eq!(report["verdict"], "fail", "{}", report["reasons"]);
    assert_eq!(code, Some(3));
    assert_eq!(report["correctness"]["stale"], 10);
    assert_eq!(report["correctness"]["streams_wrong"], 10);
}

#[test]
fn over_loopback_a_throttled_generator_is_invalid_too() {
    let fault = "{kind: throttleGenerator, delay: 300ms, share: 80%}";
    let (code, report) = over_loopback("updateLatency: {p95: 500ms}", fault);
    assert_eq!(report["verdict"], "invalid", "{}", report["reasons"]);
    assert_eq!(code, Some(4));
    assert!(
        report["reasons"]
            .to_string()
            .contains("the generator was the bottleneck")
    );
}
