//! What the driver of the plan does, entered into the ledgers and the recording.

use std::{io, time::Duration};

use dst_load_oracle::ledger::Intent;
use dst_load_recording::{
    recording::{Line, Phase},
    warning::Warning,
};
use dst_load_scenario::{
    action::Verb,
    plan::{Plan, Step},
    time::At,
};

use super::{Engine, unready::Stall};
use crate::{
    churn::{Driver, Ending, Event},
    watching::{ChurnEnd, POLL_INTERVAL, SessionError},
};

/// For how long Kubernetes may go without making a single further endpoint, at the start.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(60);
/// An action sent this much later than intended is worth a warning.
const LATE_ACTION_THRESHOLD: Duration = Duration::from_millis(100);

// === impl Engine ===

impl<W: io::Write> Engine<W> {
    /// Makes the Services and waits until all their endpoints are visible.
    pub(super) async fn create<P: Iterator<Item = Step>>(
        &self,
        driver: &mut Driver<'_, P>,
    ) -> Result<(), SessionError> {
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
        let wanted = self.wanted();
        let (mut best, mut stall) = (0, Stall::new(self.session.now()));
        loop {
            let made = self.promised();
            if made == wanted {
                return Ok(());
            }
            let now = self.session.now();
            if made > best {
                (best, stall) = (made, Stall::new(now));
            } else if stall.lasted(now) > PROGRESS_TIMEOUT {
                return Err(SessionError::NotMade {
                    made,
                    wanted,
                    after: PROGRESS_TIMEOUT,
                    deployments: self.scenario.churn.backend.is_deployments(),
                    reasons: self.why_not_ready().await,
                });
            } else if let Some(ask) = stall.asks(now) {
                self.warn_why(ask).await;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Carries out the plan.
    pub(super) async fn churn<P: Iterator<Item = Step>>(
        &self,
        mut driver: Driver<'_, P>,
    ) -> Result<ChurnEnd, SessionError> {
        let journal = &self.session.journal;
        journal.enter(Phase::Churning);
        let start = self.session.now();
        let (mut late, mut worst, mut cycled) = (0, Duration::ZERO, false);
        let (mut failed, mut failure) = (0, None);
        let driven = driver
            .churn(start, |event| match event {
                Event::Cycle(cycle) => {
                    cycled = true;
                    self.session.ledgers().start_cycle(cycle.cycle);
                    journal.push(Line::Cycle {
                        at: cycle.at,
                        cycle: cycle.cycle,
                    });
                }
                Event::Intended(action) => {
                    self.intend(&action.verb, action.service, action.intended);
                }
                Event::Acted(acted) => {
                    let lateness = acted.sent.since(acted.action.intended);
                    late += u64::from(lateness > LATE_ACTION_THRESHOLD);
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
        let at = self.session.now();
        let stopped = driven.ending == Ending::Stopped;
        if cycled {
            journal.push(Line::LastCycleEnds {
                at,
                whole: !stopped && Plan::ends_with_a_cycle(&self.scenario),
            });
        }
        if late > 0 {
            journal.warn(Warning::LateActions {
                actions: late,
                worst_seconds: worst.as_secs_f64(),
            });
        }
        if let Some(error) = failure {
            journal.warn(Warning::FailedActions {
                actions: failed,
                error: error.to_string(),
            });
        }
        let churn = &self.scenario.churn;
        let endless = churn.duration.is_none() && churn.cycles.is_none();
        Ok(match (stopped, endless) {
            (false, _) => ChurnEnd::Planned,
            (true, true) => ChurnEnd::Stopped,
            (true, false) => ChurnEnd::CutOff,
        })
    }

    /// Enters into the ledgers what an action is meant to change.
    fn intend(&self, verb: &Verb, service: usize, at: At) {
        let (add, remove) = verb.expects();
        let ledgers = self.session.ledgers();
        for &ledger in &self.ledgers_of[service] {
            // What is local beside a churned cluster is a probe: when Kubernetes is late with it,
            // nothing of the plan is.
            let two = self.session.observers.are_two();
            if !two || ledgers.all()[ledger].service.through.is_some() {
                ledgers.intend(ledger, Intent { at, add, remove });
            }
        }
    }

    /// Endpoints that are to be visible at the start, over all Services; each counts as often as it
    /// is asked for.
    fn wanted(&self) -> u64 {
        let initial = self.scenario.groups().flat_map(|(group, _)| {
            std::iter::repeat_n(u64::from(group.pattern.initial()), group.count as usize)
        });
        (self.ledgers_of.iter().zip(initial))
            .map(|(ledgers, endpoints)| ledgers.len() as u64 * endpoints)
            .sum()
    }

    /// Endpoints that are promised, over all Services.
    fn promised(&self) -> u64 {
        let all = self.session.ledgers().all().iter();
        all.map(|locked| locked.with(|ledger| ledger.promised() as u64))
            .sum()
    }
}
