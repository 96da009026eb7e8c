//! The section `client`: who watches.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    chart::{ChartKey, ObserveSection},
    check::{Checker, Result},
    either::{DistributionKey, Either, TargetsForm, TargetsSection},
    forms::{Quantity, Url},
    placed::{Key, count, key, number, span, value},
    section::half,
    stalled::StalledForm,
    text::{OrEmpty, Text},
};
use crate::{
    quantity::NonZeroSpan,
    scenario::{Client, ClientPath, Lifecycle},
    targets::{LARGEST_EXPONENT, Popularity, Targets},
};

half! {
    /// The clients and their streams.
    ClientSection {
        /// Pods of the client Deployment; `run` has all their clients in its one process. 1 if absent.
        replicas: Key<NonZeroU32>,
        /// Virtual clients a replica, each with its own connection. 1 if absent.
        clients: Key<NonZeroU32>,
        /// The Services that each virtual client asks for: how many, or also how they are
        /// distributed. All if absent.
        targets: Key<TargetsForm>,
        /// Streams that each virtual client opens for each Service that it asks for. 1 if absent.
        streams_per_service: Key<NonZeroU32>,
        /// Closes and reopens each stream after at most this long.
        stream_max_lifetime: Key<NonZeroSpan>,
        /// Closes and reopens all streams at this interval.
        stream_reset_interval: Key<NonZeroSpan>,
        /// Streams opened a second, at most, over all clients.
        open_rate: Key<NonZeroU32>,
        /// When the client closes streams; `eternal` if absent.
        lifecycle: Key<Lifecycle>,
        /// Whether `GetProfile` streams by ClusterIP are opened too, as an outbound proxy opens them, or by
        /// the address of an endpoint where a Service is headless; only with the lifecycle `proxy` if
        /// absent.
        profiles: Key<bool>,
        /// Whether `GetProfile` streams by the address of an endpoint are opened for every Service, as
        /// by an application that connects to pods; `false` if absent.
        profile_endpoints: Key<bool>,
        /// `GetProfile` streams by Service name of each virtual client, as an inbound proxy opens them
        /// for the Services of its pod. 1 with `profiles` if absent, else 0.
        profile_names: Key<u32>,
        /// Whether the policy API's streams are opened too, on connections of their own, if there is
        /// such an API; `false` if absent.
        policies: Key<bool>,
        /// The largest number of connections, which virtual clients share. Each has its own if absent.
        connections: Key<NonZeroU32>,
        /// By which way clients reach the controller; `direct` if absent.
        path: Key<PathKey>,
        /// With the path `sidecar`: identities, which clients have in turn. 1 if absent.
        identities: Key<NonZeroU32>,
        /// Clients of each replica that do not read: a number or a percentage; or which, and how.
        stalled: Key<StalledForm>,
        /// URL of the churner's events and metrics; that of the same release if empty.
        churn_url: ChartKey<Text<OrEmpty<Url>>>,
        /// The cluster whose EndpointSlices are observed, if it is another.
        observe: ChartKey<ObserveSection>,
        /// Size limit of a pod's recording.
        snapshot_size: ChartKey<Text<Quantity>>,
    }
}

/// By which way clients reach the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum PathKey {
    /// Each over a connection of its own.
    #[default]
    Direct,
    /// As through the sidecar of the destination's Pod: clients of one identity share a connection.
    Sidecar,
}

impl Checker<'_> {
    /// The clients that the section asks for.
    pub(super) fn client(&self, section: ClientSection) -> Result<Client> {
        let default = Client::default();
        let lifecycle = value(section.lifecycle).unwrap_or(default.lifecycle);
        let profiles = value(section.profiles).unwrap_or(lifecycle == Lifecycle::Proxy);
        let path = self.path(&section)?;
        let targets = value(section.targets).map(|it| self.targets(it));
        let clients = number(section.clients).unwrap_or(default.clients);
        let stalled = (section.stalled)
            .map(|form| self.stalled(form, clients, path))
            .transpose()?;
        Ok(Client {
            replicas: number(section.replicas).unwrap_or(default.replicas),
            clients,
            targets: targets.transpose()?,
            streams_per_service: number(section.streams_per_service)
                .unwrap_or(default.streams_per_service),
            stream_max_lifetime: span(section.stream_max_lifetime),
            stream_reset_interval: span(section.stream_reset_interval),
            open_rate: number(section.open_rate).unwrap_or(default.open_rate),
            lifecycle,
            profiles,
            profile_endpoints: value(section.profile_endpoints)
                .unwrap_or(default.profile_endpoints),
            profile_names: value(section.profile_names).unwrap_or(profiles.into()),
            policies: value(section.policies).unwrap_or(default.policies),
            connections: number(section.connections),
            path,
            stalled: stalled.flatten(),
        })
    }

    fn path(&self, section: &ClientSection) -> Result<ClientPath> {
        let identities = section.identities;
        match value(section.path).unwrap_or_default() {
            PathKey::Direct if identities.is_some() => Err(self.error(
                identities,
                "only with client.path: sidecar do clients share connections by identity",
            )),
            PathKey::Direct => Ok(ClientPath::Direct),
            PathKey::Sidecar if section.connections.is_some() => Err(self.error(
                section.connections,
                "with client.path: sidecar, the number of connections is client.identities for \
                 each replica of the controller; remove client.connections",
            )),
            PathKey::Sidecar => Ok(ClientPath::Sidecar {
                identities: number(identities).unwrap_or(1),
            }),
        }
    }

    fn targets(&self, form: TargetsForm) -> Result<Targets> {
        let TargetsSection {
            count,
            distribution,
            exponent,
        } = match form {
            Either::Section(section) => section,
            Either::Value(count) => TargetsSection {
                count: count.into(),
                distribution: None,
                exponent: None,
            },
        };
        let popularity = match (value(distribution), exponent) {
            (Some(DistributionKey::Uniform), Some(_)) => {
                let message = "is of the distribution zipf; leave it out where it is uniform";
                return Err(self.error(exponent, message));
            }
            (Some(DistributionKey::Uniform), None) => Popularity::Uniform,
            (_, None) => Popularity::default(),
            (_, Some(exponent)) if exponent.value > LARGEST_EXPONENT => {
                let message = format!("{} is more than {LARGEST_EXPONENT}", exponent.value);
                return Err(self.tree.error(exponent.at, &message));
            }
            (_, Some(exponent)) => Popularity::Zipf {
                exponent: exponent.value,
            },
        };
        Ok(Targets {
            count: count.value,
            popularity,
        })
    }
}

impl From<&Client> for ClientSection {
    fn from(client: &Client) -> Self {
        let span = |span: Option<_>| span.and_then(|it| key(NonZeroSpan(it)));
        Self {
            replicas: count(client.replicas),
            clients: count(client.clients),
            targets: (client.targets.as_ref()).and_then(|it| key(it.into())),
            streams_per_service: count(client.streams_per_service),
            stream_max_lifetime: span(client.stream_max_lifetime),
            stream_reset_interval: span(client.stream_reset_interval),
            open_rate: count(client.open_rate),
            lifecycle: key(client.lifecycle),
            profiles: key(client.profiles),
            connections: client.connections.and_then(count),
            // What older versions cannot read is written only where it says something.
            profile_names: (client.profile_names != u32::from(client.profiles))
                .then(|| client.profile_names.into()),
            profile_endpoints: client.profile_endpoints.then(|| true.into()),
            policies: client.policies.then(|| true.into()),
            path: (client.path != ClientPath::Direct).then(|| PathKey::Sidecar.into()),
            identities: match client.path {
                ClientPath::Direct => None,
                ClientPath::Sidecar { identities } => count(identities),
            },
            stalled: client
                .stalled
                .map(|stalled| StalledForm::from(stalled).into()),
            ..Self::default()
        }
    }
}
