//! What a ledger hands on: numbers for the statistics and lines for the recording.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{
    endpoint::Direction,
    ledger::{change::ClosedChange, waiting::BetweenTries},
};

/// What has gathered since it was last taken.
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
    /// Streams that heard late of first endpoints, for they were between two tries.
    pub between_tries: Vec<BetweenTries>,
    /// What is only counted.
    pub counts: Counts,
}

/// Equal deliveries, each of them a stream that learnt one wanted state of one endpoint, or did not
/// by the deadline: what a message of 100 addresses teaches is nearly always one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// How many.
    pub times: u64,
    /// The cycle of its change.
    pub cycle: u32,
    /// Whether the endpoint appeared or went.
    pub direction: Direction,
    /// From the start of the destination stage; the deadline if it never arrived.
    pub destination: Duration,
    /// From the intended instant, if an action is known to have caused it.
    pub end_to_end: Option<Duration>,
    /// Whether it had not arrived by the deadline.
    pub never: bool,
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

/// What is only counted.
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
    /// Deliveries that a later wanted state overtook: neither timed nor never.
    pub superseded: u64,
    /// Deliveries that arrived before the observer saw their change.
    pub early: u64,
    /// Deliveries that arrived after their deadline.
    pub late: u64,
    /// Deliveries that a stream took with it when it closed.
    pub left: u64,
    /// Updates whose effect stood unconfirmed at the deadline.
    pub unexpected: u64,
    /// Those among them that a later update or change put right.
    pub unexpected_mended: u64,
    /// Changes that a relist brought, after streams had opened: they are not timed.
    pub untimed_changes: u64,
    /// Endpoints that Kubernetes had not made or ended before it was told to go back.
    pub starved: u64,
    /// Time that streams held endpoints that were gone, summed over (stream, endpoint), seconds.
    pub stale_seconds: f64,
}

// === impl Outbox ===

impl Outbox {
    /// Takes in deliveries.
    pub(super) fn deliver(&mut self, delivered: Delivered) {
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

// === impl Counts ===

impl Counts {
    /// Adds another's counts to these.
    pub fn absorb(&mut self, other: &Self) {
        self.messages += other.messages;
        self.addresses += other.addresses;
        self.redundant += other.redundant;
        self.repeated += other.repeated;
        self.superseded += other.superseded;
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
