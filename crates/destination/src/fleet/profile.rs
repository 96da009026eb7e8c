//! The `GetProfile` streams that a proxy holds beside a `Get` stream: one by its Service's
//! ClusterIP, and one by the address of an endpoint.
//!
//! They are only counted: they load the controller as a proxy's would, and none of what they say
//! is read. Names are never asked for, since a proxy asks for addresses only (and some names end
//! the controller's process).

use std::{net::SocketAddr, sync::Arc};

use dst_load_oracle::ledger::{ClusterIp, LockedLedger};
use dst_load_recording::recording::ProfileCounts;
use dst_load_scenario::scenario;
use dst_load_transport::world::Grpc;
use tokio::sync::SetOnce;

use super::{Link, Shared, StreamSlot, limits::LastActivity};
use crate::{
    ending,
    stream::{self, Method, request},
};

/// What is asked about.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// The Service, by its ClusterIP.
    Service,
    /// An endpoint that the `Get` stream holds; set once it holds any.
    Endpoint(Arc<SetOnce<()>>),
}

/// One `GetProfile` stream through all its lives.
pub(super) struct Profile {
    pub(super) shared: Arc<Shared>,
    pub(super) grpc: Grpc,
    pub(super) link: Arc<Link>,
    pub(super) token: Arc<str>,
    /// The `Get` stream that it stands beside.
    pub(super) slot: StreamSlot,
    pub(super) about: About,
}

/// Why one life ended.
enum Ended {
    /// A proxy would have ended it.
    Limit,
    Unexpected(ending::Ended),
}

// === impl Profile ===

impl Profile {
    /// Lives until it is dropped as the fleet closes, or there is nothing to ask about.
    pub(super) async fn run(self) {
        if matches!(self.about, About::Service) && self.locked().cluster_ip() == ClusterIp::Absent {
            return;
        }
        self.count(|profiles| profiles.requested += 1);
        self.shared.wait_for_turn(self.slot.order).await;
        if let About::Endpoint(held) = &self.about {
            held.wait().await;
        }
        let mut delays = self.shared.delays("profile", &self.name());
        let mut life = 0_u64;
        loop {
            let mut received = false;
            match self.address() {
                // It may be made, or have endpoints again, later.
                Address::Unknown => {}
                Address::Absent => return,
                Address::At(address) => {
                    self.count(|profiles| {
                        if life == 0 {
                            profiles.opened += 1;
                        } else {
                            profiles.reopened += 1;
                        }
                    });
                    life += 1;
                    let ended;
                    (received, ended) = self.live(address).await;
                    if self.is_over(&ended) {
                        return;
                    }
                }
            }
            if received {
                delays.reset();
            }
            tokio::time::sleep(delays.next_delay()).await;
        }
    }

    /// One life; whether anything was received in it.
    async fn live(&self, address: SocketAddr) -> (bool, Ended) {
        let clock = self.shared.clock;
        let sent = clock.now();
        let (activity, mut received) = (LastActivity::default(), false);
        let read = stream::read(
            self.grpc.clone(),
            Method::GetProfile,
            clock,
            request(&address.to_string(), &self.token),
            |headers| self.shared.answered(&self.link, headers),
            |at, _| {
                activity.note(at);
                received = true;
                self.count(|profiles| profiles.messages += 1);
                Ok(())
            },
        );
        let limited = self.shared.config.lifecycle == scenario::Lifecycle::Proxy;
        let ended = tokio::select! {
            biased;
            ended = read => Ended::Unexpected(ended),
            _ = activity.limit(clock, sent), if limited => Ended::Limit,
        };
        (received, ended)
    }

    /// Counts an end; whether it is for good.
    fn is_over(&self, ended: &Ended) -> bool {
        let Ended::Unexpected(ended) = ended else {
            self.count(|profiles| profiles.closed += 1);
            return false;
        };
        let ending = ended.ending();
        self.count(|profiles| match (ending.error(), ending.code()) {
            (Some(name), _) => *profiles.errors.entry(name.into_owned()).or_default() += 1,
            (None, Some(_)) => profiles.ended_ok += 1,
            (None, None) => profiles.drained += 1,
        });
        tracing::debug!(
            name = self.name(),
            cause = ?ending.what,
            message = ending.message,
            "profile ended"
        );
        ending.is_refusal()
    }

    fn address(&self) -> Address {
        let locked = self.locked();
        match &self.about {
            About::Service => match locked.cluster_ip() {
                ClusterIp::Unknown => Address::Unknown,
                ClusterIp::Absent => Address::Absent,
                ClusterIp::At(ip) => Address::At(SocketAddr::new(ip, locked.service.port)),
            },
            About::Endpoint(_) => locked
                .with(|ledger| ledger.any_held(self.slot.stream))
                .map_or(Address::Unknown, Address::At),
        }
    }

    fn count(&self, with: impl FnOnce(&mut ProfileCounts)) {
        self.shared
            .counters
            .count(|streams| with(&mut streams.profiles));
    }

    fn locked(&self) -> &LockedLedger {
        self.shared.locked(self.slot)
    }

    fn name(&self) -> String {
        let about = match self.about {
            About::Service => "service",
            About::Endpoint(_) => "endpoint",
        };
        format!(
            "{}/{}/{about}",
            self.locked().service.authority,
            self.slot.stream
        )
    }
}

/// Where what is asked about is.
enum Address {
    Unknown,
    /// It has none, and never will.
    Absent,
    At(SocketAddr),
}
