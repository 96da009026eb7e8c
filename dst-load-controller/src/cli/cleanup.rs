//! `cleanup`: deletes what a run left behind.

use clap::Args;

use super::cluster::ClusterArgs;

/// Flags of `cleanup`.
#[derive(Clone, Debug, Args)]
pub struct CleanupArgs {
    /// The cluster, and the namespace if the run was given one.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// The run whose objects are deleted, by their label.
    #[arg(long, env = "DST_LOAD_RUN_ID")]
    pub run_id: String,
}
