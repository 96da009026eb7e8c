//! What decides a run beside its environment, and the engine that both make.

use std::{convert::Infallible, io::Write, path::PathBuf, sync::Arc, time::Duration};

use dst_load_destination::{
    fleet::{FleetConfig, Policies},
    target::Target,
};
use dst_load_kubernetes::{
    actor::{Actor, Limits, RunIdentity},
    observer::SILENCE,
};
use dst_load_oracle::ledger;
use dst_load_recording::recording::Header;
use dst_load_sandbox::throttle::{Stall, throttle};
use dst_load_scenario::{federation::Site, quantity::Span, scenario::Scenario};
use dst_load_session::{
    churn::ChurnMetrics,
    engine::{Actors, Engine},
    recorder::Recorder,
    watching::{SessionConfig, fleet_config},
};
use dst_load_transport::{clock::Clock, world::KubeFactory};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::header;
use crate::cli::{
    cluster::CLUSTER_DOMAIN, environment::Environment, observer_place, path_info::path_info,
};

/// Everything that decides a run, save for its environment and where it writes.
pub(in crate::cli) struct RunConfig {
    pub(in crate::cli) scenario: Arc<Scenario>,
    pub(in crate::cli) virtual_time: bool,
    /// Where the Services go; a namespace named after the run if absent.
    pub(in crate::cli) namespace: Option<String>,
    /// Whether it may have a control plane of Linkerd.
    pub(in crate::cli) beside_control_plane: bool,
    pub(in crate::cli) connect_timeout: Span,
    /// The most connections to the destination, where clients must share them.
    pub(in crate::cli) connections: Option<u32>,
    /// Whether the pods must keep to KWOK's nodes.
    pub(in crate::cli) kwok_nodes: bool,
    /// The version of the destination controller, where the user gives it.
    pub(in crate::cli) destination_version: Option<String>,
    /// The limits of requests to the API server.
    pub(in crate::cli) limits: Limits,
    /// Where profiles of the target go, if they are wanted.
    pub(in crate::cli) profiles: Option<PathBuf>,
    /// Where streams of the policy API are opened, if the scenario has them.
    pub(in crate::cli) policies: Policies,
    /// What serves the policy controller's metrics, if its cost is to be read.
    pub(in crate::cli) policy_controller: Option<Target>,
}

// === impl RunConfig ===

impl RunConfig {
    /// A run of `scenario`, where nothing else is asked for.
    pub(super) fn of(scenario: Scenario) -> Self {
        Self {
            connections: scenario.client.connections,
            scenario: Arc::new(scenario),
            virtual_time: false,
            namespace: None,
            beside_control_plane: false,
            connect_timeout: Span(Duration::from_secs(30)),
            kwok_nodes: false,
            destination_version: None,
            limits: Limits::default(),
            profiles: None,
            policies: Policies::default(),
            policy_controller: None,
        }
    }

    /// The recording's first line, which also says how the run and its namespace are called. The
    /// floor is not in it yet: it is measured once the run can be interrupted.
    pub(super) fn header(&self, environment: &Environment) -> anyhow::Result<Header> {
        let run_id = header::run_id(&self.scenario, self.virtual_time)?;
        let namespace = self
            .namespace
            .clone()
            .unwrap_or_else(|| format!("{}-{run_id}", self.scenario.name));
        let scenario = &self.scenario;
        let path = path_info(
            &scenario.client,
            self.connections.or(scenario.client.connections),
            (scenario.client).streams_of_each(scenario.services_watched()),
            environment.world.replicas().len(),
        );
        header::header(
            scenario,
            environment,
            &run_id,
            &namespace,
            path,
            self.virtual_time,
        )
    }

    /// The engine of the run that `header` names.
    pub(super) fn engine<W: Write>(
        &self,
        environment: &Environment,
        header: &Header,
        recorder: Recorder<W>,
        stop: CancellationToken,
    ) -> anyhow::Result<Engine<W>> {
        let clock = Clock::start();
        let actor = |kube: &KubeFactory, site| -> anyhow::Result<Actor> {
            let run = RunIdentity {
                id: header.run_id.clone(),
                scenario: self.scenario.name.clone(),
            };
            let scenario = Arc::clone(&self.scenario);
            let namespace = header.namespace.clone();
            let mut actor = Actor::new(kube()?, clock, namespace, run, scenario, self.limits);
            actor.site = site;
            actor.allows_control_plane = self.beside_control_plane;
            actor.kwok_nodes = self.kwok_nodes;
            Ok(actor)
        };
        let source = actor(&environment.world.kube, Site::Source)?;
        let (churned, source) = match &environment.target_cluster {
            Some(kube) => (actor(kube, Site::Target)?, Some(source)),
            None => (source, None),
        };
        let metrics =
            ChurnMetrics::register(&mut Registry::default(), &self.scenario, churned.caller());
        let client = &self.scenario.client;
        let connect_timeout = self.connect_timeout.0;
        let config = SessionConfig {
            world: environment.world.clone(),
            target_cluster: environment.target_cluster.clone(),
            observer: if self.virtual_time {
                observer_place::here
            } else {
                observer_place::own_thread
            },
            watch_silence: SILENCE,
            target: environment.target.clone(),
            policy_controller: self.policy_controller.clone(),
            fleet: FleetConfig {
                connections: self.connections.or(client.connections),
                policies: client.policies.then(|| self.policies.clone()),
                ..fleet_config(
                    client,
                    &header.namespace,
                    self.scenario.seed,
                    connect_timeout,
                )
            },
            limits: ledger::Limits::of(&self.scenario),
            sample_self: !self.virtual_time,
            profiles: self.profiles.clone(),
            flags: environment.flags,
        };
        let actors = Actors {
            churned,
            source,
            metrics,
        };
        let scenario = Arc::clone(&self.scenario);
        Ok(Engine::new(
            scenario,
            config,
            actors,
            CLUSTER_DOMAIN,
            recorder,
            stop,
        ))
    }

    /// Stalls this process as the scenario's faults say; does not complete.
    pub(super) async fn stall(&self) -> Infallible {
        let stall = if self.virtual_time {
            Stall::Leap
        } else {
            Stall::Sleep {
                workers: std::thread::available_parallelism().map_or(1, usize::from),
            }
        };
        throttle(self.scenario.sandbox.faults.clone(), stall).await;
        std::future::pending().await
    }
}
