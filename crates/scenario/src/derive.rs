//! A scenario from what a live destination controller says of those who ask it.
//!
//! Only numbers come in: Services, Nodes and clients are counted, and have no names here. So no name
//! of a cluster can be in the scenario.
//!
//! The controller counts streams, and not the proxies that hold them. What it does not say is
//! estimated, and the scenario says in comments what was measured, and what was estimated from what.

use std::{collections::BTreeMap, time::Duration};

use self::popularity::fit;
use crate::{
    quantile::nearest_rank,
    scenario::{MOST_ENDPOINTS, MOST_SERVICES, MOST_STREAMS},
    targets::Popularity,
};

mod popularity;
#[cfg(test)]
mod tests;
mod text;

/// Endpoints of a Service where nothing is known of any.
const ENDPOINTS: u32 = 10;
/// Scalings a second where no rate was measured.
const RATE: f64 = 1.0;
/// Services that scale together are at least so far apart from the next ones, seconds: the actor's
/// calls need time.
const SHORTEST_INTERVAL: f64 = 0.1;
/// Kubernetes supports this many Nodes.
const MOST_NODES: u64 = 5_000;

/// What the replicas of a controller say of the streams that they serve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Replicas that were asked.
    pub replicas: u64,
    /// The filter groups of this cluster's Services, over all replicas. A group may be here several
    /// times: its streams are added up.
    pub groups: Vec<Group>,
    /// Services of other clusters that are asked for.
    pub remote: Remote,
    /// `Get` streams that are open, where that is counted.
    pub get_streams: Option<u64>,
    /// `GetProfile` streams that are open, where that is counted.
    pub profile_streams: Option<u64>,
    /// Listeners to ServiceProfiles.
    pub profile_subscribers: u64,
    /// What the controller has in its caches.
    pub cached: Cached,
    /// How long events were counted; `None` if they were not.
    pub window: Option<Duration>,
}

/// The streams that ask for one port of a Service from one Node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Which port of which Service: the same number for the same one.
    pub service: usize,
    /// From which Node: the same number for the same one. `None` where clients do not say it.
    pub node: Option<usize>,
    /// Whether one instance of the Service is asked for, by its own name.
    pub instance: bool,
    /// Its streams.
    pub subscribers: u64,
    /// Endpoints after the last event; 0 also before the first one.
    pub endpoints: u64,
    /// Events within the window.
    pub events: u64,
}

/// Services of other clusters that are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// Ports of Services.
    pub services: u64,
    /// Their streams.
    pub streams: u64,
}

/// Objects in the controller's caches, of this cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cached {
    /// Nodes.
    pub nodes: Option<u64>,
    /// Pods.
    pub pods: Option<u64>,
    /// Services.
    pub services: Option<u64>,
}

/// What the caller knows or wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// How many clients there are, if that is known.
    pub clients: Option<u64>,
    /// The share of the clients that the scenario is to have.
    pub scale: f64,
}

/// Why there is no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// Nobody asks.
    #[error(
        "no Service of this cluster has a subscriber: ask all replicas of a controller that serves proxies"
    )]
    NoSubscribers,
    /// There are more clients than the caller says.
    #[error("--clients {given} is too few: the controller has streams of at least {least}")]
    TooFewClients {
        /// The number that was given.
        given: u64,
        /// How many there are at least.
        least: u64,
    },
}

/// Some numbers, one for each Service.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    median: u64,
    p90: u64,
    most: u64,
    mean: f64,
}

/// Events and what came of them, a second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    window: Duration,
    /// Events of all Services, in all.
    events: u64,
    /// Services that had one.
    services: u64,
    /// Each event's streams, in all.
    updates: f64,
}

/// A scenario of the same shape as what was observed. It is written as a file by `Display`.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    observed: Observed,
    wanted: Wanted,
    /// Ports of Services that are asked for.
    asked: u64,
    streams: u64,
    /// Streams a Service.
    subscribers: Spread,
    /// Nodes that clients say they are on.
    nodes: u64,
    /// How many clients there are at least.
    least_clients: u64,
    /// How many there are, as far as that is known or estimated, before they are scaled.
    clients: u64,
    /// Services that each asks for.
    targets: u64,
    popularity: Popularity,
    /// Endpoints a Service, of those of which it is known.
    sizes: Option<Spread>,
    /// Services of which it is not.
    unsized_services: u64,
    rates: Option<Rates>,
}

/// What the groups of one Service come to.
#[derive(Clone, Copy, Debug, Default)]
struct Service {
    subscribers: u64,
    endpoints: u64,
    events: u64,
}

// === impl Derived ===

impl Derived {
    /// Derives a scenario.
    ///
    /// # Errors
    /// If there are no streams, or more clients than `wanted` says.
    pub fn of(observed: Observed, wanted: Wanted) -> Result<Self, DeriveError> {
        let groups = observed.groups.iter().filter(|it| it.subscribers > 0);
        let mut services = BTreeMap::<usize, Service>::new();
        for group in groups.clone() {
            let service = services.entry(group.service).or_default();
            service.subscribers += group.subscribers;
            // Each replica and each Node has a part of the endpoints at most, and counts each event.
            service.endpoints = service.endpoints.max(group.endpoints);
            service.events = service.events.max(group.events);
        }
        let mut subscribers: Vec<_> = services.values().map(|it| it.subscribers).collect();
        subscribers.sort_unstable_by(|a, b| b.cmp(a));
        let asked = subscribers.len() as u64;
        let streams: u64 = subscribers.iter().sum();
        let spread = Spread::of(subscribers.clone()).ok_or(DeriveError::NoSubscribers)?;
        let least_clients = least_clients(groups.clone());
        if let Some(given) = wanted.clients.filter(|given| *given < least_clients) {
            let least = least_clients;
            return Err(DeriveError::TooFewClients { given, least });
        }
        let (clients, targets) = divided(streams, asked, least_clients, wanted.clients);
        let sizes = services.values().map(|it| it.endpoints);
        let known: Vec<_> = sizes.filter(|endpoints| *endpoints > 0).collect();
        let mut nodes: Vec<_> = groups.clone().filter_map(|it| it.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let rates = observed.window.map(|window| Rates {
            window,
            events: services.values().map(|it| it.events).sum(),
            services: services.values().filter(|it| it.events > 0).count() as u64,
            updates: (groups.clone())
                .map(|it| it.subscribers as f64 * it.events as f64)
                .sum(),
        });
        Ok(Self {
            asked,
            streams,
            subscribers: spread,
            nodes: nodes.len() as u64,
            least_clients,
            clients,
            targets,
            popularity: fit(&subscribers, clients),
            unsized_services: asked - known.len() as u64,
            sizes: Spread::of(known),
            rates,
            wanted,
            observed,
        })
    }

    /// Services that the scenario makes.
    fn services(&self) -> u64 {
        self.asked.min(MOST_SERVICES.into())
    }

    /// Services that each client asks for.
    fn targets(&self) -> u64 {
        self.targets.min(self.services())
    }

    /// Clients that the scenario has.
    fn scaled_clients(&self) -> u64 {
        scaled(self.clients, self.wanted.scale).min(MOST_STREAMS / self.targets())
    }

    /// Nodes, so that each has as many clients as was observed.
    fn scaled_nodes(&self) -> Option<u64> {
        let nodes = Some(self.nodes).filter(|nodes| *nodes > 0)?;
        Some(scaled(nodes, self.wanted.scale).min(MOST_NODES))
    }

    /// Endpoints of each Service at the low end; one more is at the high end.
    fn endpoints(&self) -> u64 {
        let Cached { pods, services, .. } = self.observed.cached;
        let known = self.sizes.map(|sizes| sizes.mean);
        let cached = || Some(pods? as f64 / services.filter(|it| *it > 0)? as f64);
        let mean = known.or_else(cached).unwrap_or_else(|| ENDPOINTS.into());
        let most = (MOST_ENDPOINTS / self.services()).saturating_sub(1);
        (mean.round() as u64).clamp(1, most)
    }

    /// Whether clients hold `GetProfile` streams too.
    fn has_profiles(&self) -> bool {
        self.observed.profile_streams > Some(0) || self.observed.profile_subscribers > 0
    }

    /// Services that scale together, and the time from them to the next; `None` where nothing
    /// changes.
    fn batches(&self) -> Option<(u64, Duration)> {
        let per_second = self.rates.map_or(RATE, |it| it.events_a_second());
        if per_second <= 0.0 {
            return None;
        }
        let size = (per_second * SHORTEST_INTERVAL).round() as u64;
        let size = size.clamp(1, self.services());
        let millis = (1e3 * size as f64 / per_second).round().max(1.0);
        Some((size, Duration::from_millis(millis as u64)))
    }
}

/// The fewest clients that can hold these streams. A client asks once for a Service, so there are on
/// each Node as many as the streams of the Service that has the most of them there.
fn least_clients<'a>(groups: impl Iterator<Item = &'a Group> + Clone) -> u64 {
    let mut streams = BTreeMap::<_, u64>::new();
    // A client asks for as many instances of a Service as it likes.
    for group in groups.clone().filter(|it| !it.instance) {
        *streams.entry((group.node, group.service)).or_default() += group.subscribers;
    }
    let mut most = BTreeMap::<_, u64>::new();
    for ((node, _), streams) in streams {
        let most = most.entry(node).or_default();
        *most = streams.max(*most);
    }
    most.values().sum::<u64>().max(1)
}

/// How many clients there are, and for how many Services each asks, so that they have as many
/// streams: a whole number of Services, and therefore not exactly as many clients as are known.
fn divided(streams: u64, services: u64, least: u64, known: Option<u64>) -> (u64, u64) {
    let targets = match known {
        Some(clients) => (streams as f64 / clients as f64).round() as u64,
        // Rounded down, so that there are not fewer clients than there must be.
        None => streams / least,
    };
    let targets = targets.clamp(1, services);
    ((streams as f64 / targets as f64).round() as u64, targets)
}

/// The share of a number, and at least 1.
fn scaled(number: u64, scale: f64) -> u64 {
    ((number as f64 * scale).round() as u64).max(1)
}

// === impl Spread ===

impl Spread {
    /// Of numbers in any order; `None` if there are none.
    fn of(mut numbers: Vec<u64>) -> Option<Self> {
        numbers.sort_unstable();
        let count = numbers.len() as u64;
        let at = |q| numbers[nearest_rank(q, count).unwrap_or(1) as usize - 1];
        Some(Self {
            most: *numbers.last()?,
            median: at(0.5),
            p90: at(0.9),
            mean: numbers.iter().sum::<u64>() as f64 / count as f64,
        })
    }
}

// === impl Rates ===

impl Rates {
    fn events_a_second(&self) -> f64 {
        self.events as f64 / self.window.as_secs_f64()
    }

    fn updates_a_second(&self) -> f64 {
        self.updates / self.window.as_secs_f64()
    }
}
