//! What classes of clients are promised that come between two events, and what happens while it
//! cannot be said.

use dst_load_scenario::flags::Flags;

use super::*;
use crate::promise::Unjudged;

fn place(node: &str, zone: &str) -> Place {
    Place {
        node: node.into(),
        zone: zone.into(),
    }
}

fn entry(n: u8, node: &str, zone: Option<&str>) -> SliceEndpoint {
    SliceEndpoint {
        addresses: vec![endpoint(n).address.ip()],
        ready: true,
        target: EndpointTarget::Pod(format!("pod-{n}")),
        node: Some(node.into()),
        hostname: None,
        zones: zone.map(str::to_owned).into_iter().collect(),
    }
}

fn slice(endpoints: Vec<SliceEndpoint>) -> Slice {
    Slice {
        ports: vec![SlicePort {
            name: "http".into(),
            port: Some(8080),
        }],
        endpoints,
    }
}

fn service(local: bool) -> Service {
    Service {
        ports: vec![ServicePort {
            name: "http".into(),
            port: 8080,
        }],
        local_traffic_only: local,
        external_name: false,
    }
}

fn observe(ledger: &mut ServiceLedger, at: At, service: &Service, slice: &Slice) {
    let observation = Observation {
        visible: at,
        gone: false,
        cycle: 0,
        object: "o".into(),
        resource_version: at.as_micros().to_string().into(),
        timed: true,
    };
    ledger.observe(&observation, Some(service), [slice], 8080);
}

fn open(ledger: &mut ServiceLedger, at: At, place: Place) -> StreamId {
    let stream = ledger.add_stream(place);
    ledger.stream_sent(stream, at);
    stream
}

/// Streams on two Nodes in two zones, opened after the only event, with what each is sent.
fn opened(service: &Service, slice: &Slice, sent: [&[u8]; 2]) -> (ServiceLedger, EndState) {
    let mut ledger = ServiceLedger::new(DEADLINE);
    observe(&mut ledger, ms(0), service, slice);
    for ((node, zone), sent) in [("node-1", "a"), ("node-2", "b")].into_iter().zip(sent) {
        let stream = open(&mut ledger, ms(100), place(node, zone));
        if !sent.is_empty() {
            ledger.update(stream, ms(110), &add(sent));
        }
    }
    ledger.expire(ms(60_000));
    let end = ledger.end_state(ms(60_000));
    (ledger, end)
}

#[test]
fn clients_that_come_after_the_list_are_promised_what_is_theirs() {
    let (one, two) = (entry(1, "node-1", Some("a")), entry(2, "node-2", Some("b")));
    let slice = slice(vec![one, two]);
    for local in [true, false] {
        let service = service(local);
        let (mut ledger, end) = opened(&service, &slice, [&[1], &[2]]);
        assert_eq!((end.streams_checked, end.streams_wrong), (2, 0), "{local}");
        assert_eq!([0, 1].map(|it| ledger.promised_to(it)), [1, 1]);
        assert_eq!(ledger.promised(), 2, "wherever a client is");
        let outbox = ledger.take_outbox();
        assert!(outbox.changes.is_empty() && outbox.deliveries.is_empty());
        assert_eq!((outbox.counts.unexpected, outbox.counts.early), (0, 0));

        let (_, end) = opened(&service, &slice, [&[1], &[]]);
        assert_eq!((end.streams_wrong, end.missing), (1, 1), "one is missing");
        let (_, end) = opened(&service, &slice, [&[1, 2], &[2]]);
        assert_eq!((end.streams_wrong, end.missing), (1, 0));
        assert_eq!(end.stale + end.unexpected, 1, "one is too many");
    }
}

#[test]
fn a_class_that_comes_amid_others_makes_no_change_and_claims_no_intent() {
    let service = service(true);
    let slice = slice(vec![entry(1, "node-1", None), entry(2, "node-2", None)]);
    let mut ledger = ServiceLedger::new(DEADLINE);
    observe(&mut ledger, ms(0), &service, &slice);
    let first = open(&mut ledger, ms(10), place("node-1", "a"));
    ledger.update(first, ms(20), &add(&[1]));
    ledger.intend(Intent {
        at: ms(900),
        add: 1,
        remove: 0,
    });
    let late = open(&mut ledger, ms(1_000), place("node-2", "b"));
    ledger.update(late, ms(1_010), &add(&[2]));
    assert_eq!(ledger.outstanding(), 1);
    assert!(ledger.is_settled());
    assert_eq!(ledger.end_state(ms(1_020)).streams_wrong, 0);
    assert!(ledger.take_outbox().changes.is_empty());
}

#[test]
fn what_was_promised_to_everybody_before_anybody_came_is_not_promised_to_the_first() {
    let slice = slice(vec![entry(1, "node-1", None), entry(2, "node-2", None)]);
    let mut ledger = ServiceLedger::new(DEADLINE);
    observe(&mut ledger, ms(0), &service(false), &slice);
    observe(&mut ledger, ms(10), &service(true), &slice);
    let stream = open(&mut ledger, ms(100), place("node-2", "b"));
    ledger.update(stream, ms(110), &add(&[2]));
    assert_eq!(ledger.end_state(ms(200)).streams_wrong, 0);
}

#[test]
fn a_class_that_comes_when_place_no_longer_matters_is_promised_all() {
    let hinted = slice(vec![
        entry(1, "node-1", Some("a")),
        entry(2, "node-2", Some("b")),
    ]);
    let plain = slice(vec![entry(1, "node-1", None), entry(2, "node-2", None)]);
    let mut ledger = ServiceLedger::new(DEADLINE);
    observe(&mut ledger, ms(0), &service(false), &hinted);
    open(&mut ledger, ms(10), place("node-1", "a"));
    ledger.update(0, ms(20), &add(&[1]));
    observe(&mut ledger, ms(1_000), &service(false), &plain);
    ledger.update(0, ms(1_010), &add(&[2]));
    let late = open(&mut ledger, ms(2_000), place("node-3", "c"));
    assert_eq!(ledger.promised_to(late), 2);
    ledger.update(late, ms(2_010), &add(&[1, 2]));
    assert_eq!(ledger.end_state(ms(2_020)).streams_wrong, 0);
}

fn six(n: u8) -> SliceEndpoint {
    SliceEndpoint {
        addresses: vec![format!("fd00::{n}").parse().unwrap()],
        ..entry(n, "node-1", None)
    }
}

#[test]
fn a_service_that_cannot_be_judged_is_neither_accused_nor_excused() {
    let v4 = slice(vec![entry(1, "node-1", None), entry(2, "node-1", None)]);
    let mut both = v4.clone();
    both.endpoints.push(six(1));
    let mut ledger = ServiceLedger::new(DEADLINE);
    observe(&mut ledger, ms(0), &service(false), &v4);
    let stream = open(&mut ledger, ms(10), Place::default());
    ledger.update(stream, ms(20), &add(&[1]));
    assert_eq!(ledger.end_state(ms(30)).missing, 1, "judged as yet");
    observe(&mut ledger, ms(1_000), &service(false), &both);
    ledger.update(stream, ms(1_010), &remove(&[1]));
    ledger.expire(ms(60_000));
    let end = ledger.end_state(ms(60_000));
    assert_eq!(end.unjudged, Some(Unjudged::Ipv6Unknown));
    assert_eq!(
        (end.streams_unjudged, end.streams_checked, end.streams_wrong),
        (1, 0, 0)
    );
    assert!(ledger.is_settled());
    let outbox = ledger.take_outbox();
    assert_eq!((outbox.counts.unexpected, outbox.counts.redundant), (0, 0));
    assert!(outbox.changes.iter().all(|it| it.never == 0));
    // From when it can be said again, it is judged by what was heard all along.
    observe(&mut ledger, ms(61_000), &service(false), &v4);
    assert_eq!(ledger.end_state(ms(61_010)).missing, 2);
    ledger.update(stream, ms(61_020), &add(&[1, 2]));
    let end = ledger.end_state(ms(61_030));
    assert_eq!((end.unjudged, end.streams_wrong), (None, 0));
    assert_eq!(end.streams_checked, 1);
}

#[test]
fn with_the_flag_known_the_same_service_is_judged() {
    let mut both = slice(vec![entry(1, "node-1", None)]);
    both.endpoints.push(six(1));
    let v6 = Update::Add(vec![Endpoint::of_pod(
        "[fd00::1]:8080".parse().unwrap(),
        "pod-1",
    )]);
    for (ipv6, right, wrong) in [(true, &v6, &add(&[1])), (false, &add(&[1]), &v6)] {
        for (sent, wrongs) in [(right, 0), (wrong, 1)] {
            let mut ledger = ServiceLedger::new(DEADLINE);
            ledger.follow(Flags {
                ipv6: Some(ipv6),
                ..Flags::DEFAULT
            });
            observe(&mut ledger, ms(0), &service(false), &both);
            let stream = open(&mut ledger, ms(10), Place::default());
            ledger.update(stream, ms(20), sent);
            let end = ledger.end_state(ms(30));
            assert_eq!((end.streams_wrong, end.unjudged), (wrongs, None), "{ipv6}");
        }
    }
}

#[test]
fn an_address_that_pods_share_is_one_endpoint_as_pods_come_and_go() {
    let mut second = entry(2, "node-1", None);
    second.addresses = entry(1, "node-1", None).addresses;
    let (alone, shared) = (
        slice(vec![entry(1, "node-1", None)]),
        slice(vec![entry(1, "node-1", None), second.clone()]),
    );
    let other = slice(vec![second]);
    let sent = |pod: &str| Update::Add(vec![named(1, pod)]);
    let mut ledger = ServiceLedger::new(DEADLINE);
    observe(&mut ledger, ms(0), &service(false), &shared);
    let stream = open(&mut ledger, ms(10), Place::default());
    ledger.update(
        stream,
        ms(20),
        &Update::Add(vec![named(1, "pod-1"), named(1, "pod-2")]),
    );
    assert_eq!(ledger.end_state(ms(30)).streams_wrong, 0);
    // Whoever shares it, a client has nothing to learn; what is sent all the same is legal.
    for (at, now) in [(1_000, &alone), (2_000, &shared), (3_000, &other)] {
        observe(&mut ledger, ms(at), &service(false), now);
        assert_eq!(ledger.end_state(ms(at + 1)).streams_wrong, 0, "{at}");
    }
    ledger.update(stream, ms(3_010), &sent("pod-2"));
    ledger.expire(ms(60_000));
    let end = ledger.end_state(ms(60_000));
    assert_eq!((end.streams_wrong, end.unexpected), (0, 0));
    // A `remove` of it, as Linkerd sends where one of them goes, loses it.
    ledger.update(stream, ms(60_010), &remove(&[1]));
    assert_eq!(ledger.end_state(ms(70_000)).missing, 1);
}

#[test]
fn a_zone_that_changes_under_open_streams_leaves_only_what_depends_on_it_unjudged() {
    let hinted = slice(vec![
        entry(1, "node-1", Some("a")),
        entry(2, "node-2", Some("b")),
    ]);
    let plain = slice(vec![entry(1, "node-1", None), entry(2, "node-2", None)]);
    for (local, slice, sent, doubtful) in [
        (false, &hinted, [&[1][..], &[2][..]], true),
        (true, &hinted, [&[1], &[2]], false),
        (false, &plain, [&[1, 2], &[1, 2]], false),
    ] {
        let (mut ledger, end) = opened(&service(local), slice, sent);
        assert_eq!((end.streams_wrong, end.unjudged), (0, None));
        ledger.rezone("node-9", ms(61_000));
        assert_eq!(ledger.unjudged(), None, "nobody is there");
        ledger.rezone("node-1", ms(61_000));
        let doubt = doubtful.then_some(Unjudged::ZoneChanged);
        assert_eq!(ledger.end_state(ms(61_000)).unjudged, doubt);
        observe(&mut ledger, ms(62_000), &service(local), slice);
        assert_eq!(ledger.end_state(ms(62_000)).unjudged, doubt);
    }
}

#[test]
fn what_changed_just_now_is_not_judged_and_what_has_been_wrong_for_long_is() {
    let (one, both) = (
        slice(vec![entry(1, "node-1", None)]),
        slice(vec![entry(1, "node-1", None), entry(2, "node-1", None)]),
    );
    let mut ledger = ServiceLedger::new(DEADLINE);
    observe(&mut ledger, ms(0), &service(false), &one);
    let stream = open(&mut ledger, ms(10), Place::default());
    ledger.update(stream, ms(20), &add(&[1]));
    observe(&mut ledger, ms(10_000), &service(false), &both);
    let end = ledger.end_state(ms(12_000));
    assert_eq!((end.streams_wrong, end.missing), (0, 0));
    assert_eq!(end.unjudged, Some(Unjudged::Changing));
    assert_eq!((end.streams_unjudged, end.streams_checked), (1, 0));
    assert!(ledger.is_changing(ms(12_000)));
    // Seven seconds of nothing: nobody changes anything, and it still has time to come.
    assert!(!ledger.is_changing(ms(17_000)));
    let end = ledger.end_state(ms(17_000));
    assert_eq!((end.streams_wrong, end.streams_unjudged), (0, 1));
    let end = ledger.end_state(ms(10_000) + DEADLINE);
    assert_eq!((end.streams_wrong, end.missing), (1, 1));
    assert_eq!((end.unjudged, end.streams_checked), (None, 1));
    // What is wrong is wrong although something else has just changed.
    observe(&mut ledger, ms(18_000), &service(false), &one);
    observe(&mut ledger, ms(18_001), &service(false), &both);
    ledger.update(stream, ms(18_100), &add(&[7]));
    assert_eq!(ledger.end_state(ms(24_000)).unexpected, 1);
}

#[test]
fn an_update_that_the_observer_has_yet_to_see_is_on_its_way_for_as_long() {
    let one = slice(vec![entry(1, "node-1", None)]);
    let mut ledger = ServiceLedger::new(DEADLINE);
    observe(&mut ledger, ms(0), &service(false), &one);
    let stream = open(&mut ledger, ms(10), Place::default());
    ledger.update(stream, ms(20), &add(&[1]));
    ledger.update(stream, ms(10_000), &add(&[2]));
    assert_eq!(
        ledger.end_state(ms(10_500)).unjudged,
        Some(Unjudged::Changing)
    );
    assert_eq!(ledger.end_state(ms(16_000)).unexpected, 1);
}
