//! Enters what the churner reports into the ledgers.
//!
//! Its log reaches back to its start, and ours does not: of what was intended before the observer
//! had listed everything, or so long ago that its effects no longer wait for it, only the last
//! action of each Service counts, and of that one only what Kubernetes still owes.

use std::collections::BTreeMap;

use dst_load_oracle::ledger::{CLAIM_WAIT, Intent, Ledgers, LockedLedger, ServiceLedger, Written};
use dst_load_recording::offset::Offset;
use dst_load_scenario::{federation::Site, time::At};
use dst_load_transport::clock::Clock;

use super::PartnerEvent;
use crate::churn::{
    ClockAnswer,
    lines::{ActionLine, BeatLine, Mark, MarkLine},
};

/// Enters lines into the ledgers.
pub(super) struct Feed<'a> {
    ledgers: &'a Ledgers,
    clock: Clock,
    since: At,
    /// The churner's process, once it has said which.
    process: Option<Process>,
    /// The sequence number of the last line.
    after: u64,
    /// Cycles of processes before this one: what is restarted counts from 1 again.
    earlier: u32,
    /// By Service: its last action of those before our time.
    history: BTreeMap<String, ActionLine>,
}

struct Process {
    start: String,
    namespace: String,
    offset: Offset,
}

// === impl Feed ===

impl<'a> Feed<'a> {
    pub(super) const fn new(ledgers: &'a Ledgers, clock: Clock, since: At) -> Self {
        Self {
            ledgers,
            clock,
            since,
            process: None,
            after: 0,
            earlier: 0,
            history: BTreeMap::new(),
        }
    }

    pub(super) const fn clock(&self) -> Clock {
        self.clock
    }

    /// The number of the last line that was taken in.
    pub(super) const fn after(&self) -> u64 {
        self.after
    }

    /// The clocks were compared with this outcome. Whether it is the process that it was before;
    /// what another one had asked for is forgotten, and its lines are read from the first on.
    pub(super) fn compared(&mut self, offset: Offset, answer: &ClockAnswer) -> bool {
        let same = self
            .process
            .as_ref()
            .is_some_and(|it| it.start == answer.start);
        if !same {
            if self.process.is_some() {
                tracing::info!("churn was restarted");
                self.earlier = self.ledgers.cycle();
                self.forget();
            }
            self.after = 0;
        }
        self.process = Some(Process {
            start: answer.start.clone(),
            namespace: answer.namespace.clone(),
            offset,
        });
        same
    }

    /// Takes in a mark; returns what the recording should know of it. A cycle that began before
    /// our time is none that could be judged.
    pub(super) fn mark(&mut self, mark: &MarkLine) -> Option<PartnerEvent> {
        self.after = mark.sequence;
        let offset = self.process.as_ref()?.offset;
        let at = offset.ours(At::from_micros(mark.intended));
        match mark.action {
            Mark::End => Some(PartnerEvent::End {
                at: at.unwrap_or_default(),
                whole: mark.whole.unwrap_or_default(),
            }),
            Mark::Cycle => {
                let cycle = self.earlier + mark.cycle.unwrap_or_default();
                self.ledgers.start_cycle(cycle);
                let at = at.filter(|at| *at >= self.since)?;
                Some(PartnerEvent::Cycle { at, cycle })
            }
        }
    }

    /// Takes in a heartbeat; returns it in our time. What was acknowledged before the observer had
    /// listed everything says nothing of how late it is.
    pub(super) fn beat(&self, beat: BeatLine) -> Option<PartnerEvent> {
        let offset = self.process.as_ref()?.offset;
        let at = offset.ours(At::from_micros(beat.acknowledged))?;
        (at >= self.since + offset.uncertainty).then(|| PartnerEvent::Beat {
            written: Written {
                object: beat.heartbeat.into(),
                resource_version: Some(beat.resource_version.into()),
            },
            at,
            slack: offset.uncertainty,
        })
    }

    /// Takes in a line.
    pub(super) fn take(&mut self, line: ActionLine) {
        self.after = line.sequence;
        let Some(offset) = self.process.as_ref().map(|it| it.offset) else {
            return;
        };
        if line.error.is_some() {
            // It may have been done in part, and what of it is not known.
            self.history.remove(&line.service);
            for locked in self.of(&line.service) {
                locked.with(ServiceLedger::forget_intents);
            }
            return;
        }
        if line.acknowledged.is_some() {
            return;
        }
        // What waits for its intent no longer than this is all still there.
        let old = self.clock().now().since(At::ZERO + CLAIM_WAIT);
        match offset.ours(At::from_micros(line.intended)) {
            Some(at) if at >= self.since && at.since_start() >= old => {
                let slack = offset.uncertainty;
                self.resume(&line.service);
                let intent = Intent {
                    at,
                    add: line.add,
                    remove: line.remove,
                };
                for locked in self.of(&line.service) {
                    locked.with(|ledger| ledger.intend_late(intent, slack));
                }
            }
            _ => {
                self.history.insert(line.service.clone(), line);
            }
        }
    }

    /// The churner no longer had this many lines: what it asked for in them is not known.
    pub(super) fn lost(&mut self, lines: u64) {
        tracing::warn!(lines, "churn event log truncated");
        self.forget();
    }

    /// If the lines up to number `last` have come, those before our time are all there are.
    pub(super) fn caught_up(&mut self, last: u64) {
        if self.after < last {
            return;
        }
        while let Some((service, _)) = self.history.first_key_value() {
            let service = service.clone();
            self.resume(&service);
        }
    }

    /// Expects what the last action before our time still lacks, if there was one.
    fn resume(&mut self, service: &str) {
        let Some(line) = self.history.remove(service) else {
            return;
        };
        // Of what replaces endpoints by others it is not known how far it has come.
        if line.add + line.remove != line.from.abs_diff(line.to) {
            return;
        }
        let offset = self.process.as_ref().map(|process| process.offset);
        let at = offset.and_then(|offset| offset.ours(At::from_micros(line.intended)));
        for locked in self.of(service) {
            locked.with(|ledger| ledger.resume(at, line.to));
        }
    }

    fn forget(&mut self) {
        self.history.clear();
        for locked in self.ledgers.all() {
            locked.with(ServiceLedger::forget_intents);
        }
    }

    /// The ledgers of one of the churner's Services.
    fn of(&self, service: &str) -> Vec<&'a LockedLedger> {
        let namespace = self.process.as_ref().map_or("", |it| it.namespace.as_str());
        // Whatever has its endpoints in a second cluster is churned there, and nothing else is.
        let site = if self.ledgers.is_federated() {
            Site::Target
        } else {
            Site::Source
        };
        self.ledgers.of_service(site, namespace, service).collect()
    }
}
