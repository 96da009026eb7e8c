//! The journal: collects every second what each part of a session has to record.

pub(crate) mod lag;

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::Arc,
    time::Duration,
};

use dst_load_destination::target::{Endangered, Guard, Target};
use dst_load_kubernetes::{
    actor::KubernetesErrors,
    observer::{Observer, Verified, WatchError},
};
use dst_load_oracle::ledger::{Ledgers, LockedLedger};
use dst_load_recording::{
    recording::{
        ChangeLine, End, EndStateLine, EndpointsLine, GeneratorSample, LagSource, Line,
        ObserverEvent, ObserverLagLine, ObserverLine, Phase, PingLine, TargetSample, absorb,
    },
    statistics::{Interval, Latency},
    warning::Warning,
};
use dst_load_report::report::page::Page;
use dst_load_scenario::{criteria::Criteria, federation::Site, plan::Planned, time::At};
use tokio::sync::Notify;

use crate::{
    churner::Churner,
    profiles::Profiles,
    progress::Progress,
    recorder::{RecordError, Recorder},
};

/// How often the recording is brought up to date: a crash loses no more.
const TICK: Duration = Duration::from_secs(1);
/// How often a kubelet asks whether a destination controller lives, with the probe of Linkerd's
/// chart.
const PING: Duration = Duration::from_secs(10);
/// How often the target and this process are sampled. Scraping costs the target.
const SAMPLE: Duration = Duration::from_secs(5);

/// What the journal collects from, besides the ledgers and the counters of streams.
pub(crate) struct Sources {
    /// What watches Kubernetes: one observer for each cluster.
    pub(crate) observers: Vec<Observer>,
    /// Who moves the endpoints.
    pub(crate) churner: Churner,
    /// The target's admin endpoint, if it has one that can be reached.
    pub(crate) target: Option<Target>,
    /// The policy controller's admin endpoint, if its cost is to be read.
    pub(crate) policy_controller: Option<Target>,
    /// Whether this process's own cost is sampled. Virtual time has none.
    pub(crate) sample_self: bool,
    /// Profiles of the target, if they are wanted.
    pub(crate) profiles: Option<Arc<Profiles>>,
}

/// The journal of a session.
pub(crate) struct Journal<W: io::Write> {
    progress: Arc<Progress>,
    sources: Sources,
    recorder: RefCell<Recorder<W>>,
    interval: RefCell<Interval>,
    /// How many endpoints there were when that was last said.
    endpoints: Cell<EndpointsLine>,
    /// The Kubernetes API's failures as counted so far.
    api_errors: RefCell<BTreeMap<String, u64>>,
    /// What this process had used before the first phase: a floor that it measured, or the program
    /// that it replaced (`cargo run` becomes what it has built).
    used_before: OnceCell<f64>,
    guard: RefCell<Guard>,
    danger: RefCell<Option<Endangered>>,
    /// Scrapes take turns: of two at once, which counters are older would be unknown.
    scraping: tokio::sync::Mutex<()>,
    alarm: Notify,
}

// === impl Journal ===

impl<W: io::Write> Journal<W> {
    /// An empty journal.
    pub(crate) fn new(recorder: Recorder<W>, progress: Arc<Progress>, sources: Sources) -> Self {
        Self {
            progress,
            sources,
            recorder: RefCell::new(recorder),
            interval: RefCell::default(),
            endpoints: Cell::default(),
            api_errors: RefCell::default(),
            used_before: OnceCell::new(),
            guard: RefCell::default(),
            danger: RefCell::default(),
            scraping: tokio::sync::Mutex::default(),
            alarm: Notify::new(),
        }
    }

    /// Notes that a phase begins.
    pub(crate) fn enter(&self, phase: Phase) {
        self.progress.enter(phase);
        let at = self.progress.clock().now();
        if self.sources.sample_self {
            self.used_before
                .get_or_init(|| own_cost(at).map_or(0.0, |cost| cost.cpu_seconds));
        }
        self.push(Line::Phase { at, phase });
        if let Some(profiles) = &self.sources.profiles
            && phase == Phase::Opening
        {
            profiles.open();
        }
    }

    /// Adds a warning for the reader.
    pub(crate) fn warn(&self, warning: Warning) {
        tracing::warn!("{warning}");
        self.progress.warned(warning.to_string());
        let at = self.progress.clock().now();
        self.push(Line::Warning { at, warning });
    }

    /// Notes a line.
    pub(crate) fn push(&self, line: Line) {
        self.recorder.borrow_mut().push(line);
    }

    /// Adds a warning to what has ended.
    ///
    /// # Errors
    /// If writing fails.
    pub(crate) fn amend(&self, warning: Warning) -> Result<(), RecordError> {
        self.recorder.borrow_mut().amend(warning)
    }

    /// Writes all that has been said.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub(crate) fn finish(&self) -> Result<(), RecordError> {
        self.recorder.borrow_mut().finish()
    }

    /// Writes all that has happened until now, and returns the lines with which the recording
    /// could end here, encoded. Services with something on its way are not checked, and said to be so.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub(crate) fn close_at(&self, at: At) -> Result<Vec<u8>, RecordError> {
        self.tick(at);
        self.recorder.borrow_mut().flush(at)?;
        let mut lines = Vec::new();
        let mut services = 0;
        for locked in self.ledgers().all() {
            if !locked.with(|ledger| ledger.is_changing(at)) {
                lines.push(end_state(locked, at));
            } else {
                services += 1;
            }
        }
        if self.name_replicas(at) {
            self.recorder.borrow_mut().flush(at)?;
        }
        if services > 0 {
            let warning = Warning::Unsettled { services };
            lines.push(Line::Warning { at, warning });
        }
        lines.push(Line::End(End {
            at,
            interrupted: false,
            error: None,
            spared: false,
            totals: None,
        }));
        self.recorder.borrow().close_with(lines)
    }

    /// The report of all that has been said, and what is drawn beside it; `None` if not even a header
    /// has been.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub(crate) fn page(
        &self,
        criteria: &Criteria,
        planned: impl Into<Planned>,
    ) -> Result<Option<Page>, RecordError> {
        let mut recorder = self.recorder.borrow_mut();
        recorder.finish()?;
        Ok(recorder.page(criteria, planned))
    }

    /// The page of what has been written so far, of a run that goes on; `None` before its header is.
    pub(crate) fn page_so_far(&self, criteria: &Criteria, planned: Planned) -> Option<Page> {
        self.recorder.borrow().page_so_far(criteria, planned)
    }

    /// Keeps the recording up to date until it cannot be written.
    ///
    /// # Errors
    /// That it cannot be written.
    pub(crate) async fn keep(&self) -> Result<(), RecordError> {
        let clock = self.progress.clock();
        let ticks = async {
            for tick in 1_u32.. {
                clock.sleep_until(At::ZERO + TICK * tick).await;
                self.tick(clock.now());
                self.recorder.borrow_mut().flush(clock.now())?;
            }
            Ok(())
        };
        // Beside the ticks: a target that is busy may take long to say what it costs.
        let samples = async {
            for sample in 1_u32.. {
                clock.sleep_until(At::ZERO + SAMPLE * sample).await;
                self.scrape(false).await;
            }
            Ok(())
        };
        tokio::select! {
            biased;
            ended = samples => ended,
            ended = ticks => ended,
            never = self.sample_policy_controller() => match never {},
        }
    }

    /// Takes in what has happened until now.
    pub(crate) fn tick(&self, now: At) {
        let mut interval = self.interval.borrow_mut();
        let (ledgers, counters) = (self.progress.ledgers(), self.progress.counters());
        let federated = ledgers.is_federated();
        let mut evidence = Latency::default();
        for (position, locked) in ledgers.all().iter().enumerate() {
            let outbox = locked.take(now);
            self.progress.absorb(position, &outbox);
            interval.bytes += counters.take_bytes(position);
            if federated {
                interval.absorb_federated(&outbox, locked.service.through);
            } else {
                interval.absorb(&outbox);
            }
            for change in outbox.changes.iter().filter(|change| change.audience > 0) {
                let behind = change.visible.since(change.start);
                evidence.record(behind, change.known.len() as u64);
                let line = ChangeLine::new(&locked.service.name, change);
                self.progress.closed(&line);
                if let Some(profiles) = &self.sources.profiles {
                    profiles.closed(&line);
                }
                self.push(Line::Change(if self.sources.churner.has_other_watchers() {
                    line.with_times(change)
                } else {
                    line
                }));
            }
        }
        if !self.sources.churner.reports_writes() && evidence.count() > 0 {
            let line = ObserverLagLine::new(LagSource::Evidence, false, &evidence);
            interval.observer_lag.push(line);
        }
        let endpoints = endpoints(ledgers);
        if self.endpoints.replace(endpoints) != endpoints {
            interval.endpoints = Some(endpoints);
        }
        interval.streams.absorb(&counters.take());
        interval.loop_lag.merge(&self.progress.take_lag());
        for observer in &self.sources.observers {
            absorb(&mut interval.kubernetes_errors, &observer.take_errors());
            let health = observer.take_health(now);
            interval.observer_lag.extend(health.lags);
            for line in health.events {
                self.observer(line);
            }
        }
        let mut known = self.api_errors.borrow_mut();
        let mut errors = BTreeMap::new();
        for caller in self.sources.churner.callers() {
            let counted = caller.errors();
            for (reason, count) in KubernetesErrors::by_reason(&counted) {
                *errors.entry(reason.to_owned()).or_default() += count;
            }
        }
        for (reason, count) in errors {
            let before = known.insert(reason.clone(), count).unwrap_or_default();
            if count > before {
                *interval.kubernetes_errors.entry(reason).or_default() += count - before;
            }
        }
        // Before the second whose deliveries are theirs.
        self.name_replicas(now);
        for line in counters.take_identities() {
            self.push(Line::Identified(line));
        }
        let refusal = (self.sources.profiles.as_ref()).and_then(|it| it.take_refusal());
        if let Some(warning) = refusal {
            self.warn(warning);
        }
        if let Some(second) = interval.take(now, counters.active()) {
            self.push(Line::Second(Box::new(second)));
        }
    }

    /// Says which replicas of the destination have come; whether any have.
    fn name_replicas(&self, at: At) -> bool {
        let addresses = self.progress.counters().take_found();
        let any = !addresses.is_empty();
        if any {
            self.push(Line::Replicas { at, addresses });
        }
        any
    }

    /// Notes what came of comparing the observer of the cluster at `site` with a LIST.
    pub(crate) fn verified(&self, site: Site, verified: &Result<Verified, WatchError>) {
        let event = match verified {
            Ok(verified) => verified.event(),
            Err(error) => ObserverEvent::Unverified {
                reason: error.to_string(),
            },
        };
        self.observer(ObserverLine::new(self.progress.clock().now(), site, event));
    }

    fn observer(&self, line: ObserverLine) {
        match &line.event {
            ObserverEvent::Blind { reason, .. } => {
                tracing::warn!(reason, "observer is blind, latencies are unjudged");
            }
            ObserverEvent::Verified { differing: 0, .. } => {}
            ObserverEvent::Verified { differing, .. } => {
                tracing::warn!(
                    differing,
                    "observer differs from a LIST, latencies are unjudged"
                );
            }
            ObserverEvent::Unverified { reason } => {
                tracing::warn!(reason, "observer could not be compared with a LIST");
            }
        }
        self.push(Line::Observer(line));
    }

    /// Checks what every stream holds, after giving up what is overdue: every number is final.
    pub(crate) fn check(&self, at: At) {
        let all = self.ledgers().all();
        // First, as long as it is known what is still on its way.
        let ends: Vec<_> = all.iter().map(|locked| end_state(locked, at)).collect();
        for locked in all {
            locked.with(|ledger| {
                ledger.abandon_intents();
                ledger.abandon_waiting(at);
                ledger.conclude_all(at);
            });
        }
        self.tick(at);
        for end in ends {
            self.push(end);
        }
        let times = self.sources.observers.iter().map(Observer::relists).sum();
        if times > 0 {
            self.warn(Warning::Relisted { times });
        }
    }

    /// Samples the target's cost and our own at the edge of a phase.
    pub(crate) async fn sample(&self) {
        self.scrape(true).await;
    }

    /// Samples the target after all streams have left it, `after` a while in which it may notice.
    /// One that does not answer then is no matter: nothing is judged by it.
    pub(crate) async fn sample_left(&self, after: Duration) {
        let Some(target) = &self.sources.target else {
            return;
        };
        tokio::time::sleep(after).await;
        let answered = {
            let _turn = self.scraping.lock().await;
            target.sample(self.progress.clock().now()).await
        };
        if let Ok(page) = answered {
            self.push(Line::Target(TargetSample {
                our_streams: Some(0),
                ..page.sample
            }));
        }
        if let Some(profiles) = &self.sources.profiles {
            profiles.left().await;
        }
    }

    /// Waits until the run must end to spare its target.
    pub(crate) async fn endangered(&self) -> Endangered {
        loop {
            if let Some(endangered) = self.danger.borrow().clone() {
                return endangered;
            }
            self.alarm.notified().await;
        }
    }

    /// Asks the target whether it lives as a kubelet does, for ever.
    pub(crate) async fn ping(&self) -> Infallible {
        let Some(target) = &self.sources.target else {
            return std::future::pending().await;
        };
        let clock = self.progress.clock();
        for round in 1_u32.. {
            clock.sleep_until(At::ZERO + PING * round).await;
            let at = clock.now();
            let answered = target.ping(clock).await;
            self.push(Line::Ping(PingLine {
                at,
                took_us: answered.as_ref().ok().map(|it| At::from(*it).as_micros()),
                error: answered.err(),
            }));
        }
        std::future::pending().await
    }

    /// Samples the policy controller's cost, for ever. Apart from the target: where the one is silent,
    /// the other's samples are not to wait.
    async fn sample_policy_controller(&self) -> Infallible {
        let Some(policy) = &self.sources.policy_controller else {
            return std::future::pending().await;
        };
        let clock = self.progress.clock();
        for sample in 0_u32.. {
            clock.sleep_until(At::ZERO + SAMPLE * sample).await;
            let at = clock.now();
            self.push(match policy.sample(at).await {
                Ok(page) => Line::PolicyController(TargetSample {
                    at,
                    cpu_seconds: page.sample.cpu_seconds,
                    rss_bytes: page.sample.rss_bytes,
                    start_seconds: page.sample.start_seconds,
                    ..TargetSample::default()
                }),
                Err(error) => Line::PolicyControllerSilent {
                    at,
                    error: error.to_string(),
                },
            });
        }
        std::future::pending().await
    }

    async fn scrape(&self, edge: bool) {
        let _turn = self.scraping.lock().await;
        let at = self.progress.clock().now();
        if let Some(target) = &self.sources.target {
            let counters = self.progress.counters();
            let ours = counters.open();
            let line = match target.sample(at).await {
                Ok(page) => {
                    let mut sample = page.sample.clone();
                    if edge {
                        // Some may have come or gone meanwhile.
                        sample.foreign_streams = page.foreign(ours.max(counters.open()));
                        sample.our_streams = Some(ours);
                    }
                    self.progress.sampled(&sample);
                    if let Some(profiles) = &self.sources.profiles {
                        profiles.sampled(sample.heap_bytes);
                    }
                    self.look(&sample, page.overflows);
                    Line::Target(sample)
                }
                Err(error) => Line::TargetSilent {
                    at,
                    error: error.to_string(),
                },
            };
            self.push(line);
        }
        if self.sources.sample_self
            && let Some(mut sample) = own_cost(at)
        {
            sample.cpu_seconds -= self.used_before.get().copied().unwrap_or_default();
            self.push(Line::Generator(sample));
        }
    }
}

impl<W: io::Write> Journal<W> {
    fn ledgers(&self) -> &Ledgers {
        self.progress.ledgers()
    }

    fn look(&self, sample: &TargetSample, overflows: BTreeMap<String, f64>) {
        let mut guard = self.guard.borrow_mut();
        let danger = guard.look(self.ledgers(), sample, overflows);
        if danger.is_some() {
            *self.danger.borrow_mut() = danger;
            self.alarm.notify_one();
        }
    }
}

/// What a Service's streams hold at this instant.
fn end_state(locked: &LockedLedger, at: At) -> Line {
    let end = locked.with(|ledger| ledger.end_state(at));
    Line::EndState(EndStateLine::new(&locked.service.name, at, &end))
}

/// How many endpoints there are, over all Services.
fn endpoints(ledgers: &Ledgers) -> EndpointsLine {
    let counted = |locked: &LockedLedger| {
        locked.with(|ledger| (ledger.promised() as u64, ledger.mean_held()))
    };
    EndpointsLine::sum(ledgers.all().iter().map(counted))
}

/// What this process has used since it began, from `/proc`; `None` where there is none.
fn own_cost(at: At) -> Option<GeneratorSample> {
    let stat = procfs::process::Process::myself().ok()?.stat().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks and pages stay far below 2^52"
    )]
    Some(GeneratorSample {
        at,
        cpu_seconds: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
        rss_bytes: stat.rss * procfs::page_size(),
    })
}
