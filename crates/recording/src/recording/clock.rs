//! The offset of the clock of a churner in another process.

use dst_load_scenario::time::At;
use serde::{Deserialize, Serialize};

/// One comparison of two clocks. Intended instants up to the next one are converted by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockLine {
    /// When they were compared.
    pub at: At,
    /// What tells the other process from one before or after it.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub start: String,
    /// How far the other's clock is ahead, microseconds. Both count from their process's start.
    pub offset_us: i64,
    /// How wrong that may be, microseconds: half of the fastest round trip.
    pub uncertainty_us: u64,
}
