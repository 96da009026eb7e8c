//! Every way in which a stream ends: whose it is, its name, and whether criteria count it.

use bytes::Bytes;
use dst_load_oracle::ledger::EndedBy;
use h2::Reason;

use super::{
    server::{End, ends_first, first_request, framed, says, serve, update},
    *,
};

/// How an end is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// A reset, and an error by this name.
    Error(&'static str),
    /// A reset without an error.
    Ok,
    /// Neither: the Service may come to exist.
    NotFound,
}

const UNAVAILABLE: &[(&str, &str)] = &[("grpc-status", "14"), ("grpc-message", "busy")];

fn with_status(code: &'static str) -> &'static [(&'static str, &'static str)] {
    match code {
        "0" => &[("grpc-status", "0")],
        "1" => &[("grpc-status", "1")],
        "5" => &[("grpc-status", "5")],
        "99" => &[("grpc-status", "99")],
        _ => &[],
    }
}

/// A message that says it has so many bytes.
fn long(length: u32) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(length.to_be_bytes());
    bytes.into()
}

fn ends() -> Vec<(End, Counted)> {
    use Counted::{Error, NotFound, Ok};
    let reset = |reason, name| (End::Reset(reason), Error(name));
    let data = |bytes, name| (End::Data(bytes), Error(name));
    vec![
        (
            End::NoTrailers,
            Error("protocol violation: end without trailers"),
        ),
        (End::Trailers(with_status("0")), Ok),
        (End::Trailers(with_status("5")), NotFound),
        (End::Trailers(with_status("1")), Error("Cancelled")),
        (End::Trailers(UNAVAILABLE), Error("Unavailable")),
        (
            End::Trailers(&[("x", "y")]),
            Error("protocol violation: no grpc-status"),
        ),
        (
            End::Trailers(with_status("99")),
            Error("protocol violation: invalid grpc-status"),
        ),
        (End::Head(200, UNAVAILABLE), Error("Unavailable")),
        (End::Head(200, with_status("0")), Ok),
        (End::Head(200, with_status("5")), NotFound),
        (End::Head(503, &[]), Error("HTTP status 503")),
        (End::Head(503, UNAVAILABLE), Error("Unavailable")),
        (End::Head(404, &[]), Error("HTTP status 404")),
        (
            End::Head(200, &[]),
            Error("protocol violation: end without trailers"),
        ),
        reset(Reason::CANCEL, "reset by peer (RST_STREAM CANCEL)"),
        reset(Reason::NO_ERROR, "reset by peer (RST_STREAM NO_ERROR)"),
        reset(
            Reason::INTERNAL_ERROR,
            "reset by peer (RST_STREAM INTERNAL_ERROR)",
        ),
        reset(
            Reason::REFUSED_STREAM,
            "reset by peer (RST_STREAM REFUSED_STREAM)",
        ),
        reset(
            Reason::ENHANCE_YOUR_CALM,
            "reset by peer (RST_STREAM ENHANCE_YOUR_CALM)",
        ),
        (
            End::GoAway(Reason::ENHANCE_YOUR_CALM),
            Error("connection closed by peer (GOAWAY ENHANCE_YOUR_CALM)"),
        ),
        (
            End::GoAway(Reason::INTERNAL_ERROR),
            Error("connection closed by peer (GOAWAY INTERNAL_ERROR)"),
        ),
        (End::Close, Error("connection closed")),
        (End::Abort, Error("connection reset")),
        data(framed(1, b"zip"), "protocol violation: compressed message"),
        data(
            Bytes::from_static(b"<html>"),
            "protocol violation: no gRPC message",
        ),
        data(long(1 << 31), "protocol violation: message too large"),
        data(
            framed(0, b"\xff\xff\xff"),
            "protocol violation: undecodable update",
        ),
        data(
            update(1).slice(..9),
            "protocol violation: truncated message",
        ),
        data(long(4), "protocol violation: truncated message"),
    ]
}

#[tokio::test]
async fn every_end_has_a_name_and_is_the_servers() {
    for (end, counted) in ends() {
        let name = format!("{end:?}");
        let ending = ending(&ends_first(end).await).await;
        let expected = match counted {
            Counted::Error(name) => Some(name),
            Counted::Ok => None,
            Counted::NotFound => Some("NotFound"),
        };
        assert_eq!(ending.error().as_deref(), expected, "{name}");
        assert_eq!(ending.by(), EndedBy::Destination, "{name}");
        assert!(!ending.is_refusal(), "{name}");
    }
}

#[tokio::test]
async fn every_end_is_counted_once_and_the_stream_is_opened_again() {
    let all = ends().into_iter().map(|(end, counted)| async move {
        let name = format!("{end:?}");
        let connection_ends = matches!(end, End::GoAway(_) | End::Close | End::Abort);
        let streams = Streams::open(&ends_first(end).await, 1, 1);
        streams.until("opened again", |it| it.reopened == 1).await;
        streams.held(1).await;
        let counts = streams.counts();
        let (errors, ok, not_found) = match counted {
            Counted::Error(name) => (vec![name], 0, 0),
            Counted::Ok => (vec![], 1, 0),
            Counted::NotFound => (vec![], 0, 1),
        };
        assert_eq!(counts.errors.keys().collect::<Vec<_>>(), errors, "{name}");
        let seen = (counts.ended_ok, counts.not_found, counts.drained);
        assert_eq!(seen, (ok, not_found, 0), "{name}");
        let resets = errors.len() as u64 + ok;
        assert_eq!(counts.unexpected_resets(), resets, "{name}");
        assert_eq!(counts.foreign_errors(), errors.len() as u64, "{name}");
        let lost = u64::from(connection_ends);
        assert_eq!(streams.counters.connections_lost(), lost, "{name}");
        streams.fleet.close().await;
    });
    futures::future::join_all(all).await;
}

#[tokio::test]
async fn what_is_no_http2_is_a_violation_and_not_a_status() {
    let alert: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";
    // Settings, then data on the connection itself.
    let data: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'x'];
    for (bytes, name) in [
        (alert, "protocol violation: HTTP/2 FRAME_SIZE_ERROR"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "protocol violation: HTTP/2 FRAME_SIZE_ERROR",
        ),
        (data, "protocol violation: HTTP/2 PROTOCOL_ERROR"),
    ] {
        let address = serve(move |mut socket, _| {
            Box::pin(async move {
                first_request(&mut socket).await;
                says(socket, bytes).await;
            })
        });
        let ending = ending(&address.await).await;
        assert_eq!(ending.error().unwrap(), name);
        assert_eq!(ending.by(), EndedBy::Destination);
        assert!(ending.ends_connection());
    }
}

#[tokio::test]
async fn a_server_that_closes_at_once_is_asked_again_and_again() {
    let address = serve(|socket, _| Box::pin(async move { drop(socket) })).await;
    let streams = Streams::open(&address, 1, 1);
    streams.until("tried again", |it| it.reopened >= 3).await;
    let counts = streams.counts();
    let closed = ["connection closed", "connection reset"];
    assert!(
        counts
            .errors
            .keys()
            .all(|name| closed.contains(&name.as_str())),
        "{counts:?}"
    );
    assert!(counts.foreign_errors() >= 3);
    streams.fleet.close().await;
}

#[tokio::test]
async fn a_server_that_never_answers_ends_nothing() {
    let address = serve(|socket, _| Box::pin(says(socket, &[]))).await;
    let streams = Streams::open(&address, 1, 2);
    streams.until("sent", |it| it.opened == 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let counts = streams.counts();
    let expected = StreamCounts {
        opened: 2,
        ..StreamCounts::default()
    };
    assert_eq!(counts, expected);
    assert_eq!(streams.counters.active(), 2);
    streams.fleet.close().await;
}

#[tokio::test]
async fn a_server_that_went_away_is_tried_until_it_is_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let streams = Streams::open(&address.to_string(), 1, 3);
    drop(listener.accept().await.unwrap());
    drop(listener);
    let refused = "cannot connect (connection refused)";
    let tried = |it: &StreamCounts| it.errors.get(refused) >= Some(&6);
    streams.until("refused", tried).await;
    // Whoever could not connect lost no connection.
    assert_eq!(streams.counters.connections_lost(), 1);
    assert_eq!(streams.counters.active(), 0);
    streams.fleet.close().await;
}
