//! Before a verdict: what the observer has seen, against a LIST.

use std::{io, time::Duration};

use super::Journal;
use crate::{live::observer::Observers, world::KubeFactory};

/// How often it is looked whether streams hold what a LIST says.
const LOOK: Duration = Duration::from_millis(50);

// === impl Journal ===

impl<W: io::Write> Journal<W> {
    /// Compares what the observer of each cluster has seen with a LIST of it, the source being
    /// behind `kube`, and notes what came of it. Where they differ, streams are judged by the LIST,
    /// and have up to `patience` to hold what it says.
    ///
    /// Whether they differed.
    pub async fn verify(
        &self,
        observers: &Observers,
        kube: &KubeFactory,
        namespace: &str,
        patience: Duration,
    ) -> bool {
        let mut differ = false;
        for (site, verified) in observers.verify(kube, namespace).await {
            differ |= verified.as_ref().is_ok_and(|it| !it.agreed());
            self.verified(site, &verified);
        }
        if differ {
            let clock = self.books.clock();
            let until = clock.now() + patience;
            while clock.now() < until && self.books.streams_wrong(clock.now()) > 0 {
                tokio::time::sleep(LOOK).await;
            }
        }
        differ
    }
}
