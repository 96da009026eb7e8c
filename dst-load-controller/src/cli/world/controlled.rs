//! A real cluster's API, and a destination controller of the user's own on it: a child process on
//! this machine.

use std::{
    fs::File,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    os::fd::AsRawFd as _,
    path::PathBuf,
};

use anyhow::Context;
use dst_load_destination::{discovery::Metrics, target::Target};
use dst_load_scenario::scenario::Scenario;
use dst_load_transport::world::World;
use kube::config::Kubeconfig;
use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Chosen, Controller, Dials, Keeper, dial_each, kind, without_faults};
use crate::cli::{
    cluster::{ClusterArgs, KubeconfigArgs},
    sandbox::controller::{self, CommandLine},
};

/// A controller that serves, as long as this stands.
pub(super) struct Serving {
    stop: CancellationToken,
    /// Owns the child, which ends with it.
    task: AbortOnDropHandle<()>,
    /// Named on the controller's command line.
    _kubeconfig: PrivateFile,
}

// === impl Chosen ===

impl Chosen {
    /// A cluster that is named, and a controller of the user's own on its API, as a child process.
    ///
    /// # Errors
    /// If there is no such cluster, or the controller does not come up.
    pub(in crate::cli) async fn controlled(
        cluster: &ClusterArgs,
        scenario: &Scenario,
        controller: Controller<'_>,
    ) -> anyhow::Result<Self> {
        without_faults(scenario)?;
        let found = cluster.find().await?;
        let kubeconfig = private(&cluster.cluster)?;
        let line = CommandLine::parse(controller.command)?;
        let listen = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let log = Some(controller.log);
        let started =
            controller::Controller::start(line, scenario.flags, &kubeconfig.path(), listen, log)
                .await?;
        let addresses = vec![started.destination.to_string()];
        let Dials { first, further } = dial_each(&addresses, scenario.client.lifecycle)?;
        let target = Target::new(&started.metrics)?;
        Ok(Self {
            world: World {
                kube: found.factory(),
                destination: first,
                further,
            },
            addresses,
            metrics: Metrics::default(),
            target_cluster: None,
            kind: kind(&target).await,
            version: started.version.clone(),
            target: Some(target),
            forwarded: false,
            connections: None,
            flags: started.flags,
            keeper: Keeper::Controller(Serving::new(started, kubeconfig)),
        })
    }
}

// === impl Serving ===

impl Serving {
    fn new(mut controller: controller::Controller, kubeconfig: PrivateFile) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // One that ends by itself is told of and not started again: the run must see what that does.
        let task = tokio::spawn(async move {
            let died = tokio::select! {
                biased;
                () = stopped.cancelled() => None,
                what = controller.died() => Some(what),
            };
            match died {
                Some(what) => tracing::error!("the destination controller {what}"),
                None => controller.end().await,
            }
        });
        Self {
            stop,
            task: AbortOnDropHandle::new(task),
            _kubeconfig: kubeconfig,
        }
    }

    /// Ends the controller, and waits until it has.
    pub(super) async fn shutdown(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "the destination controller could not be ended");
        }
    }
}

/// A file in memory that only this user can read, and that is gone when this process is, however
/// that ends.
struct PrivateFile(File);

// === impl PrivateFile ===

impl PrivateFile {
    fn new(name: &str) -> io::Result<Self> {
        let file = memfd_create(name, MemfdFlags::CLOEXEC)?;
        fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        Ok(Self(file.into()))
    }

    /// Where other processes of this user find it.
    fn path(&self) -> PathBuf {
        let (process, file) = (std::process::id(), self.0.as_raw_fd());
        format!("/proc/{process}/fd/{file}").into()
    }
}

/// A copy of the kubeconfig, only for us to read, whose current context is the one that is named:
/// Linkerd's controllers take a kubeconfig and no context.
fn private(args: &KubeconfigArgs) -> anyhow::Result<PrivateFile> {
    let mut kubeconfig = match &args.kubeconfig {
        Some(path) => Kubeconfig::read_from(path)?,
        None => Kubeconfig::read()?,
    };
    if let Some(context) = &args.context {
        kubeconfig.current_context = Some(context.clone());
    }
    let mut file =
        PrivateFile::new("kubeconfig").context("cannot make a kubeconfig for the controller")?;
    // Go reads a kubeconfig as YAML, which all JSON is.
    file.0.write_all(&serde_json::to_vec(&kubeconfig)?)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use dst_load_transport::cluster::Cluster;

    const FILE: &str = r#"
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: a, cluster: {server: "http://127.0.0.1:1"}}
- {name: b, cluster: {server: "https://127.0.0.1:2", certificate-authority: ca.crt}}
users: [{name: u, user: {token: secret}}]
contexts:
- {name: one, context: {cluster: a, user: u}}
- {name: two, context: {cluster: b, user: u, namespace: there}}
"#;

    #[tokio::test]
    async fn the_controllers_kubeconfig_names_the_context_holds_all_and_is_private_and_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, FILE).unwrap();
        let args = KubeconfigArgs {
            kubeconfig: Some(path.clone()),
            context: Some("two".to_owned()),
        };
        let copy = private(&args).unwrap();
        let there = copy.path();
        let mode = fs::metadata(&there).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Kubeconfig::read_from(&there).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("two"));
        let text = fs::read_to_string(&there).unwrap();
        assert!(text.contains("\"token\":\"secret\""), "{text}");
        // The certificate is named as seen from anywhere.
        let authority = folder.path().join("ca.crt");
        assert!(text.contains(&*authority.to_string_lossy()), "{text}");
        drop(copy);
        assert!(!there.exists());

        let args = KubeconfigArgs {
            context: None,
            ..args
        };
        let copy = private(&args).unwrap();
        let found = Cluster::find(Some(&copy.path()), None).await.unwrap();
        assert_eq!(found.url(), "http://127.0.0.1:1/");
    }
}
