//! From pods to EndpointSlices.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    core::v1::{Pod, Service},
    discovery::v1::{Endpoint, EndpointSlice},
};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::world::{World, is_ready, service};

in_every_world![
    a_service_without_endpoints_keeps_one_slice,
    slices_hold_a_hundred_endpoints_at_most,
    an_endpoint_says_whose_it_is_and_where,
    conditions_follow_the_pod_until_it_is_gone,
    a_pod_that_is_no_longer_selected_is_no_longer_served,
    a_pod_that_has_ended_is_no_longer_served,
    a_slice_that_someone_else_changes_is_put_right,
    a_service_without_a_selector_keeps_the_slices_it_is_given,
    a_change_of_the_service_is_written_into_its_slices,
    an_empty_list_of_a_slice_is_none,
    what_is_not_ready_is_published_when_asked,
    endpoints_are_hinted_to_their_zone_when_asked,
];

async fn a_service_without_endpoints_keeps_one_slice(world: &World) {
    let web: Service = world.create(service("web")).await;
    let one = async || {
        world
            .eventually("one slice", async || {
                let slices = world.slices("web").await;
                let empty = |it: &EndpointSlice| it.endpoints.iter().flatten().count() == 0;
                (slices.len() == 1 && slices.iter().all(empty)).then(|| slices[0].clone())
            })
            .await
    };
    let slice = one().await;
    assert_eq!(slice.address_type, "IPv4");
    assert!(slice.ports.is_none_or(|it| it.is_empty()));
    let metadata = slice.metadata;
    assert!(metadata.name.unwrap().starts_with("web-"));
    assert_eq!(metadata.generate_name.as_deref(), Some("web-"));
    let labels = metadata.labels.unwrap();
    let managed = "endpointslice.kubernetes.io/managed-by";
    assert_eq!(labels["kubernetes.io/service-name"], "web");
    assert_eq!(labels[managed], "endpointslice-controller.k8s.io");
    let owner = &metadata.owner_references.unwrap()[0];
    assert_eq!(Some(&owner.uid), web.metadata.uid.as_ref());
    assert_eq!(owner.controller, Some(true));

    ready_pod(world, "a", "10.9.1.1").await;
    world.ready("web", 1).await;
    let force = DeleteParams::default().grace_period(0);
    world.api::<Pod>().delete("a", &force).await.unwrap();
    one().await;
}

async fn an_empty_list_of_a_slice_is_none(world: &World) {
    for (name, list) in [("empty", json!([])), ("null", Value::Null)] {
        let slice = json!({
            "metadata": { "name": name },
            "addressType": "IPv4",
            "endpoints": list,
            "ports": list,
        });
        world.create::<EndpointSlice>(slice).await;
    }
    // Typed, both would read alike.
    let kind = ApiResource::erase::<EndpointSlice>(&());
    let slices = Api::<DynamicObject>::namespaced_with(world.kube.clone(), &world.namespace, &kind);
    for name in ["empty", "null"] {
        let slice = slices.get(name).await.unwrap();
        assert_eq!(slice.data.get("endpoints"), Some(&Value::Null), "{name}");
        assert_eq!(slice.data.get("ports"), Some(&Value::Null), "{name}");
    }
}

async fn slices_hold_a_hundred_endpoints_at_most(world: &World) {
    world.serve("web", 0).await;
    world.scale("web", 250).await;
    let endpoints = world.ready("web", 250).await;
    let addresses: BTreeSet<&String> = endpoints.iter().map(|it| &it.addresses[0]).collect();
    assert_eq!(addresses.len(), 250, "no two pods share an address");
    let sizes: Vec<usize> = world.slices("web").await.into_iter().map(size).collect();
    // Endpoints that come one batch after another may leave a slice not quite full.
    assert!((3..=4).contains(&sizes.len()), "{sizes:?}");
    assert!(sizes.iter().all(|&it| it <= 100), "{sizes:?}");
    world.scale("web", 0).await;
    world
        .eventually("one empty slice", async || {
            let slices = world.slices("web").await.into_iter();
            let sizes: Vec<usize> = slices.map(size).collect();
            (sizes == [0]).then_some(())
        })
        .await;
}

async fn an_endpoint_says_whose_it_is_and_where(world: &World) {
    world.serve("web", 2).await;
    for endpoint in world.ready("web", 2).await {
        let target = endpoint.target_ref.unwrap();
        assert_eq!(target.kind.as_deref(), Some("Pod"));
        assert_eq!(target.namespace.as_deref(), Some(world.namespace.as_str()));
        let pod = world.api::<Pod>().get(&target.name.unwrap()).await.unwrap();
        assert_eq!(pod.metadata.uid, target.uid);
        assert_eq!(pod.spec.unwrap().node_name, endpoint.node_name);
        let address = pod.status.unwrap().pod_ip;
        assert_eq!(address.as_ref(), endpoint.addresses.first());
        assert!(endpoint.zone.unwrap().starts_with("zone-"));
        assert_eq!(endpoint.hints, None);
        assert_eq!(endpoint.hostname, None);
    }
    let ports = world.slices("web").await[0].ports.clone().unwrap();
    let wanted = json!([{ "name": "http", "port": 8080, "protocol": "TCP" }]);
    assert_eq!(serde_json::to_value(ports).unwrap(), wanted);
}

async fn conditions_follow_the_pod_until_it_is_gone(world: &World) {
    world.create::<Service>(service("web")).await;
    world.unattended("a", "web").await;
    // One more that is ready shows that a pod without an address is not merely late.
    ready_pod(world, "b", "10.9.2.2").await;
    world.ready("web", 1).await;
    let pods = world.api::<Pod>();
    status(world, "a", "10.9.2.1", false).await;
    assert_eq!(a(world, Some([false, false, false])).await, "10.9.2.1");
    status(world, "a", "10.9.2.1", true).await;
    a(world, Some([true, true, false])).await;
    let told = pods.delete("a", &DeleteParams::default()).await.unwrap();
    let told = told.left().unwrap().metadata;
    assert!(told.deletion_timestamp.is_some());
    assert_eq!(told.deletion_grace_period_seconds, Some(30));
    a(world, Some([false, true, true])).await;
    status(world, "a", "10.9.2.1", false).await;
    a(world, Some([false, false, true])).await;
    let force = DeleteParams::default().grace_period(0);
    pods.delete("a", &force).await.unwrap();
    a(world, None).await;
    world.ready("web", 1).await;
}

async fn a_pod_that_is_no_longer_selected_is_no_longer_served(world: &World) {
    world.create::<Service>(service("web")).await;
    ready_pod(world, "a", "10.9.3.1").await;
    world.ready("web", 1).await;
    let pods = world.api::<Pod>();
    for (app, count) in [("other", 0), ("web", 1)] {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "app": app } } }));
        pods.patch("a", &PatchParams::default(), &patch)
            .await
            .unwrap();
        world.ready("web", count).await;
    }
}

async fn a_pod_that_has_ended_is_no_longer_served(world: &World) {
    world.create::<Service>(service("web")).await;
    ready_pod(world, "a", "10.9.4.1").await;
    world.ready("web", 1).await;
    // Not ready as well: Kubernetes does not always notice a change of the phase alone.
    let ended = Patch::Merge(json!({ "status": {
        "phase": "Failed",
        "conditions": [{ "type": "Ready", "status": "False" }],
    } }));
    let pods = world.api::<Pod>();
    pods.patch_status("a", &PatchParams::default(), &ended)
        .await
        .unwrap();
    world.ready("web", 0).await;
}

async fn a_slice_that_someone_else_changes_is_put_right(world: &World) {
    world.serve("web", 3).await;
    world.ready("web", 3).await;
    let slices = world.api::<EndpointSlice>();
    let name = world.slices("web").await[0].metadata.name.clone().unwrap();
    let none = Patch::Merge(json!({ "endpoints": [] }));
    let written = slices
        .patch(&name, &PatchParams::default(), &none)
        .await
        .unwrap();
    assert_eq!(written.endpoints.unwrap_or_default().len(), 0);
    world.ready("web", 3).await;
    slices
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    world.ready("web", 3).await;
}

async fn a_service_without_a_selector_keeps_the_slices_it_is_given(world: &World) {
    let mut bare = service("web");
    bare["spec"].as_object_mut().unwrap().remove("selector");
    world.create::<Service>(bare).await;
    world
        .create::<EndpointSlice>(json!({
            "metadata": { "name": "own", "labels": { "kubernetes.io/service-name": "web" } },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.9.5.1"], "conditions": { "ready": true } }],
            "ports": [{ "name": "http", "port": 8080 }],
        }))
        .await;
    // Another Service shows that the controller has had the time to interfere.
    world.create::<Service>(service("other")).await;
    world
        .eventually("a slice of the other", async || {
            (!world.slices("other").await.is_empty()).then_some(())
        })
        .await;
    assert_eq!(world.ready("web", 1).await[0].addresses, ["10.9.5.1"]);
    let delete = DeleteParams::default();
    world.api::<Service>().delete("web", &delete).await.unwrap();
    world
        .api::<Service>()
        .delete("other", &delete)
        .await
        .unwrap();
    world
        .eventually("the slices of the other to be gone", async || {
            world.slices("other").await.is_empty().then_some(())
        })
        .await;
    assert_eq!(world.slices("web").await.len(), 1, "it had no owner");
}

async fn a_change_of_the_service_is_written_into_its_slices(world: &World) {
    world.create::<Service>(service("web")).await;
    ready_pod(world, "a", "10.9.6.1").await;
    world.ready("web", 1).await;
    let services = world.api::<Service>();
    let patch = Patch::Merge(json!({
        "metadata": { "labels": { "tier": "front" } },
        "spec": { "ports": [{ "name": "http", "port": 80, "targetPort": 9090 }] },
    }));
    services
        .patch("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    world
        .eventually("the new port and label", async || {
            let slices = world.slices("web").await;
            let [slice] = &slices[..] else { return None };
            let port = slice.ports.as_ref()?.first()?.port;
            let label = slice.metadata.labels.as_ref()?.get("tier")?;
            (port == Some(9090) && label == "front").then_some(())
        })
        .await;
    world.ready("web", 1).await;
}

async fn what_is_not_ready_is_published_when_asked(world: &World) {
    let mut published = service("web");
    published["spec"]["publishNotReadyAddresses"] = json!(true);
    published["spec"]["clusterIP"] = json!("None");
    world.create::<Service>(published).await;
    world.unattended("a", "web").await;
    status(world, "a", "10.9.7.1", false).await;
    let endpoint = world.ready("web", 1).await.remove(0);
    assert_eq!(conditions(&endpoint), [true, false, false]);
    let labels = world.slices("web").await[0]
        .metadata
        .labels
        .clone()
        .unwrap();
    assert_eq!(labels["service.kubernetes.io/headless"], "");
}

async fn endpoints_are_hinted_to_their_zone_when_asked(world: &World) {
    world.serve("web", 3).await;
    let patch = Patch::Merge(json!({ "spec": { "trafficDistribution": "PreferClose" } }));
    let services = world.api::<Service>();
    services
        .patch("web", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let hinted = |endpoint: &Endpoint| {
        let zones = endpoint.hints.as_ref()?.for_zones.as_ref()?;
        Some(zones.iter().map(|it| it.name.clone()).collect::<Vec<_>>())
    };
    let endpoints = world
        .eventually("hints", async || {
            let endpoints = world.endpoints("web").await;
            let all = endpoints.len() == 3
                && endpoints
                    .iter()
                    .all(|it| is_ready(it) && hinted(it).is_some());
            all.then_some(endpoints)
        })
        .await;
    for endpoint in endpoints {
        assert_eq!(hinted(&endpoint).unwrap(), [endpoint.zone.unwrap()]);
    }
}

fn size(slice: EndpointSlice) -> usize {
    slice.endpoints.unwrap_or_default().len()
}

/// Ready, serving, terminating.
fn conditions(endpoint: &Endpoint) -> [bool; 3] {
    let it = endpoint.conditions.clone().unwrap();
    [it.ready, it.serving, it.terminating].map(Option::unwrap)
}

/// Waits until the endpoint of the pod `a` has the conditions, or is gone; gives its address.
async fn a(world: &World, wanted: Option<[bool; 3]>) -> String {
    let what = format!("conditions {wanted:?}");
    world
        .eventually(&what, async || {
            let endpoints = world.endpoints("web").await;
            let name =
                |it: &&Endpoint| it.target_ref.as_ref().unwrap().name.as_deref() == Some("a");
            let endpoint = endpoints.iter().find(name);
            let address = endpoint.map_or_else(String::new, |it| it.addresses[0].clone());
            (endpoint.map(conditions) == wanted).then_some(address)
        })
        .await
}

/// Writes what a kubelet would of a pod.
async fn status(world: &World, pod: &str, address: &str, ready: bool) {
    let ready = if ready { "True" } else { "False" };
    let status: Value = json!({ "status": {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "conditions": [{ "type": "Ready", "status": ready }],
    } });
    let pods = world.api::<Pod>();
    let patch = Patch::Strategic(status);
    pods.patch_status(pod, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// A pod that nobody looks after, ready.
async fn ready_pod(world: &World, name: &str, address: &str) {
    world.unattended(name, "web").await;
    status(world, name, address, true).await;
}
