//! A real connection that goes silent: a proxy before the API server stops forwarding what one watch
//! is sent, and keeps the socket open.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use dst_load_scenario::action::{Action, Verb};
use dst_load_transport::cluster::Cluster;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

use super::*;

/// What the proxy does, and what it has seen.
#[derive(Default)]
struct Proxy {
    /// Nothing of a watch of EndpointSlices that is under way now is forwarded any more.
    silenced: AtomicU64,
    /// Nor of any later one.
    all: AtomicBool,
    /// Watches of EndpointSlices so far.
    watches: AtomicU64,
}

// === impl Proxy ===

impl Proxy {
    async fn serve(self: Arc<Self>, listener: TcpListener, upstream: SocketAddr) -> Infallible {
        let mut connections = JoinSet::new();
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(upstream).await.unwrap();
            let ((from_client, to_client), (from_server, to_server)) =
                (near.into_split(), far.into_split());
            // The number of the watch on this connection; 0 where there is none.
            let watch = Arc::new(AtomicU64::new(0));
            connections.spawn(Arc::clone(&self).up(from_client, to_server, Arc::clone(&watch)));
            connections.spawn(Arc::clone(&self).down(from_server, to_client, watch));
        }
    }

    async fn up(
        self: Arc<Self>,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        watch: Arc<AtomicU64>,
    ) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let head = String::from_utf8_lossy(&buffer[..count]);
            if head.contains("/endpointslices?watch=1") {
                let number = self.watches.fetch_add(1, Ordering::Relaxed) + 1;
                watch.store(number, Ordering::Relaxed);
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }

    async fn down(
        self: Arc<Self>,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        watch: Arc<AtomicU64>,
    ) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let number = watch.load(Ordering::Relaxed);
            let silenced = self.silenced.load(Ordering::Relaxed);
            let all = silenced > 0 && self.all.load(Ordering::Relaxed);
            if number > 0 && (all || number <= silenced) {
                // The socket stays open.
                std::future::pending::<()>().await;
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }
}

/// What a client says that only watches while one Service is scaled three times, and whose watch of
/// EndpointSlices goes silent before the second; with `all`, every later one too. How many such
/// watches there were.
async fn watched_through_a_proxy(all: bool) -> (Report, u64) {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config {
        pod_start: (SECOND / 10, SECOND / 5),
        ..kubernetes::Config::default()
    });
    let destination = destination(&kubernetes);
    let clock = Clock::start();
    let scenario = scenario();
    let actor = actor(&kubernetes, clock, &scenario);
    actor.prepare().await.unwrap();
    let act = async |service, verb| {
        let (intended, cycle) = (clock.now(), 0);
        let action = Action {
            intended,
            service,
            cycle,
            verb,
        };
        actor.act(&action).await.result.unwrap();
    };
    for service in 0..2 {
        act(service, Verb::Create { endpoints: 3 }).await;
    }
    tokio::time::sleep(SECOND).await;

    let listen = || TcpListener::bind(("127.0.0.1", 0));
    let (api, near) = (listen().await.unwrap(), listen().await.unwrap());
    let upstream = api.local_addr().unwrap();
    let url = format!("http://{}", near.local_addr().unwrap());
    let cancel = CancellationToken::new();
    let serve = kubernetes::serve::serve(api, kubernetes.router(), cancel.clone());
    let proxy = Arc::new(Proxy::default());
    proxy.all.store(all, Ordering::Relaxed);
    let cluster = Cluster::from(kube::Config::new(url.parse().unwrap()));
    let world = World {
        kube: cluster.factory(),
        ..world(&kubernetes, &destination)
    };
    let stop = CancellationToken::new();
    let config = SessionConfig {
        watch_silence: 2 * SECOND,
        ..session(world)
    };
    let alone = (None, WatchUntil::Stopped);
    let client = client(config, alone, stop.clone(), Vec::new());
    let story = async {
        tokio::time::sleep(2 * SECOND).await;
        act(0, Verb::Scale { from: 3, to: 6 }).await;
        tokio::time::sleep(SECOND).await;
        let under_way = proxy.watches.load(Ordering::Relaxed);
        proxy.silenced.store(under_way, Ordering::Relaxed);
        act(0, Verb::Scale { from: 6, to: 12 }).await;
        tokio::time::sleep(4 * SECOND).await;
        act(0, Verb::Scale { from: 12, to: 9 }).await;
        tokio::time::sleep(SECOND).await;
        stop.cancel();
    };
    let work = async { tokio::join!(client.run(header()), story).0 };
    let ended = tokio::select! {
        ended = work => ended,
        () = serve => unreachable!("it is not cancelled"),
        never = Arc::clone(&proxy).serve(near, upstream) => match never {},
    };
    ended.unwrap();
    let report = report_of(&client);
    destination.shutdown().await;
    kubernetes.shutdown().await;
    (report, proxy.watches.load(Ordering::Relaxed))
}

fn assert_accuses_nobody(report: &Report) {
    assert_ne!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    let correct = &report.correctness;
    assert_eq!((correct.streams_checked, correct.streams_wrong), (10, 0));
    let advice = &report.recommendations;
    assert!(
        advice.iter().all(|it| !it.contains("to an issue")),
        "{advice:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_goes_silent_is_replaced_and_accuses_nobody() {
    let (report, watches) = watched_through_a_proxy(false).await;
    assert_accuses_nobody(&report);
    assert!(watches >= 2, "{watches}");
    let observer = &report.observer;
    assert_eq!(observer.verified, Some(true), "{observer:?}");
    // What was missed came when it was resumed.
    assert!(observer.blind_since_seconds.is_some(), "{observer:?}");
    let errors = &report.kubernetes.errors;
    assert!(errors["watch: silent for 2s"] > 0, "{errors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_every_watch_goes_silent_the_end_state_is_judged_by_a_list() {
    let (report, watches) = watched_through_a_proxy(true).await;
    assert_accuses_nobody(&report);
    assert!(watches >= 2, "{watches}");
    let observer = &report.observer;
    assert_eq!(observer.verified, Some(false), "{observer:?}");
    assert!(observer.differing_objects > 0, "{observer:?}");
}
