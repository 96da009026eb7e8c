//! The journal: what every part of a run has to say, brought into the recording every second.

use std::{cell::RefCell, io, sync::Arc, time::Duration};

use super::Engine;
use crate::{
    live::{
        books::Books,
        observer::Observer,
        recorder::{RecordError, Recorder},
    },
    model::{
        criteria::Criteria,
        recording::{ChangeLine, GeneratorSample, Line, absorb},
        report::Report,
        statistics::Interval,
        time::At,
    },
};

/// How often the recording is brought up to date: a crash loses no more.
const TICK: Duration = Duration::from_secs(1);
/// How often the target and this process are sampled, in ticks. Scraping costs the target.
const SAMPLE: u64 = 5;

/// The journal of a run.
pub(super) struct Journal<W: io::Write> {
    books: Arc<Books>,
    recorder: RefCell<Recorder<W>>,
    interval: RefCell<Interval>,
    /// The Kubernetes API's failures as counted so far.
    api_errors: RefCell<std::collections::BTreeMap<String, u64>>,
}

// === impl Journal ===

impl<W: io::Write> Journal<W> {
    pub(super) fn new(recorder: Recorder<W>, books: Arc<Books>) -> Self {
        Self {
            books,
            recorder: RefCell::new(recorder),
            interval: RefCell::default(),
            api_errors: RefCell::default(),
        }
    }

    pub(super) fn push(&self, line: Line) {
        self.recorder.borrow_mut().push(line);
    }

    /// Writes all that has been said.
    pub(super) fn finish(&self) -> Result<(), RecordError> {
        self.recorder.borrow_mut().finish()
    }

    /// The report of all that has been said.
    pub(super) fn report(
        &self,
        criteria: &Criteria,
        changes_planned: bool,
    ) -> Result<Option<Report>, RecordError> {
        let mut recorder = self.recorder.borrow_mut();
        recorder.finish()?;
        Ok(recorder.report(criteria, changes_planned))
    }

    /// Keeps the recording up to date until it cannot be written.
    pub(super) async fn keep(
        &self,
        engine: &Engine<W>,
        observer: &Observer,
    ) -> Result<(), RecordError> {
        let clock = self.books.clock();
        for tick in 1_u64.. {
            clock
                .sleep_until(At::ZERO + TICK * u32::try_from(tick).unwrap_or(u32::MAX))
                .await;
            self.tick(engine, observer, clock.now());
            if tick % SAMPLE == 0 {
                self.sample(engine).await;
            }
            self.recorder.borrow_mut().flush(clock.now())?;
        }
        Ok(())
    }

    /// Takes in what has happened until now.
    pub(super) fn tick(&self, engine: &Engine<W>, observer: &Observer, now: At) {
        let mut interval = self.interval.borrow_mut();
        for book in self.books.all() {
            let (outbox, bytes) = book.take(now);
            interval.bytes += bytes;
            interval.absorb(&outbox);
            for change in outbox.changes.iter().filter(|change| change.audience > 0) {
                self.push(Line::Change(ChangeLine::new(&book.target.service, change)));
            }
        }
        interval.streams.absorb(&self.books.take_streams());
        interval.loop_lag.merge(&self.books.take_lag());
        absorb(&mut interval.kubernetes_errors, &observer.take_errors());
        let mut known = self.api_errors.borrow_mut();
        for (reason, count) in engine.actor.errors().by_reason() {
            let before = known.insert(reason.to_owned(), count).unwrap_or_default();
            if count > before {
                *interval
                    .kubernetes_errors
                    .entry(reason.to_owned())
                    .or_default() += count - before;
            }
        }
        if let Some(second) = interval.take(now, self.books.active()) {
            self.push(Line::Second(Box::new(second)));
        }
    }

    /// Samples the target's cost and our own.
    pub(super) async fn sample(&self, engine: &Engine<W>) {
        let at = self.books.clock().now();
        if let Some(target) = &engine.options.target {
            let line = match target.sample(at).await {
                Ok(sample) => Line::Target(sample),
                Err(error) => Line::TargetSilent {
                    at,
                    error: error.to_string(),
                },
            };
            self.push(line);
        }
        if engine.options.sample_self
            && let Some(sample) = own_cost(at)
        {
            self.push(Line::Generator(sample));
        }
    }
}

/// What this process has used, from `/proc`; `None` where there is none.
fn own_cost(at: At) -> Option<GeneratorSample> {
    let stat = procfs::process::Process::myself().ok()?.stat().ok()?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks and pages stay far below 2^52"
    )]
    Some(GeneratorSample {
        at,
        cpu_seconds: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
        rss_bytes: stat.rss * procfs::page_size(),
    })
}
