//! Feeds the directory from a Kubernetes API, for the whole cluster: the first list, what changes,
//! and the difference when it must list again.
//!
//! Reconnects go by a backoff without jitter: kube's own jitters without a seed.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc, time::Duration};

use dst_load_transport::backoff::{Backoff, Delays};
use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _, utils,
        watcher::{self, Event, watcher},
    },
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::{Shared, directory::Directory, objects::ObjectName, publisher::Change};

/// The delays between attempts.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(12_800));
/// Failures in a row from which on they are warnings.
const TOLD_AFTER: u32 = 4;

/// The watch of one kind, and what its events mean for a directory.
struct Feed<K> {
    apply: fn(&mut Directory, &K) -> Vec<Change>,
    delete: fn(&mut Directory, &ObjectName) -> Vec<Change>,
    known: fn(&Directory) -> Vec<ObjectName>,
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    /// What the list that is under way has held so far.
    listed: BTreeSet<ObjectName>,
    synced: bool,
    retry: Retry,
}

/// The delays since something was last read. Only this resets them, because the watcher announces
/// each attempt as an event, which would reset them too.
#[derive(Clone)]
struct Retry(Arc<Mutex<Failures>>);

struct Failures {
    /// In a row.
    count: u32,
    delays: Delays,
}

/// Feeds the directory of a linked cluster, or of this one, until the destination stops.
pub(super) async fn drive(shared: Arc<Shared>, cluster: Option<String>, kube: kube::Client) {
    let cluster = cluster.as_deref();
    let mut synced = false;
    let mut pods = Feed::<core::Pod>::new(
        &kube,
        |directory, pod| directory.apply_pod(pod.into()),
        Directory::delete_pod,
        |directory| directory.pods.keys().cloned().collect(),
    );
    let mut nodes = Feed::<core::Node>::new(
        &kube,
        |directory, node| directory.apply_node(node.into()),
        Directory::delete_node,
        |directory| directory.nodes.keys().cloned().collect(),
    );
    let mut services = Feed::<core::Service>::new(
        &kube,
        |directory, service| directory.apply_service(service.into()),
        Directory::delete_service,
        |directory| directory.services.keys().cloned().collect(),
    );
    let mut slices = Feed::<discovery::EndpointSlice>::new(
        &kube,
        |directory, slice| directory.apply_slice(slice.into()),
        Directory::delete_slice,
        |directory| directory.slices.keys().cloned().collect(),
    );
    loop {
        // Pods before slices, so that a Pod and a slice that are both there meet.
        let news = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            Some(event) = pods.events.next() => pods.take(event, cluster, &shared),
            Some(event) = nodes.events.next() => nodes.take(event, cluster, &shared),
            Some(event) = services.events.next() => services.take(event, cluster, &shared),
            Some(event) = slices.events.next() => slices.take(event, cluster, &shared),
            else => return,
        };
        let all = pods.synced && nodes.synced && services.synced && slices.synced;
        if all && !synced {
            synced = true;
            shared.set_synced();
        }
        if news {
            // Streams read between events, as Linkerd's senders do beside its one event loop;
            // otherwise a burst of events would overflow queues that nobody is slow to read.
            tokio::task::yield_now().await;
        }
    }
}

// === impl Feed ===

impl<K> Feed<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    fn new(
        kube: &kube::Client,
        apply: fn(&mut Directory, &K) -> Vec<Change>,
        delete: fn(&mut Directory, &ObjectName) -> Vec<Change>,
        known: fn(&Directory) -> Vec<ObjectName>,
    ) -> Self {
        let events = watcher(Api::<K>::all(kube.clone()), watcher::Config::default());
        let retry = Retry::new();
        Self {
            apply,
            delete,
            known,
            events: events.backoff(retry.clone()).boxed(),
            listed: BTreeSet::new(),
            synced: false,
            retry,
        }
    }

    fn take(
        &mut self,
        event: watcher::Result<Event<K>>,
        cluster: Option<&str>,
        shared: &Shared,
    ) -> bool {
        match event {
            Ok(event) => {
                if !matches!(event, Event::Init) {
                    self.retry.succeeded();
                }
                let mut hub = shared.hub.lock();
                hub.update(cluster, |directory| self.feed(event, directory))
            }
            Err(error) => {
                let kind = K::kind(&());
                // One that the next try mends is nothing to tell.
                if self.retry.failures() < TOLD_AFTER {
                    tracing::debug!(kind = &*kind, %error, "watch failed, retrying");
                } else {
                    tracing::warn!(kind = &*kind, %error, "watch failed, retrying");
                }
                false
            }
        }
    }

    fn feed(&mut self, event: Event<K>, directory: &mut Directory) -> Vec<Change> {
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.insert(ObjectName::of(&object));
                (self.apply)(directory, &object)
            }
            Event::InitDone => {
                self.synced = true;
                let listed = std::mem::take(&mut self.listed);
                ((self.known)(directory).iter())
                    .filter(|name| !listed.contains(name))
                    .flat_map(|name| (self.delete)(directory, name))
                    .collect()
            }
            Event::Apply(object) => (self.apply)(directory, &object),
            Event::Delete(object) => (self.delete)(directory, &ObjectName::of(&object)),
        }
    }
}

// === impl Retry ===

impl Retry {
    fn new() -> Self {
        let delays = BACKOFF.fixed();
        Self(Arc::new(Mutex::new(Failures { count: 0, delays })))
    }

    fn failures(&self) -> u32 {
        self.0.lock().count
    }

    fn succeeded(&self) {
        let mut failures = self.0.lock();
        failures.count = 0;
        failures.delays.reset();
    }
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let mut failures = self.0.lock();
        failures.count = failures.count.saturating_add(1);
        Some(failures.delays.next_delay())
    }
}

impl utils::Backoff for Retry {
    fn reset(&mut self) {}
}
