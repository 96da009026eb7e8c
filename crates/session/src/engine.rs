//! A whole run: it churns and watches in one process, phase by phase.
//!
//! To the [`WatchingSession`] it adds the actor on Kubernetes and the driver of the plan. Whether
//! the cluster is real makes no difference to it.

mod churning;
mod heartbeats;
mod phases;
mod unready;

use std::{cell::RefCell, io, sync::Arc, time::Duration};

use dst_load_kubernetes::actor::{Actor, Cleaned, KubernetesError, OnSlice};
use dst_load_oracle::ledger::WatchedService;
use dst_load_recording::{
    recording::{Header, LagSource, Line},
    warning::Warning,
};
use dst_load_report::report::page::Page;
use dst_load_scenario::{federation::Site, plan::Plan, scenario::Scenario};
use tokio_util::sync::CancellationToken;

use crate::{
    churn::ChurnMetrics,
    churner::Churner,
    progress::Progress,
    recorder::{RecordError, Recorder},
    watching::{Ended, SessionConfig, WatchingSession},
};

/// What acts on Kubernetes in a run.
pub struct Actors {
    /// The actor on the cluster that is churned.
    pub churned: Actor,
    /// The actor on the source cluster, where that is not the one that is churned.
    pub source: Option<Actor>,
    /// Counts what they do.
    pub metrics: ChurnMetrics,
}

/// A run that is about to start, or under way.
pub struct Engine<W: io::Write> {
    scenario: Arc<Scenario>,
    session: WatchingSession<W>,
    actor: Actor,
    source_actor: Option<Actor>,
    metrics: ChurnMetrics,
    /// For each Service that is made, the positions of the ledgers of what has its endpoints.
    ledgers_of: Arc<[Vec<usize>]>,
    /// Why endpoints were not ready, as far as was warned of.
    reasons: RefCell<unready::Known>,
}

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// A run of `scenario` by `actors`, in clusters of this domain. It ends early when `stop` is
    /// cancelled.
    pub fn new(
        scenario: Arc<Scenario>,
        config: SessionConfig,
        actors: Actors,
        cluster_domain: &str,
        recorder: Recorder<W>,
        stop: CancellationToken,
    ) -> Self {
        let Actors {
            churned: mut actor,
            source: mut source_actor,
            metrics,
        } = actors;
        let watched = scenario.watched();
        let (namespace, port) = (actor.namespace(), scenario.churn.port);
        let services = watched
            .iter()
            .map(|watched| WatchedService::of(watched, namespace, cluster_domain, port))
            .collect();
        let mut ledgers_of = vec![Vec::new(); scenario.services().count()];
        for (ledger, watched) in watched.iter().enumerate() {
            ledgers_of[watched.position].push(ledger);
        }
        let ledgers_of: Arc<[_]> = ledgers_of.into();
        let callers = std::iter::once(&actor).chain(&source_actor);
        let churner = Churner::ThisProcess(callers.map(|it| it.caller().clone()).collect());
        let clock = actor.clock();
        let session = WatchingSession::new(clock, services, config, churner, recorder, stop);
        let on_slice = |site| -> OnSlice {
            let observer = session.observers.of(site).clone();
            let ledgers = Arc::clone(session.progress.ledgers());
            let ledgers_of = Arc::clone(&ledgers_of);
            Arc::new(move |service, written, at| {
                observer.acknowledged(&written, at, Duration::ZERO, LagSource::OwnWrites);
                for &ledger in &ledgers_of[service] {
                    ledgers.acknowledge(ledger, written.clone(), at);
                }
            })
        };
        actor.on_slice = Some(on_slice(session.observers.churned()));
        if let Some(actor) = &mut source_actor {
            actor.on_slice = Some(on_slice(Site::Source));
        }
        Self {
            scenario,
            session,
            actor,
            source_actor,
            metrics,
            ledgers_of,
            reasons: RefCell::default(),
        }
    }

    /// How far it has come, for whatever shows that or serves metrics meanwhile.
    #[must_use]
    pub const fn progress(&self) -> &Arc<Progress> {
        &self.session.progress
    }

    /// Runs, up to and including the recording's last line. What was made is still there then:
    /// [`Engine::cleanup`] deletes it.
    pub async fn run(&self, header: Header) -> Ended {
        let heartbeats = self.wants_heartbeats(&header.target);
        self.session
            .run(header, Box::pin(self.run_phases(heartbeats)))
            .await
    }

    /// Deletes what the run made.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn cleanup(&self) -> Result<Cleaned, KubernetesError> {
        let cleaned = self.actor.cleanup().await;
        let Some(source) = &self.source_actor else {
            return cleaned;
        };
        // Also where the first cluster refused.
        let also = source.cleanup().await;
        let mut cleaned = cleaned?;
        cleaned.absorb(also?);
        Ok(cleaned)
    }

    /// How far the cleanup has come: a number that stays the same while the cleanup is stalled.
    #[must_use]
    pub fn removals(&self) -> u64 {
        let actors = std::iter::once(&self.actor).chain(&self.source_actor);
        actors.map(|actor| actor.caller().removals()).sum()
    }

    /// Records a warning that was printed before the run began.
    pub fn note(&self, warning: Warning) {
        let at = self.session.now();
        self.session.journal.push(Line::Warning { at, warning });
    }

    /// Adds a warning to the recording of a run that has ended.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub fn amend(&self, warning: Warning) -> Result<(), RecordError> {
        self.session.journal.amend(warning)
    }

    /// Writes what has gathered: the report of it, and what is drawn beside it; `None` before the run
    /// has begun.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub fn page(&self) -> Result<Option<Page>, RecordError> {
        let planned = Plan::changes(&self.scenario);
        (self.session.journal).page(&self.scenario.criteria, planned)
    }

    /// The page of what has been recorded so far; `None` before the run has begun.
    #[must_use]
    pub fn page_so_far(&self) -> Option<Page> {
        let planned = Plan::changes(&self.scenario);
        (self.session.journal).page_so_far(&self.scenario.criteria, planned)
    }
}
