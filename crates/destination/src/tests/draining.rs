//! Graceful GOAWAY: nobody's fault, until a stream that might have run on is killed.

use h2::Reason;

use super::{
    server::{Act, Drainable, first_request, says, serve},
    *,
};

const CLIENTS: usize = 10;
const EACH: usize = 4;
const ALL: u64 = (CLIENTS * EACH) as u64;

/// A server with 40 streams on ten connections, all of which it has begun to leave. The streams run
/// on: each has had another update since.
async fn drained() -> (Drainable, Streams) {
    let server = Drainable::start().await;
    let streams = Streams::open(&server.address, CLIENTS as u64, EACH as u32);
    streams.held(CLIENTS * EACH).await;
    server.tell(Act::Drain, CLIENTS);
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.tell(Act::Update, CLIENTS);
    let messages = || {
        let outbox = streams.ledgers.all()[0].take(streams.clock.now());
        outbox.counts.messages
    };
    let mut heard = 0;
    let all = async {
        while heard < 2 * ALL {
            heard += messages();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(LONG, all).await;
    assert!(waited.is_ok(), "{heard} messages, {:?}", streams.counts());
    let counts = streams.counts();
    assert_eq!((counts.reopened, counts.unexpected_resets()), (0, 0));
    assert_eq!(server.streams(), [EACH; CLIENTS], "no connection is new");
    (server, streams)
}

#[tokio::test]
async fn streams_run_on_and_those_that_end_in_order_are_no_resets() {
    let (server, streams) = drained().await;
    server.tell(Act::Finish, CLIENTS);
    streams.until("opened again", |it| it.reopened == ALL).await;
    streams.held(CLIENTS * EACH).await;
    let counts = streams.counts();
    assert_eq!((counts.drained, counts.unexpected_resets()), (ALL, 0));
    assert!(counts.errors.is_empty(), "{counts:?}");
    assert_eq!(streams.counters.connections_lost(), 0);
    assert_eq!(server.streams(), [EACH; 2 * CLIENTS], "ten new connections");
    let lifetimes = streams
        .counters
        .connection_lifetimes(|all| all.ended().count());
    assert_eq!(lifetimes, CLIENTS as u64);
    streams.fleet.close().await;
}

#[tokio::test]
async fn one_that_is_opened_again_uses_a_new_connection_while_the_others_run_on() {
    let (server, streams) = drained().await;
    server.tell(Act::FinishFirst, CLIENTS);
    streams
        .until("opened again", |it| it.reopened == CLIENTS as u64)
        .await;
    streams.held(CLIENTS * EACH).await;
    let mut expected = vec![EACH; CLIENTS];
    expected.extend([1; CLIENTS]);
    assert_eq!(server.streams(), expected);
    // The rest follows on the connections that are there by now.
    server.tell(Act::Finish, CLIENTS);
    streams.until("opened again", |it| it.reopened == ALL).await;
    streams.held(CLIENTS * EACH).await;
    expected.truncate(CLIENTS);
    expected.extend([EACH; CLIENTS]);
    assert_eq!(server.streams(), expected);
    let counts = streams.counts();
    assert_eq!((counts.drained, counts.unexpected_resets()), (ALL, 0));
    streams.fleet.close().await;
}

#[tokio::test]
async fn streams_that_might_have_run_on_and_are_killed_are_resets() {
    for (act, name, lost) in [
        (Act::Cut, "connection closed", CLIENTS),
        (
            Act::Reset(Reason::CANCEL),
            "reset by peer (RST_STREAM CANCEL)",
            0,
        ),
    ] {
        let (server, streams) = drained().await;
        server.tell(act, CLIENTS);
        streams.until("opened again", |it| it.reopened == ALL).await;
        streams.held(CLIENTS * EACH).await;
        let counts = streams.counts();
        assert_eq!(counts.errors, [(name.to_owned(), ALL)].into());
        assert_eq!((counts.drained, counts.unexpected_resets()), (0, ALL));
        assert_eq!(streams.counters.connections_lost(), lost as u64);
        streams.fleet.close().await;
    }
}

#[tokio::test]
async fn an_end_just_before_the_goaway_that_explains_it_is_no_reset() {
    for (drains, resets) in [(true, 0), (false, ALL)] {
        let server = Drainable::start().await;
        let streams = Streams::open(&server.address, CLIENTS as u64, EACH as u32);
        streams.held(CLIENTS * EACH).await;
        server.tell(Act::Finish, CLIENTS);
        tokio::time::sleep(Duration::from_millis(10)).await;
        if drains {
            server.tell(Act::Drain, CLIENTS);
        }
        streams.until("opened again", |it| it.reopened == ALL).await;
        streams.held(CLIENTS * EACH).await;
        let counts = streams.counts();
        assert_eq!(counts.unexpected_resets(), resets);
        assert_eq!(counts.drained, ALL - resets);
        streams.fleet.close().await;
    }
}

#[tokio::test]
async fn a_stream_that_was_never_processed_is_opened_again_and_is_no_reset() {
    // Settings, and GOAWAY(NO_ERROR) with stream 0 as the last one.
    const GOAWAY: &[u8] = &[
        0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let server = Drainable::start().await;
    let later = server.address.clone();
    let address = serve(move |mut socket, number| {
        let later = later.clone();
        Box::pin(async move {
            if number == 0 {
                first_request(&mut socket).await;
                says(socket, GOAWAY).await;
            } else {
                let mut there = tokio::net::TcpStream::connect(later).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut socket, &mut there).await;
            }
        })
    })
    .await;
    let streams = Streams::open(&address, 1, 1);
    streams.held(1).await;
    let counts = streams.counts();
    assert_eq!((counts.drained, counts.reopened), (1, 1));
    assert_eq!((counts.unexpected_resets(), counts.errors.len()), (0, 0));
    assert_eq!(streams.counters.connections_lost(), 0);
    streams.fleet.close().await;
}
