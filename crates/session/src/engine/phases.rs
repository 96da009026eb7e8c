//! The phases of a run, one after the other.

use std::{io, time::Duration};

use dst_load_destination::fleet::{Fleet, FleetConfig};
use dst_load_kubernetes::actor::KubernetesError;
use dst_load_oracle::ledger::{Intent, StreamPhase};
use dst_load_recording::{
    recording::{Line, Phase},
    warning::Warning,
};
use dst_load_scenario::{
    action::Verb,
    plan::{Plan, Step},
    scenario::{Backend, Lifecycle},
    time::At,
};

use super::{Engine, EngineError, unready::Stall};
use crate::{
    churn::{Driver, Ending, Event},
    runtime::announce_settling,
};

/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// For how long Kubernetes may go without making a single further endpoint, at the start.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long nothing must happen before the end state is looked at: an update that should not
/// come at all comes after the last one that should.
const QUIET: Duration = Duration::from_secs(1);
/// An action sent this much later than intended is worth a warning.
const LATE: Duration = Duration::from_millis(100);

/// After a first signal, how long what is still on its way is waited for where the plan was cut off.
const CUT_OFF: Duration = Duration::from_secs(2);

/// How the churn ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Churned {
    /// As planned.
    Planned,
    /// By a signal, which is how a plan with neither a duration nor cycles ends.
    Stopped,
    /// By a signal, before the plan ended.
    CutOff,
}

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// All phases. Whether a signal ended the run before its plan did.
    pub(super) async fn story(&self) -> Result<bool, EngineError> {
        self.journal.enter(Phase::Preparing);
        let mut driver = Driver::new(
            &self.actor,
            &self.metrics,
            Plan::new(&self.scenario),
            self.stop.clone(),
        )
        .beside(self.beside.as_ref());
        let prepared = async {
            self.observers.synced(self.options.connect_timeout).await?;
            self.actor.prepare().await?;
            if let Some(beside) = &self.beside {
                beside.prepare().await?;
                beside.stand_in().await?;
            }
            self.create(&mut driver).await
        };
        match self.unless_stopped(prepared).await {
            None => return Ok(true),
            Some(prepared) => prepared?,
        }
        tokio::select! {
            biased;
            told = self.measure(driver) => told,
            lost = self.actor.renew_lease() => Err(lost.into()),
            lost = self.keep_claim_beside() => Err(lost.into()),
        }
    }

    /// Everything that happens while the Services stand.
    async fn measure<P: Iterator<Item = Step>>(
        &self,
        driver: Driver<'_, P>,
    ) -> Result<bool, EngineError> {
        self.journal.enter(Phase::Opening);
        let opened = async {
            if let Some(target) = &self.options.target {
                let until = self.clock().now() + self.options.connect_timeout;
                target.ready(self.clock(), until).await;
                // What it uses from here on is for our streams.
                self.journal.sample().await;
            }
            let mut fleet = self.open();
            tokio::select! {
                biased;
                error = fleet.failed() => Err(EngineError::from(error)),
                served = self.served() => served.map(|()| fleet),
            }
        };
        let mut fleet = match self.unless_stopped(opened).await {
            None => return Ok(true),
            Some(fleet) => fleet?,
        };
        let told = async {
            self.journal.sample().await;
            let churned = self.churn(driver).await?;
            let settled = self.settle(churned);
            let interrupted = match churned {
                Churned::Planned => self.unless_stopped(settled).await.is_none(),
                Churned::Stopped => {
                    settled.await;
                    false
                }
                Churned::CutOff => {
                    settled.await;
                    true
                }
            };
            self.journal.sample().await;
            self.journal.check(self.clock().now());
            Ok(interrupted)
        };
        let told = tokio::select! {
            biased;
            error = fleet.failed() => Err(error.into()),
            told = told => told,
            never = self.beat() => match never {},
            never = self.explain() => match never {},
            never = self.explain_unready() => match never {},
        };
        fleet.close().await;
        if matches!(told, Ok(false)) {
            self.journal.sample_left(QUIET).await;
        }
        told
    }

    /// Makes the Services and waits until all their endpoints are visible.
    async fn create<P: Iterator<Item = Step>>(
        &self,
        driver: &mut Driver<'_, P>,
    ) -> Result<(), EngineError> {
        let mut failure = None;
        let created = driver
            .create(|event| match event {
                Event::Intended(action) => {
                    self.intend(&action.verb, action.service, action.intended)
                }
                Event::Acted(acted) => failure = failure.take().or(acted.result.err()),
                Event::Cycle(_) => {}
            })
            .await;
        if let Ending::Refused(error) = created.ending {
            return Err(error.into());
        }
        if let Some(error) = failure {
            return Err(error.into());
        }
        let initial = self.scenario.groups().flat_map(|(group, _)| {
            std::iter::repeat_n(u64::from(group.pattern.initial()), group.count as usize)
        });
        // Each Service counts as often as it is asked for.
        let wanted: u64 = (self.ledgers_of.iter().zip(initial))
            .map(|(ledgers, endpoints)| ledgers.len() as u64 * endpoints)
            .sum();
        let (mut best, mut stall) = (0, Stall::new(self.clock().now()));
        loop {
            let made = self.promised();
            if made == wanted {
                return Ok(());
            }
            let now = self.clock().now();
            if made > best {
                (best, stall) = (made, Stall::new(now));
            } else if stall.lasted(now) > PATIENCE {
                return Err(EngineError::NotMade {
                    made,
                    wanted,
                    after: PATIENCE,
                    deployments: self.scenario.churn.backend == Backend::Deployments,
                    reasons: self.why_not_ready().await,
                });
            } else if let Some(ask) = stall.asks(now) {
                self.warn_why(ask).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn open(&self) -> Fleet {
        let client = &self.scenario.client;
        let config = FleetConfig {
            clients: client.virtual_clients(),
            connections: self.options.connections,
            streams_per_service: client.streams_per_service,
            open_rate: client.open_rate,
            max_lifetime: client.stream_max_lifetime,
            reset_interval: client.stream_reset_interval,
            connect_timeout: self.options.connect_timeout,
            namespace: self.actor.namespace().to_owned(),
            seed: self.scenario.seed,
            lifecycle: client.lifecycle,
            profiles: client.profiles,
        };
        Fleet::open(
            self.progress.ledgers(),
            self.progress.counters(),
            self.clock(),
            &self.options.world.replicas(),
            config,
            &self.observers.nodes(),
        )
    }

    /// Waits until every stream has received its snapshot, or was sent a while ago on a Service
    /// that has nothing to send (where streams live as a proxy's do, and so are asked for again
    /// and again there: was sent at all).
    async fn served(&self) -> Result<(), EngineError> {
        let (mut best, mut since) = (0, self.clock().now());
        let patience = self.options.connect_timeout.max(QUIET);
        loop {
            let (held, all) = self.served_now();
            if held == all {
                return Ok(());
            }
            let now = self.clock().now();
            if held > best {
                (best, since) = (held, now);
            } else if now.since(since) > patience {
                return Err(EngineError::NotServed {
                    held,
                    all,
                    after: patience,
                    refusal: self.progress.counters().refusal(),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn served_now(&self) -> (usize, usize) {
        let now = self.clock().now();
        let asked = self.scenario.client.lifecycle == Lifecycle::Proxy
            && self.progress.counters().total().opened >= self.scenario.streams();
        let all = self.ledgers().all().iter();
        all.fold((0, 0), |(served, all), locked| {
            locked.with(|ledger| {
                let phases = ledger.stream_phases();
                let done = (0..).zip(phases).filter(|(stream, phase)| {
                    let empty = || ledger.promised_to(*stream) == 0;
                    match phase {
                        StreamPhase::Held => true,
                        StreamPhase::Sent(at) => empty() && (asked || *at + QUIET <= now),
                        StreamPhase::Closed => empty() && asked,
                    }
                });
                (served + done.count(), all + phases.len())
            })
        })
    }

    /// Carries out the plan.
    async fn churn<P: Iterator<Item = Step>>(
        &self,
        mut driver: Driver<'_, P>,
    ) -> Result<Churned, EngineError> {
        self.journal.enter(Phase::Churning);
        let start = self.clock().now();
        let (mut late, mut worst, mut cycled) = (0, Duration::ZERO, false);
        let (mut failed, mut failure) = (0, None);
        let driven = driver
            .churn(start, |event| match event {
                Event::Cycle(cycle) => {
                    cycled = true;
                    self.ledgers().start_cycle(cycle.cycle);
                    self.journal.push(Line::Cycle {
                        at: cycle.at,
                        cycle: cycle.cycle,
                    });
                }
                Event::Intended(action) => {
                    self.intend(&action.verb, action.service, action.intended);
                }
                Event::Acted(acted) => {
                    let lateness = acted.sent.since(acted.action.intended);
                    late += u64::from(lateness > LATE);
                    worst = worst.max(lateness);
                    if let Err(error) = acted.result {
                        failed += 1;
                        failure.get_or_insert(error);
                    }
                }
            })
            .await;
        if let Ending::Refused(error) = driven.ending {
            return Err(error.into());
        }
        let at = self.clock().now();
        let stopped = driven.ending == Ending::Stopped;
        let endless =
            self.scenario.churn.duration.is_none() && self.scenario.churn.cycles.is_none();
        if cycled {
            self.journal.push(Line::LastCycleEnds {
                at,
                whole: !stopped && Plan::ends_with_a_cycle(&self.scenario),
            });
        }
        if late > 0 {
            self.journal.warn(Warning::LateActions {
                actions: late,
                worst_seconds: worst.as_secs_f64(),
            });
        }
        if let Some(error) = failure {
            self.journal.warn(Warning::FailedActions {
                actions: failed,
                error: error.to_string(),
            });
        }
        Ok(match (stopped, endless) {
            (false, _) => Churned::Planned,
            (true, true) => Churned::Stopped,
            (true, false) => Churned::CutOff,
        })
    }

    /// Waits for what is still on its way, but not for ever, and compares what was seen with a LIST.
    async fn settle(&self, churned: Churned) {
        self.journal.enter(Phase::Settling);
        let clock = self.clock();
        let deadline = self.scenario.deadline();
        match churned {
            Churned::Planned => {
                // Twice: what becomes visible within one deadline has another to arrive.
                self.settle_until(clock.now() + deadline * 2 + QUIET, true)
                    .await;
                self.verify(deadline).await;
            }
            Churned::Stopped => {
                let until = clock.now() + deadline;
                self.settles_until.set(Some(until));
                announce_settling(deadline);
                self.settle_until(until, false).await;
                self.verify(QUIET.max(until.since(clock.now()))).await;
                let services = self.ledgers().unsettled();
                if services > 0 {
                    self.journal.warn(Warning::Unsettled { services });
                }
            }
            // It is void, and is only to look as it was.
            Churned::CutOff => self.settle_until(clock.now() + CUT_OFF, false).await,
        }
    }

    /// Waits until nothing is on its way any more, at most `until`; longer for what is to be
    /// asked for again, if that is waited for.
    async fn settle_until(&self, until: At, for_unserved: bool) {
        let clock = self.clock();
        let mut quiet_since = clock.now();
        loop {
            let now = clock.now();
            // What we ended ourselves may have a long way to its next try.
            let unserved = self.ledgers().unserved_until().filter(|&until| now < until);
            if !self.ledgers().is_settled()
                || self.ledgers().outstanding() > 0
                || unserved.is_some()
            {
                quiet_since = now;
            }
            let over = now >= until && !(for_unserved && unserved.is_some());
            if now.since(quiet_since) >= QUIET || over {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn intend(&self, verb: &Verb, service: usize, at: At) {
        let (add, remove) = verb.expects();
        for &ledger in &self.ledgers_of[service] {
            // What is local beside a churned cluster is a probe: when Kubernetes is late with it,
            // nothing of the plan is.
            if !self.observers.are_two() || self.ledgers().all()[ledger].service.through.is_some() {
                self.ledgers().intend(ledger, Intent { at, add, remove });
            }
        }
    }

    /// As [`dst_load_kubernetes::actor::Actor::renew_lease`], of the source cluster.
    async fn keep_claim_beside(&self) -> KubernetesError {
        match &self.beside {
            Some(beside) => beside.renew_lease().await,
            None => std::future::pending().await,
        }
    }

    /// Endpoints that are promised over all Services.
    fn promised(&self) -> u64 {
        let all = self.ledgers().all().iter();
        all.map(|locked| locked.with(|ledger| ledger.promised() as u64))
            .sum()
    }

    /// What `work` comes to, or `None` if the run is told to stop first.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            done = work => Some(done),
        }
    }
}
