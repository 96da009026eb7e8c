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

use clap::{Args, builder::BoolishValueParser};
use dst_load_scenario::quantity::Span;
use dst_load_transport::listen::Listen;

use super::{
    cluster::{ClusterArgs, TargetClusterArgs},
    forward::ForwardArgs,
    namespace::NamespaceArgs,
    pace::PaceArgs,
    push::PushArgs,
    scenario::ScenarioArgs,
};

pub use self::command::run;
pub(super) use self::execute::ControllerRun;

/// Flags of `run`. Without a cluster it runs on the embedded sandbox.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// What to run.
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// On which cluster; KUBECONFIG alone never names one here.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Where it may run all the same.
    #[command(flatten)]
    pub allowed: NamespaceArgs,
    /// Which cluster is churned, if that is another one.
    #[command(flatten)]
    pub target_cluster: TargetClusterArgs,
    /// Runs the sandbox in this process in virtual time: hours in seconds, and the same bytes for
    /// the same seed.
    #[arg(long = "virtual", conflicts_with_all = ["kubeconfig", "context", "destination", "destination_pod", "destination_metrics", "churn_context", "churn_kubeconfig", "push_gateway"])]
    pub virtual_time: bool,
    /// The destination controller of the cluster, as HOST:PORT. Of several replicas, each: repeated
    /// or with commas; virtual clients take them in turn.
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        env = "DST_LOAD_DESTINATION"
    )]
    pub destination: Vec<String>,
    /// The way there, where it is not simply an address.
    #[command(flatten)]
    pub forward: ForwardArgs,
    /// Uses the embedded reference destination against the cluster's API.
    #[arg(long, conflicts_with_all = ["destination", "destination_pod"])]
    pub reference: bool,
    /// Starts this destination controller on the embedded sandbox's API and measures it, such as
    /// './linkerd-controller destination'; flags that it needs are added. Where a cluster is named,
    /// or time is virtual, this counts for nothing.
    #[arg(long, value_name = "COMMAND", env = "LINKERD_DESTINATION_BIN")]
    pub destination_bin: Option<String>,
    /// Where the destination controller serves its metrics. Of several replicas, each: what they
    /// use is added up. If absent, they are looked for at port 9996 of each replica.
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        env = "DST_LOAD_DESTINATION_METRICS"
    )]
    pub destination_metrics: Vec<String>,
    /// How long to try to reach the destination.
    #[arg(long, default_value = "30s", env = "DST_LOAD_CONNECT_TIMEOUT")]
    pub connect_timeout: Span,
    /// How hard the API server may be pressed.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// Where the recording and the report go; `runs/<name>-<time>` if absent.
    #[arg(long, value_name = "DIR", env = "DST_LOAD_OUTPUT_DIR")]
    pub output_dir: Option<PathBuf>,
    /// Serves the page of the run at this address while the run goes on, such as 127.0.0.1:9990. It
    /// updates itself. IP:PORT, or a port alone: on loopback, or in a Pod on all interfaces.
    #[arg(
        long,
        value_name = "ADDR",
        conflicts_with = "virtual_time",
        env = "DST_LOAD_LIVE"
    )]
    pub live: Option<Listen>,
    /// Where its numbers go too.
    #[command(flatten)]
    pub push: PushArgs,
    /// Leaves what was made in Kubernetes when the run ends.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "DST_LOAD_KEEP")]
    pub keep: bool,
    /// Runs on a cluster though `check` says that it will not work.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "DST_LOAD_SKIP_CHECKS")]
    pub skip_checks: bool,
    /// Takes CPU and heap profiles of the destination controller, beside the recording. It must
    /// serve them: Linkerd's does with -enable-pprof (charts: enablePprof), which is added to
    /// --destination-bin. They cost it some percent of what it allocates and of its CPU.
    #[arg(long, conflicts_with = "virtual_time", value_parser = BoolishValueParser::new(), env = "DST_LOAD_PPROF")]
    pub pprof: bool,
    /// Shows no progress.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "DST_LOAD_NO_PROGRESS")]
    pub no_progress: bool,
    /// Keeps the pods on KWOK's nodes (label `type=kwok`), for clusters that have others too.
    #[arg(long, env = "DST_LOAD_KWOK_NODES", value_parser = BoolishValueParser::new())]
    pub kwok_nodes: bool,
}
