//! By which way clients reached the controller, and what came of those that did not read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recording::{PathInfo, StalledCounts};

/// A proxy's HTTP/2 windows, bytes: of a stream, and of the connection. Both are what the sidecar of
/// the destination's Pod has towards the controller.
pub const WINDOWS: (u64, u64) = (65_535, 1_048_576);

/// Whether something between clients and the controller shares their connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Each connection came as one.
    None,
    /// Far fewer came than were opened.
    Evident,
    /// Neither is evident.
    Unclear,
}

/// By which way clients reached the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathTaken {
    /// Clients in all.
    pub clients: u64,
    /// Connections that this tool was to have, over all replicas.
    pub connections: u64,
    /// Whether clients shared connections by identity (`client.path: sidecar`).
    pub sidecar: bool,
    /// File descriptors that the controller opened while the streams were opened: about as many
    /// connections came to it. `null` if it does not count them, or was restarted.
    pub at_controller: Option<u64>,
}

/// Streams of stalled clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StalledStreams {
    /// Clients that did not read.
    pub clients: u64,
    /// Their streams.
    pub streams: u64,
    /// The most of them that shared a connection with streams that were read.
    pub shared: u64,
    /// How they read: `never`, or so many bytes a second.
    pub reader: String,
    /// Streams among them that were opened.
    pub opened: u64,
    /// Streams that were reopened.
    pub reopened: u64,
    /// Bytes that came and filled windows, read or not.
    pub bytes: u64,
    /// Streams that the controller ended with status OK, as it does when a queue is full.
    pub ended_ok: u64,
    /// Streams that ended with an error.
    pub errors: u64,
    /// Errors, by name.
    pub errors_by_code: BTreeMap<String, u64>,
    /// Streams that were open at the end.
    pub open: u64,
}

// === impl Sharing ===

impl Sharing {
    /// Fewer connections than these are no evidence: others open and close some too.
    const EVIDENT: u64 = 8;

    /// What it means that of so many `opened` connections at least `low` and at most `high` came to
    /// the controller: shared where it is a quarter or less, and each its own from three quarters on.
    #[must_use]
    pub const fn of(opened: u64, low: u64, high: u64) -> Self {
        if opened < Self::EVIDENT {
            Self::Unclear
        } else if high <= opened / 4 {
            Self::Evident
        } else if low >= opened - opened / 4 {
            Self::None
        } else {
            Self::Unclear
        }
    }
}

// === impl PathTaken ===

impl PathTaken {
    pub(in crate::statistics) fn of(path: &PathInfo, at_controller: Option<u64>) -> Self {
        Self {
            clients: path.clients,
            connections: path.connections,
            sidecar: path.sidecar,
            // Of clients apart, one process saw the controller before its own streams and not before all.
            at_controller: at_controller.filter(|_| !path.apart),
        }
    }

    /// The connections at the controller, where they are so few that something between shared those
    /// of this tool.
    #[must_use]
    pub fn shared_between(&self) -> Option<u64> {
        let seen = self.at_controller?;
        (Sharing::of(self.connections, seen, seen) == Sharing::Evident).then_some(seen)
    }

    /// The connections at the controller, where clients were to share them and these are not those:
    /// something between shared them once more, or far more came. Where others have streams, what is
    /// more is theirs.
    #[must_use]
    pub fn unlike_a_sidecar(&self, foreign_streams: Option<u64>) -> Option<u64> {
        let seen = self.at_controller.filter(|_| self.sidecar)?;
        let most = self.connections.saturating_mul(4) + Sharing::EVIDENT;
        let more = seen > most && foreign_streams == Some(0);
        (more || self.shared_between().is_some()).then_some(seen)
    }
}

// === impl StalledStreams ===

impl StalledStreams {
    /// `None` if there were none.
    pub(in crate::statistics) fn of(path: &PathInfo, counts: &StalledCounts) -> Option<Self> {
        let stalled = path.stalled.as_ref()?;
        Some(Self {
            clients: stalled.clients,
            streams: stalled.streams,
            shared: stalled.shared,
            reader: stalled.reader.clone(),
            opened: counts.opened,
            reopened: counts.reopened,
            bytes: counts.bytes,
            ended_ok: counts.ended_ok,
            errors: counts.errors.values().sum(),
            errors_by_code: counts.errors.clone(),
            open: counts.open(),
        })
    }

    /// Whether the windows of those that share a connection are as large as the connection's, and as
    /// much has come for them on each of so many `connections`: then nothing more comes for any stream
    /// of them. One that reads a little, or has ended, gives back what it took.
    #[must_use]
    pub fn fill_each_of(&self, connections: u64) -> bool {
        let (stream, connection) = WINDOWS;
        let keep = self.reader == "never" && self.ended_ok == 0 && self.errors == 0;
        keep && self.shared * stream >= connection
            && self.bytes >= connection.saturating_mul(connections.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seventeen_streams_that_keep_what_came_fill_a_connection_once_as_much_has_come() {
        let stalled = |shared, bytes| StalledStreams {
            shared,
            bytes,
            reader: "never".into(),
            ..StalledStreams::default()
        };
        let fill = |shared, bytes| stalled(shared, bytes).fill_each_of(1);
        assert!(fill(17, 1_048_576));
        assert!(!fill(16, 2_000_000));
        assert!(!fill(17, 1_048_575));
        assert!(!fill(0, 2_000_000));
        // They may all have come on one of two.
        assert!(!stalled(17, 2_097_151).fill_each_of(2));
        assert!(stalled(17, 2_097_152).fill_each_of(2));
        let some = || stalled(17, 9_000_000);
        let given_back = [
            StalledStreams {
                ended_ok: 1,
                ..some()
            },
            StalledStreams {
                errors: 1,
                ..some()
            },
            StalledStreams {
                reader: "1KiB a second".into(),
                ..some()
            },
        ];
        assert!(given_back.iter().all(|it| !it.fill_each_of(1)));
    }

    #[test]
    fn few_connections_for_many_clients_are_evidence_and_few_clients_are_none() {
        let shared = |connections, at_controller| {
            let path = PathTaken {
                connections,
                at_controller,
                ..PathTaken::default()
            };
            path.shared_between()
        };
        assert_eq!(shared(50, Some(1)), Some(1));
        assert_eq!(shared(50, Some(13)), None);
        assert_eq!(shared(50, Some(50)), None);
        assert_eq!(shared(7, Some(0)), None);
        assert_eq!(shared(50, None), None);
    }

    #[test]
    fn between_few_and_nearly_all_nothing_is_evident() {
        let sharing = |low, high| Sharing::of(16, low, high);
        assert_eq!(sharing(0, 4), Sharing::Evident);
        assert_eq!(sharing(0, 5), Sharing::Unclear);
        assert_eq!(sharing(1, 16), Sharing::Unclear);
        assert_eq!(sharing(11, 16), Sharing::Unclear);
        assert_eq!(sharing(12, 16), Sharing::None);
        assert_eq!(Sharing::of(7, 0, 0), Sharing::Unclear);
    }

    #[test]
    fn a_sidecars_path_shows_as_many_connections_as_were_asked_for() {
        let unlike = |connections, at_controller, foreign| {
            let path = PathTaken {
                connections,
                at_controller,
                sidecar: true,
                ..PathTaken::default()
            };
            path.unlike_a_sidecar(foreign)
        };
        assert_eq!(unlike(1, Some(1), Some(0)), None);
        assert_eq!(unlike(1, Some(12), Some(0)), None);
        assert_eq!(unlike(1, Some(13), Some(0)), Some(13));
        assert_eq!(unlike(8, Some(2), Some(40)), Some(2));
        assert_eq!(unlike(8, Some(3), Some(0)), None);
        // They may be others'.
        assert_eq!(unlike(1, Some(50), Some(3)), None);
        assert_eq!(unlike(1, Some(50), None), None);
        assert_eq!(unlike(1, None, Some(0)), None);
        let direct = PathTaken {
            connections: 1,
            at_controller: Some(50),
            ..PathTaken::default()
        };
        assert_eq!(direct.unlike_a_sidecar(Some(0)), None);
    }
}
