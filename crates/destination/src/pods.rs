//! Which Pods of a destination controller are meant: one by its name, all of a Deployment, or all
//! with a label.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use dst_load_scenario::words::{chain, excerpt};
use dst_load_transport::{
    calls::reason,
    retry::retrying,
    world::{Dial, KubeFactory, ListedReplica, ListedReplicas},
};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{ParseExpressionError, Selector},
};
use tokio::time::timeout;

use crate::{
    connection::Windows,
    forward::{Forward, ForwardError, PodName},
    roster::{self, Entry, Roster},
    target::COMPONENT,
};

/// The namespace where Linkerd's control plane usually is.
const NAMESPACE: &str = "linkerd";
/// What kubectl calls Deployments.
const DEPLOYMENT: [&str; 4] = ["deploy", "deployment", "deployments", "deployment.apps"];
/// For how long Pods are looked up again before what is known of them stays.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pods as they are named on a command line: `[NAMESPACE/]POD`; as kubectl has it,
/// `[NAMESPACE/]deploy/NAME`; or, as the `-l` of kubectl has it, `[NAMESPACE/]KEY=VALUE`.
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
    /// All Pods that a label selector selects and that are ready.
    Labelled {
        /// Their namespace.
        namespace: String,
        /// The selector, as the API server reads it.
        selector: String,
    },
}

/// One value of a command line: Pods, Deployments, or one label selector, whose commas are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTargets(Vec<PodTarget>);

/// The Pods that are meant, and ways to them.
#[derive(Clone)]
pub struct Pods {
    kube: KubeFactory,
    targets: Vec<PodTarget>,
    known: Vec<Known>,
}

/// A Pod, and the target that it was found by.
#[derive(Clone)]
struct Known {
    forward: Forward,
    entry: Entry,
}

/// Pods that are looked up again.
struct Watched {
    pods: Pods,
    windows: Windows,
    dials: Vec<Dial>,
}

// === impl PodTarget ===

impl PodTarget {
    /// The namespace that the Pods are in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            Self::Pod(name) => &name.namespace,
            Self::Deployment { namespace, .. } | Self::Labelled { namespace, .. } => namespace,
        }
    }

    /// Ways to the Pods that are meant now, in the order of their names.
    async fn forwards(&self, kube: &KubeFactory) -> Result<Vec<Forward>, ForwardError> {
        let namespace = self.namespace();
        let pods = match self {
            Self::Pod(name) => return Ok(vec![Forward::find(kube, name.clone()).await?]),
            Self::Deployment { name, .. } => of_deployment(kube, namespace, name).await?,
            Self::Labelled { selector, .. } => labelled(kube, namespace, selector).await?,
        };
        Ok(pods
            .iter()
            .map(|pod| Forward::of(kube, namespace, pod))
            .collect())
    }

    /// Reads what is no label selector.
    fn named(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return None;
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
            [name] => Some(pod(NAMESPACE, name)),
            [kind, name] if DEPLOYMENT.contains(&kind) => Some(deployment(NAMESPACE, name)),
            [namespace, name] => Some(pod(namespace, name)),
            [namespace, kind, name] if DEPLOYMENT.contains(&kind) => {
                Some(deployment(namespace, name))
            }
            _ => None,
        }
    }

    /// Reads a label selector. A first part before a `/` is the namespace, unless it is the prefix
    /// of the first key: that has a dot, which no namespace has.
    fn labelled(text: &str) -> Option<Self> {
        let (namespace, selector) = match text.split_once('/') {
            Some((first, rest)) if is_namespace(first) => (first, rest),
            _ => (NAMESPACE, text),
        };
        let of_key = |it: char| it.is_ascii_alphanumeric() || "-_./".contains(it);
        let of_selector = |it: char| of_key(it) || "=!(), ".contains(it);
        let key = selector.split(|it| !of_key(it)).next();
        let mut parts = key.unwrap_or_default().split('/');
        let is_key = parts.clone().count() <= 2 && parts.all(|part| !part.is_empty());
        // A negation has its key behind it.
        let is_selector = selector.chars().all(of_selector);
        (is_selector && (is_key || selector.starts_with('!'))).then(|| Self::Labelled {
            namespace: namespace.to_owned(),
            selector: selector.to_owned(),
        })
    }
}

/// Whether this can be a namespace and not the prefix of a label's key.
fn is_namespace(text: &str) -> bool {
    let is_allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    !text.is_empty() && text.chars().all(is_allowed)
}

impl fmt::Display for PodTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(name) => name.fmt(f),
            Self::Deployment { namespace, name } => write!(f, "{namespace}/deploy/{name}"),
            Self::Labelled {
                namespace,
                selector,
            } => write!(f, "{namespace}/{selector}"),
        }
    }
}

// === impl PodTargets ===

impl PodTargets {
    /// Each of them.
    #[must_use]
    pub fn all(&self) -> &[PodTarget] {
        &self.0
    }
}

impl FromStr for PodTargets {
    type Err = ForwardError;

    fn from_str(text: &str) -> Result<Self, ForwardError> {
        let wrong = |it: &str| ForwardError::Name(excerpt(it));
        // No name has these.
        if text.contains(['=', '(']) {
            let labelled = PodTarget::labelled(text).ok_or_else(|| wrong(text))?;
            return Ok(Self(vec![labelled]));
        }
        let each = text.split(',');
        let each = each.map(|it| PodTarget::named(it).ok_or_else(|| wrong(it)));
        Ok(Self(each.collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for PodTargets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&each.join(","))
    }
}

// === impl Pods ===

impl Pods {
    /// The Pods that these are, each once.
    ///
    /// # Errors
    /// If there is no such Pod or Deployment, a Deployment or selector has no Pod that is ready, or
    /// the API server does not say.
    pub async fn find(kube: &KubeFactory, targets: &[PodTarget]) -> Result<Self, ForwardError> {
        let mut found = Self {
            kube: Arc::clone(kube),
            targets: targets.to_vec(),
            known: Vec::new(),
        };
        for target in targets {
            let forwards = target.forwards(kube).await?;
            found.add(target, forwards);
        }
        Ok(found)
    }

    /// Ways to each.
    #[must_use]
    pub fn forwards(&self) -> Vec<Forward> {
        self.known.iter().map(|it| it.forward.clone()).collect()
    }

    /// Looks them up again and again, as long as somebody reads what comes of it. `None` where each
    /// was named itself.
    #[must_use]
    pub fn watch(&self, windows: Windows) -> Option<ListedReplicas> {
        let is_watched = self.targets.iter().any(may_change);
        is_watched.then(|| {
            roster::watch(Watched {
                dials: self.forwards().iter().map(|it| it.dial(windows)).collect(),
                pods: self.clone(),
                windows,
            })
        })
    }

    /// Adds what a target's Pods are now, and returns their names.
    fn add(&mut self, target: &PodTarget, forwards: Vec<Forward>) -> Vec<String> {
        let source = may_change(target).then(|| target.to_string());
        let mut names = Vec::new();
        for forward in forwards {
            let name = forward.name().to_string();
            if self.known.iter().all(|it| it.entry.key != name) {
                self.known.push(Known {
                    forward,
                    entry: Entry::new(name.clone(), source.clone()),
                });
            }
            names.push(name);
        }
        names
    }
}

/// Whether other Pods may be meant later.
const fn may_change(target: &PodTarget) -> bool {
    !matches!(target, PodTarget::Pod(_))
}

// === impl Watched ===

impl Roster for Watched {
    fn replicas(&self) -> Vec<ListedReplica> {
        let each = self.pods.known.iter().zip(&self.dials);
        each.map(|(pod, dial)| ListedReplica {
            address: pod.entry.key.clone(),
            dial: Arc::clone(dial),
            is_listed: pod.entry.is_listed,
        })
        .collect()
    }

    async fn refresh(&mut self) {
        let mut now = BTreeMap::new();
        let targets = self.pods.targets.clone();
        for target in targets.iter().filter(|it| may_change(it)) {
            // An answer without a Pod that is ready leads nowhere, as a name's does.
            let found = timeout(TIMEOUT, target.forwards(&self.pods.kube)).await;
            match found {
                Ok(Ok(forwards)) => {
                    now.insert(target.to_string(), self.pods.add(target, forwards));
                }
                Ok(Err(error)) => tracing::debug!(%error, "destination Pods not looked up"),
                Err(_) => tracing::debug!(%target, "destination Pods not looked up in time"),
            }
        }
        for pod in &self.pods.known[self.dials.len()..] {
            tracing::info!(pod = pod.entry.key, "destination replica found");
            self.dials.push(pod.forward.dial(self.windows));
        }
        for pod in &mut self.pods.known {
            pod.entry.look_up(&now);
        }
    }
}

/// The Pods of a Deployment: those that its selector names and that are ready.
async fn of_deployment(
    kube: &KubeFactory,
    namespace: &str,
    name: &str,
) -> Result<Vec<Pod>, ForwardError> {
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
    let found = ready(client, namespace, &selected).await;
    found
        .map_err(|e| failed(&e))?
        .map_err(|pods| ForwardError::NoneReady {
            name: format!("{namespace}/{name}"),
            pods,
        })
}

/// The Pods that a selector selects and that are ready.
async fn labelled(
    kube: &KubeFactory,
    namespace: &str,
    selector: &str,
) -> Result<Vec<Pod>, ForwardError> {
    let failed = |error: &kube::Error| ForwardError::Labelled {
        namespace: namespace.to_owned(),
        selector: selector.to_owned(),
        cause: reason(error),
    };
    let client = retrying(kube().map_err(|error| failed(&error))?);
    let selected = ListParams::default().labels(selector);
    let found = ready(client, namespace, &selected).await;
    found
        .map_err(|e| failed(&e))?
        .map_err(|pods| ForwardError::NoneLabelled {
            namespace: namespace.to_owned(),
            selector: selector.to_owned(),
            pods,
        })
}

/// The selected Pods that are ready, in the order of their names, or, where none is, the names of
/// the others.
async fn ready(
    client: Client,
    namespace: &str,
    selected: &ListParams,
) -> Result<Result<Vec<Pod>, Vec<String>>, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let mut pods = pods.list(selected).await?.items;
    pods.sort_by_key(ResourceExt::name_any);
    let (ready, others): (Vec<_>, Vec<_>) = pods.into_iter().partition(is_ready);
    let others: Vec<_> = others.iter().map(ResourceExt::name_any).collect();
    if ready.is_empty() {
        return Ok(Err(others));
    }
    if !others.is_empty() {
        tracing::debug!(
            pods = others.join(","),
            "Pods are not ready and are not used"
        );
    }
    Ok(Ok(ready))
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
    use std::convert::Infallible;

    use bytes::Bytes;
    use dst_load_transport::{
        clock::Clock,
        mock::{Answer, mock},
    };
    use http::{Request, Response};
    use http_body_util::Full;
    use kube::client::Body;
    use parking_lot::Mutex;
    use serde_json::{Value, json};
    use tower::service_fn;

    use super::*;

    #[test]
    fn pods_are_named_as_kubectl_names_them() {
        let name = |text: &str| text.parse::<PodTargets>().map(|it| it.to_string());
        for (text, meant) in [
            ("destination-0", "linkerd/destination-0"),
            ("mesh/destination-0", "mesh/destination-0"),
            ("deploy/destination", "linkerd/deploy/destination"),
            ("deployment/destination", "linkerd/deploy/destination"),
            ("mesh/deploy/destination", "mesh/deploy/destination"),
            ("mesh/deployment/destination", "mesh/deploy/destination"),
            ("a,deploy/b,c/d", "linkerd/a,linkerd/deploy/b,c/d"),
            ("app=destination", "linkerd/app=destination"),
            ("mesh/app=dst,tier!=x", "mesh/app=dst,tier!=x"),
            ("tier in (a, b)", "linkerd/tier in (a, b)"),
            ("linkerd.io/component=a", "linkerd/linkerd.io/component=a"),
            (
                "mesh/linkerd.io/component==a",
                "mesh/linkerd.io/component==a",
            ),
        ] {
            assert_eq!(name(text).unwrap(), meant);
        }
        for wrong in [
            "a/b/c/d=e",
            "a:b=c",
            "",
            "/",
            "a/",
            "/b",
            "a/b/c",
            "a/deploy/b/c",
            "deploy/",
            "=x",
            "a/=x",
            "/a=b",
        ] {
            let error = name(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{wrong:?} is no Pod: ")),
                "{error}"
            );
        }
        // Nor is a URL one, whose credentials would be shown.
        let error = name("http://user:x@host/?a=b").unwrap_err();
        assert!(matches!(error, ForwardError::Name(text) if text == "http://host/?…"));
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
        let found = Pods::find(&factory, &targets_of(targets)).await;
        let found = found.map_err(|error| error.to_string())?.forwards();
        Ok(found.iter().map(|it| it.name().to_string()).collect())
    }

    fn targets_of(texts: &[&str]) -> Vec<PodTarget> {
        let each = texts
            .iter()
            .map(|it| it.parse::<PodTargets>().unwrap().all().to_vec());
        each.flatten().collect()
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

    #[tokio::test]
    async fn the_pods_of_a_selector_are_those_that_are_ready() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let service = service_fn(move |request: Request<Body>| {
            seen.lock().push(request.uri().to_string());
            let pods = json!([pod("b", "True"), pod("c", "False"), pod("a", "True")]);
            let list = json!({"metadata": {}, "items": pods}).to_string();
            async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(list)))) }
        });
        let kube = Client::new(service, "default");
        let factory: KubeFactory = Arc::new(move || Ok(kube.clone()));
        let targets = targets_of(&["mesh/app=dst,tier!=x"]);
        let found = Pods::find(&factory, &targets).await.unwrap().forwards();
        let names: Vec<_> = found.iter().map(|it| it.name().to_string()).collect();
        assert_eq!(names, ["mesh/a", "mesh/b"]);
        let asked = asked.lock().join("\n");
        assert!(
            asked.contains("/namespaces/mesh/pods")
                && asked.contains("labelSelector=app%3Ddst%2Ctier%21%3Dx"),
            "{asked}"
        );
        let error = meant(&["app=dst"], json!([pod("b", "False")])).await;
        assert_eq!(
            error.unwrap_err(),
            "no Pod with the labels app=dst in namespace linkerd is ready; those that have them: b"
        );
        let error = meant(&["app=dst"], json!([])).await;
        assert_eq!(
            error.unwrap_err(),
            "no Pod with the labels app=dst in namespace linkerd is ready; none has them"
        );
    }

    /// Which are listed after the next time that they are looked up, if anything has changed.
    async fn next(listed: &mut ListedReplicas) -> Option<Vec<(String, bool)>> {
        timeout(roster::REFRESH + Duration::from_secs(1), listed.changed())
            .await
            .ok()?
            .unwrap();
        let replicas = listed.borrow_and_update();
        let each = replicas.iter();
        Some(each.map(|it| (it.address.clone(), it.is_listed)).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn pods_that_come_are_used_and_those_that_are_not_ready_are_left_out() {
        for target in ["deploy/destination", "app=destination"] {
            let pods = Arc::new(Mutex::new(Some(json!([pod("a", "True")]))));
            let answered = Arc::clone(&pods);
            let (kube, _) = mock(Clock::start(), move |what| {
                let failed = json!({"kind": "Status", "status": "Failure", "code": 403,
                    "reason": "Forbidden", "message": "forbidden"});
                let Some(pods) = answered.lock().clone() else {
                    return Answer::Json(403, failed);
                };
                if what.contains("/deployments/") {
                    let selector = json!({"matchLabels": {"app": "destination"}});
                    let spec = json!({"selector": selector, "template": {}});
                    return Answer::Json(200, json!({"metadata": {"name": "d"}, "spec": spec}));
                }
                if what.contains("/pods/z") {
                    return Answer::Json(200, pod("z", "False"));
                }
                Answer::Json(200, json!({"metadata": {}, "items": pods}))
            });
            let factory: KubeFactory = Arc::new(move || Ok(kube.clone()));
            let found = Pods::find(&factory, &targets_of(&["z", target])).await;
            let windows = crate::connection::DEFAULT_WINDOWS;
            let mut listed = found.unwrap().watch(windows).expect("it is watched");
            let wanted = |all: &[(&str, bool)]| {
                let each = all.iter();
                let each = each.map(|&(name, is)| (format!("linkerd/{name}"), is));
                Some(each.collect::<Vec<_>>())
            };
            // One comes, and one that is not ready yet does not.
            *pods.lock() = Some(json!([
                pod("a", "True"),
                pod("b", "True"),
                pod("c", "False")
            ]));
            let both = wanted(&[("z", true), ("a", true), ("b", true)]);
            assert_eq!(next(&mut listed).await, both);
            // While nobody says, and while none is ready, they stay.
            *pods.lock() = None;
            assert_eq!(next(&mut listed).await, None);
            *pods.lock() = Some(json!([pod("a", "False")]));
            assert_eq!(next(&mut listed).await, None);
            // One that is named itself is not left out.
            *pods.lock() = Some(json!([pod("a", "False"), pod("c", "True")]));
            let replaced = wanted(&[("z", true), ("a", false), ("b", false), ("c", true)]);
            assert_eq!(next(&mut listed).await, replaced);
            *pods.lock() = Some(json!([pod("a", "True"), pod("c", "True")]));
            let back = wanted(&[("z", true), ("a", true), ("b", false), ("c", true)]);
            assert_eq!(next(&mut listed).await, back);
        }
    }

    #[tokio::test]
    async fn a_pod_that_is_named_itself_is_not_watched() {
        let (kube, _) = mock(Clock::start(), |_| Answer::Json(200, pod("a", "True")));
        let factory: KubeFactory = Arc::new(move || Ok(kube.clone()));
        let found = Pods::find(&factory, &targets_of(&["a", "mesh/b"])).await;
        let windows = crate::connection::DEFAULT_WINDOWS;
        assert!(found.unwrap().watch(windows).is_none());
    }
}
