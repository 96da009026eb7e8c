//! How the destination controller is set up, for every ledger and for the log.

use dst_load_scenario::flags::Flags;

use super::Progress;

// === impl Progress ===

impl Progress {
    /// Sets in all ledgers how the controller is set up, and logs what cannot be judged because of
    /// it. To be called before anything is observed.
    pub fn follow(&self, flags: Flags) {
        if flags.endpoint_slices == Some(false) {
            tracing::warn!(
                "the destination controller runs with -enable-endpoint-slices=false: no Service \
                 can be judged"
            );
        }
        if flags.ipv6.is_none() {
            tracing::info!(
                "the destination controller's flag -enable-ipv6 is not known: Services with IPv6 \
                 pods will not be judged"
            );
        }
        self.ledgers.follow(flags);
    }
}
