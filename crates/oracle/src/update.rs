//! Messages of a Destination stream, reduced to what is measured.

use crate::endpoint::Endpoint;

/// One message of a `Get` stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// These endpoints are there (an upsert by address).
    Add(Vec<Endpoint>),
    /// These addresses are gone; the wire names no pods here.
    Remove(Vec<Endpoint>),
    /// The Service has no endpoints, whether it exists or not. Linkerd's controller never sends
    /// it, though its API documents it.
    NoEndpoints {
        /// Whether the Service exists.
        exists: bool,
    },
}

// === impl Update ===

impl Update {
    /// The number of addresses in the message.
    #[must_use]
    pub fn addresses(&self) -> usize {
        match self {
            Self::Add(endpoints) | Self::Remove(endpoints) => endpoints.len(),
            Self::NoEndpoints { .. } => 0,
        }
    }
}
