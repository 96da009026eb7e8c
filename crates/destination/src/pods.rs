//! Which Pods of a destination controller are meant: one by its name, or all of a Deployment.

use std::{fmt, str::FromStr};

use dst_load_scenario::words::{chain, excerpt};
use dst_load_transport::{calls::reason, retry::retrying, world::KubeFactory};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, ResourceExt,
    api::ListParams,
    core::{ParseExpressionError, Selector},
};

use crate::{
    forward::{Forward, ForwardError, PodName},
    target::COMPONENT,
};

/// The namespace where Linkerd's control plane usually is.
const NAMESPACE: &str = "linkerd";
/// What kubectl calls Deployments.
const DEPLOYMENT: [&str; 4] = ["deploy", "deployment", "deployments", "deployment.apps"];

/// Pods as they are named on a command line: `[NAMESPACE/]POD`, or `[NAMESPACE/]deploy/NAME` as
/// kubectl has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodTarget {
    /// One Pod.
    Pod(PodName),
    /// All Pods of a Deployment that are ready.
    Deployment {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

// === impl PodTarget ===

impl PodTarget {
    /// The namespace that the Pods are in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Pod(name) => &name.namespace,
            Self::Deployment { namespace, .. } => namespace,
        }
    }

    /// Ways to the Pods that these are, each once.
    ///
    /// # Errors
    /// If there is no such Pod or Deployment, a Deployment has no Pod that is ready, or the API
    /// server does not say.
    pub async fn find(kube: &KubeFactory, targets: &[Self]) -> Result<Vec<Forward>, ForwardError> {
        let mut found: Vec<Forward> = Vec::new();
        for target in targets {
            let more = match target {
                Self::Pod(name) => vec![Forward::find(kube, name.clone()).await?],
                Self::Deployment { namespace, name } => {
                    of_deployment(kube, namespace, name).await?
                }
            };
            for forward in more {
                if found.iter().all(|it| it.name() != forward.name()) {
                    found.push(forward);
                }
            }
        }
        Ok(found)
    }
}

impl FromStr for PodTarget {
    type Err = ForwardError;

    fn from_str(text: &str) -> Result<Self, ForwardError> {
        let wrong = || ForwardError::Name(excerpt(text));
        let parts: Vec<_> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(wrong());
        }
        let owned = |it: &str| it.to_owned();
        let pod = |namespace, pod| {
            Self::Pod(PodName {
                namespace: owned(namespace),
                pod: owned(pod),
            })
        };
        let deployment = |namespace, name| Self::Deployment {
            namespace: owned(namespace),
            name: owned(name),
        };
        match parts[..] {
            [name] => Ok(pod(NAMESPACE, name)),
            [kind, name] if DEPLOYMENT.contains(&kind) => Ok(deployment(NAMESPACE, name)),
            [namespace, name] => Ok(pod(namespace, name)),
            [namespace, kind, name] if DEPLOYMENT.contains(&kind) => {
                Ok(deployment(namespace, name))
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for PodTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(name) => name.fmt(f),
            Self::Deployment { namespace, name } => write!(f, "{namespace}/deploy/{name}"),
        }
    }
}

/// Ways to the Pods of a Deployment, in the order of their names: those that its selector names and
/// that are ready. The others are logged.
async fn of_deployment(
    kube: &KubeFactory,
    namespace: &str,
    name: &str,
) -> Result<Vec<Forward>, ForwardError> {
    let failed_by = |cause| ForwardError::Deployment {
        name: format!("{namespace}/{name}"),
        cause,
    };
    let failed = |error: &kube::Error| failed_by(reason(error));
    let client = retrying(kube().map_err(|error| failed(&error))?);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployment = deployments.get_opt(name).await.map_err(|e| failed(&e))?;
    let Some(deployment) = deployment else {
        let labelled = ListParams::default().labels(COMPONENT);
        let there = deployments.list(&labelled).await.map_err(|e| failed(&e))?;
        return Err(ForwardError::NoDeployment {
            name: format!("{namespace}/{name}"),
            there: there.items.iter().map(ResourceExt::name_any).collect(),
        });
    };
    let selected = selected_by(deployment.spec.selector).map_err(|e| failed_by(chain(&e)))?;
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let mut pods = pods.list(&selected).await.map_err(|e| failed(&e))?.items;
    pods.sort_by_key(ResourceExt::name_any);
    let (ready, others): (Vec<_>, Vec<_>) = pods.into_iter().partition(is_ready);
    let others: Vec<_> = others.iter().map(ResourceExt::name_any).collect();
    if ready.is_empty() {
        return Err(ForwardError::NoneReady {
            name: format!("{namespace}/{name}"),
            pods: others,
        });
    }
    if !others.is_empty() {
        tracing::warn!(
            pods = others.join(","),
            "Pods are not ready and are not used"
        );
    }
    let forwards = ready.iter().map(|pod| Forward::of(kube, namespace, pod));
    Ok(forwards.collect())
}

/// What lists the Pods of a selector.
fn selected_by(selector: LabelSelector) -> Result<ListParams, ParseExpressionError> {
    let selector = Selector::try_from(selector)?;
    Ok(ListParams::default().labels_from(&selector))
}

/// Whether a Pod is ready, and is not on its way out.
fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|it| it.conditions.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.is_some_and(|all| {
            all.iter()
                .any(|it| it.type_ == "Ready" && it.status == "True")
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dst_load_transport::{
        clock::Clock,
        mock::{Answer, mock},
    };
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn pods_are_named_as_kubectl_names_them() {
        let name = |text: &str| text.parse::<PodTarget>().map(|it| it.to_string());
        for (text, meant) in [
            ("destination-0", "linkerd/destination-0"),
            ("mesh/destination-0", "mesh/destination-0"),
            ("deploy/destination", "linkerd/deploy/destination"),
            ("deployment/destination", "linkerd/deploy/destination"),
            ("mesh/deploy/destination", "mesh/deploy/destination"),
            ("mesh/deployment/destination", "mesh/deploy/destination"),
        ] {
            assert_eq!(name(text).unwrap(), meant);
        }
        for wrong in ["", "/", "a/", "/b", "a/b/c", "a/deploy/b/c", "deploy/"] {
            let error = name(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{wrong:?} is no Pod: ")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_selector_is_that_of_labels_and_of_expressions() {
        let selector = json!({
            "matchLabels": {"app": "destination"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
        });
        let selected = selected_by(serde_json::from_value(selector).unwrap()).unwrap();
        assert_eq!(
            selected.label_selector.as_deref(),
            Some("app=destination,tier in (a,b)")
        );
    }

    fn pod(name: &str, ready: &str) -> Value {
        json!({
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "destination", "resources": {"limits": {"memory": "250Mi"}}}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        })
    }

    /// The Pods that are meant, in a cluster with a Deployment `destination` and these Pods.
    async fn meant(targets: &[&str], pods: Value) -> Result<Vec<String>, String> {
        let (kube, _) = mock(Clock::start(), move |what| {
            let list = |items: Value| Answer::Json(200, json!({"metadata": {}, "items": items}));
            let missing = json!({"kind": "Status", "status": "Failure", "code": 404,
                "reason": "NotFound", "message": "not found"});
            if what.contains("/deployments/destination") {
                let selector = json!({"matchLabels": {"app": "destination"}});
                let spec = json!({"selector": selector, "template": {}});
                Answer::Json(
                    200,
                    json!({"metadata": {"name": "destination"}, "spec": spec}),
                )
            } else if what.contains("/deployments/") {
                Answer::Json(404, missing)
            } else if what.contains("/deployments") {
                list(json!([{"metadata": {"name": "destination"}}]))
            } else if what.contains("/pods/a") {
                Answer::Json(200, pod("a", "True"))
            } else {
                list(pods.clone())
            }
        });
        let factory: KubeFactory = Arc::new(move || Ok(kube.clone()));
        let targets: Vec<PodTarget> = targets.iter().map(|it| it.parse().unwrap()).collect();
        let found = PodTarget::find(&factory, &targets).await;
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.iter().map(|it| it.name().to_string()).collect())
    }

    #[tokio::test]
    async fn a_deployments_pods_are_those_of_its_selector_that_are_ready() {
        let mut leaving = pod("d", "True");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-30T12:00:00Z");
        let pods = json!([
            pod("c", "True"),
            pod("b", "False"),
            leaving,
            pod("a", "True")
        ]);
        let found = meant(&["deploy/destination"], pods.clone()).await;
        assert_eq!(found.unwrap(), ["linkerd/a", "linkerd/c"]);
        // A Pod that is named twice is one replica.
        let found = meant(&["a", "deploy/destination"], pods).await;
        assert_eq!(found.unwrap(), ["linkerd/a", "linkerd/c"]);
    }

    #[tokio::test]
    async fn without_a_pod_that_is_ready_the_error_says_what_there_is() {
        let pods = json!([pod("b", "False")]);
        let error = meant(&["deploy/destination"], pods).await.unwrap_err();
        assert_eq!(
            error,
            "no Pod of Deployment linkerd/destination is ready; its Pods: b"
        );
        let error = meant(&["deploy/destination"], json!([])).await.unwrap_err();
        assert_eq!(
            error,
            "no Pod of Deployment linkerd/destination is ready; it has no Pods"
        );
        let error = meant(&["deploy/other"], json!([])).await.unwrap_err();
        assert_eq!(
            error,
            "there is no Deployment linkerd/other; destination controllers there: destination"
        );
    }
}
