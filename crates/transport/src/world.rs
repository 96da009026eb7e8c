//! The seam: the two remote systems, as the wire types that every other module talks to.
//!
//! Real and sandbox differ only in how a [`World`] is built. There is no trait of our own: a
//! [`kube::Client`] takes any tower service, and a gRPC stream is read from any tower service.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tower::util::BoxCloneSyncService;

/// What the observer's requests begin their `User-Agent` with, so that an API server's audit log
/// (and the sandbox's faults) can tell its watches from everybody else's.
pub const OBSERVER_AGENT: &str = "dst-load-controller-observer";

/// The response header by which the tool's own reference destination says what it is, with its
/// version.
pub const REFERENCE_HEADER: &str = "x-dst-load-reference";

/// One HTTP/2 connection to a destination controller, as a tower service: over a socket, or
/// the reference destination itself. The error is a concrete type because `Box<dyn Error>` does
/// not compile across `Send` tasks.
pub type Grpc = BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    tonic::Status,
>;

/// Makes a client of the Kubernetes API on the runtime it is called on (a client's connection
/// tasks live on the runtime that made it, and the observer has a runtime of its own).
pub type KubeFactory = Arc<dyn Fn() -> Result<kube::Client, kube::Error> + Send + Sync>;

/// Opens one connection to the destination controller. A number is how many bytes the controller may
/// send ahead on each stream of it, over HTTP/2, in place of what is usual.
pub type Dial =
    Arc<dyn Fn(Option<u16>) -> BoxFuture<'static, Result<Grpc, tonic::Status>> + Send + Sync>;

/// All that `live` and a cluster, real or embedded, share.
#[derive(Clone)]
pub struct World {
    /// Makes clients of the cluster's API.
    pub kube: KubeFactory,
    /// Opens connections to the destination controller.
    pub destination: Dial,
    /// The same for its other replicas, where there are several.
    pub further: Vec<Dial>,
    /// The replicas as a name has them by and by, where they were found under one.
    pub listed: Option<ListedReplicas>,
}

/// A replica of the destination controller that was found under a name.
#[derive(Clone)]
pub struct ListedReplica {
    /// Its address, HOST:PORT.
    pub address: String,
    /// Opens connections to it.
    pub dial: Dial,
    /// Whether the name still has it. No streams are opened on one that has left the name.
    pub is_listed: bool,
}

/// All replicas that a run has known so far, each at the position that is its number: first those
/// that there are at the start, which are [`World::replicas`], then the others as they came.
pub type ListedReplicas = watch::Receiver<Vec<ListedReplica>>;

// === impl World ===

impl World {
    /// All replicas of the destination controller, at least one.
    #[must_use]
    pub fn replicas(&self) -> Vec<Dial> {
        let first = Arc::clone(&self.destination);
        std::iter::once(first)
            .chain(self.further.iter().cloned())
            .collect()
    }
}
