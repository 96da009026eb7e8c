//! All streams of a run: virtual client pods, each with a connection and an identity of its own,
//! and on it a stream or more for each Service that it asks for.

mod lifecycle;
mod limits;
mod link;
mod profile;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dst_load_oracle::{
    kubernetes::Place,
    ledger::{Ledgers, LockedLedger, StreamId},
};
use dst_load_scenario::{
    printable::line,
    scenario,
    targets::{TargetChoice, Targets},
    time::At,
};
use dst_load_transport::{
    backoff::{Backoff, Delays, Jitter},
    clock::Clock,
    world::{Dial, Grpc},
};
use tokio::{
    sync::{SetOnce, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use self::{
    lifecycle::Lifecycle,
    link::Link,
    profile::{About, Profile},
};
use super::{
    counters::StreamCounters,
    ending::Ending,
    stream::{self, Identity, request},
};

/// How streams are opened, and when they are opened again.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// Virtual client pods.
    pub clients: u64,
    /// The most connections: clients beyond it share them in turn. Each has its own if absent.
    pub connections: Option<u32>,
    /// Which Services each of them asks for; all if absent.
    pub targets: Option<FleetTargets>,
    /// Streams that each opens for each Service that it asks for.
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
    /// When streams end by themselves.
    pub lifecycle: scenario::Lifecycle,
    /// Whether `GetProfile` streams are held beside the `Get` streams.
    pub profiles: bool,
}

/// Which Services the clients of a fleet ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FleetTargets {
    /// How many each asks for, and how they are distributed.
    pub each: Targets,
    /// The scenario's seed, which all its fleets share.
    pub seed: u64,
    /// The number of the first client, where others of the scenario are in other fleets.
    pub first_client: u64,
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
        "the destination accepted {open} connections and no more ({reason}); a port-forward refuses \
         more than about 60: share connections between clients (--connections 50) and mark it with \
         --forwarded"
    )]
    ConnectionLimitReached {
        /// Connections that are open.
        open: u64,
        /// What the last try came to.
        reason: String,
    },
    /// The controller refused a stream in a way that a retry does not resolve.
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
    ledgers: Arc<Ledgers>,
    counters: Arc<StreamCounters>,
    clock: Clock,
    config: FleetConfig,
    cancel: CancellationToken,
    failed: watch::Sender<Option<FleetError>>,
    opened: At,
    connected: AtomicU64,
}

/// A virtual client pod: who it is, and its streams.
struct ClientPod {
    identity: Identity,
    slots: Vec<StreamSlot>,
}

/// A stream that has been entered into its ledger and is not opened yet.
#[derive(Clone, Copy, Debug)]
struct StreamSlot {
    /// The position of its ledger.
    service: usize,
    stream: StreamId,
    /// Its position in the order of opening.
    order: u64,
}

/// Where a connection goes.
struct Replica {
    /// Which of the destination's, from 0.
    number: u32,
    dial: Dial,
    /// Whether the replica is asked whose it is on this connection: once is enough.
    asks: bool,
}

/// The delays between attempts to connect or to open: the proxy's own.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(60));

// === impl Fleet ===

impl Fleet {
    /// Enters all streams into the ledgers and begins to open them; what they do is counted in
    /// `counters`, which are of as many Services. Virtual clients take the
    /// `nodes` (names with zones) in order, over and over, and so the `replicas` of the
    /// destination, of which there is at least one.
    #[must_use]
    pub fn open(
        ledgers: &Arc<Ledgers>,
        counters: &Arc<StreamCounters>,
        clock: Clock,
        replicas: &[Dial],
        config: FleetConfig,
        nodes: &[(String, String)],
    ) -> Self {
        let cancel = CancellationToken::new();
        let (sender, failed) = watch::channel(None);
        let shared = Arc::new(Shared {
            ledgers: Arc::clone(ledgers),
            counters: Arc::clone(counters),
            clock,
            cancel: cancel.clone(),
            failed: sender,
            opened: clock.now(),
            connected: AtomicU64::new(0),
            config,
        });
        let mut tasks = JoinSet::new();
        let mut order = 0;
        let mut connections = connections(&shared.config, replicas.len());
        let shares = connections.len();
        let services = ledgers.all().len();
        let chosen = shared.config.targets.map(|it| {
            let choice = TargetChoice::new(&it.each, it.seed, services);
            move |client| choice.of(it.first_client + client)
        });
        let asked = |client| match &chosen {
            None => (0..services).collect(),
            Some(chosen) => chosen(client),
        };
        for client in 0..shared.config.clients {
            let (replica, _) = turn(replicas, client);
            let place = place(nodes, client);
            let identity = Identity {
                namespace: shared.config.namespace.clone(),
                node: place.node.clone(),
                pod: format!("dst-load-client-{client}"),
            };
            let mut slots = Vec::new();
            for service in asked(client) {
                for _ in 0..shared.config.streams_per_service {
                    let stream = ledgers.all()[service].with(|ledger| {
                        let stream = ledger.add_stream(place.clone());
                        if replicas.len() > 1 {
                            ledger.assign_replica(stream, replica);
                        }
                        stream
                    });
                    slots.push(StreamSlot {
                        service,
                        stream,
                        order,
                    });
                    order += 1;
                }
            }
            let pod = ClientPod { identity, slots };
            let share = usize::try_from(client).unwrap_or(usize::MAX) % shares;
            connections[share].push(pod);
        }
        for (number, pods) in (0..).zip(connections) {
            let (replica, dial) = turn(replicas, number);
            let asks = usize::try_from(number).is_ok_and(|number| number < replicas.len());
            let place = Replica {
                number: replica,
                dial: Arc::clone(dial),
                asks,
            };
            tasks.spawn(connection(Arc::clone(&shared), place, pods));
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

/// The replica whose turn it is to take this client.
fn turn(replicas: &[Dial], client: u64) -> (u32, &Dial) {
    let index = turn_of(replicas.len(), client);
    let number = u32::try_from(index).expect("invariant: there are few replicas");
    (number, &replicas[index])
}

/// Which of `count` it is the turn of.
fn turn_of(count: usize, client: u64) -> usize {
    let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
    usize::try_from(client % count).unwrap_or_default()
}

/// The Node and zone of a virtual client.
fn place(nodes: &[(String, String)], client: u64) -> Place {
    nodes
        .get(turn_of(nodes.len(), client))
        .map_or_else(Place::default, |(node, zone)| Place {
            node: node.clone(),
            zone: zone.clone(),
        })
}

/// As many connections as there are to be, with nobody on them yet. Where clients share them, each
/// replica has as many: those that share one then have one replica.
fn connections(config: &FleetConfig, replicas: usize) -> Vec<Vec<ClientPod>> {
    let replicas = u64::try_from(replicas).unwrap_or(u64::MAX).max(1);
    let count = match config.connections.map(u64::from) {
        Some(most) if most < config.clients => (most / replicas).max(1) * replicas,
        _ => config.clients.max(1),
    };
    (0..count).map(|_| Vec::new()).collect()
}

/// One connection, and on it the streams of a virtual client, or of all that share it.
async fn connection(shared: Arc<Shared>, replica: Replica, pods: Vec<ClientPod>) {
    let Some(first) = pods.first() else {
        return;
    };
    let identity = &first.identity;
    let connected = tokio::select! {
        biased;
        () = shared.cancel.cancelled() => return,
        connected = connect(&shared, &replica.dial, identity) => connected,
    };
    let grpc = match connected {
        Ok(grpc) => grpc,
        Err(error) => {
            shared.fail(error);
            return;
        }
    };
    let link = Arc::new(Link::new(
        replica.number,
        &shared.counters,
        shared.clock.now(),
    ));
    let mut streams = JoinSet::new();
    if replica.asks {
        let (grpc, link, shared) = (grpc.clone(), Arc::clone(&link), Arc::clone(&shared));
        streams.spawn(async move {
            let answered = |headers: &_| shared.answered(&link, headers);
            stream::identify(grpc, shared.clock, answered).await;
        });
    }
    for ClientPod { identity, slots } in pods {
        let token: Arc<str> = identity.token().into();
        for slot in slots {
            let authority = &shared.locked(slot).service.authority;
            let held = shared.config.profiles.then(|| Arc::new(SetOnce::new()));
            if let Some(held) = &held {
                for about in [About::Service, About::Endpoint(Arc::clone(held))] {
                    let profile = Profile {
                        shared: Arc::clone(&shared),
                        grpc: grpc.clone(),
                        link: Arc::clone(&link),
                        token: Arc::clone(&token),
                        slot,
                        about,
                    };
                    streams.spawn(profile.run());
                }
            }
            let lifecycle = Lifecycle {
                shared: Arc::clone(&shared),
                grpc: grpc.clone(),
                link: Arc::clone(&link),
                request: request(authority, &token),
                slot,
                held,
            };
            streams.spawn(lifecycle.run());
        }
    }
    // A connection that breaks is their business. That the fleet closes is not: to ask with each
    // message whether it does would be a lock that all streams share.
    let all = async { while streams.join_next().await.is_some() {} };
    tokio::select! {
        biased;
        () = shared.cancel.cancelled() => {}
        () = all => return,
    }
    streams.shutdown().await;
}

/// Connects, trying again until the time for it is up.
async fn connect(shared: &Shared, dial: &Dial, identity: &Identity) -> Result<Grpc, FleetError> {
    let config = &shared.config;
    let clock = shared.clock;
    let until = shared.opened + config.connect_timeout;
    let mut delays = shared.delays("connect", &identity.pod);
    loop {
        let reason = match dial().await {
            Ok(grpc) => {
                shared.connected.fetch_add(1, Ordering::Relaxed);
                return Ok(grpc);
            }
            Err(status) => line(status.message()),
        };
        shared.counters.count(|streams| {
            *streams.connection_errors.entry(reason.clone()).or_default() += 1;
        });
        let wait = delays.next_delay();
        if clock.now() + wait > until {
            let open = shared.connected.load(Ordering::Relaxed);
            if open > 0 {
                return Err(FleetError::ConnectionLimitReached { open, reason });
            }
            return Err(FleetError::Unreachable {
                after: config.connect_timeout,
                reason,
            });
        }
        tracing::info!(reason, ?wait, "destination unavailable, retrying");
        tokio::time::sleep(wait).await;
    }
}

// === impl Shared ===

impl Shared {
    /// The ledger that a stream is entered into.
    fn locked(&self, slot: StreamSlot) -> &LockedLedger {
        &self.ledgers.all()[slot.service]
    }

    /// The server has answered a stream of this connection with these headers.
    fn answered(&self, link: &Link, headers: &http::HeaderMap) {
        self.counters
            .identify(link.replica(), headers, self.clock.now());
    }

    /// The delays between attempts: by the seed up to a tenth shorter, or longer where streams
    /// live as a proxy's do.
    fn delays(&self, purpose: &str, entity: &str) -> Delays {
        let jitter = match self.config.lifecycle {
            scenario::Lifecycle::Eternal => Jitter::Shorter(0.1),
            scenario::Lifecycle::Proxy => Jitter::Longer(0.1),
        };
        BACKOFF
            .with_jitter(jitter)
            .delays(self.config.seed, purpose, entity)
    }

    /// Waits so that no more streams are opened a second than the rate allows.
    async fn wait_for_turn(&self, slot: StreamSlot) {
        let rate = u64::from(self.config.open_rate.max(1));
        // A slot has up to three streams, two of them for profiles.
        let each = if self.config.profiles { 3 } else { 1 };
        let turn = Duration::from_millis(slot.order * each * 1_000 / rate);
        let turn = self.opened + turn;
        if self.clock.now() < turn {
            self.clock.sleep_until(turn).await;
        }
    }

    /// Ends the run for a reason; the first one counts.
    fn fail(&self, error: FleetError) {
        self.failed.send_if_modified(|failed| {
            let first = failed.is_none();
            failed.get_or_insert(error);
            first
        });
    }

    /// What an end means for a stream that a retry does not resolve.
    fn refusal(&self, authority: &str, ending: &Ending) -> FleetError {
        FleetError::Refused {
            authority: authority.to_owned(),
            code: ending.error().unwrap_or_default().into_owned(),
            message: ending.message.clone(),
        }
    }
}
