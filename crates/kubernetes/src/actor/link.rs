//! Linking two clusters: the Services of the source cluster that stand for those of the target,
//! and the Secret by which the controller finds the target at all.

use futures::stream::{self, StreamExt, TryStreamExt};
use kube::core::{
    Request,
    params::{DeleteParams, GetParams, ListParams, PostParams, Preconditions},
};
use serde_json::Value;

use super::{
    KubernetesError, RunIdentity,
    act::Actor,
    call::{Call, Caller},
    objects::{self, MANAGER},
    resource::{SECRETS, SERVICES},
};

/// Stand-ins that are written at once.
const AT_ONCE: usize = 16;

/// How a controller is told of another cluster.
#[derive(Clone, Debug)]
pub struct Link {
    /// The name that the other cluster gets.
    pub cluster: String,
    /// The namespace of the controller, where it looks for Secrets.
    pub controller_namespace: String,
    /// A kubeconfig of the other cluster, whole in itself.
    pub kubeconfig: String,
    /// The other cluster's DNS domain, and its trust domain.
    pub cluster_domain: String,
}

// === impl Actor ===

impl Actor {
    /// Makes the Services that stand for those of the target cluster, if there is one.
    ///
    /// # Errors
    /// A refusal of the API server, or a Service of that name that is not ours.
    pub async fn stand_in(&self) -> Result<(), KubernetesError> {
        let Some(both) = &self.scenario.federation else {
            return Ok(());
        };
        let watched = self.scenario.watched().into_iter();
        let stand_ins = watched.filter_map(|it| it.through.map(|through| (it, through)));
        stream::iter(stand_ins)
            .map(|(watched, through)| async move {
                let object = objects::stand_in(
                    &watched.name,
                    &self.namespace,
                    self.scenario.churn.port,
                    &watched.behind,
                    &both.cluster,
                    through,
                    &self.run,
                );
                let reply = self.put(&SERVICES, &watched.name, object).await;
                reply.result.map(|_| ())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

// === impl Link ===

impl Link {
    /// The Secret's name, as Linkerd gives it.
    #[must_use]
    pub fn secret_name(&self) -> String {
        format!("cluster-credentials-{}", self.cluster)
    }

    /// Writes the Secret. One that this tool wrote before is replaced, by deleting it first: a
    /// controller takes no notice of a change.
    ///
    /// # Errors
    /// A refusal of the API server, or a Secret of that name that is not ours.
    pub async fn write(&self, caller: &Caller, run: &RunIdentity) -> Result<(), KubernetesError> {
        let name = &self.secret_name();
        let object = objects::cluster_secret(
            name,
            &self.cluster,
            &self.controller_namespace,
            &self.kubeconfig,
            &self.cluster_domain,
            run,
        );
        let path = Request::new(SECRETS.path(Some(&self.controller_namespace)));
        let get = path.get(name, &GetParams::default());
        let get = Call::new("get", SECRETS.plural, name, get)?;
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let create = path.create(&params, object.to_string().into_bytes());
        let create = Call::new("create", SECRETS.plural, name, create)?;
        loop {
            match caller.fetch::<Value>(&get).await {
                Err(error) if error.is_refused_as("NotFound") => {
                    return caller.call(&create).await.result.map(|_| ());
                }
                Err(error) => return Err(error),
                Ok(found) => {
                    objects::made_by(&found, &run.id).map_err(|maker| {
                        let namespace = &self.controller_namespace;
                        KubernetesError::not_of(maker, SECRETS.plural, name, namespace)
                    })?;
                    let metadata = &found["metadata"];
                    let text = |field: &str| metadata[field].as_str().map(str::to_owned);
                    let as_read = DeleteParams::default().preconditions(Preconditions {
                        uid: text("uid"),
                        resource_version: text("resourceVersion"),
                    });
                    let delete = path.delete(name, &as_read);
                    let mut delete = Call::new("delete", SECRETS.plural, name, delete)?;
                    delete.conflict_is_final = true;
                    match caller.call(&delete).await.result {
                        // Read again: it may be another's now.
                        Err(error) if error.is_refused_as("Conflict") => {}
                        Err(error) if error.is_refused_as("NotFound") => {}
                        deleted => drop(deleted?),
                    }
                }
            }
        }
    }
}

/// The names of the clusters that are linked for the controller in `namespace`, in order.
///
/// # Errors
/// A refusal of the API server.
pub async fn linked(caller: &Caller, namespace: &str) -> Result<Vec<String>, KubernetesError> {
    let params = ListParams::default().labels(objects::CLUSTER_NAME);
    let list = Request::new(SECRETS.path(Some(namespace))).list(&params);
    let found: Value = caller
        .fetch(&Call::new("list", SECRETS.plural, "", list)?)
        .await?;
    let items = found["items"].as_array().into_iter().flatten();
    let mut names: Vec<_> = items
        .filter_map(|item| item["metadata"]["labels"][objects::CLUSTER_NAME].as_str())
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    Ok(names)
}
