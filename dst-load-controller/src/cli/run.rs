//! `run`: churn and clients in one process, judged and reported.

mod command;
mod config;
mod environment;
mod execute;
mod floor;
pub(super) mod header;
mod measure;
mod progress;
pub mod simulation;

use std::path::PathBuf;

use clap::Args;
use dst_load_scenario::quantity::Span;
use dst_load_transport::listen::Listen;

use super::{
    cluster::{ClusterArgs, TargetClusterArgs},
    forward::ForwardArgs,
    namespace::NamespaceArgs,
    pace::PaceArgs,
    policy::PolicyArgs,
    push::PushArgs,
    scenario::ScenarioArgs,
};

pub use self::command::run;
pub(super) use self::{
    config::RunConfig,
    execute::RunRequest,
    measure::{Outcome, RunOptions},
};

/// Flags of `run`. Without a cluster it runs on the embedded sandbox.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// What to run.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// On which cluster; KUBECONFIG alone never names one here.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Namespaces that are allowed by name.
    #[command(flatten)]
    pub allowed: NamespaceArgs,
    /// Which cluster is churned, if that is another one.
    #[command(flatten)]
    pub target_cluster: TargetClusterArgs,
    /// Run the sandbox in this process in virtual time: hours take seconds, and the same seed gives
    /// the same bytes.
    #[arg(long = "virtual", conflicts_with_all = ["kubeconfig", "context", "destination", "destination_pod", "destination_metrics", "churn_context", "churn_kubeconfig", "push_gateway", "policy", "policy_metrics"])]
    pub virtual_time: bool,
    /// Address of the destination controller of the cluster. Of several replicas, give each: repeat
    /// the flag, or separate them with commas. Streams are balanced over them as a proxy balances its
    /// own.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', env)]
    pub destination: Vec<String>,
    /// How to connect to it.
    #[command(flatten)]
    pub forward: ForwardArgs,
    /// Use the embedded reference destination with the cluster's API.
    #[arg(long, conflicts_with_all = ["destination", "destination_pod"])]
    pub reference: bool,
    /// Start this destination controller on the embedded sandbox's API and measure it, such as
    /// './linkerd-controller destination'. Flags that it needs are added. Ignored if a cluster is
    /// named, and with --virtual.
    #[arg(long, value_name = "COMMAND", env = "LINKERD_DESTINATION_BIN")]
    pub destination_bin: Option<String>,
    /// URL of the destination controller's metrics. Of several replicas, give each: their usage is
    /// summed. By default port 9996 of each replica is tried.
    #[arg(long, value_name = "URL", value_delimiter = ',', env)]
    pub destination_metrics: Vec<String>,
    /// Where the policy API is.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// How long to try to connect to the destination.
    #[arg(long, default_value = "30s", env)]
    pub connect_timeout: Span,
    /// Limits of requests to the API server.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Directory for the recording and the reports; `runs/<name>-<time>` by default.
    #[arg(long, value_name = "DIR", env)]
    pub output_dir: Option<PathBuf>,
    /// Serve the page of the run at this address during the run, such as 127.0.0.1:9990. The page
    /// updates itself. IP:PORT, or a port alone: on loopback, or in a Pod on all interfaces.
    #[arg(long, value_name = "ADDR", conflicts_with = "virtual_time", env)]
    pub live: Option<Listen>,
    /// The Pushgateway for its results.
    #[command(flatten)]
    pub push: PushArgs,
    /// Keep what was made in Kubernetes when the run ends.
    #[arg(long, env)]
    pub keep: bool,
    /// Run on a cluster although preflight checks fail.
    #[arg(long, env)]
    pub skip_checks: bool,
    /// Take CPU and heap profiles of the destination controller, and save them beside the
    /// recording. The controller must serve them: Linkerd's does with -enable-pprof (charts:
    /// enablePprof), which is added to --destination-bin. They cost the controller some percent of
    /// its allocations and CPU.
    #[arg(long, conflicts_with = "virtual_time", env)]
    pub pprof: bool,
    /// Do not show progress.
    #[arg(long, env)]
    pub no_progress: bool,
    /// Schedule the pods on KWOK's nodes only (label `type=kwok`), for clusters that have others
    /// too.
    #[arg(long, env)]
    pub kwok_nodes: bool,
}
