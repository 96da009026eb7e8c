//! Pods and EndpointSlices as we write them where no controller makes them. Pure.

use dst_load_scenario::roster::{Member, Slice};
use serde_json::{Value, json};

use super::{
    HEARTBEAT, MANAGER, PORT_NAME, SERVICE_PROXY_NAME, container, labels, mesh, unprivileged,
};
use crate::actor::RunIdentity;

/// The Service that a slice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Who writes a slice. Kubernetes' own controllers leave the slices of others alone.
const SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// The name of a Service's `number`th Pod or slice.
#[must_use]
pub fn numbered(service: &str, number: u32) -> String {
    format!("{service}-{number}")
}

/// A Pod of the Service, before it is ready.
///
/// It names a scheduler that does not exist: no Node gets it, so that nothing starts, stops or
/// evicts it, and its deletion waits for nobody. With `meshed` it looks as if Linkerd's proxy had
/// been injected, as far as the destination controller reads that.
#[must_use]
pub fn pod(
    service: &str,
    namespace: &str,
    number: u32,
    port: u16,
    meshed: bool,
    run: &RunIdentity,
) -> Value {
    let mut labels = labels(run);
    labels.insert("app".into(), service.into());
    let mut containers = vec![container(port)];
    if meshed {
        mesh(&mut labels, &mut containers);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": numbered(service, number),
            "namespace": namespace,
            "labels": labels,
        },
        "spec": {
            "schedulerName": MANAGER,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": unprivileged(),
            "containers": containers,
        },
    })
}

/// The merge patch of a Pod's status that makes it ready at its address.
#[must_use]
pub fn ready(member: &Member) -> Value {
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];
    json!({
        "status": {
            "phase": "Running",
            "conditions": conditions.map(|it| json!({ "type": it, "status": "True" })),
            "podIP": member.address,
            "podIPs": [{ "ip": member.address }],
        },
    })
}

/// One of the Service's slices; with `pods` its endpoints point at them, else they are bare.
///
/// It has no owner: a Service that is deleted leaves it standing.
#[must_use]
pub fn slice(
    service: &str,
    namespace: &str,
    slice: &Slice,
    pods: bool,
    run: &RunIdentity,
) -> Value {
    let endpoints = slice.members.iter().map(|member| {
        let mut endpoint = json!({
            "addresses": [member.address],
            "conditions": { "ready": true },
        });
        if pods {
            endpoint["targetRef"] = json!({
                "kind": "Pod",
                "namespace": namespace,
                "name": numbered(service, member.number),
            });
        }
        endpoint
    });
    let name = numbered(service, slice.number);
    let mut object = empty_slice(&name, namespace, service, run);
    object["ports"] = json!([{ "name": PORT_NAME, "port": slice.port, "protocol": "TCP" }]);
    object["endpoints"] = endpoints.collect();
    object
}

/// A slice of the Service that lists nothing.
fn empty_slice(name: &str, namespace: &str, service: &str, run: &RunIdentity) -> Value {
    let mut labels = labels(run);
    labels.insert(SERVICE_NAME.into(), service.into());
    labels.insert(SLICE_MANAGED_BY.into(), MANAGER.into());
    labels.insert(SERVICE_PROXY_NAME.into(), MANAGER.into());
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "addressType": "IPv4",
        "ports": [],
        "endpoints": [],
    })
}

/// The name of the observer's heartbeat slice, and of the Service that it names, which there is not.
pub const HEARTBEAT_SLICE: &str = "dst-load-controller-heartbeat";

/// The observer's heartbeat slice after `count` heartbeats. It lists nothing.
#[must_use]
pub fn heartbeat(namespace: &str, count: u64, run: &RunIdentity) -> Value {
    let mut slice = empty_slice(HEARTBEAT_SLICE, namespace, HEARTBEAT_SLICE, run);
    slice["metadata"]["annotations"] = json!({ HEARTBEAT: count.to_string() });
    slice
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use k8s_openapi::api::{core::v1::Pod, discovery::v1::EndpointSlice};

    use super::*;
    use crate::actor::objects::tests::{run, survives};

    const MEMBER: Member = Member {
        number: 7,
        address: Ipv4Addr::new(240, 0, 0, 7),
    };

    fn some_slice(pods: bool) -> Value {
        let made = Slice {
            number: 3,
            port: 8080,
            members: vec![MEMBER],
        };
        slice("test-service-1", "ns", &made, pods, &run())
    }

    #[test]
    fn every_object_is_one_that_kubernetes_knows() {
        for meshed in [false, true] {
            survives::<Pod>(&pod("a", "ns", 7, 8080, meshed, &run()));
        }
        survives::<Pod>(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {}, "status": ready(&MEMBER)["status"],
        }));
        for pods in [false, true] {
            survives::<EndpointSlice>(&some_slice(pods));
        }
    }

    #[test]
    fn a_heartbeat_is_a_slice_that_lists_nothing_and_is_left_alone() {
        let made = heartbeat("ns", 7, &run());
        survives::<EndpointSlice>(&made);
        assert_eq!(made["endpoints"], json!([]));
        assert_eq!(made["metadata"]["annotations"][HEARTBEAT], "7");
        let labels = &made["metadata"]["labels"];
        assert_eq!(labels[SLICE_MANAGED_BY], MANAGER);
        assert_eq!(labels[SERVICE_PROXY_NAME], MANAGER);
    }

    #[test]
    fn a_slice_is_ours_alone_and_names_the_services_port() {
        let made = some_slice(false);
        let labels = &made["metadata"]["labels"];
        assert_eq!(labels[SERVICE_NAME], "test-service-1");
        assert_eq!(labels[SLICE_MANAGED_BY], MANAGER);
        assert_eq!(made["metadata"]["name"], "test-service-1-3");
        assert_eq!(made["ports"][0]["name"], PORT_NAME);
        let bare = json!([{ "addresses": ["240.0.0.7"], "conditions": { "ready": true } }]);
        assert_eq!(made["endpoints"], bare);
        let target = json!({ "kind": "Pod", "namespace": "ns", "name": "test-service-1-7" });
        assert_eq!(some_slice(true)["endpoints"][0]["targetRef"], target);
    }

    #[test]
    fn a_meshed_pod_has_a_proxy_whose_addresses_can_be_read() {
        let made = pod("a", "ns", 7, 8080, true, &run());
        let label = &made["metadata"]["labels"]["linkerd.io/control-plane-ns"];
        assert_eq!(label, "linkerd");
        let proxy = &made["spec"]["containers"][1];
        assert_eq!(proxy["name"], "linkerd-proxy");
        assert_eq!(proxy["env"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_pod_is_left_alone_by_schedulers_and_goes_at_once() {
        let spec = &pod("a", "ns", 7, 8080, false, &run())["spec"];
        assert_eq!(spec["schedulerName"], MANAGER);
        assert_eq!(spec["terminationGracePeriodSeconds"], 0);
        assert_eq!(spec["nodeName"], Value::Null);
    }
}
