//! A whole run: both halves in one process, every phase in turn, and the journal of it.
//!
//! The story ([`Engine::run`]) waits for what is next; beside it the journal is brought up to
//! date every second. Neither knows whether the world is real.

mod observing;
mod phases;
#[cfg(test)]
mod tests;
mod unready;

use std::{
    cell::{Cell, RefCell},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use dst_load_destination::{
    fleet::FleetError,
    target::{Endangered, Target},
};
use dst_load_kubernetes::{
    actor::{Actor, Cleaned, KubernetesError, OnSlice, Reasons},
    observer::{Observers, Place, SILENCE, WatchError},
};
use dst_load_oracle::ledger::{Ledgers, Limits, WatchedService};
use dst_load_recording::{
    recording::{End, Header, LagSource, Line},
    warning::Warning,
};
use dst_load_report::report::{Report, page::Page};
use dst_load_scenario::{federation::Site, flags::Flags, plan::Plan, scenario::Scenario, time::At};
use dst_load_transport::{
    clock::Clock,
    world::{KubeFactory, World},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    churn::ChurnMetrics,
    journal::{Journal, Sources, lag},
    profiles::Profiles,
    progress::Progress,
    recorder::{RecordError, Recorder},
    runtime::overdue,
};

/// What a run needs beside the scenario.
pub struct Options {
    /// The two remote systems.
    pub world: World,
    /// The API of the target cluster, which is churned, where there are two clusters.
    pub target_cluster: Option<KubeFactory>,
    /// Where the observer runs.
    pub observer: Place,
    /// The target's admin endpoint, if it has one that can be reached.
    pub target: Option<Target>,
    /// Whether streams go through a port-forward: then no latency is judged.
    pub forwarded: bool,
    /// The cluster's DNS domain.
    pub cluster_domain: String,
    /// The most connections, where clients must share them.
    pub connections: Option<u32>,
    /// For how long a first connection is tried.
    pub connect_timeout: Duration,
    /// Whether this process's own cost is sampled. Virtual time has none.
    pub sample_self: bool,
    /// Where profiles of the target go, if they are wanted.
    pub profiles: Option<PathBuf>,
    /// How the controller is set up, as far as that is known.
    pub flags: Flags,
}

/// A run that is about to start, or is under way.
pub struct Engine<W: io::Write> {
    scenario: Arc<Scenario>,
    options: Options,
    /// Who churns.
    actor: Actor,
    /// Who acts on the source cluster, where that is not the one that is churned.
    beside: Option<Actor>,
    metrics: ChurnMetrics,
    progress: Arc<Progress>,
    /// For each Service that is made, the positions of the ledgers of what has its endpoints.
    ledgers_of: Arc<[Vec<usize>]>,
    observers: Observers,
    stop: CancellationToken,
    journal: Journal<W>,
    profiles: Option<Arc<Profiles>>,
    tasks: RefCell<JoinSet<()>>,
    /// Until when what is still on its way is waited for after a signal, where that is announced.
    settles_until: Cell<Option<At>>,
    /// Why endpoints were not ready, as far as was warned of.
    reasons: RefCell<unready::Known>,
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
        "only {made} of {wanted} endpoints were ready after {}s{}", .after.as_secs(),
        why_not_made(.reasons, *.deployments)
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
        /// Why they are not ready, as the cluster says.
        reasons: Reasons,
    },
    /// Not every stream has received its snapshot.
    #[error(
        "only {held} of {all} streams had received a snapshot after {}s{}", .after.as_secs(),
        .refusal.as_ref().map(|said| format!("; the destination said {said}")).unwrap_or_default()
    )]
    NotServed {
        /// Streams that had.
        held: usize,
        /// Streams in all.
        all: usize,
        /// For how long they were waited for.
        after: Duration,
        /// The last refusal that was tried again, in the destination's words.
        refusal: Option<String>,
    },
    /// It would have harmed its target, or others who use that.
    #[error(transparent)]
    Endangered(#[from] Endangered),
    /// The recording cannot be written.
    #[error(transparent)]
    Recording(#[from] RecordError),
}

fn why_not_made(reasons: &Reasons, deployments: bool) -> String {
    if !reasons.is_empty() {
        format!(": {reasons}")
    } else if deployments {
        ": is something there to make pods of Deployments?".to_owned()
    } else {
        String::new()
    }
}

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// A run of `scenario` by `actor`, with another one `beside` it where the source cluster is
    /// not the one that is churned. It ends early when `stop` is cancelled.
    pub fn new(
        scenario: Arc<Scenario>,
        options: Options,
        actor: Actor,
        beside: Option<Actor>,
        metrics: ChurnMetrics,
        recorder: Recorder<W>,
        stop: CancellationToken,
    ) -> Self {
        let clock = actor.clock();
        let watched = scenario.watched();
        let services = watched.iter().map(|watched| {
            WatchedService::of(
                watched,
                actor.namespace(),
                &options.cluster_domain,
                scenario.churn.port,
            )
        });
        let progress = Progress::new(clock, services.collect(), Limits::of(&scenario));
        let progress = Arc::new(progress);
        progress.follow(options.flags);
        let ledgers = progress.ledgers();
        let mut ledgers_of = vec![Vec::new(); scenario.services().count()];
        for (ledger, watched) in watched.iter().enumerate() {
            ledgers_of[watched.position].push(ledger);
        }
        let ledgers_of: Arc<[_]> = ledgers_of.into();
        let target_cluster = options.target_cluster.clone();
        let observers = Observers::new(ledgers, clock, target_cluster, SILENCE);
        let tell = |site| -> OnSlice {
            let (ledgers, of) = (Arc::clone(ledgers), Arc::clone(&ledgers_of));
            let observers = observers.clone();
            Arc::new(move |service, written, at| {
                observers.acknowledged(site, &written, at, Duration::ZERO, LagSource::OwnWrites);
                for &ledger in &of[service] {
                    ledgers.acknowledge(ledger, written.clone(), at);
                }
            })
        };
        let actor = actor.telling(tell(observers.churned()));
        let beside = beside.map(|beside| beside.telling(tell(Site::Source)));
        let wanted = options.target.as_ref().zip(options.profiles.as_ref());
        let profiles = wanted.map(|(target, directory)| {
            let (target, directory) = (target.clone(), directory.clone());
            Arc::new(Profiles::new(target, clock, directory, scenario.deadline()))
        });
        let sources = Sources {
            observers: observers.all(),
            callers: [Some(&actor), beside.as_ref()]
                .into_iter()
                .flatten()
                .map(|actor| actor.caller().clone())
                .collect(),
            target: options.target.clone(),
            sample_self: options.sample_self,
            one_of_several: false,
            read_only: false,
            profiles: profiles.clone(),
        };
        Self {
            journal: Journal::new(recorder, Arc::clone(&progress), sources),
            observers,
            scenario,
            options,
            actor,
            beside,
            metrics,
            progress,
            ledgers_of,
            stop,
            profiles,
            tasks: RefCell::default(),
            settles_until: Cell::default(),
            reasons: RefCell::default(),
        }
    }

    /// How far it has come, for whoever shows that or serves metrics meanwhile.
    #[must_use]
    pub const fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    fn ledgers(&self) -> &Ledgers {
        self.progress.ledgers()
    }

    /// Runs, up to and including the recording's last line. What was made is still there then:
    /// [`Engine::cleanup`] takes it away.
    pub async fn run(&self, header: Header) -> (bool, Option<EngineError>) {
        self.journal.push(Line::Header(Box::new(header)));
        let activity = Arc::clone(self.observers.activity());
        self.spawn(lag::sample(Arc::clone(&self.progress), activity));
        // Beside everything else: a profile takes as long as its window.
        if let Some(profiles) = &self.profiles {
            self.spawn(Arc::clone(profiles).take_cpu());
            self.spawn(Arc::clone(profiles).take_heaps());
        }
        let ended = tokio::select! {
            biased;
            ended = self.story() => ended,
            // Whatever it still waits for.
            () = overdue(&self.stop, self.clock(), &self.settles_until) => Ok(true),
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
        if let Some(profiles) = &self.profiles {
            let whole = error.is_none() && !interrupted;
            if let Some(warning) = profiles.finish(whole).await {
                // As of the end: the run has not waited for it.
                self.journal.push(Line::Warning { at, warning });
            }
        }
        self.journal.push(Line::End(End {
            at,
            interrupted,
            error: error.as_ref().map(ToString::to_string),
            spared: matches!(error, Some(EngineError::Endangered(_))),
            totals: None,
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
        let cleaned = self.actor.cleanup().await;
        let Some(beside) = &self.beside else {
            return cleaned;
        };
        // Asked for even where the first cluster refused.
        let also = beside.cleanup().await;
        let mut cleaned = cleaned?;
        cleaned.absorb(also?);
        Ok(cleaned)
    }

    /// How far the cleanup has come: a number that stands still when the cleanup does.
    #[must_use]
    pub fn removals(&self) -> u64 {
        let actors = [Some(&self.actor), self.beside.as_ref()].into_iter();
        let removals = actors.flatten().map(|actor| actor.caller().removals());
        removals.sum()
    }

    /// Notes a warning that was printed before the run began.
    pub fn note(&self, warning: Warning) {
        let at = self.clock().now();
        self.journal.push(Line::Warning { at, warning });
    }

    /// Adds a warning to the recording of a run that has ended.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub fn amend(&self, warning: Warning) -> Result<(), RecordError> {
        self.journal.amend(warning)
    }

    /// Writes what has gathered, and renders it; `None` before the run has begun.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub fn report(&self) -> Result<Option<Report>, RecordError> {
        let planned = Plan::changes(&self.scenario);
        self.journal.report(&self.scenario.criteria, planned)
    }

    /// The page with this report, which is the last one; `None` before the run has begun.
    #[must_use]
    pub fn page(&self, report: Report) -> Option<Page> {
        self.journal.page(report)
    }

    /// The page of what has been recorded so far; `None` before the run has begun.
    #[must_use]
    pub fn page_so_far(&self) -> Option<Page> {
        let planned = Plan::changes(&self.scenario);
        self.journal.page_so_far(&self.scenario.criteria, planned)
    }

    fn clock(&self) -> Clock {
        self.progress.clock()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.borrow_mut().spawn(task);
    }

    /// Watches until that is no longer possible.
    async fn observe(&self) -> EngineError {
        let world = &self.options.world;
        let namespace = self.actor.namespace().to_owned();
        let place = self.options.observer;
        let lost = self.observers.watch(place, &world.kube, namespace);
        lost.await.into()
    }
}
