//! The reference destination without sockets, tasks and time: objects in, a stream's first update
//! out.

use std::{collections::BTreeSet, net::SocketAddr};

use bytes::Buf as _;
use k8s_openapi::api::{core::v1 as core, discovery::v1 as discovery};
use linkerd2_proxy_api::destination::{Update, update};
use prost::Message as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tonic::Status;

use super::{Config, directory::Directory, hub::Hub, publisher::Change};

/// A reference destination that has read given objects, and nothing since.
#[derive(Debug)]
pub struct Offline {
    hub: Hub,
}

// === impl Offline ===

impl Offline {
    /// A destination that has read `objects`, as the Kubernetes API has them in JSON. Those of
    /// kinds that it does not watch are left out.
    ///
    /// # Errors
    /// If an object is not one of its kind.
    pub fn new(config: Config, objects: &[Value]) -> Result<Self, serde_json::Error> {
        let mut hub = Hub::new(config, []);
        for object in objects {
            match object["kind"].as_str() {
                Some("Service") => enter(&mut hub, object, |directory, it: &core::Service| {
                    directory.apply_service(it.into())
                })?,
                Some("EndpointSlice") => enter(
                    &mut hub,
                    object,
                    |directory, it: &discovery::EndpointSlice| directory.apply_slice(it.into()),
                )?,
                Some("Pod") => enter(&mut hub, object, |directory, it: &core::Pod| {
                    directory.apply_pod(it.into())
                })?,
                Some("Node") => enter(&mut hub, object, |directory, it: &core::Node| {
                    directory.apply_node(it.into())
                })?,
                _ => {}
            }
        }
        Ok(Self { hub })
    }

    /// The addresses in the first update of a `Get` stream for `path`, from a client that sends
    /// the context token `token`; none where nothing is sent.
    ///
    /// # Errors
    /// If the stream is refused.
    pub fn first_update(
        &mut self,
        path: &str,
        token: &str,
    ) -> Result<BTreeSet<SocketAddr>, Status> {
        let slot = self.hub.open(path, token)?;
        let frame = slot.queue.take().transpose();
        self.hub.close(&slot);
        frame?.map_or_else(|| Ok(BTreeSet::new()), added)
    }
}

fn enter<K: DeserializeOwned>(
    hub: &mut Hub,
    object: &Value,
    apply: impl FnOnce(&mut Directory, &K) -> Vec<Change>,
) -> Result<(), serde_json::Error> {
    let object = K::deserialize(object)?;
    hub.update(None, |directory| apply(directory, &object));
    Ok(())
}

/// The addresses that a framed `add` has.
fn added(mut frame: bytes::Bytes) -> Result<BTreeSet<SocketAddr>, Status> {
    let unreadable = |what: &str| Status::internal(format!("first update: {what}"));
    // A byte of flags, four of length.
    frame.advance(5);
    let message = Update::decode(frame).map_err(|error| unreadable(&error.to_string()))?;
    let Some(update::Update::Add(set)) = message.update else {
        return Err(unreadable("not an add"));
    };
    let address = |it: linkerd2_proxy_api::net::TcpAddress| SocketAddr::try_from(it).ok();
    (set.addrs.into_iter())
        .map(|it| {
            it.addr
                .and_then(address)
                .ok_or_else(|| unreadable("no address"))
        })
        .collect()
}
