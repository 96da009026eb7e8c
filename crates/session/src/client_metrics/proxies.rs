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
            "Streams ended here, as a proxy ends them: nothing at all said for 3 s, nothing said \
             for 5 min, or a life of 1 h",
            limited.map(|(limit, times)| ([("limit", limit)], times)),
        )?;
        families.counter(
            "streams_refused",
            "Streams refused in a way that a proxy does not try again",
            proxy.refused,
        )?;
        families.counter(
            "first_messages_not_add",
            "First messages of streams that were no add",
            proxy.first_not_add,
        )?;
        families.counter(
            "profile_streams_created",
            "GetProfile streams sent, those among them that were sent again",
            profiles.opened + profiles.reopened,
        )?;
        families.counter(
            "profile_messages_received",
            "Messages of GetProfile streams",
            profiles.messages,
        )?;
        families.counter(
            "profile_streams_reset",
            "GetProfile streams that ended although nobody here had asked for it",
            profiles.unexpected_resets(),
        )
    }
}
