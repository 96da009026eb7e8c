//! What streams ask for: a Service and port, and which Service has its endpoints.

use dst_load_scenario::federation::{DiscoveryMode, Site, Watched};

/// A Service and port, as a stream asks for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchedService {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port asked for.
    pub port: u16,
    /// The path that a stream sends: `<name>.<namespace>.svc.<cluster domain>:<port>`.
    pub authority: String,
    /// The cluster of the Service whose endpoints it has.
    pub site: Site,
    /// That Service's name; its namespace is the same.
    pub behind: String,
    /// How the one stands for the other, in a run over two clusters.
    pub through: Option<DiscoveryMode>,
}

// === impl WatchedService ===

impl WatchedService {
    /// The Service `name` in `namespace`, in a cluster of this domain.
    #[must_use]
    pub fn new(name: &str, namespace: &str, cluster_domain: &str, port: u16) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            port,
            authority: format!("{name}.{namespace}.svc.{cluster_domain}:{port}"),
            site: Site::Source,
            behind: name.to_owned(),
            through: None,
        }
    }

    /// A Service that is asked for in the cluster of this domain, and may stand for another.
    #[must_use]
    pub fn of(watched: &Watched, namespace: &str, cluster_domain: &str, port: u16) -> Self {
        Self {
            site: watched.site,
            behind: watched.behind.clone(),
            through: watched.through,
            ..Self::new(&watched.name, namespace, cluster_domain, port)
        }
    }
}
