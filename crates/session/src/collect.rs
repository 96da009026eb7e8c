//! A client's replicas in a cluster, and what each has recorded: read through the API
//! server, so that whoever may forward ports needs nothing else.

use std::{fmt, io::Write, time::Duration};

use ::http::StatusCode;
use axum::body::Body;
use dst_load_destination::forward::{Forward, PodName};
use dst_load_transport::{
    calls::reason,
    http::{self, Address, Http},
    listen::ADMIN_PORT,
    retry::retrying,
    world::KubeFactory,
};
use http_body_util::BodyExt;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::Pod,
};
use kube::{Api, ResourceExt, api::ListParams};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

/// What marks the pods of the client, as the chart writes it.
const COMPONENT: &str = "app.kubernetes.io/component=client";
/// Whose pods they are.
const RELEASE: &str = "app.kubernetes.io/instance";
/// The label with the chart's name and version, whatever the release calls itself.
const CHART: &str = "helm.sh/chart";
const CHART_NAME: &str = "dst-load-test-";
/// The name of the port that serves snapshots, and its number where a container names none.
const PORT: (&str, u16) = ("admin", ADMIN_PORT);
/// For how long a part of an answer is waited for.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// One pod of the client.
#[derive(Clone)]
pub struct Replica {
    /// Its namespace and name.
    pub name: PodName,
    /// Whose release it belongs to.
    pub release: String,
    /// How often its container was started again.
    pub restarts: u32,
    http: Http,
}

/// Why there is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// No pod is one of the client's.
    #[error(
        "no client pods in namespace {namespace}{}: is the chart installed there, with client.enabled?",
        of(.release.as_deref())
    )]
    None {
        /// Where was looked.
        namespace: String,
        /// Whose were looked for.
        release: Option<String>,
    },
    /// Pods of several releases are there.
    #[error("namespace {namespace} has the clients of several releases: name one with --release ({})", .releases.join(", "))]
    Several {
        /// Where was looked.
        namespace: String,
        /// Theirs.
        releases: Vec<String>,
    },
    /// The API server refused, or cannot be reached.
    #[error("client pods in namespace {namespace} cannot be listed: {cause}")]
    Kubernetes {
        /// Where was looked.
        namespace: String,
        /// What it says.
        cause: String,
    },
    /// A pod does not answer.
    #[error("pod {pod}: {path}: {cause}")]
    Silent {
        /// The Pod.
        pod: String,
        /// What it was asked for.
        path: &'static str,
        /// Why.
        cause: String,
    },
}

fn of(release: Option<&str>) -> String {
    release.map_or_else(String::new, |release| format!(" of release {release}"))
}

/// How far a client is: the answer of `/state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Whether it has measured all that it is going to.
    pub over: bool,
}

/// The replicas in a namespace, of a release if there are several, in the order of their names.
///
/// # Errors
/// If there are none, or none that can be told apart, or they cannot be listed.
pub async fn replicas(
    kube: &KubeFactory,
    namespace: &str,
    release: Option<&str>,
) -> Result<Vec<Replica>, CollectError> {
    let failed = |error: &kube::Error| CollectError::Kubernetes {
        namespace: namespace.to_owned(),
        cause: reason(error),
    };
    let client = retrying(kube().map_err(|error| failed(&error))?);
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let listed = pods.list(&labelled(release)).await;
    let mut found: Vec<Replica> = listed
        .map_err(|error| failed(&error))?
        .items
        .iter()
        .filter(|pod| is_of_the_chart(*pod) && !is_ending(pod))
        .map(|pod| replica(kube, namespace, pod))
        .collect();
    found.sort_by(|a, b| a.name.pod.cmp(&b.name.pod));
    let mut releases: Vec<_> = found.iter().map(|it| it.release.clone()).collect();
    releases.sort_unstable();
    releases.dedup();
    match releases.len() {
        0 => Err(CollectError::None {
            namespace: namespace.to_owned(),
            release: release.map(str::to_owned),
        }),
        1 => Ok(found),
        _ => Err(CollectError::Several {
            namespace: namespace.to_owned(),
            releases,
        }),
    }
}

/// How many replicas the clients' Deployments and StatefulSets in a namespace shall have; `None`
/// where that cannot be read.
pub async fn desired(kube: &KubeFactory, namespace: &str, release: Option<&str>) -> Option<u32> {
    let (client, of_release) = (retrying(kube().ok()?), labelled(release));
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployments = deployments.list(&of_release).await.ok()?.items;
    let sets: Api<StatefulSet> = Api::namespaced(client, namespace);
    // Whoever may read Deployments alone sees all that a release without targets has.
    let sets = sets.list(&of_release).await;
    let sets = sets.map(|listed| listed.items).unwrap_or_default();
    let of_sets = sets.iter().filter(|it| is_of_the_chart(*it));
    let of_sets = of_sets.map(|it| it.spec.replicas);
    let of_deployments = deployments.iter().filter(|it| is_of_the_chart(*it));
    let of_deployments = of_deployments.map(|it| it.spec.replicas);
    // Without a number it is one.
    let replicas: Vec<_> = (of_deployments.chain(of_sets))
        .map(|replicas| u32::try_from(replicas.unwrap_or(1)).unwrap_or_default())
        .collect();
    (!replicas.is_empty()).then(|| replicas.iter().sum())
}

fn labelled(release: Option<&str>) -> ListParams {
    let mut labels = COMPONENT.to_owned();
    if let Some(release) = release {
        labels.push_str(&format!(",{RELEASE}={release}"));
    }
    ListParams::default().labels(&labels)
}

fn is_of_the_chart(object: &impl ResourceExt) -> bool {
    let chart = object.labels().get(CHART);
    chart.is_some_and(|chart| chart.starts_with(CHART_NAME))
}

fn is_ending(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"))
}

fn replica(kube: &KubeFactory, namespace: &str, pod: &Pod) -> Replica {
    let name = PodName {
        namespace: namespace.to_owned(),
        pod: pod.name_any(),
    };
    let statuses = pod.status.iter();
    let statuses = statuses.flat_map(|it| it.container_statuses.iter().flatten());
    let containers = pod.spec.iter().flat_map(|it| &it.containers);
    let ports = containers.flat_map(|it| it.ports.iter().flatten());
    let port = ports
        .filter(|port| port.name.as_deref() == Some(PORT.0))
        .find_map(|port| u16::try_from(port.container_port).ok());
    Replica {
        release: pod.labels().get(RELEASE).cloned().unwrap_or_default(),
        restarts: statuses
            .map(|it| u32::try_from(it.restart_count).unwrap_or_default())
            .sum(),
        http: Forward::to(kube, name.clone()).http(port.unwrap_or(PORT.1)),
        name,
    }
}

// === impl Replica ===

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("name", &self.name)
            .field("restarts", &self.restarts)
            .finish_non_exhaustive()
    }
}

impl Replica {
    /// Its address.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn state(&self) -> Result<State, CollectError> {
        let path = "/state";
        let body = self.get(path).await?;
        let text = http::whole(body, 4_096).await;
        let state = text.and_then(|text| {
            serde_json::from_slice(&text).map_err(|error| format!("{error}: is that a client?"))
        });
        state.map_err(|cause| self.silent(path, cause))
    }

    /// Writes its recording up to now; returns how many bytes that were.
    ///
    /// # Errors
    /// If it does not answer, breaks off, or `out` cannot be written.
    pub async fn snapshot(&self, out: &mut impl Write) -> Result<u64, CollectError> {
        let path = "/snapshot";
        let mut body = self.get(path).await?;
        let mut written = 0;
        loop {
            let frame = timeout(RESPONSE_TIMEOUT, body.frame()).await;
            let frame = frame.map_err(|_| self.silent(path, "it stopped answering".to_owned()))?;
            let Some(frame) = frame else {
                return Ok(written);
            };
            let frame = frame.map_err(|error| self.silent(path, http::root(&error)))?;
            if let Ok(data) = frame.into_data() {
                written += data.len() as u64;
                let done = out.write_all(&data);
                done.map_err(|error| self.silent(path, error.to_string()))?;
            }
        }
    }

    async fn get(&self, path: &'static str) -> Result<Body, CollectError> {
        let asked = async {
            let pod = format!("http://{}", self.name.pod);
            let address = Address::parse(&pod, "http://pod").map_err(|error| error.to_string())?;
            http::get_within(&self.http, &address.below(path)?, RESPONSE_TIMEOUT).await
        };
        let answer = asked.await.map_err(|cause| self.silent(path, cause))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(self.silent(path, format!("HTTP status {status}"))),
        }
    }

    fn silent(&self, path: &'static str, cause: String) -> CollectError {
        CollectError::Silent {
            pod: self.name.to_string(),
            path,
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use dst_load_transport::{
        clock::Clock,
        mock::{Answer, mock, refusal},
    };

    fn pod(name: &str, release: &str, restarts: i32) -> Value {
        json!({
            "metadata": {"name": name, "labels": {RELEASE: release, CHART: "dst-load-test-1.2.3"}},
            "status": {"phase": "Running", "containerStatuses": [{
                "name": "client", "image": "i", "imageID": "", "ready": true,
                "restartCount": restarts,
            }]},
        })
    }

    async fn found(pods: Value, release: Option<&str>) -> Result<Vec<Replica>, CollectError> {
        let (client, _) = mock(Clock::start(), move |_| {
            Answer::Json(200, json!({"metadata": {}, "items": pods}))
        });
        let kube: KubeFactory = Arc::new(move || Ok(client.clone()));
        replicas(&kube, "load", release).await
    }

    #[tokio::test]
    async fn the_pods_of_one_release_are_its_replicas() {
        let mut ended = pod("c", "r", 0);
        ended["status"]["phase"] = json!("Failed");
        let mut leaving = pod("d", "other", 0);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mut strange = pod("e", "third", 0);
        strange["metadata"]["labels"][CHART] = json!("web-1.2.3");
        let found = found(
            json!([pod("b", "r", 2), pod("a", "r", 0), ended, leaving, strange]),
            None,
        )
        .await;
        let found = found.unwrap();
        let said: Vec<_> = found
            .iter()
            .map(|it| (it.name.to_string(), it.restarts))
            .collect();
        assert_eq!(said, [("load/a".to_owned(), 0), ("load/b".to_owned(), 2)]);
    }

    #[tokio::test]
    async fn none_and_several_are_said_with_what_would_help() {
        let none = found(json!([]), Some("mine")).await.unwrap_err();
        assert_eq!(
            none.to_string(),
            "no client pods in namespace load of release mine: is the chart installed there, with \
             client.enabled?"
        );
        let several = found(json!([pod("a", "r", 0), pod("b", "s", 0)]), None).await;
        assert_eq!(
            several.unwrap_err().to_string(),
            "namespace load has the clients of several releases: name one with --release (r, s)"
        );
        let (client, _) = mock(Clock::start(), |_| {
            refusal(403, "Forbidden", "pods is forbidden")
        });
        let kube: KubeFactory = Arc::new(move || Ok(client.clone()));
        let refused = replicas(&kube, "load", None).await.unwrap_err().to_string();
        assert!(
            refused.starts_with("client pods in namespace load cannot be listed: ")
                && refused.contains("pods is forbidden"),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn how_many_clients_there_should_be_is_the_deployments_word() {
        let deployment = |replicas: Value, chart: &str| {
            json!({
                "metadata": {"name": "c", "labels": {RELEASE: "r", CHART: chart}},
                "spec": {"replicas": replicas, "selector": {}, "template": {}},
            })
        };
        let said = |items: Value| async move {
            let (client, log) = mock(Clock::start(), move |_| {
                Answer::Json(200, json!({"metadata": {}, "items": items}))
            });
            let kube: KubeFactory = Arc::new(move || Ok(client.clone()));
            let said = desired(&kube, "load", Some("r")).await;
            let asked: Vec<_> = log.lock().iter().map(|it| it.what.clone()).collect();
            let all = ["deployments", "statefulsets"];
            assert_eq!(
                asked,
                all.map(|it| format!("GET /apis/apps/v1/namespaces/load/{it}"))
            );
            said
        };
        let ours = "dst-load-test-1.2.3";
        // The mock has the same of both kinds.
        assert_eq!(said(json!([deployment(json!(3), ours)])).await, Some(6));
        assert_eq!(said(json!([deployment(json!(3), "web-1")])).await, None);
        let (client, _) = mock(Clock::start(), |_| refusal(403, "Forbidden", "no"));
        let kube: KubeFactory = Arc::new(move || Ok(client.clone()));
        assert_eq!(desired(&kube, "load", None).await, None);
    }
}
