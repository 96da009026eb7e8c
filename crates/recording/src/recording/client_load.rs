//! The load that clients are on a controller.

use dst_load_scenario::{
    scenario::{Client, Lifecycle},
    targets::Targets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who asked for what.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientLoad {
    /// Virtual clients that read what they are sent.
    pub clients: u64,
    /// Services that clients ask for, all of them together.
    pub services: u64,
    /// Which of these each client asks for; `null` where each asks for all.
    #[serde(default)]
    pub targets: Option<Targets>,
    /// Streams of each client on each Service that it asks for.
    pub streams_per_service: u64,
    /// When clients close streams.
    pub lifecycle: Lifecycle,
    /// Whether clients open `GetProfile` streams too.
    pub profiles: bool,
}

// === impl ClientLoad ===

impl ClientLoad {
    /// The load of `client` where there are so many `services`.
    #[must_use]
    pub fn of(client: &Client, services: u64) -> Self {
        Self {
            clients: client.reading_clients(),
            services,
            targets: client.targets,
            streams_per_service: client.streams_per_service.into(),
            lifecycle: client.lifecycle,
            profiles: client.profiles,
        }
    }
}
