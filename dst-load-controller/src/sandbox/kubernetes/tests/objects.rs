//! One object at a time: what is created, refused, changed and deleted.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
};
use serde_json::json;
use tokio::time::sleep;

use super::support::{Cluster, config, deployment, service};

fn refusal(error: kube::Error) -> (u16, String, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason, status.message),
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_in_the_words_of_kubernetes() {
    let cluster = Cluster::new(config());
    let services = cluster.services();
    let (code, reason, message) = refusal(services.get("web").await.unwrap_err());
    assert_eq!((code, reason.as_str()), (404, "NotFound"));
    assert_eq!(message, "services \"web\" not found");
    let missing = cluster.deployments().get("web").await.unwrap_err();
    assert_eq!(refusal(missing).2, "deployments.apps \"web\" not found");

    let created = services
        .create(&PostParams::default(), &service("web"))
        .await
        .unwrap();
    let posted = PostParams::default();
    let again = services.create(&posted, &service("web")).await;
    let (code, reason, message) = refusal(again.unwrap_err());
    assert_eq!((code, reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(message, "services \"web\" already exists");

    let patch = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    let parameters = PatchParams::default();
    services.patch("web", &parameters, &patch).await.unwrap();
    let stale = services.replace("web", &posted, &created).await;
    let (code, reason, message) = refusal(stale.unwrap_err());
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert!(message.starts_with("Operation cannot be fulfilled on services \"web\": the object"));

    let nowhere: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), "nowhere");
    let map = ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some("c".to_owned()),
            ..Default::default()
        },
        ..Default::default()
    };
    let error = nowhere.create(&PostParams::default(), &map).await;
    assert_eq!(
        refusal(error.unwrap_err()).2,
        "namespaces \"nowhere\" not found"
    );
    let invalid = services.create(&posted, &service("Not_A_Name")).await;
    assert_eq!(refusal(invalid.unwrap_err()).0, 422);
}

#[tokio::test(start_paused = true)]
async fn generations_count_changes_of_the_spec_and_nothing_counts_a_change_of_nothing() {
    let cluster = Cluster::new(config());
    let deployments = cluster.deployments();
    cluster.serve("web", 1).await;
    sleep(Duration::from_secs(5)).await;
    let version = async || {
        let metadata = deployments.get("web").await.unwrap().metadata;
        (
            metadata.generation.unwrap(),
            metadata.resource_version.unwrap(),
        )
    };
    let (generation, before) = version().await;
    let parameters = PatchParams::default();
    let same = Patch::Merge(json!({ "spec": { "replicas": 1 } }));
    deployments.patch("web", &parameters, &same).await.unwrap();
    assert_eq!(version().await, (generation, before.clone()));
    let label = Patch::Merge(json!({ "metadata": { "labels": { "x": "y" } } }));
    deployments.patch("web", &parameters, &label).await.unwrap();
    let (same, after) = version().await;
    assert_eq!(same, generation);
    assert_ne!(after, before);
    cluster.scale("web", 2).await;
    assert_eq!(version().await.0, generation + 1);
    assert_eq!(
        deployments
            .get_scale("web")
            .await
            .unwrap()
            .spec
            .unwrap()
            .replicas,
        Some(2)
    );
}

#[tokio::test(start_paused = true)]
async fn an_apply_prunes_and_a_strategic_merge_keeps_the_rest() {
    let cluster = Cluster::new(config());
    let deployments = cluster.deployments();
    let apply = PatchParams::apply("tester");
    let mut wanted = serde_json::to_value(deployment("web", 1)).unwrap();
    wanted["apiVersion"] = json!("apps/v1");
    wanted["kind"] = json!("Deployment");
    wanted["metadata"]["annotations"] = json!({ "gone": "soon" });
    deployments
        .patch("web", &apply, &Patch::Apply(&wanted))
        .await
        .unwrap();
    wanted["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("annotations");
    let applied = deployments
        .patch("web", &apply, &Patch::Apply(&wanted))
        .await
        .unwrap();
    assert_eq!(applied.metadata.annotations, None);

    let image = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "web", "image": "web:2" },
    ] } } } });
    let patched = deployments
        .patch("web", &PatchParams::default(), &Patch::Strategic(image))
        .await
        .unwrap();
    let container = &patched.spec.template.spec.unwrap().containers[0];
    assert_eq!(container.image.as_deref(), Some("web:2"));
    assert!(container.ports.is_some(), "the rest of the container stays");
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_and_by_selector() {
    let cluster = Cluster::new(config());
    cluster.serve("web", 25).await;
    cluster.serve("db", 5).await;
    sleep(Duration::from_secs(5)).await;
    let mut parameters = ListParams::default().labels("app=web").limit(10);
    let mut names = BTreeSet::new();
    let mut pages = 0;
    loop {
        let page = cluster.pods().list(&parameters).await.unwrap();
        pages += 1;
        names.extend(page.items.into_iter().map(|it| it.metadata.name.unwrap()));
        match page.metadata.continue_ {
            Some(token) => parameters.continue_token = Some(token),
            None => break,
        }
    }
    assert_eq!((pages, names.len()), (3, 25));
    let running = ListParams::default().fields("status.phase=Running,spec.nodeName=node-1");
    let on_first = cluster.pods().list(&running).await.unwrap();
    assert!(on_first.items.len() >= 7, "30 pods are spread over 4 nodes");
    let metadata = cluster
        .pods()
        .list_metadata(&ListParams::default())
        .await
        .unwrap();
    let _: &PartialObjectMeta<Pod> = &metadata.items[0];
    assert_eq!(metadata.items.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn nodes_have_zones_in_turn() {
    let cluster = Cluster::new(config());
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let zones = nodes.list(&ListParams::default()).await.unwrap();
    let zones: Vec<String> = zones
        .items
        .into_iter()
        .map(|it| it.metadata.labels.unwrap()["topology.kubernetes.io/zone"].clone())
        .collect();
    assert_eq!(zones, ["zone-1", "zone-2", "zone-1", "zone-2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_owned_goes_with_its_owner_and_all_goes_with_the_namespace() {
    let cluster = Cluster::new(config());
    let count = async || {
        let pods = cluster.pods().list(&ListParams::default()).await.unwrap();
        let slices = cluster.slices().list(&ListParams::default()).await.unwrap();
        (pods.items.len(), slices.items.len())
    };
    cluster.serve("web", 5).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(count().await, (5, 2));
    let delete = DeleteParams::default();
    cluster.deployments().delete("web", &delete).await.unwrap();
    cluster.services().delete("web", &delete).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        count().await,
        (0, 1),
        "only the slice of `kubernetes` is left"
    );

    cluster.serve("web", 5).await;
    sleep(Duration::from_secs(5)).await;
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    namespaces.delete("default", &delete).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(count().await, (0, 0));
    assert!(namespaces.get_opt("default").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn pods_of_another_scheduler_and_slices_without_a_selector_are_left_to_their_makers() {
    let cluster = Cluster::new(config());
    let pod = json!({
        "metadata": { "name": "own", "labels": { "app": "own" } },
        "spec": {
            "schedulerName": "nobody",
            "containers": [{ "name": "fake", "image": "fake" }],
        },
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let params = PostParams::default();
    cluster.pods().create(&params, &pod).await.unwrap();
    let service = json!({
        "metadata": { "name": "own" },
        "spec": { "ports": [{ "name": "http", "port": 80 }] },
    });
    let service: Service = serde_json::from_value(service).unwrap();
    cluster.services().create(&params, &service).await.unwrap();
    let slice = json!({
        "metadata": { "name": "own-1", "labels": { "kubernetes.io/service-name": "own" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["240.0.0.1"] }],
    });
    let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
    let made = cluster.slices().create(&params, &slice).await.unwrap();
    sleep(Duration::from_secs(60)).await;

    let pod = cluster.pods().get("own").await.unwrap();
    assert_eq!(pod.spec.unwrap().node_name, None);
    assert_eq!(pod.status.unwrap().pod_ip, None);
    assert_eq!(cluster.slices().get("own-1").await.unwrap(), made);
    let slices = cluster.slices().list(&ListParams::default()).await.unwrap();
    assert_eq!(slices.items.len(), 2, "and that of `kubernetes`");

    let delete = DeleteParams::default();
    cluster.pods().delete("own", &delete).await.unwrap();
    assert!(cluster.pods().get_opt("own").await.unwrap().is_none());
    cluster.services().delete("own", &delete).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.slices().get("own-1").await.unwrap(), made);
}

#[tokio::test(start_paused = true)]
async fn an_orphaned_pod_stays() {
    let cluster = Cluster::new(config());
    cluster.serve("web", 2).await;
    sleep(Duration::from_secs(5)).await;
    let delete = DeleteParams {
        propagation_policy: Some(kube::api::PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    cluster.deployments().delete("web", &delete).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let pods = cluster.pods().list(&ListParams::default()).await.unwrap();
    assert_eq!(pods.items.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_collection_are_deleted_and_replaced() {
    let cluster = Cluster::new(config());
    cluster.serve("web", 5).await;
    sleep(Duration::from_secs(5)).await;
    let uids = async || -> BTreeSet<String> {
        let pods = cluster.pods().list(&ListParams::default()).await.unwrap();
        pods.items
            .into_iter()
            .map(|it| it.metadata.uid.unwrap())
            .collect()
    };
    let before = uids().await;
    let selected = ListParams::default().labels("app=web");
    let pods = cluster.pods();
    pods.delete_collection(&DeleteParams::default(), &selected)
        .await
        .unwrap();
    sleep(Duration::from_secs(5)).await;
    let after = uids().await;
    assert_eq!(after.len(), 5);
    assert!(before.is_disjoint(&after));
    let events = pods.watch(&Default::default(), "0").await.unwrap();
    let first: Vec<_> = events.boxed().take(5).try_collect().await.unwrap();
    assert_eq!(first.len(), 5);
}
