//! What the streams beside `Get` are about, and how they ask.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use dst_load_oracle::ledger::{ClusterIp, LockedLedger, StreamId};
use dst_load_recording::recording::{HeldCounts, HeldKind, StreamCounts};
use linkerd2_proxy_api::{
    inbound::PortSpec,
    net::TcpAddress,
    outbound::{TrafficSpec, traffic_spec::Target},
};
use tokio::sync::SetOnce;
use tonic::Code;

use crate::stream::{Identity, Method, framed, request};

/// What a stream is about.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// The profile of the Service, by its ClusterIP.
    Service,
    /// The profile of an endpoint that the `Get` stream has.
    Endpoint {
        /// Set once the stream has had one.
        held: Arc<SetOnce<()>>,
        /// Whether those of Services with a ClusterIP are asked for too, by which applications reach
        /// them otherwise.
        of_every_service: bool,
    },
    /// The profile of the Service, by its name. Never of an instance: a name of an endpoint without
    /// a pod ends Linkerd's process.
    Name,
    /// The policy towards the Service, by its ClusterIP.
    Outbound,
    /// The policy of the client's own pod, at the Service's port.
    Inbound,
}

/// A virtual client, as it says who it is.
#[derive(Debug)]
pub(super) struct Asker {
    /// The context token of the Destination API.
    pub(super) token: Arc<str>,
    /// The workload of the policy API.
    workload: String,
    /// Its name.
    pub(super) pod: String,
}

/// What to send.
pub(super) enum Ask {
    /// What it is about is not known yet.
    NotYet,
    /// Nothing: what it is about does not exist, and never will.
    Never,
    /// This.
    With(Bytes),
}

/// Whether the methods of the policy API are implemented, as their first answers say.
#[derive(Debug, Default)]
pub(super) struct Served {
    outbound: OnceLock<bool>,
    inbound: OnceLock<bool>,
}

// === impl Subject ===

impl Subject {
    pub(super) const fn kind(&self) -> HeldKind {
        match self {
            Self::Service => HeldKind::Service,
            Self::Endpoint { .. } => HeldKind::Endpoint,
            Self::Name => HeldKind::Name,
            Self::Outbound => HeldKind::Outbound,
            Self::Inbound => HeldKind::Inbound,
        }
    }

    pub(super) const fn method(&self) -> Method {
        match self {
            Self::Service | Self::Endpoint { .. } | Self::Name => Method::GetProfile,
            Self::Outbound => Method::WatchOutbound,
            Self::Inbound => Method::WatchInbound,
        }
    }

    pub(super) const fn counts<'a>(&self, streams: &'a mut StreamCounts) -> &'a mut HeldCounts {
        match self {
            Self::Service | Self::Endpoint { .. } | Self::Name => &mut streams.profiles,
            Self::Outbound | Self::Inbound => &mut streams.policies,
        }
    }

    /// Whether a proxy takes this code for an answer, in addition to those that it never asks again after:
    /// that there is no policy towards an address.
    pub(super) const fn is_refused_with(&self, code: Option<Code>) -> bool {
        matches!(self, Self::Outbound) && matches!(code, Some(Code::NotFound | Code::Unimplemented))
    }

    /// What `asker` sends about this Service, or about an endpoint that a stream of its holds.
    pub(super) fn ask(&self, locked: &LockedLedger, stream: StreamId, asker: &Asker) -> Ask {
        let service = &locked.service;
        let profile = |of: &str| Ask::With(request(of, &asker.token));
        let by_ip = |ask: &dyn Fn(SocketAddr) -> Ask| match locked.cluster_ip() {
            ClusterIp::Unknown => Ask::NotYet,
            ClusterIp::Absent => Ask::Never,
            ClusterIp::At(ip) => ask(SocketAddr::new(ip, service.port)),
        };
        match self {
            Self::Service => by_ip(&|address| profile(&address.to_string())),
            Self::Endpoint {
                of_every_service, ..
            } => match locked.cluster_ip() {
                ClusterIp::At(_) if !of_every_service => Ask::Never,
                ClusterIp::Unknown if !of_every_service => Ask::NotYet,
                ClusterIp::At(_) | ClusterIp::Unknown | ClusterIp::Absent => locked
                    .with(|ledger| ledger.any_held(stream))
                    .map_or(Ask::NotYet, |address| profile(&address.to_string())),
            },
            Self::Name => {
                let name = format!("{}.{}.svc.", service.name, service.namespace);
                if service.authority.starts_with(&name) {
                    profile(&service.authority)
                } else {
                    Ask::Never
                }
            }
            Self::Outbound => by_ip(&|address| {
                Ask::With(framed(&TrafficSpec {
                    source_workload: asker.workload.clone(),
                    target: Some(Target::Addr(TcpAddress::from(address))),
                }))
            }),
            Self::Inbound => Ask::With(framed(&PortSpec {
                workload: asker.workload.clone(),
                port: service.port.into(),
            })),
        }
    }
}

// === impl Asker ===

impl Asker {
    /// The client of this identity. It asks for the inbound policy of `pod`, if that is given, or of
    /// its own.
    pub(super) fn new(identity: &Identity, pod: Option<&str>) -> Self {
        let workload = serde_json::json!({
            "ns": identity.namespace,
            "pod": pod.unwrap_or(&identity.pod),
        });
        Self {
            token: identity.token().into(),
            workload: workload.to_string(),
            pod: identity.pod.clone(),
        }
    }
}

// === impl Served ===

impl Served {
    /// An answer came, or the server said that there is no such method. The first one counts: a
    /// server that has answered once has the method.
    pub(super) fn note(&self, kind: HeldKind, served: bool) {
        if let Some(of_kind) = self.of(kind) {
            of_kind.get_or_init(|| served);
        }
    }

    /// Whether this is implemented, as far as that is known.
    pub(super) fn get(&self, kind: HeldKind) -> Option<bool> {
        self.of(kind)?.get().copied()
    }

    const fn of(&self, kind: HeldKind) -> Option<&OnceLock<bool>> {
        match kind {
            HeldKind::Service | HeldKind::Endpoint | HeldKind::Name => None,
            HeldKind::Outbound => Some(&self.outbound),
            HeldKind::Inbound => Some(&self.inbound),
        }
    }
}
