//! The observers of one cluster, or of two.

use std::{sync::Arc, time::Duration};

use dst_load_oracle::ledger::{Ledgers, Written};
use dst_load_recording::recording::LagSource;
use dst_load_scenario::{federation::Site, time::At};
use dst_load_transport::{clock::Clock, world::KubeFactory};
use tokio::sync::Notify;

use super::{Observer, Place, Verified, WatchError};

/// The observer of the source cluster, and that of the target cluster if there is one.
#[derive(Clone)]
pub struct Observers {
    source: Observer,
    target: Option<(Observer, KubeFactory)>,
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
        let target = target.map(|kube| (observer(Site::Target), kube));
        Self {
            source: observer(Site::Source),
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
        let target = self.target.iter().map(|(observer, _)| observer);
        std::iter::once(&self.source)
            .chain(target)
            .cloned()
            .collect()
    }

    /// Whether there are two clusters.
    #[must_use]
    pub const fn are_two(&self) -> bool {
        self.target.is_some()
    }

    /// All Nodes of the source cluster, where clients are, with their zones, by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<(String, String)> {
        self.source.nodes()
    }

    /// The cluster that is churned.
    #[must_use]
    pub const fn churned(&self) -> Site {
        match self.target {
            Some(_) => Site::Target,
            None => Site::Source,
        }
    }

    /// Our own write of an EndpointSlice in the cluster at `site` was acknowledged at `at`, give or
    /// take `slack`.
    pub fn acknowledged(
        &self,
        site: Site,
        written: &Written,
        at: At,
        slack: Duration,
        source: LagSource,
    ) {
        let observer = match (site, &self.target) {
            (Site::Target, Some((target, _))) => target,
            _ => &self.source,
        };
        observer.acknowledged(written, at, slack, source);
    }

    /// Compares each of them with a LIST of its cluster, the source being behind `kube`
    /// ([`Observer::verify`]).
    pub async fn verify(
        &self,
        kube: &KubeFactory,
        namespace: &str,
    ) -> Vec<(Site, Result<Verified, WatchError>)> {
        let source = self.source.verify(kube, namespace);
        let target = async {
            match &self.target {
                Some((target, kube)) => Some(target.verify(kube, namespace).await),
                None => None,
            }
        };
        let (source, target) = futures::future::join(source, target).await;
        let target = target.map(|verified| (Site::Target, verified));
        std::iter::once((Site::Source, source))
            .chain(target)
            .collect()
    }

    /// Waits until everything has been listed once, everywhere.
    ///
    /// # Errors
    /// If that has not happened after `patience` in one cluster.
    pub async fn synced(&self, patience: Duration) -> Result<(), WatchError> {
        for mut observer in self.all() {
            observer.synced(patience).await?;
        }
        Ok(())
    }

    /// Watches `namespace` in each cluster, the source being behind `kube`, until one can no longer
    /// be watched.
    pub async fn watch(&self, place: Place, kube: &KubeFactory, namespace: String) -> WatchError {
        let source = place(self.source.watching(kube, namespace.clone()));
        let target = async {
            match &self.target {
                Some((observer, kube)) => place(observer.watching(kube, namespace)).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = source => ended,
            ended = target => ended,
        };
        match ended {
            Err(error) => error,
            // A watch has no end of its own.
            Ok(()) => std::future::pending().await,
        }
    }
}
