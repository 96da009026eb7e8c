//! What streams and connections did, and how much they received; the ledgers say what they hold.

mod distribution;
mod lifetimes;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use dst_load_recording::recording::{IdentifiedLine, StreamCounts};
use dst_load_scenario::{printable::line_of, time::At};
use dst_load_transport::world::REFERENCE_HEADER;
use parking_lot::Mutex;

pub use self::{distribution::Distribution, lifetimes::Lifetimes};
use super::ending::Ending;

/// Counters of all streams of a run.
#[derive(Debug)]
pub struct StreamCounters {
    counts: Mutex<Tally>,
    streams: Mutex<Lifetimes>,
    connections: Mutex<Lifetimes>,
    connections_lost: AtomicU64,
    active: AtomicU64,
    /// The same of stalled clients.
    stalled: AtomicU64,
    /// By position of the Service among those that are watched.
    received: Vec<Received>,
    identities: Mutex<Answers>,
    found: Mutex<Found>,
    /// The last `NotFound`, in the destination's words.
    refusal: Mutex<Option<String>>,
}

/// What replicas have answered, each kind of answer once.
#[derive(Debug, Default)]
struct Answers {
    seen: BTreeSet<(u32, bool)>,
    /// Not in the recording yet.
    lines: Vec<IdentifiedLine>,
}

/// The replicas that have come since the start.
#[derive(Debug, Default)]
struct Found {
    seen: BTreeSet<u32>,
    /// The addresses of those that are not in the recording yet, in the order of their numbers.
    addresses: Vec<String>,
}

/// What streams did.
#[derive(Debug, Default)]
struct Tally {
    /// Up to the last time it was taken.
    taken: StreamCounts,
    /// Since.
    since: StreamCounts,
}

/// What was received for one Service, on a cache line of its own: each message writes it.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Received {
    messages: AtomicU64,
    /// Bytes since they were last taken.
    bytes: AtomicU64,
}

// === impl StreamCounters ===

impl StreamCounters {
    /// Counters of streams for this many Services, all zero.
    #[must_use]
    pub fn new(services: usize) -> Self {
        Self {
            counts: Mutex::default(),
            streams: Mutex::default(),
            connections: Mutex::default(),
            connections_lost: AtomicU64::new(0),
            active: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
            received: (0..services).map(|_| Received::default()).collect(),
            identities: Mutex::default(),
            found: Mutex::default(),
            refusal: Mutex::default(),
        }
    }

    /// Counts something that streams did.
    pub fn count(&self, with: impl FnOnce(&mut StreamCounts)) {
        with(&mut self.counts.lock().since);
    }

    /// Takes what streams have done since the last call.
    #[must_use]
    pub fn take(&self) -> StreamCounts {
        let mut tally = self.counts.lock();
        let since = std::mem::take(&mut tally.since);
        tally.taken.absorb(&since);
        since
    }

    /// What streams have done since the start.
    #[must_use]
    pub fn total(&self) -> StreamCounts {
        let tally = self.counts.lock();
        let mut all = tally.taken.clone();
        all.absorb(&tally.since);
        all
    }

    /// A stream was sent at `at`, for the first time or `again`.
    pub fn sent(&self, at: At, again: bool) {
        self.streams.lock().begin(at);
        self.active.fetch_add(1, Ordering::Relaxed);
        self.count(|streams| {
            if again {
                streams.reopened += 1;
            } else {
                streams.opened += 1;
            }
        });
    }

    /// A stream that was sent at `since` has ended at `at`.
    pub fn closed(&self, since: At, at: At) {
        self.streams.lock().end(since, at);
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// Streams that are open; those of stalled clients are not among them.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// All streams that are open.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.active() + self.stalled.load(Ordering::Relaxed)
    }

    /// A stalled client's stream was sent, for the first time or `again`.
    pub fn stalled_sent(&self, again: bool) {
        self.stalled.fetch_add(1, Ordering::Relaxed);
        self.count(|streams| {
            if again {
                streams.stalled.reopened += 1;
            } else {
                streams.stalled.opened += 1;
            }
        });
    }

    /// A stalled client's stream has ended.
    pub fn stalled_ended(&self, ending: &Ending) {
        self.stalled.fetch_sub(1, Ordering::Relaxed);
        self.count(|streams| match ending.error() {
            None => streams.stalled.ended_ok += 1,
            Some(name) => {
                let errors = &mut streams.stalled.errors;
                *errors.entry(name.into_owned()).or_default() += 1;
            }
        });
    }

    /// A message of this many bytes was received for the Service at this position.
    pub fn received(&self, service: usize, bytes: usize) {
        let received = &self.received[service];
        received.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        received.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages received for the Service at this position.
    #[must_use]
    pub fn messages(&self, service: usize) -> u64 {
        self.received[service].messages.load(Ordering::Relaxed)
    }

    /// Takes the bytes received for the Service at this position since the last call.
    #[must_use]
    pub fn take_bytes(&self, service: usize) -> u64 {
        self.received[service].bytes.swap(0, Ordering::Relaxed)
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

    /// A connection has been made at `at`.
    pub fn connected(&self, at: At) {
        self.connections.lock().begin(at);
    }

    /// A connection that was made at `since` has broken at `at`.
    pub fn disconnected(&self, since: At, at: At) {
        self.connections.lock().end(since, at);
        self.connections_lost.fetch_add(1, Ordering::Relaxed);
    }

    /// The peer has left, at `at` and as it had announced, a connection that was made at `since`.
    pub fn left(&self, since: At, at: At) {
        self.connections.lock().end(since, at);
    }

    /// Connections that have broken.
    #[must_use]
    pub fn connections_lost(&self) -> u64 {
        self.connections_lost.load(Ordering::Relaxed)
    }

    /// How long streams have lasted.
    pub fn stream_lifetimes<T>(&self, with: impl FnOnce(&Lifetimes) -> T) -> T {
        with(&self.streams.lock())
    }

    /// How long connections have lasted.
    pub fn connection_lifetimes<T>(&self, with: impl FnOnce(&Lifetimes) -> T) -> T {
        with(&self.connections.lock())
    }

    /// A replica, numbered from 0, has sent a gRPC response with these headers at `at`.
    pub fn identify(&self, replica: u32, headers: &http::HeaderMap, at: At) {
        let version = headers.get(REFERENCE_HEADER);
        let mut answers = self.identities.lock();
        if answers.seen.insert((replica, version.is_some())) {
            let reference = version.map(|it| line_of(it.as_bytes()));
            answers.lines.push(IdentifiedLine {
                at,
                replica,
                reference,
            });
        }
    }

    /// A replica that was not there at the start has been found at this address. Each client finds
    /// all of them in the order of their numbers; the first one counts.
    pub fn replica_found(&self, replica: u32, address: &str) {
        let mut found = self.found.lock();
        if found.seen.insert(replica) {
            found.addresses.push(address.to_owned());
        }
    }

    /// Takes the addresses of the replicas that have been found since the last call, in the order
    /// of their numbers.
    #[must_use]
    pub fn take_found(&self) -> Vec<String> {
        std::mem::take(&mut self.found.lock().addresses)
    }

    /// Takes what has been answered since the last call.
    #[must_use]
    pub fn take_identities(&self) -> Vec<IdentifiedLine> {
        std::mem::take(&mut self.identities.lock().lines)
    }
}
