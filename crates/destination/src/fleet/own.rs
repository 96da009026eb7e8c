//! What a virtual client asks as an inbound proxy: about the Services that its own pod belongs to.

use super::{FleetConfig, StreamSlot, subject::Subject, turn_of};

/// The streams that client number `client` holds once, each with a slot of its Service. Clients take
/// the Services of their `slots` as their own in turn.
pub(super) fn streams(
    config: &FleetConfig,
    slots: &[StreamSlot],
    client: u64,
) -> Vec<(StreamSlot, Subject)> {
    let mut services = slots.to_vec();
    services.dedup_by_key(|slot| slot.service);
    let first = turn_of(services.len(), client);
    services.rotate_left(first);
    let names = usize::try_from(config.profile_names).unwrap_or(usize::MAX);
    let names = services.iter().take(names);
    let names = names.map(|slot| (*slot, Subject::Name));
    // One port is enough for all Services: a proxy watches each port of its pod once.
    let port = services.first().filter(|_| config.policies.is_some());
    let port = port.map(|slot| (*slot, Subject::Inbound));
    names.chain(port).collect()
}
