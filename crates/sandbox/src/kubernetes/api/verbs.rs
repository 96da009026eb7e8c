//! The verbs on one object, and the deletion of many.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Call, answer::parse as stored, body, json as respond, scale};
use crate::kubernetes::{
    controllers::garbage,
    ending::How,
    object::{Happened, Key, Object},
    patch::Patch,
    resources::Resource,
    shared::Shared,
    status::Refusal,
    store::Store,
    write::{Part, Preconditions, Write, text},
};

/// Does one verb and answers.
pub(crate) fn act(
    shared: &Arc<Shared>,
    call: Call,
    verb: &str,
    body: Bytes,
) -> Result<Response, Refusal> {
    let write = Write {
        at: shared.now(),
        dry_run: call.query.contains_key("dryRun"),
    };
    let (code, object) = match verb {
        "get" => (StatusCode::OK, get(shared, &call)?),
        "create" => {
            let object = body::parse(&body, &call.content_type)?;
            let namespace = call.namespace.as_deref();
            let create = |store: &mut Store| write.create(store, call.resource, namespace, object);
            (StatusCode::CREATED, shared.with(create)?)
        }
        "update" => {
            let object = body::parse(&body, &call.content_type)?;
            let update = |store: &mut Store| call.change(store, write, |_| Ok(object));
            (StatusCode::OK, shared.with(update)?)
        }
        "patch" => {
            let patch = Patch::parse(&call, &body)?;
            shared.with(|store| call.apply(store, write, &patch))?
        }
        "delete" => {
            let options = Options::parse(&body, &call)?;
            let object = shared.with(|store| call.delete(store, write, &options))?;
            return Ok(respond(StatusCode::OK, object));
        }
        _ => {
            // Preconditions are of one object.
            let options = Options {
                preconditions: Preconditions::default(),
                ..Options::parse(&body, &call)?
            };
            let list = shared.with(|store| call.delete_collection(store, write, &options))?;
            return Ok(respond(StatusCode::OK, list));
        }
    };
    let object = call.form.render(call.resource, object, shared.now(), true);
    Ok(respond(code, object))
}

fn get(shared: &Shared, call: &Call) -> Result<Bytes, Refusal> {
    let key = call.key();
    let found = shared.with(|store| store.get(call.resource, &key).cloned());
    let object = found.ok_or_else(|| Refusal::not_found(call.resource, &key.name))?;
    match call.subresource.as_deref() {
        Some("scale") if call.resource.has_scale() => {
            Ok(Bytes::from(scale::of(&object.to_value()).to_string()))
        }
        None | Some("status") => Ok(object.json()),
        Some(_) => Err(Refusal::no_such_path()),
    }
}

/// What of `DeleteOptions` is heeded.
struct Options {
    preconditions: Preconditions,
    /// Dependents stay behind, without their owner.
    orphan: bool,
    how: How,
}

// === impl Options ===

impl Options {
    fn parse(body: &[u8], call: &Call) -> Result<Self, Refusal> {
        // Protobuf options can only be clients' defaults here.
        let options = if body.is_empty() || call.content_type.contains("protobuf") {
            Value::Null
        } else {
            body::parse(body, &call.content_type)?
        };
        let given = |field| options["preconditions"][field].as_str().map(str::to_owned);
        let grace = options["gracePeriodSeconds"].as_u64();
        let grace = grace.or_else(|| call.parameter("gracePeriodSeconds")?.parse().ok());
        let policy = options["propagationPolicy"].as_str();
        let policy = policy.or_else(|| call.parameter("propagationPolicy"));
        let how = match (policy, grace) {
            (Some("Foreground"), _) => How::Foreground,
            (_, Some(0)) => How::Forced,
            _ => How::Background,
        };
        Ok(Self {
            preconditions: Preconditions {
                uid: given("uid"),
                version: given("resourceVersion"),
            },
            orphan: policy == Some("Orphan"),
            how,
        })
    }
}

// === impl Call ===

impl Call {
    /// The object that it is about.
    pub(crate) fn key(&self) -> Key {
        Key::new(
            self.namespace.as_deref().unwrap_or_default(),
            self.name.as_deref().unwrap_or_default(),
        )
    }

    /// Patches the object; an apply makes one that is not there.
    fn apply(
        &self,
        store: &mut Store,
        write: Write,
        patch: &Patch,
    ) -> Result<(StatusCode, Bytes), Refusal> {
        let key = self.key();
        let stored = store.get(self.resource, &key).cloned();
        let applied = patch.applied();
        if let Some((_, object)) = applied
            && stored.is_none()
            && self.subresource.is_none()
        {
            let mut object = object.clone();
            if text(&object["metadata"]["name"]).is_empty() {
                object["metadata"]["name"] = json!(&*key.name);
            }
            let namespace = self.namespace.as_deref();
            let created = write.create(store, self.resource, namespace, object)?;
            self.remember(store, write, patch);
            return Ok((StatusCode::CREATED, created));
        }
        let before = applied.zip(stored.as_ref());
        let before = before.and_then(|((manager, _), stored)| {
            serde_json::from_slice(stored.meta.applied.get(manager)?).ok()
        });
        let changed = self.change(store, write, |object| patch.onto(object, before.as_ref()))?;
        if self.subresource.is_none() {
            self.remember(store, write, patch);
        }
        Ok((StatusCode::OK, changed))
    }

    /// Keeps what was applied, to know the next time what no longer is.
    fn remember(&self, store: &mut Store, write: Write, patch: &Patch) {
        if let Some((manager, object)) = patch.applied()
            && !write.dry_run
        {
            let applied = Bytes::from(object.to_string());
            store.remember_applied(self.resource, &self.key(), manager, applied);
        }
    }

    fn delete(&self, store: &mut Store, write: Write, options: &Options) -> Result<Bytes, Refusal> {
        if self.subresource.is_some() {
            return Err(Refusal::method_not_allowed());
        }
        let key = self.key();
        let deleted = self.delete_one(store, write, options, &key)?;
        let stays = deleted.meta.ending && deleted.happened() != Happened::Deleted;
        if stays || matches!(self.resource, Resource::Namespaces | Resource::Pods) {
            return Ok(deleted.json());
        }
        let status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {
                "name": &*key.name,
                "group": self.resource.group(),
                "kind": self.resource.plural(),
                "uid": deleted.meta.uid,
            },
        });
        Ok(Bytes::from(status.to_string()))
    }

    fn delete_collection(
        &self,
        store: &mut Store,
        write: Write,
        options: &Options,
    ) -> Result<Bytes, Refusal> {
        let selector = self.selector()?;
        let listed = selector.list(store, self.resource, None);
        let keys: Vec<Key> = listed.map(|it| it.meta.key.clone()).collect();
        let mut items = Vec::new();
        for key in keys {
            items.push(self.delete_one(store, write, options, &key)?.to_value());
        }
        let list = json!({
            "kind": format!("{}List", self.resource.kind()),
            "apiVersion": self.resource.api_version(),
            "metadata": { "resourceVersion": store.version().to_string() },
            "items": items,
        });
        Ok(Bytes::from(list.to_string()))
    }

    fn delete_one(
        &self,
        store: &mut Store,
        write: Write,
        options: &Options,
        key: &Key,
    ) -> Result<Arc<Object>, Refusal> {
        if options.orphan && !write.dry_run {
            garbage::orphan(store, self.resource, key, write.at);
        }
        let Options {
            preconditions, how, ..
        } = options;
        write.delete(store, self.resource, key, preconditions, *how)
    }

    /// Changes the object, or the subresource of it, that it is about.
    fn change(
        &self,
        store: &mut Store,
        write: Write,
        change: impl FnOnce(Value) -> Result<Value, Refusal>,
    ) -> Result<Bytes, Refusal> {
        let (resource, key) = (self.resource, self.key());
        match self.subresource.as_deref() {
            None => write.update(store, resource, &key, Part::Main, change),
            Some("status") if resource.has_status() => {
                write.update(store, resource, &key, Part::Status, change)
            }
            Some("scale") if resource.has_scale() => {
                let object = write.update(store, resource, &key, Part::Main, |object| {
                    let scaled = change(scale::of(&object))?;
                    scale::onto(resource, object, &scaled)
                })?;
                Ok(Bytes::from(scale::of(&stored(&object)).to_string()))
            }
            Some(_) => Err(Refusal::no_such_path()),
        }
    }
}
