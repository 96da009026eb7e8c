//! The slices of one Service, as they are written.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::json;

use super::{SERVICE_NAME, Service, Slice};
use crate::kubernetes::{
    controllers::{
        Context,
        packing::{Endpoints, pack},
    },
    object::{Key, owned_by, timestamp},
    resources::Resource,
};

/// As kube-controller-manager's `--max-endpoints-per-slice`.
const MOST: usize = 100;

const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// The ports of a slice without endpoints.
const NO_PORTS: &str = "null";

// === impl Service ===

impl Service {
    /// Writes the slices that have to change.
    pub(super) fn write(&mut self, context: &mut Context<'_>) {
        let mut desired: BTreeMap<Arc<str>, Endpoints<_, _>> = BTreeMap::new();
        for (pod, member) in &self.members {
            let endpoints = desired.entry(member.ports.clone()).or_default();
            endpoints.insert(pod.clone(), member.endpoint.clone());
        }
        let mut existing: BTreeMap<Arc<str>, BTreeMap<_, _>> = BTreeMap::new();
        for (name, slice) in &self.slices {
            let group = existing.entry(slice.ports.clone()).or_default();
            group.insert(name.clone(), slice.endpoints.clone());
        }
        let groups: BTreeSet<_> = desired.keys().chain(existing.keys()).cloned().collect();
        let (mut create, mut update, mut delete) = (Vec::new(), Vec::new(), BTreeSet::new());
        for ports in groups {
            let desired = desired.remove(&ports).unwrap_or_default();
            let packing = pack(&existing.remove(&ports).unwrap_or_default(), desired, MOST);
            create.extend(packing.create.into_iter().map(|it| (ports.clone(), it)));
            let updates = packing.update.into_iter();
            update.extend(updates.map(|(name, it)| (name, ports.clone(), it)));
            delete.extend(packing.delete);
        }
        // A Service without endpoints keeps one empty slice.
        if create.is_empty() && delete.len() == self.slices.len() {
            let kept = delete
                .iter()
                .find(|name| self.slices[*name].endpoints.is_empty())
                .cloned();
            match kept {
                Some(name) => {
                    delete.remove(&name);
                }
                None => create.push((Arc::from(NO_PORTS), Endpoints::new())),
            }
        }
        // Rather than one slice deleted and another made, the first becomes the other.
        while let Some((ports, endpoints)) = create.pop() {
            let name = delete.pop_first().unwrap_or_else(|| self.name(context));
            update.push((name, ports, endpoints));
        }
        for (name, slice) in &self.slices {
            let listed = delete.contains(name) || update.iter().any(|(it, ..)| it == name);
            if slice.stale && !listed {
                update.push((name.clone(), slice.ports.clone(), slice.endpoints.clone()));
            }
        }
        for (name, ports, endpoints) in update {
            self.put(context, name, ports, endpoints);
        }
        for name in delete {
            self.slices.remove(&name);
            let key = Key {
                namespace: self.object.meta.key.namespace.clone(),
                name,
            };
            context.store.remove(Resource::EndpointSlices, &key);
        }
    }

    fn name(&mut self, context: &Context<'_>) -> Arc<str> {
        let Key { namespace, name } = &self.object.meta.key;
        let prefix = format!("{name}-");
        let store = &context.store;
        let key = store.free_name(
            Resource::EndpointSlices,
            "slice-name",
            namespace,
            &prefix,
            || {
                self.made += 1;
                format!("{namespace}/{name}/{}", self.made)
            },
        );
        key.name
    }

    fn put(
        &mut self,
        context: &mut Context<'_>,
        name: Arc<str>,
        ports: Arc<str>,
        endpoints: Endpoints<Arc<str>, Arc<str>>,
    ) {
        let service = &self.object.meta;
        let Key { namespace, .. } = &service.key;
        let key = Key {
            namespace: namespace.clone(),
            name: name.clone(),
        };
        let mut labels = service.selectable.labels.clone();
        labels.insert(SERVICE_NAME.to_owned(), service.key.name.to_string());
        labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
        if self.facts.headless {
            labels.insert(HEADLESS.to_owned(), String::new());
        }
        let mut slice = json!({
            "metadata": {
                "name": &*name,
                "generateName": format!("{}-", service.key.name),
                "namespace": &**namespace,
                "labels": labels,
                "ownerReferences": owned_by(Resource::Services, &service.key.name, &service.uid),
            },
        });
        match context.store.get(Resource::EndpointSlices, &key) {
            Some(stored) => {
                let metadata = &mut slice["metadata"];
                metadata["uid"] = json!(stored.meta.uid);
                metadata["generation"] = json!(stored.meta.generation + 1);
                metadata["creationTimestamp"] = json!(timestamp(stored.meta.created));
            }
            None => (context.store).stamp(Resource::EndpointSlices, &mut slice, context.now),
        }
        let meta = (context.store).meta(Resource::EndpointSlices, &slice, context.now);
        let mut metadata = slice["metadata"].take();
        let written = context
            .store
            .put_rendered(Resource::EndpointSlices, meta, |version, line| {
                metadata["resourceVersion"] = json!(version.to_string());
                let head = format!(
                    "{{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\",\"metadata\":{metadata},\"addressType\":\"IPv4\",\"endpoints\":"
                );
                line.extend_from_slice(head.as_bytes());
                join(line, &endpoints);
                line.extend_from_slice(b",\"ports\":");
                line.extend_from_slice(ports.as_bytes());
                line.push(b'}');
            });
        let slice = Slice {
            version: written.version,
            ports,
            endpoints,
            stale: false,
        };
        self.slices.insert(name, slice);
    }
}

/// Endpoints as a JSON list; null, as Kubernetes has it, if there are none.
fn join(line: &mut Vec<u8>, endpoints: &Endpoints<Arc<str>, Arc<str>>) {
    if endpoints.is_empty() {
        line.extend_from_slice(b"null");
        return;
    }
    for (index, endpoint) in endpoints.values().enumerate() {
        line.push(if index == 0 { b'[' } else { b',' });
        line.extend_from_slice(endpoint.as_bytes());
    }
    line.push(b']');
}
