//! Which cluster, as Kubernetes' own tools ask for it.

use std::path::{Path, PathBuf};

use clap::Args;
use dst_load_transport::cluster::{Cluster, ClusterError};

use super::usage::UsageError;

/// The DNS domain of the clusters.
pub(super) const CLUSTER_DOMAIN: &str = "cluster.local";

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct KubeconfigArgs {
    /// Path to the kubeconfig file.
    #[arg(long, value_name = "FILE", env)]
    pub kubeconfig: Option<PathBuf>,
    /// Name of the kubeconfig context.
    #[arg(long, env)]
    pub context: Option<String>,
}

/// A cluster and a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ClusterArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: KubeconfigArgs,
    /// Namespace of the Services.
    #[arg(short, long, env)]
    pub namespace: Option<String>,
}

/// The cluster that is churned, where that is another than the clients'.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct TargetClusterArgs {
    /// Context of the target cluster, which is churned, if it is not the source cluster, whose
    /// destination controller is measured.
    #[arg(long, value_name = "CONTEXT", env)]
    pub churn_context: Option<String>,
    /// Kubeconfig file of the target cluster; that of the source cluster by default.
    #[arg(long, value_name = "FILE", env)]
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

    /// Finds the cluster that is meant, beside `source`; `same` says what is wrong if that is the
    /// same.
    ///
    /// # Errors
    /// As [`KubeconfigArgs::find_second`].
    pub(super) async fn find(
        &self,
        args: &KubeconfigArgs,
        source: &Cluster,
        same: impl FnOnce(&str) -> String,
    ) -> anyhow::Result<Cluster> {
        let (file, context) = (
            self.churn_kubeconfig.as_deref(),
            self.churn_context.as_deref(),
        );
        args.find_second(source, file, context, same).await
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

    /// Finds another cluster beside `source`, which these flags name: by `context`, in `file` or
    /// in the same one.
    ///
    /// # Errors
    /// There is none, with what would help; or it is `source` itself, of which `same` says, given
    /// its address, what is wrong.
    pub(super) async fn find_second(
        &self,
        source: &Cluster,
        file: Option<&Path>,
        context: Option<&str>,
        same: impl FnOnce(&str) -> String,
    ) -> anyhow::Result<Cluster> {
        let found = Cluster::find(file.or(self.kubeconfig.as_deref()), context).await?;
        let url = found.url();
        anyhow::ensure!(url != source.url(), UsageError(same(&url)));
        Ok(found)
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

    /// The namespace that is named, else the one of the cluster's context.
    pub(super) fn namespace_in(&self, cluster: &Cluster) -> String {
        let named = self.namespace.as_deref();
        named.unwrap_or(cluster.default_namespace()).to_owned()
    }
}
