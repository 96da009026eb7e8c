//! The four kinds of patch, and the `scale` of a Deployment.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Service},
};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{World, deployment, refusal, service};

in_every_world![
    a_merge_removes_what_is_null_and_replaces_lists,
    a_strategic_merge_keeps_the_rest_of_a_list,
    a_json_patch_is_all_or_nothing,
    an_apply_creates_and_takes_back_what_it_no_longer_says,
    an_apply_leaves_to_others_what_is_theirs,
    a_scale_is_a_part_of_its_deployment,
];

async fn a_merge_removes_what_is_null_and_replaces_lists(world: &World) {
    let map = json!({ "metadata": { "name": "a" }, "data": { "a": "1", "b": "1" } });
    world.create::<ConfigMap>(map).await;
    let patch = Patch::Merge(json!({ "data": { "a": null, "c": "1" } }));
    let maps = world.api::<ConfigMap>();
    let patched = maps
        .patch("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    let data: Vec<String> = patched.data.unwrap().into_keys().collect();
    assert_eq!(data, ["b", "c"]);
    world.create::<Service>(service("web")).await;
    let ports = Patch::Merge(json!({ "spec": { "ports": [{ "port": 81 }] } }));
    let services = world.api::<Service>();
    let patched = services.patch("web", &PatchParams::default(), &ports).await;
    let ports = patched.unwrap().spec.unwrap().ports.unwrap();
    assert_eq!(ports.len(), 1);
    assert_eq!((ports[0].port, &ports[0].name), (81, &None));
}

async fn a_strategic_merge_keeps_the_rest_of_a_list(world: &World) {
    world.create::<Deployment>(deployment("web", 0)).await;
    let image = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "web", "image": "web:2" }, { "name": "other", "image": "other:1" },
    ] } } } });
    let deployments = world.api::<Deployment>();
    let parameters = PatchParams::default();
    let patched = deployments
        .patch("web", &parameters, &Patch::Strategic(image))
        .await;
    let containers = patched.unwrap().spec.template.spec.unwrap().containers;
    assert_eq!(containers.len(), 2);
    let web = containers.iter().find(|it| it.name == "web").unwrap();
    assert_eq!(web.image.as_deref(), Some("web:2"));
    assert!(web.ports.is_some(), "the rest of the container stays");
    let delete = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "other", "$patch": "delete" },
    ] } } } });
    let patched = deployments
        .patch("web", &parameters, &Patch::Strategic(delete))
        .await;
    let containers = patched.unwrap().spec.template.spec.unwrap().containers;
    assert_eq!(containers.len(), 1);
}

async fn a_json_patch_is_all_or_nothing(world: &World) {
    let map = json!({ "metadata": { "name": "a" }, "data": { "a": "1" } });
    world.create::<ConfigMap>(map).await;
    let maps = world.api::<ConfigMap>();
    let patch = async |operations: Value| {
        let patch: Patch<()> = Patch::Json(serde_json::from_value(operations).unwrap());
        maps.patch("a", &PatchParams::default(), &patch).await
    };
    let patched = patch(json!([
        { "op": "test", "path": "/data/a", "value": "1" },
        { "op": "replace", "path": "/data/a", "value": "2" },
        { "op": "add", "path": "/data/b", "value": "1" },
    ]));
    let data = patched.await.unwrap().data.unwrap();
    assert_eq!((data["a"].as_str(), data["b"].as_str()), ("2", "1"));
    let failed = patch(json!([
        { "op": "replace", "path": "/data/a", "value": "3" },
        { "op": "test", "path": "/data/b", "value": "2" },
    ]));
    let status = refusal(failed.await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let words = "the server rejected our request due to an error in our request";
    assert!(status.message.starts_with(words), "{}", status.message);
    assert_eq!(maps.get("a").await.unwrap().data.unwrap()["a"], "2");
}

async fn an_apply_creates_and_takes_back_what_it_no_longer_says(world: &World) {
    let deployments = world.api::<Deployment>();
    let apply = PatchParams::apply("tester");
    let mut wanted = deployment("web", 0);
    wanted["apiVersion"] = json!("apps/v1");
    wanted["kind"] = json!("Deployment");
    wanted["metadata"]["annotations"] = json!({ "gone": "soon" });
    let created = deployments
        .patch("web", &apply, &Patch::Apply(&wanted))
        .await
        .unwrap();
    assert_eq!(created.metadata.generation, Some(1));
    wanted["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("annotations");
    let applied = deployments
        .patch("web", &apply, &Patch::Apply(&wanted))
        .await
        .unwrap();
    let annotations = applied.metadata.annotations.unwrap_or_default();
    assert!(!annotations.contains_key("gone"), "{annotations:?}");
    assert_eq!(applied.metadata.uid, created.metadata.uid);
}

async fn an_apply_leaves_to_others_what_is_theirs(world: &World) {
    world.create::<Service>(service("web")).await;
    let services = world.api::<Service>();
    let label = Patch::Merge(json!({ "metadata": { "labels": { "theirs": "1" } } }));
    services
        .patch("web", &PatchParams::default(), &label)
        .await
        .unwrap();
    let apply = PatchParams::apply("tester").force();
    let ours = |labels: Value| {
        Patch::Apply(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "web", "labels": labels },
        }))
    };
    let first = ours(json!({ "ours": "1", "old": "1" }));
    services.patch("web", &apply, &first).await.unwrap();
    let then = ours(json!({ "ours": "1" }));
    let applied = services.patch("web", &apply, &then).await.unwrap();
    let labels: Vec<String> = applied.metadata.labels.unwrap().into_keys().collect();
    assert_eq!(labels, ["ours", "theirs"]);
    assert!(applied.spec.unwrap().selector.is_some());
}

async fn a_scale_is_a_part_of_its_deployment(world: &World) {
    world.create::<Deployment>(deployment("web", 0)).await;
    let deployments = world.api::<Deployment>();
    let parameters = PatchParams::default();
    let scale = |replicas: i32| Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    let scaled = deployments
        .patch_scale("web", &parameters, &scale(2))
        .await
        .unwrap();
    let whole = deployments.get("web").await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(2));
    assert_eq!(scaled.metadata.uid, whole.metadata.uid);
    assert_eq!(whole.spec.replicas, Some(2));
    assert_eq!(whole.metadata.generation, Some(2));
    world
        .eventually("two replicas in the scale", async || {
            let status = deployments.get_scale("web").await.unwrap().status?;
            assert_eq!(status.selector.as_deref(), Some("app=web"));
            (status.replicas == 2).then_some(())
        })
        .await;
    let status = refusal(
        deployments
            .patch_scale("web", &parameters, &scale(-1))
            .await,
    );
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let mut stale = deployments.get_scale("web").await.unwrap();
    deployments
        .patch_scale("web", &parameters, &scale(3))
        .await
        .unwrap();
    stale.spec = Some(serde_json::from_value(json!({ "replicas": 9 })).unwrap());
    let parameters = PostParams::default();
    let replaced = deployments.replace_scale("web", &parameters, &stale).await;
    assert_eq!(refusal(replaced).reason, "Conflict");
}
