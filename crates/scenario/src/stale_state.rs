//! What Kubernetes may do to endpoints that Linkerd's destination controller is known to
//! mishandle: its stale-state behaviours, as things that churn can do on purpose.
//!
//! Each is legal, and a controller that keeps its promises tells clients the truth after it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr, VariantArray};

/// One way to leave clients with something else than the EndpointSlices say.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "camelCase")]
#[strum(serialize_all = "kebab-case")]
pub enum StaleStateCase {
    /// The slices name another port for the same pods.
    PortChanged,
    /// The slices name other addresses for the same, untouched pods.
    AddressChanged,
    /// The pods get other addresses, and then their slices.
    PodMoved,
    /// A pod is listed in two slices, and one of them goes.
    SharedEndpoint,
    /// A slice goes after its pods.
    SliceAfterPods,
    /// A slice comes before its pods.
    SliceBeforePods,
    /// The Service is deleted and made again, while its slices stand.
    ServiceRecreated,
}

// === impl StaleStateCase ===

impl StaleStateCase {
    /// All of them.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its name in kebab case: the Services that suffer it are called so, and every line of a
    /// report about them says by itself what was done.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What is done, as the end of a sentence about a Service's endpoints.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::PortChanged => "another port in the slices of the same pods",
            Self::AddressChanged => "other addresses in the slices of the same pods",
            Self::PodMoved => "other addresses of the pods and then in their slices",
            Self::SharedEndpoint => "one of them in a second slice, which then goes",
            Self::SliceAfterPods => "as many more, whose pods go before their slice",
            Self::SliceBeforePods => "as many more, whose slice comes before their pods",
            Self::ServiceRecreated => "the Service deleted and made again over its slices",
        }
    }

    /// What is known of Linkerd (August 2026) after it, in a sentence.
    #[must_use]
    pub const fn defect(self) -> &'static str {
        match self {
            Self::PortChanged => "a port that changes under an unchanged pod is not sent",
            Self::AddressChanged => "an address that changes under an unchanged pod is not sent",
            Self::PodMoved => "a pod's new address is sent, and its old one is not removed",
            Self::SharedEndpoint => {
                "an endpoint that another slice still lists goes with the first slice that drops it"
            }
            Self::SliceAfterPods => {
                "the addresses of a slice that goes after its pods are not removed"
            }
            Self::SliceBeforePods => {
                "an endpoint whose pod is not known yet is left out until its slice changes again"
            }
            Self::ServiceRecreated => {
                "a Service that is made again has no endpoints until one of its slices changes"
            }
        }
    }

    /// What is done to the Service called `service`, if its name says so.
    #[must_use]
    pub fn of_service(service: &str) -> Option<Self> {
        let (prefix, number) = service.rsplit_once('-')?;
        number.parse::<u32>().ok()?;
        Self::ALL.iter().copied().find(|it| it.name() == prefix)
    }

    /// Endpoints that appear and endpoints that go when it is done for the `round`th time (from 1)
    /// to a Service of `endpoints`.
    #[must_use]
    pub const fn expects(self, endpoints: u32, round: u32) -> (u32, u32) {
        match self {
            Self::PortChanged
            | Self::AddressChanged
            | Self::PodMoved
            | Self::SliceAfterPods
            | Self::ServiceRecreated => (endpoints, endpoints),
            Self::SharedEndpoint => (0, 0),
            // Those of the round before make room.
            Self::SliceBeforePods => (endpoints, if round > 1 { endpoints } else { 0 }),
        }
    }

    /// Endpoints at the most of a Service that has `endpoints` at rest.
    #[must_use]
    pub const fn peak(self, endpoints: u32) -> u32 {
        match self {
            Self::SliceAfterPods | Self::SliceBeforePods => endpoints.saturating_mul(2),
            _ => endpoints,
        }
    }
}
