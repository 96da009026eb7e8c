//! Whether a connection ended by a limit of our own HTTP/2 library.
//!
//! h2 ends a connection on which too many small DATA frames lie unread (below 256 bytes each, more
//! than half the connection's window in all): a guard against floods, which a generator that lags
//! behind would run into. It looks like an error of the destination's and is not.

use tonic::Status;

use crate::model::recording::OWN_LIMIT;

/// What a stream's error is counted as: its gRPC code, unless it is no error of the destination's.
pub(super) fn name(status: &Status) -> String {
    if is_own_limit(status) {
        OWN_LIMIT.to_owned()
    } else {
        format!("{:?}", status.code())
    }
}

/// Whether the stream ended because h2, on this side, gave its connection up.
fn is_own_limit(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_library() && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::future;

    use super::*;

    /// Small frames without end, to a client that reads none of them until its connection ends.
    async fn unread(server_calms: bool) -> h2::Error {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = tokio::spawn(async move {
            let mut connection = h2::server::handshake(theirs).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            if server_calms {
                connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                // How that ends is the client's to say.
                let _ = future::poll_fn(|cx| connection.poll_closed(cx)).await;
                return;
            }
            let mut stream = respond
                .send_response(http::Response::new(()), false)
                .unwrap();
            loop {
                if stream.send_data(Bytes::from_static(b"x"), false).is_err() {
                    break;
                }
                // Sends what there is, and notices the end.
                let ended = future::poll_fn(|cx| connection.poll_closed(cx));
                if tokio::time::timeout(std::time::Duration::from_micros(1), ended)
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
        let body = response.await;
        let ended = ended.await.unwrap();
        server.abort();
        ended.err().or(body.err()).unwrap()
    }

    #[tokio::test]
    async fn whose_doing_it_is_depends_on_who_gave_up() {
        for (server_calms, ours) in [(false, true), (true, false)] {
            let error = unread(server_calms).await;
            assert_eq!(
                error.reason(),
                Some(h2::Reason::ENHANCE_YOUR_CALM),
                "{error:?}"
            );
            let status = Status::from_error(Box::new(error));
            assert_eq!(is_own_limit(&status), ours, "{status:?}");
        }
        assert!(!is_own_limit(&Status::resource_exhausted(
            "the server says"
        )));
    }
}
