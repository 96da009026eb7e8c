//! A World with something of it set otherwise.

use dst_load_scenario::{flags::Flags, quantity::Bytes};

use super::Chosen;
use crate::cli::forward;

// === impl Chosen ===

impl Chosen {
    /// With clients that share connections, if there may not be one for each.
    pub(in crate::cli) fn sharing(self, connections: Option<u32>) -> Self {
        Self {
            connections,
            ..self
        }
    }

    /// With a controller of these flags, as far as nothing better is known.
    pub(in crate::cli) fn set_up(self, flags: Flags) -> Self {
        Self {
            flags: self.flags.or(flags),
            ..self
        }
    }

    /// With a memory limit, if one is given.
    ///
    /// # Errors
    /// A [`UsageError`] if that means nothing here; nothing stands then.
    pub(in crate::cli) async fn limited(mut self, limit: Option<Bytes>) -> anyhow::Result<Self> {
        match forward::limited(self.target.take(), limit) {
            Ok(target) => Ok(Self { target, ..self }),
            Err(error) => {
                self.shutdown().await;
                Err(error.into())
            }
        }
    }
}
