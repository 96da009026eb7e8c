//! A session that watches: it holds streams, observes what they should receive, and records both,
//! on one clock.
//!
//! It does not move any endpoints. [`crate::engine`] adds a churner in this process, and
//! [`crate::client`] reads what a churner in another process does, if there is one that says so.

mod config;
mod error;
mod settle;
#[cfg(test)]
mod tests;
mod verify;

use std::{cell::Cell, io, sync::Arc, time::Duration};

use dst_load_destination::fleet::Fleet;
use dst_load_kubernetes::observer::{Observers, WatchError};
use dst_load_oracle::ledger::{Ledgers, ServiceLedger, WatchedService};
use dst_load_recording::recording::{End, Header, Line};
use dst_load_scenario::time::At;
use dst_load_transport::clock::Clock;
use futures::future::LocalBoxFuture;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    churner::Churner,
    journal::{Journal, Sources, lag},
    profiles::Profiles,
    progress::Progress,
    recorder::Recorder,
    runtime::overdue,
};

pub(crate) use self::settle::{ChurnEnd, SettleLimit};
pub use self::{
    config::{SessionConfig, fleet_config},
    error::SessionError,
};

/// How often a condition that is waited for is checked.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Some phases of a session. Boxed, for such a future is large, and whatever takes it by value has
/// room for it twice.
type Phases<'a, T> = LocalBoxFuture<'a, Result<T, SessionError>>;

/// How a session ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether a signal ended it before its plan did.
    pub interrupted: bool,
    /// What ended it, if that was neither its plan nor a signal.
    pub error: Option<SessionError>,
}

/// Whether all phases of a session were completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// All were.
    Complete,
    /// A signal came first.
    Interrupted,
}

/// A session that is about to start, or under way.
pub(crate) struct WatchingSession<W: io::Write> {
    pub(crate) config: SessionConfig,
    pub(crate) progress: Arc<Progress>,
    pub(crate) observers: Observers,
    pub(crate) journal: Journal<W>,
    /// Cancelled by the first signal.
    pub(crate) stop: CancellationToken,
    profiles: Option<Arc<Profiles>>,
    /// The namespace that all Services are in; empty, which means all, if they are in several.
    namespace: String,
    /// Until when pending deliveries are waited for after a signal, where that was announced.
    settles_until: Cell<Option<At>>,
}

// === impl WatchingSession ===

impl<W: io::Write> WatchingSession<W> {
    /// A session that watches `services`, whose endpoints `churner` moves. It ends early when
    /// `stop` is cancelled.
    pub(crate) fn new(
        clock: Clock,
        services: Vec<WatchedService>,
        config: SessionConfig,
        churner: Churner,
        recorder: Recorder<W>,
        stop: CancellationToken,
    ) -> Self {
        let progress = Arc::new(Progress::new(clock, services, config.limits));
        progress.follow(config.flags);
        let ledgers = progress.ledgers();
        if matches!(churner, Churner::Partner) {
            // From the first change on: what it reports may arrive after the change.
            for locked in ledgers.all() {
                locked.with(ServiceLedger::expect_late_intents);
            }
        }
        let target_cluster = config.target_cluster.clone();
        let observers = Observers::new(ledgers, clock, target_cluster, config.watch_silence);
        let profiled = config.target.as_ref().zip(config.profiles.as_ref());
        let profiles = profiled.map(|(target, directory)| {
            let (target, directory) = (target.clone(), directory.clone());
            let deadline = config.limits.deadline;
            Arc::new(Profiles::new(target, clock, directory, deadline))
        });
        let sources = Sources {
            observers: observers.all(),
            churner,
            target: config.target.clone(),
            policy_controller: config.policy_controller.clone(),
            sample_self: config.sample_self,
            profiles: profiles.clone(),
        };
        Self {
            namespace: common_namespace(ledgers),
            journal: Journal::new(recorder, Arc::clone(&progress), sources),
            config,
            progress,
            observers,
            stop,
            profiles,
            settles_until: Cell::new(None),
        }
    }

    /// The ledgers of what is watched.
    pub(crate) fn ledgers(&self) -> &Ledgers {
        self.progress.ledgers()
    }

    /// The session's clock.
    pub(crate) fn clock(&self) -> Clock {
        self.progress.clock()
    }

    /// The instant on the session's clock.
    pub(crate) fn now(&self) -> At {
        self.clock().now()
    }

    /// Runs `phases` while observing and recording, up to and including the recording's last line.
    pub(crate) async fn run(&self, header: Header, phases: Phases<'_, Completion>) -> Ended {
        self.journal.push(Line::Header(Box::new(header)));
        let mut tasks = JoinSet::new();
        let activity = Arc::clone(self.observers.activity());
        tasks.spawn(lag::sample(Arc::clone(&self.progress), activity));
        if let Some(profiles) = &self.profiles {
            // Concurrent with everything else: a profile takes as long as its window.
            tasks.spawn(Arc::clone(profiles).take_cpu());
            tasks.spawn(Arc::clone(profiles).take_heaps());
        }
        let ended = tokio::select! {
            biased;
            ended = phases => ended,
            // Whatever the phases still wait for.
            () = overdue(&self.stop, self.clock(), &self.settles_until) => Ok(Completion::Interrupted),
            danger = self.journal.endangered() => Err(danger.into()),
            never = self.journal.ping() => match never {},
            Err(error) = self.journal.keep() => Err(error.into()),
            lost = self.observe() => Err(lost.into()),
        };
        self.end(ended).await
    }

    /// Writes the rest of the recording, with its last line.
    async fn end(&self, ended: Result<Completion, SessionError>) -> Ended {
        let at = self.now();
        self.journal.tick(at);
        if let Some(profiles) = &self.profiles {
            let whole = matches!(ended, Ok(Completion::Complete));
            if let Some(warning) = profiles.finish(whole).await {
                // As of the end: the session has not waited for it.
                self.journal.push(Line::Warning { at, warning });
            }
        }
        let interrupted = matches!(ended, Ok(Completion::Interrupted));
        let error = ended.err();
        self.journal.push(Line::End(End {
            at,
            interrupted,
            error: error.as_ref().map(ToString::to_string),
            spared: matches!(error, Some(SessionError::Endangered(_))),
            totals: None,
        }));
        let written = self.journal.finish();
        Ended {
            interrupted,
            error: error.or_else(|| written.err().map(SessionError::from)),
        }
    }

    /// Waits until the observer of each cluster has listed everything once.
    ///
    /// # Errors
    /// If that has not happened within the connect timeout.
    pub(crate) async fn synced(&self) -> Result<(), WatchError> {
        let timeout = self.config.fleet.connect_timeout;
        self.observers.synced(timeout).await
    }

    /// Waits until the target says that it is ready, at most for the connect timeout.
    pub(crate) async fn target_ready(&self) {
        if let Some(target) = &self.config.target {
            let until = self.now() + self.config.fleet.connect_timeout;
            target.ready(self.clock(), until).await;
        }
    }

    /// Opens all streams, as fast as the configuration has it.
    pub(crate) fn open_streams(&self) -> Fleet {
        let fleet = Fleet::open(
            self.progress.ledgers(),
            self.progress.counters(),
            self.clock(),
            self.config.world.replicas(),
            self.config.world.listed.clone(),
            self.config.fleet.clone(),
            &self.observers.nodes(),
        );
        self.progress.want_streams(fleet.streams());
        fleet
    }

    /// Does `work` while the streams of `fleet` are held, and closes them then.
    ///
    /// # Errors
    /// That of `work`, or that the streams cannot be held.
    pub(crate) async fn hold<T>(
        &self,
        mut fleet: Fleet,
        work: Phases<'_, T>,
    ) -> Result<T, SessionError> {
        let done = tokio::select! {
            biased;
            error = fleet.failed() => Err(error.into()),
            done = work => done,
            never = self.explain() => match never {},
        };
        fleet.close().await;
        done
    }

    /// Watches until that is no longer possible.
    async fn observe(&self) -> WatchError {
        let (place, kube) = (self.config.observer, &self.config.world.kube);
        self.observers
            .watch(place, kube, self.namespace.clone())
            .await
    }
}

/// The namespace that all Services are in; empty, which means all, if they are in several.
fn common_namespace(ledgers: &Ledgers) -> String {
    let mut namespaces = (ledgers.all().iter()).map(|locked| &locked.service.namespace);
    match namespaces.next() {
        Some(first) if namespaces.all(|namespace| namespace == first) => first.clone(),
        _ => String::new(),
    }
}
