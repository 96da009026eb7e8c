//! What the churner does, for clients in other processes: its `/events` and `/clock`.
//!
//! Instants are microseconds of this process's clock; a reader measures with `/clock` how far its
//! own is off, on the same connection.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    Extension, Json, Router, body::Body, extract::Query, response::IntoResponse, routing::get,
};
use bytes::Bytes;
use dst_load_kubernetes::actor::Acted;
use dst_load_oracle::ledger::Written;
use dst_load_scenario::{
    action::{Action, CycleStart, Verb},
    scenario::Scenario,
    time::At,
};
use dst_load_transport::{clock::Clock, listen::http::Endless};
use futures::{Stream, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::lines::{ActionLine, BeatLine, Mark, MarkLine};

/// Lines that are kept: five scalings of the 5,000 Services that a namespace holds, some 10 MB. A
/// reader that falls further behind gets the number of those it lost.
const KEPT: usize = 50_000;
/// Lines a chunk of an answer, so that a reader who starts late is not sent 10 MB at once.
const CHUNK: usize = 256;

/// The last actions that were due, and that were answered.
#[derive(Clone, Debug)]
pub struct EventLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What tells this process from one that is started after it at the same address.
    start: String,
    namespace: String,
    services: Vec<String>,
    lines: Mutex<Lines>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Bytes>,
    /// Lines that are no longer kept; the first kept one has the next number.
    gone: u64,
    /// The last heartbeat for observers, with its number: only the last one is of use, and it has
    /// no place among what is kept.
    beat: (u64, Bytes),
}

/// The query of `/events`.
#[derive(Deserialize)]
struct After {
    /// The sequence number of the last line that the reader has.
    #[serde(default)]
    after: u64,
}

/// The answer of `/clock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockAnswer {
    /// Microseconds since this process's clock began.
    pub now: u64,
    /// What tells this process from others: with another one, clock and events are others.
    pub start: String,
    /// The namespace of the Services that the events name.
    pub namespace: String,
    /// The number of the last event.
    pub last: u64,
}

// === impl EventLog ===

impl EventLog {
    /// An empty log for the Services of `scenario` in a namespace, of the process that `start`
    /// names.
    #[must_use]
    pub fn new(scenario: &Scenario, namespace: &str, start: &str) -> Self {
        Self(Arc::new(Inner {
            start: start.to_owned(),
            namespace: namespace.to_owned(),
            services: scenario.services().collect(),
            lines: Mutex::default(),
            more: Notify::new(),
        }))
    }

    /// Adds an action that is due: sent before its first call, so that whoever reads knows of it
    /// before its effects.
    ///
    /// # Panics
    ///
    /// If its Service is not one of the scenario's.
    pub fn announce(&self, action: &Action) {
        self.add(action, None);
    }

    /// Adds an action that was answered.
    ///
    /// # Panics
    ///
    /// If its Service is not one of the scenario's.
    pub fn record(&self, acted: &Acted) {
        self.add(&acted.action, Some(acted));
    }

    fn add(&self, of: &Action, acted: Option<&Acted>) {
        let (action, from, to) = match of.verb {
            Verb::Create { endpoints } => ("create", 0, endpoints),
            Verb::Scale { from, to } => ("scale", from, to),
            Verb::Restart { endpoints } => ("restart", endpoints, endpoints),
            Verb::Provoke {
                case, endpoints, ..
            } => (case.name(), endpoints, endpoints),
        };
        let (add, remove) = of.verb.expects();
        let error = acted.and_then(|acted| acted.result.as_ref().err());
        self.push(|sequence| ActionLine {
            sequence,
            action: action.into(),
            service: self.0.services[of.service].clone(),
            from,
            to,
            add,
            remove,
            intended: of.intended.as_micros(),
            sent: acted.map(|acted| acted.sent.as_micros()),
            acknowledged: acted.map(|acted| acted.acknowledged.as_micros()),
            error: error.map(ToString::to_string),
        });
    }

    /// Adds that a cycle starts.
    pub fn cycle(&self, start: &CycleStart) {
        self.push(|sequence| MarkLine {
            sequence,
            action: Mark::Cycle,
            cycle: Some(start.cycle),
            whole: None,
            intended: start.at.as_micros(),
        });
    }

    /// Adds that the plan is over; `whole` tells if its last cycle ran its whole course.
    pub fn end(&self, at: At, whole: bool) {
        self.push(|sequence| MarkLine {
            sequence,
            action: Mark::End,
            cycle: None,
            whole: Some(whole),
            intended: at.as_micros(),
        });
    }

    /// Replaces the last heartbeat for observers by one that was acknowledged at `at`.
    pub fn beat(&self, written: &Written, at: At) {
        let line = BeatLine {
            heartbeat: written.object.to_string(),
            resource_version: written
                .resource_version
                .as_deref()
                .unwrap_or_default()
                .to_owned(),
            acknowledged: at.as_micros(),
        };
        let line = encoded(&line);
        let mut lines = self.0.lines.lock();
        lines.beat = (lines.beat.0 + 1, line);
        drop(lines);
        self.0.more.notify_waiters();
    }

    fn push<T: Serialize>(&self, line: impl FnOnce(u64) -> T) {
        let mut lines = self.0.lines.lock();
        let line = encoded(&line(lines.last() + 1));
        if lines.kept.len() == KEPT {
            lines.kept.pop_front();
            lines.gone += 1;
        }
        lines.kept.push_back(line);
        drop(lines);
        self.0.more.notify_waiters();
    }

    /// `/events` (JSON lines from the one after `?after=N` on, and then each as it happens, until
    /// the reader leaves) and `/clock`.
    pub fn routes(&self, clock: Clock) -> Router {
        let (log, asked) = (self.clone(), self.clone());
        let events = move |Query(After { after }): Query<After>| async move {
            let lines = log.follow(after);
            let kind = [("content-type", "application/jsonl")];
            (Extension(Endless), kind, Body::from_stream(lines)).into_response()
        };
        let now = move || async move {
            Json(ClockAnswer {
                start: asked.0.start.clone(),
                namespace: asked.0.namespace.clone(),
                last: asked.0.lines.lock().last(),
                now: clock.now().as_micros(),
            })
        };
        Router::new()
            .route("/events", get(events))
            .route("/clock", get(now))
    }

    /// Chunks of whole lines, without end.
    fn follow(self, after: u64) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        let before = self.0.lines.lock().beat.0;
        stream::unfold((self, after, before), |(log, after, beat)| async move {
            loop {
                let more = log.0.more.notified();
                tokio::pin!(more);
                // From here on a line that is added wakes us, even before the wait.
                more.as_mut().enable();
                let next = log.0.lines.lock().next(after, beat);
                if let Some((chunk, last, beat)) = next {
                    return Some((Ok(chunk), (log.clone(), last, beat)));
                }
                more.await;
            }
        })
    }
}

fn encoded(line: &impl Serialize) -> Bytes {
    let mut json = serde_json::to_vec(line).expect("invariant: plain fields have a JSON form");
    json.push(b'\n');
    json.into()
}

// === impl Lines ===

impl Lines {
    /// The number of the last line.
    fn last(&self) -> u64 {
        self.gone + self.kept.len() as u64
    }

    /// What follows line `after` and heartbeat `beat`: lines, or else the last heartbeat; with the
    /// numbers of the last of each.
    fn next(&self, after: u64, beat: u64) -> Option<(Bytes, u64, u64)> {
        if let Some((chunk, last)) = self.since(after) {
            return Some((chunk, last, beat));
        }
        let (number, line) = &self.beat;
        (*number > beat).then(|| (line.clone(), after, *number))
    }

    /// The next lines after number `after`, and the number of the last of them.
    fn since(&self, after: u64) -> Option<(Bytes, u64)> {
        if after >= self.last() {
            return None;
        }
        let mut chunk = Vec::new();
        let lost = self.gone.saturating_sub(after);
        if lost > 0 {
            chunk.extend_from_slice(format!("{{\"lost\":{lost}}}\n").as_bytes());
        }
        let from = after.max(self.gone);
        let skip = usize::try_from(from - self.gone).unwrap_or(usize::MAX);
        let next = self.kept.iter().skip(skip).take(CHUNK);
        let mut last = from;
        for line in next {
            chunk.extend_from_slice(line);
            last += 1;
        }
        Some((chunk.into(), last))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use serde_json::{Value, json};

    use super::*;
    use dst_load_kubernetes::actor::mock::scenario;

    fn acted(to: u32) -> Acted {
        Acted {
            action: Action {
                intended: At::from_millis(1),
                service: 0,
                cycle: 1,
                verb: Verb::Scale { from: 3, to },
            },
            sent: At::from_millis(2),
            acknowledged: At::from_millis(3),
            retries: 0,
            result: Ok(()),
        }
    }

    fn lines(chunk: &Bytes) -> Vec<Value> {
        let lines = chunk.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_gets_what_it_missed_and_then_each_line_as_it_happens() {
        let log = EventLog::new(&scenario(1), "shop", "p1");
        log.record(&acted(9));
        log.record(&acted(8));
        let mut reader = Box::pin(log.clone().follow(1));
        let first = reader.next().await.unwrap().unwrap();
        assert_eq!(
            lines(&first),
            [json!({
                "sequence": 2, "action": "scale", "service": "test-service-1", "from": 3, "to": 8,
                "add": 5, "remove": 0,
                "intended": 1_000, "sent": 2_000, "acknowledged": 3_000,
            })]
        );
        let (next, ()) = tokio::join!(reader.next(), async { log.announce(&acted(7).action) });
        let due = &lines(&next.unwrap().unwrap())[0];
        assert_eq!((&due["to"], &due["intended"]), (&json!(7), &json!(1_000)));
        assert_eq!((due.get("sent"), due.get("acknowledged")), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_gets_the_last_heartbeat_and_none_from_before_its_time() {
        let log = EventLog::new(&scenario(1), "shop", "p1");
        let beat = |version: &str| {
            let written = Written {
                object: "u".into(),
                resource_version: Some(version.into()),
            };
            log.beat(&written, At::from_millis(4));
        };
        beat("6");
        log.record(&acted(9));
        let mut reader = Box::pin(log.clone().follow(0));
        let first = lines(&reader.next().await.unwrap().unwrap());
        assert_eq!(first[0]["sequence"], 1);
        let (next, ()) = tokio::join!(reader.next(), async {
            beat("7");
            beat("8");
        });
        assert_eq!(
            lines(&next.unwrap().unwrap()),
            [json!({ "heartbeat": "u", "resource_version": "8", "acknowledged": 4_000 })]
        );
    }

    #[test]
    fn a_reader_that_is_too_far_behind_is_told_what_it_lost() {
        let log = EventLog::new(&scenario(1), "shop", "p1");
        for to in 0..u32::try_from(KEPT).unwrap() + 5 {
            log.record(&acted(to));
        }
        let (chunk, last) = log.0.lines.lock().since(2).unwrap();
        let lines = lines(&chunk);
        assert_eq!(lines[0], json!({ "lost": 3 }));
        assert_eq!(lines[1]["sequence"], 6);
        assert_eq!(last, 5 + CHUNK as u64);
    }
}
