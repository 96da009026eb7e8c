//! One Service's ledger behind its lock.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dst_load_scenario::time::At;
use parking_lot::Mutex;

use super::{ClusterIp, Limits, Outbox, ServiceLedger, StreamId, WatchedService};
use crate::update::Update;

/// The ledger of one Service and port, which the observer, the streams and the journal share.
#[derive(Debug)]
pub struct LockedLedger {
    /// What is watched.
    pub service: WatchedService,
    cluster_ip: Mutex<ClusterIp>,
    ledger: Mutex<ServiceLedger>,
    /// Deliveries made over all Services.
    deliveries: Arc<AtomicU64>,
}

// === impl LockedLedger ===

impl LockedLedger {
    /// An empty ledger for `service`, whose deliveries are added to `deliveries`.
    pub(super) fn new(service: WatchedService, limits: Limits, deliveries: Arc<AtomicU64>) -> Self {
        Self {
            service,
            cluster_ip: Mutex::default(),
            ledger: Mutex::new(ServiceLedger::new(limits)),
            deliveries,
        }
    }

    /// Runs `with` on the locked ledger. Streams wait meanwhile: keep it short.
    pub fn with<T>(&self, with: impl FnOnce(&mut ServiceLedger) -> T) -> T {
        with(&mut self.ledger.lock())
    }

    /// The Service's ClusterIP.
    #[must_use]
    pub fn cluster_ip(&self) -> ClusterIp {
        *self.cluster_ip.lock()
    }

    /// Sets the ClusterIP with which the observer has seen the Service.
    pub fn set_cluster_ip(&self, ip: ClusterIp) {
        *self.cluster_ip.lock() = ip;
    }

    /// Processes one message of a stream, whose bytes had arrived at `at`.
    pub fn update(&self, stream: StreamId, at: At, update: &Update) {
        self.deliver(|ledger| ledger.update(stream, at, update));
    }

    /// Runs what may make deliveries: an update, or the observer's event that an update came before.
    pub fn deliver(&self, with: impl FnOnce(&mut ServiceLedger)) {
        let delivered = {
            let mut ledger = self.ledger.lock();
            let before = ledger.deliveries_made();
            with(&mut ledger);
            ledger.deliveries_made() - before
        };
        if delivered > 0 {
            self.deliveries.fetch_add(delivered, Ordering::Relaxed);
        }
    }

    /// Closes what is overdue, and takes what was gathered.
    #[must_use]
    pub fn take(&self, now: At) -> Outbox {
        let mut ledger = self.ledger.lock();
        ledger.expire(now);
        ledger.take_outbox()
    }
}
