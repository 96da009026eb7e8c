//! Environment → run → outcome: what `run` and `ab` have in common.

use std::{io::Write, sync::Arc};

use anyhow::Context;
use dst_load_scenario::scenario::Scenario;
use dst_load_session::{recorder::RunDirectory, runtime::Shutdown};
use dst_load_transport::files;

use super::{
    config::RunConfig,
    measure::{Outcome, RunOptions, measure},
};
use crate::cli::{
    check,
    cluster::ClusterArgs,
    environment::{Environment, EnvironmentChoice},
    namespace::NamespaceArgs,
    pace::PaceArgs,
    process::CommandLine,
};
use dst_load_scenario::quantity::Span;

/// A run that is asked for. Nothing of it is started yet.
pub(super) struct RunRequest<'a> {
    pub(super) environment: EnvironmentChoice<'a>,
    pub(super) config: RunConfig,
    pub(super) options: RunOptions<'a>,
    /// Runs on a cluster though a preflight check fails.
    pub(super) skip_checks: bool,
}

// === impl RunRequest ===

impl RunRequest<'_> {
    /// Starts the environment, runs, and stops the environment again; `None` if a signal comes before
    /// it is ready.
    ///
    /// # Errors
    /// If the environment does not start or will not do, or the tool itself fails.
    pub(super) async fn execute(
        self,
        directory: &RunDirectory,
        shutdown: &Shutdown,
        warnings: &mut impl Write,
    ) -> anyhow::Result<Option<Outcome>> {
        let Self {
            environment,
            config,
            options,
            skip_checks,
        } = self;
        let starting = start(environment, &config, skip_checks, directory, warnings);
        let environment = match shutdown.until_drained(starting).await {
            Some(Ok(environment)) => environment,
            Some(Err(error)) => {
                directory.abandon();
                return Err(error);
            }
            None => {
                directory.abandon();
                return Ok(None);
            }
        };
        let measured = measure(
            &options,
            &config,
            &environment,
            directory,
            shutdown,
            warnings,
        )
        .await;
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
    // On a cluster it is one of the checks; within this process there are no files.
    if matches!(choice, EnvironmentChoice::Sandbox { .. }) {
        files::enough_for(scenario.client.connections_of(config.connections))?;
    }
    let log = directory.destination_log();
    let environment = Environment::start(choice, scenario, Some(&log)).await?;
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

/// A controller of the user's own, and how a scenario is run against it.
pub(in crate::cli) struct ControllerRun<'a> {
    /// What to run.
    pub(in crate::cli) scenario: &'a Arc<Scenario>,
    /// The controller's command line.
    pub(in crate::cli) command: CommandLine,
    /// The cluster on whose API it is started; the sandbox's if none is named.
    pub(in crate::cli) cluster: &'a ClusterArgs,
    /// Namespaces that are allowed by name.
    pub(in crate::cli) allowed: &'a NamespaceArgs,
    /// Runs on a cluster though a preflight check fails.
    pub(in crate::cli) skip_checks: bool,
    /// How long to try to reach it.
    pub(in crate::cli) connect_timeout: Span,
    /// Whether the pods must keep to KWOK's nodes.
    pub(in crate::cli) kwok_nodes: bool,
    /// The limits of requests to the API server.
    pub(in crate::cli) pace: PaceArgs,
    /// Whether to take profiles.
    pub(in crate::cli) pprof: bool,
}

// === impl ControllerRun ===

impl ControllerRun<'_> {
    /// Runs the scenario without showing progress or printing the report, and saves it in
    /// `directory`; `None` if a signal comes before there is a run.
    ///
    /// # Errors
    /// If the controller does not start, the cluster will not do, or the tool itself fails.
    pub(in crate::cli) async fn execute(
        self,
        directory: &RunDirectory,
        shutdown: &Shutdown,
        warnings: &mut impl Write,
    ) -> anyhow::Result<Option<Outcome>> {
        let controller = if self.pprof {
            self.command.with_profiles()
        } else {
            self.command
        };
        let cluster = self.cluster;
        let request = RunRequest {
            environment: if cluster.cluster.is_named() {
                EnvironmentChoice::Controller {
                    cluster,
                    controller,
                }
            } else {
                EnvironmentChoice::Sandbox {
                    controller: Some(controller),
                    memory_limit: None,
                }
            },
            config: RunConfig {
                connections: self.scenario.client.connections,
                scenario: Arc::clone(self.scenario),
                virtual_time: false,
                beside_control_plane: self.allowed.allows_named(cluster),
                namespace: cluster.namespace.clone(),
                connect_timeout: self.connect_timeout,
                kwok_nodes: self.kwok_nodes,
                limits: self.pace.limits(),
                profiles: self.pprof.then(|| directory.path().to_owned()),
            },
            options: RunOptions {
                warnings: &[],
                keep: false,
                cluster: &cluster.cluster,
                progress: false,
                live: None,
            },
            skip_checks: self.skip_checks,
        };
        let outcome = request.execute(directory, shutdown, warnings).await?;
        if let Some(outcome) = &outcome {
            directory.write_reports(&outcome.page)?;
        }
        Ok(outcome)
    }
}
