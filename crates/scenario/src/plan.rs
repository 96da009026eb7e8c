//! When a scenario does what: the lazy, ordered list of its steps.
//!
//! A plan is a pure function of the scenario and its seed. It never waits: whoever runs it does.
//! Instants count from the start of churn, when all Services exist and have settled; the creations
//! themselves come first, all at zero.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use crate::{
    action::{Action, CycleStart, Verb},
    scenario::Scenario,
    time::At,
};

pub mod describe;
mod planned;
mod rhythm;

pub use planned::Planned;

use rhythm::Rhythm;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A cycle starts; the scalings at this instant follow.
    Cycle(CycleStart),
    /// One Service is acted on.
    Act(Action),
    /// The run is over; nothing follows.
    End(At),
}

/// All steps of a scenario, in order: by instant, then cycle starts before acts before the end,
/// then by Service. Infinite where the scenario is.
///
/// - `duration` ends the plan at that instant; what would happen then or later is left out.
/// - `cycles: n` ends it at the end of cycle n's last hold; the earlier of the two counts.
/// - In a mix, the first group that cycles defines the cycles.
#[derive(Clone, Debug)]
pub struct Plan {
    seed: u64,
    services: Vec<Service>,
    creations: VecDeque<Action>,
    /// The rhythm that defines the cycles, if any pattern cycles.
    leader: Option<Rhythm>,
    due: BinaryHeap<Reverse<Due>>,
    /// Cycles started so far.
    cycle: u32,
    end: Option<At>,
    ended: bool,
}

/// What each Service's timeline needs.
#[derive(Clone, Debug)]
struct Service {
    name: String,
    /// Its position in its group.
    position: u32,
    rhythm: Rhythm,
    /// The instant of its next scaling; the one after never overtakes it.
    latest: At,
    /// What its next scaling does.
    verb: Verb,
}

/// The next step of one source, ordered as the plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: At,
    what: What,
}

/// What is due; the order breaks ties of the instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The cycle of this number starts.
    Cycle(u32),
    /// The Service at this position has its `nth` scaling.
    Scaling { service: usize, nth: u32 },
}

// === impl Step ===

impl Step {
    /// The step's intended instant.
    #[must_use]
    pub fn at(&self) -> At {
        match self {
            Self::Cycle(start) => start.at,
            Self::Act(action) => action.intended,
            Self::End(at) => *at,
        }
    }
}

// === impl Plan ===

impl Plan {
    /// Whether `scenario` changes any endpoints once its Services exist.
    #[must_use]
    pub fn changes_endpoints(scenario: &Scenario) -> bool {
        Self::changes(scenario).any()
    }

    /// Whether the plan's end is a cycle's, and not cut off by a duration.
    #[must_use]
    pub fn ends_with_a_cycle(scenario: &Scenario) -> bool {
        let mut unbounded = scenario.clone();
        let Some(duration) = unbounded.churn.duration.take() else {
            return true;
        };
        let Some(cycles) = unbounded.churn.cycles else {
            return false;
        };
        let cut = At::from(duration);
        let full = Self::new(&unbounded).find_map(|step| match step {
            Step::End(at) => Some(at),
            Step::Cycle(_) | Step::Act(_) => None,
        });
        cycles > 0 && full.is_some_and(|full| full <= cut)
    }

    /// The plan of `scenario`, from its first step.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let mut services = Vec::new();
        let mut creations = VecDeque::new();
        let mut leader = None;
        let churned = scenario.churn.groups.len();
        for (number, (group, _)) in scenario.groups().enumerate() {
            let rhythm = Rhythm::new(&group.pattern, group.count);
            // What is local where a second cluster is churned is no load, and has no cycles.
            if leader.is_none() && number < churned && rhythm.cycle_start(1).is_some() {
                leader = Some(rhythm.clone());
            }
            for (position, name) in (0..).zip(group.names()) {
                let verb = Verb::Create {
                    endpoints: group.pattern.initial(),
                };
                services.push(Service {
                    name,
                    position,
                    rhythm: rhythm.clone(),
                    latest: At::ZERO,
                    verb,
                });
                creations.push_back(Action {
                    intended: At::ZERO,
                    service: services.len() - 1,
                    cycle: 0,
                    verb,
                });
            }
        }

        let cycles_end = scenario
            .churn
            .cycles
            .zip(leader.as_ref())
            .and_then(|(cycles, leader)| leader.cycle_end(cycles))
            .map(At::from);
        let until = scenario.churn.duration.map(At::from);

        let mut plan = Self {
            seed: scenario.seed,
            services,
            creations,
            leader,
            due: BinaryHeap::new(),
            cycle: 0,
            end: [cycles_end, until].into_iter().flatten().min(),
            ended: false,
        };
        plan.push_cycle(1);
        for index in 0..plan.services.len() {
            plan.push_scaling(index, 0);
        }
        plan
    }

    /// When the plan ends; `None` if it runs until stopped.
    #[must_use]
    pub fn end(&self) -> Option<At> {
        self.end
    }

    /// When cycle `cycle` (from 1) starts and when it ends, whether or not the plan gets that far;
    /// `None` if nothing cycles, or not that often.
    #[must_use]
    pub fn cycle_bounds(&self, cycle: u32) -> Option<(At, At)> {
        let leader = self.leader.as_ref()?;
        let (start, end) = (leader.cycle_start(cycle)?, leader.cycle_end(cycle)?);
        Some((start.into(), end.into()))
    }

    fn push_cycle(&mut self, cycle: u32) {
        let start = self.leader.as_ref().and_then(|l| l.cycle_start(cycle));
        if let Some(at) = start {
            self.push(at.into(), What::Cycle(cycle));
        }
    }

    fn push_scaling(&mut self, index: usize, nth: u32) {
        let service = &mut self.services[index];
        let Some(scaling) = service.rhythm.scaling(service.position, nth) else {
            return;
        };
        let jitter = scaling.jitter(self.seed, &service.name);
        // A jitter longer than the hold is refused by the scenario file; should one get here all
        // the same, a Service must still do one thing after the other.
        service.latest = service.latest.max(At::from(scaling.at) + jitter);
        service.verb = scaling.verb;
        let at = service.latest;
        self.push(
            at,
            What::Scaling {
                service: index,
                nth,
            },
        );
    }

    /// What would happen at the end or later is left out: nobody could see it through.
    fn push(&mut self, at: At, what: What) {
        if self.end.is_none_or(|end| at < end) {
            self.due.push(Reverse(Due { at, what }));
        }
    }

    fn next_due(&mut self) -> Option<Step> {
        let Reverse(due) = self.due.pop()?;
        match due.what {
            What::Cycle(cycle) => {
                self.cycle = cycle;
                if let Some(next) = cycle.checked_add(1) {
                    self.push_cycle(next);
                }
                Some(Step::Cycle(CycleStart { cycle, at: due.at }))
            }
            What::Scaling { service, nth } => {
                let verb = self.services[service].verb;
                if let Some(next) = nth.checked_add(1) {
                    self.push_scaling(service, next);
                }
                Some(Step::Act(Action {
                    intended: due.at,
                    service,
                    cycle: self.cycle,
                    verb,
                }))
            }
        }
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if let Some(action) = self.creations.pop_front() {
            return Some(Step::Act(action));
        }
        if let Some(step) = self.next_due() {
            return Some(step);
        }
        let end = self.end.filter(|_| !self.ended)?;
        self.ended = true;
        Some(Step::End(end))
    }
}

#[cfg(test)]
mod tests;
