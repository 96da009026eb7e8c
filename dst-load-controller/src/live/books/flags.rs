//! How the destination controller is set up, for every ledger.

use super::Books;
use crate::model::flags::Flags;

// === impl Books ===

impl Books {
    /// Says how the controller is set up, as far as that changes what it promises. To be called
    /// before anything is observed.
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
        for book in &self.books {
            book.ledger(|ledger| ledger.follow(flags));
        }
    }
}
