//! A run's environment: the Kubernetes API, the destination controller, and what keeps the two
//! available while the run uses them.
//!
//! This is the only place that knows whether either is real; `docs/architecture.md` has the table.

mod cluster;
mod controller;
mod in_process;
mod private_file;
mod sandbox;

use std::path::Path;

use dst_load_destination::{discovery::Metrics, target::Target};
use dst_load_recording::recording::TargetKind;
use dst_load_scenario::{flags::Flags, printable::line, quantity::Bytes, scenario::Scenario};
use dst_load_transport::{
    files::{self, TooFewFiles},
    world::{KubeFactory, World},
};

pub(super) use self::cluster::ClusterTarget;
use self::{in_process::InProcess, private_file::PrivateFile};
use super::{
    cluster::{ClusterArgs, TargetClusterArgs},
    process::{CommandLine, ControllerProcess, SandboxProcess},
    replicas::{Dials, dial_each},
    usage::UsageError,
};

/// The Kubernetes API and the destination controller, with what a run must know of them.
pub(super) struct Environment {
    /// The two remote systems.
    pub(super) world: World,
    /// The API of the target cluster, where there are two clusters.
    pub(super) target_cluster: Option<KubeFactory>,
    /// Whose controller it is.
    pub(super) kind: TargetKind,
    /// Its version, where it has one.
    pub(super) version: Option<String>,
    /// Its admin endpoint, if it can be reached.
    pub(super) target: Option<Target>,
    /// The address of each replica of it.
    pub(super) addresses: Vec<String>,
    /// Where each serves its metrics, and where those were looked for, of a controller that this
    /// tool did not start.
    pub(super) metrics: Metrics,
    /// Whether streams go through a port-forward.
    pub(super) forwarded: bool,
    /// Its flags that change what it promises, as far as they are known.
    pub(super) flags: Flags,
    guard: Guard,
}

/// What must not be dropped while an environment is used.
enum Guard {
    /// Somebody else's cluster.
    Nothing,
    /// The sandbox, or the reference destination alone, in this process.
    InProcess(InProcess),
    /// The sandbox as a child process.
    Sandbox(SandboxProcess),
    /// A controller of the user's own as a child process on a real cluster, and the kubeconfig that
    /// its command line names.
    Controller(ControllerProcess, PrivateFile),
}

/// Which environment is wanted. Nothing of it is started yet.
pub(super) enum EnvironmentChoice<'a> {
    /// The sandbox in this process, for virtual time: no sockets, no threads.
    InProcess,
    /// The sandbox as a child process; with a controller of the user's own, if there is one.
    Sandbox {
        controller: Option<CommandLine>,
        /// The memory limit of the destination.
        memory_limit: Option<Bytes>,
    },
    /// A cluster and its destination controller.
    Cluster(ClusterTarget<'a>),
    /// A cluster's API, and the reference destination in this process.
    Reference {
        cluster: &'a ClusterArgs,
        target_cluster: Option<&'a TargetClusterArgs>,
    },
    /// A cluster's API, and a controller of the user's own on it.
    Controller {
        cluster: &'a ClusterArgs,
        controller: CommandLine,
    },
}

// === impl EnvironmentChoice ===

impl EnvironmentChoice<'_> {
    /// Whether the API is a real cluster's.
    pub(super) const fn has_cluster(&self) -> bool {
        match self {
            Self::InProcess | Self::Sandbox { .. } => false,
            Self::Cluster(_) | Self::Reference { .. } | Self::Controller { .. } => true,
        }
    }

    /// Whether this process may have a file for each of these connections. On a cluster this is one
    /// of the preflight checks, and in this process there are no files.
    ///
    /// # Errors
    /// If there are too few.
    pub(super) fn enough_files(&self, connections: u64) -> Result<(), TooFewFiles> {
        match self {
            Self::Sandbox { .. } => files::enough_for(connections),
            Self::InProcess
            | Self::Cluster(_)
            | Self::Reference { .. }
            | Self::Controller { .. } => Ok(()),
        }
    }
}

// === impl Environment ===

impl Environment {
    /// Starts the environment that is wanted and waits until it is ready. The log of a controller of
    /// the user's own goes to the file `log`, or to standard error.
    ///
    /// # Errors
    /// A [`UsageError`] if the scenario's faults or the memory limit mean nothing there; there is no
    /// such cluster or Pod; or something does not start.
    pub(super) async fn start(
        choice: EnvironmentChoice<'_>,
        scenario: &Scenario,
        log: Option<&Path>,
    ) -> anyhow::Result<Self> {
        match choice {
            EnvironmentChoice::InProcess => Ok(Self::in_process(scenario)),
            EnvironmentChoice::Sandbox {
                controller,
                memory_limit,
            } => Self::sandbox(scenario, controller.as_ref(), log, memory_limit).await,
            EnvironmentChoice::Cluster(target) => {
                let (environment, _) = Self::cluster(target).await?;
                environment.with_version().await
            }
            EnvironmentChoice::Reference {
                cluster,
                target_cluster,
            } => Self::reference(cluster, target_cluster, scenario).await,
            EnvironmentChoice::Controller {
                cluster,
                controller,
            } => Self::controller(cluster, scenario, controller, log).await,
        }
    }

    /// With `version` for that of the destination controller, if it is given. The reference
    /// destination has none.
    pub(super) fn named(self, version: Option<&str>) -> Self {
        let version = match self.kind {
            TargetKind::Linkerd => version.map(line).or(self.version),
            TargetKind::Reference => self.version,
        };
        Self { version, ..self }
    }

    /// Whether the destination is the reference one, in this process.
    pub(super) const fn is_in_process(&self) -> bool {
        matches!(self.guard, Guard::InProcess(_))
    }

    /// Stops what was started for the run, and waits until it has stopped.
    pub(super) async fn stop(self) {
        match self.guard {
            Guard::Nothing => {}
            Guard::InProcess(parts) => parts.stop().await,
            Guard::Sandbox(process) => process.stop().await,
            Guard::Controller(process, _kubeconfig) => process.stop().await,
        }
    }

    /// A destination that serves at `addresses` and its metrics at `target`, started by this tool.
    ///
    /// # Errors
    /// If an address is none.
    async fn of_process(
        kube: KubeFactory,
        addresses: Vec<String>,
        target: Target,
        scenario: &Scenario,
        guard: Guard,
    ) -> Result<Self, UsageError> {
        let Dials { first, further } = dial_each(&addresses, (&scenario.client).into())?;
        Ok(Self {
            world: World {
                kube,
                destination: first,
                further,
                listed: None,
            },
            target_cluster: None,
            kind: kind(&target).await,
            version: None,
            target: Some(target),
            addresses,
            metrics: Metrics::default(),
            forwarded: false,
            flags: Flags::default(),
            guard,
        })
    }
}

/// Whose controller this is: the tool's own must not be reported as Linkerd's.
async fn kind(target: &Target) -> TargetKind {
    if target.is_reference().await {
        TargetKind::Reference
    } else {
        TargetKind::Linkerd
    }
}

/// Refuses faults of the reference destination where another one is run.
fn refuse_destination_faults(scenario: &Scenario) -> Result<(), UsageError> {
    let mut faults = scenario.sandbox.faults.iter();
    if faults.any(|fault| fault.kind.is_of_the_destination()) {
        return Err(UsageError(
            "sandbox.faults has faults of the reference destination, and --destination-bin (or \
             LINKERD_DESTINATION_BIN) starts another controller; remove those faults, or the flag"
                .into(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dst_load_scenario::scenario::built_in;

    #[tokio::test]
    async fn the_version_that_is_given_is_of_a_controller_of_linkerds() {
        let quick = built_in("quick").unwrap();
        let (scenario, _) = Scenario::from_yaml(quick, "quick.yaml", &[]).unwrap();
        let environment = || Environment::in_process(&scenario);
        assert_eq!(environment().named(Some("edge-26.8.3")).version, None);
        let of_linkerd = |said: Option<&str>| Environment {
            kind: TargetKind::Linkerd,
            version: said.map(str::to_owned),
            ..environment()
        };
        let version = |said, given| of_linkerd(said).named(given).version;
        assert_eq!(version(None, None), None);
        assert_eq!(version(Some("dev"), None).as_deref(), Some("dev"));
        assert_eq!(version(None, Some("edge\n1")).as_deref(), Some("edge 1"));
        assert_eq!(version(Some("dev"), Some("edge")).as_deref(), Some("edge"));
    }
}
