//! What is done to the cluster: Services come, and their endpoints change.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Node, Pod, Service},
        discovery::v1::EndpointSlice,
    },
    serde_json::{Value, json},
};
use kube::{
    Api, Client, Config,
    api::{ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;

use crate::load::{Load, NAMESPACE, PORT};

/// Requests under way at once.
const AT_ONCE: usize = 32;
/// How long Kubernetes may take to make what is asked for.
const PATIENCE: Duration = Duration::from_secs(180);

/// The Kubernetes API.
#[derive(Clone)]
pub(crate) struct Cluster {
    kube: Client,
}

// === impl Cluster ===

impl Cluster {
    /// The cluster of a kubeconfig.
    pub(crate) async fn at(kubeconfig: &Path) -> anyhow::Result<Self> {
        let file = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        let kube = Client::try_from(config)?;
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        Api::<Namespace>::all(kube.clone())
            .create(&PostParams::default(), &object(namespace)?)
            .await?;
        Ok(Self { kube })
    }

    /// The Nodes' names, in order.
    pub(crate) async fn nodes(&self) -> anyhow::Result<Vec<String>> {
        let nodes = Api::<Node>::all(self.kube.clone())
            .list(&ListParams::default())
            .await?;
        let mut names: Vec<_> = nodes
            .into_iter()
            .filter_map(|it| it.metadata.name)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Makes the Services, each with a Deployment of `replicas` pods behind it, and waits until all
    /// of their endpoints are there.
    pub(crate) async fn deploy(&self, load: Load, replicas: u32) -> anyhow::Result<()> {
        self.each(load, |name| async move {
            self.make::<Service>(service(&name, true)).await?;
            self.make::<Deployment>(deployment(&name, replicas)).await
        })
        .await?;
        self.settle(load, replicas).await
    }

    /// Sets the size of every Deployment.
    pub(crate) async fn scale(&self, load: Load, replicas: u32) -> anyhow::Result<()> {
        let api: Api<Deployment> = self.api();
        let scale = json!({"spec": {"replicas": replicas}});
        let (api, patch) = (&api, &Patch::Merge(scale));
        self.each(load, |name| async move {
            api.patch_scale(&name, &PatchParams::default(), patch)
                .await?;
            Ok(())
        })
        .await
    }

    /// Waits until every Service has so many ready endpoints.
    pub(crate) async fn settle(&self, load: Load, endpoints: u32) -> anyhow::Result<()> {
        let api: Api<EndpointSlice> = self.api();
        let wanted = u64::from(load.services) * u64::from(endpoints);
        let settled = async {
            loop {
                let slices = api.list(&ListParams::default()).await?;
                let ready: usize = slices.iter().map(ready).sum();
                if ready as u64 == wanted {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        let settled = tokio::time::timeout(PATIENCE, settled).await;
        settled.context("Kubernetes does not make the endpoints that were asked for")?
    }

    /// Makes the Services with one empty slice each, written by nobody else, and pods that they can
    /// have as endpoints: as many for each Service. Returns these, by Service.
    pub(crate) async fn slices(&self, load: Load, endpoints: u32) -> anyhow::Result<Slices> {
        self.each(load, |name| async move {
            self.make::<Service>(service(&name, false)).await?;
            self.make::<EndpointSlice>(slice(&name, &[])).await?;
            self.make::<Deployment>(deployment(&name, endpoints)).await
        })
        .await?;
        let pods = tokio::time::timeout(PATIENCE, self.pods(load, endpoints)).await;
        let pods = pods.context("Kubernetes does not start the pods that were asked for")??;
        Ok(Slices {
            cluster: self.clone(),
            load,
            pods,
        })
    }

    /// All pods as endpoints, once so many have an address for each Service.
    async fn pods(&self, load: Load, each: u32) -> anyhow::Result<BTreeMap<String, Vec<Value>>> {
        let api: Api<Pod> = self.api();
        loop {
            let mut pods: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for pod in api.list(&ListParams::default()).await? {
                let address = pod.status.and_then(|status| status.pod_ip);
                let labels = pod.metadata.labels.unwrap_or_default();
                if let (Some(address), Some(app)) = (address, labels.get("app")) {
                    pods.entry(app.clone()).or_default().push(json!({
                        "addresses": [address],
                        "conditions": {"ready": true},
                        "targetRef": {
                            "kind": "Pod",
                            "namespace": NAMESPACE,
                            "name": pod.metadata.name,
                        },
                    }));
                }
            }
            let full = |name: &String| pods.get(name).map_or(0, Vec::len) == each as usize;
            if load.names().all(|name| full(&name)) {
                return Ok(pods);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn each<F>(&self, load: Load, with: impl Fn(String) -> F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        stream::iter(load.names())
            .map(|name| Ok(with(name)))
            .try_buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn make<K>(&self, value: Value) -> anyhow::Result<()>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + DeserializeOwned
            + serde::Serialize
            + Clone
            + std::fmt::Debug,
    {
        self.api::<K>()
            .create(&PostParams::default(), &object(value)?)
            .await?;
        Ok(())
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.kube.clone(), NAMESPACE)
    }
}

/// Slices that nobody else writes.
pub(crate) struct Slices {
    cluster: Cluster,
    load: Load,
    /// By Service.
    pods: BTreeMap<String, Vec<Value>>,
}

// === impl Slices ===

impl Slices {
    /// Lets every Service have the first `count` of its endpoints, in one event each.
    pub(crate) async fn set(&self, count: u32) -> anyhow::Result<()> {
        let set = |name: String| async move { self.set_one(&name, count).await };
        self.cluster.each(self.load, set).await
    }

    /// Lets a Service have the first `count` of its endpoints, in one event.
    pub(crate) async fn set_one(&self, name: &str, count: u32) -> anyhow::Result<()> {
        let api: Api<EndpointSlice> = self.cluster.api();
        let first = ..usize::try_from(count)?;
        let Some(pods) = self.pods.get(name).and_then(|pods| pods.get(first)) else {
            bail!("{name} has no {count} pods");
        };
        let patch = Patch::Merge(json!({"endpoints": pods}));
        api.patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }
}

fn ready(slice: &EndpointSlice) -> usize {
    let ready = |conditions: &k8s_openapi::api::discovery::v1::EndpointConditions| {
        conditions.ready == Some(true)
    };
    let endpoints = slice.endpoints.iter().flatten();
    endpoints
        .filter(|endpoint| endpoint.conditions.as_ref().is_some_and(ready))
        .count()
}

fn object<K: DeserializeOwned>(value: Value) -> anyhow::Result<K> {
    Ok(k8s_openapi::serde_json::from_value(value)?)
}

fn service(name: &str, selects: bool) -> Value {
    let mut service = json!({
        "metadata": {"name": name},
        "spec": {"ports": [{"port": PORT, "targetPort": PORT}]},
    });
    if selects {
        service["spec"]["selector"] = json!({"app": name});
    }
    service
}

fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "server",
                    "image": "server",
                    "ports": [{"containerPort": PORT}],
                }]},
            },
        },
    })
}

fn slice(name: &str, endpoints: &[Value]) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"port": PORT}],
        "endpoints": endpoints,
    })
}
