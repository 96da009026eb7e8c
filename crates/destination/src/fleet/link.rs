//! A virtual client's connection, as its streams see it.
//!
//! The transport replaces a connection that has ended by itself and says so to nobody; its streams
//! know: they end with it, and later one hears again.

use dst_load_scenario::time::At;
use dst_load_transport::clock::Clock;

use crate::{
    counters::StreamCounters,
    ending::{Ending, What},
};
use parking_lot::Mutex;

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Since when it has stood; `None` while it is broken, or left.
    since: Mutex<Option<At>>,
    /// The replica of the destination, from 0.
    replica: u32,
}

// === impl Link ===

impl Link {
    /// One that has just been made.
    pub(super) fn up(replica: u32, counters: &StreamCounters, at: At) -> Self {
        counters.connected(at);
        Self {
            replica,
            since: Mutex::new(Some(at)),
        }
    }

    /// The replica of the destination, from 0.
    pub(super) const fn replica(&self) -> u32 {
        self.replica
    }

    /// A stream has received something: the connection stands; if it was broken, a new one was made
    /// now.
    pub(super) fn told(&self, counters: &StreamCounters, clock: Clock) {
        self.since.lock().get_or_insert_with(|| {
            let at = clock.now();
            counters.connected(at);
            at
        });
    }

    /// A stream that was sent at `sent` has ended unasked at `at`. A stream of an earlier connection
    /// says nothing about this one.
    pub(super) fn ended(&self, counters: &StreamCounters, sent: At, at: At, ending: &Ending) {
        let drained = ending.what == What::Drained;
        // A reset, or a status, is of one stream.
        if !drained && !ending.ends_connection() {
            return;
        }
        let Some(since) = self.since.lock().take_if(|since| *since <= sent) else {
            return;
        };
        if drained {
            counters.left(since, at);
        } else {
            counters.disconnected(since, at);
        }
    }
}
