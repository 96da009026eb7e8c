//! The section `target`: how the destination controller is set up, where the tool cannot see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Key, placed::Placed};
use crate::flags::Flags;

/// Flags of the destination controller that change what it promises. What the tool finds out by
/// itself (of a controller that it starts, and of a Pod that it may read) wins.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Controller")]
pub(super) struct ControllerSection {
    /// The controller's flag `-enable-ipv6`; false in Linkerd's chart unless `disableIPv6` is false
    /// there. If it is absent and cannot be found, Services whose pods have IPv6 addresses are not
    /// judged. The reference destination uses it too; true if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6: Key<bool>,
    /// The controller's flag `-enable-endpoint-slices`; without EndpointSlices no Service can be
    /// judged. True if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_slices: Key<bool>,
}

// === impl ControllerSection ===

impl ControllerSection {
    /// The section that says this; none if nothing is to be said.
    pub(super) fn of(flags: Flags) -> Key<Self> {
        (flags != Flags::default()).then(|| {
            Placed::from(Self {
                ipv6: flags.ipv6.map(Placed::from),
                endpoint_slices: flags.endpoint_slices.map(Placed::from),
            })
        })
    }

    /// What it says.
    pub(super) fn flags(&self) -> Flags {
        Flags {
            ipv6: self.ipv6.map(|it| it.value),
            endpoint_slices: self.endpoint_slices.map(|it| it.value),
        }
    }
}
