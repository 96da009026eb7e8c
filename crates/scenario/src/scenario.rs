//! What a run is meant to do: validated intent, which cannot be built wrong.
//!
//! A scenario comes from a Helm values file or from command-line flags; both end here.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumDiscriminants, IntoStaticStr};

use crate::{
    criteria::{Criteria, LONGEST_LATENCY},
    fault::Fault,
    federation::{Federation, Site, Watched},
    flags::Flags,
    quantity::AddressRange,
    targets::{TargetChoice, Targets},
};

mod draft;
mod file;
mod lifecycle;
mod path;
mod shipped;

pub use draft::{Draft, LARGEST_SCENARIO, ScenarioError};
pub use file::{
    chart_schema,
    churn::{CHURN_FLAGS, ChurnFlag, ChurnForm, FlagValue},
    effective::Inexpressible,
    schema,
};
pub use lifecycle::{Lifecycle, UnknownLifecycle};
pub use path::{ClientPath, Reader, Stalled, stalled};
pub use shipped::{BUILT_IN, built_in};

pub(crate) use file::{
    check::MOST_STREAMS,
    churn::groups::{MOST_ENDPOINTS, MOST_SERVICES},
};

pub use crate::pattern::{Jitter, Pattern};

/// A whole scenario, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name: a DNS label, part of the namespace's name.
    pub name: String,
    /// The seed of every random choice in the run.
    pub seed: u64,
    /// What the churner does to Kubernetes.
    pub churn: Churn,
    /// The clients and their streams.
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
    /// The objects that provide the endpoints.
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
    /// The number of Services.
    pub count: u32,
    /// How their endpoints change.
    pub pattern: Pattern,
}

/// The objects that provide the endpoints.
///
/// The documentation of a variant is what the schema and the reference say of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumDiscriminants)]
#[strum_discriminants(
    name(BackendKey),
    vis(pub(crate)),
    derive(Default, Deserialize, Serialize, JsonSchema, IntoStaticStr),
    serde(rename_all = "camelCase"),
    schemars(rename = "Backend"),
    strum(serialize_all = "camelCase"),
    doc = "Which objects make the endpoints."
)]
pub enum Backend {
    /// Deployments: the cluster's controllers, and KWOK, create pods and EndpointSlices.
    #[strum_discriminants(default)]
    Deployments {
        /// Whether their pods look as if Linkerd's proxy had been injected.
        meshed: bool,
    },
    /// Pods with their status, and EndpointSlices that name them, written by this tool.
    Pods {
        /// Whether the pods look as if Linkerd's proxy had been injected.
        meshed: bool,
        /// Where their addresses are from; none is given twice within a run.
        addresses: AddressRange,
    },
    /// EndpointSlices of bare addresses, written by this tool: the highest rates.
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
    /// Which Services each virtual client asks for; all if absent.
    pub targets: Option<Targets>,
    /// Streams that each virtual client opens for each Service that it asks for.
    pub streams_per_service: u32,
    /// Closes and reopens each stream after at most this long.
    pub stream_max_lifetime: Option<Duration>,
    /// Closes and reopens all streams each time this has passed (with jitter).
    pub stream_reset_interval: Option<Duration>,
    /// Streams opened a second, at most, over all clients.
    pub open_rate: u32,
    /// When streams end by themselves.
    pub lifecycle: Lifecycle,
    /// Whether `GetProfile` streams by ClusterIP are held in addition to the `Get` streams, or by the
    /// address of an endpoint where a Service has none.
    pub profiles: bool,
    /// Whether those by the address of an endpoint are held for every Service.
    pub profile_endpoints: bool,
    /// `GetProfile` streams by Service name that each virtual client holds.
    pub profile_names: u32,
    /// Whether streams of the policy API are held, on connections of their own.
    pub policies: bool,
    /// The most connections, which clients share then; each has its own if absent.
    pub connections: Option<u32>,
    /// By which way they reach the controller.
    pub path: ClientPath,
    /// Clients that do not read, if there are any.
    pub stalled: Option<Stalled>,
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
    /// Injected faults.
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
        here.map(|(group, _)| group.endpoints_at_most()).sum()
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

    /// Services that clients ask for, all of them together: as many as [`Self::watched`] has.
    #[must_use]
    pub fn services_watched(&self) -> u64 {
        self.groups()
            .map(|(group, site)| match (&self.federation, site) {
                (Some(both), Site::Target) => u64::from(group.count) * both.through.len() as u64,
                _ => u64::from(group.count),
            })
            .sum()
    }

    /// Streams in all: Services that a client asks for × streams a service × clients × replicas; those
    /// of stalled clients are not among them.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.client.streams_of(self.services_watched())
    }

    /// Streams of stalled clients.
    #[must_use]
    pub fn stalled_streams(&self) -> u64 {
        let each = self.client.streams_of_each(self.services_watched());
        each.saturating_mul(self.client.stalled_clients())
    }

    /// Streams on each of the Services that clients ask for, in the order of [`Self::watched`]; those
    /// of stalled clients are not among them.
    #[must_use]
    pub fn streams_by_service(&self) -> Vec<u64> {
        let (client, services) = (&self.client, self.services_watched());
        let services = usize::try_from(services).unwrap_or(usize::MAX);
        let audiences = match &client.targets {
            None => vec![client.reading_clients(); services],
            Some(targets) => {
                let stalled = stalled(
                    self.seed,
                    client.virtual_clients(),
                    client.stalled_clients(),
                );
                let reading = (0..).zip(stalled).filter(|(_, is_stalled)| !is_stalled);
                let choice = TargetChoice::new(targets, self.seed, services);
                choice.audiences(reading.map(|(client, _)| client))
            }
        };
        let each = u64::from(client.streams_per_service);
        audiences.into_iter().map(|it| it * each).collect()
    }

    /// `GetProfile` streams beside them, at most.
    #[must_use]
    pub fn profile_streams(&self) -> u64 {
        let (client, streams) = (&self.client, self.streams());
        let by_address = u64::from(client.profiles) + u64::from(client.profile_endpoints);
        // A client asks for each of its Services once.
        let each = client.reading_clients().max(1) * u64::from(client.streams_per_service).max(1);
        let names = u64::from(client.profile_names).min(streams / each);
        let by_name = client.reading_clients().saturating_mul(names);
        streams.saturating_mul(by_address).saturating_add(by_name)
    }

    /// Streams of the policy API beside them, at most.
    #[must_use]
    pub fn policy_streams(&self) -> u64 {
        if !self.client.policies {
            return 0;
        }
        let clients = self.client.reading_clients();
        self.streams().saturating_add(clients)
    }
}

// === impl ServiceGroup ===

impl ServiceGroup {
    /// The Services' names, in order.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        (self.first..self.first + self.count).map(|n| format!("{}-{n}", self.prefix))
    }

    /// Endpoints of all of them, should all be at their peak at once.
    pub(crate) fn endpoints_at_most(&self) -> u64 {
        u64::from(self.count) * u64::from(self.pattern.peak())
    }
}

// === impl Churn ===

impl Churn {
    /// Endpoints of all Services at the most, should all be at their peak at once.
    #[must_use]
    pub fn endpoints_at_most(&self) -> u64 {
        self.groups
            .iter()
            .map(ServiceGroup::endpoints_at_most)
            .sum()
    }
}

/// In how many shares so many virtual clients that read have their connections: a share has one to
/// each of the destination's `replicas`. Past a sidecar all together have at most as many as given, if
/// that is enough for one share.
#[must_use]
pub fn connection_shares(
    path: ClientPath,
    clients: u64,
    connections: Option<u32>,
    replicas: u64,
) -> u64 {
    let clients = clients.max(1);
    match path {
        ClientPath::Direct => connections.map_or(clients, |most| {
            (u64::from(most) / replicas.max(1)).clamp(1, clients)
        }),
        ClientPath::Sidecar { identities } => u64::from(identities).min(clients),
    }
}

// === impl Backend ===

impl Backend {
    /// Whether Deployments make the endpoints, and the cluster writes what follows from them.
    #[must_use]
    pub const fn is_deployments(self) -> bool {
        matches!(self, Self::Deployments { .. })
    }
}

impl Default for Backend {
    fn default() -> Self {
        Self::Deployments { meshed: false }
    }
}

// === impl Client ===

impl Client {
    /// Virtual client pods in all.
    #[must_use]
    pub fn virtual_clients(&self) -> u64 {
        u64::from(self.replicas) * u64::from(self.clients)
    }

    /// Services that a virtual client asks for where there are so many `services`.
    #[must_use]
    pub fn targets_of(&self, services: u64) -> u64 {
        self.targets
            .map_or(services, |targets| targets.of(services))
    }

    /// Streams of a virtual client where there are so many `services`.
    #[must_use]
    pub fn streams_of_each(&self, services: u64) -> u64 {
        self.targets_of(services)
            .saturating_mul(u64::from(self.streams_per_service))
    }

    /// Streams of all virtual clients that read where there are so many `services`.
    #[must_use]
    pub fn streams_of(&self, services: u64) -> u64 {
        self.streams_of_each(services)
            .saturating_mul(self.reading_clients())
    }

    /// Clients among them that do not read.
    #[must_use]
    pub fn stalled_clients(&self) -> u64 {
        let each = self.stalled.map_or(0, |stalled| stalled.clients);
        u64::from(self.replicas) * u64::from(each)
    }

    /// Clients among them that read, and whose streams are judged.
    #[must_use]
    pub fn reading_clients(&self) -> u64 {
        self.virtual_clients()
            .saturating_sub(self.stalled_clients())
    }

    /// Stalled clients with connections of their own, one to each replica: by a sidecar, they share those
    /// of the others.
    #[must_use]
    pub fn connections_of_stalled(&self) -> u64 {
        match self.path {
            ClientPath::Direct => self.stalled_clients(),
            ClientPath::Sidecar { .. } => 0,
        }
    }

    /// Connections at once, to each of the destination's `replicas` and for the policy API, where clients
    /// share at most `connections` to the destination if that is given.
    #[must_use]
    pub fn connections_of(&self, connections: Option<u32>, replicas: u64) -> u64 {
        let reading = self.reading_clients();
        let shares = connection_shares(self.path, reading, connections, replicas);
        let to_destination = (shares + self.connections_of_stalled()).saturating_mul(replicas);
        to_destination.saturating_add(shares * u64::from(self.policies))
    }
}

impl Default for Client {
    fn default() -> Self {
        Self {
            replicas: 1,
            clients: 1,
            targets: None,
            streams_per_service: 1,
            stream_max_lifetime: None,
            stream_reset_interval: None,
            open_rate: 2_000,
            lifecycle: Lifecycle::Eternal,
            profiles: false,
            profile_endpoints: false,
            profile_names: 0,
            policies: false,
            connections: None,
            path: ClientPath::Direct,
            stalled: None,
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
