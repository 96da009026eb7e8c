//! The metrics' names, labels and values.

use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{
    service::{get, next},
    support::{PATH, apply, bare, destination, slice},
};
use crate::destination::{Config, Destination};

async fn ask(destination: &Destination, path: &str) -> (u16, String) {
    let request = http::Request::get(path)
        .body(axum::body::Body::empty())
        .unwrap();
    let response = destination.admin().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_once_synced_and_has_no_live() {
    let synced = destination(100, vec![]);
    assert_eq!(ask(&synced, "/ready").await, (200, "ok\n".to_owned()));
    assert_eq!(ask(&synced, "/ping").await, (200, "pong\n".to_owned()));
    assert_eq!(ask(&synced, "/live").await.0, 404);
    let unsynced = Destination::linked(
        Config {
            seed: 1,
            cluster_domain: "cluster.local".to_owned(),
            queue_capacity: 100,
            ipv6: true,
            faults: vec![],
        },
        vec![],
    );
    assert_eq!(ask(&unsynced, "/ready").await.0, 500);
}

#[tokio::test(start_paused = true)]
async fn metrics_have_linkerds_names_and_caveats() {
    let destination = destination(100, vec![]);
    apply(&destination, slice("a", bare(&["10.0.0.1", "10.0.0.2"])));
    let mut stream = get(&destination, PATH).await.unwrap();
    assert_eq!(next(&mut stream).await, "add 10.0.0.1:8080 10.0.0.2:8080");
    get(&destination, "web:80").await.unwrap_err();
    let group = r#"{cluster="local",namespace="shop",service="web",port="80",hostname="",nodename="node-1"}"#;
    let method = r#"grpc_method="Get",grpc_service="io.linkerd.proxy.destination.Destination",grpc_type="server_stream"}"#;
    let (_, text) = ask(&destination, "/metrics").await;
    for line in [
        format!("endpoints_subscribers{group} 1"),
        // The snapshot sets neither of these.
        format!("endpoints_updates{group} 0"),
        format!("endpoints_pods{group} 0"),
        format!("endpoints_exists{group} 0"),
        format!(r#"endpoint_updates_queue_overflow{{service="{PATH}"}} 0"#),
        r#"endpointslices_cache_size{cluster="local"} 1"#.to_owned(),
        r#"service_cache_size{cluster="local"} 1"#.to_owned(),
        format!("grpc_server_started_total{{{method} 2"),
        format!("grpc_server_msg_sent_total{{{method} 1"),
        format!(r#"grpc_server_handled_total{{grpc_code="InvalidArgument",{method} 1"#),
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    for name in [
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_start_time_seconds ",
        "dst_load_reference_info{version=",
    ] {
        assert!(
            text.lines().any(|it| it.starts_with(name)),
            "{name}\n{text}"
        );
    }
    apply(&destination, slice("a", bare(&["10.0.0.1"])));
    let (_, text) = ask(&destination, "/metrics").await;
    for line in [
        format!("endpoints_updates{group} 1"),
        format!("endpoints_pods{group} 1"),
        format!("endpoints_exists{group} 1"),
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    drop(stream);
    let (_, text) = ask(&destination, "/metrics").await;
    assert!(!text.contains("nodename"), "{text}");
    assert!(text.contains(&format!(
        r#"grpc_server_handled_total{{grpc_code="OK",{method} 1"#
    )));
}
