//! Environment → run → outcome: what every run has in common, whoever asked for it.

use std::io::Write;

use anyhow::Context;
use dst_load_session::{recorder::RunDirectory, runtime::Shutdown};

use super::{
    config::RunConfig,
    measure::{Outcome, RunOptions, measure},
};
use crate::cli::{
    check,
    environment::{Environment, EnvironmentChoice},
};

/// A run that is asked for. Nothing of it is started yet.
pub(in crate::cli) struct RunRequest<'a> {
    pub(in crate::cli) environment: EnvironmentChoice<'a>,
    pub(in crate::cli) config: RunConfig,
    pub(in crate::cli) options: RunOptions<'a>,
    /// Runs on a cluster though a preflight check fails.
    pub(in crate::cli) skip_checks: bool,
}

// === impl RunRequest ===

impl RunRequest<'_> {
    /// Starts the environment, runs, and stops the environment again; `None` if a signal comes before
    /// it is ready.
    ///
    /// # Errors
    /// If the environment does not start or will not do, or the tool itself fails.
    pub(in crate::cli) async fn execute(
        self,
        directory: &RunDirectory,
        shutdown: &Shutdown,
        warnings: &mut impl Write,
    ) -> anyhow::Result<Option<Outcome>> {
        let (config, options) = (&self.config, &self.options);
        let starting = start(
            self.environment,
            config,
            self.skip_checks,
            directory,
            warnings,
        );
        let started = shutdown.until_drained(starting).await.transpose();
        if !matches!(started, Ok(Some(_))) {
            directory.abandon();
        }
        let Some(environment) = started? else {
            return Ok(None);
        };
        let measured = measure(options, config, &environment, directory, shutdown, warnings).await;
        environment.stop().await;
        let outcome = measured
            .with_context(|| format!("the recording is in {}", directory.path().display()))?;
        Ok(Some(outcome))
    }
}

/// Starts the environment, and checks it where it is a real cluster.
async fn start(
    choice: EnvironmentChoice<'_>,
    config: &RunConfig,
    skip_checks: bool,
    directory: &RunDirectory,
    warnings: &mut impl Write,
) -> anyhow::Result<Environment> {
    let scenario = &config.scenario;
    let has_cluster = choice.has_cluster();
    let log = directory.destination_log();
    let environment = Environment::start(choice, scenario, Some(&log)).await?;
    let environment = environment.named(config.destination_version.as_deref());
    if has_cluster && !skip_checks {
        let namespace = config.namespace.as_deref();
        let checked = check::before_run(&environment, namespace, scenario, warnings).await;
        if let Err(error) = checked {
            environment.stop().await;
            return Err(error);
        }
    }
    Ok(environment)
}
