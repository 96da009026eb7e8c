//! `sandbox`: the embedded cluster and destination on loopback, until stopped.

mod command;

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

pub use self::command::run;

/// Flags of `sandbox`.
#[derive(Clone, Debug, Args)]
pub struct SandboxArgs {
    /// Writes a kubeconfig there that kubectl and helm can use.
    // Not DST_LOAD_KUBECONFIG: there it names a file to read, and this one is written over.
    #[arg(long, value_name = "FILE", env = "DST_LOAD_SANDBOX_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Takes the sandbox's shape and faults from a scenario file, or a built-in one.
    #[arg(long, value_name = "SCENARIO", env = "DST_LOAD_SCENARIO")]
    pub scenario: Option<String>,
    /// Overrides a value of the scenario, as in Helm. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", requires = "scenario")]
    pub set: Vec<String>,
    /// The seed of every random choice; the scenario's if absent.
    #[arg(long, env = "DST_LOAD_SEED")]
    pub seed: Option<u64>,
    /// The IP to listen on, loopback if absent; the ports are free ones.
    #[arg(long, value_name = "IP", env = "DST_LOAD_LISTEN")]
    pub listen: Option<IpAddr>,
    /// Starts this destination controller on the sandbox's API instead of the reference
    /// destination, such as './linkerd-controller destination'. What it needs to know (addresses,
    /// kubeconfig, cluster domain) is added; flags of yours come first.
    // Linkerd's own name, as a lab or a build uses it.
    #[arg(long, value_name = "COMMAND", env = "LINKERD_DESTINATION_BIN")]
    pub destination_bin: Option<String>,
    /// Where that controller's log goes; standard error if absent.
    #[arg(long, value_name = "FILE", env = "DST_LOAD_DESTINATION_LOG")]
    pub destination_log: Option<PathBuf>,
    /// The process that started it, and with which it ends.
    #[arg(long, hide = true)]
    pub with_parent: Option<i32>,
}
