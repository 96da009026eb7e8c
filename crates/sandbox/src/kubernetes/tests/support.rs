//! A cluster and the objects that the tests put into it.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::kubernetes::{Config, Kubernetes};

pub(crate) struct Cluster {
    pub(crate) kubernetes: Kubernetes,
    pub(crate) client: Client,
}

impl Cluster {
    pub(crate) fn new(config: Config) -> Self {
        let kubernetes = Kubernetes::start(config);
        let client = kubernetes.client();
        Self { kubernetes, client }
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::default_namespaced(self.client.clone())
    }

    pub(crate) fn services(&self) -> Api<Service> {
        Api::default_namespaced(self.client.clone())
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    pub(crate) fn slices(&self) -> Api<EndpointSlice> {
        Api::default_namespaced(self.client.clone())
    }

    /// A Service and the Deployment that backs it.
    pub(crate) async fn serve(&self, name: &str, replicas: u32) {
        let parameters = PostParams::default();
        self.services()
            .create(&parameters, &service(name))
            .await
            .unwrap();
        self.deployments()
            .create(&parameters, &deployment(name, replicas))
            .await
            .unwrap();
    }

    pub(crate) async fn scale(&self, name: &str, replicas: u32) {
        let scale = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        self.deployments()
            .patch_scale(name, &PatchParams::default(), &scale)
            .await
            .unwrap();
    }

    /// The ready addresses of a Service, with their pods, slice by slice.
    pub(crate) async fn endpoints(&self, service: &str) -> Vec<BTreeMap<String, String>> {
        let label = format!("kubernetes.io/service-name={service}");
        let slices = self
            .slices()
            .list(&ListParams::default().labels(&label))
            .await
            .unwrap();
        let endpoints = |slice: EndpointSlice| {
            let endpoints = slice.endpoints.unwrap_or_default().into_iter();
            endpoints
                .filter(|it| it.conditions.as_ref().and_then(|it| it.ready) == Some(true))
                .map(|it| {
                    (
                        it.addresses[0].clone(),
                        it.target_ref.unwrap().name.unwrap(),
                    )
                })
                .collect()
        };
        slices.items.into_iter().map(endpoints).collect()
    }
}

pub(crate) fn config() -> Config {
    Config {
        seed: 7,
        nodes: 4,
        zones: 2,
        pod_start: (Duration::from_secs(1), Duration::from_secs(2)),
        ..Config::default()
    }
}

pub(crate) fn service(name: &str) -> Service {
    serde_json::from_value(json!({
        "metadata": { "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }] },
    }))
    .unwrap()
}

pub(crate) fn deployment(name: &str, replicas: u32) -> Deployment {
    serde_json::from_value(json!({
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{
                    "name": "web", "image": "web:1",
                    "ports": [{ "name": "http", "containerPort": 8080 }],
                }] },
            },
        },
    }))
    .unwrap()
}
