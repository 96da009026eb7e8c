//! One object at a time: what is added to it, what counts as a change, and how it is found.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::world::{World, deployment, object, refusal, service};

in_every_world![
    a_service_is_completed,
    a_deployment_and_its_pods_are_completed,
    a_slice_is_completed,
    a_namespace_names_itself,
    a_generated_name_is_free,
    a_dry_run_writes_nothing,
    generations_count_changes_of_the_spec_and_nothing_counts_a_change_of_nothing,
    a_status_is_written_apart,
    a_lease_is_held_by_a_count_and_taken_by_its_version,
    lists_come_in_pages,
    lists_come_by_selector,
];

async fn a_service_is_completed(world: &World) {
    let created: Service = world.create(service("web")).await;
    let spec = serde_json::to_value(created.spec.unwrap()).unwrap();
    let address = &spec["clusterIP"];
    assert!(address.as_str().unwrap().starts_with("10."), "{address}");
    let wanted = json!({
        "clusterIP": address,
        "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": "http" }],
        "selector": { "app": "web" },
        "sessionAffinity": "None",
        "type": "ClusterIP",
    });
    assert_eq!(spec, wanted);
    let plain = json!({ "metadata": { "name": "plain" }, "spec": { "ports": [{ "port": 90 }] } });
    let created: Service = world.create(plain).await;
    let port = &created.spec.unwrap().ports.unwrap()[0];
    let target = serde_json::to_value(&port.target_port).unwrap();
    assert_eq!((target, &port.name), (json!(90), &None));
}

async fn a_deployment_and_its_pods_are_completed(world: &World) {
    let mut wanted = deployment("web", 1);
    wanted["spec"].as_object_mut().unwrap().remove("replicas");
    let created: Deployment = world.create(wanted).await;
    assert_eq!(created.metadata.generation, Some(1));
    let spec = serde_json::to_value(created.spec).unwrap();
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["revisionHistoryLimit"], 10);
    assert_eq!(spec["progressDeadlineSeconds"], 600);
    let strategy = json!({
        "type": "RollingUpdate",
        "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" },
    });
    assert_eq!(spec["strategy"], strategy);
    let pods = world.api::<Pod>();
    let pod = world
        .eventually("a running pod", async || {
            let pods = pods.list(&ListParams::default()).await.unwrap();
            let phase = |pod: &Pod| pod.status.as_ref().and_then(|it| it.phase.clone());
            let mut running = pods.items.into_iter();
            running.find(|it| phase(it).as_deref() == Some("Running"))
        })
        .await;
    let owner = &pod.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.controller),
        ("ReplicaSet", Some(true))
    );
    assert!(
        pod.metadata
            .labels
            .unwrap()
            .contains_key("pod-template-hash")
    );
    for spec in [
        &spec["template"]["spec"],
        &serde_json::to_value(pod.spec.unwrap()).unwrap(),
    ] {
        assert_eq!(spec["restartPolicy"], "Always");
        assert_eq!(spec["dnsPolicy"], "ClusterFirst");
        assert_eq!(spec["terminationGracePeriodSeconds"], 30);
        assert_eq!(spec["schedulerName"], "default-scheduler");
        assert_eq!(spec["securityContext"], json!({}));
        let container = &spec["containers"][0];
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        assert_eq!(container["ports"][0]["protocol"], "TCP");
    }
}

async fn a_slice_is_completed(world: &World) {
    let slice: EndpointSlice = world
        .create(json!({
            "metadata": { "name": "own" },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.9.0.1"] }],
            "ports": [{ "port": 8080 }],
        }))
        .await;
    assert_eq!(slice.metadata.generation, Some(1));
    let port = &slice.ports.unwrap()[0];
    assert_eq!(port.name.as_deref(), Some(""));
    assert_eq!(port.protocol.as_deref(), Some("TCP"));
    let endpoint = serde_json::to_value(&slice.endpoints.unwrap()[0]).unwrap();
    let wanted = json!({ "addresses": ["10.9.0.1"], "conditions": {} });
    assert_eq!(
        endpoint, wanted,
        "what nobody said of an endpoint stays unsaid"
    );
}

async fn a_namespace_names_itself(world: &World) {
    let namespaces: Api<Namespace> = Api::all(world.kube.clone());
    let namespace = namespaces.get(&world.namespace).await.unwrap();
    let labels = namespace.metadata.labels.unwrap();
    assert_eq!(labels["kubernetes.io/metadata.name"], world.namespace);
    let phase = namespace.status.unwrap().phase;
    assert_eq!(phase.as_deref(), Some("Active"));
}

async fn a_generated_name_is_free(world: &World) {
    let mut names = BTreeSet::new();
    for _ in 0..3 {
        let map: ConfigMap = world
            .create(json!({ "metadata": { "generateName": "a-" } }))
            .await;
        let name = map.metadata.name.unwrap();
        assert!(name.starts_with("a-") && name.len() == 7, "{name}");
        names.insert(name);
    }
    assert_eq!(names.len(), 3);
}

async fn a_dry_run_writes_nothing(world: &World) {
    let services = world.api::<Service>();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let created = services
        .create(&dry, &object(service("web")))
        .await
        .unwrap();
    assert!(created.metadata.uid.is_some());
    assert_eq!(refusal(services.get("web").await).code, 404);
}

async fn generations_count_changes_of_the_spec_and_nothing_counts_a_change_of_nothing(
    world: &World,
) {
    // Nobody writes the status of what is paused and wants nothing, after the first time.
    let mut paused = deployment("web", 0);
    paused["spec"]["paused"] = json!(true);
    world.create::<Deployment>(paused).await;
    let deployments = world.api::<Deployment>();
    let seen = async || {
        let metadata = deployments.get("web").await.unwrap().metadata;
        (
            metadata.generation.unwrap(),
            metadata.resource_version.unwrap(),
        )
    };
    world
        .eventually("the status of a generation", async || {
            let status = deployments.get_status("web").await.unwrap().status?;
            status.observed_generation.filter(|&it| it == 1)
        })
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let (_, before) = seen().await;
    let parameters = PatchParams::default();
    let patch = async |patch: Value| {
        let patch = Patch::Merge(patch);
        deployments.patch("web", &parameters, &patch).await.unwrap();
    };
    patch(json!({ "spec": { "replicas": 0 } })).await;
    assert_eq!(seen().await, (1, before.clone()));
    patch(json!({ "metadata": { "labels": { "x": "y" } } })).await;
    let (generation, after) = seen().await;
    assert_eq!(generation, 1);
    assert!(after.parse::<u64>().unwrap() > before.parse().unwrap());
    world.scale("web", 0).await;
    assert_eq!(seen().await.0, 1);
    patch(json!({ "spec": { "minReadySeconds": 1 } })).await;
    assert_eq!(seen().await.0, 2);
}

async fn a_status_is_written_apart(world: &World) {
    let pod = world.unattended("web", "web").await;
    let status = pod.status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    let pods = world.api::<Pod>();
    let parameters = PatchParams::default();
    let patch = Patch::Merge(json!({
        "metadata": { "labels": { "by": "status" } },
        "status": { "phase": "Running", "podIP": "10.9.0.1", "podIPs": [{ "ip": "10.9.0.1" }] },
    }));
    pods.patch("web", &parameters, &patch).await.unwrap();
    let pod = pods.get("web").await.unwrap();
    assert_eq!(pod.metadata.labels.unwrap()["by"], "status");
    assert_eq!(pod.status.unwrap().pod_ip, None);
    let patched = pods.patch_status("web", &parameters, &patch).await.unwrap();
    assert_eq!(patched.status.unwrap().pod_ip.as_deref(), Some("10.9.0.1"));
}

async fn a_lease_is_held_by_a_count_and_taken_by_its_version(world: &World) {
    let lease: Lease = world
        .create(json!({
            "metadata": { "name": "claim", "annotations": { "beat": "0" } },
            "spec": { "holderIdentity": "one", "leaseDurationSeconds": 15 },
        }))
        .await;
    let read = lease.metadata.resource_version;
    let leases = world.api::<Lease>();
    let parameters = PatchParams::default();
    let beat = Patch::Merge(json!({ "metadata": { "annotations": { "beat": "1" } } }));
    let beaten = leases.patch("claim", &parameters, &beat).await.unwrap();
    let spec = beaten.spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some("one"));
    let take = |version| {
        Patch::Merge(json!({
            "metadata": { "resourceVersion": version },
            "spec": { "holderIdentity": "two" },
        }))
    };
    let late = leases.patch("claim", &parameters, &take(read)).await;
    assert_eq!(refusal(late).reason, "Conflict");
    let version = beaten.metadata.resource_version;
    let timely = take(version.clone());
    let taken = leases.patch("claim", &parameters, &timely).await;
    let taken = taken.unwrap().spec.unwrap();
    assert_eq!(taken.holder_identity.as_deref(), Some("two"));
    let second = leases.patch("claim", &parameters, &take(version)).await;
    assert_eq!(refusal(second).reason, "Conflict", "only one can win");
}

async fn lists_come_in_pages(world: &World) {
    for number in 0..25 {
        let name = format!("map-{number:02}");
        let map = json!({ "metadata": { "name": name, "labels": { "paged": "yes" } } });
        world.create::<ConfigMap>(map).await;
    }
    let mut parameters = ListParams::default().labels("paged=yes").limit(10);
    let (mut names, mut sizes, mut versions) = (Vec::new(), Vec::new(), BTreeSet::new());
    loop {
        let page = world.api::<ConfigMap>().list(&parameters).await.unwrap();
        sizes.push(page.items.len());
        names.extend(page.items.into_iter().map(|it| it.metadata.name.unwrap()));
        versions.insert(page.metadata.resource_version.unwrap());
        match page.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => break,
        }
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(versions.len(), 1, "all pages are of one version");
    assert!(names.is_sorted(), "{names:?}");
    parameters.continue_token = Some("no token".to_owned());
    let status = refusal(world.api::<ConfigMap>().list(&parameters).await);
    assert_eq!((status.code, status.reason.as_str()), (400, "BadRequest"));
}

async fn lists_come_by_selector(world: &World) {
    for (name, labels) in [
        ("a", json!({ "tier": "front", "app": "web" })),
        ("b", json!({ "tier": "back", "app": "web" })),
        ("c", json!({ "app": "db" })),
    ] {
        let map = json!({ "metadata": { "name": name, "labels": labels } });
        world.create::<ConfigMap>(map).await;
    }
    let maps = world.api::<ConfigMap>();
    for (selector, wanted) in [
        ("app=web", "ab"),
        ("app==web,tier!=back", "a"),
        ("tier", "ab"),
        ("!tier,app", "c"),
        ("app in (db,web),tier notin (front)", "bc"),
    ] {
        let listed = maps.list(&ListParams::default().labels(selector)).await;
        let names = listed.unwrap().items.into_iter();
        let names: String = names.map(|it| it.metadata.name.unwrap()).collect();
        assert_eq!(names, wanted, "{selector}");
    }
    let named = ListParams::default().fields("metadata.name=b");
    assert_eq!(maps.list(&named).await.unwrap().items.len(), 1);
    let listed = maps
        .list_metadata(&ListParams::default().labels("app=db"))
        .await;
    assert_eq!(listed.unwrap().items[0].metadata.name.as_deref(), Some("c"));
    let unknown = ListParams::default().fields("data.a=b");
    assert_eq!(refusal(maps.list(&unknown).await).code, 400);

    world.unattended("here", "web").await;
    let fields = format!("spec.nodeName={},status.phase=Pending", world.namespace);
    let selected = ListParams::default().fields(&fields);
    let found = world.api::<Pod>().list(&selected).await.unwrap();
    assert_eq!(found.items.len(), 1);
}
