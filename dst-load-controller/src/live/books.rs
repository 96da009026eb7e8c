//! The ledgers of all Services that are watched, shared by the observer, the streams and the engine.
//!
//! One lock a Service: an update touches no other Service's, and there is none around them all.

mod cluster_ip;
mod distribution;
mod end;
mod flags;
mod glance;
mod identity;
mod lives;
mod series;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use self::glance::Glance;
pub(in crate::live) use self::{
    cluster_ip::ClusterIp, distribution::Distribution, lives::Lives, series::Series,
};
use crate::{
    live::clock::Clock,
    model::{
        federation::{Site, Through, Watched},
        ledger::{EndedBy, Intent, Limits, Outbox, ServiceLedger, StreamId, Written},
        recording::{EndpointsLine, Phase, StreamCounts},
        statistics::Latency,
        time::At,
        update::Update,
    },
};

/// For how long after an event of the target cluster what happens in the source cluster counts as
/// disturbed by it: Kubernetes writes the slices of one scaling at most a second apart.
const DISTURBED: Duration = Duration::from_secs(1);

/// The longest lag of the event loop that can be told from longer ones.
const LONGEST_LAG: Duration = Duration::from_secs(60);

/// A Service and port, as a stream asks for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The port asked for.
    pub port: u16,
    /// The path that a stream sends: `<service>.<namespace>.svc.<cluster domain>:<port>`.
    pub authority: String,
    /// Where the Service is whose endpoints it has.
    pub site: Site,
    /// That Service's name; its namespace is the same.
    pub behind: String,
    /// How the one stands for the other, in a run over two clusters.
    pub through: Option<Through>,
}

/// All ledgers of a run.
#[derive(Debug)]
pub struct Books {
    clock: Clock,
    books: Vec<Book>,
    by_service: HashMap<(Site, String, String), Vec<usize>>,
    /// Whether some of it is of a target cluster.
    federated: bool,
    /// When a change of the target cluster was last seen, microseconds after the start; 0 before.
    target_seen: AtomicU64,
    cycle: AtomicU32,
    streams: Mutex<Tally>,
    stream_lives: Mutex<Lives>,
    connections: Mutex<Lives>,
    connections_lost: AtomicU64,
    active: AtomicU64,
    delivered: AtomicU64,
    phase: Mutex<Phase>,
    lag: Mutex<Latency>,
    /// The same since the start, for whoever serves metrics.
    all_lag: Mutex<Distribution>,
    streams_wanted: AtomicU64,
    glance: Glance,
    identities: Mutex<identity::Answers>,
    /// The last `NotFound`, in the destination's words.
    refusal: Mutex<Option<String>>,
    /// Told when something is open that was not, so that the event loop's lag is worth sampling.
    pub activity: Notify,
}

/// One Service's ledger with what is counted beside it.
#[derive(Debug)]
pub struct Book {
    /// What is watched.
    pub target: Target,
    cluster_ip: Mutex<ClusterIp>,
    ledger: Mutex<ServiceLedger>,
    bytes: AtomicU64,
    series: Arc<Series>,
}

/// What streams did.
#[derive(Debug, Default)]
struct Tally {
    /// Up to the last time it was taken.
    taken: StreamCounts,
    /// Since.
    since: StreamCounts,
}

// === impl Target ===

impl Target {
    /// The Service `service` in `namespace`, in a cluster of this domain.
    #[must_use]
    pub fn new(service: &str, namespace: &str, cluster_domain: &str, port: u16) -> Self {
        Self {
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            port,
            authority: format!("{service}.{namespace}.svc.{cluster_domain}:{port}"),
            site: Site::Source,
            behind: service.to_owned(),
            through: None,
        }
    }

    /// A Service that is asked for in the cluster of this domain, and may stand for another.
    #[must_use]
    pub fn watching(watched: &Watched, namespace: &str, cluster_domain: &str, port: u16) -> Self {
        Self {
            site: watched.site,
            behind: watched.behind.clone(),
            through: watched.through,
            ..Self::new(&watched.name, namespace, cluster_domain, port)
        }
    }
}

// === impl Books ===

impl Books {
    /// Empty ledgers for `targets`, in this order.
    #[must_use]
    pub fn new(clock: Clock, targets: Vec<Target>, limits: impl Into<Limits>) -> Self {
        let limits = limits.into();
        let mut by_service: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, target) in targets.iter().enumerate() {
            let key = (target.site, target.namespace.clone(), target.behind.clone());
            by_service.entry(key).or_default().push(index);
        }
        let federated = targets.iter().any(|target| target.site == Site::Target);
        let series = series::assign(&targets);
        let book = |(target, series)| Book {
            target,
            cluster_ip: Mutex::default(),
            ledger: Mutex::new(ServiceLedger::new(limits)),
            bytes: AtomicU64::new(0),
            series,
        };
        Self {
            clock,
            books: targets.into_iter().zip(series).map(book).collect(),
            by_service,
            federated,
            target_seen: AtomicU64::new(0),
            cycle: AtomicU32::new(0),
            streams: Mutex::default(),
            stream_lives: Mutex::default(),
            connections: Mutex::default(),
            connections_lost: AtomicU64::new(0),
            active: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            phase: Mutex::new(Phase::Preparing),
            lag: Mutex::default(),
            all_lag: Mutex::new(Distribution::new(LONGEST_LAG)),
            streams_wanted: AtomicU64::new(0),
            glance: Glance::default(),
            identities: Mutex::default(),
            refusal: Mutex::default(),
            activity: Notify::new(),
        }
    }

    /// The run's clock.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// All books, in the order of the targets.
    #[must_use]
    pub fn all(&self) -> &[Book] {
        &self.books
    }

    /// The books of what has a Service's endpoints, one for each port that is watched, and for each
    /// Service that stands for it.
    pub fn of_service<'a>(
        &'a self,
        site: Site,
        namespace: &str,
        service: &str,
    ) -> impl Iterator<Item = &'a Book> {
        self.by_service
            .get(&(site, namespace.to_owned(), service.to_owned()))
            .into_iter()
            .flatten()
            .map(|&index| &self.books[index])
    }

    /// The cycle under way; 0 before the first.
    #[must_use]
    pub fn cycle(&self) -> u32 {
        self.cycle.load(Ordering::Relaxed)
    }

    /// A cycle starts.
    pub fn start_cycle(&self, cycle: u32) {
        self.cycle.store(cycle, Ordering::Relaxed);
    }

    /// The run's phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.lock()
    }

    /// The run enters a phase.
    pub fn enter(&self, phase: Phase) {
        *self.phase.lock() = phase;
    }

    /// An action on the target at this position is about to be sent.
    pub fn intend(&self, target: usize, intent: Intent) {
        self.books[target].ledger.lock().intend(intent);
    }

    /// Our own write of a slice of the target at this position was acknowledged at `at`.
    pub fn acknowledge(&self, target: usize, written: Written, at: At) {
        self.books[target].ledger.lock().acknowledge(written, at);
    }

    /// Whether this is a run over two clusters.
    #[must_use]
    pub const fn is_federated(&self) -> bool {
        self.federated
    }

    /// The observer saw an event of the target cluster at `at`.
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
        let mut others = self
            .books
            .iter()
            .filter(|it| it.target.site == Site::Target);
        recent || others.any(|book| book.ledger(|ledger| ledger.has_open_changes()))
    }

    /// Counts something that streams did.
    pub fn count(&self, with: impl FnOnce(&mut StreamCounts)) {
        with(&mut self.streams.lock().since);
    }

    /// Takes what streams have done since the last call.
    #[must_use]
    pub fn take_streams(&self) -> StreamCounts {
        let mut tally = self.streams.lock();
        let since = std::mem::take(&mut tally.since);
        tally.taken.absorb(&since);
        since
    }

    /// What streams have done since the start.
    #[must_use]
    pub fn all_streams(&self) -> StreamCounts {
        let tally = self.streams.lock();
        let mut all = tally.taken.clone();
        all.absorb(&tally.since);
        all
    }

    /// A new stream was answered `NotFound`, with these words; it is sent again.
    pub fn refused(&self, words: &str) {
        *self.refusal.lock() = Some(words.to_owned());
    }

    /// The last such words.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.refusal.lock().clone()
    }

    /// A connection has been made; returns when.
    pub fn connected(&self) -> At {
        let at = self.clock.now();
        self.connections.lock().begin(at);
        at
    }

    /// A connection that was made at `since` has broken.
    pub fn disconnected(&self, since: At) {
        self.connections.lock().end(since, self.clock.now());
        self.connections_lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections that have broken.
    #[must_use]
    pub fn connections_lost(&self) -> u64 {
        self.connections_lost.load(Ordering::Relaxed)
    }

    /// How long streams have lasted.
    pub(in crate::live) fn stream_lives<T>(&self, with: impl FnOnce(&Lives) -> T) -> T {
        with(&self.stream_lives.lock())
    }

    /// How long connections have lasted.
    pub(in crate::live) fn connection_lives<T>(&self, with: impl FnOnce(&Lives) -> T) -> T {
        with(&self.connections.lock())
    }

    /// The series of all Services, each once, in the order of the targets.
    pub(in crate::live) fn series(&self) -> Vec<&Series> {
        let mut all: Vec<&Series> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for book in &self.books {
            if seen.insert(&book.series.service) {
                all.push(&book.series);
            }
        }
        all
    }

    /// Streams that are open.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// Whether nothing is waited for at any Service.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.books
            .iter()
            .all(|book| book.ledger.lock().is_settled())
    }

    /// At how many Services something is still waited for.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        let settled = |book: &&Book| book.ledger.lock().is_settled();
        self.books.iter().filter(|book| !settled(book)).count() as u64
    }

    /// Until when some stream that is not served has time to be; `None` if all are served that are
    /// promised anything.
    #[must_use]
    pub fn unserved_until(&self) -> Option<At> {
        let books = self.books.iter();
        books
            .filter_map(|book| book.ledger.lock().unserved_until())
            .max()
    }

    /// Endpoints that actions asked for and the observer has not seen.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.books
            .iter()
            .map(|b| b.ledger.lock().outstanding())
            .sum()
    }

    /// How many endpoints there are.
    #[must_use]
    pub fn endpoints(&self) -> EndpointsLine {
        EndpointsLine::sum(self.books.iter().map(|book| {
            let ledger = book.ledger.lock();
            (ledger.promised() as u64, ledger.mean_held())
        }))
    }

    /// Streams that have received their snapshot, by Service name, and streams in all.
    #[must_use]
    pub fn streams_held(&self) -> (usize, usize) {
        let held = self
            .books
            .iter()
            .map(|book| book.ledger.lock().streams_held());
        held.fold((0, 0), |(held, all), (h, a)| (held + h, all + a))
    }

    /// Deliveries made since the start.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// The event loop was `late` while `deliveries` were handled.
    pub fn note_lag(&self, late: Duration, deliveries: u64) {
        self.lag.lock().record(late, deliveries);
        self.all_lag.lock().record(late, deliveries);
    }

    /// The event loop's lateness since the start.
    pub(in crate::live) fn all_lag(&self) -> Distribution {
        self.all_lag.lock().clone()
    }

    /// Takes the event loop's lateness since the last call.
    #[must_use]
    pub fn take_lag(&self) -> Latency {
        std::mem::take(&mut self.lag.lock())
    }
}

// === impl Book ===

impl Book {
    /// The ledger, for as long as `with` takes: keep it short, streams wait.
    pub fn ledger<T>(&self, with: impl FnOnce(&mut ServiceLedger) -> T) -> T {
        with(&mut self.ledger.lock())
    }

    /// The value of the label `service` in its metrics.
    pub(in crate::live) fn series(&self) -> &str {
        &self.series.service
    }

    /// The Service's ClusterIP.
    pub(in crate::live) fn cluster_ip(&self) -> ClusterIp {
        *self.cluster_ip.lock()
    }

    /// The observer has seen the Service, with this ClusterIP.
    pub(in crate::live) fn set_cluster_ip(&self, ip: ClusterIp) {
        *self.cluster_ip.lock() = ip;
    }

    /// A stream was sent; returns when.
    pub fn sent(&self, books: &Books, stream: StreamId, again: bool) -> At {
        let at = books.clock.now();
        self.ledger.lock().stream_sent(stream, at);
        books.stream_lives.lock().begin(at);
        books.active.fetch_add(1, Ordering::Relaxed);
        books.count(|streams| {
            if again {
                streams.reopened += 1;
            } else {
                streams.opened += 1;
            }
        });
        at
    }

    /// A stream that was sent at `since` has been ended.
    pub fn closed(&self, books: &Books, stream: StreamId, since: At, by: EndedBy) {
        let at = books.clock.now();
        self.ledger.lock().stream_closed(stream, at, by);
        books.stream_lives.lock().end(since, at);
        books.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// A stream's message, whose `bytes` bytes had arrived at `at`.
    pub fn update(&self, books: &Books, stream: StreamId, at: At, update: &Update, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.series.updated();
        self.deliver(books, |ledger| ledger.update(stream, at, update));
    }

    /// Lets something happen that may make deliveries: an update, or the observer's event that an
    /// update came before.
    pub fn deliver(&self, books: &Books, with: impl FnOnce(&mut ServiceLedger)) {
        let delivered = {
            let mut ledger = self.ledger.lock();
            let before = ledger.deliveries_made();
            with(&mut ledger);
            ledger.deliveries_made() - before
        };
        if delivered > 0 {
            books.delivered.fetch_add(delivered, Ordering::Relaxed);
        }
    }

    /// Gives up what is overdue, and takes what has gathered, with the bytes received.
    #[must_use]
    pub fn take(&self, now: At) -> (Outbox, u64) {
        let mut ledger = self.ledger.lock();
        ledger.expire(now);
        let outbox = ledger.take_outbox();
        drop(ledger);
        self.series.absorb(&outbox);
        (outbox, self.bytes.swap(0, Ordering::Relaxed))
    }
}
