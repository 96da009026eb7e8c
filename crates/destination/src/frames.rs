//! gRPC messages out of an HTTP body, without a buffer that outlives a message.
//!
//! tonic's own reader keeps a buffer as large as the stream's largest message for as long as the
//! stream lives; here bytes are held only while a message is incomplete. The format is that of
//! gRPC over HTTP/2: a flag byte, a big-endian length, the message; status in the trailers.

use bytes::Bytes;
use http_body_util::BodyExt;
use tonic::{Status, body::Body};

use super::{
    ending::{Ending, Violation},
    spare,
};

/// A flag byte and a length.
const PREFIX: usize = 5;
/// Far above a snapshot of all the endpoints a Service can have (some 35 MiB for 100,000).
const LARGEST: usize = 256 * 1024 * 1024;

/// The last of the codes that gRPC has (UNAUTHENTICATED).
const LAST_CODE: u8 = 16;

/// The most that is set aside for a message before it has come.
const AT_ONCE: usize = 1024 * 1024;

/// The messages of one response.
#[derive(Debug)]
pub struct Frames {
    body: Body,
    ready: Bytes,
    partial: Vec<u8>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// Bytes have arrived: take the messages with [`Frames::each`], after stamping them.
    Arrived,
    /// The stream ended.
    Ended(Ending),
}

// === impl Frames ===

impl Frames {
    /// Reads `body`.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self {
            body,
            ready: Bytes::new(),
            partial: Vec::new(),
        }
    }

    /// Waits until more bytes have arrived, or the stream has ended.
    pub async fn next(&mut self) -> Next {
        loop {
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.ready = data;
                        return Next::Arrived;
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            return Next::Ended(self.whole(status(&trailers)));
                        }
                    }
                },
                Some(Err(status)) => return Next::Ended(Ending::of(&status)),
                None => return Next::Ended(Violation("end without trailers").into()),
            }
        }
    }

    /// An end with status OK is none while a message is incomplete.
    fn whole(&self, ending: Ending) -> Ending {
        if ending.is_ok() && !self.partial.is_empty() {
            return Violation("truncated message").into();
        }
        ending
    }

    /// Hands each message that is whole by now to `with`.
    ///
    /// # Errors
    /// If the bytes are no gRPC, or a message is compressed (none was asked for) or absurdly large;
    /// else the first error of `with`.
    pub fn each(
        &mut self,
        mut with: impl FnMut(&[u8]) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        loop {
            if self.partial.is_empty() {
                let Some(whole) = whole(&self.ready)? else {
                    self.keep(PREFIX);
                    return Ok(());
                };
                let Some(framed) = self.ready.get(..whole) else {
                    self.keep(whole);
                    return Ok(());
                };
                with(&framed[PREFIX..])?;
                // Not `advance`: an empty rest would keep the connection's whole buffer alive.
                drop(self.ready.split_to(whole));
                continue;
            }
            self.fill(PREFIX);
            let Some(whole) = whole(&self.partial)? else {
                return Ok(());
            };
            self.fill(whole);
            if self.partial.len() < whole {
                return Ok(());
            }
            with(&self.partial[PREFIX..])?;
            spare::give(std::mem::take(&mut self.partial));
        }
    }

    /// Puts the beginning of a message of `whole` bytes aside until the rest arrives, with room for
    /// that.
    fn keep(&mut self, whole: usize) {
        if !self.ready.is_empty() {
            self.partial = spare::take(whole.min(AT_ONCE));
            self.fill(usize::MAX);
        }
    }

    /// Adds what has arrived to what was put aside, until that has `whole` bytes.
    fn fill(&mut self, whole: usize) {
        let missing = whole.saturating_sub(self.partial.len());
        let some = self.ready.split_to(missing.min(self.ready.len()));
        self.partial.extend_from_slice(&some);
    }
}

/// The length of the message that these bytes begin, its prefix included; `None` if they do not say
/// it yet.
fn whole(bytes: &[u8]) -> Result<Option<usize>, Violation> {
    let Some((prefix, _)) = bytes.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let [compressed, length @ ..] = *prefix;
    match compressed {
        0 => {}
        1 => return Err(Violation("compressed message")),
        _ => return Err(Violation("no gRPC message")),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > LARGEST {
        return Err(Violation("message too large"));
    }
    Ok(Some(PREFIX + length))
}

/// The end that trailers, or the headers of a response without a body, say.
#[must_use]
pub fn status(headers: &http::HeaderMap) -> Ending {
    let Some(code) = headers.get("grpc-status") else {
        return Violation("no grpc-status").into();
    };
    let known = code.to_str().ok().and_then(|code| code.parse().ok());
    match Status::from_header_map(headers) {
        Some(status) if known.is_some_and(|code: u8| code <= LAST_CODE) => Ending::status(&status),
        _ => Violation("invalid grpc-status").into(),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use tonic::Code;

    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend(message);
        bytes
    }

    async fn read(bytes: &[u8], chunk: usize) -> Vec<Bytes> {
        let chunks: Vec<_> = bytes
            .chunks(chunk)
            .map(|c| Ok::<_, Status>(http_body::Frame::data(Bytes::copy_from_slice(c))))
            .collect();
        let mut frames = Frames::new(Body::new(StreamBody::new(futures::stream::iter(chunks))));
        let mut messages = Vec::new();
        while let Next::Arrived = frames.next().await {
            let each = frames.each(|message| {
                messages.push(Bytes::copy_from_slice(message));
                Ok(())
            });
            each.unwrap();
        }
        messages
    }

    #[tokio::test]
    async fn messages_come_out_whole_however_the_bytes_are_cut() {
        let sent: [&[u8]; 4] = [b"a", b"", &[7; 300], b"last"];
        let bytes: Vec<u8> = sent.iter().flat_map(|m| framed(m)).collect();
        for chunk in 1..=bytes.len() {
            assert_eq!(read(&bytes, chunk).await, sent, "cut into {chunk}");
        }
    }

    #[tokio::test]
    async fn a_compressed_message_is_refused() {
        let data = http_body::Frame::data(Bytes::from_static(&[1, 0, 0, 0, 0]));
        let body = StreamBody::new(futures::stream::iter([Ok::<_, Status>(data)]));
        let mut frames = Frames::new(Body::new(body));
        assert!(matches!(frames.next().await, Next::Arrived));
        assert!(frames.each(|_| Ok(())).is_err());
    }

    #[tokio::test]
    async fn trailers_end_the_stream_with_their_status() {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", "5".parse().unwrap());
        let frame = http_body::Frame::<Bytes>::trailers(trailers);
        let body = StreamBody::new(futures::stream::iter([Ok::<_, Status>(frame)]));
        let Next::Ended(ending) = Frames::new(Body::new(body)).next().await else {
            panic!("ended")
        };
        assert_eq!(ending.code(), Some(Code::NotFound));
    }
}
