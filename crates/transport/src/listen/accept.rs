//! Accepts connections, and waits where the system has no file descriptor for one.

use std::{future::Future, io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// How long to wait before the next try when the system refuses.
const PAUSE: Duration = Duration::from_millis(50);
/// After how long without a byte the peer's system is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Serves each connection of `listener` in a task of its own until `stop` completes; returns those
/// that are served still, which end when they are dropped. Where the process has no file descriptor for
/// a connection, `make_room` is called, and it is tried again a little later.
pub async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    stop: impl Future,
    make_room: impl Fn(),
    serve: impl Fn(TcpStream) -> F,
) -> JoinSet<()> {
    let mut acceptor = Acceptor::new(listener);
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            _ = stop.as_mut() => return connections,
            // Keeps the set from growing with every connection that ever was.
            Some(_) = connections.join_next() => {}
            stream = acceptor.next(&make_room) => drop(connections.spawn(serve(stream))),
        }
    }
}

/// Waits until all `connections` have ended, and ends after this time those that have not; returns
/// whether there were any.
pub async fn end(mut connections: JoinSet<()>, grace: Duration) -> bool {
    let ended = async { while connections.join_next().await.is_some() {} };
    timeout(grace, ended).await.is_err()
}

/// Where connections come from.
trait Listener {
    /// The next connection. Nothing is lost if this is dropped before it completes.
    fn accept(&self) -> impl Future<Output = io::Result<TcpStream>> + Send;
}

/// Accepts the connections of a listener, whatever the system says.
#[derive(Debug)]
struct Acceptor<L = TcpListener> {
    listener: L,
    /// When to try again; nothing was refused if absent.
    again: Option<Instant>,
}

// === impl TcpListener ===

impl Listener for TcpListener {
    async fn accept(&self) -> io::Result<TcpStream> {
        Ok(Self::accept(self).await?.0)
    }
}

// === impl Acceptor ===

impl<L: Listener> Acceptor<L> {
    /// Accepts from this listener.
    const fn new(listener: L) -> Self {
        Self {
            listener,
            again: None,
        }
    }

    /// The next connection. Where the process has no file descriptor for it, `make_room` is called,
    /// and it is tried again a little later; that is logged once until a connection is accepted.
    async fn next(&mut self, make_room: impl Fn()) -> TcpStream {
        loop {
            if let Some(again) = self.again {
                sleep_until(again).await;
            }
            let error = match self.listener.accept().await {
                Ok(stream) => {
                    if self.again.take().is_some() {
                        tracing::info!("connections are accepted again");
                    }
                    prepare(&stream);
                    return stream;
                }
                Err(error) => error,
            };
            if is_the_peers(&error) {
                continue;
            }
            if self.again.is_none() {
                tracing::warn!(%error, "connection not accepted, retrying");
            }
            make_room();
            self.again = Some(Instant::now() + PAUSE);
        }
    }
}

/// Whether the connection failed, and not the listener.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// Sends at once what is written, and finds out about peers that are gone. Without either the
/// connection works.
fn prepare(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    let kept = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    if let Err(error) = stream.set_nodelay(true).and(kept) {
        tracing::debug!(%error, "option of a socket not set");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::io::Errno;

    use super::*;

    /// Fails this often, then accepts.
    struct Failing {
        listener: TcpListener,
        errors: Vec<Errno>,
        asked: AtomicUsize,
    }

    impl Listener for Failing {
        async fn accept(&self) -> io::Result<TcpStream> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            match self.errors.get(asked) {
                Some(error) => Err((*error).into()),
                None => Ok(self.listener.accept().await?.0),
            }
        }
    }

    async fn accepted(errors: Vec<Errno>) -> (Duration, usize, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _peer = TcpStream::connect(address).await.unwrap();
        tokio::time::pause();
        let mut acceptor = Acceptor::new(Failing {
            listener,
            errors,
            asked: AtomicUsize::new(0),
        });
        let (start, rooms) = (Instant::now(), AtomicUsize::new(0));
        let make_room = || {
            rooms.fetch_add(1, Ordering::Relaxed);
        };
        acceptor.next(make_room).await;
        let asked = acceptor.listener.asked.load(Ordering::Relaxed);
        (start.elapsed(), asked, rooms.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn without_file_descriptors_it_waits_and_goes_on() {
        let errors = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS];
        let (waited, asked, rooms) = accepted(errors.to_vec()).await;
        assert!(waited >= PAUSE * 3, "{waited:?}");
        assert_eq!((asked, rooms), (4, 3));
    }

    #[tokio::test]
    async fn a_peer_that_has_gone_is_not_waited_for() {
        let (waited, asked, rooms) = accepted(vec![Errno::CONNABORTED]).await;
        assert!(waited < PAUSE, "{waited:?}");
        assert_eq!((asked, rooms), (2, 0));
    }

    #[tokio::test]
    async fn a_pause_outlasts_an_attempt_that_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        tokio::time::pause();
        let mut acceptor = Acceptor::new(Failing {
            listener,
            errors: vec![Errno::MFILE; 1_000],
            asked: AtomicUsize::new(0),
        });
        for _ in 0..100 {
            let attempt = acceptor.next(|| {});
            let given_up = tokio::time::timeout(Duration::from_millis(1), attempt).await;
            assert!(given_up.is_err());
        }
        // 100 ms are two pauses.
        assert!(acceptor.listener.asked.into_inner() <= 4);
    }
}
