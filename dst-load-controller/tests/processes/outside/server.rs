//! Servers that say whatever the test wants.

use std::{convert::Infallible, net::SocketAddr, sync::LazyLock};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{net::TcpListener, runtime::Runtime};

/// Where servers of the tests live; they end with the process.
static SERVERS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Answers requests of HTTP/1.1 and HTTP/2 so, at a free port of loopback.
pub(crate) fn serve(
    answer: impl Fn(&Request<Incoming>) -> Response<String> + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let listener = SERVERS
        .block_on(TcpListener::bind(("127.0.0.1", 0)))
        .unwrap();
    let address = listener.local_addr().unwrap();
    SERVERS.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let response = answer(&request).map(|body| Full::new(Bytes::from(body)));
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // Whoever hangs up has had what they wanted.
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    address
}

/// Answers every request so.
pub(crate) fn always(status: u16, body: impl Into<String>) -> SocketAddr {
    let body = body.into();
    serve(move |_| {
        Response::builder()
            .status(status)
            .body(body.clone())
            .unwrap()
    })
}

/// Ends every stream with this gRPC status.
pub(crate) fn grpc(code: u8, message: &str) -> SocketAddr {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    let message: String = message
        .bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    serve(move |_| {
        Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", code.to_string())
            .header("grpc-message", &message)
            .body(String::new())
            .unwrap()
    })
}
