//! A churner in another process, as a client reads it: its `/events` for intended instants, and its
//! `/clock` for how far the two clocks are apart.
//!
//! It is never the reason why a client ends. While it is unavailable it is tried again, and changes
//! have no intended instant.

mod feed;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, time::Duration};

use ::http::{Response, StatusCode};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use dst_load_oracle::ledger::{Ledgers, Written};
use dst_load_recording::{
    offset::{Offset, RoundTrip},
    recording::ClockLine,
};
use dst_load_scenario::{
    printable::{line, sentence},
    time::At,
};
use dst_load_transport::{
    backoff::{Backoff, Jitter},
    clock::Clock,
    http::{self, Address, Http, NotHttp, root},
};
use http_body_util::BodyExt;
use tokio::time::timeout;

use self::feed::Feed;
use super::churn::{ClockAnswer, lines::EventLine};

/// For how long an answer may not begin.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Questions about the clock each time; the fastest answer counts. The first also connects.
const ROUND_TRIPS: usize = 9;
/// How often the clocks are compared: two quartzes drift apart by some milliseconds an hour.
const CLOCK_INTERVAL: Duration = Duration::from_secs(60);
/// The delays between attempts. What happens meanwhile is reported later as long as a change waits
/// for its intent ([`dst_load_oracle::ledger::CLAIM_WAIT`]).
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10))
    .with_jitter(Jitter::Shorter(0.1));
/// The longest answer about the clock, and the longest line of events, in bytes.
const LARGEST: usize = 64 * 1024;

/// An address as it should be.
const EXAMPLE: &str = "http://127.0.0.1:9990";

/// Why reading ends where other events follow.
const RESTARTED: &str = "it was restarted";

/// A churner at an address.
#[derive(Clone, Debug)]
pub struct Partner {
    address: Address,
    http: Http,
}

/// What the churner reports, for the recording.
#[derive(Clone, Debug, PartialEq)]
pub enum PartnerEvent {
    /// The clocks were compared.
    Clock(ClockLine),
    /// It cannot be asked, or has not reported everything; once each time.
    Silent {
        /// Its address, without credentials.
        url: String,
        /// Why not.
        error: String,
    },
    /// A heartbeat for the observer was acknowledged.
    Beat {
        /// Which write of which object.
        written: Written,
        /// When, by our clock.
        at: At,
        /// How far that may be off.
        slack: Duration,
    },
    /// A cycle of its plan starts.
    Cycle {
        /// When, by our clock.
        at: At,
        /// Which, from 1.
        cycle: u32,
    },
    /// Its plan is over.
    End {
        /// When, by our clock.
        at: At,
        /// Whether the last cycle ran its whole course.
        whole: bool,
    },
}

// === impl Partner ===

impl Partner {
    /// The churner that serves at `address`, a URL or HOST:PORT.
    ///
    /// # Errors
    /// If that is none.
    pub fn new(address: &str) -> Result<Self, NotHttp> {
        let url = if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        let parsed = Address::parse(&url, EXAMPLE)?;
        let uri = parsed.uri();
        let has_port = uri.port().is_some() || uri.scheme_str() == Some("https");
        if !has_port || uri.path() != "/" {
            return Err(NotHttp::new(address, EXAMPLE));
        }
        Ok(Self::through(parsed, http::kept()))
    }

    /// The churner that answers through `http` in place of `address`.
    #[must_use]
    pub const fn through(address: Address, http: Http) -> Self {
        Self { address, http }
    }

    /// Enters what it reports into the ledgers, in the time of `clock`, for ever. Nothing is timed
    /// that was intended before `since`, when the observer had listed everything.
    pub async fn follow(
        &self,
        ledgers: &Ledgers,
        clock: Clock,
        since: At,
        mut on: impl FnMut(PartnerEvent),
    ) -> Infallible {
        let mut feed = Feed::new(ledgers, clock, since);
        // Not of a run, and so of no run's seed.
        let mut delays = BACKOFF.delays(0, "partner", &self.url());
        let mut silent = false;
        loop {
            let mut read = false;
            let error = match self.read(&mut feed, &mut read, &mut on).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            if read {
                delays.reset();
            }
            if read || !silent {
                on(PartnerEvent::Silent {
                    url: self.url(),
                    error: sentence(&error),
                });
            }
            silent = true;
            tokio::time::sleep(delays.next_delay()).await;
        }
    }

    /// Reads until that is no longer possible; `read` says whether its events were.
    async fn read(
        &self,
        feed: &mut Feed<'_>,
        read: &mut bool,
        on: &mut impl FnMut(PartnerEvent),
    ) -> Result<Infallible, String> {
        let clock = feed.clock();
        let (last, _) = self.compare(feed, on).await?;
        let events = format!("/events?after={}", feed.after());
        let mut body = self.get(&events).await?.into_body();
        tracing::info!(churn = %self.address, "reading churn events");
        *read = true;
        feed.caught_up(last);
        let mut next = clock.now() + CLOCK_INTERVAL;
        let mut buffer = BytesMut::new();
        loop {
            tokio::select! {
                biased;
                frame = body.frame() => {
                    let frame = frame.ok_or("it ended")?.map_err(|error| root(&error))?;
                    if let Ok(data) = frame.into_data() {
                        take(feed, &mut buffer, &data, on)?;
                        feed.caught_up(last);
                    }
                }
                () = clock.sleep_until(next) => {
                    let (_, same) = self.compare(feed, on).await?;
                    if !same {
                        return Err(RESTARTED.to_owned());
                    }
                    next = clock.now() + CLOCK_INTERVAL;
                }
            }
        }
    }

    /// Compares the clocks. Returns the number of the last line that it has, and whether it is
    /// the process that it was before.
    async fn compare(
        &self,
        feed: &mut Feed<'_>,
        on: &mut impl FnMut(PartnerEvent),
    ) -> Result<(u64, bool), String> {
        let clock = feed.clock();
        let mut trips = Vec::new();
        let mut answers: Vec<ClockAnswer> = Vec::new();
        for _ in 0..ROUND_TRIPS {
            let (sent, text, received) = timeout(RESPONSE_TIMEOUT, self.ask(clock))
                .await
                .map_err(|_| "no answer in time".to_owned())??;
            let answer: ClockAnswer = serde_json::from_slice(&text)
                .map_err(|error| format!("/clock: {error}; is that a churn of this version?"))?;
            trips.push(RoundTrip {
                sent,
                theirs: At::from_micros(answer.now),
                received,
            });
            answers.push(answer);
        }
        let offset = Offset::best(&trips).ok_or("nothing was asked")?;
        let answer = answers.pop().ok_or("nothing was asked")?;
        if answers.iter().any(|it| it.start != answer.start) {
            return Err(RESTARTED.to_owned());
        }
        on(PartnerEvent::Clock(ClockLine {
            at: clock.now(),
            start: line(&answer.start),
            offset_us: offset.micros,
            uncertainty_us: u64::try_from(offset.uncertainty.as_micros()).unwrap_or(u64::MAX),
        }));
        let same = feed.compared(offset, &answer);
        Ok((answer.last, same))
    }

    /// What it is called, without credentials.
    fn url(&self) -> String {
        self.address.to_string().trim_end_matches('/').to_owned()
    }

    /// Asks for the clock: when it was asked, the answer, and when that had arrived.
    async fn ask(&self, clock: Clock) -> Result<(At, Bytes, At), String> {
        let sent = clock.now();
        let body = self.get("/clock").await?.into_body();
        let text = http::whole(body, LARGEST).await?;
        Ok((sent, text, clock.now()))
    }

    async fn get(&self, path: &str) -> Result<Response<Body>, String> {
        let address = self.address.below(path)?;
        let response = http::get_within(&self.http, &address, RESPONSE_TIMEOUT).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(format!("{path}: HTTP status {status}")),
        }
    }
}

/// Takes whole lines off what has arrived.
fn take(
    feed: &mut Feed<'_>,
    buffer: &mut BytesMut,
    data: &[u8],
    on: &mut impl FnMut(PartnerEvent),
) -> Result<(), String> {
    buffer.extend_from_slice(data);
    while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
        let line = buffer.split_to(end + 1);
        let line = serde_json::from_slice(&line).map_err(|error| format!("/events: {error}"))?;
        match line {
            EventLine::Beat(beat) => feed.beat(beat).into_iter().for_each(&mut *on),
            EventLine::Mark(mark) => feed.mark(&mark).into_iter().for_each(&mut *on),
            EventLine::Action(action) => feed.take(action),
            EventLine::Lost { lost } => feed.lost(lost),
        }
    }
    if buffer.len() > LARGEST {
        return Err("/events: a line without an end".to_owned());
    }
    Ok(())
}
