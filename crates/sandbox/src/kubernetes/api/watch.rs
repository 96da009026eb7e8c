//! Watches: what has happened since a version, and then whatever happens.
//!
//! Events were serialised when they were written; a watch only gathers the ones it selects, so a
//! hundred watches cost little more than one.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use dst_load_scenario::{fault::FaultKind, seed};
use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use super::{Call, answer::Form, json as respond};
use crate::kubernetes::{
    object::{Happened, SUFFIX},
    selector::Selector,
    shared::Shared,
    status::Refusal,
    store::Entry,
};

/// As long as a real API server keeps quiet at most.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// How long before its end a watch is told where it stands, so that the next one resumes there and
/// not where this one began.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// How much is written to a connection at once.
const BATCH: usize = 256 << 10;

/// One watch.
struct Watch {
    shared: Arc<Shared>,
    call: Call,
    selector: Selector,
    /// Everything up to this version was sent.
    cursor: u64,
    /// Sent before anything of the log.
    first: VecDeque<Bytes>,
    bookmark: Option<Instant>,
    ends: Instant,
    /// What has happened and is kept back by a fault, with the instants at which it is sent.
    late: VecDeque<(Instant, Bytes)>,
    /// Whether a table's columns were sent.
    headed: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The connection breaks now.
    Broken,
    /// The connection stays, and nothing is sent any more.
    Silent,
    Closed,
}

/// Answers a watch.
pub(crate) fn watch(shared: &Arc<Shared>, call: Call) -> Result<Response, Refusal> {
    let selector = call.selector()?;
    let since = call.version()?;
    let initial = call.is_set("sendInitialEvents");
    if initial && call.parameter("resourceVersionMatch") != Some("NotOlderThan") {
        let message = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        return Err(Refusal::bad_request(message));
    }
    let seconds = call
        .parameter("timeoutSeconds")
        .and_then(|it| it.parse().ok());
    let span = match seconds.filter(|&it| it > 0) {
        Some(seconds) => Duration::from_secs(seconds),
        // As a real one, so that the watches of many clients do not end together.
        None => seed::delay(
            shared.config.seed,
            "watch-timeout",
            &call.number.to_string(),
            Duration::from_secs(1800),
            Duration::from_secs(3600),
        ),
    };
    let now = Instant::now();
    let mut watch = Watch {
        bookmark: call
            .is_set("allowWatchBookmarks")
            .then(|| next_bookmark(now, now + span))
            .flatten(),
        shared: shared.clone(),
        selector,
        cursor: 0,
        first: VecDeque::new(),
        late: VecDeque::new(),
        ends: now + span,
        headed: false,
        state: State::Open,
        call,
    };
    match since {
        Some(version) if version > 0 && !initial => {
            // One of the future is waited for, as if it were of another server that is ahead.
            watch.cursor = version;
        }
        _ => watch.start_with_everything(initial),
    }
    if watch.is_told_gone() {
        let oldest = watch.latest();
        let number = watch.call.number.to_string();
        // A real server says it either way, so clients must understand both.
        if seed::chosen(shared.config.seed, "gone-as-status", &number, 0.5) {
            return Err(Refusal::expired(watch.cursor, oldest));
        }
        watch.first.clear();
        watch.end_with(&Refusal::expired(watch.cursor, oldest));
    }
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((chunk, watch))
    });
    Ok(respond(StatusCode::OK, Body::from_stream(stream)))
}

// === impl Watch ===

impl Watch {
    /// The objects that stand, as if each had just been added.
    fn start_with_everything(&mut self, mark_end: bool) {
        let resource = self.call.resource;
        let (shared, selector) = (self.shared.clone(), self.selector.clone());
        let (version, objects) = shared.with(|store| {
            let objects = selector.list(store, resource, None);
            let objects: Vec<Bytes> = objects.map(|it| it.json()).collect();
            (store.version(), objects)
        });
        self.cursor = version;
        for object in objects {
            let event = self.event(Happened::Added, object);
            self.first.push_back(event);
        }
        if mark_end {
            let annotations = json!({ "k8s.io/initial-events-end": "true" });
            let bookmark = self.bookmark_event(&annotations);
            self.first.push_back(bookmark);
        }
    }

    /// The next piece of the body.
    async fn next(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        loop {
            match self.state {
                State::Broken => {
                    self.state = State::Closed;
                    return Some(Err(std::io::ErrorKind::ConnectionReset.into()));
                }
                State::Silent => {
                    self.shared.cancel.cancelled().await;
                    return None;
                }
                State::Closed if self.first.is_empty() => return None,
                State::Open | State::Closed => {}
            }
            if self.is_struck(FaultKind::SilentWatch).is_some() {
                self.state = State::Silent;
                continue;
            }
            if !self.first.is_empty() {
                return Some(Ok(self.batch_of_first()));
            }
            if self.is_told_gone() {
                let refusal = Refusal::expired(self.cursor, self.latest());
                self.end_with(&refusal);
                continue;
            }
            // Before the log is read, so that no write falls in between.
            let notify = self.shared.written(self.call.resource);
            let written = notify.notified();
            match self.gather() {
                Ok(events) if events.is_empty() => {}
                Ok(events) => match self.keep_back(events) {
                    Some(events) => return Some(Ok(self.send(events))),
                    None => continue,
                },
                Err(oldest) => {
                    let refusal = Refusal::expired(self.cursor, oldest);
                    self.end_with(&refusal);
                    continue;
                }
            }
            let now = Instant::now();
            if self.late.front().is_some_and(|(due, _)| now >= *due)
                && let Some((_, events)) = self.late.pop_front()
            {
                return Some(Ok(events));
            }
            if now >= self.ends && self.late.is_empty() {
                return None;
            }
            // A bookmark says that all before it was sent.
            if self.bookmark.is_some_and(|due| now >= due) && self.late.is_empty() {
                self.bookmark = next_bookmark(now, self.ends);
                let bookmark = self.bookmark_event(&json!({}));
                return Some(Ok(bookmark));
            }
            let starts = |kind| {
                let at = self.shared.faults.next(kind, self.shared.now());
                at.map(|at| self.shared.instant(at))
            };
            let wake = match self.late.front() {
                Some((due, _)) => Some(*due),
                None => self.bookmark.into_iter().chain([self.ends]).min(),
            };
            let wake = [starts(FaultKind::Gone), starts(FaultKind::SilentWatch)]
                .into_iter()
                .flatten()
                .fold(wake.unwrap_or(self.ends), Instant::min);
            tokio::select! {
                biased;
                () = self.shared.cancel.cancelled() => return None,
                () = written => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// What the log holds for this watch after the cursor, up to a batch.
    fn gather(&mut self) -> Result<Vec<Bytes>, u64> {
        let resource = self.call.resource;
        let (shared, cursor) = (self.shared.clone(), self.cursor);
        let mut events = Vec::new();
        let reached = shared.with(|store| -> Result<u64, u64> {
            let mut bytes = 0;
            for entry in store.log(resource).after(cursor)? {
                let event = self.select(entry);
                bytes += event.as_ref().map_or(0, Bytes::len);
                events.extend(event);
                if bytes >= BATCH {
                    return Ok(entry.object.version);
                }
            }
            Ok(store.version())
        })?;
        self.cursor = cursor.max(reached);
        Ok(events)
    }

    /// The event of a write for this watch. An object that comes to match is added to its view,
    /// one that ceases to is deleted from it.
    fn select(&mut self, entry: &Entry) -> Option<Bytes> {
        let object = &entry.object;
        let selector = &self.selector;
        let before = entry.before.as_deref();
        let was = before.filter(|it| selector.selects(&it.meta));
        let is = object.happened() != Happened::Deleted && selector.selects(&object.meta);
        let happened = match (was, is) {
            (None, false) => return None,
            (None, true) => Happened::Added,
            (Some(_), true) => Happened::Modified,
            // What leaves the selection is shown as it was while it was selected.
            (Some(was), false) if object.happened() != Happened::Deleted => {
                let left = was.json_at(object.version);
                return Some(self.event(Happened::Deleted, left));
            }
            (Some(_), false) => Happened::Deleted,
        };
        if happened == object.happened() && self.call.form == Form::Whole {
            return Some(object.event());
        }
        Some(self.event(happened, object.json()))
    }

    /// Keeps events back where a fault says so, behind those that are kept already; else returns
    /// them.
    fn keep_back(&mut self, events: Vec<Bytes>) -> Option<Vec<Bytes>> {
        let delay = self.is_struck(FaultKind::LateWatch).unwrap_or_default();
        let after = self.late.back().map(|(due, _)| *due);
        if delay.is_zero() && after.is_none() {
            return Some(events);
        }
        let due = Instant::now() + delay;
        let due = after.map_or(due, |after| after.max(due));
        self.late.push_back((due, join(events)));
        None
    }

    /// The delay of the fault of `kind` that strikes this watch now; only the observer's watches
    /// are struck.
    fn is_struck(&self, kind: FaultKind) -> Option<Duration> {
        if !self.call.by_observer {
            return None;
        }
        let plural = self.call.resource.plural();
        let faults = &self.shared.faults;
        let fault = faults.of_watch(kind, self.shared.now(), plural, self.call.number);
        fault.map(|fault| fault.delay)
    }

    /// One batch, unless the connection breaks in the middle of it.
    fn send(&mut self, events: Vec<Bytes>) -> Bytes {
        let number = self.call.number.to_string();
        let faults = &self.shared.faults;
        let mut chunk = join(events);
        if faults.strikes(FaultKind::HangUpWatch, self.shared.now(), &number) {
            self.state = State::Broken;
            // The line's end is missing whatever its length.
            chunk.truncate((chunk.len() - 1) / 2);
        }
        chunk
    }

    fn batch_of_first(&mut self) -> Bytes {
        let mut bytes = 0;
        let mut batch = Vec::new();
        while bytes < BATCH {
            let Some(event) = self.first.pop_front() else {
                break;
            };
            bytes += event.len();
            batch.push(event);
        }
        join(batch)
    }

    /// An event in the form that the client wants.
    fn event(&mut self, happened: Happened, object: Bytes) -> Bytes {
        let now = self.shared.now();
        let form = self.call.form;
        let object = form.render(self.call.resource, object, now, !self.headed);
        self.headed = true;
        [happened.prefix().as_bytes(), &object, SUFFIX.as_bytes()]
            .concat()
            .into()
    }

    fn bookmark_event(&self, annotations: &serde_json::Value) -> Bytes {
        let resource = self.call.resource;
        let (kind, api_version) = match self.call.form {
            Form::Whole => (resource.kind(), resource.api_version()),
            Form::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1"),
            Form::Table => ("Table", "meta.k8s.io/v1"),
        };
        let mut metadata = json!({ "resourceVersion": self.cursor.to_string() });
        if annotations.as_object().is_some_and(|it| !it.is_empty()) {
            metadata["annotations"] = annotations.clone();
        }
        let object = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata });
        format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n").into()
    }

    fn is_told_gone(&self) -> bool {
        let number = self.call.number.to_string();
        let faults = &self.shared.faults;
        self.state == State::Open && faults.strikes(FaultKind::Gone, self.shared.now(), &number)
    }

    fn end_with(&mut self, refusal: &Refusal) {
        let event = format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", refusal.to_value());
        self.first.push_back(event.into());
        self.state = State::Closed;
    }

    fn latest(&self) -> u64 {
        self.shared.with(|store| store.version())
    }
}

/// When a watch that ends at `ends` gets its next bookmark; the last comes shortly before the end.
fn next_bookmark(now: Instant, ends: Instant) -> Option<Instant> {
    let last = ends.checked_sub(LAST_BOOKMARK)?;
    (now < last).then(|| last.min(now + BOOKMARK_EVERY))
}

/// One event is passed on as it is shared; several are copied together.
fn join(mut events: Vec<Bytes>) -> Bytes {
    if events.len() == 1 {
        return events.swap_remove(0);
    }
    let mut joined = BytesMut::with_capacity(events.iter().map(Bytes::len).sum());
    for event in events {
        joined.extend_from_slice(&event);
    }
    joined.freeze()
}
