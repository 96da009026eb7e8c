//! What the plan does to Kubernetes, one Service at a time.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{stale_state::StaleStateCase, time::At};

/// One planned act on one Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// When it is intended: every latency from the intent counts from here, jitter included.
    pub intended: At,
    /// The Service's position in [`crate::scenario::Scenario::services`].
    pub service: usize,
    /// The cycle it belongs to, from 1; 0 before the first cycle starts.
    pub cycle: u32,
    /// What is done.
    pub verb: Verb,
}

/// What an [`Action`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verb")]
pub enum Verb {
    /// Makes the Service and what backs it.
    Create {
        /// Its endpoints.
        endpoints: u32,
    },
    /// Changes how many endpoints it has.
    Scale {
        /// Endpoints before.
        from: u32,
        /// Endpoints after.
        to: u32,
    },
    /// Replaces all its endpoints, a few at a time.
    Restart {
        /// The number of endpoints.
        endpoints: u32,
    },
    /// Provokes one of Linkerd's stale-state behaviours.
    Provoke {
        /// What is done.
        #[serde(rename = "provocation")]
        case: StaleStateCase,
        /// Endpoints at rest.
        endpoints: u32,
        /// How often it has been done with this time.
        round: u32,
    },
}

/// A line on the plan's timeline at which a cycle starts, before any jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleStart {
    /// From 1.
    pub cycle: u32,
    /// Its first intended scaling, before jitter.
    pub at: At,
}

/// Whether an endpoint is added or removed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It is added.
    Add,
    /// It is removed.
    Remove,
}

// === impl Direction ===

impl Direction {
    /// Both, in the order in which a controller sends them.
    pub const BOTH: [Self; 2] = [Self::Add, Self::Remove];

    /// Whether an endpoint is there once this is known.
    #[must_use]
    pub const fn is_present(self) -> bool {
        matches!(self, Self::Add)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Remove => "remove",
        })
    }
}

// === impl Verb ===

impl Verb {
    /// Endpoints that will appear, and endpoints that will go.
    #[must_use]
    pub fn expects(&self) -> (u32, u32) {
        match *self {
            Self::Create { endpoints } => (endpoints, 0),
            Self::Scale { from, to } => (to.saturating_sub(from), from.saturating_sub(to)),
            Self::Restart { endpoints } => (endpoints, endpoints),
            Self::Provoke {
                case,
                endpoints,
                round,
            } => case.expects(endpoints, round),
        }
    }
}
