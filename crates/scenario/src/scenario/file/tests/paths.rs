//! By which way clients reach the controller, and which of them do not read.

use super::{RIGHT, error, set_error};
use crate::{
    quantity::Bytes,
    scenario::{Client, ClientPath, Reader, Scenario, Stalled},
};

fn client(keys: &str) -> Client {
    let text = format!("{RIGHT}client: {{clients: 40, {keys}}}\n");
    let (scenario, warnings) = Scenario::from_yaml(&text, "s.yaml", &[]).unwrap();
    assert!(warnings.is_empty());
    let effective = scenario.effective().unwrap().to_string();
    let (read, _) = Scenario::from_yaml(&effective, "s.yaml", &[]).unwrap();
    assert_eq!(read.client, scenario.client);
    scenario.client
}

#[test]
fn a_path_is_direct_unless_it_is_said_to_be_a_sidecars() {
    assert_eq!(client("").path, ClientPath::Direct);
    assert_eq!(client("path: direct").path, ClientPath::Direct);
    let sidecar = |identities| ClientPath::Sidecar { identities };
    assert_eq!(client("path: sidecar").path, sidecar(1));
    assert_eq!(client("path: sidecar, identities: 3").path, sidecar(3));
    assert_eq!(client("path: direct, connections: 3").connections, Some(3));
}

#[test]
fn stalled_clients_are_a_number_or_a_share_and_may_read_a_little() {
    let stalled = |keys: &str| {
        let stalled = client(keys).stalled;
        stalled.map(|Stalled { clients, reader }| (clients, reader))
    };
    let trickle = |bytes| Reader::Trickle { rate: Bytes(bytes) };
    for (keys, wanted) in [
        ("", None),
        ("stalled: 0", None),
        ("stalled: 0%", None),
        ("stalled: 7", Some((7, Reader::Never))),
        ("stalled: 5%", Some((2, Reader::Never))),
        ("stalled: 0.1%", Some((1, Reader::Never))),
        ("stalled: {clients: 7}", Some((7, Reader::Never))),
        (
            "stalled: {clients: 50%, reader: trickle}",
            Some((20, trickle(1024))),
        ),
        (
            "stalled: {clients: 1, reader: trickle, rate: 2KiB}",
            Some((1, trickle(2048))),
        ),
        (
            "stalled: {clients: 2, reader: smallWindows}",
            Some((2, Reader::SmallWindows { window: 1024 })),
        ),
        (
            "stalled: {clients: 2, reader: smallWindows, window: 65535}",
            Some((2, Reader::SmallWindows { window: 65_535 })),
        ),
    ] {
        assert_eq!(stalled(keys), wanted, "{keys}");
    }
    let sum = client("replicas: 3, stalled: 7");
    assert_eq!((sum.stalled_clients(), sum.reading_clients()), (21, 99));
}

#[test]
fn what_contradicts_itself_is_named_with_its_place() {
    let of = |keys: &str| error(&format!("{RIGHT}client: {{{keys}}}\n"));
    for (message, place, said) in [
        (
            of("path: sidecar, connections: 5"),
            "s.yaml:8:38: client.connections: ",
            "remove client.connections",
        ),
        (
            of("identities: 5"),
            "s.yaml:8:22: client.identities: ",
            "client.path: sidecar",
        ),
        (
            of("path: sidecars"),
            "s.yaml:8:16: client.path: ",
            "did you mean sidecar?",
        ),
        (
            of("clients: 3, stalled: 3"),
            "s.yaml:8:31: client.stalled: ",
            "all 3 clients",
        ),
        (
            of("clients: 3, stalled: {clients: 100%}"),
            "s.yaml:8:41: client.stalled.clients: ",
            "all 3 clients",
        ),
        (
            of("clients: 3, stalled: some"),
            "s.yaml:8:31: client.stalled: ",
            "a percentage",
        ),
        (
            of("clients: 3, stalled: {clients: 1, rate: 1KiB}"),
            "s.yaml:8:50: client.stalled.rate: ",
            "only with reader: trickle",
        ),
        (
            of("clients: 3, stalled: {clients: 1, reader: trickle, rate: 0}"),
            "s.yaml:8:67: client.stalled.rate: ",
            "write reader: never",
        ),
        (
            of("clients: 3, stalled: {clients: 1, reader: trickle, window: 9}"),
            "s.yaml:8:69: client.stalled.window: ",
            "only with reader: smallWindows",
        ),
        (
            of("clients: 3, stalled: {clients: 1, reader: smallWindows, window: 0}"),
            "s.yaml:8:74: client.stalled.window: ",
            "at least 1",
        ),
        (
            of("clients: 3, stalled: {clients: 1, reader: smallWindows, window: 65536}"),
            "s.yaml:8:74: client.stalled.window: ",
            "65535",
        ),
        (
            of("clients: 3, path: sidecar, stalled: {clients: 1, reader: smallWindows}"),
            "s.yaml:8:67: client.stalled.reader: ",
            "the sidecar's",
        ),
        (
            of("clients: 3, stalled: {reader: never}"),
            "s.yaml:8:31: client.stalled",
            "clients is missing",
        ),
        (
            set_error("client.stalled=9"),
            "--set client.stalled: ",
            "all 1 clients",
        ),
    ] {
        assert!(message.starts_with(place), "{message}");
        assert!(message.contains(said), "{message}");
    }
}
