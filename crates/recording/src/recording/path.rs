//! By which way clients reached the controller.

use serde::{Deserialize, Serialize};

/// By which way clients reached the controller, and which of them did not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathInfo {
    /// All clients.
    pub clients: u64,
    /// Connections that they were to have, over all replicas of the controller.
    pub connections: u64,
    /// Whether they shared them by identity, as through the sidecar of the destination's Pod.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sidecar: bool,
    /// Whether they were in several processes, each of which looked at the controller at other times.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart: bool,
    /// Those that did not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalled: Option<StalledInfo>,
}

/// Clients that did not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StalledInfo {
    /// How many.
    pub clients: u64,
    /// Their streams.
    pub streams: u64,
    /// The most of these streams that shared a connection with streams that were read.
    pub shared: u64,
    /// How they read: `never`, or so many bytes a second, or at a time, of each stream.
    #[serde(deserialize_with = "dst_load_scenario::printable::read")]
    pub reader: String,
}

// === impl PathInfo ===

impl PathInfo {
    /// Those of several processes, which share no connection; `None` where one does not say it.
    pub(super) fn merged<'a>(each: impl Iterator<Item = &'a Option<Self>>) -> Option<Self> {
        let each: Option<Vec<&Self>> = each.map(Option::as_ref).collect();
        let each = each?;
        let stalled = each.iter().filter_map(|it| it.stalled.as_ref());
        let stalled = stalled.cloned().reduce(|all, one| StalledInfo {
            clients: all.clients + one.clients,
            streams: all.streams + one.streams,
            shared: all.shared.max(one.shared),
            reader: all.reader,
        });
        Some(Self {
            clients: each.iter().map(|it| it.clients).sum(),
            connections: each.iter().map(|it| it.connections).sum(),
            sidecar: each.iter().any(|it| it.sidecar),
            apart: each.len() > 1 || each.iter().any(|it| it.apart),
            stalled,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(stalled: u64) -> Option<PathInfo> {
        Some(PathInfo {
            clients: 30,
            connections: 1,
            sidecar: true,
            apart: false,
            stalled: Some(StalledInfo {
                clients: stalled,
                streams: 2 * stalled,
                shared: 2 * stalled,
                reader: "never".into(),
            }),
        })
    }

    #[test]
    fn clients_of_several_processes_add_up_and_share_no_connection() {
        let each = [clients(10), clients(8)];
        let all = PathInfo::merged(each.iter()).unwrap();
        assert_eq!((all.clients, all.connections, all.apart), (60, 2, true));
        let stalled = all.stalled.unwrap();
        assert_eq!(
            (stalled.clients, stalled.streams, stalled.shared),
            (18, 36, 20)
        );
        assert_eq!(PathInfo::merged([clients(1)].iter()), clients(1));
        assert_eq!(PathInfo::merged([clients(1), None].iter()), None);
    }
}
