//! `/snapshot` of a client: its recording up to now, as one that ends now.
//!
//! A replica's recording is merged with the others' by whoever collects them, so nothing is added
//! up here. It is read from where it is written: memory does not grow with the run.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Json, Router, body::Body, http::StatusCode, response::IntoResponse, routing::get};
use bytes::Bytes;
use futures::{Stream, stream};
use tokio::sync::{mpsc, oneshot};

use super::collect::State;

/// Bytes a chunk of an answer.
const CHUNK: u64 = 256 * 1024;

/// What a recording comes to if it ends now.
#[derive(Debug)]
pub struct Closed {
    /// How much of the file belongs to it, bytes.
    pub written: u64,
    /// The lines after these that end it.
    pub lines: Vec<u8>,
}

/// Who wants to have the recording closed.
pub type Asked = mpsc::Receiver<oneshot::Sender<io::Result<Closed>>>;

/// Serves the recording that is written to a file.
#[derive(Clone, Debug)]
pub struct Snapshots {
    file: Arc<File>,
    over: Arc<AtomicBool>,
    ask: mpsc::Sender<oneshot::Sender<io::Result<Closed>>>,
}

// === impl Snapshots ===

impl Snapshots {
    /// A server of `file`, and the questions that whoever writes it must answer.
    #[must_use]
    pub fn new(file: File) -> (Self, Asked) {
        let (ask, asked) = mpsc::channel(1);
        let file = Arc::new(file);
        let over = Arc::default();
        (Self { file, over, ask }, asked)
    }

    /// Nothing more will be recorded.
    pub fn set_over(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// `/snapshot`, and `/state`, which tells whether the recording is over.
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/snapshot", get(answer))
            .route("/state", get(state))
            .with_state(self.clone())
    }

    async fn close(&self) -> io::Result<Closed> {
        let gone = || io::Error::other("the recording is not kept any more");
        let (answer, closed) = oneshot::channel();
        self.ask.send(answer).await.map_err(|_| gone())?;
        closed.await.map_err(|_| gone())?
    }

    /// The file up to `closed.written`, and the closing lines.
    fn read(self, closed: Closed) -> impl Stream<Item = io::Result<Bytes>> {
        let end = stream::iter([Ok(Bytes::from(closed.lines))]);
        let chunks = stream::unfold(0, move |from| {
            let file = Arc::clone(&self.file);
            async move {
                let length = usize::try_from(CHUNK.min(closed.written - from)).ok()?;
                if length == 0 {
                    return None;
                }
                let mut chunk = vec![0; length];
                // It has just been written: the pages are in memory.
                let read = file.read_exact_at(&mut chunk, from);
                Some((read.map(|()| Bytes::from(chunk)), from + length as u64))
            }
        });
        futures::StreamExt::chain(chunks, end)
    }
}

async fn state(axum::extract::State(snapshots): axum::extract::State<Snapshots>) -> Json<State> {
    let over = snapshots.over.load(Ordering::Acquire);
    Json(State { over })
}

async fn answer(
    axum::extract::State(snapshots): axum::extract::State<Snapshots>,
) -> axum::response::Response {
    match snapshots.close().await {
        Ok(closed) => {
            let kind = [("content-type", "application/jsonl")];
            (kind, Body::from_stream(snapshots.read(closed))).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
