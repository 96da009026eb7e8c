//! The configuration of a watching session.

use std::{path::PathBuf, time::Duration};

use dst_load_destination::{
    fleet::{FleetConfig, FleetTargets, Policies},
    target::Target,
};
use dst_load_kubernetes::observer::Place;
use dst_load_oracle::ledger::Limits;
use dst_load_scenario::{flags::Flags, scenario::Client};
use dst_load_transport::world::{KubeFactory, World};

/// What a session watches with, whoever moves the endpoints.
pub struct SessionConfig {
    /// The two remote systems.
    pub world: World,
    /// The API of the cluster that has the endpoints, where that is not the one whose destination
    /// controller is asked.
    pub target_cluster: Option<KubeFactory>,
    /// Where the observer runs.
    pub observer: Place,
    /// A watch that is silent for this long is resumed over a new connection.
    pub watch_silence: Duration,
    /// The target's admin endpoint, if it has one that can be reached.
    pub target: Option<Target>,
    /// The policy controller's admin endpoint, if its cost is to be read.
    pub policy_controller: Option<Target>,
    /// How streams are opened.
    pub fleet: FleetConfig,
    /// An update that has not arrived after this long never does.
    pub limits: Limits,
    /// Whether this process's own cost is sampled. Virtual time has none.
    pub sample_self: bool,
    /// Where profiles of the target go, if they are wanted.
    pub profiles: Option<PathBuf>,
    /// How the controller is set up, as far as that is known.
    pub flags: Flags,
}

/// How the streams of `client` are opened, by clients in `namespace`, where there are no others
/// elsewhere; those of the policy API, if they are wanted, at the destination's own address.
#[must_use]
pub fn fleet_config(
    client: &Client,
    namespace: &str,
    seed: u64,
    connect_timeout: Duration,
) -> FleetConfig {
    FleetConfig {
        clients: client.virtual_clients(),
        connections: client.connections,
        targets: client.targets.map(|each| FleetTargets {
            each,
            seed,
            first_client: 0,
        }),
        streams_per_service: client.streams_per_service,
        open_rate: client.open_rate,
        max_lifetime: client.stream_max_lifetime,
        reset_interval: client.stream_reset_interval,
        connect_timeout,
        namespace: namespace.to_owned(),
        seed,
        lifecycle: client.lifecycle,
        profiles: client.profiles,
        profile_endpoints: client.profile_endpoints,
        profile_names: client.profile_names,
        policies: client.policies.then(Policies::default),
        path: client.path,
        stalled: (client.stalled).map(|it| (client.stalled_clients(), it.reader)),
    }
}
