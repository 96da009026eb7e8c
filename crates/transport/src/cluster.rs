//! Which real cluster is meant, and clients of its API.
//!
//! It finds the cluster as kubectl does: the file that was named, else those of `KUBECONFIG` that are
//! there, else `~/.kube/config`, else the identity of the pod that it runs in.

mod certificate;
mod client;
mod credentials;
mod export;
mod identity;
mod kubeconfig;
mod plugin;
mod server;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use dst_load_scenario::words::chain;
use http::uri::Scheme;
use kube::{
    Config,
    config::{AuthInfo, ExecAuthCluster, Kubeconfig},
};
use rustls::RootCertStore;
use thiserror::Error;

use self::{
    credentials::Credentials,
    identity::Identity,
    kubeconfig::{Chosen, Problem},
    plugin::Plugin,
};
use super::{
    connect::{
        Connector,
        proxy::{Proxy, ProxyError},
    },
    http::shown,
};
use crate::world::KubeFactory;

pub use self::{export::ExportError, plugin::PluginError};

/// A cluster that was found; nothing has been asked of it yet.
#[derive(Clone, Debug)]
pub struct Cluster {
    config: Config,
    connector: Connector,
    identity: Identity,
    credentials: Option<Arc<Credentials>>,
    /// The user as the kubeconfig has it.
    user: AuthInfo,
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
    /// The context that was named, or is current, cannot be used.
    #[error("context {context:?} cannot be used: {cause}")]
    Context {
        /// Its name.
        context: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The user has no credentials.
    #[error("user {user:?} has no credentials: {cause}")]
    Credentials {
        /// The user's name in the kubeconfig.
        user: String,
        /// Why not.
        #[source]
        cause: PluginError,
    },
    /// What the kubeconfig says of the user cannot be used.
    #[error("user {user:?} cannot be used: {cause}")]
    User {
        /// The user's name in the kubeconfig.
        user: String,
        /// What is wrong.
        cause: String,
    },
    /// The proxy to use cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
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
    /// Finds the cluster that `kubeconfig` and `context` name, or the one that is there by default,
    /// and gets its user's credentials if a plugin makes them.
    ///
    /// # Errors
    ///
    /// [`ClusterError`], with what would help.
    pub async fn find(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
    ) -> Result<Self, ClusterError> {
        let files = match kubeconfig {
            Some(path) => vec![path.to_owned()],
            None => kubeconfig::default_files(),
        };
        let mut found: Option<Kubeconfig> = None;
        let mut missing = Vec::new();
        for path in &files {
            match kubeconfig::read(path) {
                Ok(file) => {
                    found = Some(match found {
                        Some(first) => kubeconfig::merge(first, file),
                        None => file,
                    });
                }
                Err(Problem::Missing) if kubeconfig.is_none() => {
                    missing.push(path.display().to_string());
                }
                Err(problem) => {
                    return Err(ClusterError::File {
                        path: path.clone(),
                        cause: problem.to_string(),
                    });
                }
            }
        }
        let Some(file) = found else {
            let cause = match missing.as_slice() {
                [] => "there is no home directory with a kubeconfig".to_owned(),
                [path] => format!("{path} is not there"),
                paths => format!("none of these is there: {}", paths.join(", ")),
            };
            return Self::in_cluster(context, cause);
        };
        let Some(name) = context.or(file.current_context.as_deref()) else {
            let cause = match kubeconfig::contexts(&file).as_slice() {
                [] => "the kubeconfig has no context".to_owned(),
                names => format!(
                    "the kubeconfig has no current context; name one with --context: {}",
                    names.join(", ")
                ),
            };
            return match kubeconfig {
                Some(path) => Err(ClusterError::File {
                    path: path.to_owned(),
                    cause,
                }),
                None => Self::in_cluster(None, cause),
            };
        };
        let chosen = kubeconfig::choose(&file, name);
        let in_context = |cause| ClusterError::Context {
            context: name.to_owned(),
            cause,
        };
        Self::of(chosen.map_err(in_context)?, in_context).await
    }

    /// The cluster that this pod is in, unless a context was named; `cause` says why there is no
    /// other.
    fn in_cluster(context: Option<&str>, cause: String) -> Result<Self, ClusterError> {
        match Config::incluster() {
            Ok(config) if context.is_none() => Ok(Self::from(config)),
            _ => Err(ClusterError::None { cause }),
        }
    }

    async fn of(
        chosen: Chosen,
        wrong: impl Fn(String) -> ClusterError,
    ) -> Result<Self, ClusterError> {
        let Chosen {
            context,
            cluster,
            user_name,
            mut user,
        } = chosen;
        let roots = certificates(&cluster).map_err(&wrong)?;
        let has_certificates = roots.is_some()
            || user.client_certificate.is_some()
            || user.client_certificate_data.is_some();
        let text = cluster.server.as_deref().unwrap_or_default();
        let url = server::parse(text, has_certificates).map_err(&wrong)?;
        let connector = match &cluster.proxy_url {
            Some(proxy) => Connector::through(
                Proxy::parse(proxy, "its proxy-url").map_err(|error| wrong(error.to_string()))?,
            ),
            None => Connector::from_environment(),
        };
        // Told now rather than by the first call.
        connector.proxy(&url)?;
        let mut config = Config::new(url);
        config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
        config.root_cert = roots.filter(|_| !config.accept_invalid_certs);
        config.tls_server_name.clone_from(&cluster.tls_server_name);
        if let Some(namespace) = context.namespace {
            config.default_namespace = namespace;
        }
        let given = user.clone();
        let credentials = match user.exec.take() {
            // What is written in the kubeconfig goes before what a program makes.
            Some(exec) if user.token.is_none() && user.token_file.is_none() => {
                let told = exec
                    .provide_cluster_info
                    .then(|| ExecAuthCluster::try_from(&cluster));
                let told = told.transpose().map_err(|error| wrong(chain(&error)))?;
                let credentials = Credentials::of(Plugin::new(exec, told));
                let got = credentials.header().await;
                got.map_err(|cause| ClusterError::Credentials {
                    user: user_name.clone(),
                    cause,
                })?;
                Some(credentials)
            }
            _ => None,
        };
        let identity = Identity::take(&mut user).map_err(|cause| ClusterError::User {
            user: user_name,
            cause,
        })?;
        config.auth_info = user;
        let cluster = Self::new(config, connector, identity, credentials, given);
        // What else cannot work is told now too, rather than by the first call.
        cluster.client()?;
        Ok(cluster)
    }

    fn new(
        mut config: Config,
        connector: Connector,
        identity: Identity,
        credentials: Option<Arc<Credentials>>,
        user: AuthInfo,
    ) -> Self {
        // Without TLS nothing is asked of the system's certificates, and a machine may have none.
        if config.cluster_url.scheme() == Some(&Scheme::HTTP) && config.root_cert.is_none() {
            config.root_cert = Some(Vec::new());
        }
        Self {
            config,
            connector,
            identity,
            credentials,
            user,
        }
    }

    /// The namespace that the kubeconfig's context, or the pod, is in.
    #[must_use]
    pub fn default_namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// The API server's address, without what may be a secret.
    #[must_use]
    pub fn url(&self) -> String {
        shown(&self.config.cluster_url.to_string())
    }

    /// A client, with its connections on the runtime that this is called on.
    ///
    /// # Errors
    ///
    /// [`ClusterError::Client`].
    pub fn client(&self) -> Result<kube::Client, ClusterError> {
        self.made().map_err(|error| ClusterError::Client {
            url: self.url(),
            cause: chain(&error),
        })
    }

    /// Makes clients as [`Cluster::client`] does, for a [`crate::world::World`].
    #[must_use]
    pub fn factory(&self) -> KubeFactory {
        let cluster = self.clone();
        Arc::new(move || cluster.made())
    }

    fn made(&self) -> Result<kube::Client, kube::Error> {
        client::client(
            &self.config,
            self.connector.clone(),
            &self.identity,
            self.credentials.clone(),
        )
    }
}

/// A cluster as kube knows it, through the proxies of the environment.
impl From<Config> for Cluster {
    fn from(config: Config) -> Self {
        let user = config.auth_info.clone();
        Self::new(
            config,
            Connector::from_environment(),
            Identity::default(),
            None,
            user,
        )
    }
}

/// The certificate authorities of the cluster, each in DER. Those that cannot be read are left out, as
/// Go leaves them out: a bundle may have one.
fn certificates(cluster: &kube::config::Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let key = "certificate-authority";
    let data = cluster.certificate_authority_data.as_deref();
    let path = cluster.certificate_authority.as_deref();
    let Some(bytes) = kubeconfig::bytes(key, data, path)? else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    let blocks = pem::parse_many(bytes).unwrap_or_default();
    let certificates: Vec<_> = (blocks.into_iter())
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .filter(|certificate| roots.add(certificate.as_slice().into()).is_ok())
        .collect();
    if certificates.is_empty() {
        let key = data.map_or_else(|| key.to_owned(), |_| format!("{key}-data"));
        return Err(format!("its {key} holds no certificate in PEM"));
    }
    Ok(Some(certificates))
}

#[cfg(test)]
mod tests;
