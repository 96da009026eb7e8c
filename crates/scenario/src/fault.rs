//! Faults as data: what the sandbox does wrong on purpose, so that the tester itself is tested.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One fault: its kind, when it is active, and whom it strikes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// From when on, counted from the start of the run.
    pub at: Duration,
    /// For how long; `None` until the end.
    pub lasts: Option<Duration>,
    /// Which share (0 to 1) of what the kind acts on (streams, messages, requests) is struck.
    pub share: f64,
    /// The delay, for the kinds that delay.
    pub delay: Duration,
    /// Which replica of the destination, from 1; `None` is all.
    pub replica: Option<u32>,
    /// The watches of which resource, for the kinds that strike the observer's; `None` is all.
    pub resource: Option<WatchedResource>,
}

/// A resource that the tool's observer watches.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum WatchedResource {
    /// Nodes.
    Nodes,
    /// Services.
    Services,
    /// EndpointSlices.
    EndpointSlices,
}

/// What can go wrong. Kinds that are named after a behaviour of the real controller say so.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum FaultKind {
    /// Destination: a stream is not sent an update.
    DropUpdate,
    /// Destination: a stream is sent an update `delay` late.
    LateUpdate,
    /// Destination: a stream is sent an update twice.
    DuplicateUpdate,
    /// Destination: two successive messages of a stream about one address change places.
    SwapUpdates,
    /// Destination: a removed address is left out of the `remove`.
    KeepStaleAddress,
    /// Destination: an address that no slice ever held is sent.
    InventAddress,
    /// Destination: a stream ends with status OK as on a queue overflow, and the overflow counter rises.
    OverflowStream,
    /// Destination: a stream is reset by the server.
    ResetStream,
    /// Linkerd: a slice's port or address changed under an unchanged pod is not sent.
    IgnorePortChange,
    /// Linkerd: an endpoint that another slice still lists is removed with the first of them.
    RemoveSharedEndpoint,
    /// Linkerd: a Service deleted and created again stays empty until a slice event.
    ForgetRecreatedService,
    /// Linkerd: a slice deleted after its pods leaves its addresses behind.
    KeepAddressesOfDeletedSlice,
    /// Kubernetes API: a request is answered 429 with Retry-After.
    TooManyRequests,
    /// Kubernetes API: a write is answered 409.
    Conflict,
    /// Kubernetes API: a watch is answered with 410 and must list again.
    Gone,
    /// Kubernetes API: a request is answered 500.
    InternalError,
    /// Kubernetes API: a watch's connection ends in the middle of an event.
    HangUpWatch,
    /// Kubernetes API: a watch of the tool's observer keeps its connection and is sent nothing any
    /// more, as behind a load balancer that drops connections without a word.
    SilentWatch,
    /// Kubernetes API: the events of a watch of the tool's observer come `delay` late.
    LateWatch,
    /// Kubernetes API: a request is answered 403.
    Forbidden,
    /// Kubernetes API: a request is answered 401, as when a token has expired.
    Unauthorized,
    /// Kubernetes: pods become ready `delay` later than they should.
    SlowPods,
    /// Generator: our own event loop stands still for `delay` at a time.
    ThrottleGenerator,
}

// === impl Fault ===

impl Fault {
    /// Whether the fault is one of the destination's replica of this number, from 1.
    #[must_use]
    pub fn strikes_replica(&self, number: u32) -> bool {
        self.replica.is_none_or(|replica| replica == number)
    }

    /// Whether the fault is active `elapsed` after the start of the run.
    #[must_use]
    pub fn is_active(&self, elapsed: Duration) -> bool {
        elapsed >= self.at && self.lasts.is_none_or(|lasts| elapsed < self.at + lasts)
    }
}

// === impl WatchedResource ===

impl WatchedResource {
    /// All, in the order in which they are listed and compared.
    pub const ALL: [Self; 3] = [Self::Nodes, Self::Services, Self::EndpointSlices];

    /// The plural, as in URLs.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices",
        }
    }
}

// === impl FaultKind ===

impl FaultKind {
    /// Whether it strikes the watches of the tool's observer and nobody else's.
    #[must_use]
    pub const fn is_of_the_observers_watch(self) -> bool {
        matches!(self, Self::SilentWatch | Self::LateWatch)
    }

    /// Whether it is a delay, and needs a duration.
    #[must_use]
    pub const fn delays(self) -> bool {
        matches!(
            self,
            Self::LateUpdate | Self::LateWatch | Self::SlowPods | Self::ThrottleGenerator
        )
    }

    /// Whether it is the reference destination that does wrong: no other can.
    #[must_use]
    pub const fn is_of_the_destination(self) -> bool {
        matches!(
            self,
            Self::DropUpdate
                | Self::LateUpdate
                | Self::DuplicateUpdate
                | Self::SwapUpdates
                | Self::KeepStaleAddress
                | Self::InventAddress
                | Self::OverflowStream
                | Self::ResetStream
                | Self::IgnorePortChange
                | Self::RemoveSharedEndpoint
                | Self::ForgetRecreatedService
                | Self::KeepAddressesOfDeletedSlice
        )
    }
}
