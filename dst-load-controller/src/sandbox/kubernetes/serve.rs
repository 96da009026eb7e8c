//! The embedded cluster on a listener, and the kubeconfig that leads to it.

use std::net::SocketAddr;

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Serves a router in plain text, over HTTP/1.1 and HTTP/2 with prior knowledge, until `cancel`.
///
/// Connections are closed when it returns, and when it is dropped.
pub async fn serve(listener: TcpListener, router: axum::Router, cancel: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            // Keeps the set from growing with every connection that ever was.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, or the peer has gone: the next may do better.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        // Best effort: without it events are only later.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let connection = server.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the embedded API has failed");
            }
        });
    }
    connections.shutdown().await;
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
