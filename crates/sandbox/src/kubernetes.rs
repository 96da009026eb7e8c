//! An in-memory Kubernetes: the API that this tool, kubectl and Go's informers use, with just the
//! controllers that turn a Deployment into pods and a Service into EndpointSlices.
//!
//! It is reached in-process ([`Kubernetes::client`], no sockets, also under a paused clock) or over
//! loopback ([`serve::serve`]); both are one router over one store. It refuses to be a security
//! boundary: it authenticates nobody.

mod admission;
mod api;
mod controllers;
mod ending;
mod facts;
mod faults;
mod object;
mod patch;
mod quota;
mod resources;
mod selector;
pub mod serve;
mod shared;
mod status;
mod store;
mod write;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use dst_load_scenario::fault::{Fault, FaultKind};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tower::ServiceExt;

use self::shared::Shared;

/// Where a cluster's pods have their addresses unless it is said.
pub const PODS_FROM: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);

/// What an embedded cluster is like.
#[derive(Clone, Debug)]
pub struct Config {
    /// Of names, uids and delays.
    pub seed: u64,
    /// How many Nodes there are.
    pub nodes: u32,
    /// Over how many zones they are spread.
    pub zones: u32,
    /// The first of its pods' addresses, of which there are 262,142: those of several clusters
    /// must not overlap.
    pub pods_from: Ipv4Addr,
    /// The least and the greatest time that a pod takes to become ready, drawn per pod.
    pub pod_start: (Duration, Duration),
    /// For how long pod changes gather before a Service's EndpointSlices are written.
    pub slice_sync: Duration,
    /// What goes wrong; the kinds that are not about the API or pods are ignored here.
    pub faults: Vec<Fault>,
}

/// A running embedded cluster. Its tasks end with [`Kubernetes::shutdown`] or when the last clone,
/// client and router of it are dropped.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    _stop: DropGuard,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            nodes: 3,
            zones: 3,
            pods_from: PODS_FROM,
            pod_start: (Duration::from_millis(500), Duration::from_millis(1500)),
            slice_sync: Duration::from_millis(100),
            faults: Vec::new(),
        }
    }
}

// === impl Kubernetes ===

impl Kubernetes {
    /// Starts a cluster, with its namespaces, Nodes and the `kubernetes` Service. Its clock, and
    /// that of its faults, starts now.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(config: Config) -> Self {
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared::new(config, cancel.clone()));
        tasks.spawn(controllers::run(shared.clone()));
        tasks.close();
        Self {
            running: Arc::new(Running {
                shared,
                tasks,
                _stop: cancel.drop_guard(),
            }),
        }
    }

    /// A client of the cluster without sockets. It lives on the runtime it is made on.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        let service = self
            .router()
            .map_request(|request: http::Request<kube::client::Body>| {
                request.map(axum::body::Body::new)
            });
        kube::Client::new(service, "default")
    }

    /// The cluster's API, for [`serve::serve`].
    pub fn router(&self) -> axum::Router {
        api::router(self.clone())
    }

    /// Ends the controllers and every watch, and waits for the controllers.
    pub async fn shutdown(&self) {
        self.running.shared.cancel.cancel();
        self.running.tasks.wait().await;
    }

    /// How often each fault has struck.
    #[must_use]
    pub fn faults_struck(&self) -> BTreeMap<FaultKind, u64> {
        self.running.shared.faults.struck()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.running.shared
    }
}
