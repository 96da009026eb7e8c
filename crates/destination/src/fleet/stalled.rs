//! A stream of a client that does not read, through all its lives.
//!
//! It is in no ledger: what it was promised, and did not take, is nobody's fault. It is opened again
//! once the destination has ended it, as a proxy would, so that the load stays.

use std::sync::Arc;

use bytes::Bytes;
use dst_load_scenario::scenario::Reader;

use super::{Shared, pool::Pool};
use crate::stream;

/// One stream.
pub(super) struct Stalled {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Arc<Pool>,
    pub(super) request: Bytes,
    /// Names its backoffs.
    pub(super) name: String,
    pub(super) reader: Reader,
    /// Its position in the order of opening.
    pub(super) order: u64,
}

// === impl Stalled ===

impl Stalled {
    /// Lives until it is dropped as the fleet closes, or the controller refuses it for good.
    pub(super) async fn run(self) {
        self.shared.wait_for_turn(self.order).await;
        let mut delays = self.shared.delays("stalled", &self.name);
        let counters = &self.shared.counters;
        let mut life = 0_u64;
        loop {
            let mut attempt = self.pool.send(|| format!("{}/{life}", self.name));
            let replica = attempt.link().replica();
            counters.stalled_sent(life > 0);
            life += 1;
            let mut received = false;
            let ended = stream::stall(
                attempt.link().grpc(),
                self.request.clone(),
                self.reader,
                |headers| self.shared.answered(replica, headers),
                |bytes| {
                    if !received {
                        attempt.received();
                    }
                    received = true;
                    counters.count(|streams| streams.stalled.bytes += bytes as u64);
                },
            )
            .await;
            let ending = ended.ending().clone();
            // Nothing holds the connection while it waits.
            drop(ended);
            counters.stalled_ended(&ending);
            attempt.ended(&ending);
            drop(attempt);
            tracing::debug!(
                name = self.name,
                cause = ?ending.what,
                message = ending.message,
                "stalled stream ended"
            );
            // The streams that are read are refused too, which is counted there.
            if ending.is_refusal() {
                return;
            }
            if received {
                delays.reset();
            }
            tokio::time::sleep(delays.next_delay()).await;
        }
    }
}
