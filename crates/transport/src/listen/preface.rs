//! The first bytes of a connection, which must come in time.
//!
//! An HTTP/2 connection may be idle for as long as it likes once it stands. Before, libraries wait
//! for its preface without a limit.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a connection may take to send them.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What every HTTP/2 client sends first: the preface, and the head of its SETTINGS frame.
const BYTES: usize = 24 + 9;

/// A connection that fails if its first bytes are late.
#[derive(Debug)]
pub struct Preface<S> {
    stream: S,
    /// What is missing, and when it is late.
    wanted: Option<(usize, Pin<Box<Sleep>>)>,
}

// === impl Preface ===

impl<S> Preface<S> {
    /// Expects the first bytes of `stream` from now on.
    pub fn expect(stream: S) -> Self {
        Self {
            stream,
            wanted: Some((BYTES, Box::pin(sleep(TIMEOUT)))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Preface<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some((missing, late)) = &mut self.wanted else {
            return read;
        };
        *missing = missing.saturating_sub(buffer.filled().len() - before);
        if *missing == 0 {
            self.wanted = None;
        } else if late.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Preface<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_that_drip_are_late() {
        let (mut peer, stream) = duplex(64);
        let mut stream = Preface::expect(stream);
        let drip = async {
            loop {
                peer.write_all(b"P").await.unwrap();
                sleep(Duration::from_secs(3)).await;
            }
        };
        let mut buffer = [0; 64];
        let read = async {
            loop {
                if let Err(error) = stream.read(&mut buffer).await {
                    return error;
                }
            }
        };
        let error = tokio::select! {
            error = read => error,
            () = drip => unreachable!("invariant: it drips for ever"),
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_stands_may_be_idle() {
        let (mut peer, stream) = duplex(64);
        let mut stream = Preface::expect(stream);
        peer.write_all(&[b'P'; BYTES]).await.unwrap();
        stream.read_exact(&mut [0; BYTES]).await.unwrap();
        let hour = Duration::from_secs(3600);
        let idle = tokio::time::timeout(hour, stream.read_u8()).await;
        assert!(idle.is_err(), "{idle:?}");
    }
}
