//! All streams of a run: virtual client pods, each with a connection and an identity of its own,
//! and on it a stream or more for each Service.

mod lifecycle;
mod link;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::{lifecycle::Lifecycle, link::Link};
use super::stream::{Identity, request};
use crate::{
    live::{books::Books, clock::Clock},
    model::{kubernetes::Place, ledger::StreamId, seed, time::At},
    world::{Dial, Grpc},
};

/// How streams are opened, and when they are opened again.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// Virtual client pods.
    pub clients: u64,
    /// The most connections: clients beyond it share them in turn. Each has its own if absent.
    pub connections: Option<u32>,
    /// Streams that each opens for each Service.
    pub streams_per_service: u32,
    /// Streams opened a second, at most, over all clients.
    pub open_rate: u32,
    /// Each stream is closed and opened again after at most this long.
    pub max_lifetime: Option<Duration>,
    /// All streams are closed and opened again each time this has passed.
    pub reset_interval: Option<Duration>,
    /// For how long a first connection is tried.
    pub connect_timeout: Duration,
    /// The namespace that clients say they are in.
    pub namespace: String,
    /// The seed of lifetimes and backoffs.
    pub seed: u64,
}

/// Why the fleet cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// No connection could be made.
    #[error("the destination could not be reached for {}s: {reason}", .after.as_secs())]
    Unreachable {
        /// For how long it was tried.
        after: Duration,
        /// What the last try came to.
        reason: String,
    },
    /// Some connections could be made, and no more.
    #[error(
        "the destination took {standing} connections and no more ({reason}): a port-forward refuses \
         more than about 60; let clients share them with --connections 50, and say that it is one \
         with --forwarded"
    )]
    Crowded {
        /// Connections that stand.
        standing: u64,
        /// What the last try came to.
        reason: String,
    },
    /// The controller refused a stream in a way that trying again does not mend.
    #[error("the destination refused {authority}: {code}: {message}")]
    Refused {
        /// What was asked for.
        authority: String,
        /// The gRPC code.
        code: String,
        /// The controller's words.
        message: String,
    },
}

/// The running streams.
#[derive(Debug)]
pub struct Fleet {
    tasks: JoinSet<()>,
    cancel: CancellationToken,
    failed: watch::Receiver<Option<FleetError>>,
    streams: u64,
}

/// What every task of a fleet shares.
#[derive(Debug)]
struct Shared {
    books: Arc<Books>,
    config: FleetConfig,
    cancel: CancellationToken,
    failed: watch::Sender<Option<FleetError>>,
    opened: At,
    connected: AtomicU64,
}

/// A virtual client pod: who it is, and its streams.
struct ClientPod {
    identity: Identity,
    seats: Vec<Seat>,
}

/// A stream that has been entered into its ledger and is not opened yet.
#[derive(Clone, Copy, Debug)]
struct Seat {
    target: usize,
    stream: StreamId,
    /// Its position in the order of opening.
    order: u64,
}

/// The wait after the first failure to connect or to open, doubled with each further one, as the
/// proxy does.
const BACKOFF: Duration = Duration::from_millis(100);
/// The longest wait between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

// === impl Fleet ===

impl Fleet {
    /// Enters all streams into the ledgers and begins to open them. Virtual clients take the
    /// `nodes` (names with zones) in order, over and over.
    #[must_use]
    pub fn open(
        books: &Arc<Books>,
        dial: &Dial,
        config: FleetConfig,
        nodes: &[(String, String)],
    ) -> Self {
        let cancel = CancellationToken::new();
        let (sender, failed) = watch::channel(None);
        let shared = Arc::new(Shared {
            books: Arc::clone(books),
            cancel: cancel.clone(),
            failed: sender,
            opened: books.clock().now(),
            connected: AtomicU64::new(0),
            config,
        });
        let mut tasks = JoinSet::new();
        let mut order = 0;
        let mut connections = connections(&shared.config);
        let shares = connections.len();
        for client in 0..shared.config.clients {
            let place = place(nodes, client);
            let identity = Identity {
                namespace: shared.config.namespace.clone(),
                node: place.node.clone(),
                pod: format!("dst-load-client-{client}"),
            };
            let mut seats = Vec::new();
            for (target, book) in books.all().iter().enumerate() {
                for _ in 0..shared.config.streams_per_service {
                    let stream = book.ledger(|ledger| ledger.add_stream(place.clone()));
                    seats.push(Seat {
                        target,
                        stream,
                        order,
                    });
                    order += 1;
                }
            }
            let pod = ClientPod { identity, seats };
            let share = usize::try_from(client).unwrap_or(usize::MAX) % shares;
            connections[share].push(pod);
        }
        for pods in connections {
            tasks.spawn(connection(Arc::clone(&shared), Arc::clone(dial), pods));
        }
        Self {
            tasks,
            cancel,
            failed,
            streams: order,
        }
    }

    /// Streams in all.
    #[must_use]
    pub const fn streams(&self) -> u64 {
        self.streams
    }

    /// Waits until something happens that ends the fleet's work for good.
    pub async fn failed(&mut self) -> FleetError {
        let failed = self.failed.wait_for(Option::is_some).await;
        match failed.ok().and_then(|error| error.clone()) {
            Some(error) => error,
            // All tasks have ended without one: there is nothing to wait for.
            None => std::future::pending().await,
        }
    }

    /// Closes all streams and connections.
    pub async fn close(mut self) {
        self.cancel.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The Node and zone of a virtual client.
fn place(nodes: &[(String, String)], client: u64) -> Place {
    let count = u64::try_from(nodes.len()).unwrap_or(u64::MAX).max(1);
    let index = usize::try_from(client % count).unwrap_or_default();
    nodes
        .get(index)
        .map_or_else(Place::default, |(node, zone)| Place {
            node: node.clone(),
            zone: zone.clone(),
        })
}

/// As many connections as there are to be, with nobody on them yet.
fn connections(config: &FleetConfig) -> Vec<Vec<ClientPod>> {
    let most = config.connections.map_or(u64::MAX, u64::from);
    let count = config.clients.min(most).max(1);
    (0..count).map(|_| Vec::new()).collect()
}

/// One connection, and on it the streams of a virtual client, or of all that share it.
async fn connection(shared: Arc<Shared>, dial: Dial, pods: Vec<ClientPod>) {
    let Some(first) = pods.first() else {
        return;
    };
    let identity = &first.identity;
    let connected = tokio::select! {
        biased;
        () = shared.cancel.cancelled() => return,
        connected = connect(&shared, &dial, identity) => connected,
    };
    let grpc = match connected {
        Ok(grpc) => grpc,
        Err(error) => {
            shared.fail(error);
            return;
        }
    };
    let link = Arc::new(Link::up(&shared.books));
    let mut streams = JoinSet::new();
    for ClientPod { identity, seats } in pods {
        let token = identity.token();
        for seat in seats {
            let authority = &shared.books.all()[seat.target].target.authority;
            let lifecycle = Lifecycle {
                shared: Arc::clone(&shared),
                grpc: grpc.clone(),
                link: Arc::clone(&link),
                request: request(authority, &token),
                seat,
            };
            streams.spawn(lifecycle.run());
        }
    }
    // The tasks end when the fleet is told to; a connection that breaks is their business.
    while streams.join_next().await.is_some() {}
}

/// Connects, trying again until the time for it is up.
async fn connect(shared: &Shared, dial: &Dial, identity: &Identity) -> Result<Grpc, FleetError> {
    let config = &shared.config;
    let clock = shared.clock();
    let until = shared.opened + config.connect_timeout;
    let mut tries = 0;
    loop {
        let reason = match dial().await {
            Ok(grpc) => {
                shared.connected.fetch_add(1, Ordering::Relaxed);
                return Ok(grpc);
            }
            Err(status) => status.message().to_owned(),
        };
        shared.books.count(|streams| {
            *streams.connection_errors.entry(reason.clone()).or_default() += 1;
        });
        let wait = backoff(config.seed, "connect", &identity.pod, tries);
        tries += 1;
        if clock.now() + wait > until {
            let standing = shared.connected.load(Ordering::Relaxed);
            if standing > 0 {
                return Err(FleetError::Crowded { standing, reason });
            }
            return Err(FleetError::Unreachable {
                after: config.connect_timeout,
                reason,
            });
        }
        tracing::info!(
            reason,
            ?wait,
            "the destination is not there yet, trying again"
        );
        tokio::time::sleep(wait).await;
    }
}

/// The wait before try number `tries` + 1: doubled each time, less up to a tenth by the seed.
fn backoff(seed: u64, purpose: &str, entity: &str, tries: u32) -> Duration {
    let full = (BACKOFF * 2_u32.pow(tries.min(10))).min(BACKOFF_MAX);
    seed::delay(
        seed,
        purpose,
        &format!("{entity}/{tries}"),
        full * 9 / 10,
        full,
    )
}

// === impl Shared ===

impl Shared {
    fn clock(&self) -> Clock {
        self.books.clock()
    }

    /// Ends the run for a reason; the first one counts.
    fn fail(&self, error: FleetError) {
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert(error);
            first
        });
    }

    /// What a status means for a stream that got it.
    fn refusal(&self, authority: &str, status: &Status) -> FleetError {
        FleetError::Refused {
            authority: authority.to_owned(),
            code: format!("{:?}", status.code()),
            message: status.message().to_owned(),
        }
    }
}
