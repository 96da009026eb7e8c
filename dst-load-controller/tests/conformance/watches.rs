//! Watches: where they start, what they are told, and how they end.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt, TryStreamExt, future::join};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Pod, Service},
};
use kube::{
    Api,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, VersionMatch,
        WatchEvent, WatchParams,
    },
    core::{GroupVersionKind, Request},
    runtime::{
        WatchStreamExt, reflector,
        watcher::{self, Event},
    },
};
use serde_json::json;

use crate::world::{World, refusal, service};

in_every_world![
    a_watch_resumes_where_it_was,
    a_watch_from_any_version_starts_with_what_stands,
    a_watch_from_a_version_of_the_future_waits_for_it,
    a_version_that_is_none_is_refused,
    a_watch_from_before_what_is_remembered_is_told_so,
    a_watch_is_told_where_it_stands_before_it_ends,
    an_object_enters_and_leaves_a_selection,
    a_deletion_has_a_version_of_its_own,
    a_streamed_list_ends_with_its_mark,
    a_watcher_sees_a_deployment_become_endpoints,
    metadata_alone_can_be_watched,
    an_empty_list_of_metadata_is_null,
];

/// Of a kind that Kubernetes itself makes none of in a new namespace.
fn lease(name: &str) -> serde_json::Value {
    json!({ "metadata": { "name": name } })
}

/// Where the namespace stands.
async fn version(world: &World) -> String {
    let listed = world.api::<Lease>().list(&ListParams::default()).await;
    listed.unwrap().metadata.resource_version.unwrap()
}

fn brief() -> WatchParams {
    WatchParams::default().timeout(5)
}

async fn a_watch_resumes_where_it_was(world: &World) {
    let first: Lease = world.create(lease("a")).await;
    world.create::<Lease>(lease("b")).await;
    let data = Patch::Merge(json!({ "metadata": { "annotations": { "a": "b" } } }));
    let leases = world.api::<Lease>();
    leases
        .patch("a", &PatchParams::default(), &data)
        .await
        .unwrap();
    let from = first.metadata.resource_version.clone().unwrap();
    let events = leases.watch(&brief(), &from).await.unwrap().boxed();
    let events: Vec<_> = events.take(2).try_collect().await.unwrap();
    let [WatchEvent::Added(b), WatchEvent::Modified(a)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(b.metadata.name.as_deref(), Some("b"));
    assert_eq!(a.metadata.name.as_deref(), Some("a"));
    let number = |lease: &Lease| -> u64 {
        let version = lease.metadata.resource_version.as_ref();
        version.unwrap().parse().unwrap()
    };
    assert!(number(&first) < number(b) && number(b) < number(a));
}

async fn a_watch_from_any_version_starts_with_what_stands(world: &World) {
    for name in ["a", "b"] {
        world.create::<Service>(service(name)).await;
    }
    let services = world.api::<Service>();
    for from in ["0", ""] {
        let mut events = services.watch(&brief(), from).await.unwrap().boxed();
        let mut added = BTreeSet::new();
        // A server may be a little behind, and say where it stands in between.
        while added.len() < 2 {
            match events.try_next().await.unwrap().unwrap() {
                WatchEvent::Added(service) => drop(added.insert(service.metadata.name)),
                WatchEvent::Bookmark(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn a_watch_from_a_version_of_the_future_waits_for_it(world: &World) {
    let from: u64 = version(world).await.parse().unwrap();
    let leases = world.api::<Lease>();
    let from = (from + 1_000_000).to_string();
    let watch = WatchParams::default().timeout(2).disable_bookmarks();
    let events = leases.watch(&watch, &from).await.unwrap();
    let (events, _) = join(
        events.try_collect::<Vec<_>>(),
        world.create::<Lease>(lease("a")),
    )
    .await;
    assert_eq!(events.unwrap().len(), 0);
}

async fn a_version_that_is_none_is_refused(world: &World) {
    let watch = world.api::<Lease>().watch(&brief(), "abc").await;
    let status = refusal(watch.map(|_| ()));
    assert!([400, 500].contains(&status.code), "{}", status.code);
    let words = "resourceVersion: Invalid value: \"abc\"";
    assert!(status.message.starts_with(words), "{}", status.message);
}

/// Nobody has ever written one, so nothing is remembered from before there could be any.
async fn a_watch_from_before_what_is_remembered_is_told_so(world: &World) {
    let kind = GroupVersionKind::gvk("linkerd.io", "v1alpha2", "ServiceProfile");
    let resource = ApiResource::from_gvk(&kind);
    let profiles: Api<DynamicObject> =
        Api::namespaced_with(world.kube.clone(), &world.namespace, &resource);
    let events = profiles.watch(&brief(), "1").await.unwrap();
    let event = events.boxed().try_next().await.unwrap().unwrap();
    let WatchEvent::Error(status) = event else {
        panic!("{event:?}");
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    let words = "too old resource version: 1 (";
    assert!(status.message.starts_with(words), "{}", status.message);
}

/// Else it would resume from where it started, which may be forgotten by then.
async fn a_watch_is_told_where_it_stands_before_it_ends(world: &World) {
    let from = version(world).await;
    let leases = world.api::<Lease>();
    let events = leases.watch(&brief(), &from).await.unwrap();
    let services = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.create::<Service>(service("web")).await
    };
    let (events, service) = join(events.try_collect::<Vec<_>>(), services).await;
    let events = events.unwrap();
    let Some(WatchEvent::Bookmark(mark)) = events.last() else {
        panic!("{events:?}");
    };
    let number = |it: &str| it.parse::<u64>().unwrap();
    let known = number(&mark.metadata.resource_version);
    assert!(known > number(&from), "{known}");
    drop(service);
}

async fn an_object_enters_and_leaves_a_selection(world: &World) {
    world.create::<Lease>(lease("a")).await;
    let leases = world.api::<Lease>();
    let parameters = brief().labels("tier=front");
    let from = version(world).await;
    let events = leases.watch(&parameters, &from).await.unwrap();
    for tier in ["front", "front-end", "front"] {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "tier": tier } } }));
        leases
            .patch("a", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    leases.delete("a", &DeleteParams::default()).await.unwrap();
    let events = events.boxed().take(4);
    let events: Vec<_> = events.try_collect().await.unwrap();
    use WatchEvent::{Added, Deleted};
    assert!(
        matches!(&events[..], [Added(_), Deleted(_), Added(_), Deleted(_)]),
        "{events:?}"
    );
    let Deleted(left) = &events[1] else { return };
    let tier = &left.metadata.labels.as_ref().unwrap()["tier"];
    assert_eq!(
        tier, "front",
        "what leaves is shown as it was last selected"
    );
}

async fn a_deletion_has_a_version_of_its_own(world: &World) {
    let created: Lease = world.create(lease("a")).await;
    let leases = world.api::<Lease>();
    leases.delete("a", &DeleteParams::default()).await.unwrap();
    let from = created.metadata.resource_version.unwrap();
    let events = leases.watch(&brief(), &from).await.unwrap();
    let event = events.boxed().try_next().await.unwrap().unwrap();
    let WatchEvent::Deleted(deleted) = event else {
        panic!("{event:?}");
    };
    let version = deleted.metadata.resource_version.unwrap();
    assert!(version.parse::<u64>().unwrap() > from.parse().unwrap());
    assert_eq!(deleted.metadata.uid, created.metadata.uid);
}

async fn a_streamed_list_ends_with_its_mark(world: &World) {
    for name in ["a", "b", "c"] {
        world.create::<Service>(service(name)).await;
    }
    // The list is of any version that the server has, and a server may be a little behind: it
    // answers this once it is not.
    let services = world.api::<Service>();
    let now = services.list(&ListParams::default()).await.unwrap();
    let now = now.metadata.resource_version.unwrap();
    let not_older = ListParams::default().at(&now);
    let not_older = not_older.matching(VersionMatch::NotOlderThan);
    services.list(&not_older).await.unwrap();
    let (reader, writer) = reflector::store();
    let config = watcher::Config::default().streaming_lists();
    let services = watcher::watcher(world.api::<Service>(), config).reflect(writer);
    let mut services = Box::pin(services);
    while !matches!(services.next().await.unwrap().unwrap(), Event::InitDone) {}
    assert_eq!(reader.state().len(), 3);
}

async fn a_watcher_sees_a_deployment_become_endpoints(world: &World) {
    let config = watcher::Config::default().labels("kubernetes.io/service-name=web");
    let mut slices = Box::pin(watcher::watcher(world.api(), config));
    let follow = async {
        // Ready endpoints, each time that the slice is written.
        let mut seen = Vec::new();
        while seen.last() != Some(&5) {
            let event = slices.next().await.unwrap().unwrap();
            let (Event::Apply(slice) | Event::InitApply(slice)) = event else {
                continue;
            };
            let slice: k8s_openapi::api::discovery::v1::EndpointSlice = slice;
            let endpoints = slice.endpoints.iter().flatten();
            seen.push(endpoints.filter(|it| crate::world::is_ready(it)).count());
        }
        seen
    };
    let (seen, ()) = join(follow, world.serve("web", 5)).await;
    assert!(seen.is_sorted(), "{seen:?}");
}

async fn metadata_alone_can_be_watched(world: &World) {
    let leases = world.api::<Lease>();
    let from = version(world).await;
    world.create::<Lease>(lease("a")).await;
    let events = leases.watch_metadata(&brief(), &from).await.unwrap();
    let event = events.boxed().try_next().await.unwrap().unwrap();
    let WatchEvent::Added(seen) = event else {
        panic!("{event:?}");
    };
    assert_eq!(seen.metadata.name.as_deref(), Some("a"));
    let types = seen.types.unwrap();
    assert_eq!(types.kind, "PartialObjectMetadata");
    let pods = world
        .api::<Pod>()
        .list_metadata(&ListParams::default())
        .await;
    assert_eq!(pods.unwrap().items.len(), 0);
}

async fn an_empty_list_of_metadata_is_null(world: &World) {
    let pods = world.api::<Pod>();
    let list = Request::new(pods.resource_url()).list_metadata(&ListParams::default());
    let text = pods.into_client().request_text(list.unwrap()).await;
    let answer: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    assert_eq!(answer["kind"], "PartialObjectMetadataList");
    let items = answer.as_object().unwrap().get("items");
    assert_eq!(items, Some(&serde_json::Value::Null));
}
