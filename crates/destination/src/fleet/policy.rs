//! The streams of the policy API, on a connection of their own: a proxy has one, since in Linkerd
//! another container answers.

use std::{fmt, sync::Arc};

use dst_load_transport::world::Dial;
use tokio::task::JoinSet;

use super::{
    Shared, StreamSlot,
    held::{Held, Over},
    subject::{Asker, Subject},
};
use crate::ending::Ending;

/// Where the policy API is, and who asks there.
#[derive(Clone, Default)]
pub struct Policies {
    /// Opens connections to it; it is asked for at the destination's own address if absent.
    pub dial: Option<Dial>,
    /// The pod that this process runs in, whose inbound policy is asked for. Each virtual client
    /// asks for that of a pod of its own name if absent.
    pub pod: Option<String>,
}

/// What the clients of one connection ask for.
pub(super) struct Asks {
    pub(super) shared: Arc<Shared>,
    pub(super) dial: Dial,
    pub(super) streams: Vec<(Arc<Asker>, StreamSlot, Subject)>,
}

// === impl Policies ===

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("elsewhere", &self.dial.is_some())
            .field("pod", &self.pod)
            .finish()
    }
}

// === impl Asks ===

impl Asks {
    /// Connects, however long that takes, and holds the streams. Does nothing where there are none.
    pub(super) async fn run(self) {
        let Some((first, ..)) = self.streams.first() else {
            return;
        };
        let mut delays = self.shared.delays("connect-policy", &first.pod);
        let grpc = loop {
            let status = match (self.dial)(None).await {
                Ok(grpc) => break grpc,
                Err(status) => status,
            };
            let ending = Ending::of(&status);
            self.shared
                .counters
                .count(|streams| streams.policies.unconnected += 1);
            tracing::debug!(reason = ending.message, "policy API unavailable, retrying");
            tokio::time::sleep(delays.next_delay()).await;
        };
        let mut streams = JoinSet::new();
        for (asker, slot, subject) in self.streams {
            let held = Held {
                shared: Arc::clone(&self.shared),
                over: Over::Policy(grpc.clone()),
                asker,
                slot,
                subject,
            };
            streams.spawn(held.run());
        }
        drop(grpc);
        while streams.join_next().await.is_some() {}
    }
}
