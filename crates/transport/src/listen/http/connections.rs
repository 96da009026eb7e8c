//! The connections of an HTTP server: which there are, what each does, and which gives way.

use std::{collections::BTreeMap, sync::Arc};

use axum::body::Body;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// All connections of a server.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    table: Mutex<Table>,
    ending: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    /// Counts what happens: a smaller number was earlier.
    now: u64,
    held: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    state: State,
    closed: CancellationToken,
}

/// What a connection does, and since when. The least one gives way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It waits for a request, or for the rest of its head.
    Waiting(u64),
    /// A request is answered.
    Answering(u64),
    /// Its response has no end; it does not give way.
    Endless,
}

/// One of them, held until all of its clones are dropped.
#[derive(Clone, Debug)]
pub(super) struct Connection(Arc<Place>);

#[derive(Debug)]
struct Place {
    of: Arc<Inner>,
    number: u64,
    closed: CancellationToken,
}

/// A response that is sent; when it is dropped the connection waits for the next request.
struct Sending(Connection);

// === impl Connections ===

impl Connections {
    /// At most this many.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            table: Mutex::default(),
            ending: CancellationToken::new(),
        }))
    }

    /// Adds one, in the place of another if there are as many as there may be.
    pub(super) fn open(&self) -> Connection {
        let mut table = self.0.table.lock();
        while table.held.len() >= self.0.most && table.close_one() {}
        let closed = CancellationToken::new();
        let number = table.tick();
        table.held.insert(
            number,
            Held {
                state: State::Waiting(number),
                closed: closed.clone(),
            },
        );
        drop(table);
        Connection(Arc::new(Place {
            of: Arc::clone(&self.0),
            number,
            closed,
        }))
    }

    /// Closes the one that gives way first, if any does.
    pub(super) fn close_one(&self) {
        self.0.table.lock().close_one();
    }

    /// Asks all of them to end after the response that they are at.
    pub(super) fn end(&self) {
        self.0.ending.cancel();
    }
}

// === impl Table ===

impl Table {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    fn close_one(&mut self) -> bool {
        let first = self.held.iter().min_by_key(|(_, held)| held.state);
        match first.map(|(number, held)| (*number, held.state)) {
            None | Some((_, State::Endless)) => false,
            Some((number, _)) => {
                if let Some(held) = self.held.remove(&number) {
                    held.closed.cancel();
                }
                true
            }
        }
    }
}

// === impl Connection ===

impl Connection {
    /// A request has come.
    pub(super) fn answers(&self) {
        self.set(State::Answering);
    }

    /// Its response has no end. Returns whether there may be another such; if not, nothing changes.
    pub(super) fn begin_endless(&self) -> bool {
        let mut table = self.0.of.table.lock();
        let held = table.held.values();
        let endless = held.filter(|held| held.state == State::Endless).count();
        let room = endless < self.0.of.most / 2;
        if room && let Some(held) = table.held.get_mut(&self.0.number) {
            held.state = State::Endless;
        }
        room
    }

    /// This body, after which the connection waits again.
    pub(super) fn until_sent(self, body: Body) -> Body {
        let sending = Sending(self);
        Body::new(body.map_err(move |error| {
            // The body owns what its errors go through, and drops it at its end.
            let _ = &sending;
            error
        }))
    }

    /// Completes when it has to give way.
    pub(super) fn closed(&self) -> WaitForCancellationFuture<'_> {
        self.0.closed.cancelled()
    }

    /// Completes when the server ends.
    pub(super) fn ending(&self) -> WaitForCancellationFuture<'_> {
        self.0.of.ending.cancelled()
    }

    fn set(&self, state: fn(u64) -> State) {
        let mut table = self.0.of.table.lock();
        let now = table.tick();
        if let Some(held) = table.held.get_mut(&self.0.number) {
            held.state = state(now);
        }
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.of.table.lock().held.remove(&self.number);
    }
}

// === impl Sending ===

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.set(State::Waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_closed(connections: &[&Connection]) -> Vec<bool> {
        let closed = connections.iter().map(|it| it.0.closed.is_cancelled());
        closed.collect()
    }

    #[test]
    fn the_one_that_waits_for_longest_gives_way() {
        let all = Connections::new(4);
        let (a, b, c, d) = (all.open(), all.open(), all.open(), all.open());
        a.answers();
        assert!(d.begin_endless());
        // b waits for longer than c.
        let e = all.open();
        assert_eq!(
            are_closed(&[&a, &b, &c, &d, &e]),
            [false, true, false, false, false]
        );
        // a waits again, but c has waited for longer.
        drop(a.clone().until_sent(Body::empty()));
        let f = all.open();
        assert_eq!(
            are_closed(&[&a, &c, &d, &e, &f]),
            [false, true, false, false, false]
        );
    }

    #[test]
    fn responses_give_way_last_and_endless_ones_never() {
        let all = Connections::new(4);
        let (a, b, c, d) = (all.open(), all.open(), all.open(), all.open());
        assert!(a.begin_endless() && b.begin_endless());
        assert!(!c.begin_endless(), "half of four are endless");
        c.answers();
        d.answers();
        let _e = all.open();
        assert_eq!(are_closed(&[&a, &b, &c, &d]), [false, false, true, false]);
        // One that is gone leaves room.
        drop(a);
        assert!(d.begin_endless());
        let _f = all.open();
        assert_eq!(are_closed(&[&b, &d]), [false, false]);
    }

    #[test]
    fn limits_follow_the_files_that_may_be_open() {
        use super::super::{FEWEST_CONNECTIONS, MOST_CONNECTIONS, connections_within};
        assert_eq!(connections_within(None, 1 << 40), MOST_CONNECTIONS);
        assert_eq!(connections_within(Some(1 << 20), 100), MOST_CONNECTIONS);
        assert_eq!(connections_within(Some(256), 64), 192);
        assert_eq!(connections_within(Some(256), 256), FEWEST_CONNECTIONS);
        assert_eq!(connections_within(Some(256), 300), FEWEST_CONNECTIONS);
    }
}
