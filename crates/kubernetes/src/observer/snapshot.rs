//! Objects as the observer reads them, at one instant and without a watch.

use std::{collections::BTreeMap, sync::Arc};

use dst_load_oracle::{kubernetes::Place, ledger::Ledgers, promise::Offer};
use dst_load_scenario::{fault::WatchedResource, federation::Site, flags::Flags, time::At};
use serde::Deserialize as _;
use serde_json::Value;

use super::{
    SILENCE,
    objects::Object,
    state::{Event, State},
};

/// A cluster of which the observer has read every object once, and nothing since.
#[derive(Debug)]
pub struct Snapshot {
    state: State,
}

// === impl Snapshot ===

impl Snapshot {
    /// What the observer reads of `objects`, as the Kubernetes API has them in JSON. Those of
    /// kinds that it does not watch are left out.
    ///
    /// # Errors
    /// If the observer cannot read an object.
    pub fn new(objects: &[Value]) -> Result<Self, serde_json::Error> {
        let ledgers = Arc::new(Ledgers::new(Vec::new(), SILENCE));
        let mut state = State::new(ledgers, Site::Source, Arc::default());
        let mut lists: BTreeMap<WatchedResource, Vec<Object>> = BTreeMap::new();
        for object in objects {
            let resource = match object["kind"].as_str() {
                Some("Service") => WatchedResource::Services,
                Some("EndpointSlice") => WatchedResource::EndpointSlices,
                Some("Node") => WatchedResource::Nodes,
                _ => continue,
            };
            let list = lists.entry(resource).or_default();
            list.push(Object::deserialize(object)?);
        }
        for (resource, objects) in lists {
            let version = "1".to_owned();
            state.enter(resource, At::ZERO, Event::Listed { objects, version });
        }
        Ok(Self { state })
    }

    /// What a Service offers on `port`, by a controller with these `flags`; of its endpoints those
    /// with the host name `host`, if one is asked for.
    #[must_use]
    pub fn offer(
        &self,
        host: Option<&str>,
        (namespace, service): (&str, &str),
        port: u16,
        flags: Flags,
    ) -> Offer {
        let key = (namespace.to_owned(), service.to_owned());
        let (service, slices) = self.state.of_service(&key);
        Offer::of_instance(host, service, slices, port, flags)
    }

    /// Where a client is that names this Node.
    #[must_use]
    pub fn place(&self, node: &str) -> Place {
        let nodes = self.state.nodes();
        let zone = nodes.into_iter().find(|(name, _)| name == node);
        Place {
            node: node.to_owned(),
            zone: zone.map(|(_, zone)| zone).unwrap_or_default(),
        }
    }
}
