//! The section `client`: who watches.

use std::num::NonZeroU32;

use super::{
    chart::{ChartKey, ObserveSection},
    forms::{Quantity, Url},
    placed::{Key, count, key, number, span, value},
    section::half,
    text::{OrEmpty, Text},
};
use crate::{
    quantity::NonZeroSpan,
    scenario::{Client, Lifecycle},
};

half! {
    /// The clients and their streams.
    ClientSection {
        /// Pods of the client Deployment; `run` has all their clients in its one process. 1 if absent.
        replicas: Key<NonZeroU32>,
        /// Virtual clients a replica, each with its own connection. 1 if absent.
        clients: Key<NonZeroU32>,
        /// Streams that each virtual client opens for each Service. 1 if absent.
        streams_per_service: Key<NonZeroU32>,
        /// Closes and reopens each stream after at most this long.
        stream_max_lifetime: Key<NonZeroSpan>,
        /// Closes and reopens all streams at this interval.
        stream_reset_interval: Key<NonZeroSpan>,
        /// Streams opened a second, at most, over all clients.
        open_rate: Key<NonZeroU32>,
        /// When the client closes streams; `eternal` if absent.
        lifecycle: Key<Lifecycle>,
        /// Whether `GetProfile` streams by address are opened too, as an outbound proxy opens them; only
        /// with the lifecycle `proxy` if absent.
        profiles: Key<bool>,
        /// `GetProfile` streams by Service name of each virtual client, as an inbound proxy opens them
        /// for the Services of its pod. 1 with `profiles` if absent, else 0.
        profile_names: Key<u32>,
        /// Whether the policy API's streams are opened too, on connections of their own, if there is
        /// such an API; `false` if absent.
        policies: Key<bool>,
        /// The largest number of connections, which virtual clients share. Each has its own if absent.
        connections: Key<NonZeroU32>,
        /// URL of the churner's events and metrics; that of the same release if empty.
        churn_url: ChartKey<Text<OrEmpty<Url>>>,
        /// The cluster whose EndpointSlices are observed, if it is another.
        observe: ChartKey<ObserveSection>,
        /// Size limit of a pod's recording.
        snapshot_size: ChartKey<Text<Quantity>>,
    }
}

impl From<ClientSection> for Client {
    fn from(section: ClientSection) -> Self {
        let default = Self::default();
        let lifecycle = value(section.lifecycle).unwrap_or(default.lifecycle);
        let profiles = value(section.profiles).unwrap_or(lifecycle == Lifecycle::Proxy);
        Self {
            replicas: number(section.replicas).unwrap_or(default.replicas),
            clients: number(section.clients).unwrap_or(default.clients),
            streams_per_service: number(section.streams_per_service)
                .unwrap_or(default.streams_per_service),
            stream_max_lifetime: span(section.stream_max_lifetime),
            stream_reset_interval: span(section.stream_reset_interval),
            open_rate: number(section.open_rate).unwrap_or(default.open_rate),
            lifecycle,
            profiles,
            profile_names: value(section.profile_names).unwrap_or(profiles.into()),
            policies: value(section.policies).unwrap_or(default.policies),
            connections: number(section.connections),
        }
    }
}

impl From<&Client> for ClientSection {
    fn from(client: &Client) -> Self {
        let span = |span: Option<_>| span.and_then(|it| key(NonZeroSpan(it)));
        Self {
            replicas: count(client.replicas),
            clients: count(client.clients),
            streams_per_service: count(client.streams_per_service),
            stream_max_lifetime: span(client.stream_max_lifetime),
            stream_reset_interval: span(client.stream_reset_interval),
            open_rate: count(client.open_rate),
            lifecycle: key(client.lifecycle),
            profiles: key(client.profiles),
            profile_names: key(client.profile_names),
            policies: key(client.policies),
            connections: client.connections.and_then(count),
            ..Self::default()
        }
    }
}
