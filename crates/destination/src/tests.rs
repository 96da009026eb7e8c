//! Streams over real sockets, to servers that end them in every way there is.

mod draining;
mod endings;
mod server;
mod stalled;

use std::{sync::Arc, time::Duration};

use dst_load_oracle::ledger::{Ledgers, WatchedService};
use dst_load_recording::recording::StreamCounts;
use dst_load_scenario::scenario::{Client, ClientPath, Lifecycle, Reader};
use dst_load_transport::clock::Clock;

use super::{
    counters::StreamCounters,
    dial::{Windows, dial},
    ending::Ending,
    fleet::{Fleet, FleetConfig},
    stream::{self, Method},
};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// How the first stream to this address ends.
async fn ending(address: &str) -> Ending {
    let grpc = dial(address, Lifecycle::Eternal).unwrap()(None)
        .await
        .unwrap();
    let request = stream::request("web.shop.svc.cluster.local:80", "");
    let take = |_, message: &[u8]| match super::decode::update(message) {
        Ok(_) => Ok(()),
        Err(_) => Err(super::ending::Violation("undecodable update")),
    };
    let read = stream::read(grpc, Method::Get, Clock::start(), request, |_| {}, take);
    let ended = tokio::time::timeout(LONG, read).await;
    ended.expect("the stream ends").ending().clone()
}

/// Streams of a fleet, to one address.
struct Streams {
    clock: Clock,
    ledgers: Arc<Ledgers>,
    counters: Arc<StreamCounters>,
    fleet: Fleet,
}

impl Streams {
    /// Opens `clients` × `each` streams.
    fn open(address: &str, clients: u64, each: u32) -> Self {
        Self::open_by(address, clients, each, ClientPath::Direct, None)
    }

    /// The same by this way, some of whose clients do not read.
    fn open_by(
        address: &str,
        clients: u64,
        each: u32,
        path: ClientPath,
        stalled: Option<(u64, Reader)>,
    ) -> Self {
        let clock = Clock::start();
        let services = vec![WatchedService::new("web", "shop", "cluster.local", 80)];
        let ledgers = Arc::new(Ledgers::new(services, Duration::from_secs(30)));
        let counters = Arc::new(StreamCounters::new(1));
        let config = FleetConfig {
            clients,
            connections: None,
            targets: None,
            streams_per_service: each,
            open_rate: 1_000_000,
            max_lifetime: None,
            reset_interval: None,
            connect_timeout: LONG,
            namespace: "clients".into(),
            seed: 1,
            lifecycle: Lifecycle::Eternal,
            profiles: false,
            profile_endpoints: false,
            profile_names: 0,
            policies: None,
            path,
            stalled,
        };
        let windows = Windows::from(&Client {
            path,
            ..Client::default()
        });
        let dial = dial(address, windows).unwrap();
        let fleet = Fleet::open(&ledgers, &counters, clock, vec![dial], None, config, &[]);
        Self {
            clock,
            ledgers,
            counters,
            fleet,
        }
    }

    fn counts(&self) -> StreamCounts {
        self.counters.total()
    }

    /// Waits until `reached` holds of what has been counted.
    async fn until(&self, what: &str, reached: impl Fn(&StreamCounts) -> bool) {
        let all = async {
            while !reached(&self.counts()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(LONG, all).await;
        assert!(waited.is_ok(), "not {what}: {:?}", self.counts());
    }

    /// Waits until all streams have a snapshot.
    async fn held(&self, streams: usize) {
        let all = async {
            while self.ledgers.streams_held() != (streams, streams) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(LONG, all).await;
        assert!(waited.is_ok(), "not held again: {:?}", self.counts());
    }
}
