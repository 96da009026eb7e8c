//! `client`: holds streams and measures them, as a Deployment.

mod command;
mod linked;
mod targets;

use std::path::PathBuf;

use clap::{Args, builder::BoolishValueParser};
use dst_load_destination::fleet::FleetTargets;
use dst_load_scenario::{
    authority::Authority,
    quantity::Span,
    scenario::{Client, Lifecycle, Scenario},
    targets::Targets,
};
use dst_load_transport::listen::Listen;

use super::{
    cluster::ClusterArgs, forward::ForwardArgs, policy::PolicyArgs, scenario, usage::UsageError,
};

pub use self::command::run;

/// Flags of `client`.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// Address of the destination controller. Of a name with several addresses, such as a headless
    /// Service's, each is a replica. Or give each replica: repeat the flag, or separate them with
    /// commas. Streams are balanced over them as a proxy balances its own.
    #[arg(
        long,
        visible_alias = "destination-addr",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        required_unless_present = "destination_pod",
        env
    )]
    pub destination: Vec<String>,
    /// How to connect to it.
    #[command(flatten)]
    pub forward: ForwardArgs,
    /// URL of the destination controller's metrics, where its cost and its readiness are read. Of
    /// several replicas, give each: their usage is summed. By default port 9996 of each replica is
    /// tried.
    #[arg(long, value_name = "URL", value_delimiter = ',', env)]
    pub destination_metrics: Vec<String>,
    /// URL of the metrics of `churn`, such as http://127.0.0.1:9990. Its actions and their intended
    /// times are read there, so that the Kubernetes and end-to-end stages are measured too.
    #[arg(long, value_name = "URL", env)]
    pub churn: Option<String>,
    /// Take Services, clients and criteria from this scenario file, or built-in scenario. Streams
    /// are then held until churn's plan ends. This process is one of the scenario's replicas.
    #[arg(
        long,
        value_name = "SCENARIO",
        env,
        conflicts_with_all = [
            "services", "targets", "streams_per_service", "stream_max_lifetime", "stream_reset_interval",
            "clients", "open_rate", "lifecycle", "profiles", "profile_endpoints", "profile_names", "policies",
        ]
    )]
    pub scenario: Option<String>,
    /// Services to look up, as NAME.NAMESPACE.svc.cluster.local:PORT. Repeat the flag, separate
    /// them with commas, or use braces as in bash (`web-{1..10}.shop:8080`).
    #[arg(
        long,
        visible_alias = "target-services",
        required_unless_present = "scenario",
        value_name = "AUTHORITY",
        env
    )]
    pub services: Vec<String>,
    /// Number of Services that each client asks for, and their distribution: 12 or 12:zipf (a few
    /// are asked for by nearly all), 12:zipf:0.8 with an exponent, 12:uniform. All by default.
    #[arg(long, value_name = "COUNT[:DISTRIBUTION]", env)]
    pub targets: Option<Targets>,
    /// Number of this process among the scenario's client replicas, from 0: where each client asks
    /// for some Services, those of another replica ask for others.
    #[arg(long, value_name = "NUMBER", env)]
    pub replica: Option<u32>,
    /// Streams per client and Service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), env)]
    pub streams_per_service: u32,
    /// Close and reopen each stream after at most this time.
    #[arg(long, env)]
    pub stream_max_lifetime: Option<Span>,
    /// Close and reopen all streams at this interval.
    #[arg(long, env)]
    pub stream_reset_interval: Option<Span>,
    /// Number of virtual clients in this process, each with a connection of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), env)]
    pub clients: u32,
    /// Maximum number of streams opened per second.
    #[arg(
        long,
        default_value_t = Client::default().open_rate,
        value_parser = clap::value_parser!(u32).range(1..),
        env
    )]
    pub open_rate: u32,
    /// When the client closes streams: `eternal` (never), or `proxy`, as Linkerd's proxy does:
    /// after 3 s without an update at the start, 5 min without one later, or 1 h in all.
    #[arg(long, default_value_t, value_name = "LIFECYCLE", env)]
    pub lifecycle: Lifecycle,
    /// Whether to hold GetProfile streams by ClusterIP in addition to the Get streams, as an outbound
    /// proxy does; by default only with `--lifecycle proxy`.
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        env
    )]
    pub profiles: Option<bool>,
    /// Hold GetProfile streams by the address of an endpoint for every Service, as for an application
    /// that connects to pods; else only for headless Services.
    #[arg(long, env)]
    pub profile_endpoints: bool,
    /// GetProfile streams by Service name that each client holds, as an inbound proxy does; by
    /// default 1 with profiles, else 0.
    #[arg(long, value_name = "NUMBER", env)]
    pub profile_names: Option<u32>,
    /// Hold the streams of the policy API too, on connections of their own, if the controller has
    /// it.
    #[arg(long, env)]
    pub policies: bool,
    /// Where the policy API is.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// How long to try to connect to the destination.
    #[arg(long, default_value = "30s", env)]
    pub connect_timeout: Span,
    /// End after this time, as a first signal does. By default run until stopped.
    #[arg(long, env)]
    pub duration: Option<Span>,
    /// Address to serve metrics, probes and the recording at: IP:PORT, or a port alone. By default
    /// port 9990, or a free one if that is taken. Without an IP, on loopback; in a Pod, on all
    /// interfaces.
    #[arg(long, value_name = "ADDR", env)]
    pub admin_addr: Option<Listen>,
    /// Directory for the recording and the reports; none are written by default.
    #[arg(long, value_name = "DIR", env)]
    pub output_dir: Option<PathBuf>,
    /// The cluster whose EndpointSlices are observed.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Context of the cluster that has the endpoints, if the Services stand for those of another
    /// cluster: mirror Services, and federated ones of one cluster.
    #[arg(long, value_name = "CONTEXT", env)]
    pub observe_context: Option<String>,
    /// Kubeconfig file of that cluster; that of --context by default.
    #[arg(long, value_name = "FILE", env)]
    pub observe_kubeconfig: Option<PathBuf>,
}

/// What the flags of `client`, or a scenario, ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// What is watched, in the order given.
    pub targets: Vec<Authority>,
    /// By how many, and how.
    pub client: Client,
}

// === impl ClientArgs ===

impl ClientArgs {
    /// The scenario, if one is given; else the flags say what is watched.
    ///
    /// # Errors
    /// A [`UsageError`] if the scenario is not there or not right, or a flag is not right.
    fn scenario(&self) -> anyhow::Result<Option<Scenario>> {
        let Some(name) = &self.scenario else {
            self.watch()?;
            return Ok(None);
        };
        let (scenario, _) = scenario::open(name)?.finish().map_err(UsageError::from)?;
        let client = &scenario.client;
        if client.targets.is_some() && client.replicas > 1 && self.replica.is_none() {
            let message = format!(
                "--replica: the clients of the scenario's {} replicas ask for different Services; \
                 give the number of this one, from 0",
                client.replicas
            );
            return Err(UsageError(message).into());
        }
        Ok(Some(scenario))
    }

    /// Which Services the clients of this process ask for, as `watch` says how many; by the seed of
    /// the scenario, if there is one.
    fn targets(&self, watch: &Watch, seed: u64) -> Option<FleetTargets> {
        let client = &watch.client;
        let replica = u64::from(self.replica.unwrap_or_default());
        client.targets.map(|each| FleetTargets {
            each,
            seed,
            first_client: replica * client.virtual_clients(),
        })
    }

    /// What one replica of the scenario watches, and how, where its Services are in `namespace`.
    /// Beside a second cluster that churns, this cluster has no Services of its own.
    #[must_use]
    pub fn watch_of(&self, scenario: &Scenario, namespace: &str) -> Watch {
        let churned = linked::churned(scenario).map(|it| Authority {
            service: it.name,
            namespace: namespace.to_owned(),
            port: scenario.churn.port,
        });
        let client = scenario.client.clone();
        Watch {
            targets: churned.collect(),
            client: Client {
                replicas: 1,
                connections: self.forward.connections(client.connections),
                ..client
            },
        }
    }

    /// What to watch and how, as the flags say it.
    ///
    /// # Errors
    /// A [`UsageError`] if a Service is no Service, or is given twice, or a duration is zero.
    pub fn watch(&self) -> Result<Watch, UsageError> {
        let targets = targets::parse(&self.services)
            .map_err(|error| UsageError(format!("--services: {error}")))?;
        let profiles = self.profiles.unwrap_or(self.lifecycle == Lifecycle::Proxy);
        Ok(Watch {
            targets,
            client: Client {
                replicas: 1,
                clients: self.clients,
                targets: self.targets,
                streams_per_service: self.streams_per_service,
                stream_max_lifetime: timer("--stream-max-lifetime", self.stream_max_lifetime)?,
                stream_reset_interval: timer(
                    "--stream-reset-interval",
                    self.stream_reset_interval,
                )?,
                open_rate: self.open_rate,
                lifecycle: self.lifecycle,
                profiles,
                profile_endpoints: self.profile_endpoints,
                profile_names: self.profile_names.unwrap_or(profiles.into()),
                policies: self.policies,
                connections: self.forward.connections(None),
                ..Client::default()
            },
        })
    }
}

fn timer(flag: &str, span: Option<Span>) -> Result<Option<std::time::Duration>, UsageError> {
    match span {
        Some(span) if span.0.as_millis() == 0 => Err(UsageError(format!(
            "{flag}: {span} is too short; it is at least 1ms"
        ))),
        span => Ok(span.map(|span| span.0)),
    }
}
