//! A run on the embedded sandbox in virtual time, for whoever has a paused runtime and wants the
//! bytes: no flags, no files, no signals.

use std::{io::Write, path::Path};

use anyhow::Context;
use dst_load_report::report::Report;
use dst_load_scenario::scenario::Scenario;
use dst_load_session::{recorder::Recorder, watching::SessionError};
use tokio_util::sync::CancellationToken;

use super::config::RunConfig;
use crate::cli::environment::Environment;

/// A run that is about to start. It must live on a current-thread runtime with a paused clock:
/// on any other it is neither fast nor repeatable.
pub struct Simulation {
    config: RunConfig,
    environment: Environment,
    namespace: String,
    stop: CancellationToken,
}

/// What a simulation came to.
#[derive(Debug)]
pub struct Simulated {
    /// What its recording says.
    pub report: Report,
    /// Why it ended early, if it did.
    pub error: Option<SessionError>,
}

// === impl Simulation ===

impl Simulation {
    /// Builds the sandbox of `scenario`.
    ///
    /// # Errors
    /// If the scenario cannot be written down as a file would say it.
    pub fn new(scenario: Scenario) -> anyhow::Result<Self> {
        let environment = Environment::in_process(&scenario);
        let config = RunConfig {
            virtual_time: true,
            ..RunConfig::of(scenario)
        };
        Ok(Self {
            namespace: config.header(&environment)?.namespace,
            config,
            environment,
            stop: CancellationToken::new(),
        })
    }

    /// The namespace that the run will make.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A client of the sandbox's Kubernetes, to disturb the run with.
    ///
    /// # Errors
    /// If no client can be made.
    pub fn kube(&self) -> Result<kube::Client, kube::Error> {
        (self.environment.world.kube)()
    }

    /// Ends the run when it is cancelled, as a first signal would.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs to the end and cleans up. The recording goes to `out`.
    ///
    /// # Errors
    /// If the recording cannot be written; what else may go wrong is part of the result.
    pub async fn run(self, out: impl Write) -> anyhow::Result<Simulated> {
        let (config, environment) = (self.config, self.environment);
        let header = config.header(&environment)?;
        let recorder = Recorder::new(out, Path::new("the recording"));
        let engine = config.engine(&environment, &header, recorder, self.stop)?;
        let ended = tokio::select! {
            biased;
            ended = engine.run(header) => ended,
            never = config.stall() => match never {},
        };
        let page = engine.page()?;
        let page = page.context("the run ended before it had begun")?;
        // What stays is gone with the sandbox.
        let _ = engine.cleanup().await;
        environment.stop().await;
        Ok(Simulated {
            report: page.report,
            error: ended.error,
        })
    }
}
