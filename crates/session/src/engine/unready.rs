//! Why endpoints do not become ready, in the clusters' words.

use std::{collections::BTreeSet, convert::Infallible, io, num::NonZeroU32, time::Duration};

use dst_load_kubernetes::actor::{Caller, Limits, Reasons, why_not_ready};
use dst_load_recording::warning::Warning;
use dst_load_scenario::time::At;
use dst_load_transport::world::KubeFactory;

use super::Engine;

/// How often it is checked whether endpoints that were asked for still are not ready.
const STALL_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// After how long without progress a cluster is asked for reasons. What refuses Pods is certain at
/// once; a Pod that is not ready may only be slow.
const ASK_WHO_REFUSES: Duration = Duration::from_secs(2);
const ASK_AGAIN: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(120),
];
/// The shortest time between two questions to a cluster, while a plan goes on.
const ASK_INTERVAL: Duration = Duration::from_secs(5);
/// The longest time that a cluster may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// The reasons that were warned of.
pub(super) type Known = BTreeSet<String>;

/// How long endpoints have made no progress, and when a cluster was asked why.
#[derive(Debug)]
pub(super) struct Stall {
    since: At,
    asked: usize,
}

/// Which reasons are worth asking for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    WhoRefuses,
    Everything,
}

// === impl Stall ===

impl Stall {
    /// One that begins now.
    pub(super) const fn new(now: At) -> Self {
        Self {
            since: now,
            asked: 0,
        }
    }

    /// For how long there was no progress.
    pub(super) fn lasted(&self, now: At) -> Duration {
        now.since(self.since)
    }

    /// What to ask now, if anything; each is asked once.
    pub(super) fn asks(&mut self, now: At) -> Option<Ask> {
        let lasted = self.lasted(now);
        let due = match self.asked {
            0 => ASK_WHO_REFUSES,
            asked => *ASK_AGAIN.get(asked - 1)?,
        };
        if lasted < due {
            return None;
        }
        self.asked += 1;
        Some(match self.asked {
            1 => Ask::WhoRefuses,
            _ => Ask::Everything,
        })
    }
}

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// Why endpoints are not ready. Empty where this tool writes them itself, and where nothing
    /// tells.
    pub(super) async fn why_not_ready(&self) -> Reasons {
        if !self.scenario.churn.backend.is_deployments() {
            return Reasons::default();
        }
        let config = &self.session.config;
        let source = &config.world.kube;
        let churned = config.target_cluster.as_ref().unwrap_or(source);
        let asking = async {
            let mut reasons = self.why_in(churned).await;
            if self.source_actor.is_some() {
                reasons.absorb(self.why_in(source).await);
            }
            reasons
        };
        let asked = tokio::time::timeout(ASK_TIMEOUT, asking).await;
        asked.unwrap_or_default()
    }

    async fn why_in(&self, kube: &KubeFactory) -> Reasons {
        let Ok(kube) = kube() else {
            return Reasons::default();
        };
        // A caller of its own: what may not be listed is not counted as the run's failed call.
        let limits = Limits {
            attempts: NonZeroU32::MIN,
            ..Limits::default()
        };
        let caller = Caller::new(kube, self.session.clock(), self.scenario.seed, limits);
        why_not_ready(&caller, self.actor.namespace(), self.actor.run_id()).await
    }

    /// Warns of reasons that were not known before.
    pub(super) async fn warn_why(&self, ask: Ask) {
        let mut reasons = self.why_not_ready().await;
        if ask == Ask::WhoRefuses {
            reasons = reasons.refused();
        }
        let new = reasons.unknown_to(&mut self.reasons.borrow_mut());
        if !new.is_empty() {
            self.session.journal.warn(Warning::PodsNotReady {
                pods: new.pods(),
                reasons: new.to_string(),
            });
        }
    }

    /// Warns, while the plan goes on, of what keeps endpoints from becoming ready.
    pub(super) async fn warn_of_unready(&self) -> Infallible {
        let clock = self.session.clock();
        let (mut before, mut stall) = (0, Stall::new(clock.now()));
        let mut asked: Option<At> = None;
        loop {
            tokio::time::sleep(STALL_POLL_INTERVAL).await;
            let (now, outstanding) = (clock.now(), self.session.ledgers().outstanding());
            // Progress, or a scaling after the last answer.
            let anew = outstanding < before || (outstanding > before && stall.asked > 0);
            if outstanding == 0 || before == 0 || anew {
                stall = Stall::new(now);
            }
            before = outstanding;
            let rested = asked.is_none_or(|at| now.since(at) >= ASK_INTERVAL);
            if outstanding > 0
                && rested
                && let Some(ask) = stall.asks(now)
            {
                asked = Some(now);
                self.warn_why(ask).await;
            }
        }
    }
}
