//! Whole updates, with everything that the API has and some that it has not, in any order.
//!
//! A submessage that is no list is never written twice: the format wants two of them merged, no
//! library writes that, and our decoding takes the last. Nor are bytes made up that no encoder
//! writes: labels and all that is not measured are passed over unopened, so that ours reads some
//! messages that the full decoding refuses (a name that is not UTF-8, a number where a message
//! should be), which is harmless.

use linkerd2_proxy_api::meta;
use prost::{
    bytes::BufMut,
    encoding::{WireType, encode_key, encode_varint},
};

use super::*;

/// Encoded fields of one message: in whatever order they are put together, they say the same.
type Fields = Vec<Vec<u8>>;

fn delimited(field: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_key(field, WireType::LengthDelimited, &mut bytes);
    encode_varint(content.len() as u64, &mut bytes);
    bytes.put_slice(content);
    bytes
}

/// These fields in any order.
fn shuffled(fields: Fields) -> impl Strategy<Value = Vec<u8>> {
    Just(fields)
        .prop_shuffle()
        .prop_map(|fields| fields.concat())
}

/// Fields that the API does not have yet, of every kind.
fn unknown() -> impl Strategy<Value = Fields> {
    let value = prop_oneof![
        any::<u64>().prop_map(|number| {
            let mut bytes = Vec::new();
            encode_varint(number, &mut bytes);
            (WireType::Varint, bytes)
        }),
        any::<[u8; 4]>().prop_map(|bytes| (WireType::ThirtyTwoBit, bytes.into())),
        any::<[u8; 8]>().prop_map(|bytes| (WireType::SixtyFourBit, bytes.into())),
        proptest::collection::vec(any::<u8>(), 0..20)
            .prop_map(|bytes| (WireType::LengthDelimited, bytes)),
        Just((WireType::StartGroup, Vec::new())),
    ];
    let field = (100_u32..1 << 29, value).prop_map(|(field, (wire_type, value))| {
        if wire_type == WireType::LengthDelimited {
            return delimited(field, &value);
        }
        let mut bytes = Vec::new();
        encode_key(field, wire_type, &mut bytes);
        bytes.put_slice(&value);
        if wire_type == WireType::StartGroup {
            encode_key(field, WireType::EndGroup, &mut bytes);
        }
        bytes
    });
    proptest::collection::vec(field, 0..3)
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))),
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()),
    ]
}

/// A `TcpAddress`, sometimes without an IP, or without a port.
fn tcp_address() -> impl Strategy<Value = Vec<u8>> {
    let ip = proptest::option::weighted(0.9, ip());
    let fields = (ip, any::<u16>(), unknown()).prop_map(|(ip, port, mut fields)| {
        let parts = [
            net::TcpAddress {
                ip: ip.map(Into::into),
                port: 0,
            },
            net::TcpAddress {
                ip: None,
                port: port.into(),
            },
        ];
        fields.extend(parts.iter().map(Message::encode_to_vec));
        fields
    });
    fields.prop_flat_map(shuffled)
}

/// An entry of a map; an empty name or value is not written.
fn label() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        2 => Just("pod".to_owned()),
        1 => proptest::sample::select(vec![
            "", "p", "po", "pox", "pods", "Pod", "pod_template_hash", "zone", "zone_locality",
        ]).prop_map(str::to_owned),
        1 => ".{0,20}",
        // Lengths that take two bytes.
        1 => "[a-z]{120,140}",
    ];
    let fields = (name, ".{0,40}", unknown()).prop_map(|(name, value, mut fields)| {
        if !name.is_empty() {
            fields.push(delimited(1, name.as_bytes()));
        }
        if !value.is_empty() {
            fields.push(delimited(2, value.as_bytes()));
        }
        fields
    });
    fields.prop_flat_map(shuffled)
}

fn labels(field: u32) -> impl Strategy<Value = Fields> {
    let label = label().prop_map(move |label| delimited(field, &label));
    proptest::collection::vec(label, 0..10)
}

fn tls_identity() -> impl Strategy<Value = pb::TlsIdentity> {
    use pb::tls_identity::{DnsLikeIdentity, Strategy as By, UriLikeIdentity};
    let by = prop_oneof![
        ".{0,40}".prop_map(|name| By::DnsLikeIdentity(DnsLikeIdentity { name })),
        ".{0,40}".prop_map(|uri| By::UriLikeIdentity(UriLikeIdentity { uri })),
    ];
    let name = proptest::option::of(".{0,40}".prop_map(|name| DnsLikeIdentity { name }));
    let parts = (proptest::option::of(by), name);
    parts.prop_map(|(strategy, server_name)| pb::TlsIdentity {
        strategy,
        server_name,
    })
}

fn protocol_hint() -> impl Strategy<Value = pb::ProtocolHint> {
    use pb::protocol_hint::{H2, Opaque, OpaqueTransport, Protocol};
    let protocol = proptest::sample::select(vec![
        None,
        Some(Protocol::H2(H2 {})),
        Some(Protocol::Opaque(Opaque {})),
    ]);
    let port = any::<u32>().prop_map(|inbound_port| OpaqueTransport { inbound_port });
    let parts = (proptest::option::of(port), protocol);
    parts.prop_map(|(opaque_transport, protocol)| pb::ProtocolHint {
        opaque_transport,
        protocol,
    })
}

fn http2() -> impl Strategy<Value = pb::Http2ClientParams> {
    use pb::http2_client_params::{FlowControl, Internals, KeepAlive};
    let duration = any::<std::time::Duration>().prop_map(|duration| duration.try_into().ok());
    let flow_control =
        any::<(u32, u32, bool)>().prop_map(|(connection, stream, adaptive)| FlowControl {
            initial_connection_window_size: connection,
            initial_stream_window_size: stream,
            adaptive_flow_control: adaptive,
        });
    let keep_alive =
        (duration.clone(), duration, any::<bool>()).prop_map(|(interval, timeout, while_idle)| {
            KeepAlive {
                interval,
                timeout,
                while_idle,
            }
        });
    let internals = any::<(u32, u32, u32)>().prop_map(|(resets, frame, buffer)| Internals {
        max_concurrent_reset_streams: resets,
        max_frame_size: frame,
        max_send_buf_size: buffer,
    });
    let parts = (
        proptest::option::of(flow_control),
        proptest::option::of(keep_alive),
        proptest::option::of(internals),
    );
    parts.prop_map(
        |(flow_control, keep_alive, internals)| pb::Http2ClientParams {
            flow_control,
            keep_alive,
            internals,
        },
    )
}

fn metadata() -> impl Strategy<Value = meta::Metadata> {
    let resource = (".{0,10}", ".{0,10}", ".{0,40}", any::<u32>());
    let kind = prop_oneof![
        ".{0,20}".prop_map(meta::metadata::Kind::Default),
        resource.prop_map(|(kind, namespace, name, port)| {
            meta::metadata::Kind::Resource(meta::Resource {
                kind,
                namespace,
                name,
                port,
                ..meta::Resource::default()
            })
        }),
    ];
    proptest::option::of(kind).prop_map(|kind| meta::Metadata { kind })
}

/// A `WeightedAddr`, sometimes without an address.
fn weighted_address() -> impl Strategy<Value = Vec<u8>> {
    let rest = (
        any::<u32>(),
        proptest::option::of(tls_identity()),
        proptest::option::of(protocol_hint()),
        proptest::option::of(".{0,40}"),
        proptest::option::of(http2()),
        proptest::option::of(metadata()),
    );
    let address = proptest::option::weighted(0.9, tcp_address());
    let fields = (address, labels(4), rest, unknown()).prop_map(
        |(
            address,
            labels,
            (weight, tls_identity, protocol_hint, authority, http2, resource),
            unknown,
        )| {
            let bare = pb::WeightedAddr::default;
            let authority_override =
                authority.map(|authority_override| pb::AuthorityOverride { authority_override });
            let parts = [
                pb::WeightedAddr { weight, ..bare() },
                pb::WeightedAddr {
                    tls_identity,
                    ..bare()
                },
                pb::WeightedAddr {
                    protocol_hint,
                    ..bare()
                },
                pb::WeightedAddr {
                    authority_override,
                    ..bare()
                },
                pb::WeightedAddr { http2, ..bare() },
                pb::WeightedAddr {
                    resource_ref: resource,
                    ..bare()
                },
            ];
            let parts = parts.iter().map(Message::encode_to_vec);
            let address = address.map(|address| delimited(1, &address));
            (address
                .into_iter()
                .chain(labels)
                .chain(parts)
                .chain(unknown))
            .collect()
        },
    );
    fields.prop_flat_map(shuffled)
}

/// A whole message of these addresses, which are the field 1 of its set, with the rest of the set
/// in any place among them.
fn message(
    kind: u32,
    addresses: &[Vec<u8>],
    rest: Fields,
) -> impl Strategy<Value = Vec<u8>> + use<> {
    let addresses = addresses.iter().map(|address| delimited(1, address));
    let set = shuffled(addresses.chain(rest).collect());
    (set, unknown()).prop_flat_map(move |(set, mut fields)| {
        fields.push(delimited(kind, &set));
        shuffled(fields)
    })
}

const ADD: u32 = 1;
const REMOVE: u32 = 2;

/// An addition, and how many addresses it has, those without an IP among them.
fn addition() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let addresses = proptest::collection::vec(weighted_address(), 0..8);
    (addresses, labels(2), unknown()).prop_flat_map(|(addresses, labels, unknown)| {
        let rest = labels.into_iter().chain(unknown).collect();
        (message(ADD, &addresses, rest), Just(addresses.len()))
    })
}

/// A removal, and how many addresses it has.
fn removal() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let addresses = proptest::collection::vec(tcp_address(), 0..8);
    (addresses, unknown()).prop_flat_map(|(addresses, unknown)| {
        (message(REMOVE, &addresses, unknown), Just(addresses.len()))
    })
}

/// A part of what it begins with.
fn cut(whole: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (whole, any::<proptest::sample::Index>()).prop_map(|(mut bytes, at)| {
        bytes.truncate(at.index(bytes.len() + 1));
        bytes
    })
}

/// Messages that are cut somewhere: at the end, or where nothing around it tells, within an address.
fn cut_short() -> impl Strategy<Value = Vec<u8>> {
    let within = |kind, cut: Vec<u8>, whole: Vec<u8>| message(kind, &[cut, whole], Fields::new());
    prop_oneof![
        cut(addition().prop_map(|(bytes, _)| bytes)),
        cut(removal().prop_map(|(bytes, _)| bytes)),
        (cut(weighted_address()), weighted_address())
            .prop_flat_map(move |(cut, whole)| within(ADD, cut, whole)),
        (cut(tcp_address()), tcp_address())
            .prop_flat_map(move |(cut, whole)| within(REMOVE, cut, whole)),
        (cut(tcp_address()), weighted_address())
            .prop_flat_map(move |(cut, whole)| { within(ADD, delimited(1, &cut), whole) }),
    ]
}

proptest! {
    #[test]
    fn a_whole_addition_is_read_as_the_full_decoding_reads_it((bytes, addresses) in addition()) {
        let full = pb::Update::decode(&bytes[..]).unwrap().update;
        let Some(pb::update::Update::Add(set)) = full else { panic!("{full:?}") };
        prop_assert_eq!(set.addrs.len(), addresses);
        prop_assert_eq!(update(&bytes).unwrap(), fully(&bytes).unwrap());
    }

    #[test]
    fn a_whole_removal_is_read_as_the_full_decoding_reads_it((bytes, addresses) in removal()) {
        let full = pb::Update::decode(&bytes[..]).unwrap().update;
        let Some(pb::update::Update::Remove(set)) = full else { panic!("{full:?}") };
        prop_assert_eq!(set.addrs.len(), addresses);
        prop_assert_eq!(update(&bytes).unwrap(), fully(&bytes).unwrap());
    }

    /// What the full decoding refuses, ours may read: see above.
    #[test]
    fn what_is_cut_short_is_never_read_as_something_else(bytes in cut_short()) {
        let ours = update(&bytes);
        if let Ok(full) = fully(&bytes) {
            prop_assert_eq!(ours.unwrap(), full);
        }
    }
}
