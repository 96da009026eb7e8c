//! The deadline and the latency limits of a ledger, and the lifecycle of its streams.

use std::time::Duration;

use dst_load_scenario::scenario::{Lifecycle, Scenario};

/// The spans of time by which a ledger distinguishes outcomes, and how its streams live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// An update that takes longer has never arrived.
    pub deadline: Duration,
    /// The largest latency limit of deliveries that is judged, if any is.
    pub largest: Option<Duration>,
    /// The smallest.
    pub smallest: Option<Duration>,
    /// Whether streams keep their endpoints when they end, as a proxy's do.
    pub lifecycle: Lifecycle,
}

/// For how long the observer may be behind an update: its watch is not always the first to be
/// served.
pub const BEHIND: Duration = Duration::from_secs(1);
/// For how long a stream that was just sent may receive nothing: a proxy gives up then.
pub const FIRST_ITEM: Duration = Duration::from_secs(3);
/// States that lasted for less than the smallest limit divided by this may be left out.
const COALESCED: u32 = 5;

// === impl Limits ===

impl Limits {
    /// The limits of a scenario.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let limits = scenario.criteria.delivery_limits();
        Self {
            deadline: scenario.deadline(),
            largest: limits.map(|(_, largest)| largest),
            smallest: limits.map(|(smallest, _)| smallest),
            lifecycle: scenario.client.lifecycle,
        }
    }

    /// Whether a state that lasted this long should have been learnt.
    pub(super) fn is_never(&self, lasted: Duration) -> bool {
        match self.largest {
            Some(largest) => lasted > largest,
            None => lasted >= self.deadline,
        }
    }

    /// Whether a controller may leave out a state that lasted for so short a time.
    pub(super) fn may_be_left_out(&self, lasted: Duration) -> bool {
        self.smallest
            .is_some_and(|smallest| lasted < smallest / COALESCED)
    }
}

impl From<Duration> for Limits {
    /// A deadline, where no latency is judged.
    fn from(deadline: Duration) -> Self {
        Self {
            deadline,
            largest: None,
            smallest: None,
            lifecycle: Lifecycle::default(),
        }
    }
}
