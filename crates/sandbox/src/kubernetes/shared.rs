//! The store behind its lock, the clock, and who is woken by a write.

use std::sync::Arc;

use dst_load_scenario::time::At;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Config, faults::Faults, object::timestamp, resources::Resource, store::Store, write::Write,
};

/// What the API and the controllers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) faults: Faults,
    pub(crate) cancel: CancellationToken,
    store: Mutex<Store>,
    start: Instant,
    /// Wakes the watches of a resource.
    written: Vec<Arc<Notify>>,
    /// Wakes the controllers.
    work: Notify,
}

// === impl Shared ===

impl Shared {
    /// A cluster with its Nodes, its namespaces and the `kubernetes` Service.
    pub(crate) fn new(config: Config, cancel: CancellationToken) -> Self {
        let mut store = Store::new(config.seed);
        seed_objects(&mut store, &config);
        // As a server's memory of events begins when it starts.
        store.compact();
        Self {
            faults: Faults::new(config.seed, &config.faults),
            config,
            cancel,
            store: Mutex::new(store),
            start: Instant::now(),
            written: Resource::all().map(|_| Arc::default()).collect(),
            work: Notify::new(),
        }
    }

    /// The time since the cluster started.
    pub(crate) fn now(&self) -> At {
        At::from(self.start.elapsed())
    }

    /// The instant at which that time is `at`.
    pub(crate) fn instant(&self, at: At) -> Instant {
        self.start + at.since_start()
    }

    /// Reads or writes the store, and wakes whom a write concerns.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        let (result, touched) = {
            let mut store = self.store.lock();
            let result = act(&mut store);
            (result, store.take_touched())
        };
        for resource in &touched {
            self.written[resource.index()].notify_waiters();
        }
        if !touched.is_empty() {
            self.work.notify_one();
        }
        result
    }

    /// Woken by every write of a resource.
    pub(crate) fn written(&self, resource: Resource) -> Arc<Notify> {
        self.written[resource.index()].clone()
    }

    /// Waits for a write since this last returned.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }
}

/// What a cluster holds when it starts.
fn seed_objects(store: &mut Store, config: &Config) {
    let write = Write {
        at: At::ZERO,
        dry_run: false,
    };
    let mut make = |resource, namespace, object| {
        write
            .create(store, resource, namespace, object)
            .expect("invariant: the first objects are valid and differ in name");
    };
    for name in ["default", "kube-system"] {
        let namespace = json!({ "metadata": { "name": name } });
        make(Resource::Namespaces, None, namespace);
    }
    let mut objects: Value = serde_saphyr::from_str(include_str!("cluster.yaml"))
        .expect("invariant: the file is part of this program, and valid");
    for number in 1..=config.nodes {
        let name = json!(format!("node-{number}"));
        let zone = format!("zone-{}", (number - 1) % config.zones.max(1) + 1);
        let mut node = objects["node"].clone();
        let (metadata, since) = (&mut node["metadata"], json!(timestamp(At::ZERO)));
        metadata["labels"]["topology.kubernetes.io/zone"] = json!(zone);
        metadata["labels"]["kubernetes.io/hostname"] = name.clone();
        metadata["name"] = name.clone();
        let ready = &mut node["status"]["conditions"][0];
        ready["lastTransitionTime"] = since.clone();
        ready["lastHeartbeatTime"] = since;
        node["status"]["addresses"] = json!([{ "type": "Hostname", "address": name }]);
        make(Resource::Nodes, None, node);
    }
    make(
        Resource::Services,
        Some("default"),
        objects["service"].take(),
    );
    make(
        Resource::EndpointSlices,
        Some("default"),
        objects["slice"].take(),
    );
}
