//! `sandbox`: the embedded cluster and destination on loopback, until stopped.

mod command;

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

pub use self::command::run;

/// Flags of `sandbox`.
#[derive(Clone, Debug, Args)]
pub struct SandboxArgs {
    /// Write a kubeconfig for kubectl and helm to this file.
    // Not DST_LOAD_KUBECONFIG: there it names a file to read, and this one is written over.
    #[arg(long, value_name = "FILE", env = "DST_LOAD_SANDBOX_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Take the sandbox's size and faults from this scenario file, or built-in scenario.
    #[arg(long, value_name = "SCENARIO", env)]
    pub scenario: Option<String>,
    /// Override a value of the scenario, as Helm does. Can be repeated.
    #[arg(long, value_name = "KEY=VALUE", requires = "scenario")]
    pub set: Vec<String>,
    /// Seed of every random choice; the scenario's by default.
    #[arg(long, env)]
    pub seed: Option<u64>,
    /// IP to listen on, loopback by default. Free ports are used.
    #[arg(long, value_name = "IP", env)]
    pub listen: Option<IpAddr>,
    /// Start this destination controller on the sandbox's API instead of the reference destination,
    /// such as './linkerd-controller destination'. Flags that it needs (addresses, kubeconfig,
    /// cluster domain) are added, unless the command has them.
    // Linkerd's own name, as a lab or a build uses it.
    #[arg(long, value_name = "COMMAND", env = "LINKERD_DESTINATION_BIN")]
    pub destination_bin: Option<String>,
    /// File for that controller's log; standard error by default.
    #[arg(long, value_name = "FILE", env)]
    pub destination_log: Option<PathBuf>,
    /// The process that started it, and with which it ends.
    #[arg(long, hide = true)]
    pub with_parent: Option<i32>,
}
