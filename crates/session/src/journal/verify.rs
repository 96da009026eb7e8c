//! Before a verdict: what the observer has seen, against a LIST.

use std::{convert::Infallible, io, time::Duration};

use dst_load_kubernetes::observer::Observers;
use dst_load_oracle::ledger::BEHIND;
use dst_load_scenario::time::At;
use dst_load_transport::world::KubeFactory;

use super::Journal;

/// How often it is looked whether streams hold what a LIST says.
const LOOK: Duration = Duration::from_millis(50);
/// The shortest time between two such LISTs.
const EXPLAIN_EVERY: Duration = Duration::from_secs(5);

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
        let differ = self.compare(observers, kube, namespace, true).await;
        if differ {
            let clock = self.progress.clock();
            let until = clock.now() + patience;
            while clock.now() < until && self.ledgers().streams_wrong(clock.now()) > 0 {
                tokio::time::sleep(LOOK).await;
            }
        }
        differ
    }

    /// Compares in mid-run, for ever, where a stream holds what the observer does not explain: what
    /// a LIST contradicts is premature.
    pub async fn explain(
        &self,
        observers: &Observers,
        kube: &KubeFactory,
        namespace: &str,
    ) -> Infallible {
        let clock = self.progress.clock();
        loop {
            tokio::time::sleep(BEHIND).await;
            let since = self.ledgers().unexplained_since();
            if since.is_some_and(|since| since + BEHIND <= clock.now()) {
                self.compare(observers, kube, namespace, false).await;
                tokio::time::sleep(EXPLAIN_EVERY).await;
            }
        }
    }

    /// Compares each observer with a LIST. Where all agree, what is unexplained by then is
    /// contradicted. Notes what came of it at the end, and otherwise only that they differed.
    async fn compare(
        &self,
        observers: &Observers,
        kube: &KubeFactory,
        namespace: &str,
        end: bool,
    ) -> bool {
        let (mut differ, mut agreed_at) = (false, Some(At::from_micros(u64::MAX)));
        for (site, verified) in observers.verify(kube, namespace).await {
            let differs = verified.as_ref().is_ok_and(|it| !it.agreed());
            let agrees = verified.as_ref().ok().filter(|it| it.agreed());
            agreed_at = agreed_at
                .zip(agrees)
                .map(|(at, verified)| at.min(verified.asked_at));
            if end || differs {
                self.verified(site, &verified);
            }
            differ |= differs;
        }
        if let Some(asked) = agreed_at {
            self.ledgers().contradict(asked);
        }
        differ
    }
}
