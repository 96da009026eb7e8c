//! Outsiders that are slow, many, large, or all of it.

use std::net::SocketAddr;

use axum::{Extension, routing::get};
use bytes::Bytes;
use futures::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpStream,
    time::Instant,
};

use super::*;

const LIVE: &[u8] = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n";
/// Larger than any buffer on the way.
const LARGE: usize = 1 << 20;

fn routes() -> Router {
    let endless = || async {
        let lines = stream::pending::<Result<Bytes, Infallible>>();
        (Extension(Endless), Body::from_stream(lines))
    };
    Router::new()
        .route("/live", get(|| async { "live\n" }))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/events", get(endless))
}

/// A server of [`routes`] with at most so many connections, on a socket.
async fn start(most: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, routes(), most, std::future::pending()));
    address
}

/// One connection to a server of [`routes`], in memory.
fn open() -> DuplexStream {
    let (near, far) = duplex(1024);
    tokio::spawn(connection(far, routes(), Connections::new(16).open()));
    near
}

/// All that is said until the end, and after how long that is.
async fn until_closed(mut stream: impl AsyncRead + Unpin) -> (String, Duration) {
    let start = Instant::now();
    let mut text = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut text).await;
    (String::from_utf8_lossy(&text).into_owned(), start.elapsed())
}

async fn answer_of(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_beside_slow_connections() {
    for (slow, most) in [(400, 16), (2_000, 64)] {
        let address = start(most).await;
        let mut held = Vec::new();
        for number in 0..slow {
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Some say nothing, some a part of a head, some wait on after an answer.
            let said = [&b""[..], b"GET /li", LIVE][number % 3];
            // One that had to give way already takes nothing.
            let _ = stream.write_all(said).await;
            held.push(stream);
        }
        let start = Instant::now();
        for _ in 0..5 {
            assert_eq!(answer_of(address, LIVE).await, "HTTP/1.1 200");
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{slow} of {most}");
        // All but as many as there may be are closed.
        let mut open = 0;
        for mut stream in held {
            let closed = tokio::time::timeout(Duration::ZERO, until_closed(&mut stream)).await;
            open += usize::from(closed.is_err());
        }
        assert!(open <= most, "{open} of {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time() {
    for said in [&b""[..], b"GET /live HTTP/1.1\r\nHost", LIVE] {
        let mut stream = open();
        stream.write_all(said).await.unwrap();
        let (_, after) = until_closed(stream).await;
        assert!(
            after >= HEAD_TIMEOUT && after < HEAD_TIMEOUT * 2,
            "{after:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_has_no_longer_time() {
    let (reader, mut writer) = tokio::io::split(open());
    let drip = async {
        while writer.write_all(b"G").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    };
    let ((_, after), ()) = tokio::join!(until_closed(reader), drip);
    assert!(
        after >= HEAD_TIMEOUT && after < HEAD_TIMEOUT * 2,
        "{after:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_takes_no_byte_of_a_response_is_left() {
    let mut stream = open();
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let start = Instant::now();
    tokio::time::sleep(WRITE_TIMEOUT / 2).await;
    // This makes it longer: it goes on, if slowly.
    stream.read_exact(&mut [0; 512]).await.unwrap();
    tokio::time::sleep(WRITE_TIMEOUT * 3 / 4).await;
    assert!(
        stream.write_all(b" ").await.is_ok(),
        "{:?}",
        start.elapsed()
    );
    tokio::time::sleep(WRITE_TIMEOUT).await;
    assert!(stream.write_all(b" ").await.is_err());
    let (rest, _) = until_closed(stream).await;
    assert!(rest.len() < LARGE, "{}", rest.len());
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let address = start(16).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let write = async {
        let head = format!("GET /live HTTP/1.1\r\nX: {}", "x".repeat(LARGE));
        // It is not read to its end.
        let _ = writer.write_all(head.as_bytes()).await;
    };
    let ((answer, _), ()) = tokio::join!(until_closed(reader), write);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(answer_of(address, LIVE).await, "HTTP/1.1 200");
}

#[tokio::test(start_paused = true)]
async fn a_head_larger_than_the_limit_is_refused_by_its_status() {
    let mut stream = open();
    let head = format!(
        "GET /live HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(LARGEST_HEAD)
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let (answer, _) = until_closed(stream).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_not_waited_for() {
    let mut stream = open();
    let head = b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx";
    stream.write_all(head).await.unwrap();
    let (answer, after) = until_closed(stream).await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert_eq!(after, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_half_that_is_closed_holds_nothing() {
    for said in [
        &b"GET /li"[..],
        LIVE,
        b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = open();
        stream.write_all(said).await.unwrap();
        stream.shutdown().await.unwrap();
        let (answer, after) = until_closed(stream).await;
        assert_eq!(after, Duration::ZERO, "{answer}");
    }
}

#[tokio::test]
async fn responses_without_an_end_have_a_number_of_their_own() {
    let address = start(8).await;
    let events = b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut readers = Vec::new();
    for expected in [200, 200, 200, 200, 503] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(events).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(answer, format!("HTTP/1.1 {expected}"));
        readers.push(stream);
    }
    // However many others come, the readers stay.
    for _ in 0..20 {
        assert_eq!(answer_of(address, LIVE).await, "HTTP/1.1 200");
    }
    for reader in &mut readers[..4] {
        let closed = tokio::time::timeout(Duration::from_millis(1), until_closed(reader)).await;
        assert!(closed.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_end_connections_have_a_second() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, routes(), 16, async { drop(stopped.await) }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    stop.send(()).unwrap();
    let start = Instant::now();
    server.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), GRACE.as_secs());
    assert!(TcpStream::connect(address).await.is_err());
}
