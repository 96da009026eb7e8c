//! One stream through all its lives: opened, ended, opened again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tonic::{Code, Status};

use super::{Link, Seat, Shared, backoff};
use crate::{
    live::{
        books::Book,
        destination::{decode, stream},
    },
    model::{ledger::StreamPhase, seed, time::At},
    world::Grpc,
};

/// One stream.
pub(super) struct Lifecycle {
    pub(super) shared: Arc<Shared>,
    pub(super) grpc: Grpc,
    pub(super) link: Arc<Link>,
    pub(super) request: Bytes,
    pub(super) seat: Seat,
}

/// Why one life of a stream ended.
enum Ended {
    /// The fleet closes.
    Cancelled,
    /// The scenario asked for it.
    Planned,
    /// The server, or the connection, ended it.
    Unasked(Status),
}

// === impl Lifecycle ===

impl Lifecycle {
    /// Lives until the fleet closes, or the controller refuses it for good.
    pub(super) async fn run(self) {
        if !self.wait_for_turn().await {
            return;
        }
        let (mut failures, mut life) = (0, 0_u64);
        loop {
            let since = self
                .book()
                .sent(&self.shared.books, self.seat.stream, life > 0);
            let ended = self.live(life).await;
            let told =
                self.book().ledger(|l| l.stream_phase(self.seat.stream)) == StreamPhase::Held;
            if !matches!(ended, Ended::Cancelled) {
                self.book()
                    .closed(&self.shared.books, self.seat.stream, since);
            }
            life += 1;
            match ended {
                Ended::Cancelled => return,
                Ended::Planned => {
                    self.shared.books.count(|streams| streams.closed += 1);
                    failures = 0;
                    continue;
                }
                Ended::Unasked(status) => {
                    self.count(&status);
                    self.link.ended(&self.shared.books, since, &status);
                    if matches!(
                        status.code(),
                        Code::InvalidArgument | Code::FailedPrecondition
                    ) {
                        let authority = &self.book().target.authority;
                        self.shared.fail(self.shared.refusal(authority, &status));
                        return;
                    }
                }
            }
            failures = if told { 0 } else { failures };
            let wait = backoff(self.shared.config.seed, "reopen", &self.name(), failures);
            failures += 1;
            tokio::select! {
                biased;
                () = self.shared.cancel.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Waits so that no more streams are opened a second than the rate allows; whether it may open.
    async fn wait_for_turn(&self) -> bool {
        let rate = u64::from(self.shared.config.open_rate.max(1));
        let turn = Duration::from_millis(self.seat.order * 1_000 / rate);
        let clock = self.shared.clock();
        tokio::select! {
            biased;
            () = self.shared.cancel.cancelled() => false,
            () = clock.sleep_until(self.shared.opened + turn) => true,
        }
    }

    /// One life, from the request to the end.
    async fn live(&self, life: u64) -> Ended {
        let book = self.book();
        let books = &self.shared.books;
        let mut first = true;
        let read = stream::read(
            self.grpc.clone(),
            self.shared.clock(),
            self.request.clone(),
            |at, message| {
                if std::mem::take(&mut first) {
                    books.count(|streams| streams.snapshots += 1);
                    self.link.told(books);
                }
                let update = decode::update(message)
                    .map_err(|error| Status::internal(format!("unreadable update: {error}")))?;
                if let Some(update) = update {
                    book.update(books, self.seat.stream, at, &update, message.len());
                }
                Ok(())
            },
        );
        let end = self.planned_end(life);
        let clock = self.shared.clock();
        tokio::select! {
            biased;
            () = self.shared.cancel.cancelled() => Ended::Cancelled,
            status = read => Ended::Unasked(status),
            () = clock.sleep_until(end.unwrap_or_default()), if end.is_some() => Ended::Planned,
        }
    }

    /// When the scenario wants this life to end: at the end of its lifetime, or at the next reset
    /// of all streams, each up to a tenth early so that not all come at once.
    fn planned_end(&self, life: u64) -> Option<At> {
        let config = &self.shared.config;
        let now = self.shared.clock().now();
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

    fn count(&self, status: &Status) {
        self.shared.books.count(|streams| match status.code() {
            Code::Ok => streams.ended_ok += 1,
            Code::NotFound => streams.not_found += 1,
            code => *streams.errors.entry(format!("{code:?}")).or_default() += 1,
        });
        tracing::debug!(
            authority = self.book().target.authority,
            code = ?status.code(),
            message = status.message(),
            "stream ended"
        );
    }

    fn book(&self) -> &Book {
        &self.shared.books.all()[self.seat.target]
    }

    fn name(&self) -> String {
        format!("{}/{}", self.book().target.authority, self.seat.stream)
    }
}
