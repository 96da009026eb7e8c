//! The run itself, up to its report, and the cleanup after it.
//!
//! Whatever ends a run, what it made is taken away, or the command that does so is printed.

use std::{borrow::Cow, convert::Infallible, fmt, io::Write};

use dst_load_recording::warning::Warning;
use dst_load_report::report::page::Page;
use dst_load_session::{
    engine::Engine,
    live_page::LivePage,
    recorder::{Recorder, RunDirectory},
    runtime::{Aborted, Shutdown, stalled},
    watching::{Ended, SessionError},
};

use super::{config::RunConfig, floor, progress};
use crate::cli::{cluster::KubeconfigArgs, environment::Environment};

/// What a run does beside measuring.
pub(in crate::cli) struct RunOptions<'a> {
    /// Warnings about the scenario, for the report.
    pub(in crate::cli) warnings: &'a [String],
    /// Whether what was made in Kubernetes stays.
    pub(in crate::cli) keep: bool,
    /// The cluster as it was named, for the command that cleans up.
    pub(in crate::cli) cluster: &'a KubeconfigArgs,
    /// Whether progress is shown.
    pub(in crate::cli) progress: bool,
    /// The server of the run's page.
    pub(in crate::cli) live: Option<&'a LivePage>,
}

/// A run's outcome, before it is an exit code.
pub(in crate::cli) struct Outcome {
    /// The run's report, and what is drawn beside it.
    pub(in crate::cli) page: Page,
    pub(super) interrupted: bool,
    /// What ended it, if it was neither its plan nor a signal.
    pub(in crate::cli) error: Option<SessionError>,
}

/// Runs, writes the recording, and takes away what was made.
///
/// # Errors
/// If the tool itself fails. What was made is taken away then too.
pub(super) async fn measure(
    options: &RunOptions<'_>,
    config: &RunConfig,
    environment: &Environment,
    directory: &RunDirectory,
    shutdown: &Shutdown,
    warnings: &mut impl Write,
) -> anyhow::Result<Outcome> {
    let mut header = config.header(environment)?;
    let run_id = header.run_id.clone();
    let scenario = &config.scenario;
    let recorder = Recorder::create(&directory.recording())?;
    let engine = config.engine(environment, &header, recorder, shutdown.draining())?;
    for message in options.warnings.iter().cloned() {
        engine.note(Warning::Scenario { message });
    }
    let cleanup = Cleanup {
        command: cleanup_command(options.cluster, &run_id),
        place: clusters(environment),
    };
    if options.cluster.is_named() {
        // A process that is killed can say no more.
        tracing::info!(
            run_id,
            namespace = header.namespace,
            "run starts; {cleanup} removes what it makes, should it be killed"
        );
    }
    let unfinished = Unfinished(Some(&cleanup));
    let running = async {
        if !config.virtual_time {
            header.floor_seconds = floor::seconds().await;
        }
        tokio::select! {
            biased;
            ended = engine.run(header) => ended,
            never = config.stall() => match never {},
            never = progress::show(engine.progress(), scenario, options.progress) => match never {},
            never = follow(options.live, &engine) => match never {},
        }
    };
    // A second signal cuts the run off where it stands; what it had seen is reported all the same.
    let aborted = |_| Ended {
        interrupted: true,
        error: None,
    };
    let ended = shutdown.guard(running).await.unwrap_or_else(aborted);
    // It fails where the recording does, such as on a full disk.
    let reported = engine.page();
    if let (Some(live), Ok(Some(page))) = (options.live, &reported) {
        live.finish(page);
    }
    if let Ok(None) = reported {
        unfinished.disarm();
        writeln!(warnings, "interrupted before the run had begun")?;
        return Err(Aborted.into());
    }
    let left = if options.keep {
        None
    } else {
        left_behind(&engine, shutdown).await
    };
    unfinished.disarm();
    if options.keep {
        writeln!(warnings, "kept: {cleanup} removes what was made")?;
    }
    if let Some(left) = &left {
        writeln!(
            warnings,
            "warning: cleaning up was not finished ({left}): {cleanup} does the rest"
        )?;
    }
    let Some(mut page) = reported? else {
        return Err(Aborted.into());
    };
    if let Some(left) = left {
        engine.amend(Warning::CleanupFailed {
            error: left,
            run_id,
        })?;
        if let Some(amended) = engine.page()? {
            page = amended;
        }
        if let Some(live) = options.live {
            live.finish(&page);
        }
    }
    if let Some(live) = options.live {
        // Nobody waits for a page that is not looked at.
        let _ = shutdown.until_drained(live.was_seen()).await;
    }
    Ok(Outcome {
        page,
        interrupted: ended.interrupted,
        error: ended.error,
    })
}

/// Shows the run to whoever looks at its page.
async fn follow<W: Write>(live: Option<&LivePage>, engine: &Engine<W>) -> Infallible {
    match live {
        Some(live) => live.answer(|| engine.page_so_far()).await,
        None => std::future::pending().await,
    }
}

/// How what a run made can be removed later.
struct Cleanup {
    command: String,
    place: &'static str,
}

/// The command that removes what the run made.
fn cleanup_command(cluster: &KubeconfigArgs, run_id: &str) -> String {
    let file = cluster.kubeconfig.as_ref().map(|it| it.to_string_lossy());
    let context = cluster.context.as_deref().map(Cow::Borrowed);
    let mut command = "dst-load-controller cleanup".to_owned();
    for (flag, value) in [("--kubeconfig", file), ("--context", context)] {
        if let Some(value) = value {
            let quoted = shlex::try_quote(&value).unwrap_or(Cow::Borrowed(&value));
            command.push_str(&format!(" {flag} {quoted}"));
        }
    }
    command.push_str(" --run-id ");
    command.push_str(run_id);
    command
}

/// Where a cleanup must be asked for, where that is not one cluster alone.
const fn clusters(environment: &Environment) -> &'static str {
    if environment.target_cluster.is_some() {
        ", in each of the two clusters,"
    } else {
        ""
    }
}

/// Deletes what was made; what went wrong, if anything did, which changes no verdict.
async fn left_behind<W: Write>(engine: &Engine<W>, shutdown: &Shutdown) -> Option<String> {
    let stop = shutdown.draining();
    let cleaned = async {
        tokio::select! {
            biased;
            cleaned = engine.cleanup() => match cleaned {
                Ok(cleaned) => cleaned.left(),
                Err(error) => Some(error.to_string()),
            },
            stalled = stalled(&stop, || engine.removals()) => Some(stalled.to_string()),
        }
    };
    let cleaned = shutdown.guard(cleaned).await;
    cleaned.unwrap_or_else(|aborted| Some(aborted.to_string()))
}

/// Prints what removes what a run made if the run comes to no end, as by a panic.
struct Unfinished<'a>(Option<&'a Cleanup>);

// === impl Unfinished ===

impl Unfinished<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(cleanup) = self.0 {
            tracing::error!("the run broke off: {cleanup} removes what it made");
        }
    }
}

// === impl Cleanup ===

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`{}", self.command, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_cleans_up_names_the_cluster_that_was_named() {
        let mut cluster = KubeconfigArgs::default();
        let plain = "dst-load-controller cleanup --run-id r1";
        assert_eq!(cleanup_command(&cluster, "r1"), plain);
        cluster.kubeconfig = Some("my lab/config".into());
        cluster.context = Some("lab-1".to_owned());
        assert_eq!(
            cleanup_command(&cluster, "r1"),
            "dst-load-controller cleanup --kubeconfig 'my lab/config' --context lab-1 --run-id r1"
        );
    }
}
