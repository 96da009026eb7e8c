//! Servers of a few lines, on HTTP/2 or on bare sockets.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::future::BoxFuture;
use h2::{Reason, SendStream, server::SendResponse};
use linkerd2_proxy_api::{destination as pb, net};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::broadcast,
};

/// What a server does with a stream, after its snapshot unless it says otherwise.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The last frame of data ends it, without trailers.
    NoTrailers,
    /// Trailers with these fields.
    Trailers(&'static [(&'static str, &'static str)]),
    /// A response of this HTTP status with these fields and nothing else; no snapshot.
    Head(u16, &'static [(&'static str, &'static str)]),
    /// These bytes as data, then trailers with status OK.
    Data(Bytes),
    Reset(Reason),
    /// GOAWAY with this reason, and the end of the connection.
    GoAway(Reason),
    /// The socket is closed.
    Close,
    /// The socket is closed with a reset.
    Abort,
}

/// What connections of a [`Drainable`] are told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// GOAWAY(NO_ERROR), as a Go server sends it: first with the last possible stream, then with
    /// the last one that it has seen.
    Drain,
    /// An update on each stream.
    Update,
    /// So many updates on each stream, of some 8 KiB each, in turn.
    Pour(usize),
    /// Each stream ends with status OK.
    Finish,
    /// The same of the first stream alone.
    FinishFirst,
    /// Each stream is reset.
    Reset(Reason),
    /// The connection ends, whatever is on it.
    Cut,
}

/// A server that does what it is told with its first connections.
pub(super) struct Drainable {
    pub(super) address: String,
    acts: broadcast::Sender<(Act, usize)>,
    /// `Get` streams of each connection so far, in order.
    streams: Arc<Mutex<Vec<usize>>>,
}

/// The fields of an orderly end.
const OK: &[(&str, &str)] = &[("grpc-status", "0")];
/// For how long a snapshot is left alone before its stream ends.
const MOMENT: Duration = Duration::from_millis(20);

/// One endpoint, added.
pub(super) fn update(last: u8) -> Bytes {
    let address = std::net::SocketAddr::from(([10, 0, 0, last], 8080));
    let update = pb::Update {
        update: Some(pb::update::Update::Add(pb::WeightedAddrSet {
            addrs: vec![pb::WeightedAddr {
                addr: Some(net::TcpAddress::from(address)),
                ..pb::WeightedAddr::default()
            }],
            ..pb::WeightedAddrSet::default()
        })),
    };
    framed(0, &update.encode_to_vec())
}

/// Some 8 KiB of endpoints, added.
fn large_update() -> Bytes {
    let addresses = (0..=u16::MAX).map(|number| {
        let [high, low] = number.to_be_bytes();
        std::net::SocketAddr::from(([10, 1, high, low], 8080))
    });
    let addrs = addresses.take(512).map(|address| pb::WeightedAddr {
        addr: Some(net::TcpAddress::from(address)),
        ..pb::WeightedAddr::default()
    });
    let update = pb::Update {
        update: Some(pb::update::Update::Add(pb::WeightedAddrSet {
            addrs: addrs.collect(),
            ..pb::WeightedAddrSet::default()
        })),
    };
    framed(0, &update.encode_to_vec())
}

/// A message with this flag.
pub(super) fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(flag);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.put_slice(message);
    framed.freeze()
}

/// Serves each connection, numbered from 0, with `on`. Returns the address.
pub(super) async fn serve(
    on: impl Fn(TcpStream, usize) -> BoxFuture<'static, ()> + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for number in 0.. {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(on(socket, number));
        }
    });
    address
}

/// A server that ends the first `Get` stream of all so, and lets the others stand.
pub(super) async fn ends_first(end: End) -> String {
    let first = Arc::new(Mutex::new(Some(end)));
    serve(move |socket, _| {
        let first = Arc::clone(&first);
        Box::pin(async move {
            if matches!(*first.lock(), Some(End::Abort)) {
                socket.set_zero_linger().unwrap();
            }
            let mut connection = h2::server::handshake(socket).await.unwrap();
            let mut standing = Vec::new();
            let mut end = None;
            loop {
                let moment = tokio::time::sleep(MOMENT);
                tokio::select! {
                    biased;
                    accepted = connection.accept() => {
                        let Some(Ok((request, respond))) = accepted else { return };
                        let Some(respond) = get(&request, respond) else { continue };
                        let now = first.lock().take();
                        if let Some(End::Head(status, fields)) = now {
                            respond_head(respond, status, fields);
                            continue;
                        }
                        standing.push(snapshot(respond));
                        end = now;
                    }
                    () = moment, if end.is_some() => match end.take() {
                        Some(End::Close | End::Abort) => return,
                        Some(End::GoAway(reason)) => connection.abrupt_shutdown(reason),
                        Some(end) => {
                            let stream = standing.pop().unwrap();
                            standing.extend(finish(stream, end));
                        }
                        None => {}
                    },
                }
            }
        })
    })
    .await
}

/// Answers whatever is no `Get` stream; hands one back.
fn get(
    request: &http::Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
) -> Option<SendResponse<Bytes>> {
    if request.uri().path().ends_with("/Get") {
        return Some(respond);
    }
    respond_head(respond, 200, &[("grpc-status", "12")]);
    None
}

fn respond_head(mut respond: SendResponse<Bytes>, status: u16, fields: &[(&'static str, &str)]) {
    let mut response = http::Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers(fields);
    respond.send_response(response, true).unwrap();
}

fn snapshot(mut respond: SendResponse<Bytes>) -> SendStream<Bytes> {
    let mut response = http::Response::new(());
    *response.headers_mut() = headers(&[("content-type", "application/grpc")]);
    let mut stream = respond.send_response(response, false).unwrap();
    stream.send_data(update(1), false).unwrap();
    stream
}

/// Ends a stream so; hands it back if it stands.
fn finish(mut stream: SendStream<Bytes>, end: End) -> Option<SendStream<Bytes>> {
    match end {
        End::NoTrailers => stream.send_data(Bytes::new(), true).unwrap(),
        End::Trailers(fields) => stream.send_trailers(headers(fields)).unwrap(),
        End::Data(data) => {
            stream.send_data(data, false).unwrap();
            stream.send_trailers(headers(OK)).unwrap();
        }
        End::Reset(reason) => stream.send_reset(reason),
        _ => return Some(stream),
    }
    None
}

fn headers(fields: &[(&'static str, &str)]) -> http::HeaderMap {
    let fields = fields.iter();
    fields
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

/// What a client says first, as far as a server of bare sockets waits for it: the preface and the
/// head of its first stream.
pub(super) async fn first_request(socket: &mut TcpStream) {
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).await.unwrap();
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        socket.read_exact(&mut payload).await.unwrap();
        if head[3] == 1 {
            return;
        }
    }
}

/// Sends bytes and keeps the socket until the client goes.
pub(super) async fn says(mut socket: TcpStream, bytes: &[u8]) {
    socket.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
}

// === impl Drainable ===

impl Drainable {
    pub(super) async fn start() -> Self {
        let (acts, _) = broadcast::channel(16);
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (told, counted) = (acts.clone(), Arc::clone(&streams));
        let address = serve(move |socket, number| {
            counted.lock().push(0);
            let (mut told, counted) = (told.subscribe(), Arc::clone(&counted));
            Box::pin(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                let mut streams = VecDeque::new();
                loop {
                    tokio::select! {
                        biased;
                        act = told.recv() => match act.unwrap() {
                            (_, first) if number >= first => {}
                            (Act::Cut, _) => return,
                            (Act::Drain, _) => connection.graceful_shutdown(),
                            (act, _) => act.on(&mut streams),
                        },
                        accepted = connection.accept() => {
                            let Some(Ok((request, respond))) = accepted else { return };
                            if let Some(respond) = get(&request, respond) {
                                counted.lock()[number] += 1;
                                streams.push_back(snapshot(respond));
                            }
                        }
                    }
                }
            })
        })
        .await;
        Self {
            address,
            acts,
            streams,
        }
    }

    /// Tells the first so many connections.
    pub(super) fn tell(&self, act: Act, connections: usize) {
        self.acts.send((act, connections)).unwrap();
    }

    /// How many `Get` streams each connection has had.
    pub(super) fn streams(&self) -> Vec<usize> {
        self.streams.lock().clone()
    }
}

// === impl Act ===

impl Act {
    fn on(self, streams: &mut VecDeque<SendStream<Bytes>>) {
        let ending = match self {
            Self::Pour(updates) => {
                let update = large_update();
                for _ in 0..updates {
                    for stream in &mut *streams {
                        stream.send_data(update.clone(), false).unwrap();
                    }
                }
                return;
            }
            Self::Update => {
                for stream in streams {
                    stream.send_data(update(2), false).unwrap();
                }
                return;
            }
            Self::FinishFirst => 1,
            _ => streams.len(),
        };
        for mut stream in streams.drain(..ending) {
            match self {
                Self::Reset(reason) => stream.send_reset(reason),
                _ => stream.send_trailers(headers(OK)).unwrap(),
            }
        }
    }
}
