//! The partial decoding says what the full one of linkerd2-proxy-api says.

use linkerd2_proxy_api::{destination as pb, net};
use proptest::prelude::*;
use prost::Message;

use super::*;

fn tcp(address: SocketAddr) -> net::TcpAddress {
    net::TcpAddress::from(address)
}

fn encoded(update: pb::update::Update) -> Vec<u8> {
    pb::Update {
        update: Some(update),
    }
    .encode_to_vec()
}

fn weighted(address: SocketAddr, pod: Option<&str>) -> pb::WeightedAddr {
    let labels = [
        ("pod", pod),
        ("zone", Some("zone-1")),
        ("serviceaccount", Some("default")),
    ];
    pb::WeightedAddr {
        addr: Some(tcp(address)),
        weight: 10_000,
        metric_labels: labels
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
            .collect(),
        tls_identity: Some(pb::TlsIdentity {
            strategy: Some(pb::tls_identity::Strategy::DnsLikeIdentity(
                pb::tls_identity::DnsLikeIdentity {
                    name: "default.ns.serviceaccount.identity".into(),
                },
            )),
            server_name: None,
        }),
        protocol_hint: Some(pb::ProtocolHint {
            opaque_transport: Some(pb::protocol_hint::OpaqueTransport { inbound_port: 4143 }),
            protocol: Some(pb::protocol_hint::Protocol::H2(
                pb::protocol_hint::H2::default(),
            )),
        }),
        ..pb::WeightedAddr::default()
    }
}

fn addresses() -> impl Strategy<Value = Vec<(SocketAddr, Option<String>)>> {
    let ip = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))),
    ];
    let address = (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port));
    proptest::collection::vec((address, proptest::option::of("[a-z0-9-]{1,40}")), 0..20)
}

proptest! {
    #[test]
    fn additions_are_read_as_the_full_decoding_reads_them(addresses in addresses()) {
        let set = pb::WeightedAddrSet {
            addrs: addresses.iter().map(|(a, pod)| weighted(*a, pod.as_deref())).collect(),
            metric_labels: [("service".to_owned(), "web".to_owned())].into(),
        };
        let bytes = encoded(pb::update::Update::Add(set));
        let expected = addresses
            .iter()
            .map(|(address, pod)| match pod {
                Some(pod) => Endpoint::of_pod(*address, pod),
                None => Endpoint::bare(*address),
            })
            .collect();
        prop_assert_eq!(update(&bytes).unwrap(), Some(Update::Add(expected)));
    }

    #[test]
    fn removals_are_read_as_the_full_decoding_reads_them(addresses in addresses()) {
        let set = pb::AddrSet { addrs: addresses.iter().map(|(a, _)| tcp(*a)).collect() };
        let bytes = encoded(pb::update::Update::Remove(set));
        let expected = addresses.iter().map(|(a, _)| Endpoint::bare(*a)).collect();
        prop_assert_eq!(update(&bytes).unwrap(), Some(Update::Remove(expected)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = update(&bytes);
    }
}

#[test]
fn no_endpoints_says_whether_the_service_exists() {
    for exists in [true, false] {
        let bytes = encoded(pb::update::Update::NoEndpoints(pb::NoEndpoints { exists }));
        assert_eq!(
            update(&bytes).unwrap(),
            Some(Update::NoEndpoints { exists })
        );
    }
}

#[test]
fn an_empty_message_says_nothing() {
    assert_eq!(update(&[]).unwrap(), None);
}

#[test]
fn a_message_cut_short_is_an_error() {
    let set = pb::AddrSet {
        addrs: vec![tcp(SocketAddr::from(([10, 0, 0, 1], 80)))],
    };
    let bytes = encoded(pb::update::Update::Remove(set));
    assert!(update(&bytes[..bytes.len() - 1]).is_err());
}
