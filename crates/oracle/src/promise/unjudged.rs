//! Where it cannot be said what is promised, and why.

use std::fmt;

use dst_load_scenario::flags::Flags;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Filter, Listed};

/// The reason why a Service cannot be judged.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Unjudged {
    /// The controller reads Endpoints, which are not observed.
    EndpointSlicesOff,
    /// Some pod has an IPv6 address, and it is not known whether the controller serves those.
    Ipv6Unknown,
    /// `internalTrafficPolicy: Local` with a pod whose slices do not name one Node: the
    /// controller reads that of the Pod, and Pods are not observed.
    PodNodeUnknown,
    /// Slices disagree on an endpoint's address, on its zone hints or on its host name, and which of
    /// them counts depends on their order.
    Contradictory,
    /// Slices list names in place of IP addresses, or port numbers that do not exist, and the
    /// controller, which serves none of them, takes their zone hints into account.
    Unservable,
    /// Endpoints have zone hints, and a client's Node changed its zone after streams were opened:
    /// the controller reads it once for all clients of a Node, and again when the last has left.
    ZoneChanged,
    /// Changes became visible in the last few seconds before the check, and updates may have been
    /// on their way.
    Changing,
}

/// Why no Service can be judged, if none can.
pub(super) fn everywhere(flags: Flags) -> Option<Unjudged> {
    (flags.endpoint_slices == Some(false)).then_some(Unjudged::EndpointSlicesOff)
}

/// Why what is `listed` does not say what is promised, if it does not.
pub(super) fn of(listed: &Listed<'_>, filter: Filter, flags: Flags) -> Option<Unjudged> {
    let ipv6 =
        || (flags.ipv6.is_none() && listed.has_pods_in_ipv6()).then_some(Unjudged::Ipv6Unknown);
    let node = || {
        let unnamed = filter == Filter::Node && listed.has_pods_on_unknown_nodes();
        unnamed.then_some(Unjudged::PodNodeUnknown)
    };
    let contradictory = || (listed.is_contradictory(filter)).then_some(Unjudged::Contradictory);
    let unservable = || (listed.depends_on_unservable(filter)).then_some(Unjudged::Unservable);
    everywhere(flags)
        .or_else(ipv6)
        .or_else(node)
        .or_else(contradictory)
        .or_else(unservable)
}

// === impl Unjudged ===

impl Unjudged {
    /// The remedy by which such a Service can be judged.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::EndpointSlicesOff => {
                "start the controller with -enable-endpoint-slices (its default)"
            }
            Self::Ipv6Unknown => {
                "say `target: {ipv6: false}` (or true) in the scenario, or --destination-ipv6=false"
            }
            Self::PodNodeUnknown => "name the Node (nodeName) in its EndpointSlices",
            Self::Contradictory => "list each endpoint alike in all slices",
            Self::Unservable => "list IP addresses and numbers of ports in its EndpointSlices",
            Self::ZoneChanged => "leave the labels of Nodes alone",
            Self::Changing => "stop the churn before the end is checked",
        }
    }
}

impl fmt::Display for Unjudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndpointSlicesOff => {
                "the controller runs with -enable-endpoint-slices=false, and reads Endpoints"
            }
            Self::Ipv6Unknown => {
                "pods have IPv6 addresses, and the controller's flag -enable-ipv6 is not known"
            }
            Self::PodNodeUnknown => {
                "internalTrafficPolicy is Local, and its EndpointSlices do not name each pod's Node"
            }
            Self::Contradictory => {
                "its EndpointSlices disagree on an endpoint's address, hints or host name"
            }
            Self::Unservable => {
                "its EndpointSlices list names in place of addresses, or ports without a number"
            }
            Self::ZoneChanged => {
                "endpoints have zone hints, and a client's Node changed its zone meanwhile"
            }
            Self::Changing => "updates may have been on their way when the end was checked",
        })
    }
}
