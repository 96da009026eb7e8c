//! After the churn: waits for pending deliveries, and checks what every stream holds.

use std::{io, time::Duration};

use dst_load_recording::{recording::Phase, warning::Warning};
use dst_load_scenario::time::At;

use super::{Completion, POLL_INTERVAL, WatchingSession};
use crate::runtime::announce_settling;

/// How the churn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChurnEnd {
    /// As planned.
    Planned,
    /// By a signal, which is how churn without a planned end ends.
    Stopped,
    /// By a signal, before the plan ended.
    CutOff,
}

/// How long pending deliveries are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SettleLimit {
    /// At most until this instant.
    At(At),
    /// Until this instant, and longer for streams that wait to be opened again.
    AtOrReopened(At),
}

// === impl WatchingSession ===

impl<W: io::Write> WatchingSession<W> {
    /// Does `work`, which waits for pending deliveries. A first signal interrupts it, unless that is
    /// what ended the churn.
    pub(crate) async fn settle(
        &self,
        ended: ChurnEnd,
        work: impl Future<Output = ()>,
    ) -> Completion {
        self.journal.enter(Phase::Settling);
        match ended {
            ChurnEnd::Planned => match self.stop.run_until_cancelled(work).await {
                Some(()) => Completion::Complete,
                None => Completion::Interrupted,
            },
            ChurnEnd::Stopped => {
                work.await;
                Completion::Complete
            }
            ChurnEnd::CutOff => {
                work.await;
                Completion::Interrupted
            }
        }
    }

    /// Waits until nothing has been pending for `quiet`, or the limit is reached. Pending is
    /// what a stream has yet to receive, and whatever else `is_pending` has.
    pub(crate) async fn settle_until(
        &self,
        limit: SettleLimit,
        quiet: Duration,
        is_pending: impl Fn() -> bool,
    ) {
        let mut quiet_since = self.now();
        loop {
            let now = self.now();
            // What we closed ourselves may be opened again much later.
            let reopens = self.ledgers().unserved_until().filter(|&until| now < until);
            let pending = !self.ledgers().is_settled() || reopens.is_some() || is_pending();
            let over = match limit {
                SettleLimit::At(until) => now >= until,
                SettleLimit::AtOrReopened(until) => now >= until && reopens.is_none(),
            };
            if pending {
                quiet_since = now;
            }
            if over || (!pending && now.since(quiet_since) >= quiet) {
                return;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Until when pending deliveries are waited for after a signal: one deadline from now, which is
    /// logged, and which the end of the session then waits for.
    pub(crate) fn announce_settling(&self) -> At {
        let deadline = self.config.limits.deadline;
        let until = self.now() + deadline;
        self.settles_until.set(Some(until));
        announce_settling(deadline);
        until
    }

    /// Warns of Services that still have pending deliveries.
    pub(crate) fn warn_unsettled(&self) {
        let services = self.ledgers().unsettled();
        if services > 0 {
            self.journal.warn(Warning::Unsettled { services });
        }
    }

    /// Samples the target a last time, and checks what every stream holds.
    pub(crate) async fn check_end_state(&self) {
        self.journal.sample().await;
        self.journal.check(self.now());
    }
}
