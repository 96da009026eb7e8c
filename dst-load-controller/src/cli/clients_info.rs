//! What a recording says of its clients.

use dst_load_recording::recording::{ClientsInfo, StalledInfo};
use dst_load_scenario::scenario::{Client, ClientPath, Reader};

/// What is said of the clients in this process, each with so many streams, where those that read
/// have at most `connections`, to so many replicas of the controller.
pub(super) fn clients_info(
    client: &Client,
    connections: Option<u32>,
    streams_each: u64,
    replicas: usize,
) -> ClientsInfo {
    let replicas = u64::try_from(replicas).unwrap_or(u64::MAX).max(1);
    let (clients, stalled) = (client.virtual_clients(), client.stalled_clients());
    let reading = client.reading_clients();
    // As the fleet has it.
    let (connections, shared) = match (client.path, connections.map(u64::from)) {
        (ClientPath::Sidecar { identities }, _) => {
            let all = u64::from(identities) * replicas;
            (all.min(clients), stalled.div_ceil(all.max(1)))
        }
        (ClientPath::Direct, Some(most)) if most < reading => {
            ((most / replicas).max(1) * replicas + stalled, 0)
        }
        (ClientPath::Direct, _) => (clients, 0),
    };
    ClientsInfo {
        clients,
        connections,
        sidecar: client.path != ClientPath::Direct,
        apart: false,
        stalled: client.stalled.map(|it| StalledInfo {
            clients: stalled,
            streams: stalled * streams_each,
            shared: shared * streams_each,
            reader: match it.reader {
                Reader::Never => "never".to_owned(),
                Reader::Trickle { rate } => format!("{rate} a second"),
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
            let info = clients_info(&client(path), connections, 2, replicas);
            let stalled = info.stalled.unwrap();
            (info.connections, stalled.streams, stalled.shared)
        };
        let sidecar = |identities| ClientPath::Sidecar { identities };
        assert_eq!(said(sidecar(1), None, 1), (1, 20, 20));
        assert_eq!(said(sidecar(1), None, 3), (3, 20, 8));
        assert_eq!(said(sidecar(4), None, 1), (4, 20, 6));
        assert_eq!(said(ClientPath::Direct, None, 1), (30, 20, 0));
        assert_eq!(said(ClientPath::Direct, Some(5), 1), (15, 20, 0));
    }
}
