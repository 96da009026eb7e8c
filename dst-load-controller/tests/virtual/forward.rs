//! A port-forward of our own, against a server that answers as the API server does (one WebSocket
//! a forward, subprotocol `v4.channel.k8s.io`), before a reference destination. Real sockets: the
//! upgrade of the connection is the point.

use std::net::SocketAddr;

use dst_load_destination::{
    forward::{Forward, PodName},
    stream::{Identity, Method, read, request},
};
use dst_load_sandbox::{destination, kubernetes};
use dst_load_scenario::{quantity::Bytes, scenario::Lifecycle};
use dst_load_transport::{
    clock::Clock,
    cluster::Cluster,
    world::{KubeFactory, REFERENCE_HEADER},
};
use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};
use tokio_util::sync::CancellationToken;
use tonic::Code;

const POD: &str = r#"{"metadata": {"name": "destination-0"}, "spec": {"containers": [
    {"name": "destination", "resources": {"limits": {"memory": "250Mi"}}}]}}"#;

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A reference destination, and an API server that forwards to it.
async fn cluster(stop: &CancellationToken) -> KubeFactory {
    let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
    let config = destination::Config {
        seed: 1,
        cluster_domain: "cluster.local".into(),
        queue_capacity: 100,
        ipv6: true,
        faults: Vec::new(),
    };
    let destination = destination::Destination::start(config, kubernetes.client());
    destination.ready().await;
    let (streams, grpc) = listen().await;
    let (metrics, admin) = listen().await;
    let routes = destination.admin();
    tokio::spawn(destination::serve(streams, destination, stop.clone()));
    tokio::spawn(async move { axum::serve(metrics, routes).await });
    let (api, address) = listen().await;
    tokio::spawn(async move {
        // The sandbox ends when nobody has it any more.
        let _kubernetes = kubernetes;
        while let Ok((socket, _)) = api.accept().await {
            tokio::spawn(answer(socket, grpc, admin));
        }
    });
    let url = format!("http://{address}").parse().unwrap();
    // Over the connections that the tool makes: the upgrade must come through them.
    Cluster::from(kube::Config::new(url)).factory()
}

/// One request: for the Pod, or for a forward of one of its ports.
async fn answer(mut socket: TcpStream, grpc: SocketAddr, admin: SocketAddr) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split_whitespace().nth(1).unwrap();
    let Some((_, port)) = path.rsplit_once("ports=") else {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{POD}",
            POD.len()
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        return;
    };
    assert!(path.starts_with("/api/v1/namespaces/linkerd/pods/destination-0/portforward"));
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let (_, key) = headers
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .unwrap();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    socket.write_all(answer.as_bytes()).await.unwrap();
    let port: u16 = port.parse().unwrap();
    let behind = match port {
        8086 => grpc,
        9996 => admin,
        other => panic!("port {other} is no controller's"),
    };
    forward(socket, port, TcpStream::connect(behind).await.unwrap()).await;
}

/// Bytes of channel 0, both ways, until one side ends; channel 1 is for errors.
async fn forward(socket: TcpStream, port: u16, behind: TcpStream) {
    let socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
    let (mut out, mut input) = socket.split();
    let [low, high] = port.to_le_bytes();
    for channel in [0, 1] {
        let first = Message::binary(vec![channel, low, high]);
        out.send(first).await.unwrap();
    }
    let (mut from, mut to) = behind.into_split();
    let up = async {
        while let Some(Ok(Message::Binary(bytes))) = input.next().await {
            assert_eq!(bytes[0], 0);
            to.write_all(&bytes[1..]).await.unwrap();
        }
    };
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer[1..]).await {
            let message = Message::binary(buffer[..=read].to_vec());
            if out.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

#[tokio::test]
async fn streams_metrics_and_pings_go_through_a_forward_of_our_own() {
    let stop = CancellationToken::new();
    let kube = cluster(&stop).await;
    let name = PodName {
        namespace: "linkerd".into(),
        pod: "destination-0".into(),
    };
    let forward = Forward::find(&kube, name).await.unwrap();
    assert_eq!(forward.memory_limit(), Some(Bytes(250 << 20)));

    // Two connections, as two clients have them.
    let dial = forward.dial(Lifecycle::Eternal.into());
    for _ in 0..2 {
        let grpc = dial(None).await.unwrap();
        let identity = Identity {
            namespace: "test".into(),
            node: String::new(),
            pod: "test".into(),
        };
        let asked = request("nobody.test.svc.cluster.local:80", &identity.token());
        let mut says = false;
        let answered = |headers: &http::HeaderMap| says = headers.contains_key(REFERENCE_HEADER);
        let clock = Clock::start();
        let ended = read(grpc, Method::Get, clock, asked, answered, |_, _| Ok(())).await;
        assert_eq!(ended.ending().code(), Some(Code::NotFound), "{ended:?}");
        assert!(says, "it says that it is the reference");
    }

    let target = Forward::target(&[forward]).unwrap().unwrap();
    assert!(target.is_reference().await);
    assert_eq!(target.is_ready().await, Some(true));
    let clock = Clock::start();
    target.ping(clock).await.unwrap();
    let page = target.sample(clock.now()).await.unwrap();
    assert_eq!(page.foreign(0), Some(0));
    stop.cancel();
}
