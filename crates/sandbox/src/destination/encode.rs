//! Updates as the bytes that go over the wire: encoded once for all streams that are told the same.
//!
//! The messages that hold labels are written out here with sorted maps, which are the same on the
//! wire: the generated types hold hash maps, whose order differs from process to process. Nothing
//! here decodes.

pub(crate) mod policy;
pub(crate) mod profile;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use linkerd2_proxy_api::{
    destination::{
        AddrSet, Http2ClientParams, ProtocolHint, TlsIdentity, http2_client_params, protocol_hint,
        tls_identity,
    },
    net::TcpAddress,
};
use prost::Message;

use super::{
    endpoint::{Endpoint, PodTarget},
    objects::ObjectName,
    pod::Reach,
};

const WEIGHT: u32 = 10_000;

/// What one event adds and removes for everybody who is told the same.
#[derive(Debug)]
pub(crate) struct Diff {
    pub(crate) add: Vec<Arc<Endpoint>>,
    pub(crate) remove: Vec<SocketAddr>,
    service: ObjectName,
    /// The zone of the listeners' node, `""` when it is not known.
    zone: String,
    frames: OnceLock<Frames>,
}

/// The messages of a [`Diff`], each with its gRPC frame; the addition goes first.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    pub(crate) add: Option<Bytes>,
    pub(crate) remove: Option<Bytes>,
}

// === impl Diff ===

impl Diff {
    /// A difference for listeners in `zone`.
    pub(crate) fn new(
        service: ObjectName,
        zone: &str,
        add: Vec<Arc<Endpoint>>,
        remove: Vec<SocketAddr>,
    ) -> Self {
        Self {
            add,
            remove,
            service,
            zone: zone.to_owned(),
            frames: OnceLock::new(),
        }
    }

    /// The messages, encoded when first asked for.
    pub(crate) fn frames(&self) -> &Frames {
        self.frames.get_or_init(|| Frames {
            add: (!self.add.is_empty()).then(|| add(&self.service, &self.zone, &self.add)),
            remove: (!self.remove.is_empty()).then(|| remove(&self.remove)),
        })
    }
}

/// An `add` with its frame.
pub(crate) fn add(service: &ObjectName, zone: &str, endpoints: &[Arc<Endpoint>]) -> Bytes {
    let set = WeightedAddrSet {
        addrs: (endpoints.iter())
            .map(|endpoint| WeightedAddr::new(endpoint, zone))
            .collect(),
        metric_labels: Labels::from([
            ("namespace".to_owned(), service.namespace.clone()),
            ("service".to_owned(), service.name.clone()),
        ]),
    };
    frame(&Update {
        add: Some(set),
        remove: None,
    })
}

/// A `remove` with its frame.
pub(crate) fn remove(addrs: &[SocketAddr]) -> Bytes {
    let addrs = addrs.iter().copied().map(TcpAddress::from).collect();
    frame(&Update {
        add: None,
        remove: Some(AddrSet { addrs }),
    })
}

/// gRPC's length-prefixed message: one byte of flags (not compressed), four of length.
fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut buffer = BytesMut::with_capacity(length + 5);
    buffer.put_u8(0);
    buffer.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    buffer.put_slice(&message.encode_to_vec());
    buffer.freeze()
}

/// Metric labels.
type Labels = BTreeMap<String, String>;

#[derive(Clone, PartialEq, Message)]
struct Update {
    #[prost(message, optional, tag = "1")]
    add: Option<WeightedAddrSet>,
    #[prost(message, optional, tag = "2")]
    remove: Option<AddrSet>,
}

#[derive(Clone, PartialEq, Message)]
struct WeightedAddrSet {
    #[prost(message, repeated, tag = "1")]
    addrs: Vec<WeightedAddr>,
    #[prost(btree_map = "string, string", tag = "2")]
    metric_labels: Labels,
}

#[derive(Clone, PartialEq, Message)]
struct WeightedAddr {
    #[prost(message, optional, tag = "1")]
    addr: Option<TcpAddress>,
    #[prost(uint32, tag = "3")]
    weight: u32,
    #[prost(btree_map = "string, string", tag = "4")]
    metric_labels: Labels,
    #[prost(message, optional, tag = "5")]
    tls_identity: Option<TlsIdentity>,
    #[prost(message, optional, tag = "6")]
    protocol_hint: Option<ProtocolHint>,
    #[prost(message, optional, tag = "8")]
    http2: Option<Http2ClientParams>,
}

// === impl WeightedAddr ===

impl WeightedAddr {
    fn new(endpoint: &Endpoint, zone: &str) -> Self {
        let mut message = Self {
            addr: Some(endpoint.addr.into()),
            weight: WEIGHT,
            metric_labels: labels(endpoint, zone),
            ..Self::default()
        };
        let pod = endpoint.target.as_ref().and_then(|it| it.pod.as_deref());
        let reach = pod.map_or(Reach::Plain, |pod| pod.reach(endpoint.addr.port()));
        if let Reach::Meshed {
            identity,
            opaque,
            inbound,
        } = reach
        {
            message.tls_identity = identity.map(dns_like);
            message.protocol_hint = Some(ProtocolHint {
                opaque_transport: inbound.map(|port| protocol_hint::OpaqueTransport {
                    inbound_port: port.into(),
                }),
                protocol: Some(if opaque {
                    protocol_hint::Protocol::Opaque(protocol_hint::Opaque {})
                } else {
                    protocol_hint::Protocol::H2(protocol_hint::H2 {})
                }),
            });
            message.http2 = Some(meshed_http2());
        }
        message
    }
}

/// The metric labels of one address.
fn labels(endpoint: &Endpoint, zone: &str) -> Labels {
    let Some(PodTarget { name, pod }) = &endpoint.target else {
        return Labels::from([("zone_locality".to_owned(), "unknown".to_owned())]);
    };
    let locality = match (endpoint.zone.as_str(), zone) {
        ("", _) | (_, "") => "unknown",
        (theirs, ours) if theirs == ours => "local",
        _ => "remote",
    };
    let mut labels = match pod {
        Some(pod) => pod.labels.clone(),
        None => Labels::from([("pod".to_owned(), name.name.clone())]),
    };
    labels.insert("zone".to_owned(), endpoint.zone.clone());
    labels.insert("zone_locality".to_owned(), locality.to_owned());
    labels
}

fn dns_like(name: String) -> TlsIdentity {
    TlsIdentity {
        server_name: Some(tls_identity::DnsLikeIdentity { name: name.clone() }),
        strategy: Some(tls_identity::Strategy::DnsLikeIdentity(
            tls_identity::DnsLikeIdentity { name },
        )),
    }
}

/// The parameters that Linkerd's chart sets for connections to meshed Pods.
fn meshed_http2() -> Http2ClientParams {
    Http2ClientParams {
        keep_alive: Some(http2_client_params::KeepAlive {
            interval: Duration::from_secs(10).try_into().ok(),
            timeout: Duration::from_secs(3).try_into().ok(),
            while_idle: true,
        }),
        ..Http2ClientParams::default()
    }
}
