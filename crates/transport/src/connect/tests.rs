//! Claims about proxies, with ones that say what they were asked. Real sockets: the handshake is the
//! point.

use std::net::SocketAddr;

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;
use crate::http::{self, Address};

/// A proxy that takes one connection.
async fn proxy<F>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, JoinHandle<String>)
where
    F: Future<Output = String> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    (address, served)
}

/// The head of a request.
async fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A proxy that answers with `answer` and echoes what follows.
async fn answering(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    proxy(move |mut socket| async move {
        let asked = head(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        let mut word = [0; 4];
        if socket.read_exact(&mut word).await.is_ok() {
            socket.write_all(&word).await.unwrap();
        }
        asked
    })
    .await
}

fn through(proxy: &str) -> Connector {
    Connector::through(Proxy::parse(proxy, "").unwrap())
}

async fn echoes(mut connector: Connector, to: &str) -> Result<(), String> {
    let stream = connector.call(to.parse().unwrap()).await;
    let mut stream = TokioIo::new(stream.map_err(|error| error.to_string())?);
    stream.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"ping");
    Ok(())
}

#[tokio::test]
async fn plain_http_is_forwarded_and_says_who_asks() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (at, asked) = answering(answer).await;
    let http = http::by(through(&format!("http://me:s3cret@{at}")));
    let address = Address::parse("http://prometheus.corp:9090/metrics?x=1", "").unwrap();
    let response = http::get(&http, &address).await.unwrap();
    assert_eq!(response.status(), 200);
    drop((response, http));
    let asked = asked.await.unwrap().to_lowercase();
    assert!(
        asked.starts_with("get http://prometheus.corp:9090/metrics?x=1 http/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("proxy-authorization: basic bwu6cznjcmv0\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn what_needs_tls_goes_through_a_tunnel() {
    let (at, asked) = answering("HTTP/1.1 200 Connection established\r\n\r\n").await;
    let connector = through(&format!("http://me:s3cret@{at}"));
    echoes(connector, "https://api.corp:6443/").await.unwrap();
    let asked = asked.await.unwrap();
    assert!(
        asked.starts_with("CONNECT api.corp:6443 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("Proxy-Authorization: Basic bWU6czNjcmV0\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn socks_is_given_the_name() {
    let (at, asked) = proxy(|mut socket| async move {
        let mut bytes = [0; 3];
        socket.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, [5, 1, 2]);
        socket.write_all(&[5, 2]).await.unwrap();
        let mut user = [0; 11];
        socket.read_exact(&mut user).await.unwrap();
        assert_eq!(&user, b"\x01\x02me\x06s3cret");
        socket.write_all(&[1, 0]).await.unwrap();
        let mut request = [0; 5];
        socket.read_exact(&mut request).await.unwrap();
        let mut name = vec![0; usize::from(request[4])];
        socket.read_exact(&mut name).await.unwrap();
        let port = socket.read_u16().await.unwrap();
        socket
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        let mut word = [0; 4];
        socket.read_exact(&mut word).await.unwrap();
        socket.write_all(&word).await.unwrap();
        format!("{}:{port}", String::from_utf8(name).unwrap())
    })
    .await;
    // Its default port is that of the scheme, which the crate takes for 443.
    let connector = through(&format!("socks5://me:s3cret@{at}"));
    echoes(connector, "http://api.corp/").await.unwrap();
    assert_eq!(asked.await.unwrap(), "api.corp:80");
}

#[tokio::test]
async fn a_proxy_that_will_not_is_named_without_its_password() {
    for (answer, cause) in [
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "tunnel error: unsuccessful",
        ),
        (
            "HTTP/1.1 407 Who\r\n\r\n",
            "tunnel error: proxy authorization required",
        ),
        ("nonsense\r\n\r\n", "tunnel error: unsuccessful"),
    ] {
        let (at, _) = answering(answer).await;
        let failed = echoes(through(&format!("http://me:s3cret@{at}")), "https://a:1/").await;
        assert_eq!(failed, Err(format!("proxy http://{at}: {cause}")));
    }
    let failed = echoes(through("http://me:s3cret@127.0.0.1:1"), "https://a:1/").await;
    let failed = failed.unwrap_err();
    assert!(
        failed.starts_with("proxy http://127.0.0.1:1: Connection refused"),
        "{failed}"
    );
}
