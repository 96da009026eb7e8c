//! What is compared: the measures, their units, and which way is worse.

use dst_load_scenario::{action::Direction, criteria::Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// The worse direction of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// More is worse.
    More,
    /// More is better.
    Less,
    /// Neither: it is not judged.
    Neither,
}

/// A measure, those first that say most with the least noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub(super) enum Measure {
    /// CPU for each million addresses that changed a stream.
    CpuPerMillion,
    /// Bytes allocated for each million.
    AllocatedPerMillion,
    /// Objects allocated for each address that changed a stream.
    AllocationsPerAddress,
    /// CPU for each stream that was opened.
    CpuPerOpen,
    /// Bytes allocated for each stream that was opened.
    AllocatedPerOpen,
    /// CPU a second with all streams open, before the first cycle.
    CpuIdle,
    /// Live heap that each open stream adds to that without streams.
    HeapPerStream,
    /// Live heap before any stream is opened.
    HeapFixed,
    /// Live heap at its lowest in the second half of a cycle.
    HeapFloor,
    /// The largest resident memory.
    PeakRss,
    /// Goroutines that each open stream adds.
    GoroutinesPerStream,
    /// Live heap after all streams have left, beyond what it was before they came.
    HeapLeft,
    /// Goroutines after all streams have left, beyond those before they came.
    GoroutinesLeft,
    /// Messages that a stream was sent for each slice event that changed something.
    MessagesPerEvent,
    /// As [`Timed::LastStream`].
    LastStreamAddP99,
    /// The same of removals.
    LastStreamRemoveP99,
    /// As [`Timed::Destination`].
    DestinationAddP50,
    /// Its 95th percentile.
    DestinationAddP95,
    /// Its 99th percentile.
    DestinationAddP99,
    /// The same of removals.
    DestinationRemoveP50,
    /// Its 95th percentile.
    DestinationRemoveP95,
    /// Its 99th percentile.
    DestinationRemoveP99,
    /// Streams that were wrong at the end.
    StreamsWrong,
    /// Deliveries that never arrived.
    Never,
    /// Streams that were unexpectedly closed.
    Resets,
    /// Addresses that changed nothing, for each million that did.
    Redundant,
    /// Addresses that changed a stream.
    Deliveries,
}

/// What a latency is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timed {
    /// The p99 over changes of the time until the last stream received it.
    LastStream(Direction),
    /// A quantile of the destination stage, over deliveries.
    Destination(Direction, &'static str),
}

/// What costs and memory may differ by without mattering.
const COST: f64 = 0.05;
/// What latencies may.
const LATENCY: f64 = 0.2;

// === impl Measure ===

impl Measure {
    /// Its key, which `--threshold` takes.
    pub(super) const fn key(self) -> &'static str {
        self.into_str()
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CpuPerMillion => "CPU / million addresses",
            Self::AllocatedPerMillion => "Allocated / million addresses",
            Self::AllocationsPerAddress => "Allocations / address",
            Self::CpuPerOpen => "CPU / stream opened",
            Self::AllocatedPerOpen => "Allocated / stream opened",
            Self::CpuIdle => "CPU when idle",
            Self::HeapPerStream => "Live heap / stream",
            Self::HeapFixed => "Live heap without streams",
            Self::HeapFloor => "Live heap, low hold",
            Self::PeakRss => "Resident memory, peak",
            Self::GoroutinesPerStream => "Goroutines / stream",
            Self::HeapLeft => "Heap left after streams",
            Self::GoroutinesLeft => "Goroutines left after streams",
            Self::MessagesPerEvent => "Messages / stream and event",
            Self::LastStreamAddP99 => "Full propagation: add p99",
            Self::LastStreamRemoveP99 => "Full propagation: remove p99",
            Self::DestinationAddP50 => "Destination add p50",
            Self::DestinationAddP95 => "Destination add p95",
            Self::DestinationAddP99 => "Destination add p99",
            Self::DestinationRemoveP50 => "Destination remove p50",
            Self::DestinationRemoveP95 => "Destination remove p95",
            Self::DestinationRemoveP99 => "Destination remove p99",
            Self::StreamsWrong => "Streams wrong at the end",
            Self::Never => "Updates never delivered",
            Self::Resets => "Streams unexpectedly closed",
            Self::Redundant => "Redundant / million addresses",
            Self::Deliveries => "Addresses delivered",
        }
    }

    /// What it is a latency of, if it is one.
    pub(super) const fn timed(self) -> Option<Timed> {
        use Direction::{Add, Remove};
        Some(match self {
            Self::LastStreamAddP99 => Timed::LastStream(Add),
            Self::LastStreamRemoveP99 => Timed::LastStream(Remove),
            Self::DestinationAddP50 => Timed::Destination(Add, "p50"),
            Self::DestinationAddP95 => Timed::Destination(Add, "p95"),
            Self::DestinationAddP99 => Timed::Destination(Add, "p99"),
            Self::DestinationRemoveP50 => Timed::Destination(Remove, "p50"),
            Self::DestinationRemoveP95 => Timed::Destination(Remove, "p95"),
            Self::DestinationRemoveP99 => Timed::Destination(Remove, "p99"),
            _ => return None,
        })
    }

    /// Whether it is what the target says that it costs.
    pub(super) const fn is_cost(self) -> bool {
        match self {
            Self::CpuPerMillion
            | Self::AllocatedPerMillion
            | Self::AllocationsPerAddress
            | Self::CpuPerOpen
            | Self::AllocatedPerOpen
            | Self::CpuIdle
            | Self::HeapPerStream
            | Self::HeapFixed
            | Self::HeapFloor
            | Self::PeakRss
            | Self::GoroutinesPerStream
            | Self::HeapLeft
            | Self::GoroutinesLeft => true,
            Self::MessagesPerEvent
            | Self::LastStreamAddP99
            | Self::LastStreamRemoveP99
            | Self::DestinationAddP50
            | Self::DestinationAddP95
            | Self::DestinationAddP99
            | Self::DestinationRemoveP50
            | Self::DestinationRemoveP95
            | Self::DestinationRemoveP99
            | Self::StreamsWrong
            | Self::Never
            | Self::Resets
            | Self::Redundant
            | Self::Deliveries => false,
        }
    }

    pub(super) const fn unit(self) -> Unit {
        match self {
            Self::CpuPerMillion | Self::CpuPerOpen => Unit::Seconds,
            Self::CpuIdle => Unit::Cores,
            Self::AllocatedPerMillion
            | Self::AllocatedPerOpen
            | Self::HeapPerStream
            | Self::HeapFixed
            | Self::HeapFloor
            | Self::PeakRss
            | Self::HeapLeft => Unit::Bytes,
            _ if self.timed().is_some() => Unit::Seconds,
            _ => Unit::Count,
        }
    }

    pub(super) const fn worse(self) -> Worse {
        match self {
            Self::Deliveries => Worse::Neither,
            _ => Worse::More,
        }
    }

    /// A difference of a smaller share does not matter, unless a threshold is given.
    pub(super) const fn threshold(self) -> f64 {
        if self.is_exact() {
            0.0
        } else if self.timed().is_some() {
            LATENCY
        } else {
            COST
        }
    }

    /// Whether any of it is wrong: one more than none is a regression, whatever the noise.
    pub(super) const fn is_exact(self) -> bool {
        matches!(self, Self::StreamsWrong | Self::Never | Self::Resets)
    }

    /// Whether a summary names it even if nothing differs.
    pub(super) const fn is_headline(self) -> bool {
        matches!(
            self,
            Self::CpuPerMillion
                | Self::AllocatedPerMillion
                | Self::CpuPerOpen
                | Self::HeapPerStream
                | Self::MessagesPerEvent
                | Self::LastStreamAddP99
                | Self::LastStreamRemoveP99
        )
    }
}
