//! When a proxy ends a stream by itself.
//!
//! The spans are those of Linkerd's proxy for all streams to its control plane, and as there they
//! are exact: streams that were opened together are opened again together.

use std::time::Duration;

use dst_load_oracle::ledger::FIRST_ITEM;
use dst_load_recording::recording::ProxyCounts;
use dst_load_scenario::time::At;
use dst_load_transport::clock::Clock;
use parking_lot::Mutex;

/// For how long a stream may say nothing.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// How long a stream may live, from its first item.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Which limit ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    FirstItem,
    Idle,
    Lifetime,
}

/// When one life of a stream received something: first, and last.
#[derive(Debug, Default)]
pub(super) struct LastActivity(Mutex<Option<(At, At)>>);

// === impl Limit ===

impl Limit {
    /// Counts the stream that it ended.
    pub(super) const fn count(self, counts: &mut ProxyCounts) {
        match self {
            Self::FirstItem => counts.first_item_timeouts += 1,
            Self::Idle => counts.idle += 1,
            Self::Lifetime => counts.expired += 1,
        }
    }
}

// === impl LastActivity ===

impl LastActivity {
    /// Something came at `at`; whether it is the first.
    pub(super) fn note(&self, at: At) -> bool {
        let mut activity = self.0.lock();
        let first = activity.map(|(first, _)| first);
        *activity = Some((first.unwrap_or(at), at));
        first.is_none()
    }

    /// Waits until a life that was sent at `sent` has reached a limit.
    pub(super) async fn limit(&self, clock: Clock, sent: At) -> Limit {
        loop {
            let (end, limit) = self.next(sent);
            if clock.now() >= end {
                return limit;
            }
            clock.sleep_until(end).await;
        }
    }

    /// The limit that comes first, if nothing more is received.
    fn next(&self, sent: At) -> (At, Limit) {
        match *self.0.lock() {
            None => (sent + FIRST_ITEM, Limit::FirstItem),
            Some((first, last)) if last + IDLE < first + LIFETIME => (last + IDLE, Limit::Idle),
            Some((first, _)) => (first + LIFETIME, Limit::Lifetime),
        }
    }
}
