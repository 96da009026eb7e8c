//! Compares what the observer has seen with a LIST, before a verdict rests on it.

use std::{convert::Infallible, io, time::Duration};

use dst_load_oracle::ledger::BEHIND;
use dst_load_scenario::time::At;

use super::{POLL_INTERVAL, WatchingSession};

/// The shortest time between two LISTs that explain what streams hold.
const EXPLAIN_INTERVAL: Duration = Duration::from_secs(5);

// === impl WatchingSession ===

impl<W: io::Write> WatchingSession<W> {
    /// Compares what the observer of each cluster has seen with a LIST of it, and records what came
    /// of it. Where they differ, streams are judged by the LIST, and have up to `timeout` to hold
    /// what it says.
    ///
    /// Whether they differed.
    pub(crate) async fn verify(&self, timeout: Duration) -> bool {
        let differ = self.compare(true).await;
        if differ {
            let until = self.now() + timeout;
            while self.now() < until && self.ledgers().streams_wrong(self.now()) > 0 {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
        differ
    }

    /// Compares while the session goes on, for ever, where a stream holds what the observer does not
    /// explain: what a LIST contradicts is premature.
    pub(super) async fn explain(&self) -> Infallible {
        loop {
            tokio::time::sleep(BEHIND).await;
            let since = self.ledgers().unexplained_since();
            if since.is_some_and(|since| since + BEHIND <= self.now()) {
                self.compare(false).await;
                tokio::time::sleep(EXPLAIN_INTERVAL).await;
            }
        }
    }

    /// Compares each observer with a LIST. Where all agree, what is unexplained by then is
    /// contradicted. At the end records what came of it, otherwise only that they differed.
    async fn compare(&self, end: bool) -> bool {
        let (mut differ, mut agreed_at) = (false, Some(At::from_micros(u64::MAX)));
        let kube = &self.config.world.kube;
        for (site, verified) in self.observers.verify(kube, &self.namespace).await {
            let differs = verified.as_ref().is_ok_and(|it| !it.agreed());
            let agrees = verified.as_ref().ok().filter(|it| it.agreed());
            agreed_at = agreed_at
                .zip(agrees)
                .map(|(at, verified)| at.min(verified.asked_at));
            if end || differs {
                self.journal.verified(site, &verified);
            }
            differ |= differs;
        }
        if let Some(asked) = agreed_at {
            self.ledgers().contradict(asked);
        }
        differ
    }
}
