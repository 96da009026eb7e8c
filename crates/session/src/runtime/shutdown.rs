//! The end of a command's work, as something to be waited for and asked for.
//!
//! The first signal asks the work to end by itself, a second ends it where it stands.

use std::{cell::Cell, future::Future, io, time::Duration};

use dst_load_scenario::{time::At, words};
use dst_load_transport::clock::Clock;
use futures::{Stream, StreamExt};
use procfs::process::Process;
use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// The process received a second signal, and did not wait for the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("aborted by a second signal")]
pub struct Aborted;

/// The end of the work, as something to be waited for and asked for.
#[derive(Clone, Debug)]
pub struct Shutdown {
    drain: CancellationToken,
    /// Signals so far.
    signals: watch::Sender<u32>,
}

// === impl Shutdown ===

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// One that no signal asks for.
    #[must_use]
    pub fn new() -> Self {
        Self {
            drain: CancellationToken::new(),
            signals: watch::Sender::new(0),
        }
    }

    /// One that this process's SIGINT and SIGTERM ask for from now on, and SIGHUP, unless the
    /// process was told to outlive its terminal.
    ///
    /// # Errors
    ///
    /// That of a system which cannot deliver signals.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let (interrupt, terminate) = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?);
        let asked = futures::stream::select(interrupt, terminate);
        let counting = shutdown.clone();
        tokio::spawn(async move { counting.count(asked).await });
        if !ignores_hangup() {
            let hangup = of(SignalKind::hangup())?;
            let closing = shutdown.clone();
            tokio::spawn(async move { closing.drain_on(hangup).await });
        }
        Ok(shutdown)
    }

    /// Cancelled when the work should end: stop beginning, finish what was begun.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Asks for the end, as a first signal does.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Asks for the end and says why; the first of several says it for all.
    fn begin(&self, why: &'static str) {
        if !self.drain.is_cancelled() {
            tracing::info!("{why}");
        }
        self.drain();
    }

    /// Takes signals from any source, until that ends.
    async fn count(&self, signals: impl Stream<Item = ()>) {
        let mut signals = std::pin::pin!(signals);
        while signals.next().await.is_some() {
            self.begin("shutting down; send the signal again to abort");
            self.signals.send_modify(|count| *count += 1);
        }
    }

    /// A closed terminal's signal asks for the end, and is never the second one: it comes from the
    /// shell and from the system.
    async fn drain_on(&self, hangups: impl Stream<Item = ()>) {
        let mut hangups = std::pin::pin!(hangups);
        while hangups.next().await.is_some() {
            self.begin("terminal closed, shutting down");
        }
    }

    /// Does `work` until a second signal. Of works that follow each other, each is cut off by
    /// a further signal of its own.
    ///
    /// # Errors
    ///
    /// [`Aborted`] on that signal; `work` is dropped where it stands.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, Aborted> {
        let mut signals = self.signals.subscribe();
        let enough = (*signals.borrow() + 1).max(2);
        tokio::select! {
            biased;
            Ok(_) = signals.wait_for(|&count| count >= enough) => Err(Aborted),
            done = work => Ok(done),
        }
    }

    /// Does `work` until a first signal; `None` if there is one.
    pub async fn until_drained<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.drain.run_until_cancelled(work).await
    }
}

/// After a first signal, how long a cleanup goes on without removing anything.
const CLEANUP_STALLS: Duration = Duration::from_secs(8);

/// A cleanup was cut short, for a signal had come and nothing went any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("nothing more went within {} s", CLEANUP_STALLS.as_secs())]
pub struct Stalled;

/// Once `stop` is cancelled, waits until `removals`, which count what has gone, stand still.
pub async fn stalled(stop: &CancellationToken, removals: impl Fn() -> u64) -> Stalled {
    stop.cancelled().await;
    loop {
        let before = removals();
        tokio::time::sleep(CLEANUP_STALLS).await;
        if removals() == before {
            return Stalled;
        }
    }
}

/// After a first signal, and the time that was announced, how long everything else may take.
const WIND_DOWN: Duration = Duration::from_secs(7);

/// Logs for how long a work that ends with a signal waits for pending deliveries.
pub fn announce_settling(deadline: Duration) {
    let timeout = words::span(deadline.as_secs_f64());
    tracing::info!(%timeout, "waiting for pending deliveries; send the signal again to abort");
}

/// Completes when a work that was told to stop has taken as long as it may: a while, or a while after
/// `settles_until` where that was announced.
pub async fn overdue(stop: &CancellationToken, clock: Clock, settles_until: &Cell<Option<At>>) {
    stop.cancelled().await;
    tokio::time::sleep(WIND_DOWN).await;
    if let Some(until) = settles_until.get() {
        clock.sleep_until(until + WIND_DOWN).await;
    }
    tracing::warn!("shutdown timed out, some requests are unanswered");
}

fn of(kind: SignalKind) -> io::Result<impl Stream<Item = ()>> {
    let signal = signal(kind)?;
    Ok(futures::stream::unfold(
        signal,
        async |mut signal: Signal| signal.recv().await.map(|()| ((), signal)),
    ))
}

/// Whether this process was started to outlive its terminal, as `nohup` does it. To listen would be
/// to ignore it no longer.
fn ignores_hangup() -> bool {
    let status = Process::myself().and_then(|process| process.status());
    // The first bit is the first signal's, SIGHUP.
    status.is_ok_and(|status| status.sigign & 1 == 1)
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    /// A shutdown that is asked for by signals this many seconds one after the other.
    fn signalled(after: &'static [u64]) -> Shutdown {
        let shutdown = Shutdown::new();
        let counting = shutdown.clone();
        let signals = stream::iter(after).then(|it| tokio::time::sleep(Duration::from_secs(*it)));
        tokio::spawn(async move { counting.count(signals).await });
        shutdown
    }

    async fn sleep(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_drains_and_the_work_ends_by_itself() {
        let shutdown = signalled(&[1]);
        let draining = shutdown.draining();
        let work = async {
            draining.cancelled().await;
            sleep(5).await;
            "drained"
        };
        assert_eq!(shutdown.guard(work).await, Ok("drained"));
        assert_eq!(shutdown.until_drained(sleep(1)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_does_not_wait_and_a_third_is_for_what_follows() {
        let shutdown = signalled(&[1, 1, 10]);
        let stuck = std::future::pending::<()>;
        assert_eq!(shutdown.guard(stuck()).await, Err(Aborted));
        assert!(shutdown.draining().is_cancelled());
        assert_eq!(shutdown.guard(sleep(5)).await, Ok(()));
        assert_eq!(shutdown.guard(stuck()).await, Err(Aborted));
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_in_what_follows_a_drained_work_is_the_second_one() {
        let shutdown = signalled(&[1, 10]);
        let draining = shutdown.draining();
        assert_eq!(shutdown.guard(draining.cancelled()).await, Ok(()));
        assert_eq!(shutdown.guard(sleep(60)).await, Err(Aborted));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_signal_does_not_cut_off_what_follows_either() {
        let shutdown = signalled(&[10]);
        assert_eq!(shutdown.guard(sleep(5)).await, Ok(()));
        assert_eq!(shutdown.guard(sleep(60)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cleanup_goes_on_after_a_signal_for_as_long_as_something_goes() {
        let stop = CancellationToken::new();
        let begun = tokio::time::Instant::now();
        let removals = || begun.elapsed().as_secs().min(30);
        let told = async {
            sleep(20).await;
            stop.cancel();
            std::future::pending().await
        };
        tokio::select! {
            Stalled = stalled(&stop, removals) => {}
            () = told => {}
        }
        // Looked at after 28, 36 and 44 seconds.
        assert_eq!(begun.elapsed().as_secs(), 44);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_nobody_disturbs_is_done() {
        let shutdown = signalled(&[]);
        assert_eq!(shutdown.guard(async { 7 }).await, Ok(7));
        assert_eq!(shutdown.until_drained(async { 7 }).await, Some(7));
        assert!(!shutdown.draining().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_terminal_is_told_of_twice_and_is_one_signal() {
        let shutdown = Shutdown::new();
        let work = async {
            shutdown.drain_on(stream::iter([(), ()])).await;
            sleep(5).await;
        };
        assert_eq!(shutdown.guard(work).await, Ok(()));
        assert!(shutdown.draining().is_cancelled());
    }
}
