//! One stream through all its lives: opened, ended, opened again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dst_load_oracle::{
    ledger::{EndedBy, LockedLedger, StreamPhase},
    update::Update,
};
use dst_load_recording::recording::StreamCounts;
use dst_load_scenario::{scenario, seed, time::At};
use tokio::sync::SetOnce;
use tonic::Code;

use super::{
    Shared, StreamSlot,
    limits::{LastActivity, Limit},
    pool::{Pool, Try},
};
use crate::{
    decode,
    ending::{self, Ending, Violation},
    stream::{self, Method},
};

/// One stream.
pub(super) struct Lifecycle {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Arc<Pool>,
    pub(super) request: Bytes,
    pub(super) slot: StreamSlot,
    /// Set when it first holds an endpoint, where somebody waits for that.
    pub(super) held: Option<Arc<SetOnce<()>>>,
}

/// Why one life of a stream ended.
enum Ended {
    /// The scenario asked for it.
    Planned,
    /// A proxy would have ended it.
    Limit(Limit),
    /// Something else ended it.
    Unexpected(ending::Ended),
}

// === impl Lifecycle ===

impl Lifecycle {
    /// Lives until it is dropped as the fleet closes, or the controller refuses it for good.
    pub(super) async fn run(self) {
        self.shared.wait_for_turn(self.slot.order).await;
        let mut delays = self.shared.delays("reopen", &self.name());
        let mut life = 0_u64;
        loop {
            let mut attempt = self.send(life);
            let since = attempt.sent();
            let ended = self.live(life, &mut attempt).await;
            attempt.complete();
            let received =
                self.locked().with(|l| l.stream_phase(self.slot.stream)) == StreamPhase::Held;
            let by = match &ended {
                Ended::Planned | Ended::Limit(_) => EndedBy::Us,
                Ended::Unexpected(ended) => ended.ending().by(),
            };
            self.close(since, by);
            life += 1;
            let unexpected = match ended {
                Ended::Planned => {
                    self.shared.counters.count(|streams| streams.closed += 1);
                    delays.reset();
                    self.retry_after(Duration::ZERO);
                    continue;
                }
                Ended::Limit(limit) => {
                    self.limited(limit);
                    None
                }
                Ended::Unexpected(ended) if ended.ending().is_refusal() => {
                    self.count(ended.ending());
                    self.refused(ended.ending());
                    return;
                }
                Ended::Unexpected(ended) => Some(ended),
            };
            if received {
                delays.reset();
            }
            let mut wait = delays.next_delay();
            self.retry_after(wait);
            if let Some(mut ended) = unexpected {
                wait -= ended.settle(wait).await;
                self.count(ended.ending());
                attempt.ended(ended.ending());
            }
            drop(attempt);
            tokio::time::sleep(wait).await;
        }
    }

    /// The stream is sent, on one of the replicas, for the first time if `life` is 0.
    fn send(&self, life: u64) -> Try {
        let attempt = self.pool.send(|| format!("{}/{life}", self.name()));
        let (stream, at) = (self.slot.stream, attempt.sent());
        let replica = self.pool.replica_of(&attempt);
        self.locked().with(|ledger| {
            if let Some(replica) = replica {
                ledger.assign_replica(stream, replica, at);
            }
            ledger.stream_sent(stream, at);
        });
        self.shared.counters.sent(at, life > 0);
        attempt
    }

    /// The stream, which was sent at `since`, has been ended.
    fn close(&self, since: At, by: EndedBy) {
        let at = self.shared.clock.now();
        self.locked()
            .with(|ledger| ledger.stream_closed(self.slot.stream, at, by));
        self.shared.counters.closed(since, at);
    }

    /// Tells the ledger when the stream, which has ended, is sent again.
    fn retry_after(&self, wait: Duration) {
        let (stream, at) = (self.slot.stream, self.shared.clock.now() + wait);
        self.locked()
            .with(|ledger| ledger.stream_retries(stream, at));
    }

    fn limited(&self, limit: Limit) {
        self.shared.counters.count(|streams| {
            streams.closed += 1;
            limit.count(&mut streams.proxy);
        });
    }

    /// Trying again does not help. A proxy goes on with its other streams; else the run ends.
    fn refused(&self, ending: &Ending) {
        if self.lives_as_a_proxy() {
            let count = |streams: &mut StreamCounts| streams.proxy.refused += 1;
            self.shared.counters.count(count);
            let (stream, at) = (self.slot.stream, self.shared.clock.now());
            self.locked()
                .with(|ledger| ledger.stream_refused(stream, at));
        } else {
            let authority = &self.locked().service.authority;
            self.shared.fail(self.shared.refusal(authority, ending));
        }
    }

    /// One life, from the request to the end.
    async fn live(&self, life: u64, attempt: &mut Try) -> Ended {
        let locked = self.locked();
        let counters = &self.shared.counters;
        let activity = LastActivity::default();
        let sent = attempt.sent();
        let replica = attempt.link().replica();
        let read = stream::read(
            attempt.link().grpc(),
            Method::Get,
            self.shared.clock,
            self.request.clone(),
            |headers| self.shared.answered(replica, headers),
            |at, message| {
                let update =
                    decode::update(message).map_err(|_| Violation("undecodable update"))?;
                if activity.note(at) {
                    let add = matches!(update, Some(Update::Add(_)));
                    counters.count(|streams| {
                        streams.snapshots += 1;
                        streams.proxy.first_not_add += u64::from(!add);
                    });
                    attempt.received();
                }
                if let Some(update) = update {
                    counters.received(self.slot.service, message.len());
                    locked.update(self.slot.stream, at, &update);
                    self.hold(&update);
                    decode::recycle(update);
                }
                Ok(())
            },
        );
        let end = self.planned_end(life);
        if end.is_none() && !self.lives_as_a_proxy() {
            return Ended::Unexpected(read.await);
        }
        let clock = self.shared.clock;
        let ended = async {
            tokio::select! {
                biased;
                ended = read => Ended::Unexpected(ended),
                limit = activity.limit(clock, sent), if self.lives_as_a_proxy() => Ended::Limit(limit),
                () = clock.sleep_until(end.unwrap_or_default()), if end.is_some() => Ended::Planned,
            }
        };
        // Apart: else every stream would have room for the timers that few have.
        Box::pin(ended).await
    }

    fn lives_as_a_proxy(&self) -> bool {
        self.shared.config.lifecycle == scenario::Lifecycle::Proxy
    }

    /// Tells whoever waits for an endpoint to be held.
    fn hold(&self, update: &Update) {
        if let (Some(held), Update::Add(endpoints)) = (&self.held, update)
            && !endpoints.is_empty()
        {
            // Set before: then nobody waits any more.
            let _ = held.set(());
        }
    }

    /// When the scenario wants this life to end: at the end of its lifetime, or at the next reset
    /// of all streams, each up to a tenth early so that not all come at once.
    fn planned_end(&self, life: u64) -> Option<At> {
        let config = &self.shared.config;
        if config.max_lifetime.is_none() && config.reset_interval.is_none() {
            return None;
        }
        let now = self.shared.clock.now();
        let entity = format!("{}/{life}", self.name());
        let early = |purpose, span: Duration| {
            seed::delay(config.seed, purpose, &entity, span * 9 / 10, span)
        };
        let lifetime = config
            .max_lifetime
            .map(|lifetime| now + early("lifetime", lifetime));
        let reset = config.reset_interval.map(|interval| {
            // A life that began in the early tenth belongs to the next interval.
            let passed = now.since(self.shared.opened) + interval / 10;
            let rounds = passed.as_micros() / interval.as_micros().max(1) + 1;
            let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
            self.shared.opened + interval.saturating_mul(rounds - 1) + early("reset", interval)
        });
        lifetime.into_iter().chain(reset).min()
    }

    fn count(&self, ending: &Ending) {
        if ending.code() == Some(Code::NotFound) {
            self.shared.counters.refused(&ending.message);
        }
        self.shared
            .counters
            .count(|streams| match (ending.error(), ending.code()) {
                (_, Some(Code::NotFound)) => streams.not_found += 1,
                (Some(name), _) => *streams.errors.entry(name.into_owned()).or_default() += 1,
                (None, Some(_)) => streams.ended_ok += 1,
                (None, None) => streams.drained += 1,
            });
        tracing::debug!(
            authority = self.locked().service.authority,
            cause = ?ending.what,
            message = ending.message,
            "stream ended"
        );
    }

    fn locked(&self) -> &LockedLedger {
        self.shared.locked(self.slot)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.locked().service.authority, self.slot.stream)
    }
}
