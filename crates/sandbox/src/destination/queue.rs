//! The queue between the destination and one stream: bounded, in order, and lost when it overflows.
//!
//! It is its own small type because an idle stream must cost next to nothing (a channel would
//! reserve a block of slots for each of 25,000 streams) and because the end has to overtake what
//! is queued.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};
use tonic::Status;

/// One stream's queue, shared by the side that writes and the one that reads.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    end: Option<Status>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Entry {
    frame: Bytes,
    /// Not to be read before; only a fault sets it.
    not_before: Option<Instant>,
}

/// The reading side's timer for entries that are held back.
pub(crate) type Hold = Option<Pin<Box<Sleep>>>;

// === impl Queue ===

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            inner: Mutex::default(),
            // One entry more than waits: in Linkerd a blocked sender holds one in its hands.
            capacity: capacity.saturating_add(1),
        }
    }

    /// Appends a frame; false if there is no room. A queue that has ended takes it and forgets it.
    pub(crate) fn push(&self, frame: Bytes, not_before: Option<Instant>) -> bool {
        let mut inner = self.inner.lock();
        if inner.end.is_some() {
            return true;
        }
        let fits = inner.entries.len() < self.capacity;
        if fits {
            inner.entries.push_back(Entry { frame, not_before });
            inner.wake();
        }
        fits
    }

    /// Ends the stream with `status`; what is queued is lost. The first end counts.
    pub(crate) fn end(&self, status: Status) {
        let mut inner = self.inner.lock();
        if inner.end.is_none() {
            inner.entries = VecDeque::new();
            inner.end = Some(status);
            inner.wake();
        }
    }

    /// Waits until there is something to take.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>, hold: &mut Hold) -> Poll<()> {
        let mut inner = self.inner.lock();
        if inner.end.is_some() {
            return Poll::Ready(());
        }
        inner.waker = Some(cx.waker().clone());
        let Some(entry) = inner.entries.front() else {
            return Poll::Pending;
        };
        let Some(not_before) = entry.not_before else {
            return Poll::Ready(());
        };
        let timer = hold.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(not_before)));
        if timer.deadline() != not_before {
            timer.as_mut().reset(not_before);
        }
        timer.as_mut().poll(cx)
    }

    /// Takes the next frame, or how the stream ends. To be called once [`Self::poll_ready`] is.
    pub(crate) fn take(&self) -> Option<Result<Bytes, Status>> {
        let mut inner = self.inner.lock();
        if let Some(status) = &inner.end {
            return Some(Err(status.clone()));
        }
        let entry = inner.entries.pop_front()?;
        if inner.entries.is_empty() {
            // An idle stream keeps no buffer.
            inner.entries = VecDeque::new();
        }
        Some(Ok(entry.frame))
    }
}

// === impl Inner ===

impl Inner {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
