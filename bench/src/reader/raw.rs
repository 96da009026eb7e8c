//! The floor: HTTP/2 itself, by the same library as the tool's, with nothing above it.

use std::sync::atomic::Ordering;

use anyhow::bail;
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use linkerd2_proxy_api::destination::GetDestination;
use prost::Message;
use tokio::{net::TcpStream, task::JoinSet};

use super::{ReaderArgs, Tally};

/// As the tool's client announces them.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 5 * 1024 * 1024;

/// Reads all streams until one ends.
pub(super) async fn read(args: &ReaderArgs, tally: &'static Tally) -> anyhow::Result<()> {
    let mut streams = JoinSet::new();
    for client in 0..args.load.connections {
        let socket = TcpStream::connect(&args.destination).await?;
        socket.set_nodelay(true)?;
        let (send, connection) = Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .enable_push(false)
            .handshake::<_, Bytes>(socket)
            .await?;
        tokio::spawn(connection);
        for authority in args.load.authorities() {
            let request = request(&authority, &args.token(client)?);
            streams.spawn(stream(
                send.clone(),
                args.destination.clone(),
                request,
                tally,
            ));
        }
    }
    match streams.join_next().await {
        Some(ended) => ended?,
        None => bail!("no streams"),
    }
}

async fn stream(
    send: SendRequest<Bytes>,
    destination: String,
    body: Bytes,
    tally: &'static Tally,
) -> anyhow::Result<()> {
    let uri = format!("http://{destination}/io.linkerd.proxy.destination.Destination/Get");
    let request = http::Request::post(uri)
        .version(http::Version::HTTP_2)
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .body(())?;
    let (response, mut sending) = send.ready().await?.send_request(request, false)?;
    sending.send_data(body, true)?;
    let mut body = response.await?.into_body();
    while let Some(data) = body.data().await {
        let length = data?.len();
        body.flow_control().release_capacity(length)?;
        tally.bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
    bail!("a stream ended")
}

fn request(authority: &str, token: &str) -> Bytes {
    let get = GetDestination {
        scheme: "k8s".into(),
        path: authority.into(),
        context_token: token.into(),
    };
    let message = get.encode_to_vec();
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}
