//! The gRPC side: statuses, snapshots, overflows, ends.

use std::{pin::pin, time::Duration};

use futures::FutureExt as _;
use linkerd2_proxy_api::destination::{
    GetDestination, Update, destination_client::DestinationClient, update,
};
use serde_json::json;
use tonic::{Code, Status, Streaming};
use tower::ServiceExt as _;

use super::support::{PATH, apply, bare, destination, name, service_with, slice};
use crate::destination::{Destination, hub::Method, serve};

pub(super) async fn get(
    destination: &Destination,
    path: &str,
) -> Result<Streaming<Update>, Status> {
    let request = GetDestination {
        path: path.to_owned(),
        context_token: r#"{"ns":"shop","nodeName":"node-1","pod":"client-1"}"#.to_owned(),
        ..GetDestination::default()
    };
    let response = DestinationClient::new(destination.grpc())
        .get(request)
        .await;
    response.map(tonic::Response::into_inner)
}

fn show(update: Update) -> String {
    let addr = |addr: Option<linkerd2_proxy_api::net::TcpAddress>| {
        std::net::SocketAddr::try_from(addr.unwrap())
            .unwrap()
            .to_string()
    };
    match update.update.unwrap() {
        update::Update::Add(set) => {
            let addrs: Vec<_> = set.addrs.into_iter().map(|it| addr(it.addr)).collect();
            format!("add {}", addrs.join(" "))
        }
        update::Update::Remove(set) => {
            let addrs: Vec<_> = set.addrs.into_iter().map(|it| addr(Some(it))).collect();
            format!("remove {}", addrs.join(" "))
        }
        update::Update::NoEndpoints(_) => "no endpoints".to_owned(),
    }
}

pub(super) async fn next(stream: &mut Streaming<Update>) -> String {
    show(stream.message().await.unwrap().unwrap())
}

fn subscribers(destination: &Destination) -> usize {
    let hub = destination.shared.hub.lock();
    hub.directory
        .groups()
        .map(|(.., group)| group.listeners)
        .sum()
}

#[tokio::test(start_paused = true)]
async fn a_stream_starts_with_one_add_of_everything_and_goes_on_with_add_before_remove() {
    let destination = destination(100, vec![]);
    apply(&destination, slice("a", bare(&["10.0.0.2", "10.0.0.1"])));
    apply(&destination, slice("b", bare(&["10.0.0.3"])));
    let mut stream = get(&destination, PATH).await.unwrap();
    assert_eq!(
        next(&mut stream).await,
        "add 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080"
    );
    apply(&destination, slice("a", bare(&["10.0.0.1", "10.0.0.4"])));
    assert_eq!(next(&mut stream).await, "add 10.0.0.4:8080");
    assert_eq!(next(&mut stream).await, "remove 10.0.0.2:8080");
    assert!(stream.message().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_empty_service_leaves_the_call_pending_until_its_first_endpoint() {
    let destination = destination(100, vec![]);
    let mut call = pin!(get(&destination, PATH));
    assert!(
        tokio::time::timeout(Duration::from_secs(3600), &mut call)
            .await
            .is_err()
    );
    assert_eq!(subscribers(&destination), 1);
    apply(&destination, slice("a", bare(&["10.0.0.1"])));
    let mut stream = call.await.unwrap();
    assert_eq!(next(&mut stream).await, "add 10.0.0.1:8080");
}

#[tokio::test(start_paused = true)]
async fn a_path_that_cannot_be_served_is_refused_at_once_with_linkerds_code_and_text() {
    let destination = destination(100, vec![]);
    for (service, more) in [
        ("external", json!({"spec": {"type": "ExternalName"}})),
        (
            "remote",
            json!({"metadata": {"labels": {
            "multicluster.linkerd.io/remote-discovery": "west",
            "multicluster.linkerd.io/remote-service": "web"}}}),
        ),
        (
            "nameless",
            json!({"metadata": {"labels": {
            "multicluster.linkerd.io/remote-discovery": "west"}}}),
        ),
        (
            "federated",
            json!({"metadata": {"annotations": {
            "multicluster.linkerd.io/remote-discovery": "web@west"}}}),
        ),
    ] {
        let mut service_object = service_with(more);
        service_object.name = name(service);
        destination
            .shared
            .hub
            .lock()
            .update(None, |it| it.apply_service(service_object));
    }
    let path = |service: &str| format!("{service}.shop.svc.cluster.local:80");
    for (path, code, text) in [
        (
            path("absent"),
            Code::NotFound,
            "Service absent.shop not found".to_owned(),
        ),
        (
            path("external"),
            Code::InvalidArgument,
            format!("Invalid authority: {}", path("external")),
        ),
        (
            path("remote"),
            Code::NotFound,
            "Remote cluster not found: west".to_owned(),
        ),
        (
            path("nameless"),
            Code::FailedPrecondition,
            format!(
                "Remote discovery service missing remote service name {}",
                path("nameless")
            ),
        ),
        (
            path("federated"),
            Code::NotFound,
            "Remote cluster not found: west".to_owned(),
        ),
        (
            "web:80".to_owned(),
            Code::InvalidArgument,
            "Invalid authority: web:80".to_owned(),
        ),
    ] {
        let status = get(&destination, &path).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, &*text));
    }
    assert_eq!(subscribers(&destination), 0);
}

#[tokio::test(start_paused = true)]
async fn methods_that_the_api_does_not_have_are_unimplemented() {
    let destination = destination(100, vec![]);
    for path in ["/io.linkerd.proxy.destination.Destination/Watch", "/Get"] {
        let request = http::Request::post(path)
            .body(tonic::body::Body::empty())
            .unwrap();
        let response = destination.grpc().oneshot(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}

#[tokio::test(start_paused = true)]
async fn an_overflow_loses_the_queue_and_ends_the_stream_ok() {
    let destination = destination(3, vec![]);
    apply(&destination, slice("a", bare(&["10.0.0.1"])));
    let mut slow = get(&destination, PATH).await.unwrap();
    // Capacity 3: the snapshot in the sender's hands, three that wait, and the fifth is too many.
    for last in 2..=4 {
        let ip = format!("10.0.0.{last}");
        apply(&destination, slice(&ip, bare(&[&ip])));
    }
    assert_eq!(destination.shared.hub.lock().overflows[PATH], 0);
    apply(&destination, slice("e", bare(&["10.0.0.5"])));
    assert_eq!(destination.shared.hub.lock().overflows[PATH], 1);
    assert!(slow.message().await.unwrap().is_none());
    drop(slow);
    let hub = destination.shared.hub.lock();
    assert_eq!(hub.calls[&Method::Get].handled["Ok"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_or_call_that_is_dropped_is_unsubscribed() {
    let destination = destination(100, vec![]);
    {
        let call = pin!(get(&destination, PATH));
        assert!(call.now_or_never().is_none());
        assert_eq!(subscribers(&destination), 1);
    }
    assert_eq!(subscribers(&destination), 0);
    apply(&destination, slice("a", bare(&["10.0.0.1"])));
    let stream = get(&destination, PATH).await.unwrap();
    assert_eq!(subscribers(&destination), 1);
    drop(stream);
    assert_eq!(subscribers(&destination), 0);
    assert_eq!(destination.shared.hub.lock().directory.groups().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_stream_ok() {
    let destination = destination(100, vec![]);
    apply(&destination, slice("a", bare(&["10.0.0.1"])));
    let mut stream = get(&destination, PATH).await.unwrap();
    assert_eq!(next(&mut stream).await, "add 10.0.0.1:8080");
    destination.shutdown().await;
    assert!(stream.message().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_read_is_served_as_empty() {
    let destination = destination(100, vec![]);
    apply(&destination, slice("a", bare(&["10.0.0.1"])));
    let request = GetDestination {
        path: PATH.to_owned(),
        context_token: "neither".to_owned(),
        ..GetDestination::default()
    };
    let mut client = DestinationClient::new(destination.grpc());
    let mut stream = client.get(request).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await, "add 10.0.0.1:8080");
    let hub = destination.shared.hub.lock();
    let nodes: Vec<_> = hub
        .directory
        .groups()
        .map(|(_, _, key, _)| &*key.node)
        .collect();
    assert_eq!(nodes, [""]);
}

#[tokio::test]
async fn the_same_is_served_over_a_socket() {
    let destination = destination(100, vec![]);
    apply(&destination, slice("a", bare(&["10.0.0.1"])));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let cancel = tokio_util::sync::CancellationToken::new();
    let server = tokio::spawn(serve(listener, destination.clone(), cancel.clone()));
    let channel = tonic::transport::Endpoint::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut client = DestinationClient::new(channel);
    let request = |path: &str| GetDestination {
        path: path.to_owned(),
        ..GetDestination::default()
    };
    // More streams than hyper's default limit of 200 allows at once.
    let mut streams = Vec::new();
    for _ in 0..300 {
        streams.push(client.get(request(PATH)).await.unwrap().into_inner());
    }
    apply(&destination, slice("a", bare(&["10.0.0.2"])));
    for stream in &mut streams {
        assert_eq!(next(stream).await, "add 10.0.0.1:8080");
        assert_eq!(next(stream).await, "add 10.0.0.2:8080");
        assert_eq!(next(stream).await, "remove 10.0.0.1:8080");
    }
    let status = client.get(request("web:80")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "Invalid authority: web:80")
    );
    cancel.cancel();
    for stream in &mut streams {
        assert!(stream.message().await.unwrap().is_none());
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_request_is_at_most_as_large_as_for_a_go_server() {
    let destination = destination(100, vec![]);
    let path = |length: usize| GetDestination {
        path: "w".repeat(length),
        ..GetDestination::default()
    };
    let code = |length: usize| {
        let mut client = DestinationClient::new(destination.clone());
        async move { client.get(path(length)).await.unwrap_err().code() }
    };
    assert_eq!(code(1 << 20).await, Code::InvalidArgument);
    assert_eq!(code(4 << 20).await, Code::ResourceExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_not_held() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let destination = destination(100, vec![]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    tokio::spawn(serve(listener, destination, cancel));
    for said in [&b""[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let closed = stream.read_to_end(&mut answer);
        let closed = tokio::time::timeout(Duration::from_secs(60), closed).await;
        assert!(closed.is_ok(), "{said:?}");
    }
}

#[tokio::test]
async fn a_reader_that_grants_no_window_overflows_and_sees_the_end_after_what_was_sent() {
    let destination = destination(2, vec![]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let cancel = tokio_util::sync::CancellationToken::new();
    let server = tokio::spawn(serve(listener, destination.clone(), cancel.clone()));
    let channel = tonic::transport::Endpoint::from_shared(address)
        .unwrap()
        .initial_stream_window_size(65_535)
        .connect()
        .await
        .unwrap();
    let ips: Vec<String> = (0..200).map(|last| format!("10.0.1.{last}")).collect();
    let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
    apply(&destination, slice("a", bare(&ips)));
    let request = GetDestination {
        path: PATH.to_owned(),
        ..GetDestination::default()
    };
    let mut client = DestinationClient::new(channel);
    let mut stream = client.get(request).await.unwrap().into_inner();
    // Some 9 kB a change: the window and the send buffer hold fewer than 40 of them.
    let mut changes = 0;
    while destination.shared.hub.lock().overflows[PATH] == 0 {
        changes += 1;
        assert!(changes < 200, "nothing overflows");
        let now = if changes % 2 == 0 { &ips[..] } else { &[] };
        apply(&destination, slice("a", bare(now)));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut received = 0;
    while stream.message().await.unwrap().is_some() {
        received += 1;
    }
    assert!(received < changes, "{received} of {changes}");
    cancel.cancel();
    server.await.unwrap();
}
