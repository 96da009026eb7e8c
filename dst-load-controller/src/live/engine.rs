//! A whole run: both halves in one process, every phase in turn, and the journal of it.
//!
//! The story ([`Engine::run`]) waits for what is next; beside it the journal is brought up to
//! date every second. Neither knows whether the world is real.

mod phases;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, io, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    books::{Books, Target as Watched},
    churn::ChurnMetrics,
    clock::Clock,
    destination::fleet::FleetError,
    journal::{Journal, Sources, lag},
    kubernetes::{Actor, Cleaned, KubernetesError},
    observer::{Observer, Place, WatchError},
    recorder::{RecordError, Recorder},
    target::{Endangered, Target},
};
use crate::{
    model::{
        plan::Plan,
        recording::{End, Header, Line},
        report::Report,
        scenario::Scenario,
    },
    world::World,
};

/// What a run needs beside the scenario.
pub struct Options {
    /// The two remote systems.
    pub world: World,
    /// Where the observer runs.
    pub observer: Place,
    /// The target's admin endpoint, if it has one that can be reached.
    pub target: Option<Target>,
    /// The cluster's DNS domain.
    pub cluster_domain: String,
    /// The most connections, where clients must share them.
    pub connections: Option<u32>,
    /// For how long a first connection is tried.
    pub connect_timeout: Duration,
    /// Whether this process's own cost is sampled. Virtual time has none.
    pub sample_self: bool,
}

/// A run that is about to start, or is under way.
pub struct Engine<W: io::Write> {
    scenario: Arc<Scenario>,
    options: Options,
    actor: Actor,
    metrics: ChurnMetrics,
    books: Arc<Books>,
    observer: Observer,
    stop: CancellationToken,
    journal: Journal<W>,
    tasks: RefCell<JoinSet<()>>,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Kubernetes refused, or cannot be reached.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// The observer cannot watch.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The streams cannot be opened.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Kubernetes did not make what it was asked for.
    #[error(
        "only {made} of {wanted} endpoints were ready after {}s{}",
        .after.as_secs(),
        if *.deployments { ": is something there to make pods of Deployments?" } else { "" }
    )]
    NotMade {
        /// Endpoints seen.
        made: u64,
        /// Endpoints asked for.
        wanted: u64,
        /// For how long they were waited for.
        after: Duration,
        /// Whether others were to make them.
        deployments: bool,
    },
    /// Not every stream has received its snapshot.
    #[error("only {held} of {all} streams had received a snapshot after {}s", .after.as_secs())]
    NotServed {
        /// Streams that had.
        held: usize,
        /// Streams in all.
        all: usize,
        /// For how long they were waited for.
        after: Duration,
    },
    /// It would have harmed its target, or others who use that.
    #[error(transparent)]
    Endangered(#[from] Endangered),
    /// The recording cannot be written.
    #[error(transparent)]
    Recording(#[from] RecordError),
}

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// A run of `scenario` by `actor`. It ends early when `stop` is cancelled.
    pub fn new(
        scenario: Arc<Scenario>,
        options: Options,
        actor: Actor,
        metrics: ChurnMetrics,
        recorder: Recorder<W>,
        stop: CancellationToken,
    ) -> Self {
        let clock = actor.clock();
        let targets = scenario.services().map(|service| {
            Watched::new(
                &service,
                actor.namespace(),
                &options.cluster_domain,
                scenario.churn.port,
            )
        });
        let books = Arc::new(Books::new(clock, targets.collect(), scenario.deadline()));
        // The targets are the scenario's Services, in their order.
        let told = Arc::clone(&books);
        let actor = actor.telling(Arc::new(move |service, written, at| {
            told.acknowledge(service, written, at);
        }));
        let observer = Observer::new(Arc::clone(&books));
        let sources = Sources {
            observer: observer.clone(),
            caller: Some(actor.caller().clone()),
            target: options.target.clone(),
            sample_self: options.sample_self,
        };
        Self {
            journal: Journal::new(recorder, Arc::clone(&books), sources),
            observer,
            scenario,
            options,
            actor,
            metrics,
            books,
            stop,
            tasks: RefCell::default(),
        }
    }

    /// The ledgers, for whoever shows progress or serves metrics meanwhile.
    #[must_use]
    pub const fn books(&self) -> &Arc<Books> {
        &self.books
    }

    /// Runs, up to and including the recording's last line. What was made is still there then:
    /// [`Engine::cleanup`] takes it away.
    pub async fn run(&self, header: Header) -> (bool, Option<EngineError>) {
        self.journal.push(Line::Header(Box::new(header)));
        self.spawn(lag::sample(Arc::clone(&self.books)));
        let ended = tokio::select! {
            biased;
            ended = self.story() => ended,
            danger = self.journal.endangered() => Err(danger.into()),
            never = self.journal.ping() => match never {},
            Err(error) = self.journal.keep() => Err(error.into()),
            lost = self.observe() => Err(lost),
        };
        let (interrupted, error) = match ended {
            Ok(interrupted) => (interrupted, None),
            Err(error) => (false, Some(error)),
        };
        let at = self.clock().now();
        self.journal.tick(at);
        self.journal.push(Line::End(End {
            at,
            interrupted,
            error: error.as_ref().map(ToString::to_string),
            spared: matches!(error, Some(EngineError::Endangered(_))),
        }));
        let flushed = self.journal.finish();
        let error = error.or_else(|| flushed.err().map(EngineError::from));
        self.tasks.borrow_mut().abort_all();
        (interrupted, error)
    }

    /// Deletes what the run made.
    ///
    /// # Errors
    /// What the API server refused.
    pub async fn cleanup(&self) -> Result<Cleaned, KubernetesError> {
        self.actor.cleanup().await
    }

    /// Writes what has gathered, and renders it; `None` before the run has begun.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub fn report(&self) -> Result<Option<Report>, RecordError> {
        let changes_planned = Plan::changes_endpoints(&self.scenario);
        self.journal
            .report(&self.scenario.criteria, changes_planned)
    }

    fn clock(&self) -> Clock {
        self.books.clock()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.borrow_mut().spawn(task);
    }

    /// Watches until that is no longer possible.
    async fn observe(&self) -> EngineError {
        let world = &self.options.world;
        let namespace = self.actor.namespace().to_owned();
        let watching = self.observer.watching(&world.kube, namespace);
        match (self.options.observer)(watching).await {
            Err(error) => error.into(),
            // A watch has no end of its own.
            Ok(()) => std::future::pending().await,
        }
    }
}
