//! Where a proxy's own rules decided, and the `GetProfile` streams.

use std::fmt;

use super::ClientMetrics;
use crate::families::Families;

// === impl ClientMetrics ===

impl ClientMetrics {
    pub(super) fn proxies(&self, families: &mut Families<'_>) -> fmt::Result {
        let streams = self.progress.counters().total();
        let (proxy, profiles) = (&streams.proxy, &streams.profiles);
        let limited = [
            ("first_item", proxy.first_item_timeouts),
            ("idle", proxy.idle),
            ("lifetime", proxy.expired),
        ];
        families.counters(
            "streams_limited",
            "Streams that the client closed, as a proxy does: no first item within 3 s, no item \
             for 5 min, or after 1 h",
            limited.map(|(limit, times)| ([("limit", limit)], times)),
        )?;
        families.counter(
            "streams_refused",
            "Streams refused with a status that a proxy does not retry",
            proxy.refused,
        )?;
        families.counter(
            "first_messages_not_add",
            "First messages of streams that were not an add",
            proxy.first_not_add,
        )?;
        families.counter(
            "profile_streams_created",
            "GetProfile streams opened, reopened ones included",
            profiles.opened + profiles.reopened,
        )?;
        families.counter(
            "profile_messages_received",
            "Messages of GetProfile streams",
            profiles.messages,
        )?;
        families.counter(
            "profile_streams_reset",
            "GetProfile streams unexpectedly closed",
            profiles.unexpected_resets(),
        )
    }
}
