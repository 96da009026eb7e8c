//! The output of a ledger: numbers for the statistics and lines for the recording.

use std::time::Duration;

use dst_load_scenario::{action::Direction, time::At};
use serde::{Deserialize, Serialize};

use crate::ledger::{
    change::{ClosedChange, OpenChanges, Origin},
    messages::UpdateCounts,
    retained::RetainedCounts,
    waiting::FirstEndpoint,
};

/// What a ledger has gathered since its outbox was last taken.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Deliveries that were made, or given up; equal ones that came one after the other are one
    /// entry.
    pub deliveries: Vec<Delivered>,
    /// The Kubernetes stage of deliveries that were opened.
    pub kubernetes: Vec<KubernetesStage>,
    /// End to end of deliveries handed on before, whose intent came late.
    pub claimed: Vec<Claimed>,
    /// Changes that every stream of their audience knows, or whose deadline has passed.
    pub changes: Vec<ClosedChange>,
    /// Streams that had none of a Service's endpoints when it got its first.
    pub first_endpoints: Vec<FirstEndpoint>,
    /// What streams kept while they were opened again.
    pub retained: RetainedCounts,
    /// Counts, without times.
    pub counts: Counts,
    /// How many messages there were for how many changes.
    pub updates: UpdateCounts,
}

/// The outcome of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The stream learnt the wanted state.
    Learnt,
    /// The state ended before the stream had learnt it, and no update about it came afterwards, so
    /// that the time it would have taken is only known to be longer than the state lasted.
    Censored,
    /// The state lasted for longer than the largest latency limit (or the deadline, where there is
    /// none), and the stream has not learnt it.
    Never,
}

/// Equal observations, as a ledger keeps them until they are handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) times: u64,
    pub(super) change: u64,
    pub(super) after: After,
    pub(super) intended: Option<At>,
    pub(super) replica: Option<u32>,
}

/// Observations that ended and have not been handed on: it is not settled yet when the destination
/// stage of each started.
#[derive(Debug, Default)]
pub(super) struct Endings(Vec<Ended>);

/// When an observation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The stream learnt the state at this instant.
    Learnt(At),
    /// It had not learnt the state after this long, counted from the start of the destination stage.
    Unlearnt(Duration, Outcome),
}

/// Equal deliveries, each of them a stream that learnt one wanted state of one endpoint, or did not
/// by the deadline: what a message of 100 addresses teaches is nearly always one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The number of deliveries.
    pub times: u64,
    /// The cycle of its change.
    pub cycle: u32,
    /// Whether the endpoint appeared or went.
    pub direction: Direction,
    /// From the start of the destination stage; a lower bound, unless it was learnt.
    pub destination: Duration,
    /// From the intended instant, if an action is known to have caused it.
    pub end_to_end: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
    /// The replica of the stream, where there are several.
    pub replica: Option<u32>,
    /// Whether another cluster churned when the change became visible.
    pub disturbed: bool,
}

/// From the intended instant to the observer, for all deliveries of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KubernetesStage {
    /// The cycle of the change.
    pub cycle: u32,
    /// Whether the endpoint appeared or went.
    pub direction: Direction,
    /// Intended to visible.
    pub latency: Duration,
    /// Deliveries opened for this endpoint.
    pub deliveries: u64,
    /// Whether another cluster churned when the change became visible.
    pub disturbed: bool,
}

/// The end-to-end stage of a delivery that was handed on without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The cycle of its change.
    pub cycle: u32,
    /// Whether the endpoint appeared or went.
    pub direction: Direction,
    /// Whether another cluster churned when the change became visible.
    pub disturbed: bool,
    /// From the intended instant.
    pub end_to_end: Duration,
}

/// Counts, without times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Messages received.
    pub messages: u64,
    /// Addresses in them.
    pub addresses: u64,
    /// Addresses that changed nothing, and that nothing explains: already held, or not held and
    /// not expected to be.
    pub redundant: u64,
    /// Addresses that were added again after an event of a slice that lists them, which is legal.
    #[serde(default)]
    pub repeated: u64,
    /// Wanted states that a stream was in again before it had learnt the one before: there was
    /// nothing to learn of them.
    pub superseded: u64,
    /// States that lasted for less than a fifth of the smallest latency limit and were not learnt: a
    /// controller may leave them out.
    #[serde(default)]
    pub excluded: u64,
    /// Deliveries that arrived before the observer saw their change.
    pub early: u64,
    /// Updates without an explanation in Kubernetes, confirmed by a consistent read after they
    /// arrived.
    #[serde(default)]
    pub premature: u64,
    /// Deliveries that arrived after their deadline.
    pub late: u64,
    /// Deliveries that a stream took with it when it closed.
    pub left: u64,
    /// Updates whose effect was unconfirmed at the deadline.
    pub unexpected: u64,
    /// Those among them that a later update or change put right.
    pub unexpected_mended: u64,
    /// Changes that a relist brought, after streams had opened: they are not timed.
    pub untimed_changes: u64,
    /// Endpoints that Kubernetes had not added or removed before the action was reverted.
    pub starved: u64,
    /// Time that streams held endpoints that were gone, summed over (stream, endpoint), seconds.
    pub stale_seconds: f64,
}

// === impl Outbox ===

impl Outbox {
    /// States all latencies, now that it is settled when each change started.
    pub(super) fn settle(&mut self, endings: Endings, changes: &OpenChanges) {
        for change in &mut self.changes {
            if changes.knows(change.number) {
                change.count_from(changes.start(change.number));
            }
        }
        for ended in endings.0 {
            let delivered = ended.from(changes.origin(ended.change));
            if let Some(last) = self.deliveries.last_mut()
                && *last
                    == (Delivered {
                        times: last.times,
                        ..delivered
                    })
            {
                last.times += delivered.times;
            } else {
                self.deliveries.push(delivered);
            }
        }
    }
}

// === impl Endings ===

impl Endings {
    /// Takes in the end of an observation.
    pub(super) fn end(&mut self, ended: Ended) {
        if let Some(last) = self.0.last_mut()
            && *last
                == (Ended {
                    times: last.times,
                    ..ended
                })
        {
            last.times += ended.times;
        } else {
            self.0.push(ended);
        }
    }
}

// === impl Ended ===

impl Ended {
    fn from(self, origin: &Origin) -> Delivered {
        let start = origin.start;
        let (destination, outcome) = match self.after {
            After::Learnt(at) => (at.since(start), Outcome::Learnt),
            After::Unlearnt(span, outcome) => (span, outcome),
        };
        Delivered {
            times: self.times,
            cycle: origin.cycle,
            direction: origin.direction,
            destination,
            end_to_end: self.intended.map(|intended| match self.after {
                After::Learnt(at) => at.since(intended),
                After::Unlearnt(span, _) => start.since(intended) + span,
            }),
            outcome,
            replica: self.replica,
            disturbed: origin.disturbed,
        }
    }
}

// === impl Counts ===

impl Counts {
    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: &Self) {
        self.messages += other.messages;
        self.addresses += other.addresses;
        self.redundant += other.redundant;
        self.repeated += other.repeated;
        self.superseded += other.superseded;
        self.excluded += other.excluded;
        self.premature += other.premature;
        self.early += other.early;
        self.late += other.late;
        self.left += other.left;
        self.unexpected += other.unexpected;
        self.unexpected_mended += other.unexpected_mended;
        self.untimed_changes += other.untimed_changes;
        self.starved += other.starved;
        self.stale_seconds += other.stale_seconds;
    }
}
