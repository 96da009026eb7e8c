//! A virtual client's connection, as its streams see it.
//!
//! The transport replaces a connection that has ended and reports it nowhere. Its streams show it: they
//! end with it, and later one of them receives something again.

use dst_load_scenario::time::At;
use dst_load_transport::{clock::Clock, world::Grpc};
use parking_lot::Mutex;

use crate::{
    counters::StreamCounters,
    ending::{Ending, What},
};

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    grpc: Grpc,
    /// When it was made; `None` while it is broken, or closed by the peer.
    since: Mutex<Option<At>>,
    /// The replica of the destination, from 0.
    replica: u32,
}

// === impl Link ===

impl Link {
    /// A connection that was made at `at`.
    pub(super) fn new(replica: u32, grpc: Grpc, counters: &StreamCounters, at: At) -> Self {
        counters.connected(at);
        Self {
            grpc,
            replica,
            since: Mutex::new(Some(at)),
        }
    }

    /// What sends streams on it.
    pub(super) fn grpc(&self) -> Grpc {
        self.grpc.clone()
    }

    /// The replica of the destination, from 0.
    pub(super) const fn replica(&self) -> u32 {
        self.replica
    }

    /// A stream has received its first message: there is a connection, which was made now if it was
    /// broken.
    pub(super) fn received(&self, counters: &StreamCounters, clock: Clock) {
        self.since.lock().get_or_insert_with(|| {
            let at = clock.now();
            counters.connected(at);
            at
        });
    }

    /// A stream that was sent at `sent` has ended unexpectedly at `at`. A stream of an earlier connection
    /// says nothing about this one. Returns whether the connection ended with it, as far as was not
    /// known before.
    pub(super) fn ended(
        &self,
        counters: &StreamCounters,
        sent: At,
        at: At,
        ending: &Ending,
    ) -> bool {
        let drained = ending.what == What::Drained;
        // A reset, or a status, is of one stream.
        if !drained && !ending.ends_connection() {
            return false;
        }
        let Some(since) = self.since.lock().take_if(|since| *since <= sent) else {
            return false;
        };
        if drained {
            counters.left(since, at);
        } else {
            counters.disconnected(since, at);
        }
        true
    }
}
