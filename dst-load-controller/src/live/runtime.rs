//! What every long-running command needs around its work: logs, and an end that is asked for.
//!
//! The first signal asks the work to drain, a second ends the process without waiting for it.

mod log_writer;
mod repeats;

use std::{
    convert::Infallible,
    env,
    future::Future,
    io::{self, IsTerminal},
    str::FromStr,
};

use futures::{Stream, StreamExt, stream};
use procfs::process::Process;
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, filter::LevelFilter, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use self::log_writer::LogWriter;
pub use self::repeats::Repeats;

/// The level of libraries where the plain level asks for details.
const LIBRARIES_IN_DETAIL: &str = "warn";
/// Their level otherwise. What goes wrong below is an error to the caller, which reports it with
/// its context; logged by the library too, one answer that is retried would read as an error.
const LIBRARIES: &str = "off";

/// How log lines look. They go to standard error: standard output belongs to results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Plain,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level is not a filter of the `tracing` kind.
    #[error("invalid log level {level:?}: {message}")]
    Level {
        /// As given.
        level: String,
        /// What is wrong with it.
        message: String,
    },
    /// Logging was set up before.
    #[error("logs are already being written")]
    Twice,
}

/// The process was told to end a second time, and did not wait for the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("aborted by a second signal")]
pub struct Aborted;

/// The end of the work, as something to be waited for and asked for.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
}

/// Sends logs to standard error; what counts lines that repeat is returned. `level` is a level of our
/// own messages, such as `info`, or a filter of all, such as `info,kube=debug`. With `debug` and
/// `trace` it includes the warnings and errors of libraries.
///
/// # Errors
///
/// [`LogError`]; nothing is set up then.
pub fn init_logs(level: &str, format: LogFormat) -> Result<Repeats, LogError> {
    let filter = filter(level)?;
    let repeats = Repeats::default();
    let lines = fmt::layer()
        .with_ansi(colours(env::var_os("NO_COLOR").is_some()))
        // It would say so on standard error, where nobody is who could read it, and panic.
        .log_internal_errors(false)
        .with_writer(move || LogWriter::new(io::stderr(), format));
    let lines = match format {
        // For people the module that speaks is noise; programs get it as a field.
        LogFormat::Plain => lines
            .with_target(false)
            .with_filter(repeats.clone())
            .boxed(),
        LogFormat::Json => lines.json().with_filter(repeats.clone()).boxed(),
    };
    let outcome = Registry::default().with(lines).with(filter).try_init();
    outcome.map_err(|_| LogError::Twice)?;
    Ok(repeats)
}

/// Colours are for terminals, and for people who do not decline them (https://no-color.org).
fn colours(declined: bool) -> bool {
    !declined && io::stderr().is_terminal()
}

/// Whether this process was started to outlive its terminal, as `nohup` does it. To listen would be
/// to ignore it no longer.
fn ignores_hangup() -> bool {
    let status = Process::myself().and_then(|process| process.status());
    // The first bit is the first signal's, SIGHUP.
    status.is_ok_and(|status| status.sigign & 1 == 1)
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let plain = !level.contains([',', '=']);
    let directives = if plain {
        let libraries = if level
            .parse()
            .is_ok_and(|level: LevelFilter| level > LevelFilter::INFO)
        {
            LIBRARIES_IN_DETAIL
        } else {
            LIBRARIES
        };
        format!("{libraries},dst_load_controller={level}")
    } else {
        level.to_owned()
    };
    EnvFilter::from_str(&directives).map_err(|error| LogError::Level {
        level: level.to_owned(),
        message: error.to_string(),
    })
}

// === impl Shutdown ===

impl Shutdown {
    /// One that nobody has asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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

    /// Asks for the end and says why; of works within works the first says it for all.
    fn begin(&self, why: &'static str) {
        if !self.drain.is_cancelled() {
            tracing::info!("{why}");
        }
        self.drain();
    }

    /// Does `work` under the process's SIGINT, SIGTERM and, unless it was told to outlive its
    /// terminal, SIGHUP.
    ///
    /// # Errors
    ///
    /// [`Aborted`] on the second signal; `work` is dropped where it stands. The outer error is
    /// that of a system which cannot deliver signals.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> io::Result<Result<T, Aborted>> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let hangup = (!ignores_hangup()).then(|| signal(SignalKind::hangup()));
        let hangup = hangup.transpose()?;
        let signals = stream::select(
            stream::poll_fn(move |cx| interrupt.poll_recv(cx)),
            stream::poll_fn(move |cx| terminate.poll_recv(cx)),
        );
        tokio::select! {
            biased;
            never = self.drain_on(hangup) => match never {},
            done = self.guard_on(signals, work) => Ok(done),
        }
    }

    /// A closed terminal's signal asks for the end, and is never the second one: it comes from the
    /// shell and from the system.
    async fn drain_on(&self, hangup: Option<Signal>) -> Infallible {
        if let Some(mut hangup) = hangup
            && hangup.recv().await.is_some()
        {
            self.begin("the terminal was closed: ending");
        }
        std::future::pending().await
    }

    /// Does `work` under any other source of signals; once that has ended there will be no more.
    ///
    /// # Errors
    ///
    /// [`Aborted`] on the second signal.
    pub async fn guard_on<T>(
        &self,
        signals: impl Stream<Item = ()>,
        work: impl Future<Output = T>,
    ) -> Result<T, Aborted> {
        let aborted = async {
            let mut signals = std::pin::pin!(signals.fuse());
            if signals.next().await.is_some() {
                self.begin("ending; a second signal ends it at once");
            }
            if signals.next().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = aborted => Err(Aborted),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Signals at these seconds.
    fn signals(at: &'static [u64]) -> impl Stream<Item = ()> {
        stream::iter(at).then(|second| tokio::time::sleep(Duration::from_secs(*second)))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_signal_drains_and_the_work_ends_by_itself() {
        let shutdown = Shutdown::new();
        let draining = shutdown.draining();
        let work = async {
            draining.cancelled().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            "drained"
        };
        assert_eq!(shutdown.guard_on(signals(&[1]), work).await, Ok("drained"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_does_not_wait() {
        let shutdown = Shutdown::new();
        let stuck = std::future::pending::<()>();
        assert_eq!(
            shutdown.guard_on(signals(&[1, 1]), stuck).await,
            Err(Aborted)
        );
        assert!(shutdown.draining().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_nobody_disturbs_is_done() {
        let shutdown = Shutdown::new();
        let work = async { 7 };
        assert_eq!(shutdown.guard_on(stream::empty(), work).await, Ok(7));
        assert!(!shutdown.draining().is_cancelled());
    }

    #[test]
    fn a_log_level_that_is_none_is_named() {
        let error = filter("dst=loud").unwrap_err().to_string();
        assert!(
            error.starts_with("invalid log level \"dst=loud\""),
            "{error}"
        );
        assert!(filter("loud").is_err());
    }

    #[test]
    fn libraries_are_logged_only_where_details_are_asked_for() {
        for (level, all) in [
            ("error", "off,dst_load_controller=error"),
            ("warn", "off,dst_load_controller=warn"),
            ("info", "off,dst_load_controller=info"),
            ("INFO", "off,dst_load_controller=info"),
            ("debug", "warn,dst_load_controller=debug"),
            ("5", "warn,dst_load_controller=trace"),
            ("info,kube=debug", "info,kube=debug"),
        ] {
            let expected = EnvFilter::from_str(all).unwrap().to_string();
            assert_eq!(filter(level).unwrap().to_string(), expected, "{level}");
        }
    }
}
