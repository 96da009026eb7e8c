//! Intents that another process reports, and that may come after what they brought about.
//!
//! The churner reports an action when it is due, and the action's slices may arrive before that
//! report: a change that no intent explains is kept for a while, and the intent that comes
//! late claims it. An effect never precedes its intended instant, which is what keeps a late intent
//! from claiming the effects of another, and of what somebody else did before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dst_load_scenario::{action::Direction, time::At};

use super::{
    Observation, ServiceLedger,
    change::ClosedChange,
    intents::{Intent, Intents, Open},
    outbox::{Claimed, KubernetesStage},
    slots::SlotId,
};

/// For how long a change waits for the intent that explains it. A client that lost its connection to
/// the churner reconnects every 10 s.
pub const WAIT: Duration = Duration::from_secs(30);
/// Instants that are kept of one Service's unclaimed deliveries: some megabyte, and more than 100
/// endpoints for 1,000 streams. Beyond it an endpoint keeps its Kubernetes stage alone.
const MOST: usize = 120_000;

/// Endpoints of changes that no intent explains as yet.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    late: bool,
    /// By change and slot, which is the order in which they were seen.
    open: BTreeMap<(u64, SlotId), ObservedEndpoint>,
    /// Changes that are closed, and handed on once they are claimed or have waited long enough.
    held: BTreeMap<u64, ClosedChange>,
    instants: usize,
}

/// One endpoint of a change.
#[derive(Debug)]
struct ObservedEndpoint {
    direction: Direction,
    cycle: u32,
    visible: At,
    disturbed: bool,
    deliveries: usize,
    /// When streams knew it.
    known: Vec<At>,
}

// === impl ServiceLedger ===

impl ServiceLedger {
    /// Expects intents from another process: changes are kept for those that come late.
    pub fn expect_late_intents(&mut self) {
        self.unclaimed.late = true;
    }

    /// Registers an action that was sent and should have made (or ended) endpoints of this Service.
    /// `slack` is the uncertainty of its intended instant.
    pub fn intend_late(&mut self, intent: Intent, slack: Duration) {
        let add = self.claim(Direction::Add, &intent, slack);
        let remove = self.claim(Direction::Remove, &intent, slack);
        let rest = Intent {
            at: intent.at,
            add: intent.add - add,
            remove: intent.remove - remove,
        };
        self.outbox.counts.starved += self.intents.register(rest);
        self.release();
    }

    /// Forgets every intent, and expects the difference between the endpoints that there are now
    /// and the `to` endpoints that the last action asked for. That was intended at `at`; `None`
    /// before this run's clock began. For a client that connects late or has missed events.
    pub fn resume(&mut self, at: Option<At>, to: u32) {
        let promised = u32::try_from(self.promised()).unwrap_or(u32::MAX);
        self.intents = Intents::default();
        self.intents.register(Open {
            at,
            add: to.saturating_sub(promised),
            remove: promised.saturating_sub(to),
        });
    }

    /// Forgets every intent, as what was asked for is no longer known.
    pub fn forget_intents(&mut self) {
        self.intents = Intents::default();
    }

    /// Hands on the changes that nobody has yet to learn, unless an intent may still claim them.
    pub(super) fn hand_on_changes(&mut self) {
        for (number, change) in self.changes.close_done() {
            if change.intended.is_none() && self.unclaimed.has(number) {
                self.unclaimed.held.insert(number, change);
            } else {
                self.outbox.changes.push(change);
            }
        }
    }

    /// Hands on what has waited long enough.
    pub(super) fn expire_claims(&mut self, now: At) {
        let unclaimed = &mut self.unclaimed;
        while let Some(oldest) = unclaimed.open.first_entry()
            && oldest.get().visible + WAIT <= now
        {
            unclaimed.instants -= oldest.remove().known.len();
        }
        self.release();
    }

    /// Waits for no intent any longer.
    pub(super) fn give_up_claims(&mut self) {
        self.unclaimed.open.clear();
        self.unclaimed.instants = 0;
        self.release();
    }

    /// Puts as many unclaimed endpoints down to the intent as it asked for, the oldest first.
    /// Returns how many there were.
    fn claim(&mut self, direction: Direction, intent: &Intent, slack: Duration) -> u32 {
        let wanted = match direction {
            Direction::Add => intent.add,
            Direction::Remove => intent.remove,
        };
        let found: Vec<_> = self
            .unclaimed
            .open
            .iter()
            .filter(|(_, it)| it.direction == direction && it.visible + slack >= intent.at)
            .map(|(&key, _)| key)
            .take(wanted as usize)
            .collect();
        for &(number, id) in &found {
            let Some(observed) = self.unclaimed.open.remove(&(number, id)) else {
                continue;
            };
            self.unclaimed.instants -= observed.known.len();
            self.attribute(number, id, &observed, intent.at);
        }
        u32::try_from(found.len()).expect("invariant: at most a u32 was wanted")
    }

    /// This endpoint of the change was intended at `at`.
    fn attribute(&mut self, number: u64, id: SlotId, observed: &ObservedEndpoint, at: At) {
        if !self.changes.claim(number, at)
            && let Some(held) = self.unclaimed.held.get_mut(&number)
        {
            held.intended.get_or_insert(at);
        }
        if self.slots.contains(id) {
            let open = &mut self.slots.get_mut(id).open;
            for entry in open.iter_mut().filter(|entry| entry.change == number) {
                entry.intended = Some(at);
            }
        }
        let (cycle, direction) = (observed.cycle, observed.direction);
        let disturbed = observed.disturbed;
        self.outbox.kubernetes.push(KubernetesStage {
            cycle,
            direction,
            disturbed,
            latency: observed.visible.since(at),
            deliveries: observed.deliveries as u64,
        });
        let known = observed.known.iter().map(|known| Claimed {
            cycle,
            direction,
            disturbed,
            end_to_end: known.since(at),
        });
        self.outbox.claimed.extend(known);
    }

    /// Hands on the held changes that are claimed, and those that nothing can claim any more.
    fn release(&mut self) {
        let unclaimed = &mut self.unclaimed;
        let held = std::mem::take(&mut unclaimed.held);
        for (number, change) in held {
            if change.intended.is_none() && unclaimed.has(number) {
                unclaimed.held.insert(number, change);
            } else {
                self.outbox.changes.push(change);
            }
        }
    }
}

// === impl Unclaimed ===

impl Unclaimed {
    /// Whether another process reports the intents.
    pub(super) const fn takes_late(&self) -> bool {
        self.late
    }

    /// An endpoint of a change was seen that nothing explains.
    pub(super) fn open(
        &mut self,
        number: u64,
        id: SlotId,
        observation: &Observation,
        direction: Direction,
        disturbed: bool,
        deliveries: usize,
    ) {
        if self.late {
            let observed = ObservedEndpoint {
                direction,
                cycle: observation.cycle,
                visible: observation.visible,
                disturbed,
                deliveries,
                known: Vec::new(),
            };
            self.open.insert((number, id), observed);
        }
    }

    /// A stream knew the endpoint of the change at this instant.
    pub(super) fn known(&mut self, number: u64, id: SlotId, at: At) {
        if self.instants < MOST
            && let Some(observed) = self.open.get_mut(&(number, id))
        {
            observed.known.push(at);
            self.instants += 1;
        }
    }

    /// The changes that are held.
    pub(super) fn held(&self) -> BTreeSet<u64> {
        self.held.keys().copied().collect()
    }

    fn has(&self, number: u64) -> bool {
        let all = (number, SlotId::MIN)..=(number, SlotId::MAX);
        self.open.range(all).next().is_some()
    }
}
