//! Which cluster, as Kubernetes' own tools ask for it.

use std::path::PathBuf;

use clap::Args;

use crate::live::cluster::{Cluster, ClusterError};

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct KubeconfigArgs {
    /// The kubeconfig file.
    #[arg(long, value_name = "FILE", env = "DST_LOAD_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    #[arg(long, env = "DST_LOAD_CONTEXT")]
    pub context: Option<String>,
}

/// A cluster and a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ClusterArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: KubeconfigArgs,
    /// The namespace of the Services.
    #[arg(short, long, env = "DST_LOAD_NAMESPACE")]
    pub namespace: Option<String>,
}

// === impl KubeconfigArgs ===

impl KubeconfigArgs {
    /// Whether a cluster is named at all.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    /// Finds the cluster that is meant, as kubectl would.
    ///
    /// # Errors
    /// There is none, with what would help.
    pub async fn find(&self) -> Result<Cluster, ClusterError> {
        Cluster::find(self.kubeconfig.as_deref(), self.context.as_deref()).await
    }
}

// === impl ClusterArgs ===

impl ClusterArgs {
    /// Finds the cluster that is meant, as kubectl would.
    ///
    /// # Errors
    /// There is none, with what would help.
    pub async fn find(&self) -> Result<Cluster, ClusterError> {
        self.cluster.find().await
    }
}
