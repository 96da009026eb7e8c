//! The Worlds, and what the claims do in them again and again.

use std::{
    env,
    fmt::Debug,
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use dst_load_sandbox::kubernetes::{Config, Kubernetes, serve};
use dst_load_transport::cluster::Cluster;
use futures::FutureExt;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::{Endpoint, EndpointSlice},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::{NamespaceResourceScope, Status},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;

/// How long a claim waits for what must come: a lab shares its machine with whoever builds on it.
const PATIENCE: Duration = Duration::from_secs(90);

/// A cluster, and a namespace of the claim's own in it.
pub(crate) struct World {
    pub(crate) kube: Client,
    pub(crate) namespace: String,
}

/// The embedded Kubernetes without sockets, in virtual time.
pub(crate) async fn in_process(claim: impl AsyncFnOnce(&World)) {
    let kubernetes = Kubernetes::start(Config::default());
    World::new(kubernetes.client()).await.hold(claim).await;
    kubernetes.shutdown().await;
}

/// The embedded Kubernetes over HTTP, in real time.
pub(crate) async fn on_loopback(claim: impl AsyncFnOnce(&World)) {
    let kubernetes = Kubernetes::start(Config {
        pod_start: (Duration::from_millis(20), Duration::from_millis(100)),
        ..Config::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let file = serve::kubeconfig(listener.local_addr().unwrap());
    let cancel = CancellationToken::new();
    let router = kubernetes.router();
    let server = tokio::spawn(serve::serve(listener, router, cancel.clone()));
    let file = Kubeconfig::from_yaml(&file).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options).await;
    let kube = Cluster::from(config.unwrap()).client().unwrap();
    World::new(kube).await.hold(claim).await;
    cancel.cancel();
    server.await.unwrap();
    kubernetes.shutdown().await;
}

/// A real Kubernetes whose pods become ready by themselves.
pub(crate) async fn in_the_lab(claim: impl AsyncFnOnce(&World)) {
    let Some(file) = env::var_os("DST_LOAD_LAB_KUBECONFIG") else {
        panic!(
            "DST_LOAD_LAB_KUBECONFIG names no kubeconfig; `just lab-up` makes a lab, and \
             `just lab-test` names its"
        );
    };
    let context = env::var("DST_LOAD_LAB_CONTEXT").ok();
    let file = PathBuf::from(file);
    let cluster = Cluster::find(Some(&file), context.as_deref());
    let kube = cluster.await.unwrap().client().unwrap();
    World::new(kube).await.hold(claim).await;
}

// === impl World ===

impl World {
    async fn new(kube: Client) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("conformance-{}-{number}", process::id());
        let namespaces: Api<Namespace> = Api::all(kube.clone());
        let object = object(json!({ "metadata": { "name": namespace } }));
        let parameters = PostParams::default();
        namespaces.create(&parameters, &object).await.unwrap();
        Self { kube, namespace }
    }

    /// Tests the claim, and takes the namespace away whether or not it held.
    async fn hold(self, claim: impl AsyncFnOnce(&Self)) {
        let held = AssertUnwindSafe(claim(&self)).catch_unwind().await;
        let namespaces: Api<Namespace> = Api::all(self.kube.clone());
        let nodes: Api<Node> = Api::all(self.kube.clone());
        let delete = DeleteParams::default();
        let deleted = namespaces.delete(&self.namespace, &delete).await;
        // A claim that held has taken its others away itself, and most had none.
        for other in ["", "-more", "-run"].map(|it| format!("{}{it}", self.namespace)) {
            let _ = nodes.delete(&other, &delete).await;
            let _ = namespaces.delete(&other, &delete).await;
        }
        if let Err(panic) = held {
            resume_unwind(panic);
        }
        deleted.unwrap();
    }

    /// The objects of one kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.kube.clone(), &self.namespace)
    }

    /// Creates an object from its JSON.
    pub(crate) async fn create<K>(&self, value: Value) -> K
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let parameters = PostParams::default();
        let created = self.api().create(&parameters, &object(value)).await;
        created.unwrap()
    }

    /// A pod on a Node that nobody looks after: its status is what we write, and it stops when we
    /// say so.
    pub(crate) async fn unattended(&self, name: &str, app: &str) -> Pod {
        let node = &self.namespace;
        let nodes: Api<Node> = Api::all(self.kube.clone());
        let object = object(json!({ "metadata": { "name": node } }));
        match nodes.create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
            created => drop(created.unwrap()),
        }
        let labels = json!({ "app": app });
        let mut spec = pod_spec();
        spec["nodeName"] = json!(node);
        let metadata = json!({ "name": name, "labels": labels });
        self.create_pod(json!({ "metadata": metadata, "spec": spec }))
            .await
    }

    /// Creates a pod by itself, which a new namespace refuses until it has a service account.
    pub(crate) async fn create_pod(&self, value: Value) -> Pod {
        let (pods, pod) = (self.api::<Pod>(), object(value));
        self.eventually("a pod to be admitted", async || {
            match pods.create(&PostParams::default(), &pod).await {
                Err(kube::Error::Api(status)) if status.code == 403 => None,
                created => Some(created.unwrap()),
            }
        })
        .await
    }

    /// Makes a Service and the Deployment behind it.
    pub(crate) async fn serve(&self, name: &str, replicas: u32) {
        self.create::<Service>(service(name)).await;
        self.create::<Deployment>(deployment(name, replicas)).await;
    }

    /// Sets the size of a Deployment by its `scale`.
    pub(crate) async fn scale(&self, name: &str, replicas: u32) {
        let scale = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        let deployments = self.api::<Deployment>();
        let parameters = PatchParams::default();
        let scaled = deployments.patch_scale(name, &parameters, &scale).await;
        scaled.unwrap();
    }

    /// The slices of a Service.
    pub(crate) async fn slices(&self, service: &str) -> Vec<EndpointSlice> {
        let label = format!("kubernetes.io/service-name={service}");
        let parameters = ListParams::default().labels(&label);
        self.api().list(&parameters).await.unwrap().items
    }

    /// The endpoints of a Service.
    pub(crate) async fn endpoints(&self, service: &str) -> Vec<Endpoint> {
        let slices = self.slices(service).await.into_iter();
        slices
            .flat_map(|it| it.endpoints.unwrap_or_default())
            .collect()
    }

    /// Waits for a Service to have as many endpoints, all of them ready.
    pub(crate) async fn ready(&self, service: &str, count: usize) -> Vec<Endpoint> {
        let what = format!("{count} ready endpoints");
        self.eventually(&what, async || {
            let endpoints = self.endpoints(service).await;
            (endpoints.len() == count && endpoints.iter().all(is_ready)).then_some(endpoints)
        })
        .await
    }

    /// Looks again and again until there is something to be seen.
    pub(crate) async fn eventually<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let start = tokio::time::Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("waited {PATIENCE:?} for {what}");
    }

    /// Waits until nothing of a kind is left in the namespace.
    pub(crate) async fn nothing_left<K>(&self)
    where
        K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let what = format!("{} to be gone", K::plural(&()));
        self.eventually(&what, async || {
            let list = self.api::<K>().list(&ListParams::default()).await.unwrap();
            list.items.is_empty().then_some(())
        })
        .await;
    }
}

/// Typed, from JSON.
pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// What the API server refused with.
pub(crate) fn refusal<T>(result: Result<T, kube::Error>) -> Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

pub(crate) fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|it| it.ready) == Some(true)
}

pub(crate) fn service(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "selector": { "app": name },
            "ports": [{ "name": "http", "port": 80, "targetPort": "http" }],
        },
    })
}

pub(crate) fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": pod_spec() },
        },
    })
}

pub(crate) fn pod_spec() -> Value {
    json!({
        "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
        "containers": [{
            "name": "web", "image": "web:1",
            "ports": [{ "name": "http", "containerPort": 8080 }],
        }],
    })
}
