//! How far a run has come: its phase, its event loop's lag, and what is shown or scraped of it
//! meanwhile, beside the ledgers and the counters of streams.

mod flags;
mod series;
mod snapshot;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dst_load_destination::counters::{Distribution, StreamCounters};
use dst_load_oracle::ledger::{Ledgers, Limits, Outbox, WatchedService};
use dst_load_recording::{recording::Phase, statistics::Latency};
use dst_load_transport::clock::Clock;
use parking_lot::Mutex;

use self::{series::AllSeries, snapshot::Latest};

pub use self::snapshot::{ProgressSnapshot, SoFar};
pub(crate) use series::Series;

/// The longest lag of the event loop that is recorded exactly.
const LONGEST_LAG: Duration = Duration::from_secs(60);

/// The progress of a run on its clock.
#[derive(Debug)]
pub struct Progress {
    clock: Clock,
    ledgers: Arc<Ledgers>,
    counters: Arc<StreamCounters>,
    phase: Mutex<Phase>,
    streams_wanted: AtomicU64,
    lag: Mutex<Latency>,
    /// The same since the start, for whoever serves metrics.
    all_lag: Mutex<Distribution>,
    series: AllSeries,
    latest: Latest,
}

// === impl Progress ===

impl Progress {
    /// A run that watches `services` and has not begun.
    #[must_use]
    pub fn new(clock: Clock, services: Vec<WatchedService>, limits: impl Into<Limits>) -> Self {
        let series = AllSeries::new(services.iter());
        Self {
            clock,
            counters: Arc::new(StreamCounters::new(services.len())),
            ledgers: Arc::new(Ledgers::new(services, limits)),
            phase: Mutex::new(Phase::Preparing),
            streams_wanted: AtomicU64::new(0),
            lag: Mutex::default(),
            all_lag: Mutex::new(Distribution::new(LONGEST_LAG)),
            series,
            latest: Latest::default(),
        }
    }

    /// The run's clock.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// The ledgers of what is watched.
    #[must_use]
    pub const fn ledgers(&self) -> &Arc<Ledgers> {
        &self.ledgers
    }

    /// The counters of its streams.
    #[must_use]
    pub const fn counters(&self) -> &Arc<StreamCounters> {
        &self.counters
    }

    /// The run enters a phase.
    pub fn enter(&self, phase: Phase) {
        *self.phase.lock() = phase;
    }

    /// This many streams are to be held.
    pub fn want_streams(&self, streams: u64) {
        self.streams_wanted.store(streams, Ordering::Relaxed);
    }

    /// Streams that are to be held.
    #[must_use]
    pub fn streams_wanted(&self) -> u64 {
        self.streams_wanted.load(Ordering::Relaxed)
    }

    /// The event loop was `late` while `deliveries` were handled.
    pub fn note_lag(&self, late: Duration, deliveries: u64) {
        self.lag.lock().record(late, deliveries);
        self.all_lag.lock().record(late, deliveries);
    }

    /// Takes the event loop's lateness since the last call.
    #[must_use]
    pub fn take_lag(&self) -> Latency {
        std::mem::take(&mut self.lag.lock())
    }

    /// The event loop's lateness since the start.
    pub(crate) fn all_lag(&self) -> Distribution {
        self.all_lag.lock().clone()
    }

    /// Counts what the ledger of the Service at this position has handed on.
    pub(crate) fn absorb(&self, service: usize, outbox: &Outbox) {
        self.series.absorb(service, outbox);
    }

    /// The series of all Services, each once, in the order of the Services.
    pub(crate) fn series(&self) -> &[Series] {
        self.series.all()
    }

    /// The value of the label `service` in the metrics of the Service at this position.
    pub(crate) fn label(&self, service: usize) -> &str {
        &self.series.of(service).service
    }

    /// Messages received for all Services of a series.
    pub(crate) fn messages(&self, series: &Series) -> u64 {
        let positions = series.positions.iter();
        positions.map(|&it| self.counters.messages(it)).sum()
    }
}
