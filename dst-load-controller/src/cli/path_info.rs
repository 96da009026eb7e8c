//! What a recording says of its clients.

use dst_load_recording::recording::{PathInfo, StalledInfo};
use dst_load_scenario::scenario::{Client, ClientPath, Reader, connection_shares};

/// What is said of the clients in this process, each with so many streams, where those that read
/// have at most `connections`, to so many replicas of the controller.
pub(super) fn path_info(
    client: &Client,
    connections: Option<u32>,
    streams_each: u64,
    replicas: usize,
) -> PathInfo {
    let replicas = u64::try_from(replicas).unwrap_or(u64::MAX).max(1);
    let (clients, stalled) = (client.virtual_clients(), client.stalled_clients());
    let reading = client.reading_clients();
    let shares = connection_shares(client.path, reading, connections, replicas);
    // Of the streams in a share, no fewer are on one of its connections.
    let shared = match client.path {
        ClientPath::Direct => 0,
        ClientPath::Sidecar { .. } => (stalled.div_ceil(shares) * streams_each).div_ceil(replicas),
    };
    PathInfo {
        clients,
        connections: (shares + client.connections_of_stalled()) * replicas,
        sidecar: client.path != ClientPath::Direct,
        apart: false,
        stalled: client.stalled.map(|it| StalledInfo {
            clients: stalled,
            streams: stalled * streams_each,
            shared,
            reader: match it.reader {
                Reader::Never => "never".to_owned(),
                Reader::Trickle { rate } => format!("{rate} a second"),
                Reader::SmallWindows { window } => format!("{window} bytes at a time"),
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use dst_load_scenario::scenario::Stalled;

    use super::*;

    fn client(path: ClientPath) -> Client {
        Client {
            clients: 30,
            path,
            stalled: Some(Stalled {
                clients: 10,
                reader: Reader::Never,
            }),
            ..Client::default()
        }
    }

    #[test]
    fn stalled_clients_share_a_connection_by_the_sidecar_and_have_their_own_past_it() {
        let said = |path, connections, replicas| {
            let info = path_info(&client(path), connections, 2, replicas);
            let stalled = info.stalled.unwrap();
            (info.connections, stalled.streams, stalled.shared)
        };
        let sidecar = |identities| ClientPath::Sidecar { identities };
        assert_eq!(said(sidecar(1), None, 1), (1, 20, 20));
        assert_eq!(said(sidecar(1), None, 3), (3, 20, 7));
        assert_eq!(said(sidecar(4), None, 1), (4, 20, 6));
        assert_eq!(said(ClientPath::Direct, None, 1), (30, 20, 0));
        assert_eq!(said(ClientPath::Direct, Some(5), 1), (15, 20, 0));
    }
}
