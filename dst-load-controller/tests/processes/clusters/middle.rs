//! What stands between the tool and a server: it passes bytes on, or does not.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

/// Where servers of the tests live; they end with the process.
pub(crate) static SERVERS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What is done with a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It is passed on.
    None,
    /// It is passed on a second later.
    Slow,
    /// Its first request is answered with this, and the connection is closed.
    Answer(&'static str),
    /// It is closed once its first request has come.
    Reset,
    /// Nothing is answered.
    Silence,
}

/// Listens, and passes connections on to a server.
pub(crate) struct Middle {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

// === impl Middle ===

impl Middle {
    /// Before the server at HOST:PORT; the first connections meet these faults.
    pub(crate) fn before(server: &str, faults: &[Fault]) -> Self {
        let listener = listen();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (seen, server, faults) = (Arc::clone(&heads), server.to_owned(), faults.to_vec());
        SERVERS.spawn(async move {
            let mut faults = faults.into_iter();
            while let Ok((socket, _)) = listener.accept().await {
                let fault = faults.next().unwrap_or(Fault::None);
                let (seen, server) = (Arc::clone(&seen), server.clone());
                tokio::spawn(async move { serve(socket, &server, fault, &seen).await });
            }
        });
        Self { address, heads }
    }

    /// The first line of the first request of each connection.
    pub(crate) fn asked(&self) -> Vec<String> {
        let first = |head: &String| head.lines().next().unwrap_or_default().to_owned();
        self.heads().iter().map(first).collect()
    }

    /// The head of the first request of each connection.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

/// A free port of loopback.
pub(crate) fn listen() -> TcpListener {
    SERVERS
        .block_on(TcpListener::bind(("127.0.0.1", 0)))
        .unwrap()
}

/// What fails here has been closed by one of the two, who tell it better.
async fn serve(
    mut socket: TcpStream,
    server: &str,
    fault: Fault,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let head = head(&mut socket).await?;
    seen.lock()
        .push(String::from_utf8_lossy(&head).into_owned());
    match fault {
        Fault::None => {}
        Fault::Slow => tokio::time::sleep(Duration::from_secs(1)).await,
        Fault::Answer(answer) => {
            socket.write_all(answer.as_bytes()).await?;
            socket.shutdown().await?;
            // What is closed before all of a request was read is reset, and the answer may be lost.
            tokio::io::copy(&mut socket, &mut tokio::io::sink()).await?;
            return Ok(());
        }
        Fault::Reset => return Ok(()),
        Fault::Silence => std::future::pending().await,
    }
    let mut behind = TcpStream::connect(server).await?;
    behind.write_all(&head).await?;
    copy_bidirectional(&mut socket, &mut behind).await?;
    Ok(())
}

/// The head of a request, and no byte more.
async fn head(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    Ok(head)
}
