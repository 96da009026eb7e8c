//! The reference destination: a clean picture of Linkerd's destination controller, to measure
//! against where the real one is not at hand, and to do wrong on purpose what a tester must find.
//!
//! ```text
//! watch ─▶ objects ─▶ directory ─▶ hub ─▶ queue ─▶ service
//!  API      edge      what to say  to whom bounded  gRPC
//! ```
//!
//! It promises what the real one promises and has none of its stale-state defects, each of which
//! is a fault that must be asked for. It answers `Get` and `GetProfile`, and what a proxy watches of the
//! policy API, and looks at Services,
//! EndpointSlices, Pods and Nodes: no ServiceProfiles or Servers, nor the ports of hosts.
//! ExternalWorkloads that slices name are taken to be there.

mod admin;
mod authority;
mod directory;
mod encode;
mod endpoint;
mod faults;
mod hub;
mod metrics;
mod objects;
mod offline;
mod pod;
mod policy;
mod publisher;
mod queue;
mod serve;
mod service;
mod view;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use dst_load_scenario::fault::{Fault, FaultKind};
use dst_load_transport::world::Grpc;
use parking_lot::Mutex;
use strum::EnumCount as _;
use tokio::sync::SetOnce;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::hub::{Hub, Method};
pub use self::{offline::Offline, serve::serve};

/// How a reference destination is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Draws whom the faults strike.
    pub seed: u64,
    /// The suffix of every path that is served, `cluster.local` by default in Linkerd.
    pub cluster_domain: String,
    /// Updates that wait for one stream before it overflows, 100 by default in Linkerd.
    pub queue_capacity: usize,
    /// Whether Pods are served by IPv6, as `-enable-ipv6` has it in Linkerd.
    pub ipv6: bool,
    /// What goes wrong; only the kinds of the destination and of Linkerd are looked at.
    pub faults: Vec<Fault>,
}

/// A running reference destination. It stops when the last clone of it and of its services goes.
#[derive(Clone, Debug)]
pub struct Destination {
    shared: Arc<Shared>,
    drivers: Arc<Mutex<Vec<AbortOnDropHandle<()>>>>,
}

/// What the watching side and the serving side have in common.
#[derive(Debug)]
struct Shared {
    hub: Mutex<Hub>,
    /// Set when all lists of all clusters have been read once.
    synced: SetOnce<()>,
    /// Clusters of which that is not so yet.
    unsynced: AtomicUsize,
    stop: CancellationToken,
    /// Updates handed to the transport, by method.
    sent: [AtomicU64; Method::COUNT],
}

// === impl Destination ===

impl Destination {
    /// Starts to watch the cluster behind `kube`, on the current runtime. Faults count their time
    /// from here.
    #[must_use]
    pub fn start(config: Config, kube: kube::Client) -> Self {
        Self::start_linked(config, kube, BTreeMap::new())
    }

    /// As [`Self::start`], with other clusters that are linked, by name: Services may stand for
    /// those over there, by remote discovery or federated, as Linkerd's multicluster extension
    /// marks them.
    #[must_use]
    pub fn start_linked(
        config: Config,
        kube: kube::Client,
        linked: BTreeMap<String, kube::Client>,
    ) -> Self {
        let destination = Self::linked(config, linked.keys().cloned().collect());
        let here = std::iter::once((None, kube));
        let there = linked
            .into_iter()
            .map(|(cluster, kube)| (Some(cluster), kube));
        let drivers = here.chain(there).map(|(cluster, kube)| {
            let driver = watch::drive(destination.shared.clone(), cluster, kube);
            AbortOnDropHandle::new(tokio::spawn(driver))
        });
        *destination.drivers.lock() = drivers.collect();
        destination
    }

    /// The Destination API, in process. Each clone stands for one connection.
    #[must_use]
    pub fn grpc(&self) -> Grpc {
        Grpc::new(self.clone())
    }

    /// Whether the cluster has been read once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.synced.get().is_some()
    }

    /// Waits until the cluster has been read once. Calls wait for the same.
    pub async fn ready(&self) {
        self.shared.synced.wait().await;
    }

    /// `/metrics`, `/ready` and `/ping`, as on Linkerd's admin port.
    pub fn admin(&self) -> axum::Router {
        admin::router(self.clone())
    }

    /// How often each kind of fault has struck; kinds that have not are left out.
    #[must_use]
    pub fn faults_struck(&self) -> BTreeMap<FaultKind, u64> {
        self.shared.hub.lock().faults_struck()
    }

    /// Ends every stream with status OK and stops watching, as on SIGTERM.
    pub async fn shutdown(&self) {
        self.shared.hub.lock().end_all();
        self.shared.stop.cancel();
        let drivers = std::mem::take(&mut *self.drivers.lock());
        for driver in drivers {
            // A driver that panicked has said so already.
            let _ = driver.await;
        }
    }

    fn linked(config: Config, linked: Vec<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                unsynced: AtomicUsize::new(linked.len() + 1),
                hub: Mutex::new(Hub::new(config, linked)),
                synced: SetOnce::new(),
                stop: CancellationToken::new(),
                sent: Default::default(),
            }),
            drivers: Arc::default(),
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Counts the updates of a method that are handed to the transport.
    fn sent(&self, method: Method) -> &AtomicU64 {
        &self.sent[method as usize]
    }

    /// A cluster has been read once.
    fn set_synced(&self) {
        if self.unsynced.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Nobody else sets it.
            let _ = self.synced.set(());
        }
    }
}
