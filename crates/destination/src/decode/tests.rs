//! The partial decoding says what the full one of linkerd2-proxy-api says.

mod captured;
mod whole;

use linkerd2_proxy_api::{destination as pb, net};
use proptest::prelude::*;
use prost::Message;

use super::*;

fn tcp(address: SocketAddr) -> net::TcpAddress {
    net::TcpAddress::from(address)
}

/// What the full decoding makes of a message, reduced to what is measured.
fn fully(message: &[u8]) -> Result<Option<Update>, prost::DecodeError> {
    let update = pb::Update::decode(message)?.update;
    Ok(update.map(|update| match update {
        pb::update::Update::Add(set) => {
            let endpoints = set.addrs.into_iter().filter_map(|weighted| {
                let address = SocketAddr::try_from(weighted.addr?).ok()?;
                let pod = weighted.metric_labels.get("pod");
                Some(pod.map_or_else(
                    || Endpoint::bare(address),
                    |pod| Endpoint::of_pod(address, pod),
                ))
            });
            Update::Add(endpoints.collect())
        }
        pb::update::Update::Remove(set) => {
            let addresses = set.addrs.into_iter();
            let endpoints = addresses.filter_map(|tcp| SocketAddr::try_from(tcp).ok());
            Update::Remove(endpoints.map(Endpoint::bare).collect())
        }
        pb::update::Update::NoEndpoints(none) => Update::NoEndpoints {
            exists: none.exists,
        },
    }))
}

fn encoded(update: pb::update::Update) -> Vec<u8> {
    pb::Update {
        update: Some(update),
    }
    .encode_to_vec()
}

proptest! {
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

#[test]
fn a_port_that_is_none_is_an_error() {
    let set = pb::AddrSet {
        addrs: vec![net::TcpAddress {
            port: 65_536,
            ..tcp(SocketAddr::from(([10, 0, 0, 1], 80)))
        }],
    };
    let bytes = encoded(pb::update::Update::Remove(set));
    assert_eq!(update(&bytes), Err(DecodeError::Port));
}
