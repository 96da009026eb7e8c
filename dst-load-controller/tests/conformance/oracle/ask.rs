//! Who is asked about a set of objects, and what each says: the oracle, by what the tool's observer
//! reads, and the reference destination, by what it sends first.

use std::{collections::BTreeSet, net::SocketAddr};

use dst_load_kubernetes::observer::Snapshot;
use dst_load_oracle::promise::Unjudged;
use dst_load_sandbox::destination::{Config, Offline};
use dst_load_scenario::flags::Flags;
use serde_json::Value;

use super::objects::{ObjectSet, SERVICE};

/// A class of clients: what sets apart what they are promised.
pub(super) struct Client {
    /// The Node that it names; empty where it names none.
    pub(super) node: String,
    /// The host name in the path that it asks for.
    pub(super) host: Option<String>,
}

/// What is said to one class of clients.
pub(super) type Addresses = BTreeSet<SocketAddr>;

/// The classes of clients that ask about `set`.
pub(super) fn clients(set: &ObjectSet) -> Vec<Client> {
    let hosts = [None].into_iter().chain(set.host.clone().map(Some));
    let classes = hosts.flat_map(|host| {
        set.names.client_nodes().map(|node| Client {
            node,
            host: host.clone(),
        })
    });
    classes.collect()
}

/// What the oracle promises each of `clients` where the cluster has these `objects`, or why it does
/// not judge.
///
/// # Errors
/// If the observer cannot read the objects.
pub(super) fn oracle(
    set: &ObjectSet,
    objects: &[Value],
    clients: &[Client],
) -> Result<Vec<Result<Addresses, Unjudged>>, String> {
    let seen = Snapshot::new(objects);
    let seen = seen.map_err(|error| format!("the observer cannot read an object: {error}"))?;
    let flags = Flags {
        ipv6: Some(set.ipv6),
        ..Flags::DEFAULT
    };
    let promised = clients.iter().map(|client| {
        let host = client.host.as_deref();
        let offer = seen.offer(host, (&set.names.namespace, SERVICE), set.port, flags);
        match offer.unjudged() {
            Some(reason) => Err(reason),
            None => {
                let promised = offer.promised(&seen.place(&client.node));
                Ok(promised.iter().map(|it| it.address).collect())
            }
        }
    });
    Ok(promised.collect())
}

/// What the reference destination sends each of `clients` first.
///
/// # Errors
/// If the reference destination cannot read the objects.
pub(super) fn reference(set: &ObjectSet, clients: &[Client]) -> Result<Vec<Addresses>, String> {
    let config = Config {
        seed: 0,
        cluster_domain: "cluster.local".to_owned(),
        queue_capacity: 100,
        ipv6: set.ipv6,
        faults: Vec::new(),
    };
    let destination = Offline::new(config, &set.objects);
    let mut destination =
        destination.map_err(|error| format!("the reference cannot read an object: {error}"))?;
    let sent = clients.iter().map(|client| {
        let (path, token) = (client.path(set), client.token(set));
        // A stream that is refused has no endpoints.
        destination.first_update(&path, &token).unwrap_or_default()
    });
    Ok(sent.collect())
}

// === impl Client ===

impl Client {
    /// What it asks for.
    pub(super) fn path(&self, set: &ObjectSet) -> String {
        let host = (self.host.as_ref()).map_or(String::new(), |host| format!("{host}."));
        let namespace = &set.names.namespace;
        format!("{host}{SERVICE}.{namespace}.svc.cluster.local:{}", set.port)
    }

    /// Who it is.
    pub(super) fn token(&self, set: &ObjectSet) -> String {
        serde_json::json!({"ns": set.names.namespace, "nodeName": self.node}).to_string()
    }
}
