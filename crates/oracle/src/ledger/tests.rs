//! Claims about the ledger, to the microsecond.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

mod acknowledged;
mod claims;
mod classes;
mod messages;
mod retained;
mod retries;
mod slots;
mod unlearnt;
mod unserved;
mod waiting;

use dst_load_scenario::{action::Direction, scenario::Lifecycle};

use super::*;
use crate::{
    endpoint::Endpoint,
    kubernetes::{EndpointTarget, Place, Service, ServicePort, Slice, SliceEndpoint, SlicePort},
    update::Update,
};

const DEADLINE: Duration = Duration::from_secs(30);

fn endpoint(n: u8) -> Endpoint {
    named(n, &format!("pod-{n}"))
}

fn named(n: u8, pod: &str) -> Endpoint {
    Endpoint::of_pod(SocketAddr::from(([10, 0, 0, n], 8080)), pod)
}

fn endpoints(numbers: &[u8]) -> BTreeSet<Endpoint> {
    numbers.iter().map(|&n| endpoint(n)).collect()
}

fn add(numbers: &[u8]) -> Update {
    Update::Add(numbers.iter().map(|&n| endpoint(n)).collect())
}

fn remove(numbers: &[u8]) -> Update {
    Update::Remove(
        numbers
            .iter()
            .map(|&n| Endpoint::bare(endpoint(n).address))
            .collect(),
    )
}

fn ms(ms: u64) -> At {
    At::from_millis(ms)
}

/// A ledger with streams that hold a snapshot of endpoints 1 and 2, taken in before 1 s.
struct Story {
    ledger: ServiceLedger,
    version: u32,
}

impl Story {
    fn with_streams(streams: u32) -> Self {
        Self::within(DEADLINE, streams)
    }

    fn within(limits: impl Into<Limits>, streams: u32) -> Self {
        let mut story = Self {
            ledger: ServiceLedger::new(limits),
            version: 0,
        };
        for _ in 0..streams {
            story.ledger.add_stream(Place::default());
        }
        story.promised(ms(0), &[1, 2]);
        for stream in 0..streams {
            story.ledger.stream_sent(stream, ms(10));
            story.ledger.update(stream, ms(20), &add(&[1, 2]));
        }
        story.ledger.take_outbox();
        story
    }

    fn promised(&mut self, at: At, numbers: &[u8]) {
        self.observed(at, endpoints(numbers), true);
    }

    fn observed(&mut self, at: At, promised: BTreeSet<Endpoint>, timed: bool) {
        self.version += 1;
        let observation = Observation {
            visible: at,
            gone: false,
            cycle: 1,
            object: "slice-1".into(),
            resource_version: self.version.to_string().into(),
            timed,
        };
        self.ledger.observe_promised(&observation, &[promised]);
    }

    fn end(&self) -> (u64, u64, u64, u64) {
        let end = self.ledger.end_state(At::from_secs(3_600));
        (end.streams_wrong, end.missing, end.stale, end.unexpected)
    }
}

#[test]
fn each_delivery_is_timed_from_visible_to_the_microsecond() {
    let mut story = Story::with_streams(2);
    story.ledger.intend(Intent {
        at: At::from_micros(900_000),
        add: 1,
        remove: 0,
    });
    story.promised(At::from_micros(1_000_000), &[1, 2, 3]);
    story
        .ledger
        .update(0, At::from_micros(1_000_417), &add(&[3]));
    story
        .ledger
        .update(1, At::from_micros(1_250_001), &add(&[3]));
    let outbox = story.ledger.take_outbox();
    let micros: Vec<_> = outbox
        .deliveries
        .iter()
        .map(|d| (d.destination.as_micros(), d.end_to_end.unwrap().as_micros()))
        .collect();
    assert_eq!(micros, [(417, 100_417), (250_001, 350_001)]);
    assert_eq!(outbox.kubernetes[0].latency, Duration::from_millis(100));
    assert_eq!(outbox.kubernetes[0].deliveries, 2);
    let [change] = &outbox.changes[..] else {
        panic!("one change, closed: {:?}", outbox.changes)
    };
    assert_eq!(change.known.len(), 2);
    assert_eq!((change.endpoints, change.audience), (1, 2));
    assert_eq!(change.quantile(0.5), Some(Duration::from_micros(417)));
    assert_eq!(change.quantile(1.0), Some(Duration::from_micros(250_001)));
    assert!(story.ledger.is_settled());
}

#[test]
fn a_stream_knows_a_change_when_it_holds_the_whole_of_it() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[1, 2, 3, 4]);
    story.ledger.update(0, ms(1_001), &add(&[3]));
    assert!(story.ledger.take_outbox().changes.is_empty());
    story.ledger.update(0, ms(1_005), &add(&[4]));
    let changes = story.ledger.take_outbox().changes;
    assert_eq!(changes[0].known, [Duration::from_millis(5)]);
    assert_eq!(changes[0].endpoints, 2);
}

#[test]
fn additions_and_removals_of_one_event_are_two_changes() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[2, 3]);
    story.ledger.update(0, ms(1_002), &add(&[3]));
    story.ledger.update(0, ms(1_003), &remove(&[1]));
    let changes = story.ledger.take_outbox().changes;
    let seen: Vec<_> = changes
        .iter()
        .map(|c| (c.id.direction, c.known[0].as_millis()))
        .collect();
    assert_eq!(seen, [(Direction::Add, 2), (Direction::Remove, 3)]);
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn what_never_arrives_is_counted_at_the_deadline_and_once() {
    let mut story = Story::with_streams(2);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.ledger.update(0, ms(1_100), &add(&[3]));
    story.ledger.expire(ms(30_999));
    assert!(!story.ledger.is_settled());
    story.ledger.expire(ms(31_000));
    story.ledger.expire(ms(99_000));
    let outbox = story.ledger.take_outbox();
    let never: Vec<_> = outbox
        .deliveries
        .iter()
        .filter(|d| d.outcome == Outcome::Never)
        .collect();
    assert_eq!(never.len(), 1);
    assert_eq!(never[0].destination, DEADLINE);
    assert_eq!(
        (outbox.changes[0].known.len(), outbox.changes[0].never),
        (1, 1)
    );
    assert_eq!(outbox.changes[0].quantile(0.99), None);
    assert!(!outbox.changes[0].is_complete());
    assert_eq!(story.end(), (1, 1, 0, 0));
}

#[test]
fn an_arrival_after_the_deadline_is_late_and_leaves_the_histogram_alone() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.ledger.expire(ms(31_000));
    story.ledger.take_outbox();
    story.ledger.update(0, ms(32_000), &add(&[3]));
    let outbox = story.ledger.take_outbox();
    assert_eq!((outbox.counts.late, outbox.deliveries.len()), (1, 0));
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn an_update_before_the_observer_counts_as_early_with_no_latency() {
    let mut story = Story::with_streams(1);
    story.ledger.update(0, ms(999), &add(&[3]));
    assert!(!story.ledger.is_settled());
    story.promised(ms(1_000), &[1, 2, 3]);
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.counts.early, 1);
    assert_eq!(outbox.deliveries[0].destination, Duration::ZERO);
    assert_eq!(outbox.changes[0].known, [Duration::ZERO]);
    assert!(story.ledger.is_settled());
}

#[test]
fn an_update_that_nothing_confirms_is_unexpected_at_the_deadline() {
    let mut story = Story::with_streams(1);
    story.ledger.update(0, ms(1_000), &add(&[9]));
    story.ledger.expire(ms(31_000));
    assert_eq!(story.ledger.take_outbox().counts.unexpected, 1);
    assert_eq!(story.end(), (1, 0, 0, 1));
    story.ledger.update(0, ms(40_000), &remove(&[9]));
    assert_eq!(story.ledger.take_outbox().counts.unexpected_mended, 1);
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn a_removal_that_is_not_sent_leaves_a_stale_endpoint_and_its_seconds() {
    let mut story = Story::with_streams(2);
    story.promised(ms(1_000), &[1]);
    story.ledger.update(0, ms(3_500), &remove(&[2]));
    let counts = story.ledger.take_outbox().counts;
    assert!((counts.stale_seconds - 2.5).abs() < 1e-9);
    let end = story.ledger.end_state(ms(11_000));
    assert_eq!(
        (end.streams_checked, end.streams_wrong, end.streams_unjudged),
        (1, 0, 1),
        "it may be on its way"
    );
    let end = story.ledger.end_state(ms(41_000));
    assert_eq!((end.streams_wrong, end.stale), (1, 1));
    assert!((end.stale_seconds - 40.0).abs() < 1e-9);
    assert_eq!(end.examples[0].kind, "stale");
    assert_eq!(end.examples[0].since, Some(Duration::from_secs(40)));
}

#[test]
fn a_removal_and_addition_that_are_both_sent_are_both_timed() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[2]);
    story.promised(ms(1_100), &[1, 2]);
    story.ledger.update(0, ms(1_150), &remove(&[1]));
    story.ledger.update(0, ms(1_160), &add(&[1]));
    let latencies: Vec<_> = story
        .ledger
        .take_outbox()
        .deliveries
        .iter()
        .map(|d| (d.direction, d.destination.as_millis()))
        .collect();
    assert_eq!(latencies, [(Direction::Remove, 150), (Direction::Add, 60)]);
    assert!(story.ledger.is_settled());
}

#[test]
fn both_ways_before_the_observer_raises_no_alarm() {
    let mut story = Story::with_streams(1);
    story.ledger.update(0, ms(990), &add(&[3]));
    story.ledger.update(0, ms(995), &remove(&[3]));
    story.promised(ms(1_000), &[1, 2, 3]);
    story.promised(ms(1_001), &[1, 2]);
    story.ledger.expire(ms(60_000));
    let outbox = story.ledger.take_outbox();
    assert_eq!(
        outbox
            .deliveries
            .iter()
            .filter(|d| d.outcome != Outcome::Learnt)
            .count(),
        0
    );
    assert_eq!((outbox.counts.superseded, outbox.counts.unexpected), (0, 0));
    assert_eq!(outbox.counts.early, 2);
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn a_repeated_addition_is_redundant_and_wrong_in_nothing() {
    let mut story = Story::with_streams(1);
    story.ledger.update(0, ms(1_000), &add(&[1]));
    story.ledger.update(0, ms(1_000), &remove(&[77]));
    assert!(!story.ledger.is_settled(), "an event may explain it yet");
    story.ledger.expire(ms(2_000));
    assert_eq!(story.ledger.take_outbox().counts.redundant, 2);
    assert!(story.ledger.is_settled());
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn an_addition_is_repeated_and_not_redundant_where_an_event_of_its_slice_explains_it() {
    let counts = |named_at: u64, told_at: u64| {
        let mut story = Story::with_streams(1);
        let listed = BTreeSet::from([endpoint(1).address.ip()]);
        // Whichever comes first: the observer's watch may be behind.
        if named_at <= told_at {
            story.ledger.name(ms(named_at), &listed);
        }
        story.ledger.update(0, ms(told_at), &add(&[1]));
        if named_at > told_at {
            story.ledger.expire(ms(named_at));
            story.ledger.name(ms(named_at), &listed);
        }
        story.ledger.expire(ms(told_at + 1_000));
        let counts = story.ledger.take_outbox().counts;
        (counts.repeated, counts.redundant)
    };
    assert_eq!(counts(10_000, 10_001), (1, 0));
    assert_eq!(
        counts(10_000, 39_000),
        (1, 0),
        "as long as an update may take"
    );
    assert_eq!(counts(10_000, 41_000), (0, 1));
    assert_eq!(counts(10_001, 10_000), (1, 0));
    assert_eq!(
        counts(11_000, 10_000),
        (0, 1),
        "no watch is that far behind"
    );
}

#[test]
fn the_event_that_promises_an_endpoint_explains_one_addition_only() {
    let mut story = Story::with_streams(1);
    let listed = BTreeSet::from([endpoint(9).address.ip()]);
    story.ledger.name(ms(10_000), &listed);
    story.promised(ms(10_000), &[1, 9]);
    story.ledger.update(0, ms(10_001), &add(&[9]));
    story.ledger.update(0, ms(10_002), &add(&[9]));
    story.ledger.expire(ms(20_000));
    let counts = story.ledger.take_outbox().counts;
    assert_eq!((counts.repeated, counts.redundant), (0, 1));
}

#[test]
fn a_stream_that_closes_leaves_the_audience_and_is_checked_again_by_its_snapshot() {
    let mut story = Story::with_streams(2);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.ledger.update(0, ms(1_001), &add(&[3]));
    story.ledger.stream_closed(1, ms(1_002), EndedBy::Us);
    let outbox = story.ledger.take_outbox();
    assert_eq!(
        (outbox.changes[0].known.len(), outbox.changes[0].left),
        (1, 1)
    );
    assert_eq!(outbox.counts.left, 1);
    story.ledger.stream_sent(1, ms(2_000));
    assert_eq!(story.end(), (1, 3, 0, 0), "sent, and nothing received");
    story.ledger.update(1, ms(2_001), &add(&[1, 2, 3]));
    assert_eq!(story.end(), (0, 0, 0, 0));
    assert!(story.ledger.take_outbox().deliveries.is_empty());
}

#[test]
fn a_stream_on_an_empty_service_belongs_to_the_audience_a_second_after_it_was_sent() {
    let mut story = Story::with_streams(0);
    story.promised(ms(0), &[]);
    story.ledger.take_outbox();
    story.ledger.add_stream(Place::default());
    story.ledger.add_stream(Place::default());
    story.ledger.stream_sent(0, ms(0));
    story.ledger.stream_sent(1, ms(500));
    story.promised(ms(1_000), &[1]);
    story.ledger.update(0, ms(1_003), &add(&[1]));
    story.ledger.update(1, ms(1_004), &add(&[1]));
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.changes[0].audience, 1);
    assert_eq!(outbox.deliveries.len(), 1);
    assert_eq!(story.ledger.streams_held(), (2, 2));
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn an_address_that_passes_to_another_pod_is_a_removal_and_an_addition() {
    let mut story = Story::with_streams(1);
    let next: BTreeSet<_> = [endpoint(1), named(2, "pod-9")].into();
    story.observed(ms(1_000), next, true);
    story
        .ledger
        .update(0, ms(1_004), &Update::Add(vec![named(2, "pod-9")]));
    let outbox = story.ledger.take_outbox();
    assert_eq!(
        outbox.deliveries.len(),
        2,
        "the upsert replaces the old pod"
    );
    assert_eq!(story.end(), (0, 0, 0, 0));
    // A controller that then removes the address takes the new pod with it.
    story.ledger.update(0, ms(1_005), &remove(&[2]));
    assert_eq!(story.end(), (1, 1, 0, 0));
}

#[test]
fn two_messages_about_one_address_in_the_wrong_order_leave_it_stale() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[1, 2, 3]);
    story.promised(ms(1_500), &[1, 2]);
    story.ledger.update(0, ms(1_501), &remove(&[3]));
    story.ledger.update(0, ms(1_502), &add(&[3]));
    assert_eq!(story.end(), (1, 0, 1, 0));
}

#[test]
fn what_a_relist_brings_is_not_timed_but_wanted() {
    let mut story = Story::with_streams(1);
    story.observed(ms(1_000), endpoints(&[1, 2, 3]), false);
    let outbox = story.ledger.take_outbox();
    assert_eq!(outbox.counts.untimed_changes, 1);
    assert_eq!(outbox.changes[0].audience, 0);
    assert_eq!(story.end(), (1, 1, 0, 0));
    story.ledger.update(0, ms(1_100), &add(&[3]));
    assert!(story.ledger.take_outbox().deliveries.is_empty());
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn no_endpoints_empties_what_a_stream_holds() {
    let mut story = Story::with_streams(1);
    story.promised(ms(1_000), &[]);
    story
        .ledger
        .update(0, ms(1_001), &Update::NoEndpoints { exists: true });
    let outbox = story.ledger.take_outbox();
    let delivered: Vec<_> = outbox.deliveries.iter().map(|it| it.times).collect();
    assert_eq!(delivered, [2], "equal deliveries are one entry");
    assert_eq!(story.end(), (0, 0, 0, 0));
}

#[test]
fn with_local_traffic_policy_each_node_is_promised_its_own() {
    let mut ledger = ServiceLedger::new(DEADLINE);
    for node in ["node-1", "node-2"] {
        let stream = ledger.add_stream(Place {
            node: node.into(),
            zone: String::new(),
        });
        ledger.stream_sent(stream, ms(0));
    }
    let entry = |n: u8, node: &str| SliceEndpoint {
        addresses: vec![endpoint(n).address.ip()],
        ready: true,
        target: EndpointTarget::Pod(format!("pod-{n}")),
        node: Some(node.into()),
        hostname: None,
        zones: Vec::new(),
    };
    let slice = Slice {
        ports: vec![SlicePort {
            name: "http".into(),
            port: Some(8080),
        }],
        endpoints: vec![entry(1, "node-1"), entry(2, "node-2")],
    };
    let mut service = Service {
        ports: vec![ServicePort {
            name: "http".into(),
            port: 8080,
        }],
        local_traffic_only: false,
        external_name: false,
    };
    let observation = |at| Observation {
        visible: at,
        gone: false,
        cycle: 0,
        object: "o".into(),
        resource_version: at.as_micros().to_string().into(),
        timed: true,
    };
    ledger.observe(&observation(ms(100)), Some(&service), [&slice], 8080);
    for stream in [0, 1] {
        ledger.update(stream, ms(200), &add(&[1, 2]));
    }
    assert_eq!(ledger.end_state(ms(300)).streams_wrong, 0);
    service.local_traffic_only = true;
    ledger.observe(&observation(ms(1_000)), Some(&service), [&slice], 8080);
    assert_eq!(ledger.end_state(ms(1_001)).streams_unjudged, 2);
    let end = ledger.end_state(ms(31_001));
    assert_eq!((end.streams_wrong, end.stale), (2, 2));
    ledger.update(0, ms(1_002), &remove(&[2]));
    ledger.update(1, ms(1_003), &remove(&[1]));
    assert_eq!(ledger.end_state(ms(1_004)).streams_wrong, 0);
    let outbox = ledger.take_outbox();
    let change = outbox.changes.last().unwrap();
    assert_eq!((change.endpoints, change.known.len()), (2, 2));
}
