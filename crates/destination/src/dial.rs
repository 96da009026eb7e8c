//! Connections to a real destination controller.

use std::{io, sync::Arc, time::Duration};

use dst_load_scenario::scenario::{Client, ClientPath, Lifecycle};
use dst_load_transport::{connect::tls, http::root, world::Dial};
use http::{
    Uri,
    uri::{Authority, Scheme},
};
use hyper_rustls::HttpsConnector;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{net::TcpStream, time::timeout};
use tower::Service as _;

use super::{
    address::{Address, AddressError},
    connection::{self, DEFAULT_WINDOWS},
    lone_name::LoneName,
};

pub use super::connection::Windows;

/// How long one try to connect may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A proxy's HTTP/2 windows.
const PROXY_WINDOWS: Windows = Windows {
    stream: 65_535,
    connection: 1024 * 1024,
};

/// Opens connections to `destination`, as [`Address`] reads it: HTTP/2 with prior knowledge, with TLS
/// where the address says so, one TCP connection each, as a proxy has one. No proxy of the
/// environment is used: what is measured would be its latency.
///
/// HTTP/2 keepalive stays off: the controller sends GOAWAY to clients that ping more often than
/// every 5 minutes. Windows stay at hyper's defaults (2 MiB a stream, 5 MiB a connection), or are
/// a proxy's where streams live as a proxy's do, or a proxy stands between. Smaller ones make h2 end the connection of a
/// reader that lags behind many small frames (each frame below 256 bytes that nobody has read
/// counts against half the connection's window): with a proxy's windows that takes some 2,000 such
/// frames, and streams are read at once here, or held without being left unread.
///
/// # Errors
/// If that is no address, or TLS would trust nobody.
pub fn dial(destination: &str, windows: impl Into<Windows>) -> Result<Dial, String> {
    let windows = windows.into();
    let address: Address = destination
        .parse()
        .map_err(|e: AddressError| e.to_string())?;
    let uri = address.uri();
    let mut connector = connector();
    let authority = authority(&address)?;
    if !address.tls() {
        return Ok(Arc::new(move |window| {
            let (connector, uri) = (connector.clone(), uri.clone());
            let connect = move || connected(connector.clone(), uri.clone());
            let origin = (Scheme::HTTP, authority.clone());
            Box::pin(connection::open(
                origin,
                windows.of_streams(window),
                connect,
            ))
        }));
    }
    let trust = tls::http2().map_err(|error| error.to_string())?;
    connector.enforce_http(false);
    let secure = HttpsConnector::from((connector, trust));
    Ok(Arc::new(move |window| {
        let (secure, uri) = (secure.clone(), uri.clone());
        let connect = move || {
            let connected = secure.clone().call(uri.clone());
            async move {
                let connected = timeout(TIMEOUT, connected).await;
                let connected = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
                Ok(TokioIo::new(connected.map_err(|error| as_io(&*error))?))
            }
        };
        let origin = (Scheme::HTTPS, authority.clone());
        Box::pin(connection::open(
            origin,
            windows.of_streams(window),
            connect,
        ))
    }))
}

/// Opens connections to the one replica that a name leads to, as [`dial`] does.
///
/// # Errors
/// If the name is none.
pub(crate) fn dial_lone(lone: &Arc<LoneName>, windows: Windows) -> Result<Dial, String> {
    let address = lone.name().parse();
    let authority = authority(&address.map_err(|e: AddressError| e.to_string())?)?;
    let (lone, connector) = (Arc::clone(lone), connector());
    Ok(Arc::new(move |window| {
        let (lone, connector) = (Arc::clone(&lone), connector.clone());
        let connect = move || {
            let (lone, connector) = (Arc::clone(&lone), connector.clone());
            async move {
                let mut refused = io::Error::from(io::ErrorKind::NotFound);
                for address in lone.addresses().await? {
                    let uri = format!("http://{address}/").parse();
                    let uri = uri.map_err(io::Error::other)?;
                    match connected(connector.clone(), uri).await {
                        Ok(connected) => return Ok(connected),
                        Err(error) => refused = error,
                    }
                }
                Err(refused)
            }
        };
        let origin = (Scheme::HTTP, authority.clone());
        Box::pin(connection::open(
            origin,
            windows.of_streams(window),
            connect,
        ))
    }))
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(TIMEOUT));
    connector
}

fn authority(address: &Address) -> Result<Authority, String> {
    let authority = address.host_and_port().parse();
    authority.map_err(|error| format!("{:?}: {error}", address.to_string()))
}

async fn connected(mut connector: HttpConnector, uri: Uri) -> io::Result<TcpStream> {
    let connected = connector.call(uri).await.map_err(|error| as_io(&error))?;
    Ok(connected.into_inner())
}

impl Windows {
    /// These, or with this window of each stream.
    pub(super) fn of_streams(self, window: Option<u16>) -> Self {
        Self {
            stream: window.map_or(self.stream, u32::from),
            ..self
        }
    }
}

impl From<Lifecycle> for Windows {
    fn from(lifecycle: Lifecycle) -> Self {
        match lifecycle {
            Lifecycle::Eternal => DEFAULT_WINDOWS,
            Lifecycle::Proxy => PROXY_WINDOWS,
        }
    }
}

impl From<&Client> for Windows {
    fn from(client: &Client) -> Self {
        match client.path {
            ClientPath::Direct => client.lifecycle.into(),
            ClientPath::Sidecar { .. } => PROXY_WINDOWS,
        }
    }
}

/// What the operating system said, without the layers above it.
fn as_io(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), root(error)),
            };
        }
        cause = error.source();
    }
    io::Error::other(root(error))
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;

    /// What HTTP/2 begins with (RFC 9113, 3.4).
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    /// One frame: type, stream, payload (RFC 9113, 4.1).
    async fn frame(socket: &mut TcpStream) -> (u8, u32, Vec<u8>) {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        socket.read_exact(&mut payload).await.unwrap();
        (head[3], stream, payload)
    }

    /// The windows that such a client announces: of a stream, and of the connection.
    async fn windows(windows: impl Into<Windows>) -> (u32, u32) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dial = dial(&listener.local_addr().unwrap().to_string(), windows).unwrap();
        let connecting = tokio::spawn(dial(None));
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut preface = [0; PREFACE.len()];
        socket.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, PREFACE);
        // Where nothing is announced, both are 65,535 (RFC 9113, 6.9.2).
        let (mut stream, mut connection) = (65_535, 65_535);
        loop {
            match frame(&mut socket).await {
                (4, 0, settings) => {
                    for setting in settings.chunks(6) {
                        if setting[..2] == [0, 4] {
                            stream = u32::from_be_bytes(setting[2..].try_into().unwrap());
                        }
                    }
                }
                (8, 0, increment) => {
                    connection += u32::from_be_bytes(increment.try_into().unwrap());
                    break;
                }
                _ => {}
            }
        }
        connecting.abort();
        (stream, connection)
    }

    #[tokio::test]
    async fn a_proxys_windows_are_announced_where_streams_live_as_a_proxys_do_or_one_is_between() {
        assert_eq!(windows(Lifecycle::Proxy).await, (65_535, 1024 * 1024));
        let client = Client {
            path: ClientPath::Sidecar { identities: 1 },
            ..Client::default()
        };
        assert_eq!(windows(&client).await, (65_535, 1024 * 1024));
        let (stream, connection) = windows(Lifecycle::Eternal).await;
        assert!(
            stream >= 1024 * 1024 && connection > stream,
            "{stream} {connection}"
        );
    }
}
