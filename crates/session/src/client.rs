//! The watching half alone: it opens streams, observes what they should say, and acts on nothing.
//!
//! Somebody else moves the endpoints, so there is no plan that ends: it watches until it is told to
//! stop, then checks what every stream holds. What was intended when, only that somebody can tell
//! ([`super::partner`]).

use std::{cell::Cell, convert::Infallible, fs::File, io, sync::Arc, time::Duration};

use dst_load_destination::{
    fleet::{Fleet, FleetConfig, FleetError},
    target::{Endangered, Target},
};
use dst_load_kubernetes::observer::{Observer, Observers, Place, WatchError};
use dst_load_oracle::ledger::{Ledgers, Limits, ServiceLedger, WatchedService};
use dst_load_recording::{
    recording::{End, Header, LagSource, Line, Phase},
    warning::Warning,
};
use dst_load_report::report::{Report, page::Page};
use dst_load_scenario::{criteria::Criteria, flags::Flags, plan::Planned, time::At};
use dst_load_transport::{
    clock::Clock,
    world::{KubeFactory, World},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    admin::Readiness,
    journal::{Journal, Sources, lag},
    partner::{Partner, Told},
    progress::Progress,
    recorder::{RecordError, Recorder},
    runtime::{announce_settling, overdue},
    snapshot::{Asked, Closed},
};

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// For how long the observer is waited for at the end, to have seen what a LIST has.
const VERIFY: Duration = Duration::from_secs(10);
/// For how long at the least.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);

/// What the watching half needs to be told.
pub struct Options {
    /// The two remote systems.
    pub world: World,
    /// The API of the cluster that has the endpoints, where that is another.
    pub target_cluster: Option<KubeFactory>,
    /// Where the observer runs.
    pub observer: Place,
    /// A watch that is silent for this long is resumed over a new connection.
    pub watch_silence: Duration,
    /// The target's admin endpoint, if it has one that can be reached.
    pub target: Option<Target>,
    /// The acting half, where it is known: it tells when changes were intended.
    pub churn: Option<Partner>,
    /// How streams are opened.
    pub fleet: FleetConfig,
    /// An update that has not come after this long has never arrived.
    pub limits: Limits,
    /// Whether watching ends with the acting half's plan.
    pub ends_with_plan: bool,
    /// Whether this process's own cost is sampled. Virtual time has none.
    pub sample_self: bool,
    /// How the controller is set up, as far as that is known.
    pub flags: Flags,
}

/// The watching half, about to start or under way.
pub struct Client<W: io::Write> {
    options: Options,
    progress: Arc<Progress>,
    observers: Observers,
    journal: Journal<W>,
    readiness: Readiness,
    stop: CancellationToken,
    /// Cancelled when the acting half says that its plan is over.
    plan_over: CancellationToken,
    /// Whether the observer has listed everything.
    listed: Cell<bool>,
    /// Whether all has been written.
    ended: Cell<bool>,
    /// Until when what is still on its way is waited for after a signal, where that is announced.
    settles_until: Cell<Option<At>>,
}

/// Why watching ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The observer cannot watch.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The streams cannot be opened.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// It would have harmed its target, or others who use that.
    #[error(transparent)]
    Endangered(#[from] Endangered),
    /// The recording cannot be written.
    #[error(transparent)]
    Recording(#[from] RecordError),
}

// === impl Client ===

impl<W: io::Write> Client<W> {
    /// A client of `services`. It ends when `stop` is cancelled.
    pub fn new(
        clock: Clock,
        services: Vec<WatchedService>,
        options: Options,
        recorder: Recorder<W>,
        readiness: Readiness,
        stop: CancellationToken,
    ) -> Self {
        let progress = Arc::new(Progress::new(clock, services, options.limits));
        progress.follow(options.flags);
        let ledgers = progress.ledgers();
        if options.churn.is_some() {
            // From the first change on: what it tells may come after what it tells of.
            for locked in ledgers.all() {
                locked.with(ServiceLedger::expect_late_intents);
            }
        }
        let observers = Observers::new(
            ledgers,
            clock,
            options.target_cluster.clone(),
            options.watch_silence,
        );
        let sources = Sources {
            observers: observers.all(),
            callers: Vec::new(),
            target: options.target.clone(),
            sample_self: options.sample_self,
            one_of_several: true,
            read_only: options.churn.is_none(),
            profiles: None,
        };
        Self {
            journal: Journal::new(recorder, Arc::clone(&progress), sources),
            options,
            progress,
            observers,
            readiness,
            stop,
            plan_over: CancellationToken::new(),
            listed: Cell::new(false),
            ended: Cell::new(false),
            settles_until: Cell::new(None),
        }
    }

    /// How far it has come, for whoever serves metrics meanwhile.
    #[must_use]
    pub const fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    fn ledgers(&self) -> &Ledgers {
        self.progress.ledgers()
    }

    /// Who watches Kubernetes, for whoever serves metrics meanwhile.
    #[must_use]
    pub fn observers(&self) -> Vec<Observer> {
        self.observers.all()
    }

    /// Watches until it is told to stop, and checks the end.
    ///
    /// # Errors
    /// [`ClientError`]; it is in the recording too, unless that is what cannot be written.
    pub async fn run(&self, header: Header) -> Result<(), ClientError> {
        self.journal.push(Line::Header(Box::new(header)));
        let mut tasks = JoinSet::new();
        let activity = Arc::clone(self.observers.activity());
        tasks.spawn(lag::sample(Arc::clone(&self.progress), activity));
        let ended = tokio::select! {
            biased;
            ended = self.story() => ended,
            // Whatever it still waits for.
            () = overdue(&self.stop, self.progress.clock(), &self.settles_until) => Ok(true),
            never = self.follow() => match never {},
            danger = self.journal.endangered() => Err(danger.into()),
            never = self.journal.ping() => match never {},
            Err(error) = self.journal.keep() => Err(error.into()),
            lost = self.observe() => Err(lost),
        };
        if !self.options.ends_with_plan {
            self.readiness.set(false);
        }
        let at = self.now();
        self.journal.tick(at);
        self.journal.push(Line::End(End {
            at,
            // A signal is how watching ends, unless it is to end with a plan.
            interrupted: matches!(ended, Ok(true)),
            error: ended.as_ref().err().map(ToString::to_string),
            spared: matches!(ended, Err(ClientError::Endangered(_))),
            totals: None,
        }));
        let written = self.journal.finish();
        self.ended.set(true);
        let _interrupted = ended?;
        Ok(written?)
    }

    /// Writes what has gathered, and renders it; `None` before it has begun. It is judged by
    /// `criteria`, and correctness always is.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub fn report(
        &self,
        criteria: &Criteria,
        planned: impl Into<Planned>,
    ) -> Result<Option<Report>, RecordError> {
        self.journal.report(criteria, planned)
    }

    /// The page with this report, which is the last one; `None` before it has begun.
    #[must_use]
    pub fn page(&self, report: Report) -> Option<Page> {
        self.journal.page(report)
    }

    /// Closes the recording, which is written to `file`, for each who asks; for ever.
    pub async fn answer(&self, file: &File, asked: &mut Asked) -> Infallible {
        while let Some(answer) = asked.recv().await {
            if !self.ended.get() && self.listed.get() {
                let patience = self.options.limits.deadline.min(VERIFY);
                self.verify(patience).await;
            }
            // Who asked may have left.
            let _ = answer.send(self.close(file));
        }
        std::future::pending().await
    }

    fn close(&self, file: &File) -> io::Result<Closed> {
        let lines = if self.ended.get() {
            Vec::new()
        } else {
            let lines = self.journal.close_at(self.now());
            lines.map_err(io::Error::other)?
        };
        let written = file.metadata()?.len();
        Ok(Closed { written, lines })
    }

    /// All phases. Whether a signal cut short what follows a plan.
    async fn story(&self) -> Result<bool, ClientError> {
        self.journal.enter(Phase::Preparing);
        match self
            .unless_stopped(self.observers.synced(self.options.fleet.connect_timeout))
            .await
        {
            None => return Ok(false),
            Some(synced) => synced?,
        }
        self.listed.set(true);
        self.journal.enter(Phase::Opening);
        if let Some(target) = &self.options.target {
            let until = self.now() + self.options.fleet.connect_timeout;
            let ready = target.ready(self.progress.clock(), until);
            if self.unless_stopped(ready).await.is_none() {
                return Ok(false);
            }
        }
        let mut fleet = Fleet::open(
            self.progress.ledgers(),
            self.progress.counters(),
            self.progress.clock(),
            &self.options.world.replicas(),
            self.options.fleet.clone(),
            &self.observers.nodes(),
        );
        let streams = fleet.streams();
        self.progress.want_streams(streams);
        let interrupted = tokio::select! {
            biased;
            error = fleet.failed() => return Err(error.into()),
            interrupted = self.watch(streams) => interrupted,
            never = self.explain() => match never {},
        };
        fleet.close().await;
        Ok(interrupted)
    }

    /// Everything that happens while the streams stand. Whether a signal cut short what follows
    /// a plan.
    async fn watch(&self, streams: u64) -> bool {
        let sent = async {
            while self.progress.counters().total().opened < streams {
                tokio::time::sleep(LOOK).await;
            }
        };
        if self.unless_stopped(sent).await.is_some() {
            tracing::info!(streams, "all streams are sent");
            self.readiness.set(true);
            self.journal.enter(Phase::Churning);
            self.journal.sample().await;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                () = self.plan_over.cancelled(), if self.options.ends_with_plan => {}
            }
            // Who is done is not unready: there is a snapshot to be had.
            self.readiness.set(self.options.ends_with_plan);
        }
        self.journal.enter(Phase::Settling);
        let deadline = self.options.limits.deadline;
        let until = self.now() + deadline;
        let interrupted = if self.stop.is_cancelled() {
            self.settles_until.set(Some(until));
            announce_settling(deadline);
            self.settle(until).await;
            false
        } else {
            self.unless_stopped(self.settle(until)).await.is_none()
        };
        let services = self.ledgers().unsettled();
        if services > 0 {
            self.journal.warn(Warning::Unsettled { services });
        }
        self.journal.sample().await;
        self.journal.check(self.now());
        interrupted
    }

    /// Asks for a LIST where a stream holds what the observer does not explain.
    async fn explain(&self) -> Infallible {
        let (kube, namespace) = (&self.options.world.kube, scope(self.ledgers()));
        (self.journal)
            .explain(&self.observers, kube, &namespace)
            .await
    }

    /// Compares what the observer of each cluster has seen with a LIST; whether they differed.
    /// Streams have up to `patience` to hold what that says.
    async fn verify(&self, patience: Duration) -> bool {
        let (kube, namespace) = (&self.options.world.kube, scope(self.ledgers()));
        (self.journal)
            .verify(&self.observers, kube, &namespace, patience)
            .await
    }

    /// Waits for what is still on its way, but not for ever, since elsewhere the endpoints may never
    /// stop moving; and compares what was seen with a LIST.
    async fn settle(&self, until: At) {
        self.settle_until(until).await;
        let patience = until.since(self.now()).clamp(SETTLE_AGAIN, VERIFY);
        if self.verify(patience).await {
            self.settle_until(until).await;
        }
    }

    async fn settle_until(&self, until: At) {
        while self.now() < until {
            let unserved = self.ledgers().unserved_until();
            if self.ledgers().is_settled() && unserved.is_none_or(|until| until <= self.now()) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Reads what the acting half does, if it is known, from when the observer has listed all.
    async fn follow(&self) -> Infallible {
        let listed = self
            .observers
            .synced(self.options.fleet.connect_timeout)
            .await;
        let (Some(churn), Ok(())) = (&self.options.churn, listed) else {
            return std::future::pending().await;
        };
        let cycled = Cell::new(false);
        churn
            .follow(
                self.ledgers(),
                self.progress.clock(),
                self.now(),
                |told| match told {
                    Told::Clock(line) => self.journal.push(Line::Clock(line)),
                    Told::Silent { url, error } => {
                        self.journal.warn(Warning::ChurnSilent { url, error })
                    }
                    Told::Beat { written, at, slack } => {
                        let (site, source) = (self.observers.churned(), LagSource::Heartbeat);
                        self.observers
                            .acknowledged(site, &written, at, slack, source);
                    }
                    Told::Cycle { at, cycle } => {
                        cycled.set(true);
                        self.journal.push(Line::Cycle { at, cycle });
                    }
                    Told::End { at, whole } => {
                        if cycled.get() {
                            self.journal.push(Line::LastCycleEnds { at, whole });
                        }
                        self.plan_over.cancel();
                    }
                },
            )
            .await
    }

    /// Watches until that is no longer possible.
    async fn observe(&self) -> ClientError {
        let (place, kube) = (self.options.observer, &self.options.world.kube);
        let lost = self.observers.watch(place, kube, scope(self.ledgers()));
        lost.await.into()
    }

    fn now(&self) -> At {
        self.progress.clock().now()
    }

    /// What `work` comes to, or `None` if it is told to stop first.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            done = work => Some(done),
        }
    }
}

/// The namespace that all Services lie in; empty, which means all, if they lie in several.
fn scope(ledgers: &Ledgers) -> String {
    let all = ledgers.all().iter();
    let mut namespaces = all.map(|locked| &locked.service.namespace);
    match namespaces.next() {
        Some(first) if namespaces.all(|namespace| namespace == first) => first.clone(),
        _ => String::new(),
    }
}
