//! Streams that nobody reads, beside streams that are read: what fills which windows.

use dst_load_scenario::{quantity::Bytes, scenario::Reader};

use super::{
    server::{Act, Drainable},
    *,
};
use crate::ending::What;

/// Clients that read, with a stream each.
const READING: u64 = 6;
const SIDECAR: ClientPath = ClientPath::Sidecar { identities: 1 };
/// A proxy's windows: of a stream, and of the connection.
const STREAM: u64 = 65_535;
const CONNECTION: u64 = 1024 * 1024;
/// More than a stream's window holds.
const POUR: usize = 16;
/// For how long nothing must come: it would come at once.
const SILENCE: Duration = Duration::from_millis(300);

/// Streams that are read and so many that are not, all open and all with a snapshot.
async fn opened(server: &Drainable, stalled: u64, path: ClientPath, reader: Reader) -> Streams {
    let (address, all) = (&server.address, READING + stalled);
    let streams = Streams::open_by(address, all, 1, path, Some((stalled, reader)));
    streams.held(usize::try_from(READING).unwrap()).await;
    streams
        .until("all open", |counts| {
            counts.stalled.opened == stalled && counts.stalled.bytes > 0
        })
        .await;
    let accepted = async {
        while server.streams().iter().sum::<usize>() < usize::try_from(all).unwrap() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, accepted)
        .await
        .expect("all were accepted");
    streams
}

/// Waits until streams that are read have had so many messages each.
async fn read(streams: &Streams, each: usize) -> bool {
    let all = READING * each as u64;
    let come = async {
        while streams.counters.messages(0) < all {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, come).await.is_ok()
}

/// What the stalled ones have taken of windows.
fn taken(streams: &Streams) -> u64 {
    streams.counts().stalled.bytes
}

fn nothing_ended(streams: &Streams) {
    let counts = streams.counts();
    assert_eq!(counts.stalled.open(), counts.stalled.opened);
    assert_eq!((counts.unexpected_resets(), counts.errors.len()), (0, 0));
}

#[tokio::test]
async fn twelve_that_nobody_reads_stop_themselves_and_nobody_else() {
    let server = Drainable::start().await;
    let streams = opened(&server, 12, SIDECAR, Reader::Never).await;
    assert_eq!(server.streams(), [18], "all are on one connection");
    server.tell(Act::Pour(POUR), usize::MAX);
    assert!(read(&streams, 1 + POUR).await);
    streams
        .until("full", |counts| counts.stalled.bytes == 12 * STREAM)
        .await;
    server.tell(Act::Update, usize::MAX);
    assert!(read(&streams, 2 + POUR).await);
    assert_eq!(taken(&streams), 12 * STREAM);
    nothing_ended(&streams);
    streams.fleet.close().await;
}

#[tokio::test]
async fn twenty_and_forty_stop_all_streams_of_their_connection_without_an_error() {
    for stalled in [20, 40] {
        let server = Drainable::start().await;
        let streams = opened(&server, stalled, SIDECAR, Reader::Never).await;
        server.tell(Act::Pour(POUR), usize::MAX);
        // Nothing is left of the connection's window, and nobody will open it again.
        streams
            .until("full", |counts| counts.stalled.bytes == CONNECTION)
            .await;
        let before = streams.counters.messages(0);
        server.tell(Act::Update, usize::MAX);
        tokio::time::sleep(SILENCE).await;
        assert_eq!(streams.counters.messages(0), before, "{stalled}");
        assert!(before < READING * (2 + POUR as u64));
        assert_eq!(taken(&streams), CONNECTION);
        nothing_ended(&streams);
        streams.fleet.close().await;
    }
}

#[tokio::test]
async fn past_the_sidecar_forty_stop_nobody() {
    let server = Drainable::start().await;
    let streams = opened(&server, 40, ClientPath::Direct, Reader::Never).await;
    assert_eq!(
        server.streams(),
        [1; 46],
        "each has a connection of its own"
    );
    server.tell(Act::Pour(POUR), usize::MAX);
    assert!(read(&streams, 1 + POUR).await);
    server.tell(Act::Update, usize::MAX);
    assert!(read(&streams, 2 + POUR).await);
    nothing_ended(&streams);
    streams.fleet.close().await;
}

#[tokio::test]
async fn identities_share_no_windows() {
    let server = Drainable::start().await;
    let path = ClientPath::Sidecar { identities: 2 };
    let streams = opened(&server, 20, path, Reader::Never).await;
    assert_eq!(server.streams(), [13, 13]);
    server.tell(Act::Pour(POUR), usize::MAX);
    assert!(read(&streams, 1 + POUR).await);
    nothing_ended(&streams);
    streams.fleet.close().await;
}

#[tokio::test]
async fn a_trickle_opens_the_windows_again() {
    let server = Drainable::start().await;
    let rate = Bytes(1 << 20);
    let streams = opened(&server, 20, SIDECAR, Reader::Trickle { rate }).await;
    server.tell(Act::Pour(POUR), usize::MAX);
    assert!(read(&streams, 1 + POUR).await);
    streams
        .until("more than the window", |counts| {
            counts.stalled.bytes > CONNECTION + 20 * STREAM / 2
        })
        .await;
    nothing_ended(&streams);
    streams.fleet.close().await;
}

/// The most that a server of one stream, with a message of so many bytes, was let send at once.
async fn sent_at_once(socket: tokio::net::TcpStream, bytes: usize) -> usize {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    let driven = tokio::spawn(async move { while connection.accept().await.is_some() {} });
    let head = http::Response::builder().header("content-type", "application/grpc");
    let mut send = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    let (mut left, mut most) = (bytes, 0);
    while left > 0 {
        send.reserve_capacity(left);
        let room = std::future::poll_fn(|cx| send.poll_capacity(cx)).await;
        let room = room.unwrap().unwrap();
        most = most.max(room);
        let data = vec![0; room.min(left)];
        left -= data.len();
        send.send_data(data.into(), false).unwrap();
    }
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    send.send_trailers(trailers).unwrap();
    drop(send);
    driven.await.unwrap();
    most
}

#[tokio::test]
async fn small_windows_let_little_be_sent_ahead_and_take_everything() {
    const MESSAGE: usize = 100_000;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for (lifecycle, window) in [(Lifecycle::Eternal, 1_024), (Lifecycle::Proxy, 7)] {
        let grpc = dial(&address, lifecycle).unwrap();
        let (grpc, accepted) = tokio::join!(grpc(Some(window)), listener.accept());
        let serving = tokio::spawn(sent_at_once(accepted.unwrap().0, MESSAGE));
        let mut came = 0;
        let ended = crate::stream::stall(
            grpc.unwrap(),
            bytes::Bytes::new(),
            Reader::SmallWindows { window },
            |_| {},
            |bytes| came += bytes,
        )
        .await;
        assert_eq!(ended.ending().what, What::Status(tonic::Code::Ok));
        drop(ended);
        assert_eq!(came, MESSAGE);
        assert_eq!(serving.await.unwrap(), usize::from(window));
    }
}
