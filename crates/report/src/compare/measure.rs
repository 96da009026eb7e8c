//! What is compared: the measures, their units, and which way is worse.

use dst_load_scenario::{action::Direction, criteria::Unit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// What a number is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
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
    /// Live heap before any stream is opened.
    HeapFixed,
    /// Live heap that each open stream adds to that.
    HeapPerStream,
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
    /// The p99 over changes of the time until the last stream received it.
    LastStream(Direction),
    /// A quantile of the destination stage, over deliveries.
    Destination(Direction, &'static str),
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

/// A measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) worse: Worse,
    /// A difference of a smaller share does not matter, unless a threshold is given.
    pub(super) threshold: f64,
    /// Whether any of it is wrong: one more than none is a regression, whatever the noise.
    pub(super) exact: bool,
    /// Whether a summary names it even if nothing differs.
    pub(super) headline: bool,
    pub(super) source: Source,
}

/// What costs and memory may differ by without mattering.
const COST: f64 = 0.05;
/// What latencies may.
const LATENCY: f64 = 0.2;

const fn cost(key: &'static str, name: &'static str, unit: Unit, source: Source) -> Measure {
    Measure {
        key,
        name,
        unit,
        worse: Worse::More,
        threshold: COST,
        exact: false,
        headline: false,
        source,
    }
}

const fn latency(key: &'static str, name: &'static str, source: Source) -> Measure {
    Measure {
        threshold: LATENCY,
        ..cost(key, name, Unit::Seconds, source)
    }
}

const fn exact(key: &'static str, name: &'static str, source: Source) -> Measure {
    Measure {
        threshold: 0.0,
        exact: true,
        ..cost(key, name, Unit::Count, source)
    }
}

const fn told(key: &'static str, name: &'static str, source: Source) -> Measure {
    Measure {
        worse: Worse::Neither,
        ..cost(key, name, Unit::Count, source)
    }
}

const fn headline(measure: Measure) -> Measure {
    Measure {
        headline: true,
        ..measure
    }
}

use Direction::{Add, Remove};

/// All measures: those first that say most with the least noise.
pub(super) const MEASURES: [Measure; 27] = [
    headline(cost(
        "cpu_per_million",
        "CPU / million addresses",
        Unit::Seconds,
        Source::CpuPerMillion,
    )),
    headline(cost(
        "allocated_per_million",
        "Allocated / million addresses",
        Unit::Bytes,
        Source::AllocatedPerMillion,
    )),
    cost(
        "allocations_per_address",
        "Allocations / address",
        Unit::Count,
        Source::AllocationsPerAddress,
    ),
    headline(cost(
        "cpu_per_open",
        "CPU / stream opened",
        Unit::Seconds,
        Source::CpuPerOpen,
    )),
    cost(
        "allocated_per_open",
        "Allocated / stream opened",
        Unit::Bytes,
        Source::AllocatedPerOpen,
    ),
    cost("cpu_idle", "CPU when idle", Unit::Cores, Source::CpuIdle),
    headline(cost(
        "heap_per_stream",
        "Live heap / stream",
        Unit::Bytes,
        Source::HeapPerStream,
    )),
    cost(
        "heap_fixed",
        "Live heap without streams",
        Unit::Bytes,
        Source::HeapFixed,
    ),
    cost(
        "heap_floor",
        "Live heap, low hold",
        Unit::Bytes,
        Source::HeapFloor,
    ),
    cost(
        "peak_rss",
        "Resident memory, peak",
        Unit::Bytes,
        Source::PeakRss,
    ),
    cost(
        "goroutines_per_stream",
        "Goroutines / stream",
        Unit::Count,
        Source::GoroutinesPerStream,
    ),
    cost(
        "heap_left",
        "Heap left after streams",
        Unit::Bytes,
        Source::HeapLeft,
    ),
    cost(
        "goroutines_left",
        "Goroutines left after streams",
        Unit::Count,
        Source::GoroutinesLeft,
    ),
    headline(cost(
        "messages_per_event",
        "Messages / stream and event",
        Unit::Count,
        Source::MessagesPerEvent,
    )),
    headline(latency(
        "last_stream_add_p99",
        "Last stream knows: add p99",
        Source::LastStream(Add),
    )),
    headline(latency(
        "last_stream_remove_p99",
        "Last stream knows: remove p99",
        Source::LastStream(Remove),
    )),
    latency(
        "destination_add_p50",
        "Destination add p50",
        Source::Destination(Add, "p50"),
    ),
    latency(
        "destination_add_p95",
        "Destination add p95",
        Source::Destination(Add, "p95"),
    ),
    latency(
        "destination_add_p99",
        "Destination add p99",
        Source::Destination(Add, "p99"),
    ),
    latency(
        "destination_remove_p50",
        "Destination remove p50",
        Source::Destination(Remove, "p50"),
    ),
    latency(
        "destination_remove_p95",
        "Destination remove p95",
        Source::Destination(Remove, "p95"),
    ),
    latency(
        "destination_remove_p99",
        "Destination remove p99",
        Source::Destination(Remove, "p99"),
    ),
    exact(
        "streams_wrong",
        "Streams wrong at the end",
        Source::StreamsWrong,
    ),
    exact("never", "Updates never delivered", Source::Never),
    exact("resets", "Streams unexpectedly closed", Source::Resets),
    cost(
        "redundant",
        "Redundant / million addresses",
        Unit::Count,
        Source::Redundant,
    ),
    told("deliveries", "Addresses delivered", Source::Deliveries),
];
