//! What every long-running command needs around its work: logs, and an end that is asked for.

mod log_writer;
mod repeats;
mod shutdown;

use std::{
    env,
    io::{self, IsTerminal},
    str::FromStr,
};

use thiserror::Error;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, filter::LevelFilter, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use self::log_writer::LogWriter;
pub use self::{
    repeats::Repeats,
    shutdown::{Aborted, Shutdown, Stalled, announce_settling, overdue, stalled},
};

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
        format!("{libraries},dst_load={level}")
    } else {
        level.to_owned()
    };
    EnvFilter::from_str(&directives).map_err(|error| LogError::Level {
        level: level.to_owned(),
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("error", "off,dst_load=error"),
            ("warn", "off,dst_load=warn"),
            ("info", "off,dst_load=info"),
            ("INFO", "off,dst_load=info"),
            ("debug", "warn,dst_load=debug"),
            ("5", "warn,dst_load=trace"),
            ("info,kube=debug", "info,kube=debug"),
        ] {
            let expected = EnvFilter::from_str(all).unwrap().to_string();
            assert_eq!(filter(level).unwrap().to_string(), expected, "{level}");
        }
    }
}
