//! Walks a plan on the clock: every action when it is intended, however long the earlier ones take.
//!
//! It decides nothing (the plan does) and keeps nothing but its own lateness.

mod events;
pub(crate) mod lines;
mod metrics;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, iter::Peekable, time::Duration};

use dst_load_kubernetes::actor::{Acted, Actor, KubernetesError};
use dst_load_scenario::{
    action::{Action, CycleStart, Verb},
    plan::Step,
    time::At,
};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

pub use self::{
    events::{ClockAnswer, EventLog},
    metrics::ChurnMetrics,
};

/// Actions that may be under way at once: two for each of the 5,000 Services that a namespace
/// holds. At this bound the plan waits, and the lateness says so.
const OUTSTANDING: usize = 10_000;

/// What happens while a plan is driven, in the order in which it happens. Instants are the run's.
#[derive(Clone, Debug)]
pub enum Event {
    /// A cycle starts.
    Cycle(CycleStart),
    /// An action is due; nothing has been sent for it yet.
    Intended(Action),
    /// An action was answered.
    Acted(Acted),
}

/// Why driving ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything planned was done.
    Finished,
    /// It was stopped.
    Stopped,
    /// A permission is missing: every further action would fail the same way.
    Refused(KubernetesError),
}

/// What driving came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driven {
    /// Why it ended.
    pub ending: Ending,
    /// Actions that were due.
    pub intended: u64,
    /// Actions that were given up.
    pub failed: u64,
    /// Actions that were unanswered when driving was stopped.
    pub abandoned: u64,
    /// The longest time between an action's intended instant and its first call.
    pub lateness_max: Duration,
}

/// Drives one plan with one actor.
pub struct Driver<'a, P: Iterator<Item = Step>> {
    actor: &'a Actor,
    /// The actor on the source cluster, where another one is churned.
    source_actor: Option<&'a Actor>,
    metrics: &'a ChurnMetrics,
    plan: Peekable<P>,
    stop: CancellationToken,
    /// Failures that were logged, without numbers.
    logged: BTreeSet<String>,
}

/// A part of a plan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The creations that it begins with.
    Creation,
    /// All that is left of it.
    Churn,
}

// === impl Driver ===

impl<'a, P: Iterator<Item = Step>> Driver<'a, P> {
    /// A driver that ends early when `stop` is cancelled.
    pub fn new(
        actor: &'a Actor,
        metrics: &'a ChurnMetrics,
        plan: P,
        stop: CancellationToken,
    ) -> Self {
        Self {
            actor,
            source_actor: None,
            metrics,
            plan: plan.peekable(),
            stop,
            logged: BTreeSet::new(),
        }
    }

    /// Leaves what `source_actor` acts on to it.
    #[must_use]
    pub fn with_source_actor(mut self, source_actor: Option<&'a Actor>) -> Self {
        self.source_actor = source_actor;
        self
    }

    /// Does the creations that the plan begins with, intended now, and waits until each is
    /// answered. What follows counts from a later start, when all has settled.
    pub async fn create(&mut self, on: impl FnMut(Event)) -> Driven {
        let start = self.actor.clock().now();
        self.walk(start, Phase::Creation, on).await
    }

    /// Does the rest of the plan, whose instants count from `start`, until it ends and each action
    /// is answered. A plan that runs out of steps without an end stands until it is stopped.
    pub async fn churn(&mut self, start: At, on: impl FnMut(Event)) -> Driven {
        self.walk(start, Phase::Churn, on).await
    }

    async fn walk(&mut self, start: At, phase: Phase, mut on: impl FnMut(Event)) -> Driven {
        let (actor, source_actor) = (self.actor, self.source_actor);
        let clock = actor.clock();
        let mut under_way = FuturesUnordered::new();
        let mut over = phase == Phase::Creation;
        let mut driven = Driven {
            ending: Ending::Finished,
            intended: 0,
            failed: 0,
            abandoned: 0,
            lateness_max: Duration::ZERO,
        };
        loop {
            while under_way.len() < OUTSTANDING
                && let Some(step) = self.plan.next_if(|step| {
                    phase.has(step) && start + step.at().since_start() <= clock.now()
                })
            {
                match step {
                    Step::Cycle(mut cycle) => {
                        cycle.at = start + cycle.at.since_start();
                        self.metrics.cycle_started(&cycle);
                        on(Event::Cycle(cycle));
                    }
                    Step::Act(mut action) => {
                        action.intended = start + action.intended.since_start();
                        driven.intended += 1;
                        on(Event::Intended(action.clone()));
                        let source = source_actor.filter(|it| it.acts_on(action.service));
                        let actor = source.unwrap_or(actor);
                        under_way.push(async move { actor.act(&action).await });
                    }
                    Step::End(_) => over = true,
                }
            }
            let next = self
                .plan
                .peek()
                .filter(|step| phase.has(step))
                .map(Step::at);
            if over && next.is_none() && under_way.is_empty() {
                return driven;
            }
            let next = next.filter(|_| under_way.len() < OUTSTANDING);
            let due = start + next.unwrap_or_default().since_start();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => driven.ending = Ending::Stopped,
                Some(acted) = under_way.next() => {
                    driven.take(&acted);
                    self.log(&acted);
                    self.metrics.acted(&acted);
                    on(Event::Acted(acted));
                }
                () = clock.sleep_until(due), if next.is_some() => {}
            }
            if driven.ending != Ending::Finished {
                driven.abandoned = u64::try_from(under_way.len()).unwrap_or(u64::MAX);
                return driven;
            }
        }
    }

    /// Logs a failure; of those that differ in numbers alone, which may be one of each of thousands
    /// of Services, the first.
    fn log(&mut self, acted: &Acted) {
        let Err(error) = &acted.result else {
            return;
        };
        let kind = error
            .to_string()
            .replace(|it: char| it.is_ascii_digit(), "");
        if self.logged.insert(kind) {
            tracing::warn!(%error, "action failed; more failures like this are not logged");
        } else {
            tracing::debug!(%error, "action failed");
        }
    }
}

// === impl Driven ===

impl Driven {
    fn take(&mut self, acted: &Acted) {
        let lateness = acted.sent.since(acted.action.intended);
        self.lateness_max = self.lateness_max.max(lateness);
        if let Err(error) = &acted.result {
            self.failed += 1;
            if let KubernetesError::Forbidden { .. } | KubernetesError::Unauthorized { .. } = error
            {
                self.ending = Ending::Refused(error.clone());
            }
        }
    }
}

// === impl Phase ===

impl Phase {
    /// Whether `step` belongs to it.
    fn has(self, step: &Step) -> bool {
        let Step::Act(action) = step else {
            return self == Self::Churn;
        };
        self == Self::Churn || matches!(action.verb, Verb::Create { .. })
    }
}
