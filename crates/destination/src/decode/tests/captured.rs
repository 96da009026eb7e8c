//! Messages of a real controller: what it encodes, in Go and with maps in any order, is not what
//! tests would think of.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::*;

/// One message, and what whoever captured it saw in it.
struct Captured {
    name: &'static str,
    addresses: usize,
    of_pods: usize,
    bytes: Vec<u8>,
}

fn captured() -> Vec<Captured> {
    let lines = include_str!("captured.txt").lines();
    let mut all: Vec<(&str, String)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("  ") {
            Some(base64) => all.last_mut().unwrap().1.push_str(base64),
            None => all.push((line, String::new())),
        }
    }
    let read = |(title, base64): (&'static str, String)| {
        let (name, counts) = title.split_once(": ").unwrap();
        let (addresses, of_pods) = counts.split_once(" addresses, ").unwrap();
        Captured {
            name,
            addresses: addresses.parse().unwrap(),
            of_pods: of_pods.strip_suffix(" of pods").unwrap().parse().unwrap(),
            bytes: BASE64_STANDARD.decode(base64).unwrap(),
        }
    };
    all.into_iter().map(read).collect()
}

#[test]
fn what_a_real_controller_sent_is_read_as_the_full_decoding_reads_it() {
    let captured = captured();
    assert_eq!(captured.len(), 14);
    for message in captured {
        let Captured { name, bytes, .. } = &message;
        let ours = update(bytes).unwrap();
        assert_eq!(ours, fully(bytes).unwrap(), "{name}");
        let endpoints = match ours {
            Some(Update::Add(endpoints)) if name.contains("-add") => endpoints,
            Some(Update::Remove(endpoints)) if name.contains("-remove") => endpoints,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(endpoints.len(), message.addresses, "{name}");
        let of_pods = endpoints.iter().filter(|it| it.pod.is_some()).count();
        assert_eq!(of_pods, message.of_pods, "{name}");
        let six = name.starts_with("six");
        assert!(endpoints.iter().all(|it| it.address.is_ipv6() == six));
    }
}

/// Else the above would say little about what is passed over.
#[test]
fn what_was_captured_has_all_that_a_proxy_is_told_of_a_meshed_pod() {
    let captured = captured();
    let [message] = &captured
        .iter()
        .filter(|message| message.name == "meshed-add")
        .collect::<Vec<_>>()[..]
    else {
        panic!("one snapshot of meshed Pods")
    };
    let full = pb::Update::decode(&message.bytes[..]).unwrap();
    let Some(pb::update::Update::Add(set)) = full.update else {
        panic!("{full:?}")
    };
    for address in set.addrs {
        assert_eq!(address.metric_labels.len(), 7);
        let identity = address.tls_identity.unwrap();
        assert!(identity.server_name.is_some() && identity.strategy.is_some());
        let hint = address.protocol_hint.unwrap();
        assert_eq!(hint.opaque_transport.unwrap().inbound_port, 4143);
        assert!(hint.protocol.is_some() && address.http2.is_some());
    }
}

#[test]
fn a_captured_message_cut_anywhere_is_read_as_the_full_decoding_reads_it_or_not_at_all() {
    for message in captured() {
        for cut in 0..message.bytes.len() {
            let bytes = &message.bytes[..cut];
            assert_eq!(update(bytes).ok(), fully(bytes).ok(), "{cut}");
        }
    }
}
