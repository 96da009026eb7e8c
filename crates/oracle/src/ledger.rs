//! The ledger of one Service ([`ServiceLedger`]): which stream learnt which change when; and those
//! of all Services that are watched, a lock each ([`Ledgers`]).
//!
//! Changes come from the reference observer, updates from the streams, in any order. The ledger
//! pairs them by endpoint, counts what never arrives at the deadline, and keeps what every stream
//! holds, so that at the end each can be checked against what it was promised. It reads no clock
//! and holds memory in proportion to streams × endpoints, not to the length of the run.
//!
//! The words (delivery, change, audience, superseded, never, late) are defined in
//! `docs/measurement.md`.

mod acknowledged;
mod change;
mod claims;
mod classes;
mod cluster_ip;
mod expiry;
mod holdings;
mod intents;
mod ledgers;
mod limits;
mod locked;
mod messages;
mod moving;
mod observation;
mod outbox;
mod pairing;
mod repeats;
mod retained;
mod retries;
mod settle;
mod slots;
mod streams;
#[cfg(test)]
mod tests;
mod unexplained;
mod unserved;
mod updates;
mod waiting;
mod watched;

use dst_load_scenario::time::At;

use self::{
    acknowledged::Acknowledged, change::OpenChanges, claims::Unclaimed, classes::Present,
    intents::Intents, messages::Messages, outbox::Endings, repeats::Repeats, retained::Retained,
    retries::Retries, slots::Slots, streams::Streams, unexplained::Unexplained, unserved::Unserved,
    waiting::Waiting,
};

pub use self::{
    acknowledged::Written,
    change::{ChangeId, ClosedChange, UnderWay},
    claims::WAIT as CLAIM_WAIT,
    cluster_ip::ClusterIp,
    intents::Intent,
    ledgers::Ledgers,
    limits::{BEHIND, FIRST_ITEM, Limits},
    locked::LockedLedger,
    messages::UpdateCounts,
    observation::Observation,
    outbox::{Claimed, Counts, Delivered, KubernetesStage, Outbox, Outcome},
    retained::RetainedCounts,
    settle::{EndState, EndpointCounts, Wrong},
    streams::{EndedBy, StreamId, StreamPhase},
    waiting::FirstEndpoint,
    watched::WatchedService,
};

/// The ledger of one Service and port.
#[derive(Debug)]
pub struct ServiceLedger {
    limits: Limits,
    streams: Streams,
    present: Present,
    slots: Slots,
    changes: OpenChanges,
    intents: Intents,
    unclaimed: Unclaimed,
    acknowledged: Acknowledged,
    unexplained: Unexplained,
    repeats: Repeats,
    messages: Messages,
    waiting: Waiting,
    retained: Retained,
    retries: Retries,
    unserved: Unserved,
    /// Whether another cluster churns at present, so that what becomes visible here is disturbed.
    disturbed: bool,
    /// Deliveries made or given up, ever.
    made: u64,
    endings: Endings,
    outbox: Outbox,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// An empty ledger that waits for as long as `limits` say.
    #[must_use]
    pub fn new(limits: impl Into<Limits>) -> Self {
        Self {
            limits: limits.into(),
            streams: Streams::default(),
            present: Present::default(),
            slots: Slots::default(),
            changes: OpenChanges::default(),
            intents: Intents::default(),
            unclaimed: Unclaimed::default(),
            acknowledged: Acknowledged::default(),
            unexplained: Unexplained::default(),
            repeats: Repeats::default(),
            messages: Messages::default(),
            waiting: Waiting::default(),
            retained: Retained::default(),
            retries: Retries::default(),
            unserved: Unserved::default(),
            disturbed: false,
            made: 0,
            endings: Endings::default(),
            outbox: Outbox::default(),
        }
    }

    /// Registers an action that is about to be sent and should make (or end) endpoints of this
    /// Service.
    pub fn intend(&mut self, intent: Intent) {
        if self.unjudged().is_some() {
            return;
        }
        self.outbox.counts.starved += self.intents.register(intent);
    }

    /// Drops all open intents, and counts what Kubernetes has not brought about of them as starved.
    /// Intents that another process reports are not counted: that process may go on.
    pub fn abandon_intents(&mut self) {
        if !self.unclaimed.takes_late() {
            self.outbox.counts.starved += self.intents.unreached();
        }
        self.intents = Intents::default();
        self.give_up_claims();
    }

    /// Endpoints that actions have asked for and the observer has not seen yet, in both directions.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.intents.outstanding()
    }

    /// Whether a change has not reached all its streams yet.
    #[must_use]
    pub fn has_open_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The newest change that has not reached all its streams yet.
    #[must_use]
    pub fn under_way(&self, now: At) -> Option<UnderWay> {
        self.changes.newest(now)
    }

    /// Whether nothing is awaited any more: no open changes, no stream between two tries that has
    /// yet to hear of first endpoints, and no holdings or repetitions that nothing explains.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.changes.is_empty()
            && self.repeats.is_empty()
            && !self.waiting.is_pending()
            && !self.unexplained.is_pending()
    }

    /// Sets whether another cluster churns while what follows becomes visible.
    pub fn set_disturbed(&mut self, disturbed: bool) {
        self.disturbed = disturbed;
    }

    /// Takes what was gathered since the last call.
    pub fn take_outbox(&mut self) -> Outbox {
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.settle(std::mem::take(&mut self.endings), &self.changes);
        self.changes.handed_on(&self.unclaimed.held());
        outbox
    }

    /// Deliveries made or given up since the beginning.
    #[must_use]
    pub const fn deliveries_made(&self) -> u64 {
        self.made
    }
}
