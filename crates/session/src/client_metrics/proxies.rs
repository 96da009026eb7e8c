//! Where a proxy's own rules decided, and the `GetProfile` streams.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

use super::ClientMetrics;

/// The limits of a proxy, as Prometheus has them.
const LIMITS: [&str; 3] = ["first_item", "idle", "lifetime"];

// === impl ClientMetrics ===

impl ClientMetrics {
    pub(super) fn proxies(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let streams = self.progress.counters().total();
        let (proxy, profiles) = (&streams.proxy, &streams.profiles);
        let mut family = encoder.encode_descriptor(
            "streams_limited",
            "Streams that the client closed, as a proxy does: no first item within 3 s, no item \
             for 5 min, or after 1 h",
            None,
            MetricType::Counter,
        )?;
        let counts = [proxy.first_item_timeouts, proxy.idle, proxy.expired];
        for (limit, times) in LIMITS.into_iter().zip(counts) {
            ConstCounter::new(times).encode(family.encode_family(&[("limit", limit)])?)?;
        }
        for (name, what, count) in [
            (
                "streams_refused",
                "Streams refused with a status that a proxy does not retry",
                proxy.refused,
            ),
            (
                "first_messages_not_add",
                "First messages of streams that were not an add",
                proxy.first_not_add,
            ),
            (
                "profile_streams_created",
                "GetProfile streams opened, reopened ones included",
                profiles.opened + profiles.reopened,
            ),
            (
                "profile_messages_received",
                "Messages of GetProfile streams",
                profiles.messages,
            ),
            (
                "profile_streams_reset",
                "GetProfile streams unexpectedly closed",
                profiles.unexpected_resets(),
            ),
        ] {
            let counter = encoder.encode_descriptor(name, what, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(counter)?;
        }
        Ok(())
    }
}
