//! A virtual client's connection, as its streams see it.
//!
//! The transport makes a broken connection again by itself and says so to nobody; its streams
//! know: they all end for a reason that the server did not send, and later one hears again.

use parking_lot::Mutex;
use tonic::Status;

use crate::{live::books::Books, model::time::At};

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Since when it has stood; `None` while it is broken.
    since: Mutex<Option<At>>,
}

// === impl Link ===

impl Link {
    /// One that has just been made.
    pub(super) fn up(books: &Books) -> Self {
        Self {
            since: Mutex::new(Some(books.connected())),
        }
    }

    /// A stream has been told something: the connection stands.
    pub(super) fn told(&self, books: &Books) {
        self.since.lock().get_or_insert_with(|| books.connected());
    }

    /// A stream that was sent at `sent` has ended unasked. A stream of an earlier connection says
    /// nothing about this one.
    pub(super) fn ended(&self, books: &Books, sent: At, status: &Status) {
        // A status that the server sent has no cause on this side.
        if std::error::Error::source(status).is_none() {
            return;
        }
        let broken = self.since.lock().take_if(|since| *since <= sent);
        if let Some(since) = broken {
            books.disconnected(since);
        }
    }
}
