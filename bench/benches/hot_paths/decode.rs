//! An update's bytes, read as far as is measured, and by the generated types, which read all.

use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use criterion::{BenchmarkId, Criterion, Throughput};
use dst_load_destination::decode;
use dst_load_oracle::update::Update;
use linkerd2_proxy_api::{
    destination::{
        self as pb, AddrSet, Http2ClientParams, ProtocolHint, TlsIdentity, http2_client_params,
        protocol_hint, tls_identity,
    },
    net::TcpAddress,
};
use prost::Message;

/// An addition as Linkerd sends it. The generated types hold labels in hash maps, so that their
/// order, and with it the cost of reading it, would differ from one run to the next.
#[derive(Clone, PartialEq, Message)]
struct Addition {
    #[prost(message, optional, tag = "1")]
    add: Option<WeightedAddrSet>,
}

#[derive(Clone, PartialEq, Message)]
struct WeightedAddrSet {
    #[prost(message, repeated, tag = "1")]
    addrs: Vec<WeightedAddr>,
    #[prost(message, repeated, tag = "2")]
    metric_labels: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct WeightedAddr {
    #[prost(message, optional, tag = "1")]
    addr: Option<TcpAddress>,
    #[prost(uint32, tag = "3")]
    weight: u32,
    #[prost(message, repeated, tag = "4")]
    metric_labels: Vec<Label>,
    #[prost(message, optional, tag = "5")]
    tls_identity: Option<TlsIdentity>,
    #[prost(message, optional, tag = "6")]
    protocol_hint: Option<ProtocolHint>,
    #[prost(message, optional, tag = "8")]
    http2: Option<Http2ClientParams>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
    let label = |&(key, value): &(&str, &str)| Label {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    pairs.iter().map(label).collect()
}

fn address(number: u32) -> SocketAddr {
    let first = Ipv4Addr::new(10, 244, 0, 1).to_bits();
    SocketAddr::from((Ipv4Addr::from_bits(first + number), 8080))
}

/// The address of a meshed Pod.
fn weighted(number: u32) -> WeightedAddr {
    let name = tls_identity::DnsLikeIdentity {
        name: "default.dst-load.serviceaccount.identity.linkerd.cluster.local".into(),
    };
    WeightedAddr {
        addr: Some(address(number).into()),
        weight: 10_000,
        metric_labels: labels(&[
            ("control_plane_ns", "linkerd"),
            ("deployment", "test-service-1"),
            ("pod", &format!("test-service-1-6f7d8c9b4d-{number:05x}")),
            ("pod_template_hash", "6f7d8c9b4d"),
            ("serviceaccount", "default"),
            ("zone", "zone-1"),
            ("zone_locality", "local"),
        ]),
        tls_identity: Some(TlsIdentity {
            server_name: Some(name.clone()),
            strategy: Some(tls_identity::Strategy::DnsLikeIdentity(name)),
        }),
        protocol_hint: Some(ProtocolHint {
            opaque_transport: Some(protocol_hint::OpaqueTransport { inbound_port: 4143 }),
            protocol: Some(protocol_hint::Protocol::H2(protocol_hint::H2 {})),
        }),
        http2: Some(Http2ClientParams {
            keep_alive: Some(http2_client_params::KeepAlive {
                interval: Duration::from_secs(10).try_into().ok(),
                timeout: Duration::from_secs(3).try_into().ok(),
                while_idle: true,
            }),
            ..Http2ClientParams::default()
        }),
    }
}

fn addition(addresses: u32) -> Vec<u8> {
    let set = WeightedAddrSet {
        addrs: (0..addresses).map(weighted).collect(),
        metric_labels: labels(&[("namespace", "dst-load"), ("service", "test-service-1")]),
    };
    Addition { add: Some(set) }.encode_to_vec()
}

fn removal(addresses: u32) -> Vec<u8> {
    let addrs = (0..addresses).map(address).map(Into::into).collect();
    pb::Update {
        update: Some(pb::update::Update::Remove(AddrSet { addrs })),
    }
    .encode_to_vec()
}

fn ours(message: &[u8]) -> Update {
    let update = decode::update(message).expect("invariant: an encoder wrote it");
    update.expect("invariant: it adds or removes something")
}

fn theirs(message: &[u8]) -> pb::Update {
    pb::Update::decode(message).expect("invariant: an encoder wrote it")
}

/// Both read all of the addresses, and ours the Pods' names.
fn check(message: &[u8], addresses: u32) {
    let wanted = addresses as usize;
    match (ours(message), theirs(message).update) {
        (Update::Add(ours), Some(pb::update::Update::Add(theirs))) => {
            assert_eq!((ours.len(), theirs.addrs.len()), (wanted, wanted));
            assert!(ours.iter().all(|it| it.pod.is_some()));
        }
        (Update::Remove(ours), Some(pb::update::Update::Remove(theirs))) => {
            assert_eq!((ours.len(), theirs.addrs.len()), (wanted, wanted));
        }
        read => panic!("they do not agree: {read:?}"),
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let messages = [
        ("add", 1, addition(1)),
        ("add", 10, addition(10)),
        ("add", 100, addition(100)),
        ("remove", 100, removal(100)),
    ];
    for (kind, addresses, message) in messages {
        check(&message, addresses);
        group.throughput(Throughput::Elements(addresses.into()));
        let id = |who: &str| BenchmarkId::new(format!("{kind}/{who}"), addresses);
        group.bench_with_input(id("ours"), &message, |bencher, message| {
            bencher.iter(|| ours(black_box(message)));
        });
        group.bench_with_input(id("linkerd2-proxy-api"), &message, |bencher, message| {
            bencher.iter(|| theirs(black_box(message)));
        });
    }
    group.finish();
}
