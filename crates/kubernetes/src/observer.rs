//! The reference observer: the client's own watch of Services, EndpointSlices and Nodes, which
//! says what became visible when.
//!
//! It reads the watch's bytes itself, because an event must be stamped before it is decoded: an
//! EndpointSlice of 100 endpoints takes longer to decode than a controller takes to send it on.
//! In real time it belongs on a thread of its own ([`Observer::watch`] says nothing of where it
//! runs); it never waits for anything but the API server.

mod error;
mod health;
mod objects;
mod pair;
mod seen;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod verify;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dst_load_oracle::ledger::Ledgers;
use dst_load_scenario::{fault::WatchedResource, federation::Site};
use dst_load_transport::{clock::Clock, world::KubeFactory};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch as signal};

use self::{health::Blindness, state::State, watch::Watch};

pub use self::{
    error::WatchError, health::Health, pair::Observers, snapshot::Snapshot, verify::Verified,
};

/// The observer's work, made where it is to run.
pub type Watching = Box<dyn FnOnce() -> BoxFuture<'static, Result<(), WatchError>> + Send>;

/// Runs the observer's work somewhere: on a thread of its own in real time, on the run's own
/// runtime in virtual time.
pub type Place = fn(Watching) -> BoxFuture<'static, Result<(), WatchError>>;

/// The observer of one cluster.
#[derive(Clone, Debug)]
pub struct Observer {
    shared: Arc<Shared>,
    site: Site,
    synced: signal::Receiver<usize>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    ledgers: Arc<Ledgers>,
    /// A watch that is silent for this long is resumed over a new connection.
    silence: Duration,
    state: Mutex<State>,
    relists: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    /// The last failure, in words.
    trouble: Mutex<Option<String>>,
    synced: signal::Sender<usize>,
    /// Resources that may not be watched, and that are not needed.
    refused: Mutex<BTreeSet<WatchedResource>>,
    blindness: Mutex<Blindness>,
    /// Asks a watch to be resumed over a new connection.
    resumes: [Notify; WatchedResource::ALL.len()],
}

/// API servers send a bookmark every minute or so; a watch that is silent for longer is dead.
pub const SILENCE: Duration = Duration::from_secs(90);

// === impl Shared ===

impl Shared {
    fn resume(&self, resource: WatchedResource) -> &Notify {
        &self.resumes[resource as usize]
    }
}

// === impl Observer ===

impl Observer {
    /// An observer that enters what it sees into `ledgers`, timed by `clock`.
    #[must_use]
    pub fn new(ledgers: Arc<Ledgers>, clock: Clock) -> Self {
        let activity = Arc::new(Notify::new());
        Self::of(ledgers, clock, Site::Source, SILENCE, activity)
    }

    /// An observer of one of two clusters; a watch is resumed when it is silent for that long, and
    /// `activity` is notified of each event that a ledger was told of.
    #[must_use]
    pub fn of(
        ledgers: Arc<Ledgers>,
        clock: Clock,
        site: Site,
        silence: Duration,
        activity: Arc<Notify>,
    ) -> Self {
        let (sender, synced) = signal::channel(0);
        Self {
            site,
            shared: Arc::new(Shared {
                clock,
                state: Mutex::new(State::new(Arc::clone(&ledgers), site, activity)),
                ledgers,
                silence,
                relists: AtomicU64::new(0),
                errors: Mutex::default(),
                trouble: Mutex::default(),
                synced: sender,
                refused: Mutex::default(),
                blindness: Mutex::default(),
                resumes: Default::default(),
            }),
            synced,
        }
    }

    /// Watches one namespace (all, if it is empty) until the future is dropped.
    ///
    /// # Errors
    /// Only what trying again does not mend: a permission that is missing.
    pub async fn watch(&self, kube: &KubeFactory, namespace: &str) -> Result<(), WatchError> {
        let watch = |resource| Watch::new(kube, resource, namespace, &self.shared);
        let nodes = watch(WatchedResource::Nodes)?;
        let services = watch(WatchedResource::Services)?;
        let slices = watch(WatchedResource::EndpointSlices)?;
        // Nodes say where clients are; without that permission only hints cannot be judged.
        let nodes = async {
            if !self.should_watch(WatchedResource::Nodes) {
                std::future::pending::<()>().await;
            }
            match nodes.run().await {
                Err(error @ WatchError::Forbidden { .. }) => {
                    tracing::warn!(%error, "Nodes not readable, virtual clients have no zone");
                    self.shared.refused.lock().insert(WatchedResource::Nodes);
                    self.shared.synced.send_modify(|synced| *synced += 1);
                    std::future::pending().await
                }
                other => other,
            }
        };
        tokio::select! {
            biased;
            ended = slices.run() => ended,
            ended = services.run() => ended,
            ended = nodes => ended,
        }
    }

    /// Of a target cluster the Nodes, where no client is, are of no interest.
    fn should_watch(&self, resource: WatchedResource) -> bool {
        self.site == Site::Source || resource != WatchedResource::Nodes
    }

    /// The work of watching as [`Observer::watch`] does it, with a client that is made where the
    /// work is done.
    #[must_use]
    pub fn watching(&self, kube: &KubeFactory, namespace: String) -> Watching {
        let (observer, kube) = (self.clone(), Arc::clone(kube));
        Box::new(move || Box::pin(async move { observer.watch(&kube, &namespace).await }))
    }

    /// Waits until everything has been listed once.
    ///
    /// # Errors
    /// If that has not happened after `patience`.
    pub async fn synced(&mut self, patience: Duration) -> Result<(), WatchError> {
        let all = WatchedResource::ALL.into_iter();
        let wanted = all.filter(|it| self.should_watch(*it)).count();
        let synced = self.synced.wait_for(|&synced| synced >= wanted);
        // The sender lives in `shared`, which `self` keeps.
        match tokio::time::timeout(patience, synced).await {
            Ok(_) => Ok(()),
            Err(_) => Err(WatchError::Unreachable {
                after: patience,
                reason: (self.shared.trouble.lock().clone())
                    .unwrap_or_else(|| "no answer".to_owned()),
            }),
        }
    }

    /// All Nodes with their zones, by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<(String, String)> {
        self.shared.state.lock().nodes()
    }

    /// How often a watch was lost and everything listed again.
    #[must_use]
    pub fn relists(&self) -> u64 {
        self.shared.relists.load(Ordering::Relaxed)
    }

    /// Takes the failures met since the last call, by kind.
    #[must_use]
    pub fn take_errors(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.shared.errors.lock())
    }
}
