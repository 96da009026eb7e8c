//! A port-forward of our own: streams to a destination controller's Pod through the API server, as
//! Linkerd's CLI reaches it.
//!
//! Everything passes through the API server and a kubelet, so latency through it is theirs too,
//! and is not judged.

use std::{fmt, io, sync::Arc};

use ::http::uri::{Authority, Scheme};
use dst_load_scenario::{flags::Flags, quantity::Bytes};
use dst_load_transport::{
    calls::reason,
    http::{self, Http},
    retry::retrying,
    world::{Dial, KubeFactory},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Portforwarder},
};
use tokio::io::DuplexStream;
use tower::{ServiceExt, service_fn, util::BoxCloneSyncService};

use super::connection::{self, Windows};
use crate::{
    address::GRPC_PORT,
    target::{ADMIN_PORT, COMPONENT, Target, TargetError, flags},
};

/// A Pod's name, and its namespace's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
}

/// A way to a Pod of a destination controller.
#[derive(Clone)]
pub struct Forward {
    kube: KubeFactory,
    name: PodName,
    memory_limit: Option<Bytes>,
    flags: Flags,
}

/// Why there is no way to the Pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// The name is none.
    #[error(
        "{0:?} is no Pod: write POD, deploy/NAME for all Pods of a Deployment, or KEY=VALUE for all \
         Pods with a label, each with or without NAMESPACE/ before it"
    )]
    Name(String),
    /// There is no such Pod.
    #[error("there is no Pod {name}{}", found(.there))]
    Missing {
        /// As named.
        name: PodName,
        /// The destination controllers' Pods in that namespace.
        there: Vec<String>,
    },
    /// The API server refused, or cannot be reached.
    #[error("Pod {name}: {cause}")]
    Kubernetes {
        /// As named.
        name: PodName,
        /// What it says.
        cause: String,
    },
    /// There is no such Deployment.
    #[error("there is no Deployment {name}{}", found(.there))]
    NoDeployment {
        /// NAMESPACE/NAME.
        name: String,
        /// The destination controllers' Deployments in that namespace.
        there: Vec<String>,
    },
    /// The Deployment has no Pod that could be used.
    #[error("no Pod of Deployment {name} is ready; {}", its_pods(.pods))]
    NoneReady {
        /// NAMESPACE/NAME.
        name: String,
        /// Its Pods.
        pods: Vec<String>,
    },
    /// No Pod with the labels could be used.
    #[error("no Pod with the labels {selector} in namespace {namespace} is ready; {}", those(.pods))]
    NoneLabelled {
        /// Where they were looked for.
        namespace: String,
        /// The selector.
        selector: String,
        /// The Pods that have them.
        pods: Vec<String>,
    },
    /// The API server refused, or cannot be reached.
    #[error("Pods with the labels {selector} in namespace {namespace}: {cause}")]
    Labelled {
        /// Where they were looked for.
        namespace: String,
        /// The selector.
        selector: String,
        /// What it says.
        cause: String,
    },
    /// The API server refused, or cannot be reached.
    #[error("Deployment {name}: {cause}")]
    Deployment {
        /// NAMESPACE/NAME.
        name: String,
        /// What it says.
        cause: String,
    },
}

/// What there is instead of the Pod that was named.
fn found(there: &[String]) -> String {
    if there.is_empty() {
        format!(", nor any with the label {COMPONENT} in that namespace")
    } else {
        format!("; destination controllers there: {}", there.join(", "))
    }
}

fn its_pods(pods: &[String]) -> String {
    if pods.is_empty() {
        "it has no Pods".to_owned()
    } else {
        format!("its Pods: {}", pods.join(", "))
    }
}

fn those(pods: &[String]) -> String {
    if pods.is_empty() {
        "none has them".to_owned()
    } else {
        format!("those that have them: {}", pods.join(", "))
    }
}

// === impl PodName ===

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.pod)
    }
}

// === impl Forward ===

impl Forward {
    /// A way to the Pod of this name, which is looked up.
    ///
    /// # Errors
    /// If it is not there, or the API server does not say.
    pub async fn find(kube: &KubeFactory, name: PodName) -> Result<Self, ForwardError> {
        let failed = |error: &kube::Error| ForwardError::Kubernetes {
            name: name.clone(),
            cause: reason(error),
        };
        let client = retrying(kube().map_err(|error| failed(&error))?);
        let pods: Api<Pod> = Api::namespaced(client, &name.namespace);
        let pod = pods.get_opt(&name.pod).await.map_err(|e| failed(&e))?;
        let Some(pod) = pod else {
            let labelled = ListParams::default().labels(COMPONENT);
            let there = pods.list(&labelled).await.map_err(|e| failed(&e))?;
            let names = there.items.into_iter().filter_map(|pod| pod.metadata.name);
            return Err(ForwardError::Missing {
                there: names.collect(),
                name,
            });
        };
        Ok(Self::of(kube, &name.namespace, &pod))
    }

    /// A way to this Pod.
    pub(crate) fn of(kube: &KubeFactory, namespace: &str, pod: &Pod) -> Self {
        Self {
            kube: Arc::clone(kube),
            name: PodName {
                namespace: namespace.to_owned(),
                pod: pod.name_any(),
            },
            memory_limit: memory_limit(pod),
            flags: flags::of_pod(pod).unwrap_or_default(),
        }
    }

    /// A way to the Pod of this name, which nobody looks up.
    #[must_use]
    pub fn to(kube: &KubeFactory, name: PodName) -> Self {
        Self {
            kube: Arc::clone(kube),
            name,
            memory_limit: None,
            flags: Flags::default(),
        }
    }

    /// The Pod.
    #[must_use]
    pub const fn name(&self) -> &PodName {
        &self.name
    }

    /// How much memory the controller may have, where its Pod says so.
    #[must_use]
    pub const fn memory_limit(&self) -> Option<Bytes> {
        self.memory_limit
    }

    /// The controller's flags, as far as its Pod says them.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        self.flags
    }

    /// Opens connections to the controller.
    #[must_use]
    pub fn dial(&self, windows: Windows) -> Dial {
        let forward = self.clone();
        Arc::new(move |window| {
            let forward = forward.clone();
            let connect = move || {
                let forward = forward.clone();
                async move { forward.connect(GRPC_PORT).await.map_err(io::Error::other) }
            };
            let origin = (Scheme::HTTP, Authority::from_static("destination"));
            Box::pin(connection::open(
                origin,
                windows.of_streams(window),
                connect,
            ))
        })
    }

    /// Asks the controller's admin port, wherever the requests say that it is.
    #[must_use]
    pub fn admin(&self) -> Http {
        self.http(ADMIN_PORT)
    }

    /// Asks a port of the Pod, wherever the requests say that it is.
    #[must_use]
    pub fn http(&self, port: u16) -> Http {
        let forward = self.clone();
        http::over(move || {
            let forward = forward.clone();
            async move { forward.connect(port).await }
        })
    }

    /// The admin ports of these Pods as one target; `None` if there are none.
    ///
    /// # Errors
    /// If a Pod's name is no host.
    pub fn target(forwards: &[Self]) -> Result<Option<Target>, TargetError> {
        let addresses: Vec<_> = forwards
            .iter()
            .map(|it| format!("{}:{ADMIN_PORT}", it.host()))
            .collect();
        let each = forwards.iter().map(|it| (it.host(), it.admin()));
        let http = by_host(each.collect());
        let target = Target::of_replicas(&addresses)?;
        Ok(target.map(|target| target.through(http.clone(), http)))
    }

    /// What names the Pod among others in a URL.
    fn host(&self) -> String {
        format!("{}.{}", self.name.pod, self.name.namespace)
    }

    /// One connection, which lasts as long as what is returned.
    async fn connect(&self, port: u16) -> Result<DuplexStream, String> {
        let client = (self.kube)().map_err(|error| reason(&error))?;
        let pods: Api<Pod> = Api::namespaced(client, &self.name.namespace);
        let forwarded = pods.portforward(&self.name.pod, &[port]).await;
        let mut forwarder: Portforwarder = forwarded.map_err(|error| reason(&error))?;
        let stream = forwarder.take_stream(port);
        stream.ok_or_else(|| format!("port {port} was not forwarded"))
    }
}

/// Each request goes to whoever its URL names.
fn by_host(each: Vec<(String, Http)>) -> Http {
    let each: Arc<[_]> = each.into();
    BoxCloneSyncService::new(service_fn(move |request: ::http::Request<_>| {
        let host = request.uri().host().unwrap_or_default();
        let http = each.iter().find(|(name, _)| name == host);
        let http = http.map(|(_, http)| http.clone());
        let unknown = format!("{host} is none of the Pods");
        async move { http.ok_or(unknown)?.oneshot(request).await }
    }))
}

/// The limit of the container that serves streams.
fn memory_limit(pod: &Pod) -> Option<Bytes> {
    let limits = flags::container(pod)?.resources.as_ref()?.limits.as_ref()?;
    limits.get("memory")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use serde_json::json;

    use super::*;
    use dst_load_transport::{
        clock::Clock,
        mock::{Answer, mock},
    };

    async fn find(
        answer: impl Fn(&str) -> Answer + Send + 'static,
    ) -> Result<Option<Bytes>, String> {
        let (kube, _) = mock(Clock::start(), answer);
        let factory: KubeFactory = Arc::new(move || Ok(kube.clone()));
        let name = PodName {
            namespace: "linkerd".into(),
            pod: "destination-0".into(),
        };
        let found = Forward::find(&factory, name).await;
        found
            .map(|forward| forward.memory_limit())
            .map_err(|error| error.to_string())
    }

    fn pod(name: &str) -> serde_json::Value {
        let container = |name: &str, limit: &str| json!({"name": name, "resources": {"limits": {"memory": limit}}});
        json!({
            "metadata": {"name": name},
            "spec": {"containers": [container("proxy", "1Gi"), container("destination", "250Mi")]},
        })
    }

    #[tokio::test]
    async fn the_memory_limit_is_that_of_the_container_that_serves_streams() {
        let found = find(|_| Answer::Json(200, pod("destination-0"))).await;
        assert_eq!(found, Ok(Some(Bytes(250 << 20))));
        let bare = json!({"metadata": {}, "spec": {"containers": [{"name": "destination"}]}});
        let found = find(move |_| Answer::Json(200, bare.clone())).await;
        assert_eq!(found, Ok(None));
    }

    #[tokio::test]
    async fn each_pod_is_asked_for_its_own_metrics() {
        let says =
            |said: &'static str| http::routed(Router::new().route("/", get(async move || said)));
        let http = by_host(vec![("a.x".into(), says("a")), ("b.x".into(), says("b"))]);
        let ask = async |url: &str| {
            let address = http::Address::parse(url, "").unwrap();
            let answer = http::get(&http, &address).await?;
            http::whole(answer.into_body(), 10).await
        };
        assert_eq!(ask("http://a.x/").await.unwrap(), "a");
        assert_eq!(ask("http://b.x:9996/").await.unwrap(), "b");
        assert_eq!(
            ask("http://c.x/").await.unwrap_err(),
            "c.x is none of the Pods"
        );
    }

    #[tokio::test]
    async fn a_pod_that_is_not_there_is_answered_with_those_that_are() {
        let with = |pods: serde_json::Value| {
            find(move |what| {
                if what.contains("labelSelector") || what.ends_with("/pods") {
                    Answer::Json(200, json!({"metadata": {}, "items": pods}))
                } else {
                    let status = json!({"kind": "Status", "status": "Failure", "code": 404,
                        "reason": "NotFound", "message": "not found"});
                    Answer::Json(404, status)
                }
            })
        };
        let error = with(json!([pod("destination-7"), pod("destination-9")])).await;
        assert_eq!(
            error.unwrap_err(),
            "there is no Pod linkerd/destination-0; destination controllers there: \
             destination-7, destination-9"
        );
        let error = with(json!([])).await.unwrap_err();
        assert!(error.ends_with(
            "nor any with the label linkerd.io/control-plane-component=destination in that namespace"
        ));
    }
}
