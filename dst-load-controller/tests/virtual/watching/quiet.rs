//! Services that do not change while they are watched, and what decides who is promised what of
//! them: traffic policy, hints, families. Right is not accused, and wrong is found.

use dst_load_oracle::promise::Unjudged;
use dst_load_scenario::fault::{Fault, FaultKind};
use k8s_openapi::api::{
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client as Kube,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::*;

const NAMESPACE: &str = "churned";

/// How the run is set up, beside the objects.
#[derive(Clone, Copy)]
struct Setup {
    /// What the reference serves.
    ipv6: bool,
    /// What the client takes it to serve.
    told: Option<bool>,
    fault: Option<FaultKind>,
    /// When node-1 gets another zone, from 2 s before the client comes.
    relabelled: Option<Duration>,
    /// When the destination ends all streams, and serves none any more.
    stopped: Option<Duration>,
}

const PLAIN: Setup = Setup {
    ipv6: true,
    told: Some(true),
    fault: None,
    relabelled: None,
    stopped: None,
};

async fn make<T>(kube: &Kube, object: Value)
where
    T: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
    T::DynamicType: Default,
{
    let object: T = serde_json::from_value(object).unwrap();
    let api: Api<T> = Api::namespaced(kube.clone(), NAMESPACE);
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Six pods, the odd ones on node-1 and the others on node-2, with a zone hint each if `hinted`;
/// the first two in both families if `dual`.
async fn furnish(kube: &Kube, service: &str, local: bool, hinted: bool, dual: bool) {
    let policy = if local { "Local" } else { "Cluster" };
    let spec = json!({"internalTrafficPolicy": policy, "ports": [{"name": "http", "port": 8080}]});
    make::<Service>(kube, json!({"metadata": {"name": service}, "spec": spec})).await;
    let families: &[(&str, &str)] = match dual {
        true => &[("IPv4", "10.9.0."), ("IPv6", "fd00::")],
        false => &[("IPv4", "10.9.0.")],
    };
    for &(family, prefix) in families {
        let mut endpoints = Vec::new();
        for n in 1..=6 {
            let name = format!("{service}-{n}");
            let node = if n % 2 == 1 { "node-1" } else { "node-2" };
            if family == "IPv4" {
                let pod = json!({"metadata": {"name": name}, "spec": {
                    "nodeName": node, "containers": [{"name": "web", "image": "web"}]}});
                make::<Pod>(kube, pod).await;
            } else if n > 2 {
                continue;
            }
            let mut endpoint = json!({
                "addresses": [format!("{prefix}{n}")],
                "nodeName": node,
                "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": name},
            });
            if hinted {
                let zone = format!("zone-{}", (n + 1) / 2 % 2 + 1);
                endpoint["hints"] = json!({"forZones": [{"name": zone}]});
            }
            endpoints.push(endpoint);
        }
        let slice = json!({
            "metadata": {
                "name": format!("{service}-{}", family.to_lowercase()),
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": family,
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": endpoints,
        });
        make::<EndpointSlice>(kube, slice).await;
    }
}

/// What a client of 8 s makes of two such Services, of which nothing moves.
async fn quiet(local: bool, hinted: bool, dual: bool, setup: Setup) -> Report {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
    let kube = kubernetes.client();
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": NAMESPACE}})).unwrap();
    let namespaces: Api<Namespace> = Api::all(kube.clone());
    (namespaces.create(&PostParams::default(), &namespace).await).unwrap();
    for service in ["test-service-1", "test-service-2"] {
        furnish(&kube, service, local, hinted, dual).await;
    }
    let faults = setup.fault.map(|kind| Fault {
        kind,
        at: Duration::ZERO,
        lasts: None,
        share: 1.0,
        delay: Duration::ZERO,
        replica: None,
        resource: None,
    });
    let config = destination::Config {
        seed: 1,
        cluster_domain: "cluster.local".into(),
        queue_capacity: 100,
        ipv6: setup.ipv6,
        faults: faults.into_iter().collect(),
    };
    let destination = destination::Destination::start(config, kube);
    let zone = async {
        let Some(at) = setup.relabelled else { return };
        tokio::time::sleep(at).await;
        let nodes: Api<Node> = Api::all(kubernetes.client());
        let label = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": "zone-2"}}});
        let patch = Patch::Merge(label);
        (nodes.patch("node-1", &PatchParams::default(), &patch).await).unwrap();
    };
    let cut = async {
        if let Some(at) = setup.stopped {
            tokio::time::sleep(at).await;
            destination.shutdown().await;
        }
    };
    let stop = CancellationToken::new();
    let flags = Flags {
        ipv6: setup.told,
        ..Flags::DEFAULT
    };
    let client = client(
        SessionConfig {
            flags,
            ..session(world(&kubernetes, &destination))
        },
        (None, WatchUntil::Stopped),
        stop.clone(),
        Vec::new(),
    );
    let watched = async {
        tokio::time::sleep(2 * SECOND).await;
        client.run(header()).await.unwrap();
    };
    let over = async {
        tokio::time::sleep(10 * SECOND).await;
        stop.cancel();
    };
    tokio::join!(watched, over, zone, cut);
    report_of(&client)
}

#[tokio::test(start_paused = true)]
async fn nothing_that_stands_still_is_held_against_a_right_destination() {
    for (local, hinted, dual) in [
        (true, false, false),
        (false, true, false),
        (true, true, false),
        (false, true, true),
        (true, true, true),
        (false, false, true),
    ] {
        for ipv6 in [true, false] {
            let setup = Setup {
                ipv6,
                told: Some(ipv6),
                ..PLAIN
            };
            let report = quiet(local, hinted, dual, setup).await;
            let said = format!("{local} {hinted} {dual} {ipv6}: {:?}", report.reasons);
            assert_eq!(report.verdict, Verdict::Pass, "{said}");
            assert_eq!(report.correctness.streams_checked, 10, "{said}");
            assert_eq!(report.fan_out.changes, 0, "{said}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_wrong_one_leaves_out_or_invents_is_found_and_no_churn_is_blamed() {
    let invented = Setup {
        fault: Some(FaultKind::InventAddress),
        ..PLAIN
    };
    // It serves by IPv4 what is to be served by IPv6.
    let left_out = Setup {
        ipv6: false,
        ..PLAIN
    };
    for (setup, local, hinted, dual) in [
        (invented, true, false, false),
        (invented, false, true, false),
        (invented, true, true, false),
        (left_out, true, false, true),
        (left_out, false, true, true),
    ] {
        let report = quiet(local, hinted, dual, setup).await;
        let said = format!("{local} {hinted} {dual}: {:?}", report.reasons);
        assert_eq!(report.verdict, Verdict::Fail, "{said}");
        let c = &report.correctness;
        assert!(c.unexpected > 0 && c.streams_unjudged == 0, "{said}");
        assert_eq!(c.missing > 0, dual, "{said}");
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_flag_is_not_known_only_what_depends_on_it_is_unjudged() {
    for ipv6 in [true, false] {
        let unknown = Setup {
            ipv6,
            told: None,
            ..PLAIN
        };
        let report = quiet(false, false, false, unknown).await;
        assert_eq!(report.verdict, Verdict::Pass);
        let report = quiet(false, false, true, unknown).await;
        assert_eq!(report.verdict, Verdict::Invalid);
        assert_eq!(report.correctness.streams_wrong, 0);
        let services = &report.correctness.unjudged[&Unjudged::Ipv6Unknown];
        assert_eq!(services.len(), 2);
        let misled = Setup {
            told: Some(!ipv6),
            ..unknown
        };
        let report = quiet(false, false, true, misled).await;
        assert_eq!(report.verdict, Verdict::Fail, "told otherwise");
    }
}

#[tokio::test(start_paused = true)]
async fn a_nodes_zone_is_the_one_it_has_when_clients_come_and_later_ones_leave_hints_unjudged() {
    let at = |seconds| Setup {
        relabelled: Some(seconds * SECOND),
        ..PLAIN
    };
    for (seconds, hinted, verdict) in [
        (1, true, Verdict::Pass),
        (6, true, Verdict::Invalid),
        (6, false, Verdict::Pass),
    ] {
        let report = quiet(false, hinted, false, at(seconds)).await;
        assert_eq!(report.verdict, verdict, "{seconds}: {:?}", report.reasons);
        assert_eq!(report.correctness.streams_wrong, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_are_cut_and_never_served_again_miss_everything() {
    let setup = Setup {
        stopped: Some(6 * SECOND),
        ..PLAIN
    };
    let report = quiet(false, false, false, setup).await;
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    let correct = &report.correctness;
    assert_eq!((correct.streams_wrong, correct.missing), (10, 60));
    assert!(report.streams.errors > 0);
}
