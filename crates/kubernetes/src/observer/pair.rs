//! The observers of one cluster, or of two.

use std::{sync::Arc, time::Duration};

use dst_load_oracle::ledger::Ledgers;
use dst_load_scenario::federation::Site;
use dst_load_transport::{clock::Clock, world::KubeFactory};
use futures::future::{join_all, select_all};
use tokio::sync::Notify;

use super::{Observer, Place, Verified, WatchError};

/// The observer of the source cluster, and that of the target cluster if there is one.
#[derive(Clone)]
pub struct Observers {
    /// The source cluster's first.
    all: Vec<Observer>,
    /// The target cluster's API.
    target: Option<KubeFactory>,
    activity: Arc<Notify>,
}

// === impl Observers ===

impl Observers {
    /// Observers that enter what they see into `ledgers`, timed by `clock`; with `target` the target
    /// cluster's API. A watch is resumed when it is silent for as long as `silence`.
    #[must_use]
    pub fn new(
        ledgers: &Arc<Ledgers>,
        clock: Clock,
        target: Option<KubeFactory>,
        silence: Duration,
    ) -> Self {
        let activity = Arc::new(Notify::new());
        let observer = |site| {
            let (ledgers, activity) = (Arc::clone(ledgers), Arc::clone(&activity));
            Observer::of(ledgers, clock, site, silence, activity)
        };
        let mut all = vec![observer(Site::Source)];
        all.extend(target.iter().map(|_| observer(Site::Target)));
        Self {
            all,
            target,
            activity,
        }
    }

    /// Notified of each event that a ledger was told of: then something is open that was not.
    #[must_use]
    pub const fn activity(&self) -> &Arc<Notify> {
        &self.activity
    }

    /// Each of them, for its counters.
    #[must_use]
    pub fn all(&self) -> Vec<Observer> {
        self.all.clone()
    }

    /// Whether there are two clusters.
    #[must_use]
    pub const fn are_two(&self) -> bool {
        self.target.is_some()
    }

    /// All Nodes of the source cluster, where clients are, with their zones, by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<(String, String)> {
        self.all[0].nodes()
    }

    /// The cluster that is churned.
    #[must_use]
    pub const fn churned(&self) -> Site {
        match self.target {
            Some(_) => Site::Target,
            None => Site::Source,
        }
    }

    /// That of the cluster at `site`; where there is one cluster, its own.
    #[must_use]
    pub fn of(&self, site: Site) -> &Observer {
        let observer = self.all.iter().find(|it| it.site == site);
        observer.unwrap_or(&self.all[0])
    }

    /// Compares each of them with a LIST of its cluster, the source being behind `kube`
    /// ([`Observer::verify`]).
    pub async fn verify(
        &self,
        kube: &KubeFactory,
        namespace: &str,
    ) -> Vec<(Site, Result<Verified, WatchError>)> {
        let verify = |it: &Observer| {
            let (observer, kube) = (it.clone(), Arc::clone(self.behind(it, kube)));
            async move { (observer.site, observer.verify(&kube, namespace).await) }
        };
        join_all(self.all.iter().map(verify)).await
    }

    /// The API of an observer's cluster, the source being behind `kube`.
    fn behind<'a>(&'a self, observer: &Observer, kube: &'a KubeFactory) -> &'a KubeFactory {
        match (observer.site, &self.target) {
            (Site::Target, Some(target)) => target,
            _ => kube,
        }
    }

    /// Waits until everything has been listed once, everywhere.
    ///
    /// # Errors
    /// If that has not happened after `patience` in one cluster.
    pub async fn synced(&self, patience: Duration) -> Result<(), WatchError> {
        for mut observer in self.all.iter().cloned() {
            observer.synced(patience).await?;
        }
        Ok(())
    }

    /// Watches `namespace` in each cluster, the source being behind `kube`, until one can no longer
    /// be watched.
    pub async fn watch(&self, place: Place, kube: &KubeFactory, namespace: String) -> WatchError {
        let watches = (self.all.iter())
            .map(|it| place(it.watching(self.behind(it, kube), namespace.clone())));
        match select_all(watches).await.0 {
            Err(error) => error,
            // A watch has no end of its own.
            Ok(()) => std::future::pending().await,
        }
    }
}
