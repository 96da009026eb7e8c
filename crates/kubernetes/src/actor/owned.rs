//! Writes and deletions of what this run made, and of nothing else.
//!
//! What a run made it knows by its uid, which the API server told when it was made; every later
//! request carries that uid as a precondition. An object of the same name that is not known is read
//! first: only if its labels name this tool and this run it is written or deleted, and then at the
//! version that was read. Where a precondition does not hold, the object is read again.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use dst_load_scenario::printable::line;
use dst_load_transport::backoff::{Backoff, Jitter};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    ResourceExt as _,
    core::{
        Request,
        params::{DeleteParams, GetParams, Patch, PatchParams, PostParams, Preconditions},
    },
};
use parking_lot::Mutex;
use serde_json::Value;

use super::{
    KubernetesError,
    act::Actor,
    call::{Answered, Asked, ObjectVersion, Reply, describe},
    listing::Item,
    objects::{self, MANAGER},
    resource::{LEASES, Resource},
};

/// The delays between a precondition that does not hold and the next request.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10))
    .with_jitter(Jitter::Shorter(0.5));

/// The objects that a run made, by kind and name.
#[derive(Default)]
pub(super) struct OwnedObjects(Mutex<HashMap<(&'static str, String), OwnedObject>>);

/// One object of this run, as the API server showed it last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnedObject {
    is: ObjectVersion,
    /// Whether it was read, and its labels said at this version that it is this run's.
    read: bool,
}

/// The object that a request is about.
#[derive(Clone, Copy)]
pub(super) struct ObjectRef<'a> {
    pub(super) resource: &'static Resource,
    pub(super) name: &'a str,
    /// Whether its requests may pass those that wait for the rate.
    pub(super) urgent: bool,
}

/// What is done with an object.
pub(super) enum Operation<'a> {
    /// It is created; if it is there, what differs from this is changed.
    Apply(Value),
    /// It is created, or replaced by this.
    Replace(Value),
    /// It, or its subresource, is changed by a merge patch.
    Merge(Option<&'static str>, &'a Value),
    /// It is deleted; one that is not there is deleted.
    Delete,
}

// === impl OwnedObjects ===

impl OwnedObjects {
    fn get(&self, object: ObjectRef<'_>) -> Option<OwnedObject> {
        self.0.lock().get(&object.key()).cloned()
    }

    /// Keeps which object was written, as the API server answered.
    pub(super) fn wrote(&self, object: ObjectRef<'_>, answer: &[u8]) {
        // What cannot be told from the answer is read when it matters.
        self.forget(object);
        if let Ok(Answered { metadata, .. }) = serde_json::from_slice(answer) {
            self.keep(object, metadata, false);
        }
    }

    fn keep(&self, object: ObjectRef<'_>, is: ObjectVersion, read: bool) -> Option<OwnedObject> {
        if is.uid.is_empty() {
            return None;
        }
        let owned = OwnedObject { is, read };
        self.0.lock().insert(object.key(), owned.clone());
        Some(owned)
    }

    /// Keeps which object was made, as kube's typed API answered.
    pub(super) fn made(&self, object: ObjectRef<'_>, metadata: &ObjectMeta) {
        self.forget(object);
        self.keep(object, metadata.into(), false);
    }

    fn forget(&self, object: ObjectRef<'_>) {
        self.0.lock().remove(&object.key());
    }
}

// === impl ObjectVersion ===

impl From<&ObjectMeta> for ObjectVersion {
    fn from(metadata: &ObjectMeta) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}

// === impl OwnedObject ===

impl OwnedObject {
    /// The version that a request must meet, if it must meet one. A lease passes from run to run,
    /// so that its uid does not say whose it is.
    fn required_version(&self, resource: &Resource) -> Option<&str> {
        (self.read || *resource == LEASES).then_some(&*self.is.resource_version)
    }

    /// The object or patch with what must hold.
    fn required_of(&self, resource: &Resource, object: &Value) -> Value {
        let mut object = object.clone();
        object["metadata"]["uid"] = self.is.uid.as_str().into();
        if let Some(version) = self.required_version(resource) {
            object["metadata"]["resourceVersion"] = version.into();
        }
        object
    }
}

// === impl ObjectRef ===

impl<'a> ObjectRef<'a> {
    pub(super) const fn new(resource: &'static Resource, name: &'a str) -> Self {
        Self {
            resource,
            name,
            urgent: false,
        }
    }

    fn key(self) -> (&'static str, String) {
        (self.resource.plural, self.name.to_owned())
    }
}

// === impl Operation ===

impl Operation<'_> {
    const fn creates(&self) -> bool {
        matches!(self, Self::Apply(_) | Self::Replace(_))
    }

    /// What the last request's reply means: what is to be deleted may be gone already.
    fn conclude(&self, mut reply: Reply) -> Reply {
        let gone = matches!(&reply.result, Err(error) if error.is_refused_as("NotFound"));
        if gone && matches!(self, Self::Delete) {
            reply.result = Ok(Bytes::new());
        }
        reply
    }

    /// Whether an error may mean that the object is not the one that the request was made for.
    fn met_another(&self, error: &KubernetesError, known: bool) -> bool {
        let refused_as = |reason| error.is_refused_as(reason);
        if known {
            // A patch with another uid is an invalid change to some resources.
            refused_as("Conflict")
                || refused_as("Invalid")
                || refused_as("NotFound") && self.creates()
        } else {
            refused_as("AlreadyExists") || refused_as("Conflict")
        }
    }
}

// === impl Actor ===

impl Actor {
    /// Does `operation` with an object of this run: one reply for all its requests.
    ///
    /// An object of that name that this run did not make is left as it is, and the reply says so:
    /// [`KubernetesError::NotOurs`] or [`KubernetesError::OfAnotherRun`].
    pub(super) async fn perform(&self, object: ObjectRef<'_>, operation: &Operation<'_>) -> Reply {
        let mut known = self.owned.get(object);
        if known.is_none() && !operation.creates() {
            match self.read_owned(object).await {
                Ok(owned) => known = Some(owned),
                Err(error) => return operation.conclude(self.refuse(error)),
            }
        }
        let mut earlier: Option<Reply> = None;
        let mut delays = BACKOFF.delays(self.scenario.seed, "precondition", object.name);
        for attempt in 1.. {
            let (what, request) = self.asked(object, operation, known.as_ref());
            let mut reply = self.caller.call(what, request, object.urgent).await;
            if let Some(earlier) = earlier.take() {
                reply = earlier.then(reply);
            }
            let error = match &reply.result {
                Ok(_) if matches!(operation, Operation::Delete) => {
                    self.owned.forget(object);
                    return reply;
                }
                Ok(body) => {
                    self.owned.wrote(object, body);
                    return reply;
                }
                Err(error) => error,
            };
            let last = attempt >= self.caller.attempts();
            if last || !operation.met_another(error, known.is_some()) {
                return operation.conclude(reply);
            }
            let found = match self.read_owned(object).await {
                Ok(owned) => Some(owned),
                Err(error) if error.is_refused_as("NotFound") && operation.creates() => None,
                Err(error) => {
                    reply.result = Err(error);
                    return operation.conclude(reply);
                }
            };
            let same = uid(known.as_ref()) == uid(found.as_ref());
            if same && error.is_refused_as("Invalid") {
                return reply;
            }
            if same || attempt > 1 {
                tokio::time::sleep(delays.next_delay()).await;
            }
            self.caller.count_retry();
            reply.retries += 1;
            (known, earlier) = (found, Some(reply));
        }
        unreachable!("the loop ends at the last attempt")
    }

    /// The request for an operation, and what messages call it.
    fn asked(
        &self,
        ObjectRef { resource, name, .. }: ObjectRef<'_>,
        operation: &Operation<'_>,
        known: Option<&OwnedObject>,
    ) -> (String, Asked) {
        let collection = Request::new(resource.path(Some(&self.namespace)));
        let manager = Some(MANAGER.to_owned());
        let required = |wanted: &Value| match known {
            Some(owned) => owned.required_of(resource, wanted),
            None => wanted.clone(),
        };
        let body = |object: &Value| required(object).to_string().into_bytes();
        let mut described = resource.plural.to_owned();
        let post = PostParams {
            field_manager: manager.clone(),
            ..PostParams::default()
        };
        let mut patch = PatchParams {
            field_manager: manager,
            ..PatchParams::default()
        };
        let (verb, request) = match operation {
            Operation::Apply(object) | Operation::Replace(object) if known.is_none() => {
                ("create", collection.create(&post, body(object)))
            }
            Operation::Apply(object) => {
                patch.force = true;
                let object = Patch::Apply(required(object));
                ("patch", collection.patch(name, &patch, &object))
            }
            Operation::Replace(object) => ("update", collection.replace(name, &post, body(object))),
            Operation::Merge(subresource, change) => {
                let change = Patch::Merge(required(change));
                let request = match subresource {
                    Some(sub) => {
                        described = format!("{described}/{sub}");
                        collection.patch_subresource(sub, name, &patch, &change)
                    }
                    None => collection.patch(name, &patch, &change),
                };
                ("patch", request)
            }
            Operation::Delete => {
                let mut parameters = DeleteParams::background();
                parameters.preconditions = known.map(|owned| Preconditions {
                    uid: Some(owned.is.uid.clone()),
                    resource_version: owned.required_version(resource).map(str::to_owned),
                });
                ("delete", collection.delete(name, &parameters))
            }
        };
        (describe(verb, &described, name), request)
    }

    /// Reads an object, which must be this run's.
    async fn read_owned(&self, object: ObjectRef<'_>) -> Result<OwnedObject, KubernetesError> {
        let ObjectRef { resource, name, .. } = object;
        let collection = Request::new(resource.path(Some(&self.namespace)));
        let get = collection.get(name, &GetParams::default());
        let what = describe("get", resource.plural, name);
        self.owned.forget(object);
        let body = (self.caller.call(what.clone(), get, object.urgent).await).result?;
        let unreadable = |message: String| KubernetesError::Unreadable {
            what: what.clone(),
            message: line(&message),
        };
        let found: Item =
            serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
        objects::made_by(found.labels(), &self.run.id).map_err(|maker| {
            KubernetesError::not_of(maker, resource.plural, name, &self.namespace)
        })?;
        let owned = self.owned.keep(object, (&found.metadata).into(), true);
        owned.ok_or_else(|| unreadable("the object has no uid".to_owned()))
    }
}

fn uid(object: Option<&OwnedObject>) -> Option<&str> {
    object.map(|owned| &*owned.is.uid)
}
