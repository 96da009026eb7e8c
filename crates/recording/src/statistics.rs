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
mod recorded;
mod slowest;
mod summary;
#[cfg(test)]
mod tests;

pub use self::{
    clock::OtherClock,
    fold::{HeapGrowth, Interval, Statistics, Target},
    histogram::Histogram,
    latency::{Latency, Quantile, Stage},
    merged::Merged,
    observer::Observer,
    pings::Pings,
    recorded::RecordedLatency,
    slowest::{Delay, SlowestChange},
    summary::{
        AtMost, Bounds, Correctness, CycleSummary, FanOut, Generator, HeldStreams, KubernetesApi,
        LatencySummary, PathTaken, PolicyController, Replica, Retained, Sharing, StageSummary,
        StalledStreams, Streams, Summary, Updates, WINDOWS, Way, WrongService,
    },
};
