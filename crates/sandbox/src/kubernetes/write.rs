//! The writes of the API on the store: admission, optimistic concurrency, what may change where.
//!
//! Synchronous and clock-free, like the store; the HTTP side only brings the bodies.

use std::sync::Arc;

use bytes::Bytes;
use dst_load_scenario::time::At;
use serde_json::{Value, json};

use super::{
    admission,
    ending::{self, How},
    object::{Key, Object},
    quota,
    resources::Resource,
    status::Refusal,
    store::Store,
};

/// Which part of an object a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, where the status is a subresource.
    Main,
    /// The status alone.
    Status,
}

/// One write: when, and whether it is only tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) at: At,
    pub(crate) dry_run: bool,
}

/// What must hold of an object for it to be deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preconditions {
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
}

// === impl Write ===

impl Write {
    /// Creates an object; gives its JSON.
    ///
    /// # Errors
    /// 404 without its namespace, 409 if it exists, 422 if it is not valid.
    pub(crate) fn create(
        self,
        store: &mut Store,
        resource: Resource,
        namespace: Option<&str>,
        mut object: Value,
    ) -> Result<Bytes, Refusal> {
        admit_type(resource, &mut object)?;
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        self.name(store, resource, namespace, &mut object);
        let name = text(&object["metadata"]["name"]).to_owned();
        admission::name(resource, &name)?;
        if resource.is_namespaced() {
            let namespace = namespace.unwrap_or("default");
            let given = text(&object["metadata"]["namespace"]);
            if !given.is_empty() && given != namespace {
                return Err(Refusal::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
            admission::open_namespace(store, resource, &name, namespace)?;
            object["metadata"]["namespace"] = json!(namespace);
        } else {
            remove(&mut object["metadata"], "namespace");
        }
        if !text(&object["metadata"]["resourceVersion"]).is_empty() {
            return Err(Refusal::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let key = Key::new(text(&object["metadata"]["namespace"]), &name);
        if store.get(resource, &key).is_some() {
            return Err(Refusal::already_exists(resource, &name));
        }
        for given in ["uid", "creationTimestamp", "generation", "managedFields"] {
            remove(&mut object["metadata"], given);
        }
        tidy_metadata(&mut object);
        store.stamp(resource, &mut object, self.at);
        admission::on_create(store, resource, &mut object)?;
        quota::admit(store, resource, &key)?;
        if self.dry_run {
            return Ok(Bytes::from(object.to_string()));
        }
        Ok(store.put(resource, object, self.at).json())
    }

    /// Replaces an object's part by what `change` makes of it; gives its JSON. A change that
    /// changes nothing is no write.
    ///
    /// # Errors
    /// 404 if there is none, 409 if `change` names another version or uid, 422 if the result is
    /// not valid, and whatever `change` refuses.
    pub(crate) fn update(
        self,
        store: &mut Store,
        resource: Resource,
        key: &Key,
        part: Part,
        change: impl FnOnce(Value) -> Result<Value, Refusal>,
    ) -> Result<Bytes, Refusal> {
        let Some(stored) = store.get(resource, key).cloned() else {
            return Err(Refusal::not_found(resource, &key.name));
        };
        let old = stored.to_value();
        let mut new = change(old.clone())?;
        admit_type(resource, &mut new)?;
        agree(resource, &stored, &new)?;
        restore_metadata(&old, &mut new)?;
        if part == Part::Status {
            let status = new["status"].take();
            new = old.clone();
            new["status"] = status;
        } else {
            if resource.has_status() {
                match old.get("status") {
                    Some(status) => new["status"] = status.clone(),
                    None => remove(&mut new, "status"),
                }
            }
            admission::on_update(store, resource, &old, &mut new)?;
        }
        if new == old {
            return Ok(stored.json());
        }
        if resource.counts_generations() && part == Part::Main && specs_differ(&old, &new) {
            new["metadata"]["generation"] = json!(stored.meta.generation + 1);
        }
        if self.dry_run {
            return Ok(Bytes::from(new.to_string()));
        }
        Ok(store.put(resource, new, self.at).json())
    }

    /// Deletes an object, or begins to; gives its last version.
    ///
    /// # Errors
    /// 404 if there is none, 409 if a precondition does not hold.
    pub(crate) fn delete(
        self,
        store: &mut Store,
        resource: Resource,
        key: &Key,
        preconditions: &Preconditions,
        how: How,
    ) -> Result<Arc<Object>, Refusal> {
        let Some(stored) = store.get(resource, key).cloned() else {
            return Err(Refusal::not_found(resource, &key.name));
        };
        preconditions.hold(resource, &stored)?;
        if self.dry_run {
            return Ok(stored);
        }
        if resource == Resource::Namespaces {
            // The controllers empty it and then remove it.
            let mut namespace = stored.to_value();
            if namespace["metadata"]["deletionTimestamp"].is_null() {
                namespace["metadata"]["deletionTimestamp"] =
                    json!(super::object::timestamp(self.at));
                namespace["status"]["phase"] = json!("Terminating");
                return Ok(store.put(resource, namespace, self.at));
            }
            return Ok(stored);
        }
        ending::delete(store, resource, key, how, self.at)
            .ok_or_else(|| Refusal::not_found(resource, &key.name))
    }

    /// Gives an object without a name one from its `generateName`.
    fn name(self, store: &Store, resource: Resource, namespace: Option<&str>, object: &mut Value) {
        let metadata = &object["metadata"];
        let prefix = text(&metadata["generateName"]);
        if text(&metadata["name"]).is_empty() && !prefix.is_empty() {
            let (namespace, version) = (namespace.unwrap_or_default(), store.version());
            let mut attempts = 0..;
            let key = store.free_name(resource, "generate-name", namespace, prefix, || {
                let attempt: u32 = attempts.next().unwrap_or_default();
                format!("{namespace}/{prefix}/{version}/{attempt}")
            });
            object["metadata"]["name"] = json!(&*key.name);
        }
    }
}

// === impl Preconditions ===

impl Preconditions {
    fn hold(&self, resource: Resource, stored: &Object) -> Result<(), Refusal> {
        let name = &stored.meta.key.name;
        if let Some(uid) = self.uid.as_deref().filter(|it| *it != stored.meta.uid) {
            let happened = "deleted and then recreated";
            let actual = &stored.meta.uid;
            return Err(Refusal::precondition(
                resource,
                name,
                ("UID", uid),
                actual,
                happened,
            ));
        }
        let actual = stored.version.to_string();
        if let Some(version) = self.version.as_deref().filter(|it| *it != actual) {
            let wanted = ("ResourceVersion", version);
            return Err(Refusal::precondition(
                resource, name, wanted, &actual, "modified",
            ));
        }
        Ok(())
    }
}

/// Sets the type that the path says, and refuses another.
fn admit_type(resource: Resource, object: &mut Value) -> Result<(), Refusal> {
    if !object.is_object() {
        return Err(Refusal::bad_request("the body is not an object"));
    }
    admission::shape(object)?;
    for (field, expected) in [
        ("apiVersion", resource.api_version()),
        ("kind", resource.kind()),
    ] {
        let given = text(&object[field]);
        if !given.is_empty() && given != expected {
            let message = format!(
                "the {field} in the data ({given}) does not match the expected {field} ({expected})"
            );
            return Err(Refusal::bad_request(message));
        }
        object[field] = json!(expected);
    }
    Ok(())
}

/// Refuses a write that was made for another version or another object of the name.
fn agree(resource: Resource, stored: &Object, new: &Value) -> Result<(), Refusal> {
    let name = &stored.meta.key.name;
    let metadata = &new["metadata"];
    let given = text(&metadata["name"]);
    if !given.is_empty() && given != &**name {
        let message =
            format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Refusal::bad_request(message));
    }
    let uid = text(&metadata["uid"]);
    if !uid.is_empty() && uid != stored.meta.uid {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            stored.meta.uid
        );
        return Err(Refusal::conflict_because(resource, name, &why));
    }
    let version = text(&metadata["resourceVersion"]);
    if !version.is_empty() && version != stored.version.to_string() {
        return Err(Refusal::conflict(resource, name));
    }
    Ok(())
}

/// Puts back the metadata that only the server sets.
fn restore_metadata(old: &Value, new: &mut Value) -> Result<(), Refusal> {
    if new["metadata"].is_null() {
        new["metadata"] = json!({});
    }
    if !new["metadata"].is_object() {
        return Err(Refusal::bad_request("metadata is not an object"));
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "resourceVersion",
        "generation",
        "generateName",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    ] {
        match old["metadata"].get(field) {
            Some(value) => new["metadata"][field] = value.clone(),
            None => remove(&mut new["metadata"], field),
        }
    }
    tidy_metadata(new);
    Ok(())
}

/// Removes what is empty from the metadata: an empty map and none are the same.
fn tidy_metadata(object: &mut Value) {
    for field in [
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "generateName",
    ] {
        let value = &object["metadata"][field];
        let empty = value.is_null()
            || value.as_str().is_some_and(str::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty);
        if empty {
            remove(&mut object["metadata"], field);
        }
    }
}

/// Whether anything but metadata and status differs.
fn specs_differ(old: &Value, new: &Value) -> bool {
    let specs = |object: &Value| -> Vec<(String, Value)> {
        let fields = object.as_object().into_iter().flatten();
        fields
            .filter(|(field, _)| !matches!(field.as_str(), "metadata" | "status"))
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect()
    };
    specs(old) != specs(new)
}

/// Removes a field of a JSON object.
pub(crate) fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

/// The string, or an empty one.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
