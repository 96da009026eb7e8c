//! A name with one address, which is one replica until it has several addresses.
//!
//! That may be a Service's own address, or the only Pod of a headless Service, which others may
//! join. While the name has one address, the replica is whatever it leads to. Once it has several,
//! the replica is the one that it led to before: what is said of it is about no other.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::timeout;

/// How long a name may take to resolve.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Resolves HOST:PORT.
pub type Resolve =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The addresses of one host, or of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// All, sorted: those of IPv4 first.
    pub(crate) all: Vec<SocketAddr>,
}

/// A name that has had one address at most.
pub(crate) struct LoneName {
    /// HOST:PORT.
    name: String,
    resolve: Resolve,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Where it led to last, of each IP family; empty if it has not been resolved.
    at: Vec<SocketAddr>,
    /// Whether it has several addresses by now: then `at` stays.
    has_parted: bool,
}

/// The addresses of `name`, which is HOST:PORT.
///
/// # Errors
/// If it cannot be resolved, or not in time.
pub(crate) async fn resolved(name: &str, resolve: &Resolve) -> io::Result<Resolved> {
    let answer = timeout(TIMEOUT, resolve(name.to_owned())).await;
    let mut all = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    all.sort_unstable();
    all.dedup();
    Ok(Resolved { all })
}

// === impl Resolved ===

impl Resolved {
    /// One address of each host: of one IP family, as a host with both is one host.
    pub(crate) fn hosts(&self) -> &[SocketAddr] {
        let of_ipv4 = self.all.partition_point(SocketAddr::is_ipv4);
        match of_ipv4 {
            0 => &self.all,
            _ => &self.all[..of_ipv4],
        }
    }
}

// === impl LoneName ===

impl LoneName {
    /// A name that leads to one host, or nowhere yet.
    pub(crate) fn new(name: &str, resolve: &Resolve, led: Option<Resolved>) -> Arc<Self> {
        let at = led.map(|it| it.all).unwrap_or_default();
        Arc::new(Self {
            name: name.to_owned(),
            resolve: Arc::clone(resolve),
            state: Mutex::new(State {
                at,
                has_parted: false,
            }),
        })
    }

    /// HOST:PORT.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where the replica is now, to be tried in this order.
    ///
    /// # Errors
    /// If the name has never been resolved, and cannot be.
    pub(crate) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let known = self.state.lock().clone();
        if known.has_parted {
            return Ok(known.at);
        }
        let found = resolved(&self.name, &self.resolve).await;
        let mut state = self.state.lock();
        match found {
            Ok(found) if !state.has_parted => match found.hosts() {
                [_] => state.at = found.all,
                // Somebody has joined it, which is said once the name is looked up for all.
                [first, ..] if state.at.is_empty() => state.at = vec![*first],
                _ => {}
            },
            Err(error) if state.at.is_empty() => return Err(error),
            _ => {}
        }
        Ok(state.at.clone())
    }

    /// Whether the name leads to one replica. While it cannot be resolved, nobody is led to another.
    pub(crate) async fn is_lone(&self) -> bool {
        if self.state.lock().has_parted {
            return false;
        }
        let found = resolved(&self.name, &self.resolve).await;
        found.map_or(true, |found| found.hosts().len() < 2)
    }

    /// The name has these hosts now, several: the replica stays where it is, which is returned.
    pub(crate) fn part(&self, hosts: &[SocketAddr]) -> Option<SocketAddr> {
        let mut state = self.state.lock();
        if state.at.is_empty() {
            state.at.extend(hosts.first());
        }
        state.has_parted = true;
        state.at.first().copied()
    }
}

impl std::fmt::Debug for LoneName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoneName")
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
