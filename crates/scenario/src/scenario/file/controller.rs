//! The section `target`: how the destination controller is set up, where the tool cannot see it.

use super::{
    placed::{Key, key, value},
    section::sections,
};
use crate::flags::Flags;

sections! {
    /// Flags of the destination controller that change what it promises. What the tool finds out by
    /// itself (of a controller that it starts, and of a Pod that it may read) wins.
    ControllerSection as "Controller": Serialize {
        /// The controller's flag `-enable-ipv6`; false in Linkerd's chart unless `disableIPv6` is false
        /// there. If it is absent and cannot be found, Services whose pods have IPv6 addresses are not
        /// judged. The reference destination uses it too; true if absent.
        ipv6: Key<bool>,
        /// The controller's flag `-enable-endpoint-slices`; without EndpointSlices no Service can be
        /// judged. True if absent.
        endpoint_slices: Key<bool>,
    }
}

// === impl ControllerSection ===

impl ControllerSection {
    /// The section that says this; none if nothing is to be said.
    pub(super) fn of(flags: Flags) -> Key<Self> {
        let section = Self {
            ipv6: flags.ipv6.and_then(key),
            endpoint_slices: flags.endpoint_slices.and_then(key),
        };
        key(section).filter(|_| flags != Flags::default())
    }

    /// What it says.
    pub(super) fn flags(&self) -> Flags {
        Flags {
            ipv6: value(self.ipv6),
            endpoint_slices: value(self.endpoint_slices),
        }
    }
}
