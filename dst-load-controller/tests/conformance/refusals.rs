//! What is refused, and in which words.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;

use crate::world::{World, deployment, object, refusal, service};

in_every_world![
    what_is_not_there_is_not_found,
    what_is_there_already_is_not_created_again,
    a_write_on_a_stale_copy_is_a_conflict,
    a_deletion_of_another_object_of_the_name_is_a_conflict,
    a_write_for_another_object_of_the_name_is_refused,
    what_is_not_valid_is_refused_with_its_field,
    what_may_not_change_does_not,
    a_version_of_the_future_is_not_listed,
];

async fn what_is_not_there_is_not_found(world: &World) {
    let status = refusal(world.api::<Service>().get("web").await);
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
    assert_eq!(status.message, "services \"web\" not found");
    let parameters = PatchParams::default();
    let patch = Patch::Merge(json!({ "spec": { "replicas": 1 } }));
    let deployments = world.api::<Deployment>();
    let status = refusal(deployments.patch_scale("web", &parameters, &patch).await);
    assert_eq!(status.message, "deployments.apps \"web\" not found");
    let delete = DeleteParams::default();
    let status = refusal(world.api::<EndpointSlice>().delete("web", &delete).await);
    assert_eq!(
        status.message,
        "endpointslices.discovery.k8s.io \"web\" not found"
    );
    let nowhere: Api<ConfigMap> = Api::namespaced(world.kube.clone(), "nowhere");
    let map = object(json!({ "metadata": { "name": "a" } }));
    let status = refusal(nowhere.create(&PostParams::default(), &map).await);
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
    assert_eq!(status.message, "namespaces \"nowhere\" not found");
    let listed = nowhere.list(&ListParams::default()).await.unwrap();
    assert!(listed.items.is_empty(), "to list is not to look for it");
}

async fn what_is_there_already_is_not_created_again(world: &World) {
    world.create::<Service>(service("web")).await;
    let services = world.api::<Service>();
    let again = object(service("web"));
    let status = refusal(services.create(&PostParams::default(), &again).await);
    assert_eq!(
        (status.code, status.reason.as_str()),
        (409, "AlreadyExists")
    );
    assert_eq!(status.message, "services \"web\" already exists");
}

async fn a_write_on_a_stale_copy_is_a_conflict(world: &World) {
    let created: Service = world.create(service("web")).await;
    let services = world.api::<Service>();
    let parameters = PatchParams::default();
    let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    services.patch("web", &parameters, &label).await.unwrap();
    let words = "Operation cannot be fulfilled on services \"web\": the object has been modified; \
                 please apply your changes to the latest version and try again";
    let posted = PostParams::default();
    let replaced = services.replace("web", &posted, &created);
    let status = refusal(replaced.await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(status.message, words);
    let version = created.metadata.resource_version;
    let stale = Patch::Merge(json!({ "metadata": {
        "resourceVersion": version, "labels": { "a": "c" },
    } }));
    let status = refusal(services.patch("web", &parameters, &stale).await);
    assert_eq!((status.code, status.message.as_str()), (409, words));
}

async fn a_deletion_of_another_object_of_the_name_is_a_conflict(world: &World) {
    world
        .create::<ConfigMap>(json!({ "metadata": { "name": "a" } }))
        .await;
    let delete = DeleteParams::default().preconditions(Preconditions {
        uid: Some("another".to_owned()),
        resource_version: None,
    });
    let status = refusal(world.api::<ConfigMap>().delete("a", &delete).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let words = "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition \
                 (another) does not match the UID in record (";
    assert!(status.message.starts_with(words), "{}", status.message);
}

/// By its uid, which every kind of write may carry.
async fn a_write_for_another_object_of_the_name_is_refused(world: &World) {
    let mut slice: EndpointSlice = world
        .create(json!({ "metadata": { "name": "a" }, "addressType": "IPv4", "endpoints": [] }))
        .await;
    world.create::<Deployment>(deployment("web", 0)).await;
    let another = "00000000-0000-0000-0000-000000000000";
    slice.metadata.uid = Some(another.to_owned());
    slice.metadata.resource_version = None;
    let slices = world.api::<EndpointSlice>();
    let posted = PostParams::default();
    let status = refusal(slices.replace("a", &posted, &slice).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let scale = Patch::Merge(json!({ "metadata": { "uid": another }, "spec": { "replicas": 1 } }));
    let (deployments, parameters) = (world.api::<Deployment>(), PatchParams::default());
    let scaled = deployments.patch_scale("web", &parameters, &scale);
    let status = refusal(scaled.await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    // To other patches it is an invalid change, or a conflict.
    let label = json!({ "metadata": { "uid": another, "labels": { "a": "b" } } });
    let label = Patch::Merge(&label);
    let status = refusal(deployments.patch("web", &parameters, &label).await);
    assert!(matches!(status.code, 409 | 422), "{status:?}");
    let applied = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "uid": another, "labels": { "a": "b" } },
    });
    let forced = PatchParams::apply("test").force();
    let status = refusal(
        deployments
            .patch("web", &forced, &Patch::Apply(&applied))
            .await,
    );
    assert!(matches!(status.code, 409 | 422), "{status:?}");
    let found = deployments.get("web").await.unwrap();
    assert_eq!(found.spec.replicas, Some(0));
    assert_eq!(
        found.metadata.labels.and_then(|it| it.get("a").cloned()),
        None
    );
}

async fn what_is_not_valid_is_refused_with_its_field(world: &World) {
    let posted = PostParams::default();
    let services = world.api::<Service>();
    let status = refusal(
        services
            .create(&posted, &object(service("Not_A_Name")))
            .await,
    );
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let words = "Service \"Not_A_Name\" is invalid: metadata.name: Invalid value";
    assert!(status.message.starts_with(words), "{}", status.message);
    let mut portless = service("web");
    portless["spec"]["ports"] = json!([]);
    let status = refusal(services.create(&posted, &object(portless)).await);
    let words = "Service \"web\" is invalid: spec.ports: Required value";
    assert_eq!((status.code, status.message.as_str()), (422, words));
    let mut mismatched = deployment("web", 1);
    mismatched["spec"]["template"]["metadata"]["labels"] = json!({ "app": "other" });
    let deployments = world.api::<Deployment>();
    let status = refusal(deployments.create(&posted, &object(mismatched)).await);
    let words = "Deployment.apps \"web\" is invalid: spec.template.metadata.labels: Invalid value";
    assert_eq!(status.code, 422);
    assert!(status.message.starts_with(words), "{}", status.message);
    let mut negative = deployment("web", 0);
    negative["spec"]["replicas"] = json!(-1);
    let status = refusal(deployments.create(&posted, &object(negative)).await);
    let words = "spec.replicas: Invalid value: -1: must be greater than or equal to 0";
    assert!(status.message.ends_with(words), "{}", status.message);
    let versioned = object(json!({ "metadata": { "name": "a", "resourceVersion": "1" } }));
    let status = refusal(world.api::<ConfigMap>().create(&posted, &versioned).await);
    let words = "resourceVersion should not be set on objects to be created";
    assert_eq!(status.message, words);
}

async fn what_may_not_change_does_not(world: &World) {
    world.serve("web", 0).await;
    let slice = json!({ "metadata": { "name": "own" }, "addressType": "IPv4", "endpoints": [] });
    world.create::<EndpointSlice>(slice).await;
    let parameters = PatchParams::default();
    let address =
        Patch::Merge(json!({ "spec": { "clusterIP": "10.1.2.3", "clusterIPs": ["10.1.2.3"] } }));
    let status = refusal(
        world
            .api::<Service>()
            .patch("web", &parameters, &address)
            .await,
    );
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let family = Patch::Merge(json!({ "addressType": "IPv6" }));
    let slices = world.api::<EndpointSlice>();
    let status = refusal(slices.patch("own", &parameters, &family).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let selector = Patch::Merge(json!({ "spec": { "selector": { "matchLabels": { "b": "c" } } } }));
    let deployments = world.api::<Deployment>();
    let status = refusal(deployments.patch("web", &parameters, &selector).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
}

async fn a_version_of_the_future_is_not_listed(world: &World) {
    let listed = world
        .api::<Pod>()
        .list(&ListParams::default())
        .await
        .unwrap();
    let version: u64 = listed.metadata.resource_version.unwrap().parse().unwrap();
    let future = ListParams::default().at(&(version + 1_000_000).to_string());
    let status = refusal(world.api::<Pod>().list(&future).await);
    assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
    let words = "Timeout: Too large resource version: ";
    assert!(status.message.starts_with(words), "{}", status.message);
    let retry = status
        .details
        .and_then(|it| it.retry_after_seconds.checked_sub(1));
    assert_eq!(retry, Some(0), "it says when to try again");
}
