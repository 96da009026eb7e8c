//! Where a proxy's own rules decided, and the streams beside `Get`.

use std::fmt;

use dst_load_recording::recording::HeldCounts;

use super::ClientMetrics;
use crate::families::Families;

// === impl ClientMetrics ===

impl ClientMetrics {
    pub(super) fn proxies(&self, families: &mut Families<'_>) -> fmt::Result {
        let streams = self.progress.counters().total();
        let proxy = &streams.proxy;
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
        held(families, "profile", "GetProfile streams", &streams.profiles)?;
        let policies = "OutboundPolicies and InboundServerPolicies streams";
        held(families, "policy", policies, &streams.policies)
    }
}

/// What the streams beside `Get` did that metrics call so.
fn held(families: &mut Families<'_>, name: &str, streams: &str, held: &HeldCounts) -> fmt::Result {
    families.counter(
        &format!("{name}_streams_created"),
        &format!("{streams} opened, reopened ones included"),
        held.opened + held.reopened,
    )?;
    families.counter(
        &format!("{name}_messages_received"),
        &format!("Messages of {streams}"),
        held.messages,
    )?;
    families.counter(
        &format!("{name}_streams_reset"),
        &format!("{streams} unexpectedly closed"),
        held.unexpected_resets(),
    )
}
