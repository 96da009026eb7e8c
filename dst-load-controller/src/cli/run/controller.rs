//! A run against a controller of the user's own, as `ab` makes many.

use std::{io::Write, sync::Arc};

use dst_load_scenario::{quantity::Span, scenario::Scenario};
use dst_load_session::{recorder::RunDirectory, runtime::Shutdown};

use super::{
    config::RunConfig,
    execute::RunRequest,
    measure::{Outcome, RunOptions},
};
use crate::cli::{
    cluster::ClusterArgs, environment::EnvironmentChoice, namespace::NamespaceArgs, pace::PaceArgs,
    process::CommandLine,
};

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
        let connections = request.config.connections;
        let connections = self.scenario.client.connections_of(connections);
        request.environment.enough_files(connections)?;
        let outcome = request.execute(directory, shutdown, warnings).await?;
        if let Some(outcome) = &outcome {
            directory.write_reports(&outcome.page)?;
        }
        Ok(outcome)
    }
}
