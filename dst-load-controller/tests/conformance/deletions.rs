//! What goes with what, and in which order.

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{ConfigMap, Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams, PropagationPolicy},
};
use serde_json::json;

use crate::world::{World, object};

in_every_world![
    by_default_an_owner_goes_before_what_it_owns,
    in_the_foreground_an_owner_goes_after_what_it_owns,
    a_collection_in_the_foreground_goes_after_what_it_owns,
    an_orphan_stays,
    slices_go_with_their_service,
    a_collection_is_deleted_by_label,
    pods_that_are_deleted_are_replaced,
    a_pod_is_told_to_stop_and_by_force_gone_at_once,
    a_namespace_goes_with_all_that_is_in_it,
];

async fn by_default_an_owner_goes_before_what_it_owns(world: &World) {
    world.serve("web", 3).await;
    world.ready("web", 3).await;
    let deployments = world.api::<Deployment>();
    let deleted = deployments.delete("web", &DeleteParams::default()).await;
    assert!(deleted.unwrap().is_right(), "it answers with a status");
    assert!(deployments.get_opt("web").await.unwrap().is_none());
    world.nothing_left::<ReplicaSet>().await;
    world.nothing_left::<Pod>().await;
    world.ready("web", 0).await;
}

/// Waits until the Deployment is gone; nothing that it owned may then be left.
async fn goes_last(world: &World) {
    let deployments = world.api::<Deployment>();
    let ending = deployments.get("web").await.unwrap().metadata;
    assert!(ending.deletion_timestamp.is_some());
    assert_eq!(ending.finalizers.unwrap(), ["foregroundDeletion"]);
    world
        .eventually("the Deployment to be gone", async || {
            let found = deployments.get_opt("web").await.unwrap();
            found.is_none().then_some(())
        })
        .await;
    let every = ListParams::default();
    let sets = world.api::<ReplicaSet>().list(&every).await.unwrap();
    assert_eq!(sets.items.len(), 0);
    assert_eq!(
        world.api::<Pod>().list(&every).await.unwrap().items.len(),
        0
    );
}

async fn in_the_foreground_an_owner_goes_after_what_it_owns(world: &World) {
    world.serve("web", 30).await;
    world.ready("web", 30).await;
    let deployments = world.api::<Deployment>();
    let deleted = deployments.delete("web", &DeleteParams::foreground()).await;
    assert!(
        deleted.unwrap().is_left(),
        "it answers with what still is there"
    );
    goes_last(world).await;
    world.ready("web", 0).await;
}

async fn a_collection_in_the_foreground_goes_after_what_it_owns(world: &World) {
    world.serve("web", 30).await;
    world.ready("web", 30).await;
    let labelled = ListParams::default().labels("app=web");
    let foreground = DeleteParams::foreground();
    let deployments = world.api::<Deployment>();
    deployments
        .delete_collection(&foreground, &labelled)
        .await
        .unwrap();
    // To ask again, as a cleanup does, changes nothing.
    deployments
        .delete_collection(&foreground, &labelled)
        .await
        .unwrap();
    goes_last(world).await;
}

async fn an_orphan_stays(world: &World) {
    world.serve("web", 2).await;
    world.ready("web", 2).await;
    let delete = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    let deployments = world.api::<Deployment>();
    deployments.delete("web", &delete).await.unwrap();
    world
        .eventually("the Deployment to be gone", async || {
            let found = deployments.get_opt("web").await.unwrap();
            found.is_none().then_some(())
        })
        .await;
    let sets = world.api::<ReplicaSet>();
    let set = sets
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .remove(0);
    assert_eq!(set.metadata.owner_references.unwrap_or_default().len(), 0);
    world.ready("web", 2).await;
}

async fn slices_go_with_their_service(world: &World) {
    world.serve("web", 2).await;
    world.ready("web", 2).await;
    let services = world.api::<Service>();
    services
        .delete("web", &DeleteParams::default())
        .await
        .unwrap();
    world.nothing_left::<EndpointSlice>().await;
    let pods = world.api::<Pod>().list(&ListParams::default()).await;
    assert_eq!(pods.unwrap().items.len(), 2);
}

async fn a_collection_is_deleted_by_label(world: &World) {
    for (name, tier) in [("a", "front"), ("b", "back"), ("c", "front")] {
        let labels = json!({ "tier": tier });
        let map = json!({ "metadata": { "name": name, "labels": labels } });
        world.create::<ConfigMap>(map).await;
    }
    let maps = world.api::<ConfigMap>();
    let front = ListParams::default().labels("tier=front");
    maps.delete_collection(&DeleteParams::default(), &front)
        .await
        .unwrap();
    assert_eq!(maps.list(&front).await.unwrap().items.len(), 0);
    assert!(maps.get_opt("b").await.unwrap().is_some());
    maps.delete_collection(&DeleteParams::default(), &front)
        .await
        .unwrap();
}

async fn pods_that_are_deleted_are_replaced(world: &World) {
    world.serve("web", 3).await;
    let addresses = async || -> Vec<Option<String>> {
        let endpoints = world.ready("web", 3).await.into_iter();
        endpoints.map(|it| it.target_ref.unwrap().uid).collect()
    };
    let before = addresses().await;
    let labelled = ListParams::default().labels("app=web");
    let pods = world.api::<Pod>();
    pods.delete_collection(&DeleteParams::default(), &labelled)
        .await
        .unwrap();
    world
        .eventually("other pods", async || {
            let after = addresses().await;
            after.iter().all(|it| !before.contains(it)).then_some(())
        })
        .await;
}

async fn a_pod_is_told_to_stop_and_by_force_gone_at_once(world: &World) {
    let pods = world.api::<Pod>();
    world.unattended("a", "web").await;
    let told = pods.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(told.left().unwrap().metadata.deletion_timestamp.is_some());
    let again = pods.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(again.is_left(), "once is enough");
    assert!(pods.get_opt("a").await.unwrap().is_some());
    let force = DeleteParams::default().grace_period(0);
    pods.delete("a", &force).await.unwrap();
    assert!(pods.get_opt("a").await.unwrap().is_none());
}

async fn a_namespace_goes_with_all_that_is_in_it(world: &World) {
    let name = format!("{}-more", world.namespace);
    let namespaces: Api<Namespace> = Api::all(world.kube.clone());
    let posted = PostParams::default();
    let namespace = object(json!({ "metadata": { "name": name } }));
    namespaces.create(&posted, &namespace).await.unwrap();
    let more = World {
        kube: world.kube.clone(),
        namespace: name.clone(),
    };
    more.serve("web", 2).await;
    more.ready("web", 2).await;
    // It keeps the namespace waiting until it is let go.
    more.unattended("a", "other").await;
    let delete = DeleteParams::default();
    let ending = namespaces.delete(&name, &delete).await.unwrap();
    let phase = ending.left().unwrap().status.unwrap().phase;
    assert_eq!(phase.as_deref(), Some("Terminating"));
    let maps = more.api::<ConfigMap>();
    let map = object(json!({ "metadata": { "generateName": "a-" } }));
    let status = more
        .eventually("a refusal", async || {
            match maps.create(&posted, &map).await {
                Err(kube::Error::Api(status)) => Some(status),
                _ => None,
            }
        })
        .await;
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    let words = "because it is being terminated";
    assert!(status.message.ends_with(words), "{}", status.message);
    more.eventually("the other pods to be gone", async || {
        let pods = more.api::<Pod>().list(&ListParams::default()).await;
        (pods.unwrap().items.len() == 1).then_some(())
    })
    .await;
    let deployments = more.api::<Deployment>();
    let found = deployments.get_opt("web").await.unwrap();
    assert!(found.is_some(), "pods go first, and are waited for");
    let force = DeleteParams::default().grace_period(0);
    more.api::<Pod>().delete("a", &force).await.unwrap();
    more.eventually("the namespace to be gone", async || {
        let found = namespaces.get_opt(&name).await.unwrap();
        found.is_none().then_some(())
    })
    .await;
    more.nothing_left::<EndpointSlice>().await;
    let nodes: Api<Node> = Api::all(world.kube.clone());
    nodes.delete(&name, &delete).await.unwrap();
}
