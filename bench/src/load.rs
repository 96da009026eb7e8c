//! Who watches what: the same for every process that is compared.

use clap::Args;

/// The namespace of all Services.
pub(crate) const NAMESPACE: &str = "bench";
/// The port that streams ask for.
pub(crate) const PORT: u16 = 8080;

/// Connections, each with one stream for each Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub(crate) struct Load {
    /// Services.
    #[arg(long)]
    pub services: u32,
    /// Connections.
    #[arg(long)]
    pub connections: u32,
}

// === impl Load ===

impl Load {
    /// Streams in all.
    pub(crate) fn streams(self) -> u64 {
        u64::from(self.services) * u64::from(self.connections)
    }

    /// The Services' names.
    pub(crate) fn names(self) -> impl Iterator<Item = String> {
        (1..=self.services).map(name)
    }

    /// What the streams of one connection ask for.
    pub(crate) fn authorities(self) -> impl Iterator<Item = String> {
        self.names()
            .map(|name| format!("{name}.{NAMESPACE}.svc.cluster.local:{PORT}"))
    }
}

/// The Service with this number.
fn name(number: u32) -> String {
    format!("bench-{number}")
}
