//! What a run is meant to do: validated intent, which cannot be built wrong.
//!
//! A scenario comes from a Helm values file or from command-line flags; both end here.

use std::time::Duration;

use crate::{
    criteria::{Criteria, LONGEST_LATENCY},
    fault::Fault,
    federation::{Federation, Site, Watched},
    flags::Flags,
    quantity::AddressRange,
    stale_state::StaleStateCase,
};

mod draft;
mod file;
mod lifecycle;
mod shipped;

pub use draft::{Draft, LARGEST_SCENARIO, ScenarioError};
pub use file::{chart_schema, effective::Inexpressible, schema};
pub use lifecycle::{Lifecycle, UnknownLifecycle};
pub use shipped::{BUILT_IN, built_in};

/// A whole scenario, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name: a DNS label, part of the namespace's name.
    pub name: String,
    /// The seed of every random choice in the run.
    pub seed: u64,
    /// What is done to Kubernetes.
    pub churn: Churn,
    /// Who watches.
    pub client: Client,
    /// A second cluster, if there is one: it is the one that is churned.
    pub federation: Option<Federation>,
    /// What the run is judged by.
    pub criteria: Criteria,
    /// How long an update is waited for; `None` derives it ([`Scenario::deadline`]).
    pub deadline: Option<Duration>,
    /// The embedded sandbox's shape and faults.
    pub sandbox: Sandbox,
    /// How the destination controller is set up, as far as the file says it.
    pub flags: Flags,
}

/// What is done to Kubernetes, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Churn {
    /// The Services, in groups that share a pattern; never empty.
    pub groups: Vec<ServiceGroup>,
    /// Ends the run this long after its start.
    pub duration: Option<Duration>,
    /// Ends the run after this many whole cycles.
    pub cycles: Option<u32>,
    /// Which objects make the endpoints.
    pub backend: Backend,
    /// The Service port, and the endpoints' port.
    pub port: u16,
}

/// Services that are named alike and churn alike: `<prefix>-<first>` … `<prefix>-<first+count-1>`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceGroup {
    /// The name before the number.
    pub prefix: String,
    /// The number of the first Service (the plan counts from 1, the mixed-workload form from 0).
    pub first: u32,
    /// How many Services.
    pub count: u32,
    /// How their endpoints change.
    pub pattern: Pattern,
}

/// How the endpoints of one Service change over time. As text it is the name that `--pattern` takes.
#[derive(Clone, Debug, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Pattern {
    /// Nothing changes.
    Stable {
        /// Endpoints a Service.
        endpoints: u32,
    },
    /// Between two sizes, for ever or for [`Churn::cycles`]: hold at `min`, scale up at once, hold
    /// at `max`, scale down at once. Each Service waits 0 to `jitter` before each scaling.
    Oscillate {
        /// Endpoints at the low end, also the initial size.
        min: u32,
        /// Endpoints at the high end.
        max: u32,
        /// How long to stay at `min`.
        min_hold: Duration,
        /// How long to stay at `max`.
        max_hold: Duration,
        /// The largest delay a Service adds before each of its scalings.
        jitter: Jitter,
    },
    /// From one size to another in even steps.
    ScaleUp {
        /// The initial size.
        from: u32,
        /// The final size (it may be smaller than `from`).
        to: u32,
        /// How long the ramp takes.
        over: Duration,
    },
    /// All pods replaced, a few at a time, once every `every`.
    RollingUpdate {
        /// Endpoints a Service.
        endpoints: u32,
        /// The hold before each rollout.
        every: Duration,
        /// Pods above `endpoints` while rolling.
        max_surge: u32,
        /// Pods below `endpoints` while rolling.
        max_unavailable: u32,
    },
    /// As `Oscillate`, but groups of `size` Services scale together, one group `interval` after another.
    Batch {
        /// Endpoints at the low end, also the initial size.
        min: u32,
        /// Endpoints at the high end.
        max: u32,
        /// Services that scale together.
        size: u32,
        /// Time between one group and the next.
        interval: Duration,
        /// How long to stay at `min`, from the last group's scale-down.
        min_hold: Duration,
        /// How long to stay at `max`, from the last group's scale-up.
        max_hold: Duration,
    },
    /// Up at once, a short hold, down at once; then a long rest.
    Spike {
        /// Endpoints at rest, also the initial size.
        base: u32,
        /// Endpoints at the peak.
        peak: u32,
        /// How long the peak lasts.
        hold: Duration,
        /// The rest before each spike.
        rest: Duration,
        /// The largest delay a Service adds before each of its scalings.
        jitter: Jitter,
    },
    /// One of Linkerd's stale-state behaviours provoked, once every `every`.
    Provoke {
        /// What is done.
        case: StaleStateCase,
        /// Endpoints a Service at rest.
        endpoints: u32,
        /// The hold before each time.
        every: Duration,
    },
}

/// The bound of a Service's random delay before a scaling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// At most this long.
    UpTo(Duration),
    /// At most this percentage (0 to 100) of the hold that precedes the scaling.
    PercentOfHold(f64),
}

/// Which objects make the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Deployments; the cluster's controllers (and KWOK) make pods and EndpointSlices.
    #[default]
    Deployments,
    /// Pods, with their status, and EndpointSlices that name them, all written by us: metadata
    /// without KWOK or controllers.
    Pods {
        /// Whether the pods look as if Linkerd's proxy had been injected.
        meshed: bool,
        /// Where their addresses are from; none is given twice within a run.
        addresses: AddressRange,
    },
    /// EndpointSlices of bare addresses, written by us: the highest rates.
    Slices {
        /// Where their addresses are from; none is given twice within a run.
        addresses: AddressRange,
    },
}

/// The clients: virtual client pods, each with a connection and an identity of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Pods of the client Deployment; `run` folds them into its one process.
    pub replicas: u32,
    /// Virtual client pods a replica.
    pub clients: u32,
    /// Streams that each virtual client opens for each Service.
    pub streams_per_service: u32,
    /// Closes and reopens each stream after at most this long.
    pub stream_max_lifetime: Option<Duration>,
    /// Closes and reopens all streams each time this has passed (with jitter).
    pub stream_reset_interval: Option<Duration>,
    /// Streams opened a second, at most, over all clients.
    pub open_rate: u32,
    /// When streams end by themselves.
    pub lifecycle: Lifecycle,
    /// Whether `GetProfile` streams are held beside the `Get` streams.
    pub profiles: bool,
    /// The most connections, which clients share then; each has its own if absent.
    pub connections: Option<u32>,
}

/// The embedded sandbox's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sandbox {
    /// Nodes; clients and pods are spread over them in order.
    pub nodes: u32,
    /// Zones; nodes are spread over them in order.
    pub zones: u32,
    /// How long a fake pod takes to become ready, at least and at most.
    pub pod_start: (Duration, Duration),
    /// How often the EndpointSlice controller writes what has gathered.
    pub slice_sync: Duration,
    /// Replicas of the reference destination.
    pub replicas: u32,
    /// What goes wrong on purpose.
    pub faults: Vec<Fault>,
}

// === impl Scenario ===

impl Scenario {
    /// How the reference destination is set up: as the file says, else with all it can.
    #[must_use]
    pub fn reference_flags(&self) -> Flags {
        self.flags.or(Flags::DEFAULT)
    }

    /// How long an update is waited for before it counts as never arrived: as given, else the
    /// larger of 30 s and twice the largest limit judged, and 24 h at the most.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline.unwrap_or_else(|| {
            let largest = self.criteria.largest_latency_limit().unwrap_or_default();
            largest
                .saturating_mul(2)
                .clamp(Duration::from_secs(30), LONGEST_LATENCY)
        })
    }

    /// All groups of Services in plan order, each with its cluster.
    pub fn groups(&self) -> impl Iterator<Item = (&ServiceGroup, Site)> {
        let churned = match self.federation {
            None => Site::Source,
            Some(_) => Site::Target,
        };
        let local = self.federation.iter().flat_map(|both| &both.local);
        (self.churn.groups.iter().map(move |group| (group, churned)))
            .chain(local.map(|group| (group, Site::Source)))
    }

    /// Endpoints of all Services of a cluster at the most, should all be at their peak at once.
    #[must_use]
    pub fn endpoints_at_most(&self, at: Site) -> u64 {
        let here = self.groups().filter(|(_, site)| *site == at);
        here.map(|(group, _)| u64::from(group.count) * u64::from(group.pattern.peak()))
            .sum()
    }

    /// Services that are made with endpoints of their own, in one cluster.
    #[must_use]
    pub fn services_at(&self, at: Site) -> u64 {
        let here = self.groups().filter(|(_, site)| *site == at);
        here.map(|(group, _)| u64::from(group.count)).sum()
    }

    /// The names of all Services that are made with endpoints of their own, in plan order.
    pub fn services(&self) -> impl Iterator<Item = String> + '_ {
        self.groups().flat_map(|(group, _)| group.names())
    }

    /// The Services that clients ask for. Without a second cluster these are the ones that are
    /// made; with one, each of the target cluster's is asked for in every way there is.
    #[must_use]
    pub fn watched(&self) -> Vec<Watched> {
        let sites = self
            .groups()
            .flat_map(|(group, site)| group.names().map(move |name| (name, site)));
        let mut watched = Vec::new();
        for (position, (name, site)) in sites.enumerate() {
            let of = |name: String, behind: &str, through| Watched {
                name,
                behind: behind.to_owned(),
                position,
                site,
                through,
            };
            match (&self.federation, site) {
                (Some(both), Site::Target) => {
                    let ways = both.through.iter();
                    watched
                        .extend(ways.map(|&way| of(both.stand_in(&name, way), &name, Some(way))));
                }
                _ => watched.push(of(name.clone(), &name, None)),
            }
        }
        watched
    }

    /// Streams in all: Services asked for × streams a service × clients × replicas.
    #[must_use]
    pub fn streams(&self) -> u64 {
        let services: u64 = self
            .groups()
            .map(|(group, site)| match (&self.federation, site) {
                (Some(both), Site::Target) => u64::from(group.count) * both.through.len() as u64,
                _ => u64::from(group.count),
            })
            .sum();
        services
            .saturating_mul(u64::from(self.client.streams_per_service))
            .saturating_mul(self.client.virtual_clients())
    }
}

// === impl ServiceGroup ===

impl ServiceGroup {
    /// The Services' names, in order.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        (self.first..self.first + self.count).map(|n| format!("{}-{n}", self.prefix))
    }
}

// === impl Pattern ===

impl Pattern {
    /// Endpoints a Service has at the start.
    #[must_use]
    pub fn initial(&self) -> u32 {
        match *self {
            Self::Stable { endpoints }
            | Self::RollingUpdate { endpoints, .. }
            | Self::Provoke { endpoints, .. } => endpoints,
            Self::Oscillate { min, .. } | Self::Batch { min, .. } => min,
            Self::ScaleUp { from, .. } => from,
            Self::Spike { base, .. } => base,
        }
    }

    /// Endpoints a Service has at the most.
    #[must_use]
    pub fn peak(&self) -> u32 {
        match *self {
            Self::Stable { endpoints } => endpoints,
            Self::RollingUpdate {
                endpoints,
                max_surge,
                ..
            } => endpoints.saturating_add(max_surge),
            Self::Oscillate { max, .. } | Self::Batch { max, .. } => max,
            Self::ScaleUp { from, to, .. } => from.max(to),
            Self::Spike { peak, .. } => peak,
            Self::Provoke {
                case, endpoints, ..
            } => case.peak(endpoints),
        }
    }
}

// === impl Churn ===

impl Churn {
    /// Endpoints of all Services at the most, should all be at their peak at once.
    #[must_use]
    pub fn endpoints_at_most(&self) -> u64 {
        let of = |group: &ServiceGroup| u64::from(group.count) * u64::from(group.pattern.peak());
        self.groups.iter().map(of).sum()
    }
}

// === impl Jitter ===

impl Jitter {
    /// The longest delay before a scaling that `hold` precedes.
    #[must_use]
    pub fn bound(&self, hold: Duration) -> Duration {
        match *self {
            Self::UpTo(bound) => bound,
            Self::PercentOfHold(percent) => {
                Duration::try_from_secs_f64(hold.as_secs_f64() * percent / 100.0)
                    .unwrap_or(Duration::ZERO)
            }
        }
    }
}

// === impl Client ===

impl Client {
    /// Virtual client pods in all.
    #[must_use]
    pub fn virtual_clients(&self) -> u64 {
        u64::from(self.replicas) * u64::from(self.clients)
    }

    /// Connections to the destination at once, where clients share at most `connections` if that is
    /// given.
    #[must_use]
    pub fn connections_of(&self, connections: Option<u32>) -> u64 {
        let clients = self.virtual_clients();
        connections.map_or(clients, |shared| clients.min(shared.into()))
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            replicas: 1,
            clients: 1,
            streams_per_service: 1,
            stream_max_lifetime: None,
            stream_reset_interval: None,
            open_rate: 2_000,
            lifecycle: Lifecycle::Eternal,
            profiles: false,
            connections: None,
        }
    }
}

// === impl Sandbox ===

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            nodes: 10,
            zones: 3,
            pod_start: (Duration::from_millis(200), Duration::from_millis(1_200)),
            slice_sync: Duration::from_millis(100),
            replicas: 1,
            faults: Vec::new(),
        }
    }
}
