//! Numbers: histograms of latencies, and what is folded from a recording's lines.
//!
//! The live run and `report` fold the same lines, so a report rendered again says the same.

mod clock;
mod fold;
mod histogram;
mod latency;
mod merged;
mod observer;
mod pings;
mod slowest;
mod summary;
#[cfg(test)]
mod tests;

pub use self::{
    clock::OtherClock,
    fold::{Interval, Statistics},
    histogram::Histogram,
    latency::{Latency, Quantile, Stage},
    merged::Merged,
    observer::Observer,
    pings::Pings,
    slowest::{Delay, SlowestChange},
    summary::{
        AtMost, Bounds, Correctness, CycleSummary, FanOut, Generator, HeapGrowth, KubernetesApi,
        LatencySummary, Profiles, Replica, StageSummary, Streams, Summary, Target, Updates, Way,
        WrongService,
    },
};

/// The 1-based rank of the quantile `q` (0 to 1) among `count` values, by the nearest-rank
/// method: the smallest rank r with r / count ≥ q. `None` if there are no values.
#[must_use]
pub fn nearest_rank(q: f64, count: u64) -> Option<u64> {
    if count == 0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "counts stay far below 2^52, and q lies between 0 and 1"
    )]
    let rank = (q * count as f64).ceil() as u64;
    Some(rank.clamp(1, count))
}
