//! HTTP/1.1 to whoever serves metrics, over a socket or whatever else carries it: with or without TLS,
//! and through the proxies that the environment names.

mod address;

use std::{future::Future, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use dst_load_scenario::printable::line;
use http::{
    Method, Request, Response, Uri,
    header::{AUTHORIZATION, PROXY_AUTHORIZATION},
    request::Builder,
};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tower::{Service, ServiceExt, service_fn, util::BoxCloneSyncService};

use super::connect::{Connector, secure};

pub(crate) use self::address::user_info;
pub use self::address::{Address, Credentials, CredentialsError, NotHttp, read, shown};

/// Answers requests: an HTTP client, or routes in this process. An error is the innermost reason.
pub type Http = BoxCloneSyncService<Request<Body>, Response<Body>, String>;

/// A client that keeps its connections.
#[must_use]
pub fn kept() -> Http {
    socket(Connector::from_environment(), usize::MAX)
}

/// A client that makes a connection for each request, as a kubelet's probes do.
#[must_use]
pub fn fresh() -> Http {
    socket(Connector::from_environment(), 0)
}

fn socket(connector: Connector, kept: usize) -> Http {
    let mut builder = Client::builder(TokioExecutor::new());
    let client: Client<_, Body> = builder
        .pool_max_idle_per_host(kept)
        .build(secure(connector.clone()));
    BoxCloneSyncService::new(
        client
            .map_request(move |mut request: Request<Body>| {
                if let Some(who) = connector.proxy_authorization(request.uri()) {
                    request.headers_mut().insert(PROXY_AUTHORIZATION, who);
                }
                request
            })
            .map_response(|response: Response<Incoming>| response.map(Body::new))
            .map_err(|error| root(&error)),
    )
}

/// A client that makes, for each request, a connection with `connect`.
pub fn over<C, F, S>(connect: C) -> Http
where
    C: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<S, String>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    BoxCloneSyncService::new(service_fn(move |mut request: Request<Body>| {
        let connect = connect.clone();
        async move {
            let stream = TokioIo::new(connect().await?);
            let (mut sender, connection) = http1::handshake(stream).await.map_err(|e| root(&e))?;
            tokio::spawn(async move {
                // It ends with its one response; whoever reads that is told what went wrong.
                let _ = connection.await;
            });
            // HTTP/1.1 names the host in a header, and the path alone in its first line.
            if let Some(host) = request.uri().authority().cloned() {
                let host = host.as_str().parse().map_err(|_| "no host".to_owned())?;
                request.headers_mut().insert(http::header::HOST, host);
                let path = request.uri().path_and_query().cloned();
                *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
            }
            let response = sender.send_request(request).await.map_err(|e| root(&e))?;
            Ok(response.map(Body::new))
        }
    }))
}

/// Asks at `address`; the answer's body is still to come.
///
/// # Errors
/// If there is no answer.
pub async fn get(http: &Http, address: &Address) -> Result<Response<Body>, String> {
    let request = request(Method::GET, address).body(Body::empty());
    send(http, request.map_err(|error| error.to_string())?).await
}

/// A request to `address`, of whoever it says that asks.
pub fn request(method: Method, address: &Address) -> Builder {
    let builder = Request::builder().method(method).uri(address.uri().clone());
    match address.authorization() {
        Some(who) => builder.header(AUTHORIZATION, who.clone()),
        None => builder,
    }
}

/// Sends `request`; the answer's body is still to come.
///
/// # Errors
/// If there is no answer.
pub async fn send(http: &Http, request: Request<Body>) -> Result<Response<Body>, String> {
    let mut http = http.clone();
    http.ready().await?.call(request).await
}

/// Asks at `address`, whose answer must begin within `patience`.
///
/// # Errors
/// If there is no answer in time.
pub async fn get_within(
    http: &Http,
    address: &Address,
    patience: Duration,
) -> Result<Response<Body>, String> {
    (timeout(patience, get(http, address)).await)
        .unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

/// The whole of a body, unless that is larger than `most` bytes.
///
/// # Errors
/// If it does not come to its end, or is larger.
pub async fn whole(body: Body, most: usize) -> Result<Bytes, String> {
    let body = Limited::new(body, most).collect().await;
    Ok(body.map_err(|error| error.to_string())?.to_bytes())
}

/// The innermost reason: the layers above it name themselves only.
#[must_use]
pub fn root(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    line(&reason.to_string())
}

/// A client over this connector's connections.
#[cfg(test)]
pub(crate) fn by(connector: Connector) -> Http {
    socket(connector, 0)
}

/// Routes in place of a server.
pub fn routed(routes: axum::Router) -> Http {
    let served = ServiceExt::<Request<Body>>::map_err(routes, |never| match never {});
    BoxCloneSyncService::new(served)
}
