//! The observers of one cluster, or of two.

use std::{sync::Arc, time::Duration};

use super::{Observer, Place, WatchError};
use crate::{live::books::Books, model::federation::Site, world::KubeFactory};

/// The observer of the source cluster, and that of the target cluster if there is one.
#[derive(Clone)]
pub struct Observers {
    source: Observer,
    target: Option<(Observer, KubeFactory)>,
}

// === impl Observers ===

impl Observers {
    /// Observers that enter what they see into `books`; with `target` the target cluster's API.
    #[must_use]
    pub fn new(books: &Arc<Books>, target: Option<KubeFactory>) -> Self {
        let observe = |kube| (Observer::of(Arc::clone(books), Site::Target), kube);
        Self {
            source: Observer::new(Arc::clone(books)),
            target: target.map(observe),
        }
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
