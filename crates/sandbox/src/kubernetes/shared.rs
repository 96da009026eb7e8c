//! The store behind its lock, the clock, and who is woken by a write.

use std::sync::Arc;

use dst_load_scenario::time::At;
use parking_lot::Mutex;
use serde_json::json;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Config, faults::Faults, resources::Resource, store::Store, write::Write};

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
    for number in 1..=config.nodes {
        let name = format!("node-{number}");
        let zone = format!("zone-{}", (number - 1) % config.zones.max(1) + 1);
        let capacity = json!({ "cpu": "64", "memory": "256Gi", "pods": "100000" });
        let node = json!({
            // As KWOK marks its own: nothing runs here either.
            "metadata": { "name": name, "annotations": { "kwok.x-k8s.io/node": "fake" }, "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/region": "sandbox",
                "topology.kubernetes.io/zone": zone,
            }},
            "spec": {},
            "status": {
                "capacity": capacity,
                "allocatable": capacity,
                "addresses": [{ "type": "Hostname", "address": name }],
                "conditions": [{
                    "type": "Ready",
                    "status": "True",
                    "reason": "KubeletReady",
                    "message": "the embedded kubelet is ready",
                    "lastHeartbeatTime": super::object::timestamp(At::ZERO),
                    "lastTransitionTime": super::object::timestamp(At::ZERO),
                }],
                "nodeInfo": {
                    "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "",
                    "osImage": "sandbox", "containerRuntimeVersion": "sandbox://1",
                    "kubeletVersion": "v1.33.0", "kubeProxyVersion": "",
                    "operatingSystem": "linux", "architecture": "amd64",
                },
            },
        });
        make(Resource::Nodes, None, node);
    }
    let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
    let service = json!({
        "metadata": { "name": "kubernetes", "labels": labels },
        "spec": {
            "clusterIP": "10.96.0.1",
            "ports": [{ "name": "https", "port": 443, "targetPort": 6443 }],
        },
    });
    make(Resource::Services, Some("default"), service);
    let slice = json!({
        "metadata": { "name": "kubernetes", "labels": { "kubernetes.io/service-name": "kubernetes" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["127.0.0.1"], "conditions": { "ready": true } }],
        "ports": [{ "name": "https", "port": 6443, "protocol": "TCP" }],
    });
    make(Resource::EndpointSlices, Some("default"), slice);
}
