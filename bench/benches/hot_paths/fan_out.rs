//! One event of the embedded cluster, until the last of many streams of the reference destination
//! has its message: all in this process, on one thread, without sockets.

use std::{cell::Cell, rc::Rc};

use criterion::{Criterion, Throughput};
use dst_load_destination::{
    decode,
    stream::{self, Identity, Method},
};
use dst_load_oracle::update::Update;
use dst_load_sandbox::{destination, kubernetes};
use dst_load_transport::clock::Clock;
use k8s_openapi::{
    api::{core::v1::Service, discovery::v1::EndpointSlice},
    serde_json::{Value, json},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    task::LocalSet,
};

const STREAMS: u32 = 1_000;
const SLICE: &str = "web-1";

/// What the streams have heard.
#[derive(Debug, Default)]
struct Heard {
    messages: Cell<u32>,
    /// Addresses in the last message, and whether they came or went.
    last: Cell<(usize, bool)>,
    all: Notify,
}

/// A Service without a selector, its slice, and streams that ask for it.
struct Audience {
    /// Ends before the runtime that it is on.
    streams: LocalSet,
    runtime: Runtime,
    heard: Rc<Heard>,
    slices: Api<EndpointSlice>,
    there: bool,
    _kubernetes: kubernetes::Kubernetes,
    _destination: destination::Destination,
}

// === impl Heard ===

impl Heard {
    fn hear(&self, message: &[u8]) {
        self.messages.set(self.messages.get() + 1);
        if self.messages.get() == STREAMS {
            let update = decode::update(message).expect("invariant: the sandbox encoded it");
            let update = update.expect("invariant: something came or went");
            let came = matches!(update, Update::Add(_));
            self.last.set((update.addresses(), came));
            self.all.notify_one();
        }
    }

    /// Waits until each stream has had one message.
    async fn all(&self) {
        self.all.notified().await;
        self.messages.set(0);
    }
}

// === impl Audience ===

impl Audience {
    fn new() -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("invariant: a runtime without sockets needs nothing of the system");
        let streams = LocalSet::new();
        let heard = Rc::<Heard>::default();
        let (kubernetes, destination, slices) = streams.block_on(&runtime, async {
            let kubernetes = kubernetes::Kubernetes::start(kubernetes::Config::default());
            let destination = destination::Destination::start(
                destination::Config {
                    seed: 0,
                    cluster_domain: "cluster.local".into(),
                    queue_capacity: 100,
                    ipv6: true,
                    faults: Vec::new(),
                },
                kubernetes.client(),
            );
            let client = kubernetes.client();
            let services: Api<Service> = Api::namespaced(client.clone(), "default");
            let slices: Api<EndpointSlice> = Api::namespaced(client, "default");
            create(&services, service()).await;
            create(&slices, slice()).await;
            destination.ready().await;
            listen(&destination, &heard);
            heard.all().await;
            (kubernetes, destination, slices)
        });
        assert_eq!(heard.last.get(), (1, true), "a snapshot");
        Self {
            streams,
            runtime,
            heard,
            slices,
            there: false,
            _kubernetes: kubernetes,
            _destination: destination,
        }
    }

    /// The second endpoint comes, or goes, and all streams are told.
    fn event(&mut self) {
        self.there = !self.there;
        let endpoints = if self.there {
            json!([endpoint(1), endpoint(2)])
        } else {
            json!([endpoint(1)])
        };
        let patch = Patch::Merge(json!({ "endpoints": endpoints }));
        let written = async {
            let params = PatchParams::default();
            let patched = self.slices.patch(SLICE, &params, &patch).await;
            patched.expect("invariant: the slice is there");
            self.heard.all().await;
        };
        self.streams.block_on(&self.runtime, written);
    }
}

/// Opens the streams, each of which counts its messages.
fn listen(destination: &destination::Destination, heard: &Rc<Heard>) {
    let clock = Clock::start();
    let grpc = destination.grpc();
    for number in 0..STREAMS {
        let identity = Identity {
            namespace: "default".into(),
            node: format!("node-{}", 1 + number % 3),
            pod: format!("client-{number}"),
        };
        let request = stream::request("web.default.svc.cluster.local:8080", &identity.token());
        let (grpc, heard) = (grpc.clone(), Rc::clone(heard));
        let hear = move |_, message: &[u8]| {
            heard.hear(message);
            Ok(())
        };
        let read = stream::read(grpc, Method::Get, clock, request, |_| {}, hear);
        tokio::task::spawn_local(read);
    }
}

async fn create<T>(api: &Api<T>, object: Value)
where
    T: Clone + std::fmt::Debug + DeserializeOwned + serde::Serialize,
{
    let object = k8s_openapi::serde_json::from_value(object);
    let object = object.expect("invariant: it is written as the API has it");
    let created = api.create(&PostParams::default(), &object).await;
    created.expect("invariant: the cluster is empty");
}

fn service() -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {"ports": [{"name": "http", "port": 8080}]},
    })
}

fn slice() -> Value {
    json!({
        "metadata": {"name": SLICE, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [endpoint(1)],
    })
}

fn endpoint(number: u32) -> Value {
    json!({"addresses": [format!("192.0.2.{number}")], "conditions": {"ready": true}})
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut audience = Audience::new();
    for came in [true, false] {
        audience.event();
        assert_eq!(audience.heard.last.get(), (1, came));
    }
    let mut group = criterion.benchmark_group("fan-out");
    group.throughput(Throughput::Elements(STREAMS.into()));
    group.bench_function("an event to 1,000 streams", |bencher| {
        bencher.iter(|| audience.event());
    });
    group.finish();
}
