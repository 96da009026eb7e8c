//! A virtual client's connection, as its streams see it.
//!
//! The transport replaces a connection that has ended by itself and says so to nobody; its streams
//! know: they end with it, and later one hears again.

use crate::{
    live::{
        books::Books,
        destination::ending::{Ending, What},
    },
    model::time::At,
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
    pub(super) fn up(books: &Books, replica: u32) -> Self {
        Self {
            replica,
            since: Mutex::new(Some(books.connected())),
        }
    }

    /// A stream has been told something: the connection stands.
    pub(super) fn told(&self, books: &Books) {
        self.since.lock().get_or_insert_with(|| books.connected());
    }

    /// The server has answered a stream with these headers.
    pub(super) fn answered(&self, books: &Books, headers: &http::HeaderMap) {
        books.identify(self.replica, headers);
    }

    /// A stream that was sent at `sent` has ended unasked. A stream of an earlier connection says
    /// nothing about this one.
    pub(super) fn ended(&self, books: &Books, sent: At, ending: &Ending) {
        let drained = ending.what == What::Drained;
        // A reset, or a status, is of one stream.
        if !drained && !ending.ends_connection() {
            return;
        }
        let Some(since) = self.since.lock().take_if(|since| *since <= sent) else {
            return;
        };
        if drained {
            books.left(since);
        } else {
            books.disconnected(since);
        }
    }
}
