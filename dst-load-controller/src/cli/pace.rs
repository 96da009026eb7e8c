//! How hard the API server may be pressed.

use clap::Args;
use dst_load_kubernetes::actor::Limits;

/// Flags of the commands that act on Kubernetes.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct PaceArgs {
    /// Requests per second to the API server, on average; 500 by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), env)]
    pub qps: Option<u32>,
    /// Requests that may be sent at once beyond that rate; 1000 by default.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), env)]
    pub burst: Option<u32>,
}

// === impl PaceArgs ===

impl PaceArgs {
    /// The limits that the flags ask for.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let defaults = Limits::default();
        let given = |flag: Option<u32>| flag.and_then(std::num::NonZeroU32::new);
        Limits {
            qps: given(self.qps).unwrap_or(defaults.qps),
            burst: given(self.burst).unwrap_or(defaults.burst),
            ..defaults
        }
    }
}
