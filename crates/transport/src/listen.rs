//! Servers: at which address they listen, how they accept, and what limits an HTTP server has.
//!
//! One rule holds for every server of the tool. Without an address it listens on loopback, since
//! what it serves has no authentication. In a Pod, whose loopback nobody else can reach, it listens
//! on all interfaces.

mod accept;
pub mod http;
pub mod preface;

use std::{
    env,
    ffi::OsStr,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};

pub use self::accept::{accept, end};

/// The port of `churn` and `client` unless `--admin-addr` names another.
pub const ADMIN_PORT: u16 = 9990;

/// The variable by which client-go, too, tells that it runs in a Pod.
const IN_A_POD: &str = "KUBERNETES_SERVICE_HOST";
/// Connections that the system holds until they are accepted.
const BACKLOG: u32 = 1024;

/// Where a server listens: the address of a flag, or of the rule where the flag leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address; that of the rule if absent.
    host: Option<IpAddr>,
    /// The port; a free one if 0.
    port: u16,
}

/// A text that is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no address to listen on; write IP:PORT such as 127.0.0.1:{ADMIN_PORT}, [::]:{ADMIN_PORT}, or \
     a port alone"
)]
pub struct NoAddress;

/// A server that cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}; {flag} names another address")]
pub struct ListenError {
    /// Where it should listen.
    pub address: SocketAddr,
    /// What the system says.
    pub cause: io::Error,
    /// The flag that says where.
    pub flag: &'static str,
}

// === impl Listen ===

impl Listen {
    /// Listens on this port, where the rule says.
    #[must_use]
    pub const fn port(port: u16) -> Self {
        Self { host: None, port }
    }

    /// Listens on this host, if one is named, and on a free port.
    #[must_use]
    pub const fn free_port(host: Option<IpAddr>) -> Self {
        Self { host, port: 0 }
    }

    /// Begins to listen; returns where, too.
    ///
    /// # Errors
    /// If the system refuses; `flag` is what would change the address.
    pub async fn bind(self, flag: &'static str) -> Result<(TcpListener, SocketAddr), ListenError> {
        self.bind_by(env::var_os(IN_A_POD).as_deref(), flag)
    }

    /// As [`Self::bind`], on a free port if this one is in use: `churn` and `client` run side by side on
    /// one machine.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn bind_or_free(
        self,
        flag: &'static str,
    ) -> Result<(TcpListener, SocketAddr), ListenError> {
        match self.bind(flag).await {
            Err(error) if error.cause.kind() == io::ErrorKind::AddrInUse => {
                Self { port: 0, ..self }.bind(flag).await
            }
            bound => bound,
        }
    }

    fn bind_by(
        self,
        service_host: Option<&OsStr>,
        flag: &'static str,
    ) -> Result<(TcpListener, SocketAddr), ListenError> {
        let mut refused = None;
        for host in self.hosts(service_host) {
            let address = SocketAddr::new(host, self.port);
            match listen(address) {
                Ok(bound) => return Ok(bound),
                Err(cause) => {
                    let taken = cause.kind() == io::ErrorKind::AddrInUse;
                    refused = Some(ListenError {
                        address,
                        cause,
                        flag,
                    });
                    if taken {
                        break;
                    }
                }
            }
        }
        Err(refused.expect("invariant: there is a host to listen on"))
    }

    /// The hosts to try in turn. `[::]` takes IPv4 too, and is refused where IPv6 is off.
    fn hosts(self, service_host: Option<&OsStr>) -> Vec<IpAddr> {
        match self.host {
            Some(host) => vec![host],
            None if service_host.is_some_and(|host| !host.is_empty()) => {
                vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()]
            }
            None => vec![Ipv4Addr::LOCALHOST.into()],
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: Some(address.ip()),
            port: address.port(),
        }
    }
}

impl FromStr for Listen {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let address = text.parse::<SocketAddr>().map(Self::from);
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match (address, text.parse()) {
            (Ok(address), _) => Ok(address),
            (Err(_), Ok(port)) if digits => Ok(Self::port(port)),
            _ => Err(NoAddress),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(host) => SocketAddr::new(host, self.port).fmt(f),
            None => self.port.fmt(f),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        SockRef::from(&socket).set_only_v6(false)?;
    }
    // A port that was in use a moment ago, by connections that are gone, is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The address at which a client on this machine reaches what listens on `address`.
#[must_use]
pub fn on_this_machine(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port())
    } else {
        address
    }
}

#[cfg(test)]
mod tests;
