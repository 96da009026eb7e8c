//! A real cluster and its destination controller.

use dst_load_destination::{dial::Windows, target::version};
use dst_load_recording::recording::TargetKind;
use dst_load_scenario::flags::Flags;
use dst_load_transport::{
    cluster::Cluster,
    world::{KubeFactory, World},
};

use super::{Environment, Guard, kind};
use crate::cli::{
    cluster::{ClusterArgs, TargetClusterArgs},
    forward::{ForwardArgs, Reached},
};

/// A cluster and its destination controller, as flags name them.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct ClusterTarget<'a> {
    pub(in crate::cli) cluster: &'a ClusterArgs,
    /// The cluster that is churned, if that is another one.
    pub(in crate::cli) target_cluster: Option<&'a TargetClusterArgs>,
    /// The address of each replica of the controller.
    pub(in crate::cli) replicas: &'a [String],
    /// Where each serves its metrics.
    pub(in crate::cli) metrics: &'a [String],
    /// The way there, where it is not simply an address.
    pub(in crate::cli) forward: &'a ForwardArgs,
    /// The windows of connections to it.
    pub(in crate::cli) windows: Windows,
    /// The controller's flags, where nothing better is known.
    pub(in crate::cli) flags: Flags,
}

// === impl Environment ===

impl Environment {
    /// A cluster and its destination controller, whose version is not looked up; beside it the source
    /// cluster.
    ///
    /// # Errors
    /// If there is no such cluster or Pod, or an address is none.
    pub(in crate::cli) async fn cluster(
        wanted: ClusterTarget<'_>,
    ) -> anyhow::Result<(Self, Cluster)> {
        let ClusterTarget {
            cluster, forward, ..
        } = wanted;
        let (addresses, discovered) = forward
            .discover(wanted.replicas, wanted.metrics, wanted.windows)
            .await?;
        let source = cluster.find().await?;
        let target_cluster = find_target(&source, cluster, wanted.target_cluster).await?;
        let kube = source.factory();
        let Reached {
            dials,
            listed,
            pods,
            target,
            flags,
        } = forward
            .reach(&kube, wanted.replicas, addresses, wanted.windows)
            .await?;
        let kind = match &target {
            Some(target) => kind(target).await,
            None => TargetKind::Linkerd,
        };
        let environment = Self {
            world: World {
                kube,
                destination: dials.first,
                further: dials.further,
                listed,
            },
            target_cluster,
            kind,
            version: None,
            target,
            addresses: if pods.is_empty() {
                discovered.replicas
            } else {
                pods
            },
            metrics: discovered.metrics,
            forwarded: forward.is_forwarded(),
            flags: flags.or(forward.flags()).or(wanted.flags),
            guard: Guard::Nothing,
        };
        Ok((environment, source))
    }

    /// With the version of Linkerd's controller, as far as the cluster has it.
    ///
    /// # Errors
    /// If no client of the API can be made.
    pub(super) async fn with_version(self) -> anyhow::Result<Self> {
        let version = match self.kind {
            TargetKind::Linkerd => version::deployed(&(self.world.kube)()?).await,
            TargetKind::Reference => None,
        };
        Ok(Self { version, ..self })
    }
}

/// The target cluster that the flags name, if they name one.
///
/// # Errors
/// There is no such cluster, or it is the source cluster.
pub(super) async fn find_target(
    source: &Cluster,
    cluster: &ClusterArgs,
    target: Option<&TargetClusterArgs>,
) -> anyhow::Result<Option<KubeFactory>> {
    let Some(target) = target else {
        return Ok(None);
    };
    let same = |url: &str| {
        format!(
            "the source cluster and the target cluster are both {url}; name another cluster with \
             --churn-context or --churn-kubeconfig"
        )
    };
    let found = target.find(&cluster.cluster, source, same).await?;
    Ok(Some(found.factory()))
}
