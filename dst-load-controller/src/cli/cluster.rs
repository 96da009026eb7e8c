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

/// The cluster that is churned, where that is another than the clients'.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct TargetClusterArgs {
    /// The context of the cluster that is churned, where that is not the one whose destination
    /// controller is asked.
    #[arg(long, value_name = "CONTEXT", env = "DST_LOAD_CHURN_CONTEXT")]
    pub churn_context: Option<String>,
    /// The kubeconfig file of that cluster; that of the other one if absent.
    #[arg(long, value_name = "FILE", env = "DST_LOAD_CHURN_KUBECONFIG")]
    pub churn_kubeconfig: Option<PathBuf>,
}

// === impl TargetClusterArgs ===

impl TargetClusterArgs {
    /// The flags, if any of them is given.
    #[must_use]
    pub const fn named(&self) -> Option<&Self> {
        if self.churn_context.is_some() || self.churn_kubeconfig.is_some() {
            Some(self)
        } else {
            None
        }
    }

    /// Finds the cluster that is meant, beside `source`.
    ///
    /// # Errors
    /// There is none, with what would help.
    pub async fn find(&self, source: &KubeconfigArgs) -> Result<Cluster, ClusterError> {
        let file = self.churn_kubeconfig.as_deref();
        let file = file.or(source.kubeconfig.as_deref());
        Cluster::find(file, self.churn_context.as_deref()).await
    }
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
