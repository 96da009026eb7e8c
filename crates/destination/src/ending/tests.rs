//! Whose end it was, and its name, for errors that are made by hand.

use bytes::Bytes;
use futures::future;

use super::*;

/// How a stream ends that is sent small frames without end, and reads none of them until its
/// connection has ended.
async fn unread() -> h2::Error {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let server = tokio::spawn(async move {
        let mut connection = h2::server::handshake(theirs).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut stream = respond
            .send_response(http::Response::new(()), false)
            .unwrap();
        while stream.send_data(Bytes::from_static(b"x"), false).is_ok() {
            // Sends what there is, and notices the end.
            let ended = future::poll_fn(|cx| connection.poll_closed(cx));
            if tokio::time::timeout(Duration::from_micros(1), ended)
                .await
                .is_ok()
            {
                break;
            }
        }
    });
    let (send, connection) = h2::client::Builder::new()
        .initial_connection_window_size(64 * 1024)
        .handshake::<_, Bytes>(ours)
        .await
        .unwrap();
    let ended = tokio::spawn(connection);
    let request = http::Request::post("http://destination/").body(()).unwrap();
    let (response, _) = send
        .ready()
        .await
        .unwrap()
        .send_request(request, true)
        .unwrap();
    let response = response.await;
    let _ = ended.await.unwrap();
    server.abort();
    let mut body = match response {
        Ok(response) => response.into_body(),
        Err(error) => return error,
    };
    loop {
        if let Err(error) = body.data().await.unwrap() {
            return error;
        }
    }
}

#[tokio::test]
async fn a_flood_that_nobody_read_is_a_limit_of_our_own() {
    let error = unread().await;
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM), "{error:?}");
    let error = TransportError::Http2 {
        error,
        goaway: None,
    };
    let ending = Ending::of(&Status::from_error(Box::new(error)));
    assert_eq!(ending.by(), EndedBy::Us);
    assert_eq!(ending.error().unwrap(), OWN_LIMIT);
    assert!(ending.ends_connection());
}

#[test]
fn a_status_that_the_server_sent_keeps_its_code() {
    for (code, error) in [
        (Code::Ok, None),
        (Code::NotFound, Some("NotFound")),
        (Code::ResourceExhausted, Some("ResourceExhausted")),
        (Code::Cancelled, Some("Cancelled")),
    ] {
        let ending = Ending::of(&Status::new(code, "the server says"));
        assert_eq!(
            (ending.error().as_deref(), ending.code()),
            (error, Some(code))
        );
        assert_eq!(ending.by(), EndedBy::Destination);
        assert!(!ending.ends_connection());
    }
}

#[test]
fn a_machine_without_sockets_accuses_no_destination() {
    use rustix::io::Errno;
    let unconnected = |errno: Errno| {
        let error = Arc::new(io::Error::from_raw_os_error(errno.raw_os_error()));
        let error = TransportError::Unconnected { error };
        Ending::of(&Status::from_error(Box::new(error)))
    };
    for errno in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL] {
        let ending = unconnected(errno);
        assert_eq!(ending.by(), EndedBy::Us, "{errno}");
        assert_eq!(ending.error().unwrap(), OWN_SOCKETS);
    }
    for (errno, name) in [
        (Errno::CONNREFUSED, "cannot connect (connection refused)"),
        (Errno::TIMEDOUT, "cannot connect (timed out)"),
        (Errno::HOSTUNREACH, "cannot connect (host unreachable)"),
    ] {
        let ending = unconnected(errno);
        assert_eq!(ending.by(), EndedBy::Destination, "{errno}");
        assert_eq!(ending.error().unwrap(), name);
    }
}
