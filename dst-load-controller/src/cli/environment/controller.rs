//! A real cluster's API, and a destination controller of the user's own on it: a child process on
//! this machine.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use anyhow::Context;
use dst_load_destination::target::Target;
use dst_load_scenario::scenario::Scenario;
use kube::config::Kubeconfig;

use super::{Environment, Guard, PrivateFile, refuse_destination_faults};
use crate::cli::{
    cluster::{ClusterArgs, KubeconfigArgs},
    process::{CommandLine, ControllerProcess},
};

// === impl Environment ===

impl Environment {
    /// A cluster's API, and a controller of the user's own on it, as a child process.
    ///
    /// # Errors
    /// If there is no such cluster, the controller does not start, or the scenario has faults of
    /// another destination.
    pub(super) async fn controller(
        cluster: &ClusterArgs,
        scenario: &Scenario,
        controller: CommandLine,
        log: Option<&Path>,
    ) -> anyhow::Result<Self> {
        refuse_destination_faults(scenario)?;
        let found = cluster.find().await?;
        let kubeconfig = kubeconfig(&cluster.cluster)?;
        let listen = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let process =
            ControllerProcess::start(controller, scenario.flags, &kubeconfig.path(), listen, log)
                .await?;
        let addresses = vec![process.destination.to_string()];
        let target = Target::new(&process.metrics)?;
        let (version, flags) = (process.version.clone(), process.flags);
        let guard = Guard::Controller(process, kubeconfig);
        Ok(Self {
            version,
            flags,
            ..Self::of_process(found.factory(), addresses, target, scenario, guard).await?
        })
    }
}

/// A copy of the kubeconfig, only for this user to read, whose current context is the one that is
/// named: Linkerd's controllers take a kubeconfig and no context.
fn kubeconfig(args: &KubeconfigArgs) -> anyhow::Result<PrivateFile> {
    let mut kubeconfig = match &args.kubeconfig {
        Some(path) => Kubeconfig::read_from(path)?,
        None => Kubeconfig::read()?,
    };
    if let Some(context) = &args.context {
        kubeconfig.current_context = Some(context.clone());
    }
    // Go reads a kubeconfig as YAML, which all JSON is.
    let content = serde_json::to_vec(&kubeconfig)?;
    PrivateFile::new("kubeconfig", &content).context("cannot make a kubeconfig for the controller")
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
        let copy = kubeconfig(&args).unwrap();
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
        let copy = kubeconfig(&args).unwrap();
        let found = Cluster::find(Some(&copy.path()), None).await.unwrap();
        assert_eq!(found.url(), "http://127.0.0.1:1/");
    }
}
