//! A client without a churner: it opens streams, observes what they should receive, and acts on
//! nothing.
//!
//! To the [`WatchingSession`] it adds what a churner in another process reports
//! ([`crate::partner`]), if there is one. It watches until a signal, or until that churner's plan is
//! over, and then checks what every stream holds.

use std::{cell::Cell, convert::Infallible, fs::File, io, sync::Arc, time::Duration};

use dst_load_kubernetes::observer::Observer;
use dst_load_oracle::ledger::WatchedService;
use dst_load_recording::{
    recording::{Header, LagSource, Line, Phase},
    warning::Warning,
};
use dst_load_report::report::page::Page;
use dst_load_scenario::{criteria::Criteria, plan::Planned};
use dst_load_transport::clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Readiness,
    churner::Churner,
    partner::{Partner, PartnerEvent},
    progress::Progress,
    recorder::{RecordError, Recorder},
    snapshot::{Asked, Closed},
    watching::{
        ChurnEnd, Completion, Ended, POLL_INTERVAL, SessionConfig, SessionError, SettleLimit,
        WatchingSession,
    },
};

/// For how long the observer is waited for at the end, at most, to have seen what a LIST has.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// For how long at least.
const SHORTEST_VERIFY_TIMEOUT: Duration = Duration::from_secs(1);

/// What ends the watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchUntil {
    /// A signal.
    Stopped,
    /// The end of the churner's plan, or a signal.
    PlanOver,
}

/// A client that is about to start, or under way.
pub struct Client<W: io::Write> {
    session: WatchingSession<W>,
    /// The churner in another process, where it is known.
    partner: Option<Partner>,
    until: WatchUntil,
    readiness: Readiness,
    /// Cancelled when the partner reports that its plan is over.
    plan_over: CancellationToken,
    /// Whether the observer has listed everything.
    listed: Cell<bool>,
    /// Whether all has been written.
    ended: Cell<bool>,
}

// === impl Client ===

impl<W: io::Write> Client<W> {
    /// A client of `services`, which `partner` churns, where that is known. It ends when `stop` is
    /// cancelled, if not earlier.
    pub fn new(
        services: Vec<WatchedService>,
        config: SessionConfig,
        partner: Option<Partner>,
        until: WatchUntil,
        recorder: Recorder<W>,
        readiness: Readiness,
        stop: CancellationToken,
    ) -> Self {
        let churner = match &partner {
            Some(_) => Churner::Partner,
            None => Churner::Unknown,
        };
        let clock = Clock::start();
        Self {
            session: WatchingSession::new(clock, services, config, churner, recorder, stop),
            partner,
            until,
            readiness,
            plan_over: CancellationToken::new(),
            listed: Cell::new(false),
            ended: Cell::new(false),
        }
    }

    /// How far it has come, for whatever serves metrics meanwhile.
    #[must_use]
    pub const fn progress(&self) -> &Arc<Progress> {
        &self.session.progress
    }

    /// What watches Kubernetes, for whatever serves metrics meanwhile.
    #[must_use]
    pub fn observers(&self) -> Vec<Observer> {
        self.session.observers.all()
    }

    /// Watches until it is stopped or the plan is over, and checks the end state.
    ///
    /// # Errors
    /// [`SessionError`]; it is in the recording too, unless that is what cannot be written.
    pub async fn run(&self, header: Header) -> Result<(), SessionError> {
        let phases = async {
            tokio::select! {
                biased;
                ended = self.run_phases() => ended,
                never = self.follow_partner() => match never {},
            }
        };
        let Ended { error, .. } = self.session.run(header, Box::pin(phases)).await;
        if self.until == WatchUntil::Stopped {
            self.readiness.set(false);
        }
        self.ended.set(true);
        error.map_or(Ok(()), Err)
    }

    /// Writes what has gathered: the report of it, and what is drawn beside it; `None` before it has
    /// begun. It is judged by `criteria`, and correctness always is.
    ///
    /// # Errors
    /// If the recording cannot be written.
    pub fn page(
        &self,
        criteria: &Criteria,
        planned: impl Into<Planned>,
    ) -> Result<Option<Page>, RecordError> {
        self.session.journal.page(criteria, planned)
    }

    /// Closes the recording, which is written to `file`, for each request; for ever.
    pub async fn answer(&self, file: &File, asked: &mut Asked) -> Infallible {
        while let Some(answer) = asked.recv().await {
            if !self.ended.get() && self.listed.get() {
                let timeout = self.session.config.limits.deadline.min(VERIFY_TIMEOUT);
                self.session.verify(timeout).await;
            }
            // The requester may be gone.
            let _ = answer.send(self.close(file));
        }
        std::future::pending().await
    }

    fn close(&self, file: &File) -> io::Result<Closed> {
        let lines = if self.ended.get() {
            Vec::new()
        } else {
            let lines = self.session.journal.close_at(self.session.now());
            lines.map_err(io::Error::other)?
        };
        let written = file.metadata()?.len();
        Ok(Closed { written, lines })
    }

    /// All phases. A signal is how watching ends, and interrupts it only after the plan.
    async fn run_phases(&self) -> Result<Completion, SessionError> {
        let session = &self.session;
        session.journal.enter(Phase::Preparing);
        match session.stop.run_until_cancelled(session.synced()).await {
            None => return Ok(Completion::Complete),
            Some(synced) => synced?,
        }
        self.listed.set(true);
        session.journal.enter(Phase::Opening);
        let ready = session.stop.run_until_cancelled(session.target_ready());
        if ready.await.is_none() {
            return Ok(Completion::Complete);
        }
        let fleet = session.open_streams();
        let streams = fleet.streams();
        let work = async { Ok(self.watch(streams).await) };
        session.hold(fleet, Box::pin(work)).await
    }

    /// Everything that happens while the streams are held.
    async fn watch(&self, streams: u64) -> Completion {
        let session = &self.session;
        let opened = async {
            while session.progress.counters().total().opened < streams {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        if session.stop.run_until_cancelled(opened).await.is_some() {
            tracing::info!(streams, "all streams opened");
            self.readiness.set(true);
            session.journal.enter(Phase::Churning);
            session.journal.sample().await;
            self.churn_over().await;
            // After a plan it stays ready: there is a snapshot to be had.
            self.readiness.set(self.until == WatchUntil::PlanOver);
        }
        let ended = if session.stop.is_cancelled() {
            ChurnEnd::Stopped
        } else {
            ChurnEnd::Planned
        };
        let completion = session.settle(ended, self.settle(ended)).await;
        session.warn_unsettled();
        session.check_end_state().await;
        completion
    }

    /// Waits for what ends the watching.
    async fn churn_over(&self) {
        tokio::select! {
            biased;
            () = self.session.stop.cancelled() => {}
            () = self.plan_over.cancelled(), if self.until == WatchUntil::PlanOver => {}
        }
    }

    /// Waits for pending deliveries, but not for ever, since elsewhere the endpoints may never stop
    /// moving; and compares what was seen with a LIST.
    async fn settle(&self, ended: ChurnEnd) {
        let session = &self.session;
        let until = match ended {
            ChurnEnd::Planned => session.now() + session.config.limits.deadline,
            ChurnEnd::Stopped | ChurnEnd::CutOff => session.announce_settling(),
        };
        let settled = || session.settle_until(SettleLimit::At(until), Duration::ZERO, || false);
        settled().await;
        let rest = until.since(session.now());
        let timeout = rest.clamp(SHORTEST_VERIFY_TIMEOUT, VERIFY_TIMEOUT);
        if session.verify(timeout).await {
            settled().await;
        }
    }

    /// Reads what the partner does, if there is one, once the observer has listed everything.
    async fn follow_partner(&self) -> Infallible {
        let session = &self.session;
        let (Some(partner), Ok(())) = (&self.partner, session.synced().await) else {
            return std::future::pending().await;
        };
        let cycled = Cell::new(false);
        let on = |event| self.record_partner(event, &cycled);
        partner
            .follow(session.ledgers(), session.clock(), session.now(), on)
            .await
    }

    fn record_partner(&self, event: PartnerEvent, cycled: &Cell<bool>) {
        let session = &self.session;
        let journal = &session.journal;
        match event {
            PartnerEvent::Clock(line) => journal.push(Line::Clock(line)),
            PartnerEvent::Silent { url, error } => {
                journal.warn(Warning::ChurnSilent { url, error });
            }
            PartnerEvent::Beat { written, at, slack } => {
                let observer = session.observers.of(session.observers.churned());
                observer.acknowledged(&written, at, slack, LagSource::Heartbeat);
            }
            PartnerEvent::Cycle { at, cycle } => {
                cycled.set(true);
                journal.push(Line::Cycle { at, cycle });
            }
            PartnerEvent::End { at, whole } => {
                if cycled.get() {
                    journal.push(Line::LastCycleEnds { at, whole });
                }
                self.plan_over.cancel();
            }
        }
    }
}
