//! `sandbox`: the embedded cluster and destination on loopback, until stopped.

pub(super) mod command;

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
    /// The address to listen on; the ports are free ones.
    #[arg(long, default_value = "127.0.0.1", env = "DST_LOAD_LISTEN")]
    pub listen: IpAddr,
    /// Ends when the process that started it does.
    #[arg(long, hide = true)]
    pub with_parent: bool,
}
