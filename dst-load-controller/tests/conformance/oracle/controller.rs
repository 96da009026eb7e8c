//! A real controller on an embedded cluster, and what it sends to streams that are new.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    net::{IpAddr, SocketAddr},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use dst_load_destination::dial::dial;
use dst_load_scenario::scenario::Lifecycle;
use dst_load_transport::{
    cluster::Cluster,
    http::{self, Address, Http},
    world::Grpc,
};
use kube::{
    Api,
    api::{DynamicObject, ListParams, PostParams},
    core::GroupVersionKind,
    discovery::ApiResource,
};
use linkerd2_proxy_api::{
    destination::{GetDestination, Update, destination_client::DestinationClient, update},
    net::TcpAddress,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};

use super::{
    ask::{self, Addresses, Client},
    objects::{Names, ObjectSet},
    sample::Sample,
};

/// How long the controller has to see what was written.
const PATIENCE: Duration = Duration::from_secs(60);
/// After how long without a message the streams have all that they will be sent at first.
const QUIET: Duration = Duration::from_millis(700);

/// The kinds of object that are written, with their versions and plurals, and the gauge of how many
/// of them the controller has.
const KINDS: [(&str, &str, &str, &str); 6] = [
    ("Node", "v1", "nodes", "node_cache_size"),
    ("Pod", "v1", "pods", "pod_cache_size"),
    ("Service", "v1", "services", "service_cache_size"),
    (
        "ExternalWorkload",
        "workload.linkerd.io/v1beta1",
        "externalworkloads",
        "externalworkload_cache_size",
    ),
    (
        "Server",
        "policy.linkerd.io/v1beta3",
        "servers",
        "server_cache_size",
    ),
    (
        "EndpointSlice",
        "discovery.k8s.io/v1",
        "endpointslices",
        "endpointslices_cache_size",
    ),
];

/// The controller cannot be asked any more.
#[derive(Debug)]
pub(super) struct Gone(pub(super) String);

/// What the controller said of a set of objects.
pub(super) struct Answer {
    pub(super) set: ObjectSet,
    /// What the API server said of an object that it refused.
    pub(super) refusal: Option<String>,
    /// The objects as the cluster has them, with those that its own controllers added.
    pub(super) objects: Vec<Value>,
    pub(super) clients: Vec<Client>,
    /// What each of the clients was sent.
    pub(super) sent: Vec<Addresses>,
}

/// A controller that serves, until it is dropped.
pub(super) struct Controller {
    child: Child,
    kube: kube::Client,
    grpc: Grpc,
    metrics: Address,
    http: Http,
    /// Sets that it was asked about.
    sets: usize,
    // Closed, it would be written to in vain.
    _stdout: BufReader<ChildStdout>,
    _directory: TempDir,
}

// === impl Controller ===

impl Controller {
    /// Starts the controller of this command line, with its flag `-enable-ipv6`.
    pub(super) async fn start(line: &str, ipv6: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kubeconfig");
        let mut child = Command::new(env!("CARGO_BIN_EXE_dst-load-controller"))
            .args(["--log-level=error", "sandbox", "--destination-bin"])
            .arg(format!("{line} -enable-ipv6={ipv6} -log-level=fatal"))
            .arg("--kubeconfig")
            .arg(&file)
            .arg("--destination-log")
            .arg(directory.path().join("log"))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).expect("the controller does not start");
        let cluster = Cluster::find(Some(&file), None).await.unwrap();
        let destination = ready["destination"].as_str().unwrap();
        let dial = dial(destination, Lifecycle::Eternal).unwrap();
        let metrics = ready["destination_metrics"].as_str().unwrap();
        Self {
            child,
            kube: cluster.client().unwrap(),
            grpc: dial(None).await.unwrap(),
            metrics: Address::parse(metrics, "").unwrap(),
            http: http::kept(),
            sets: 0,
            _stdout: stdout,
            _directory: directory,
        }
    }

    /// Writes each set under names of its own, and opens a stream for each of its clients once the
    /// controller has seen everything.
    ///
    /// # Errors
    /// If the controller is gone.
    pub(super) async fn ask(&mut self, samples: &[Sample]) -> Result<Vec<Answer>, Gone> {
        let mut written = Vec::new();
        for sample in samples {
            self.sets += 1;
            let set = sample.set(Names::numbered(self.sets));
            let mut refusal = None;
            for object in namespaces(&set).chain(set.objects.iter().cloned()) {
                if let Err(error) = self.create(&object).await {
                    refusal = Some(format!("{error:#}\n{object:#}"));
                }
            }
            written.push((set, refusal));
        }
        self.seen().await?;
        let mut answers = Vec::new();
        let mut streams = Streams::default();
        for (set, refusal) in written {
            let clients = ask::clients(&set);
            for client in &clients {
                streams.open(self.grpc.clone(), client.path(&set), client.token(&set));
            }
            answers.push(Answer {
                objects: self.objects_of(&set).await,
                set,
                refusal,
                clients,
                sent: Vec::new(),
            });
        }
        let mut sent = streams.first_answers().await?.into_iter();
        for answer in &mut answers {
            answer.sent = sent.by_ref().take(answer.clients.len()).collect();
        }
        Ok(answers)
    }

    async fn create(&self, object: &Value) -> anyhow::Result<()> {
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        let kind = resource(object.types.as_ref().map_or("", |it| &it.kind));
        let kube = self.kube.clone();
        let api = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(kube, namespace, &kind),
            None => Api::all_with(kube, &kind),
        };
        api.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    /// The objects of a set as the API server has them. Nodes and Pods are as they were written.
    async fn objects_of(&self, set: &ObjectSet) -> Vec<Value> {
        let given = set.objects.iter();
        let mut objects: Vec<_> = given
            .filter(|it| it["kind"] != "Service" && it["kind"] != "EndpointSlice")
            .cloned()
            .collect();
        for kind in ["Service", "EndpointSlice"] {
            for namespace in [set.names.namespace.clone(), set.names.elsewhere()] {
                let api: Api<DynamicObject> =
                    Api::namespaced_with(self.kube.clone(), &namespace, &resource(kind));
                let listed = api.list(&ListParams::default()).await.unwrap();
                objects.extend(listed.items.iter().map(|it| {
                    let mut object = serde_json::to_value(it).unwrap();
                    object["kind"] = json!(kind);
                    object
                }));
            }
        }
        objects
    }

    /// Waits until the controller has as many objects of each kind as the cluster, which has
    /// finished adding its own.
    async fn seen(&self) -> Result<(), Gone> {
        let start = Instant::now();
        let mut before = None;
        loop {
            let mut counts = Vec::new();
            for (kind, ..) in KINDS {
                let api: Api<DynamicObject> = Api::all_with(self.kube.clone(), &resource(kind));
                let listed = api.list_metadata(&ListParams::default()).await.unwrap();
                counts.push(listed.items.len());
            }
            let sizes = self.cache_sizes().await?;
            if counts == sizes && before.as_ref() == Some(&counts) {
                return Ok(());
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the cluster has {counts:?} objects, and the controller {sizes:?}"
            );
            before = Some(counts);
            // The cluster's own controllers write slices some 100 ms after a change.
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// How many objects of each of [`KINDS`] the controller has.
    async fn cache_sizes(&self) -> Result<Vec<usize>, Gone> {
        let answer = http::get(&self.http, &self.metrics).await.map_err(Gone)?;
        let page = http::whole(answer.into_body(), usize::MAX)
            .await
            .map_err(Gone)?;
        let page = String::from_utf8(page.to_vec()).unwrap();
        let size = |gauge: &str| {
            let mut lines = page.lines();
            let line = lines.find(|it| it.starts_with(gauge) && it.contains("cluster=\"local\""));
            let value = line.and_then(|it| it.rsplit(' ').next()?.parse().ok());
            value.unwrap_or_else(|| panic!("the controller has no gauge {gauge}"))
        };
        Ok(KINDS.map(|(.., gauge)| size(gauge)).to_vec())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // With it ends the controller, which it has started.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The namespaces of a set.
fn namespaces(set: &ObjectSet) -> impl Iterator<Item = Value> {
    let all: BTreeSet<_> = (set.objects.iter())
        .filter_map(|it| it["metadata"]["namespace"].as_str())
        .chain([set.names.namespace.as_str()])
        .map(str::to_owned)
        .collect();
    all.into_iter()
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
}

fn resource(kind: &str) -> ApiResource {
    let mut kinds = KINDS.iter();
    let (version, plural) = match kinds.find(|(name, ..)| *name == kind) {
        Some((_, version, plural, _)) => (*version, *plural),
        None => ("v1", "namespaces"),
    };
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    ApiResource::from_gvk_with_plural(&kind, plural)
}

/// Streams that are read.
#[derive(Default)]
struct Streams {
    readers: JoinSet<()>,
    states: Vec<Arc<Mutex<State>>>,
}

/// What a stream was sent.
struct State {
    addresses: Addresses,
    last: Instant,
    gone: Option<String>,
}

// === impl Streams ===

impl Streams {
    fn open(&mut self, grpc: Grpc, path: String, context_token: String) {
        let state = Arc::new(Mutex::new(State {
            addresses: BTreeSet::new(),
            last: Instant::now(),
            gone: None,
        }));
        self.states.push(Arc::clone(&state));
        self.readers.spawn(async move {
            let get = GetDestination {
                scheme: String::new(),
                path,
                context_token,
            };
            let reading = async {
                let mut updates = DestinationClient::new(grpc).get(get).await?.into_inner();
                while let Some(update) = updates.message().await? {
                    state.lock().apply(&update);
                }
                Ok::<_, tonic::Status>(())
            };
            let ended = reading.await;
            let mut state = state.lock();
            state.last = Instant::now();
            // Other codes are answers: a Service that is not there, or has no endpoints ever.
            if let Err(status) = ended
                && matches!(
                    status.code(),
                    tonic::Code::Unavailable | tonic::Code::Unknown
                )
            {
                state.gone = Some(status.to_string());
            }
        });
    }

    /// What each was sent by the time at which none is sent anything any more.
    async fn first_answers(self) -> Result<Vec<Addresses>, Gone> {
        loop {
            let last = self.states.iter().map(|it| it.lock().last).max();
            let Some(last) = last else {
                return Ok(Vec::new());
            };
            let quiet = last.elapsed();
            if quiet >= QUIET {
                break;
            }
            tokio::time::sleep(QUIET - quiet).await;
        }
        let answers = self.states.iter().map(|state| {
            let state = state.lock();
            match &state.gone {
                Some(why) => Err(Gone(why.clone())),
                None => Ok(state.addresses.clone()),
            }
        });
        answers.collect()
    }
}

// === impl State ===

impl State {
    fn apply(&mut self, update: &Update) {
        self.last = Instant::now();
        match update.update.as_ref().unwrap() {
            update::Update::Add(set) => {
                let added = set.addrs.iter().filter_map(|it| address(it.addr.as_ref()?));
                self.addresses.extend(added);
            }
            update::Update::Remove(set) => {
                for removed in set.addrs.iter().filter_map(address) {
                    self.addresses.remove(&removed);
                }
            }
            update::Update::NoEndpoints(_) => self.addresses.clear(),
        }
    }
}

/// An address, if its port is one. The API's own conversion keeps 16 bits of any number, and nobody
/// listens there.
fn address(of: &TcpAddress) -> Option<SocketAddr> {
    let ip = IpAddr::try_from(of.ip?).ok()?;
    Some(SocketAddr::new(ip, u16::try_from(of.port).ok()?))
}
