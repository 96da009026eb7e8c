//! Connections out of this process: direct or through a proxy, in plain text or with TLS.

pub mod proxy;
pub mod tls;

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Uri, uri::Scheme};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{
    Connected, Connection, HttpConnector,
    proxy::{SocksV5, Tunnel},
};
use tower::{BoxError, Service, ServiceExt as _, service_fn};

use self::proxy::{Proxies, Proxy};
use super::http::root;

/// For how long a connection is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Opens TCP connections to the host of a URL, through a proxy where one is to be used. TLS to that
/// host is on top of it: see [`secure`] and [`hyper_rustls::HttpsConnector`].
#[derive(Clone, Debug)]
pub struct Connector {
    rule: Rule,
    tcp: HttpConnector,
}

/// Which proxy is used for what.
#[derive(Clone, Debug)]
enum Rule {
    /// None.
    Never,
    /// As the environment says.
    Environment(Arc<Proxies>),
    /// This one, for everything.
    Always(Arc<Proxy>),
}

/// A connection.
pub struct Stream {
    io: Box<dyn Io>,
    /// Whether requests name the whole URL, as those to a proxy do (RFC 9112, 3.2.2).
    forwarded: bool,
}

/// What carries bytes.
trait Io: Read + Write + Send + Unpin + 'static {}

impl<T: Read + Write + Send + Unpin + 'static> Io for T {}

/// Why there is no connection through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("proxy {proxy}: {cause}")]
struct ProxyFailed {
    proxy: String,
    cause: String,
}

// === impl Connector ===

impl Connector {
    /// Through the proxies that the environment names.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(Rule::Environment(Arc::new(Proxies::from_environment())))
    }

    /// Through this proxy, whatever the environment says.
    #[must_use]
    pub fn through(proxy: Proxy) -> Self {
        Self::new(Rule::Always(Arc::new(proxy)))
    }

    /// Never through a proxy.
    #[must_use]
    pub fn direct() -> Self {
        Self::new(Rule::Never)
    }

    fn new(rule: Rule) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(TIMEOUT));
        Self { rule, tcp }
    }

    /// The proxy for `to`; `None` where it is reached directly.
    ///
    /// # Errors
    /// If the variable that names it does not name a proxy.
    pub fn proxy(&self, to: &Uri) -> Result<Option<Arc<Proxy>>, proxy::ProxyError> {
        match &self.rule {
            Rule::Never => Ok(None),
            Rule::Always(proxy) => Ok(Some(Arc::clone(proxy))),
            Rule::Environment(proxies) => Ok(proxies.of(to)?.map(Arc::new)),
        }
    }

    /// What a request for `to` must say to a proxy that forwards it, if anything.
    #[must_use]
    pub fn proxy_authorization(&self, to: &Uri) -> Option<HeaderValue> {
        let proxy = self.proxy(to).ok()??;
        proxy.forwards(to).then(|| proxy.basic_auth())?
    }

    async fn connect(self, to: Uri) -> Result<Stream, BoxError> {
        let Some(proxy) = self.proxy(&to)? else {
            return Ok(Stream::new(self.tcp.oneshot(to).await?));
        };
        let failed = |cause: String| ProxyFailed {
            proxy: proxy.to_string(),
            cause,
        };
        let opened = tokio::time::timeout(TIMEOUT, self.through_proxy(&proxy, to));
        match opened.await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(failed(root(&*error)).into()),
            Err(_) => Err(failed("no answer in time".to_owned()).into()),
        }
    }

    async fn through_proxy(&self, proxy: &Proxy, to: Uri) -> Result<Stream, BoxError> {
        let at = proxy.uri().clone();
        let stream = if at.scheme() == Some(&Scheme::HTTPS) {
            secured(self.tcp.clone(), at.clone()).await?
        } else {
            Stream::new(self.tcp.clone().oneshot(at.clone()).await?)
        };
        if proxy.forwards(&to) {
            return Ok(Stream {
                forwarded: true,
                ..stream
            });
        }
        // Both protocols take an absent port for 443.
        let to = proxy::with_port(to);
        // The connection to the proxy is there: what fails now is what the proxy says.
        let mut stream = Some(stream);
        let there = service_fn(move |_: Uri| {
            std::future::ready(stream.take().ok_or(io::ErrorKind::NotConnected))
        });
        if proxy.is_socks() {
            let mut socks = SocksV5::new(at, there.map_err(io::Error::from));
            if let Some((user, password)) = proxy.user() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            return Ok(socks.call(to).await?);
        }
        let mut tunnel = Tunnel::new(at, there.map_err(io::Error::from));
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization);
        }
        Ok(tunnel.call(to).await?)
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Stream, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(self.clone().connect(to))
    }
}

/// Opens connections as `connector` does, with TLS where the URL is `https`: it trusts what the system
/// trusts.
pub fn secure(
    connector: Connector,
) -> impl Service<
    Uri,
    Response = Stream,
    Error = BoxError,
    Future = BoxFuture<'static, Result<Stream, BoxError>>,
> + Clone
+ Send
+ Sync {
    service_fn(move |to: Uri| {
        let mut connector = connector.clone();
        if to.scheme() == Some(&Scheme::HTTPS) {
            secured(connector, to).boxed()
        } else {
            connector.call(to)
        }
    })
}

/// TLS, for HTTP/1.1, to the host of a URL.
async fn secured<C>(connector: C, to: Uri) -> Result<Stream, BoxError>
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send + 'static>,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
{
    let mut secure = HttpsConnector::from((connector, tls::config()?));
    Ok(Stream::new(secure.call(to).await?))
}

// === impl Stream ===

impl Stream {
    fn new(io: impl Io) -> Self {
        Self {
            io: Box::new(io),
            forwarded: false,
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("forwarded", &self.forwarded)
            .finish_non_exhaustive()
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.forwarded)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(context, bytes)
    }
}

#[cfg(test)]
mod tests;
