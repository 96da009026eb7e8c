//! A stream that a proxy holds in addition to its `Get` streams, through all its lives.
//!
//! They are only counted: they load the control plane as a proxy's would, and none of what they
//! say is read.

use std::sync::Arc;

use bytes::Bytes;
use dst_load_oracle::ledger::LockedLedger;
use dst_load_recording::recording::HeldCounts;
use dst_load_scenario::scenario;
use dst_load_transport::world::Grpc;

use super::{
    Shared, StreamSlot,
    limits::LastActivity,
    pool::{Pool, Try},
    subject::{Ask, Asker, Subject},
};
use crate::{
    ending::{self, Ending},
    stream,
};

/// One such stream.
pub(super) struct Held {
    pub(super) shared: Arc<Shared>,
    pub(super) over: Over,
    pub(super) asker: Arc<Asker>,
    /// The `Get` stream that it accompanies, or one of the same Service, and its turn.
    pub(super) slot: StreamSlot,
    pub(super) subject: Subject,
}

/// Which connections its streams are opened on.
pub(super) enum Over {
    /// Those to the destination. Its answers say whose it is.
    Destination(Arc<Pool>),
    /// One for the policy API.
    Policy(Grpc),
}

/// Why one life ended.
enum Ended {
    /// A proxy would have ended it.
    Limit,
    Unexpected(ending::Ended),
}

// === impl Held ===

impl Held {
    /// Lives until it is dropped as the fleet closes, or asking again would not help.
    pub(super) async fn run(self) {
        if matches!(self.ask(), Ask::Never) {
            return;
        }
        let kind = self.subject.kind();
        self.count(|held| held.request(kind));
        self.shared.wait_for_turn(self.slot.order).await;
        if let Subject::Endpoint { held, .. } = &self.subject {
            held.wait().await;
        }
        let mut delays = self.shared.delays("held", &self.name());
        let mut life = 0_u64;
        loop {
            let mut received = false;
            if self.is_unimplemented() {
                return;
            }
            match self.ask() {
                // It may be made, or have endpoints again, later.
                Ask::NotYet => {}
                Ask::Never => return,
                Ask::With(request) => {
                    self.count(|held| held.send(kind, life > 0));
                    let (grpc, mut attempt) = self.send(life);
                    life += 1;
                    let ended;
                    (received, ended) = self.live(request, grpc, attempt.as_mut()).await;
                    if let (Some(attempt), Ended::Unexpected(ended)) = (&attempt, &ended) {
                        attempt.ended(ended.ending());
                    }
                    if self.is_over(&ended) {
                        return;
                    }
                }
            }
            if received {
                delays.reset();
            }
            tokio::time::sleep(delays.next_delay()).await;
        }
    }

    /// Chooses a connection for a life, of those to the destination as of the replicas.
    fn send(&self, life: u64) -> (Grpc, Option<Try>) {
        match &self.over {
            Over::Destination(pool) => {
                let attempt = pool.send(|| format!("{}/{life}", self.name()));
                (attempt.link().grpc(), Some(attempt))
            }
            Over::Policy(grpc) => (grpc.clone(), None),
        }
    }

    /// One life; whether anything was received in it.
    async fn live(
        &self,
        request: Bytes,
        grpc: Grpc,
        mut attempt: Option<&mut Try>,
    ) -> (bool, Ended) {
        let clock = self.shared.clock;
        let sent = clock.now();
        let replica = attempt.as_ref().map(|attempt| attempt.link().replica());
        let (activity, mut received) = (LastActivity::default(), false);
        let kind = self.subject.kind();
        let read = stream::read(
            grpc,
            self.subject.method(),
            clock,
            request,
            |headers| {
                if let Some(replica) = replica {
                    self.shared.answered(replica, headers);
                }
            },
            |at, message| {
                if activity.note(at)
                    && let Some(attempt) = &mut attempt
                {
                    attempt.received();
                }
                received = true;
                self.shared.served.note(kind, true);
                self.count(|held| held.receive(kind, message.len()));
                Ok(())
            },
        );
        let limited = self.shared.config.lifecycle == scenario::Lifecycle::Proxy;
        let ended = tokio::select! {
            biased;
            ended = read => Ended::Unexpected(ended),
            _ = activity.limit(clock, sent), if limited => Ended::Limit,
        };
        (received, ended)
    }

    /// Counts an end; whether it is for good.
    fn is_over(&self, ended: &Ended) -> bool {
        let Ended::Unexpected(ended) = ended else {
            self.count(|held| held.closed += 1);
            return false;
        };
        let ending = ended.ending();
        let unimplemented = ending.code() == Some(tonic::Code::Unimplemented);
        let kind = self.subject.kind();
        if unimplemented {
            self.shared.served.note(kind, false);
        }
        self.count(|held| match (ending.error(), ending.code()) {
            (Some(name), _) => held.fail(kind, name.into_owned(), unimplemented),
            (None, Some(_)) => held.ended_ok += 1,
            (None, None) => held.drained += 1,
        });
        tracing::debug!(
            name = self.name(),
            cause = ?ending.what,
            message = ending.message,
            "profile or policy stream ended"
        );
        self.is_refusal(ending)
    }

    /// Whether a proxy would not ask again.
    fn is_refusal(&self, ending: &Ending) -> bool {
        ending.is_refusal() || self.subject.is_refused_with(ending.code())
    }

    /// Whether the server was found not to implement the method, so that nobody asks any more.
    fn is_unimplemented(&self) -> bool {
        self.shared.served.get(self.subject.kind()) == Some(false)
    }

    fn ask(&self) -> Ask {
        self.subject
            .ask(self.locked(), self.slot.stream, &self.asker)
    }

    fn count(&self, with: impl FnOnce(&mut HeldCounts)) {
        self.shared
            .counters
            .count(|streams| with(self.subject.counts(streams)));
    }

    fn locked(&self) -> &LockedLedger {
        self.shared.locked(self.slot)
    }

    fn name(&self) -> String {
        format!(
            "{}/{}/{:?}",
            self.locked().service.authority,
            self.slot.stream,
            self.subject.kind()
        )
    }
}
