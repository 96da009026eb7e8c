//! What we create, as the JSON that goes over the wire. Pure.
//!
//! Every object carries the labels that `cleanup` finds it by.

mod endpoints;
mod link;

use std::{collections::BTreeMap, time::Duration};

use dst_load_scenario::scenario::{Pattern, ServiceGroup};
use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::Namespace,
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use serde_json::{Value, json};

pub use self::{
    endpoints::{HEARTBEAT_SLICE, heartbeat, numbered, pod, ready, slice},
    link::{CLUSTER_NAME, REMOTE_DISCOVERY, REMOTE_SERVICE, cluster_secret, stand_in},
};

use crate::actor::{OwnerPod, RunIdentity};

/// Kubernetes' own label for the tool that manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`], the field manager's name and the lease's name.
pub const MANAGER: &str = "dst-load-controller";
/// The label that holds the run's id.
pub const RUN_ID: &str = "dst-load-controller.linkerd.io/run-id";
/// The label that holds the scenario's name.
pub const SCENARIO: &str = "dst-load-controller.linkerd.io/scenario";
/// The annotation that counts the heartbeats for the observer.
pub const HEARTBEAT: &str = "dst-load-controller.linkerd.io/heartbeat";
/// The pod template's annotation that a restart changes.
pub const RESTART: &str = "dst-load-controller.linkerd.io/restart";
/// The name of the Service's one port.
pub const PORT_NAME: &str = "http";

/// kube-proxy leaves Services with this label alone: nobody should program thousands of fake
/// endpoints into the nodes' tables.
const SERVICE_PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";

/// The labels of every object of a run.
#[must_use]
pub fn labels(run: &RunIdentity) -> BTreeMap<String, String> {
    [
        (MANAGED_BY, MANAGER),
        (RUN_ID, &run.id),
        (SCENARIO, &run.scenario),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

/// The object, belonging to a Pod of its namespace.
#[must_use]
pub fn owned(mut object: Value, owner: Option<&OwnerPod>) -> Value {
    if let Some(pod) = owner {
        object["metadata"]["ownerReferences"] = json!([pod.reference()]);
    }
    object
}

/// Who made an object, as its labels say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// This tool, for the run or link with this id.
    Run(String),
    /// Somebody else. So it is without a run's id, whatever the other label says: that is one of
    /// Kubernetes' recommended labels, which anybody may write.
    Somebody,
}

/// Who made an object with these labels.
#[must_use]
pub fn maker(labels: &BTreeMap<String, String>) -> Maker {
    let managed = labels.get(MANAGED_BY).is_some_and(|it| it == MANAGER);
    match labels.get(RUN_ID) {
        Some(run) if managed => Maker::Run(run.clone()),
        _ => Maker::Somebody,
    }
}

/// Whether the run with this id made an object with these labels.
///
/// # Errors
/// Who made it otherwise.
pub fn made_by(labels: &BTreeMap<String, String>, run_id: &str) -> Result<(), Maker> {
    match maker(labels) {
        Maker::Run(id) if id == run_id => Ok(()),
        other => Err(other),
    }
}

/// The namespace of a run.
#[must_use]
pub fn namespace(name: &str, run: &RunIdentity) -> Namespace {
    Namespace {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels(run)),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// The Lease that tells other runs who is at work in the namespace, acquired at `now`. Its times
/// are for people: another run observes whether they change, and compares no clocks.
#[must_use]
pub fn lease(namespace: &str, run: &RunIdentity, valid: Duration, now: Timestamp) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(MANAGER.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels(run)),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(run.id.clone()),
            lease_duration_seconds: i32::try_from(valid.as_secs()).ok(),
            acquire_time: Some(MicroTime(now)),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(0),
            ..LeaseSpec::default()
        }),
    }
}

/// The merge patch that renews the Lease at `now`.
#[must_use]
pub fn renewal(now: Timestamp) -> Value {
    json!({ "spec": { "renewTime": MicroTime(now) } })
}

/// The Service `name`: one port, named. It selects a Deployment's pods; without `selector` whoever
/// wants it to have endpoints writes its slices.
#[must_use]
pub fn service(name: &str, namespace: &str, port: u16, selector: bool, run: &RunIdentity) -> Value {
    let mut labels = labels(run);
    labels.insert("app".into(), name.into());
    labels.insert(SERVICE_PROXY_NAME.into(), MANAGER.into());
    let mut service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": {
            "ports": [{ "name": PORT_NAME, "port": port, "targetPort": port, "protocol": "TCP" }],
        },
    });
    if selector {
        service["spec"]["selector"] = json!({ "app": name });
    }
    service
}

/// The security context of a Pod in a namespace where Pod Security is `restricted`: there Pods
/// without it are refused, and a Deployment then says nothing.
fn unprivileged() -> Value {
    json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } })
}

/// A container that is never meant to run and listens, in name only, on `port`.
fn container(port: u16) -> Value {
    json!({
        "name": "fake",
        "image": "fake",
        "ports": [{ "name": PORT_NAME, "containerPort": port, "protocol": "TCP" }],
        "securityContext": contained(),
    })
}

/// The security context of its containers.
fn contained() -> Value {
    json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } })
}

/// The namespace of Linkerd's control plane, as its chart has it.
const CONTROL_PLANE: &str = "linkerd";

/// Makes a pod with these labels and containers look as if Linkerd's proxy had been injected, as far
/// as the destination controller reads that. The injector leaves a pod with such a container alone.
fn mesh(labels: &mut BTreeMap<String, String>, containers: &mut Vec<Value>) {
    labels.insert("linkerd.io/control-plane-ns".into(), CONTROL_PLANE.into());
    containers.push(json!({
        "name": "linkerd-proxy",
        "image": "fake",
        "securityContext": contained(),
        "env": [
            { "name": "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", "value": "0.0.0.0:4143" },
            { "name": "LINKERD2_PROXY_CONTROL_LISTEN_ADDR", "value": "0.0.0.0:4190" },
            { "name": "LINKERD2_PROXY_ADMIN_LISTEN_ADDR", "value": "0.0.0.0:4191" },
        ],
    }));
}

/// What the pods of a Deployment look like. They are never meant to run.
#[derive(Clone, Copy, Debug)]
pub struct DeploymentPods {
    /// The port on which they listen, in name only.
    pub port: u16,
    /// Whether they look as if Linkerd's proxy had been injected.
    pub meshed: bool,
    /// Whether KWOK's nodes are required; they are tolerated always.
    pub kwok_nodes: bool,
}

/// The Deployment `name` with `replicas` such `pods`.
#[must_use]
pub fn deployment(
    name: &str,
    namespace: &str,
    replicas: u32,
    pods: DeploymentPods,
    group: &ServiceGroup,
    run: &RunIdentity,
) -> Value {
    let mut labels = labels(run);
    labels.insert("app".into(), name.into());
    let mut pod_labels = labels.clone();
    let mut containers = vec![container(pods.port)];
    if pods.meshed {
        mesh(&mut pod_labels, &mut containers);
    }
    // Each: a quota of requests refuses a pod of which one container has none.
    for container in &mut containers {
        container["resources"] = json!({ "requests": { "cpu": "1m", "memory": "1Mi" } });
    }
    let mut pod = json!({
        // Neither is of use to a fake pod, and both make every pod object larger.
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": unprivileged(),
        "tolerations": [
            { "key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule" },
        ],
        "containers": containers,
    });
    if pods.kwok_nodes {
        pod["nodeSelector"] = json!({ "type": "kwok" });
    }
    let mut spec = json!({
        "replicas": replicas,
        // A day of restarts would otherwise leave ten old ReplicaSets behind for each Service.
        "revisionHistoryLimit": 0,
        "selector": { "matchLabels": { "app": name } },
        "template": { "metadata": { "labels": pod_labels }, "spec": pod },
    });
    if let Pattern::RollingUpdate {
        max_surge,
        max_unavailable,
        ..
    } = group.pattern
    {
        spec["strategy"] = json!({
            "type": "RollingUpdate",
            "rollingUpdate": { "maxSurge": max_surge, "maxUnavailable": max_unavailable },
        });
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": spec,
    })
}

/// A Pod of the Deployment, as its ReplicaSet would make it, called `name`.
#[must_use]
pub fn pod_of(deployment: &Value, name: &str) -> Value {
    let template = &deployment["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = name.into();
    metadata["namespace"] = deployment["metadata"]["namespace"].clone();
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}

/// The merge patch of the `scale` subresource.
#[must_use]
pub fn scale(replicas: u32) -> Value {
    json!({ "spec": { "replicas": replicas } })
}

/// The merge patch that makes the Deployment replace its pods: a changed template, as `kubectl
/// rollout restart` makes it, with a `token` of ours in place of the date.
#[must_use]
pub fn restart(token: &str) -> Value {
    json!({ "spec": { "template": { "metadata": { "annotations": { RESTART: token } } } } })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{
        apps::v1::Deployment,
        core::v1::{Pod, Service},
    };
    use serde::{Serialize, de::DeserializeOwned};

    use super::*;

    pub(super) fn run() -> RunIdentity {
        RunIdentity {
            id: "a1b2c3d4".into(),
            scenario: "quick".into(),
        }
    }

    const PODS: DeploymentPods = DeploymentPods {
        port: 8080,
        meshed: false,
        kwok_nodes: false,
    };

    fn group(pattern: Pattern) -> ServiceGroup {
        ServiceGroup {
            prefix: "test-service".into(),
            first: 1,
            count: 1,
            pattern,
        }
    }

    /// Every key is one that Kubernetes knows: unknown ones would be lost on the way.
    pub(super) fn survives<T: DeserializeOwned + Serialize>(object: &Value) {
        let typed: T = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(&serde_json::to_value(typed).unwrap(), object);
    }

    #[test]
    fn every_object_is_one_that_kubernetes_knows() {
        let stable = group(Pattern::Stable { endpoints: 3 });
        survives::<Service>(&service("test-service-1", "ns", 8080, true, &run()));
        for meshed in [false, true] {
            let kwok_nodes = true;
            let pods = DeploymentPods {
                meshed,
                kwok_nodes,
                ..PODS
            };
            let deployment = deployment("a", "ns", 3, pods, &stable, &run());
            survives::<Pod>(&pod_of(&deployment, "a-1"));
            survives::<Deployment>(&deployment);
        }
    }

    #[test]
    fn every_object_carries_the_labels_that_cleanup_finds_it_by() {
        let stable = group(Pattern::Stable { endpoints: 3 });
        let deployment = deployment("a", "ns", 3, PODS, &stable, &run());
        let namespace = serde_json::to_value(namespace("ns", &run())).unwrap();
        let lease = lease("ns", &run(), Duration::from_secs(15), Timestamp::UNIX_EPOCH);
        let lease = serde_json::to_value(lease).unwrap();
        for metadata in [
            &namespace["metadata"],
            &lease["metadata"],
            &service("a", "ns", 8080, false, &run())["metadata"],
            &deployment["metadata"],
            &deployment["spec"]["template"]["metadata"],
        ] {
            for (key, value) in labels(&run()) {
                assert_eq!(metadata["labels"][key], value);
            }
        }
    }

    #[test]
    fn a_lease_is_renewed_by_its_renew_time_alone_in_microseconds() {
        let at = |micros| Timestamp::from_microsecond(micros).unwrap();
        let lease = lease("ns", &run(), Duration::from_secs(15), at(1_500_000));
        let lease = serde_json::to_value(lease).unwrap();
        assert_eq!(
            lease["spec"],
            json!({
                "holderIdentity": "a1b2c3d4",
                "leaseDurationSeconds": 15,
                "acquireTime": "1970-01-01T00:00:01.500000Z",
                "renewTime": "1970-01-01T00:00:01.500000Z",
                "leaseTransitions": 0,
            })
        );
        assert_eq!(
            renewal(at(6_500_001)),
            json!({ "spec": { "renewTime": "1970-01-01T00:00:06.500001Z" } })
        );
    }

    #[test]
    fn a_service_names_its_port_and_is_left_alone_by_kube_proxy() {
        assert_eq!(
            service("test-service-1", "ns", 8080, true, &run()),
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": "test-service-1",
                    "namespace": "ns",
                    "labels": {
                        "app": "test-service-1",
                        "app.kubernetes.io/managed-by": "dst-load-controller",
                        "dst-load-controller.linkerd.io/run-id": "a1b2c3d4",
                        "dst-load-controller.linkerd.io/scenario": "quick",
                        "service.kubernetes.io/service-proxy-name": "dst-load-controller",
                    },
                },
                "spec": {
                    "selector": { "app": "test-service-1" },
                    "ports": [
                        { "name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP" },
                    ],
                },
            })
        );
    }

    #[test]
    fn a_rolling_deployment_says_how_many_pods_it_replaces_at_once() {
        let rolling = group(Pattern::RollingUpdate {
            endpoints: 10,
            every: std::time::Duration::from_secs(60),
            max_surge: 2,
            max_unavailable: 1,
        });
        let made = deployment("a", "ns", 10, PODS, &rolling, &run());
        assert_eq!(
            made["spec"]["strategy"],
            json!({
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": 2, "maxUnavailable": 1 },
            })
        );
        assert_eq!(made["spec"]["replicas"], 10);
    }

    #[test]
    fn only_the_pods_of_a_meshed_deployment_look_as_if_a_proxy_had_been_injected() {
        let stable = group(Pattern::Stable { endpoints: 3 });
        let made = |meshed| {
            let pods = DeploymentPods { meshed, ..PODS };
            deployment("a", "ns", 3, pods, &stable, &run())
        };
        let label = |of: &Value| of["metadata"]["labels"]["linkerd.io/control-plane-ns"].clone();
        let containers = |of: &Value| of["spec"]["template"]["spec"]["containers"].clone();
        let (plain, meshed) = (made(false), made(true));
        assert_eq!(label(&plain["spec"]["template"]), Value::Null);
        assert_eq!(label(&meshed["spec"]["template"]), "linkerd");
        assert_eq!(label(&meshed), Value::Null);
        assert_eq!(containers(&plain).as_array().unwrap().len(), 1);
        let proxy = &containers(&meshed)[1];
        assert_eq!(proxy["name"], "linkerd-proxy");
        // What the pods of the backend `pods` have, and what a quota wants.
        let own = pod("a", "ns", 7, 8080, true, &run());
        let env = &own["spec"]["containers"][1]["env"];
        assert_eq!(
            (&proxy["env"], env.as_array().map(Vec::len)),
            (env, Some(3))
        );
        assert_eq!(proxy["resources"]["requests"]["cpu"], "1m");
    }

    #[test]
    fn kwok_nodes_are_always_tolerated_and_required_only_when_asked() {
        let stable = group(Pattern::Stable { endpoints: 3 });
        let pod = |kwok_nodes| {
            let pods = DeploymentPods { kwok_nodes, ..PODS };
            let made = deployment("a", "ns", 3, pods, &stable, &run());
            made["spec"]["template"]["spec"].clone()
        };
        for asked in [false, true] {
            assert_eq!(pod(asked)["tolerations"][0]["key"], "kwok.x-k8s.io/node");
        }
        assert_eq!(pod(false)["nodeSelector"], Value::Null);
        assert_eq!(pod(true)["nodeSelector"], json!({ "type": "kwok" }));
    }
}
