//! The phases of a run, one after the other.

use std::{io, time::Duration};

use dst_load_destination::fleet::Fleet;
use dst_load_kubernetes::actor::KubernetesError;
use dst_load_oracle::ledger::StreamPhase;
use dst_load_recording::recording::Phase;
use dst_load_scenario::{
    plan::{Plan, Step},
    scenario::Lifecycle,
};

use super::Engine;
use crate::{
    churn::Driver,
    watching::{ChurnEnd, Completion, POLL_INTERVAL, SessionError, SettleLimit},
};

/// For how long nothing must be pending before the end state is checked: an update that should not
/// be sent at all is sent after the last one that should.
const SETTLE_QUIET_PERIOD: Duration = Duration::from_secs(1);
/// After a first signal, how long pending deliveries are waited for where the plan was cut off.
const CUT_OFF_SETTLE_TIME: Duration = Duration::from_secs(2);

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// All phases, with heartbeats for the observer if they are wanted.
    pub(super) async fn run_phases(&self, heartbeats: bool) -> Result<Completion, SessionError> {
        let session = &self.session;
        session.journal.enter(Phase::Preparing);
        let mut driver = Driver::new(
            &self.actor,
            &self.metrics,
            Plan::new(&self.scenario),
            session.stop.clone(),
        )
        .with_source_actor(self.source_actor.as_ref());
        match (session.stop)
            .run_until_cancelled(self.prepare(&mut driver))
            .await
        {
            None => return Ok(Completion::Interrupted),
            Some(prepared) => prepared?,
        }
        tokio::select! {
            biased;
            measured = self.measure(driver, heartbeats) => measured,
            lost = self.actor.renew_lease() => Err(lost.into()),
            lost = self.keep_source_claim() => Err(lost.into()),
        }
    }

    /// Claims the namespace, and makes the Services.
    async fn prepare<P: Iterator<Item = Step>>(
        &self,
        driver: &mut Driver<'_, P>,
    ) -> Result<(), SessionError> {
        self.session.synced().await?;
        self.actor.prepare().await?;
        if let Some(source) = &self.source_actor {
            source.prepare().await?;
            source.stand_in().await?;
        }
        self.create(driver).await
    }

    /// Everything that happens while the Services exist.
    async fn measure<P: Iterator<Item = Step>>(
        &self,
        driver: Driver<'_, P>,
        heartbeats: bool,
    ) -> Result<Completion, SessionError> {
        let session = &self.session;
        session.journal.enter(Phase::Opening);
        let Some(opened) = session.stop.run_until_cancelled(self.open()).await else {
            return Ok(Completion::Interrupted);
        };
        let work = async {
            tokio::select! {
                biased;
                done = self.churn_and_settle(driver) => done,
                never = self.beat(), if heartbeats => match never {},
                never = self.warn_of_unready() => match never {},
            }
        };
        let done = session.hold(opened?, Box::pin(work)).await;
        if matches!(done, Ok(Completion::Complete)) {
            session.journal.sample_left(SETTLE_QUIET_PERIOD).await;
        }
        done
    }

    /// Opens all streams, and waits until they are served.
    async fn open(&self) -> Result<Fleet, SessionError> {
        let session = &self.session;
        session.target_ready().await;
        if session.config.target.is_some() {
            // What it uses from here on is for our streams.
            session.journal.sample().await;
        }
        let mut fleet = session.open_streams();
        tokio::select! {
            biased;
            error = fleet.failed() => Err(error.into()),
            served = self.served() => served.map(|()| fleet),
        }
    }

    /// Waits until every stream has received its snapshot, or was sent a while ago on a Service
    /// that has nothing to send (where streams live as a proxy's do, and so are opened again
    /// and again there: was sent at all).
    async fn served(&self) -> Result<(), SessionError> {
        let (mut best, mut since) = (0, self.session.now());
        let timeout = (self.session.config.fleet.connect_timeout).max(SETTLE_QUIET_PERIOD);
        loop {
            let (held, all) = self.served_now();
            if held == all {
                return Ok(());
            }
            let now = self.session.now();
            if held > best {
                (best, since) = (held, now);
            } else if now.since(since) > timeout {
                return Err(SessionError::NotServed {
                    held,
                    all,
                    after: timeout,
                    refusal: self.session.progress.counters().refusal(),
                });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn served_now(&self) -> (usize, usize) {
        let now = self.session.now();
        let asked = self.scenario.client.lifecycle == Lifecycle::Proxy
            && self.session.progress.counters().total().opened >= self.scenario.streams();
        let all = self.session.ledgers().all().iter();
        all.fold((0, 0), |(served, all), locked| {
            locked.with(|ledger| {
                let phases = ledger.stream_phases();
                let done = (0..).zip(phases).filter(|(stream, phase)| {
                    let empty = || ledger.promised_to(*stream) == 0;
                    match phase {
                        StreamPhase::Held => true,
                        StreamPhase::Sent(at) => {
                            empty() && (asked || *at + SETTLE_QUIET_PERIOD <= now)
                        }
                        StreamPhase::Closed => empty() && asked,
                    }
                });
                (served + done.count(), all + phases.len())
            })
        })
    }

    /// Carries out the plan, waits for pending deliveries, and checks the end state.
    async fn churn_and_settle<P: Iterator<Item = Step>>(
        &self,
        driver: Driver<'_, P>,
    ) -> Result<Completion, SessionError> {
        self.session.journal.sample().await;
        let ended = self.churn(driver).await?;
        let completion = self.session.settle(ended, self.settle(ended)).await;
        self.session.check_end_state().await;
        Ok(completion)
    }

    /// Waits for pending deliveries, but not for ever, and compares what was seen with a LIST.
    async fn settle(&self, ended: ChurnEnd) {
        let session = &self.session;
        let deadline = session.config.limits.deadline;
        let settled = |limit| {
            let is_pending = || session.ledgers().outstanding() > 0;
            session.settle_until(limit, SETTLE_QUIET_PERIOD, is_pending)
        };
        match ended {
            ChurnEnd::Planned => {
                // Twice: what becomes visible within one deadline has another to arrive.
                let until = session.now() + deadline * 2 + SETTLE_QUIET_PERIOD;
                settled(SettleLimit::AtOrReopened(until)).await;
                session.verify(deadline).await;
            }
            ChurnEnd::Stopped => {
                let until = session.announce_settling();
                settled(SettleLimit::At(until)).await;
                let rest = until.since(session.now());
                session.verify(rest.max(SETTLE_QUIET_PERIOD)).await;
                session.warn_unsettled();
            }
            // Its verdict is void: the end state only has to be that of a short while later.
            ChurnEnd::CutOff => {
                let until = session.now() + CUT_OFF_SETTLE_TIME;
                settled(SettleLimit::At(until)).await;
            }
        }
    }

    /// As [`dst_load_kubernetes::actor::Actor::renew_lease`], of the source cluster.
    async fn keep_source_claim(&self) -> KubernetesError {
        match &self.source_actor {
            Some(actor) => actor.renew_lease().await,
            None => std::future::pending().await,
        }
    }
}
