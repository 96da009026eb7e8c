//! What stands between the tool and a server: it passes bytes on, or does not.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What is done with a connection, by its number from 0.
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
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (seen, server, faults) = (Arc::clone(&heads), server.to_owned(), faults.to_vec());
        // It ends with the test's process.
        thread::spawn(move || {
            for (number, socket) in listener.incoming().enumerate() {
                let fault = faults.get(number).copied().unwrap_or(Fault::None);
                let (seen, server) = (Arc::clone(&seen), server.clone());
                thread::spawn(move || serve(&socket.unwrap(), &server, fault, &seen));
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
        self.heads.lock().unwrap().clone()
    }
}

/// What fails here has been closed by one of the two, who tell it better.
fn serve(socket: &TcpStream, server: &str, fault: Fault, seen: &Mutex<Vec<String>>) -> Option<()> {
    let head = head(socket).ok()?;
    let text = String::from_utf8_lossy(&head).into_owned();
    seen.lock().unwrap().push(text);
    match fault {
        Fault::None => {}
        Fault::Slow => thread::sleep(Duration::from_secs(1)),
        Fault::Answer(answer) => {
            (&*socket).write_all(answer.as_bytes()).ok()?;
            return socket.shutdown(Shutdown::Both).ok();
        }
        Fault::Reset => return socket.shutdown(Shutdown::Both).ok(),
        Fault::Silence => loop {
            thread::sleep(Duration::from_secs(60));
        },
    }
    let behind = TcpStream::connect(server).ok()?;
    (&behind).write_all(&head).ok()?;
    let (from, to) = (socket.try_clone().ok()?, behind.try_clone().ok()?);
    thread::spawn(move || {
        let _ = io::copy(&mut &from, &mut &to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut &behind, &mut &*socket);
    socket.shutdown(Shutdown::Write).ok()
}

/// The head of a request, and no byte more.
fn head(socket: &TcpStream) -> io::Result<Vec<u8>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        (&*socket).read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(head)
}
