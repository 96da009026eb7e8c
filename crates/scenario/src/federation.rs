//! Two clusters: clients ask the controller of one (the source) for endpoints of the other (the
//! target).
//!
//! The words, and how Services are named and marked, are Linkerd's multicluster extension's: a
//! Service of the source cluster stands for one of the target cluster, by remote discovery (a
//! mirror Service) or as a federated Service.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::ServiceGroup;

/// That a scenario spans two clusters, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Federation {
    /// The name by which the target cluster is linked.
    pub cluster: String,
    /// How Services of the target cluster are asked for, each way by streams of its own; never
    /// empty.
    pub through: Vec<DiscoveryMode>,
    /// Services of the source cluster alone: what happens to them while the target churns.
    pub local: Option<ServiceGroup>,
}

/// How a Service of the target cluster is asked for in the source cluster.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum DiscoveryMode {
    /// Through a Service that is marked as the mirror of one in the target cluster.
    RemoteDiscovery,
    /// Through a Service that unites those of several clusters, here of one.
    Federated,
}

/// One of the two clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The clients' and the controller's; the only one where there is no second.
    #[default]
    Source,
    /// The other one.
    Target,
}

/// The discovery mode of a delivery, if there is more than one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Of the target cluster, through a mirror Service.
    RemoteDiscovery,
    /// Of the target cluster, through a federated Service.
    Federated,
    /// Of the source cluster, while the target cluster was quiet.
    LocalQuiet,
    /// Of the source cluster, while the target cluster churned.
    LocalDisturbed,
}

/// A Service as clients ask for it, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its name in the source cluster.
    pub name: String,
    /// The name of the Service whose endpoints it has.
    pub behind: String,
    /// That Service's position in [`crate::scenario::Scenario::services`].
    pub position: usize,
    /// Where that Service is.
    pub site: Site,
    /// How the one stands for the other; `None` if they are the same.
    pub through: Option<DiscoveryMode>,
}

// === impl Federation ===

impl Federation {
    /// The Service of the source cluster that stands for `service` of the target cluster, as
    /// Linkerd's service mirror names it.
    #[must_use]
    pub fn stand_in(&self, service: &str, through: DiscoveryMode) -> String {
        match through {
            DiscoveryMode::RemoteDiscovery => format!("{service}-{}", self.cluster),
            DiscoveryMode::Federated => format!("{service}-federated"),
        }
    }
}

impl Default for Federation {
    /// Every way to ask, and nothing local.
    fn default() -> Self {
        Self {
            cluster: "target".to_owned(),
            through: vec![DiscoveryMode::RemoteDiscovery, DiscoveryMode::Federated],
            local: None,
        }
    }
}

// === impl Via ===

impl Via {
    /// The way of a change which became visible while the target cluster was `disturbed`.
    #[must_use]
    pub const fn of(through: Option<DiscoveryMode>, disturbed: bool) -> Self {
        match (through, disturbed) {
            (Some(DiscoveryMode::RemoteDiscovery), _) => Self::RemoteDiscovery,
            (Some(DiscoveryMode::Federated), _) => Self::Federated,
            (None, true) => Self::LocalDisturbed,
            (None, false) => Self::LocalQuiet,
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RemoteDiscovery => "remote discovery",
            Self::Federated => "federated",
            Self::LocalQuiet => "local, target quiet",
            Self::LocalDisturbed => "local, target churning",
        })
    }
}
