//! By which way clients reach the controller, and which of them do not read.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{quantity::Bytes, seed};

/// By which way clients reach a replica of the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientPath {
    /// Each over a connection of its own, unless connections are limited.
    #[default]
    Direct,
    /// As through the sidecar of the destination's Pod: clients of one identity share a connection
    /// to each replica, with that proxy's windows.
    Sidecar {
        /// Identities, which clients have in turn. All unmeshed clients are one.
        identities: u32,
    },
}

/// Clients that do not read what they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stalled {
    /// How many of a replica's clients; at least 1, and fewer than all.
    pub clients: u32,
    /// What they do instead.
    pub reader: Reader,
}

/// What a stalled client does with the messages of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// It never reads.
    Never,
    /// It reads so much a second of each stream.
    Trickle {
        /// More than 0.
        rate: Bytes,
    },
    /// It reads at once, and lets the controller send no more than so much ahead on each stream.
    SmallWindows {
        /// Bytes, more than 0.
        window: u16,
    },
}

/// How a stalled client reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum ReaderKey {
    /// It never reads.
    #[default]
    Never,
    /// It reads `rate` bytes a second of each stream.
    Trickle,
    /// It reads at once, with HTTP/2 windows of `window` bytes a stream.
    SmallWindows,
}

/// What a stalled client reads a second where nothing is said.
pub(super) const DEFAULT_RATE: Bytes = Bytes(1024);
/// A small window where nothing is said, bytes: an update of some ten endpoints fills it.
pub(super) const DEFAULT_WINDOW: NonZeroU16 = NonZeroU16::new(1024).unwrap();

/// Which `count` of so many clients are stalled, by position: as the seed draws them.
#[must_use]
pub fn stalled(seed: u64, clients: u64, count: u64) -> Vec<bool> {
    let mut drawn: Vec<_> = (0..clients)
        .map(|client| (seed::number(seed, "stalled", &client.to_string()), client))
        .collect();
    drawn.sort_unstable();
    let mut stalled = vec![false; drawn.len()];
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    for (_, client) in drawn.into_iter().take(count) {
        if let Some(it) = usize::try_from(client)
            .ok()
            .and_then(|at| stalled.get_mut(at))
        {
            *it = true;
        }
    }
    stalled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_stalled_as_are_asked_for_and_the_seed_says_which() {
        let of = |seed| stalled(seed, 30, 10);
        assert_eq!(of(1).iter().filter(|it| **it).count(), 10);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(!stalled(1, 30, 0).contains(&true));
    }
}
