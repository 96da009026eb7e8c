//! The embedded cluster on a listener, and the kubeconfig that leads to it.

use std::{net::SocketAddr, time::Duration};

use dst_load_transport::listen::{accept, http::HEAD_TIMEOUT, preface::Preface};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// After how long without a frame an HTTP/2 client is asked whether it is still there, and how long
/// it has to answer.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// Serves a router in plain text, over HTTP/1.1 and HTTP/2 with prior knowledge, until `cancel`.
///
/// Connections are closed when it returns, and when it is dropped. Their number has no limit: a load
/// test opens thousands. A client that does not send a request in time is not waited for.
pub async fn serve(listener: TcpListener, router: axum::Router, cancel: CancellationToken) {
    let serve = |stream| connection(stream, router.clone());
    let mut connections = accept(listener, cancel.cancelled(), || {}, serve).await;
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, router: axum::Router) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    let stream = TokioIo::new(Preface::expect(stream));
    let connection = server.serve_connection(stream, TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the embedded API has failed");
    }
}

/// A kubeconfig for the API served at `address`, for kubectl and client-go.
#[must_use]
pub fn kubeconfig(address: SocketAddr) -> String {
    kubeconfig_of(&[("sandbox", address)])
}

/// A kubeconfig for several APIs, with a context for each name; the first is the current one.
#[must_use]
pub fn kubeconfig_of(clusters: &[(&str, SocketAddr)]) -> String {
    let part = |each: &dyn Fn(&str, SocketAddr) -> String| -> String {
        clusters
            .iter()
            .map(|(name, address)| each(name, *address))
            .collect()
    };
    let all = part(&|name, address| {
        format!("- name: {name}\n  cluster:\n    server: http://{address}\n")
    });
    let users = part(&|name, _| format!("- name: {name}\n  user: {{}}\n"));
    let contexts = part(&|name, _| {
        format!(
            "- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\n    \
             namespace: default\n"
        )
    });
    let current = clusters.first().map_or("", |(name, _)| name);
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n{all}users:\n{users}contexts:\n{contexts}\
         current-context: {current}\n"
    )
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::post};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::timeout,
    };

    use super::*;
    use crate::kubernetes::api::body;

    /// Whether a connection that says this, and no more, is closed within a minute; and the answer.
    async fn closed(said: &[u8]) -> (bool, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let read = |request| async {
            body::read(request)
                .await
                .map_err(|it| it.code().to_string())
        };
        let routes = Router::new().route("/", post(read));
        tokio::spawn(serve(listener, routes, CancellationToken::new()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let closed = timeout(Duration::from_secs(60), read).await.is_ok();
        (closed, String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_has_its_time() {
        for said in [
            &b""[..],
            b"PRI * HTTP/2.0",
            b"GET / HTTP/1.1\r\nHost: x\r\nAccept: a long one",
        ] {
            assert!(closed(said).await.0, "{said:?}");
        }
        let body = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
        let (closed, answer) = closed(body).await;
        assert!(closed && answer.contains("400"), "{answer}");
    }
}
