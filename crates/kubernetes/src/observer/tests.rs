//! Claims about the observer, with an API server that says what it is told to, byte by byte, in
//! virtual time.

mod health;

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use dst_load_oracle::{
    endpoint::Endpoint,
    kubernetes::Place,
    ledger::{ClosedChange, LockedLedger, Outbox, WatchedService, Written},
    update::Update,
};
use dst_load_scenario::time::At;
use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What the server does with one request.
struct Answer {
    status: u16,
    after: Duration,
    steps: Vec<Step>,
}

/// What it does with the body.
enum Step {
    Say(Vec<u8>),
    Wait(Duration),
    HangUp,
    /// Nothing more, and no end.
    Stay,
}

/// The answers to each resource's requests, in turn.
type Script = BTreeMap<&'static str, VecDeque<Answer>>;

/// What was asked for, and when.
type Log = Arc<Mutex<Vec<(At, String)>>>;

fn answer(status: u16, body: Value) -> Answer {
    Answer {
        status,
        after: Duration::ZERO,
        steps: vec![Step::Say(body.to_string().into_bytes())],
    }
}

fn watch(steps: Vec<Step>) -> Answer {
    Answer {
        status: 200,
        after: Duration::ZERO,
        steps,
    }
}

fn list(version: &str, items: Vec<Value>) -> Answer {
    answer(
        200,
        json!({"metadata": {"resourceVersion": version}, "items": items}),
    )
}

fn line(kind: &str, object: &Value) -> Vec<u8> {
    let mut line = json!({"type": kind, "object": object})
        .to_string()
        .into_bytes();
    line.push(b'\n');
    line
}

fn event(kind: &str, object: &Value) -> Step {
    Step::Say(line(kind, object))
}

fn service(version: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "web", "uid": "s", "resourceVersion": version},
        "spec": {"ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]},
    })
}

/// A slice with the endpoints 10.0.0.1 to `count`.
fn slice(version: &str, count: u8) -> Value {
    let endpoints: Vec<_> = (1..=count)
        .map(|last| json!({"addresses": [format!("10.0.0.{last}")]}))
        .collect();
    json!({
        "metadata": {
            "namespace": "shop", "name": "web-1", "uid": "e", "resourceVersion": version,
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "admin", "port": 9090}, {"name": "http", "port": 8080}],
        "endpoints": endpoints,
    })
}

/// A server that plays `script`; where that has ended, lists are empty and watches stay silent.
fn server(clock: Clock, script: Script) -> (kube::Client, Log) {
    let log = Log::default();
    let (seen, script) = (Arc::clone(&log), Arc::new(Mutex::new(script)));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
        async move {
            let uri = request.uri().to_string();
            seen.lock().push((clock.now(), uri.clone()));
            let resource = ["nodes", "services", "endpointslices"]
                .into_iter()
                .find(|resource| request.uri().path().ends_with(resource))
                .unwrap();
            let scripted = script
                .lock()
                .get_mut(resource)
                .and_then(VecDeque::pop_front);
            let answer = scripted.unwrap_or_else(|| {
                if uri.contains("watch=1") {
                    watch(vec![Step::Stay])
                } else {
                    list("1", Vec::new())
                }
            });
            tokio::time::sleep(answer.after).await;
            if let [Step::HangUp] = answer.steps[..] {
                return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
            }
            let response = Response::builder().status(answer.status);
            Ok(response
                .body(StreamBody::new(body(answer.steps).boxed()))
                .unwrap())
        }
    });
    (kube::Client::new(service, "default"), log)
}

fn body(steps: Vec<Step>) -> impl futures::Stream<Item = io::Result<Frame<Bytes>>> + Send {
    stream::iter(steps).filter_map(|step| async move {
        match step {
            Step::Say(bytes) => Some(Ok(Frame::data(Bytes::from(bytes)))),
            Step::Wait(span) => {
                tokio::time::sleep(span).await;
                None
            }
            Step::HangUp => Some(Err(io::ErrorKind::ConnectionReset.into())),
            Step::Stay => std::future::pending().await,
        }
    })
}

fn script(
    services: impl IntoIterator<Item = Answer>,
    slices: impl IntoIterator<Item = Answer>,
) -> Script {
    [
        ("services", services.into_iter().collect()),
        ("endpointslices", slices.into_iter().collect()),
    ]
    .into()
}

/// A maker of clients that all are this one.
fn always(kube: kube::Client) -> KubeFactory {
    Arc::new(move || Ok(kube.clone()))
}

/// An observer of Service `web` on both its ports, and what it has been told after `seconds`.
struct Seen {
    ledgers: Arc<Ledgers>,
    observer: Observer,
    log: Vec<(At, String)>,
}

async fn observe(seconds: u64, script: Script) -> Seen {
    observe_with(seconds, script, |_, _| {}).await
}

/// As [`observe`], with streams that `enter` adds once everything is listed.
async fn observe_with(seconds: u64, script: Script, enter: impl FnOnce(&Ledgers, Clock)) -> Seen {
    let clock = Clock::start();
    let (kube, log) = server(clock, script);
    let services = [80, 81].map(|port| WatchedService::new("web", "shop", "cluster.local", port));
    let ledgers = Arc::new(Ledgers::new(services.into(), 30 * SECOND));
    let observer = Observer::new(Arc::clone(&ledgers), clock);
    let mut waiting = observer.clone();
    let looking = async {
        waiting.synced(60 * SECOND).await.unwrap();
        enter(&ledgers, clock);
        clock.sleep_until(At::from_secs(seconds)).await;
    };
    let kube = always(kube);
    tokio::select! {
        biased;
        ended = observer.watch(&kube, "shop") => panic!("{ended:?}"),
        () = looking => {}
    }
    let log = log.lock().clone();
    Seen {
        ledgers,
        observer,
        log,
    }
}

// === impl Seen ===

impl Seen {
    fn first(&self) -> &LockedLedger {
        &self.ledgers.all()[0]
    }

    fn promised(&self) -> Vec<usize> {
        let all = self.ledgers.all().iter();
        all.map(|locked| locked.with(|ledger| ledger.promised()))
            .collect()
    }

    /// What the first port's ledger hands on, once everything is overdue.
    fn outbox(&self) -> Outbox {
        self.first().take(At::from_secs(3_600))
    }

    /// The changes that a stream was there for.
    fn changes(&self) -> Vec<ClosedChange> {
        let mut changes = self.outbox().changes;
        changes.retain(|change| change.audience > 0);
        changes
    }

    /// The queries of the slices' requests, without what is always the same.
    fn asked(&self) -> Vec<String> {
        let queries = self.log.iter().filter_map(|(_, uri)| {
            let (_, query) = uri.split_once("endpointslices?")?;
            let watch = "watch=1&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion=";
            Some(query.replace(watch, "watch from "))
        });
        queries.collect()
    }
}

/// A stream on the first port that holds the endpoints up to `count`.
fn hold(count: u8) -> impl FnOnce(&Ledgers, Clock) {
    move |ledgers, clock| {
        let locked = &ledgers.all()[0];
        let stream = locked.with(|ledger| ledger.add_stream(Place::default()));
        locked.with(|ledger| ledger.stream_sent(stream, clock.now()));
        let endpoint = |last| Endpoint::bare(SocketAddr::from(([10, 0, 0, last], 8080)));
        let snapshot = Update::Add((1..=count).map(endpoint).collect());
        locked.update(stream, clock.now(), &snapshot);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slice_of_our_own_counts_from_its_acknowledgement() {
    let slices = [
        list("1", vec![slice("5", 1)]),
        watch(vec![
            Step::Wait(3 * SECOND),
            event("MODIFIED", &slice("6", 2)),
            Step::Wait(3 * SECOND),
            event("DELETED", &slice("7", 2)),
            Step::Stay,
        ]),
    ];
    let script = script([list("1", vec![service("2")])], slices);
    let seen = observe_with(10, script, |ledgers, clock| {
        let locked = &ledgers.all()[0];
        locked.with(|ledger| ledger.add_stream(Place::default()));
        locked.with(|ledger| ledger.stream_sent(0, clock.now()));
        let held = Endpoint::bare(([10, 0, 0, 1], 8080).into());
        locked.update(0, At::ZERO, &Update::Add(vec![held]));
        let written = |version: Option<&str>| Written {
            object: "e".into(),
            resource_version: version.map(Arc::from),
        };
        ledgers.acknowledge(0, written(Some("6")), At::from_millis(2_750));
        ledgers.acknowledge(0, written(None), At::from_millis(5_500));
    })
    .await;
    let starts: Vec<_> = seen
        .changes()
        .iter()
        .map(|it| (it.start, it.visible))
        .collect();
    let ms = At::from_millis;
    assert_eq!(starts, [(ms(2_750), ms(3_000)), (ms(5_500), ms(6_000))]);
}

#[tokio::test(start_paused = true)]
async fn services_and_slices_promise_the_same_in_either_order_on_each_port() {
    for (services_after, slices_after) in [(0, 5), (5, 0)] {
        let late = |seconds, mut answer: Answer| {
            answer.after = SECOND * seconds;
            answer
        };
        let script = script(
            [late(services_after, list("7", vec![service("3")]))],
            [late(slices_after, list("7", vec![slice("4", 3)]))],
        );
        let seen = observe(10, script).await;
        assert_eq!(seen.promised(), [3, 3]);
    }
}

/// The API server takes any number in an EndpointSlice.
#[tokio::test(start_paused = true)]
async fn a_number_that_no_port_has_hides_nothing_else_of_a_list() {
    for number in [json!(-1), json!(0), json!(70_000), json!(null)] {
        let mut strange = slice("4", 2);
        strange["metadata"]["name"] = json!("strange");
        strange["metadata"]["uid"] = json!("strange");
        strange["ports"][0]["port"] = number.clone();
        strange["ports"][1]["port"] = number;
        let script = script(
            [list("7", vec![service("3")])],
            [list("7", vec![strange, slice("4", 3)])],
        );
        let seen = observe(10, script).await;
        assert_eq!(seen.promised(), [3, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_is_visible_when_its_last_byte_has_arrived() {
    let whole = line("MODIFIED", &slice("9", 2));
    let (head, tail) = whole.split_at(whole.len() / 2);
    let steps = vec![
        Step::Wait(10 * SECOND),
        Step::Say(head.to_vec()),
        Step::Wait(3 * SECOND),
        Step::Say(tail.to_vec()),
        Step::Stay,
    ];
    let script = script(
        [list("7", vec![service("3")])],
        [list("7", vec![slice("4", 1)]), watch(steps)],
    );
    let seen = observe_with(20, script, hold(1)).await;
    let changes = seen.changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].visible, At::from_secs(13));
    assert_eq!(&*changes[0].id.resource_version, "9");
}

#[tokio::test(start_paused = true)]
async fn events_that_arrive_together_are_visible_together() {
    let mut both = line("MODIFIED", &slice("8", 2));
    both.extend(line("MODIFIED", &slice("9", 1)));
    both.extend(line("MODIFIED", &slice("10", 3)));
    let steps = vec![Step::Wait(5 * SECOND), Step::Say(both), Step::Stay];
    let script = script(
        [list("7", vec![service("3")])],
        [list("7", vec![slice("4", 1)]), watch(steps)],
    );
    let seen = observe_with(20, script, hold(1)).await;
    assert_eq!(seen.promised(), [3, 3]);
    let changes = seen.changes();
    assert!(!changes.is_empty());
    assert!(
        changes
            .iter()
            .all(|change| change.visible == At::from_secs(5))
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_resumed_where_it_stood() {
    let script = script(
        [list("7", vec![service("3")])],
        [
            list("7", vec![slice("4", 1)]),
            watch(vec![event("MODIFIED", &slice("9", 2))]),
            watch(vec![event("DELETED", &slice("12", 2)), Step::Wait(SECOND)]),
        ],
    );
    let seen = observe(20, script).await;
    let asked = ["limit=500", "watch from 7", "watch from 9", "watch from 12"];
    assert_eq!(seen.asked(), asked);
    assert_eq!((seen.observer.relists(), seen.promised()), (0, vec![0, 0]));
    assert!(seen.observer.take_errors().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_moves_the_place_to_resume_from() {
    let bookmark = json!({"metadata": {"resourceVersion": "77"}});
    let script = script(
        [],
        [
            list("7", Vec::new()),
            watch(vec![event("BOOKMARK", &bookmark)]),
        ],
    );
    let seen = observe(5, script).await;
    assert_eq!(seen.asked(), ["limit=500", "watch from 7", "watch from 77"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_within_an_event_is_resumed_before_it() {
    let broken = line("MODIFIED", &slice("10", 3));
    let script = script(
        [list("7", vec![service("3")])],
        [
            list("7", vec![slice("4", 1)]),
            watch(vec![
                event("MODIFIED", &slice("9", 2)),
                Step::Say(broken[..40].to_vec()),
                Step::HangUp,
            ]),
            watch(vec![Step::Say(broken), Step::Stay]),
        ],
    );
    let seen = observe(20, script).await;
    assert_eq!(seen.asked(), ["limit=500", "watch from 7", "watch from 9"]);
    assert_eq!((seen.observer.relists(), seen.promised()), (0, vec![3, 3]));
    let errors = seen.observer.take_errors();
    assert_eq!(errors["watch: connection lost"], 1, "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_place_is_listed_anew_and_what_vanished_meanwhile_is_found_untimed() {
    let gone = json!({"kind": "Status", "code": 410, "message": "too old resource version"});
    let script = script(
        [list("7", vec![service("3")])],
        [
            list("7", vec![slice("4", 2)]),
            watch(vec![Step::Wait(5 * SECOND), event("ERROR", &gone)]),
            list("50", Vec::new()),
        ],
    );
    let seen = observe_with(20, script, hold(2)).await;
    let asked = ["limit=500", "watch from 7", "limit=500", "watch from 50"];
    assert_eq!(seen.asked(), asked);
    assert_eq!((seen.observer.relists(), seen.promised()), (1, vec![0, 0]));
    let outbox = seen.outbox();
    assert_eq!(outbox.counts.untimed_changes, 1);
    assert_eq!(outbox.deliveries.len(), 0);
    assert_eq!(seen.observer.take_errors()["watch: 410 Gone"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_it_by_verb_and_resource_but_nodes_can_be_done_without() {
    let refusal = || answer(403, json!({"code": 403, "message": "User \"u\" may not"}));
    let mut script = script(
        [list("7", vec![service("3")])],
        [list("7", vec![slice("4", 1)])],
    );
    script.insert("nodes", [refusal()].into());
    let seen = observe(5, script).await;
    assert_eq!(
        (seen.promised(), seen.observer.nodes()),
        (vec![1, 1], Vec::new())
    );

    let clock = Clock::start();
    let script = [("services", [refusal()].into())].into();
    let (kube, _) = server(clock, script);
    let ledgers = Arc::new(Ledgers::new(Vec::new(), SECOND));
    let kube = always(kube);
    let observer = Observer::new(ledgers, clock);
    let error = observer.watch(&kube, "shop").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot list services: User \"u\" may not"
    );
}

#[tokio::test(start_paused = true)]
async fn an_api_that_cannot_be_reached_is_said_to_be_so_after_a_while() {
    let clock = Clock::start();
    let refused = || watch(vec![Step::HangUp]);
    let script = script(
        std::iter::repeat_with(refused).take(500),
        std::iter::repeat_with(refused).take(500),
    );
    let (kube, _) = server(clock, script);
    let observer = Observer::new(Arc::new(Ledgers::new(Vec::new(), SECOND)), clock);
    let mut waiting = observer.clone();
    let kube = always(kube);
    let error = tokio::select! {
        biased;
        ended = observer.watch(&kube, "") => panic!("{ended:?}"),
        synced = waiting.synced(30 * SECOND) => synced.unwrap_err().to_string(),
    };
    assert_eq!(clock.now(), At::from_secs(30));
    assert!(
        error.starts_with("the Kubernetes API could not be read for 30s"),
        "{error}"
    );
    assert!(error.ends_with("connection refused"), "{error}");
}
