//! Which real cluster is meant, and clients of its API.
//!
//! It finds the cluster as kubectl does: the file that was named, else `KUBECONFIG`, else
//! `~/.kube/config`, else the identity of the pod that it runs in.

mod export;

use std::{path::Path, path::PathBuf, sync::Arc};

use http::uri::Scheme;
use kube::{
    Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use thiserror::Error;

use crate::{model::words::chain, world::KubeFactory};

pub use self::export::ExportError;

/// A cluster that was found; nothing has been asked of it yet.
#[derive(Clone, Debug)]
pub struct Cluster {
    config: Config,
}

/// Why no cluster was found.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The kubeconfig that was named cannot be used.
    #[error("kubeconfig {} cannot be used: {cause}", path.display())]
    File {
        /// As named.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The context that was named cannot be used.
    #[error("context {context:?} cannot be used: {cause}")]
    Context {
        /// As named.
        context: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Nothing was named, nothing was found, and this is no pod.
    #[error(
        "no cluster found: name a kubeconfig with --kubeconfig FILE or KUBECONFIG, or run in a pod \
         with a service account ({cause})"
    )]
    None {
        /// What is wrong with the default kubeconfig.
        cause: String,
    },
    /// The cluster was found but no client can be made of what is said of it.
    #[error("no client of {url} can be made: {cause}")]
    Client {
        /// The API server.
        url: String,
        /// What is wrong.
        cause: String,
    },
}

// === impl Cluster ===

impl Cluster {
    /// Finds the cluster that `kubeconfig` and `context` name, or the one that is there by default.
    ///
    /// # Errors
    ///
    /// [`ClusterError`], with what would help.
    pub async fn find(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
    ) -> Result<Self, ClusterError> {
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let found = match kubeconfig {
            Some(path) => match Kubeconfig::read_from(path) {
                Ok(file) => Config::from_custom_kubeconfig(file, &options).await,
                Err(error) => Err(error),
            },
            None => Config::from_kubeconfig(&options).await,
        };
        let error = match found {
            Ok(config) => return Ok(Self::from(config)),
            Err(error) => error,
        };
        let cause = chain(&error);
        match (kubeconfig, context) {
            (_, Some(context)) if !unreadable(&error) => Err(ClusterError::Context {
                context: context.to_owned(),
                cause,
            }),
            (Some(path), _) => Err(ClusterError::File {
                path: path.to_owned(),
                cause,
            }),
            (None, Some(_)) => Err(ClusterError::None { cause }),
            (None, None) => Config::incluster()
                .map(Self::from)
                .map_err(|_| ClusterError::None { cause }),
        }
    }

    /// The namespace that the kubeconfig's context, or the pod, is in.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// The API server's address.
    #[must_use]
    pub fn url(&self) -> String {
        self.config.cluster_url.to_string()
    }

    /// A client, with its connections on the runtime that this is called on.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Client`].
    pub fn client(&self) -> Result<kube::Client, ClusterError> {
        kube::Client::try_from(self.config.clone()).map_err(|error| ClusterError::Client {
            url: self.url(),
            cause: chain(&error),
        })
    }

    /// Makes clients as [`Cluster::client`] does, for a [`crate::world::World`].
    #[must_use]
    pub fn factory(&self) -> KubeFactory {
        let config = self.config.clone();
        Arc::new(move || kube::Client::try_from(config.clone()))
    }
}

impl From<Config> for Cluster {
    fn from(mut config: Config) -> Self {
        // Its retries are not counted, and one of its waits may last 1,000 s.
        config.default_retry = false;
        // Without TLS nothing is asked of the system's certificates, and a machine may have none.
        if config.cluster_url.scheme() == Some(&Scheme::HTTP) && config.root_cert.is_none() {
            config.root_cert = Some(Vec::new());
        }
        Self { config }
    }
}

/// Whether there is no kubeconfig to be read, as opposed to one with something wrong in it.
fn unreadable(error: &KubeconfigError) -> bool {
    matches!(
        error,
        KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath | KubeconfigError::Parse(_)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILE: &str = r#"
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: here, context: {cluster: c, user: u, namespace: there}}]
"#;

    #[tokio::test]
    async fn a_named_file_and_its_context_say_where_to_go_and_nothing_retries_behind_our_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        fs::write(&path, FILE).unwrap();
        let cluster = Cluster::find(Some(&path), None).await.unwrap();
        assert_eq!(cluster.default_namespace(), "there");
        assert_eq!(cluster.url(), "http://127.0.0.1:1/");
        assert!(!cluster.config.default_retry);
        // What it would take from the system, where there may be none.
        assert!(cluster.config.root_cert.is_some());

        let error = Cluster::find(Some(&path), Some("elsewhere")).await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("context \"elsewhere\" cannot be used: "),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("missing");
        let error = Cluster::find(Some(&path), Some("any")).await.unwrap_err();
        let wanted = format!("kubeconfig {} cannot be used: ", path.display());
        assert!(error.to_string().starts_with(&wanted), "{error}");
    }
}
