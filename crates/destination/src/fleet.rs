//! All streams of a run: virtual client pods, each with an identity and a connection to each replica
//! of its own, and on these a stream or more for each Service that it asks
//! for.

mod held;
mod lifecycle;
mod limits;
mod link;
mod own;
mod policy;
mod pool;
mod stalled;
mod subject;
#[cfg(test)]
mod tests;

use std::{
    fmt,
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
    scenario::{self, ClientPath, Reader},
    targets::{TargetChoice, Targets},
    time::At,
};
use dst_load_transport::{
    backoff::{Backoff, Delays, Jitter},
    clock::Clock,
    world::{Dial, Grpc, ListedReplicas},
};
use tokio::{
    sync::{SetOnce, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub use self::policy::Policies;
use self::{
    held::{Held, Over},
    lifecycle::Lifecycle,
    link::Link,
    policy::Asks,
    pool::Pool,
    stalled::Stalled,
    subject::{Asker, Served, Subject},
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
    /// The most connections: clients share them in turn as far as there would be more. Each client
    /// has its own to each replica if absent.
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
    /// Whether `GetProfile` streams by ClusterIP are held in addition to the `Get` streams, or by the
    /// address of an endpoint where a Service has none.
    pub profiles: bool,
    /// Whether those by the address of an endpoint are held for every Service.
    pub profile_endpoints: bool,
    /// `GetProfile` streams by the name of a Service that each client holds, as an inbound proxy
    /// does for the Services that its pod belongs to.
    pub profile_names: u32,
    /// Streams of the policy API, if they are held.
    pub policies: Option<Policies>,
    /// Whether clients share connections as a sidecar of the destination has them.
    pub path: ClientPath,
    /// How many of the clients do not read, and what they do instead.
    pub stalled: Option<(u64, Reader)>,
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
struct Shared {
    ledgers: Arc<Ledgers>,
    counters: Arc<StreamCounters>,
    clock: Clock,
    config: FleetConfig,
    /// The replicas of the start, by number.
    replicas: Vec<Dial>,
    /// The replicas by and by, where they were found under a name.
    listed: Option<ListedReplicas>,
    cancel: CancellationToken,
    failed: watch::Sender<Option<FleetError>>,
    opened: At,
    connected: AtomicU64,
    served: Served,
}

/// A virtual client pod: who it is, and its streams.
struct ClientPod {
    identity: Identity,
    streams: Streams,
}

/// The streams of a virtual client.
enum Streams {
    /// They are read, and judged.
    Read {
        slots: Vec<StreamSlot>,
        /// What it asks as an inbound proxy, each with its turn.
        own: Vec<(StreamSlot, Subject)>,
    },
    /// They are not: each is of the Service at this position, and opened in this order.
    Stalled(Reader, Vec<(usize, u64)>),
}

/// A stream that has been entered into its ledger and is not opened yet.
#[derive(Clone, Copy, Debug)]
struct StreamSlot {
    /// The position of its ledger.
    service: usize,
    stream: StreamId,
    /// How many streams are opened before it and those that accompany it.
    order: u64,
}

/// The delays between attempts to connect or to open: the proxy's own.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(60));

// === impl FleetConfig ===

impl FleetConfig {
    /// The streams of a slot: of `Get`, and of those that are about the same Service.
    fn streams_of_slot(&self) -> u64 {
        let profiles = u64::from(self.profiles) + u64::from(self.profile_endpoints);
        1 + profiles + u64::from(self.policies.is_some())
    }
}

// === impl ClientPod ===

impl ClientPod {
    /// What may be sent ahead on each stream of its connections, if that is not as usual, bytes.
    const fn window(&self) -> Option<u16> {
        match self.streams {
            Streams::Stalled(Reader::SmallWindows { window }, _) => Some(window),
            Streams::Stalled(Reader::Never | Reader::Trickle { .. }, _) | Streams::Read { .. } => {
                None
            }
        }
    }
}

// === impl Fleet ===

impl Fleet {
    /// Enters all streams into the ledgers and begins to open them; what they do is counted in
    /// `counters`, which are of as many Services. Virtual clients take the
    /// `nodes` (names with zones) in order, over and over. Each has all `replicas` of the
    /// destination, of which there is at least one, and follows them as they are `listed`.
    #[must_use]
    pub fn open(
        ledgers: &Arc<Ledgers>,
        counters: &Arc<StreamCounters>,
        clock: Clock,
        replicas: Vec<Dial>,
        listed: Option<ListedReplicas>,
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
            replicas,
            listed,
            served: Served::default(),
            config,
        });
        let mut tasks = JoinSet::new();
        let (mut streams, mut order) = (0, 0);
        let config = &shared.config;
        let (stalled, reader) = config.stalled.unwrap_or((0, Reader::Never));
        let mut connections = connections(config, shared.replicas.len());
        let shares = connections.len();
        let identity = |client, place: &Place| Identity {
            namespace: config.namespace.clone(),
            node: place.node.clone(),
            pod: format!("dst-load-client-{client}"),
        };
        let services = ledgers.all().len();
        let chosen = config.targets.map(|it| {
            let choice = TargetChoice::new(&it.each, it.seed, services);
            move |client| choice.of(it.first_client + client)
        });
        let asked = |client| match &chosen {
            None => (0..services).collect(),
            Some(chosen) => chosen(client),
        };
        let is_stalled = scenario::stalled(config.seed, config.clients, stalled);
        let each = (0_u64..).zip(is_stalled);
        let (stalled, reading): (Vec<_>, Vec<_>) = each.partition(|(_, is_stalled)| *is_stalled);
        for (turn, (client, _)) in reading.into_iter().enumerate() {
            let place = place(nodes, client);
            let mut slots = Vec::new();
            for service in asked(client) {
                for _ in 0..config.streams_per_service {
                    let locked = &ledgers.all()[service];
                    let stream = locked.with(|ledger| ledger.add_stream(place.clone()));
                    slots.push(StreamSlot {
                        service,
                        stream,
                        order,
                    });
                    streams += 1;
                    order += config.streams_of_slot();
                }
            }
            let mut own = own::streams(config, &slots, client);
            for (slot, _) in &mut own {
                slot.order = order;
                order += 1;
            }
            connections[turn % shares].push(ClientPod {
                identity: identity(client, &place),
                streams: Streams::Read { slots, own },
            });
        }
        // Their streams are like the others', and opened after all of them.
        for (turn, (client, _)) in stalled.into_iter().enumerate() {
            let each = config.streams_per_service;
            let slots = asked(client).into_iter();
            let slots = slots.flat_map(|it| (0..each).map(move |_| it));
            let slots: Vec<_> = slots.zip(order..).collect();
            order += slots.len() as u64;
            let pod = ClientPod {
                identity: identity(client, &place(nodes, client)),
                streams: Streams::Stalled(reader, slots),
            };
            match config.path {
                ClientPath::Sidecar { .. } => connections[turn % shares].push(pod),
                // Else it would take others' windows, which no proxy does to another.
                ClientPath::Direct => connections.push(vec![pod]),
            }
        }
        for (number, pods) in (0..).zip(connections) {
            tasks.spawn(connection(Arc::clone(&shared), number, pods));
        }
        Self {
            tasks,
            cancel,
            failed,
            streams,
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

/// As many shares of the connections as there are to be for clients that read, with nobody on them
/// yet. Each has a connection to each replica.
fn connections(config: &FleetConfig, replicas: usize) -> Vec<Vec<ClientPod>> {
    let replicas = u64::try_from(replicas).unwrap_or(u64::MAX);
    let stalled = config.stalled.map_or(0, |(clients, _)| clients);
    let reading = config.clients.saturating_sub(stalled);
    let shares = scenario::connection_shares(config.path, reading, config.connections, replicas);
    (0..shares).map(|_| Vec::new()).collect()
}

/// The connections and the streams of a virtual client, or of all that share them: share number
/// `number`.
async fn connection(shared: Arc<Shared>, number: u64, pods: Vec<ClientPod>) {
    let Some(first) = pods.first() else {
        return;
    };
    let connected = tokio::select! {
        biased;
        () = shared.cancel.cancelled() => return,
        connected = Pool::connect(&shared, &first.identity, first.window()) => connected,
    };
    let pool = match connected {
        Ok(pool) => pool,
        Err(error) => {
            shared.fail(error);
            return;
        }
    };
    let mut streams = JoinSet::new();
    // Each replica is asked whose it is: once is enough.
    for link in pool.links().into_iter().filter(|_| number == 0) {
        let shared = Arc::clone(&shared);
        streams.spawn(async move {
            let answered = |headers: &_| shared.answered(link.replica(), headers);
            stream::identify(link.grpc(), shared.clock, answered).await;
        });
    }
    let policies = shared.config.policies.as_ref();
    let mut asked = Vec::new();
    for ClientPod {
        identity,
        streams: held,
    } in pods
    {
        let pod = policies.and_then(|it| it.pod.as_deref());
        let asker = Arc::new(Asker::new(&identity, pod));
        let (slots, own) = match held {
            Streams::Read { slots, own } => (slots, own),
            Streams::Stalled(reader, slots) => {
                for (service, order) in slots {
                    let authority = &shared.ledgers.all()[service].service.authority;
                    let stalled = Stalled {
                        shared: Arc::clone(&shared),
                        pool: Arc::clone(&pool),
                        request: request(authority, &asker.token),
                        name: format!("{}/{authority}/{order}", identity.pod),
                        reader,
                        order,
                    };
                    streams.spawn(stalled.run());
                }
                continue;
            }
        };
        let profile = |slot, subject| {
            let held = Held {
                shared: Arc::clone(&shared),
                over: Over::Destination(Arc::clone(&pool)),
                asker: Arc::clone(&asker),
                slot,
                subject,
            };
            held.run()
        };
        for slot in slots {
            let authority = &shared.locked(slot).service.authority;
            let FleetConfig {
                profiles,
                profile_endpoints,
                ..
            } = shared.config;
            if profiles {
                streams.spawn(profile(slot, Subject::Service));
            }
            let held = (profiles || profile_endpoints).then(|| Arc::new(SetOnce::new()));
            if let Some(held) = &held {
                let endpoint = Subject::Endpoint {
                    held: Arc::clone(held),
                    of_every_service: profile_endpoints,
                };
                streams.spawn(profile(slot, endpoint));
            }
            if policies.is_some() {
                asked.push((Arc::clone(&asker), slot, Subject::Outbound));
            }
            let lifecycle = Lifecycle {
                shared: Arc::clone(&shared),
                pool: Arc::clone(&pool),
                request: request(authority, &asker.token),
                slot,
                held,
            };
            streams.spawn(lifecycle.run());
        }
        for (slot, subject) in own {
            if matches!(subject, Subject::Inbound) {
                asked.push((Arc::clone(&asker), slot, subject));
            } else {
                streams.spawn(profile(slot, subject));
            }
        }
    }
    if let Some(policies) = policies {
        let of_turn = &shared.replicas[turn_of(shared.replicas.len(), number)];
        let dial = policies.dial.as_ref().unwrap_or(of_turn);
        let asks = Asks {
            shared: Arc::clone(&shared),
            dial: Arc::clone(dial),
            streams: asked,
        };
        streams.spawn(asks.run());
    }
    // A connection that breaks is their business. That the fleet closes is not: to ask with each
    // message whether it does would be a lock that all streams share.
    let all = async { while streams.join_next().await.is_some() {} };
    tokio::select! {
        biased;
        () = shared.cancel.cancelled() => {}
        () = all => return,
        never = pool.keep() => match never {},
    }
    streams.shutdown().await;
}

/// Connects, trying again until the time for it is up.
/// `entity` seeds the waits.
async fn connect(
    shared: &Shared,
    dial: &Dial,
    window: Option<u16>,
    entity: &str,
) -> Result<Grpc, FleetError> {
    let config = &shared.config;
    let clock = shared.clock;
    let until = shared.opened + config.connect_timeout;
    let mut delays = shared.delays("connect", entity);
    loop {
        let reason = match dial(window).await {
            Ok(grpc) => {
                shared.connected.fetch_add(1, Ordering::Relaxed);
                return Ok(grpc);
            }
            Err(status) => line(status.message()),
        };
        shared.count_connection_error(&reason);
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
        // A warning: what hundreds of clients meet alike is logged once, and counted.
        tracing::warn!(reason, ?wait, "destination unavailable, retrying");
        tokio::time::sleep(wait).await;
    }
}

// === impl Shared ===

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The ledger that a stream is entered into.
    fn locked(&self, slot: StreamSlot) -> &LockedLedger {
        &self.ledgers.all()[slot.service]
    }

    /// This replica has answered a stream with these headers.
    fn answered(&self, replica: u32, headers: &http::HeaderMap) {
        self.counters.identify(replica, headers, self.clock.now());
    }

    /// A connection to this replica that was made now.
    fn link(&self, replica: u32, grpc: Grpc) -> Link {
        Link::new(replica, grpc, &self.counters, self.clock.now())
    }

    /// No connection could be made, for this reason.
    fn count_connection_error(&self, reason: &str) {
        self.counters.count(|streams| {
            let errors = &mut streams.connection_errors;
            *errors.entry(reason.to_owned()).or_default() += 1;
        });
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

    /// Waits so that no more streams are opened a second than the rate allows, whatever they ask.
    async fn wait_for_turn(&self, order: u64) {
        let rate = u64::from(self.config.open_rate.max(1));
        let turn = Duration::from_millis(order * 1_000 / rate);
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
