//! The ledgers of all Services that are watched, shared by the observer, the streams and the
//! journal.
//!
//! One lock a Service: an update touches no other Service's, and there is none around them all.
//! Nothing here reads a clock: instants are given.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use dst_load_scenario::{federation::Site, flags::Flags, time::At};

use super::{Intent, Limits, LockedLedger, ServiceLedger, UnderWay, WatchedService, Written};

/// For how long after an event of the target cluster what happens in the source cluster counts as
/// disturbed by it: Kubernetes writes the slices of one scaling at most a second apart.
const DISTURBED: Duration = Duration::from_secs(1);

/// All ledgers of a run.
#[derive(Debug)]
pub struct Ledgers {
    ledgers: Vec<LockedLedger>,
    by_service: HashMap<(Site, String, String), Vec<usize>>,
    /// Whether some of them are of a target cluster.
    federated: bool,
    /// When a change of the target cluster was last seen, microseconds after the start; 0 before.
    target_seen: AtomicU64,
    cycle: AtomicU32,
    deliveries: Arc<AtomicU64>,
}

// === impl Ledgers ===

impl Ledgers {
    /// Empty ledgers for `services`, in this order.
    #[must_use]
    pub fn new(services: Vec<WatchedService>, limits: impl Into<Limits>) -> Self {
        let limits = limits.into();
        let mut by_service: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, service) in services.iter().enumerate() {
            let key = (
                service.site,
                service.namespace.clone(),
                service.behind.clone(),
            );
            by_service.entry(key).or_default().push(index);
        }
        let federated = services.iter().any(|it| it.site == Site::Target);
        let deliveries = Arc::new(AtomicU64::new(0));
        let ledger = |service| LockedLedger::new(service, limits, Arc::clone(&deliveries));
        Self {
            ledgers: services.into_iter().map(ledger).collect(),
            by_service,
            federated,
            target_seen: AtomicU64::new(0),
            cycle: AtomicU32::new(0),
            deliveries,
        }
    }

    /// All ledgers, in the order of the Services.
    #[must_use]
    pub fn all(&self) -> &[LockedLedger] {
        &self.ledgers
    }

    /// The ledgers of a Service's endpoints: one for each port that is watched, and for each
    /// Service of the source cluster that stands for it.
    pub fn of_service<'a>(
        &'a self,
        site: Site,
        namespace: &str,
        service: &str,
    ) -> impl Iterator<Item = &'a LockedLedger> {
        self.by_service
            .get(&(site, namespace.to_owned(), service.to_owned()))
            .into_iter()
            .flatten()
            .map(|&index| &self.ledgers[index])
    }

    /// Sets the controller's flags that change what it promises. To be called before the first
    /// event.
    pub fn follow(&self, flags: Flags) {
        for locked in &self.ledgers {
            locked.with(|ledger| ledger.follow(flags));
        }
    }

    /// The cycle under way; 0 before the first.
    #[must_use]
    pub fn cycle(&self) -> u32 {
        self.cycle.load(Ordering::Relaxed)
    }

    /// Starts a cycle.
    pub fn start_cycle(&self, cycle: u32) {
        self.cycle.store(cycle, Ordering::Relaxed);
    }

    /// Registers an action on the Service at this position, before it is sent.
    pub fn intend(&self, position: usize, intent: Intent) {
        self.ledgers[position].with(|ledger| ledger.intend(intent));
    }

    /// Registers that a write of this tool to a slice of the Service at this position was
    /// acknowledged at `at`.
    pub fn acknowledge(&self, position: usize, written: Written, at: At) {
        self.ledgers[position].with(|ledger| ledger.acknowledge(written, at));
    }

    /// Whether this is a run over two clusters.
    #[must_use]
    pub const fn is_federated(&self) -> bool {
        self.federated
    }

    /// Registers that the observer received an event of the target cluster at `at`.
    pub fn target_seen(&self, at: At) {
        self.target_seen
            .fetch_max(at.as_micros(), Ordering::Relaxed);
    }

    /// Whether the target cluster churns at `at`: it had an event within [`DISTURBED`], or some
    /// stream has yet to learn of one. Never where there is no such cluster, and then at no cost:
    /// it is asked with every event.
    #[must_use]
    pub fn is_disturbed(&self, at: At) -> bool {
        if !self.federated {
            return false;
        }
        let seen = self.target_seen.load(Ordering::Relaxed);
        let recent = seen > 0 && at <= At::from_micros(seen) + DISTURBED;
        let all = self.ledgers.iter();
        let mut others = all.filter(|it| it.service.site == Site::Target);
        recent || others.any(|locked| locked.with(|ledger| ledger.has_open_changes()))
    }

    /// Deliveries made since the start.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }

    /// Whether all ledgers are settled.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let mut all = self.ledgers.iter();
        all.all(|locked| locked.with(|ledger| ledger.is_settled()))
    }

    /// The number of ledgers that are not settled.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        self.each(|ledger| u64::from(!ledger.is_settled())).sum()
    }

    /// The latest deadline of the streams that are promised something and have not been served;
    /// `None` if there is none.
    #[must_use]
    pub fn unserved_until(&self) -> Option<At> {
        self.each(|ledger| ledger.unserved_until()).flatten().max()
    }

    /// The number of endpoints that actions asked for and the observer has not seen.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.each(|ledger| ledger.outstanding()).sum()
    }

    /// Streams that have received their snapshot, over all Services, and streams in all.
    #[must_use]
    pub fn streams_held(&self) -> (usize, usize) {
        let held = self.each(|ledger| ledger.streams_held());
        held.fold((0, 0), |(held, all), (h, a)| (held + h, all + a))
    }

    /// The newest change that has not reached all its streams yet, with its Service.
    #[must_use]
    pub fn under_way(&self, now: At) -> Option<(&WatchedService, UnderWay)> {
        let open = self.ledgers.iter().filter_map(|locked| {
            let change = locked.with(|ledger| ledger.under_way(now))?;
            Some((&locked.service, change))
        });
        open.max_by_key(|(_, change)| change.visible)
    }

    /// The oldest update that nothing explains, of those that would be wrong if nothing did.
    #[must_use]
    pub fn unexplained_since(&self) -> Option<At> {
        self.each(|ledger| ledger.unexplained_since())
            .flatten()
            .min()
    }

    /// Registers that a consistent read, requested at `asked`, agrees with all that the observers
    /// have seen.
    pub fn contradict(&self, asked: At) {
        for locked in &self.ledgers {
            locked.with(|ledger| ledger.contradict(asked));
        }
    }

    /// The number of open streams that hold other than they are promised.
    #[must_use]
    pub fn streams_wrong(&self, at: At) -> u64 {
        self.each(|ledger| ledger.end_state(at).streams_wrong).sum()
    }

    /// What each ledger in turn answers; only one is locked at a time.
    fn each<T>(&self, ask: impl Fn(&mut ServiceLedger) -> T) -> impl Iterator<Item = T> {
        self.ledgers.iter().map(move |locked| locked.with(&ask))
    }
}
